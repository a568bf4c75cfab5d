#!/usr/bin/env bash
# An unmodified Apache SecondaryNameNode checkpoints our namenode: it gets image and edits, merges, and sends the new image; bad ones are refused.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/daemons.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish
second=$WORK/name2/current; mkdir "$WORK/name2"
cluster_start --datanodes 1 -D dfs.namenode.checkpoint.period=4 -D dfs.namenode.checkpoint.check.period=3600 -D dfs.namenode.num.checkpoints.retained=2 \
    -D dfs.heartbeat.interval=1 || finish
daemon_kill namenode TERM
sed -i "s#<value>[^<]*$CLUSTER/namenode/name</value>#<value>file://$CLUSTER/namenode/name,file://$WORK/name2</value>#" "$CLUSTER/conf/hdfs-site.xml"
daemon_run namenode
check "a second name directory" wait_until 20 cluster_is_up 1
name=$CLUSTER/namenode/name/current
http=$(daemon_conf namenode dfs.namenode.http-address)
images() { find "$1" -name 'fsimage_*' ! -name '*.md5' -printf '%f\n' | sort; }
newest() { images "$1" | tail -n 1; }
seq 1 2000 | sed 's/.*/line & of a file/' > "$WORK/file"
work() { # N: edits of all common kinds
    dfs -mkdir -p "/w$1/a/b" && dfs -put "$WORK/file" "/w$1/a/f" && dfs -appendToFile "$WORK/file" "/w$1/a/f" && dfs -mv "/w$1/a/b" "/w$1/c" && dfs -setrep 2 "/w$1/a/f" &&
        dfs -chmod 700 "/w$1/c" && dfs -touchz "/w$1/gone" && dfs -rm -skipTrash "/w$1/gone"
}
secondary() { # FOLDER ARGS...
    local dir=$1; shift
    mkdir -p "$dir"
    cp "$CLUSTER/conf/core-site.xml" "$dir"
    sed '/<\/configuration>/d' "$CLUSTER/conf/hdfs-site.xml" > "$dir/hdfs-site.xml"
    { apache_property dfs.namenode.checkpoint.dir "file://$dir/checkpoint"
      apache_property dfs.namenode.secondary.http-address 127.0.0.1:0
      apache_property hadoop.tmp.dir "$dir/tmp"
      echo '</configuration>'; } >> "$dir/hdfs-site.xml"
    (APACHE_CONF_DIR=$dir PEER_TIER=1 peer_java org.apache.hadoop.hdfs.server.namenode.SecondaryNameNode "$@") > "$dir/log" 2>&1
}
at_least() { sleep 4; }

check "files of many kinds" work 1
before=$(newest "$name")
at_least
check "the SecondaryNameNode checkpoints" secondary "$WORK/snn" -checkpoint force
check "our namenode has a newer image" test "$(newest "$name")" \> "$before"
check "in both directories, the same" cmp "$name/$(newest "$name")" "$second/$(newest "$name")"
check "with the right MD5" bash -c "cd '$name' && md5sum -c '$(newest "$name").md5'"
check "it is the one that the SecondaryNameNode made" cmp "$name/$(newest "$name")" "$WORK/snn/checkpoint/current/$(newest "$name")"
check "nothing half is left" bash -c "! compgen -G '$name/fsimage.ckpt*' && ! compgen -G '$second/fsimage.ckpt*'"
check "the log says so" grep -q 'Took the image of txid' "$CLUSTER/namenode/log"
dfs -ls -R / > "$WORK/listing"

check "more edits" work 2
at_least
check "a second checkpoint of the same SecondaryNameNode" secondary "$WORK/snn" -checkpoint force
at_least; work 3
check "and a third" secondary "$WORK/snn" -checkpoint force
check_equal "two images are kept" 2 "$(images "$name" | wc -w)"
check "edits that no image needs may go, the newest stay" bash -c "compgen -G '$name/edits_inprogress_*'"
dfs -ls -R / > "$WORK/listing"; dfs -cat /w2/a/f > "$WORK/content"
daemon_kill namenode
daemon_run namenode
check "our namenode starts from that image after kill -9" wait_until 20 cluster_is_up 1
check "the log says which" log_says namenode "$(newest "$name" | sed 's/fsimage_0*//')"
check "everything is there" bash -c "dfs -ls -R / | diff - '$WORK/listing' && dfs -cat /w2/a/f | cmp - '$WORK/content'"
check "edits go on" work 4
at_least
dfs -mkdir /fetch
check "dfsadmin -fetchImage" hdfs dfsadmin -fetchImage "$WORK"
check "gets the newest image" cmp "$WORK/$(newest "$name")" "$name/$(newest "$name")"
check "Apache's -fetchImage, too" bash -c "mkdir '$WORK/fetched'"
check "from our namenode" apache org.apache.hadoop.hdfs.tools.DFSAdmin -fs "$URI" -fetchImage "$WORK/fetched"
check "the same bytes" cmp "$WORK/fetched/$(newest "$name")" "$name/$(newest "$name")"

# ---- uploads that are refused; nothing changes ----
snapshot() { (cd "$name" && sha256sum fsimage_* VERSION; cd "$second" && sha256sum fsimage_* VERSION; ls "$name" "$second"); }
version() { sed -n "s/^$1=//p" "$name/VERSION"; }
info="$(version layoutVersion):$(version namespaceID):$(version cTime):$(version clusterID)"
good=$name/$(newest "$name"); size=$(stat -c %s "$good"); txid=$(newest "$name" | sed 's/fsimage_0*//')
md5=$(cut -c 1-32 "$good.md5")
put() { # STATUS FILE TXID SIZE INFO [CURL OPTIONS]: the answer's status is this, nothing changed
    local want=$1 file=$2 t=$3 s=$4 i=$5 got; shift 5
    got=$(curl -s -o "$WORK/answer" -w '%{http_code}' --max-time 20 -T "$file" "$@" "http://$http/imagetransfer?txid=$t&File-Length=$s&imageFile=IMAGE&storageInfo=$i")
    echo "$got $(cat "$WORK/answer")"
    snapshot | diff "$WORK/before" - && [[ $got == "$want" ]]
}
snapshot > "$WORK/before"
next=$((txid + 2))
check "an image that is there already: conflict" put 409 "$good" "$txid" "$size" "$info"
check "of another cluster: forbidden" put 403 "$good" $next "$size" "${info%:*}:CID-other"
check "Apache's words" grep -q "This namenode has storage info $info but the secondary expected" "$WORK/answer"
check "of another namespace" put 403 "$good" $next "$size" "$(version layoutVersion):12345:$(version cTime):$(version clusterID)"
check "of another layout" put 403 "$good" $next "$size" "-1:$(version namespaceID):$(version cTime):$(version clusterID)"
check "of a transaction that never was" put 410 "$good" 999999 "$size" "$info"
check "that says another transaction inside" put 410 "$good" $next "$size" "$info"
check "shorter than it says" put 410 "$good" $next $((size + 1)) "$info"
check "longer than it says" put 410 "$good" $next $((size - 1)) "$info"
check "without a length" put 410 "$good" $next "" "$info"
check "with a wrong MD5" put 410 "$good" $next "$size" "$info" -H 'X-MD5-Digest: 00000000000000000000000000000000'
check "Apache's words" grep -q "computed digest $md5 does not match advertised digest 0000" "$WORK/answer"
cp "$good" "$WORK/bad"; printf '\377' | dd of="$WORK/bad" bs=1 seek=$((size - 20)) conv=notrunc 2> /dev/null
check "bit-flipped" put 410 "$WORK/bad" $next "$size" "$info"
head -c 3000000 /dev/urandom > "$WORK/noise"
check "no image at all" put 410 "$WORK/noise" $next 3000000 "$info"
check "endless, in chunks" put 410 "$WORK/noise" $next "$size" "$info" -H 'Transfer-Encoding: chunked'
check "of a rollback" bash -c "[[ \$(curl -s -o /dev/null -w '%{http_code}' -T '$good' 'http://$http/imagetransfer?txid=$next&File-Length=$size&imageFile=IMAGE_ROLLBACK&storageInfo=$info') == 410 ]]"
(exec 3<> "/dev/tcp/${http%:*}/${http##*:}"; printf 'PUT /imagetransfer?txid=%s&File-Length=%s&storageInfo=%s HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\nHDFSIMG1abc' "$next" "$size" "$info" "$size" >&3; sleep 0.3)
check "a sender that goes away leaves nothing" wait_until 10 eval 'snapshot | diff "$WORK/before" -'
check "a GET by somebody else's secondary is refused" bash -c "[[ \$(curl -s -o /dev/null -w '%{http_code}' 'http://$http/imagetransfer?getimage=1&txid=$txid&storageInfo=-1:1:1:x') == 403 ]]"
dfs -mkdir /after
at_least
check "and after all that a right one is taken" secondary "$WORK/snn" -checkpoint force
check "newer" test "$(newest "$name")" \> "$(basename "$good")"

# A SecondaryNameNode whose folder is another cluster's.
cp -r "$WORK/snn" "$WORK/other"
sed -i 's/^clusterID=.*/clusterID=CID-of-another/' "$WORK/other/checkpoint/current/VERSION"
snapshot > "$WORK/before"
at_least
check_fails "the SecondaryNameNode of another cluster gives up" secondary "$WORK/other" -checkpoint force
check "for that reason" grep -q 'Inconsistent checkpoint fields' "$WORK/other/log"
check "images are as they were" bash -c "cd '$name' && sha256sum fsimage_* | diff - <(grep fsimage_ '$WORK/before' | head -n 4)"

# An Apache NameNode starts from what is there.
cluster_stop
APACHE_NAME_DIR=$CLUSTER/namenode/name
check "Apache's oiv reads the image" apache org.apache.hadoop.hdfs.tools.offlineImageViewer.OfflineImageViewerPB -p XML -i "$name/$(newest "$name")" -o "$WORK/image.xml"
check "with /after in it" grep -q '<name>after</name>' "$WORK/image.xml"
[[ -n ${KEEP:-} ]] && { rm -rf "$KEEP"; mkdir "$KEEP"; cp -r "$CLUSTER/namenode" "$WORK"/snn/log "$KEEP"; }
finish
