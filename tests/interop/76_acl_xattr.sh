#!/usr/bin/env bash
# ACLs and extended attributes, what is refused too: our shell on an Apache namenode, Apache's shell on ours and ours on ours say the same.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/peer.sh"
check "Apache Hadoop is at hand" peer_ready
((failures == 0)) || finish

long() { printf "%0$1d" 0; }
users() { seq -f "user:u%.0f:r--" -s , "$1"; }

# USER COMMAND...; "me" is the superuser.
commands() {
    cat << END
me -mkdir -p /p/d
me -touchz /p/f
me -setfacl -m default:user:bob:rwx /p/f
me -setfacl -m user:bob:rwx,user:bob:r-x /p/f
me -setfacl -m mask:bob:rwx /p/f
me -setfacl --set user:bob:rwx /p/f
me -setfacl --set user::rwx,user:bob:rwx,group::r-x,other::--- /p/f
me -setfacl -x mask /p/f
me -getfacl /p/f
me -setfacl -x user:nobody /p/f
me -setfacl -x user /p/f
me -getfacl /p/f
me -setfacl -x group /p/f
me -setfacl -k /p/f
me -getfacl /p/f
bob -setfacl -b /p/f
bob -setfacl -m user:bob:rwx /p/none
me -setfacl -m user:bob:rwx /p/none
me -getfacl /p/none
me -getfacl /p/f/x
bob -getfacl /p/d
me -setfacl -m default:user:bob:r-x,default:group:staff:rwx /p/d
me -mkdir /p/d/s
me -touchz /p/d/t
me -getfacl -R /p/d
me -chmod 700 /p/d
bob -ls /p/d
bob -getfacl /p/d/s
me -setfacl -m user:bob:r-x /p/d
bob -touchz /p/d/n
bob -rm -r /p/d/s
bob -chmod 777 /p/d
me -chmod 1777 /p/d
me -getfacl /p/d
me -setfacl -b /p/d
me -getfacl /p/d
me -setfacl -m $(users 29) /p/d
me -setfacl -m $(users 28) /p/d
me -setfacl -m user:u99:r-- /p/d
me -setfattr -n user.a -v 1 /p/f
me -setfattr -n user.a -v 2 /p/f
me -setfattr -n USER.b -v 2 /p/f
me -setfattr -n trusted.b /p/f
me -setfattr -n security.b -v 1 /p/f
me -setfattr -n system.b -v 1 /p/f
me -setfattr -n raw.b -v 1 /p/f
me -setfattr -n raw.b -v 1 /.reserved/raw/p/f
me -getfattr -d /p/f
me -getfattr -d /.reserved/raw/p/f
me -getfattr -n raw.b /p/f
me -getfattr -n raw.b /.reserved/raw/p/f
bob -getfattr -d /p/f
bob -getfattr -d /.reserved/raw/p/f
bob -getfattr -n raw.b /.reserved/raw/p/f
bob -getfattr -n trusted.b /p/f
bob -setfattr -n user.c /p/f
bob -setfattr -n trusted.c /p/f
bob -setfattr -n raw.c /.reserved/raw/p/f
bob -setfacl -m user:bob:rwx /.reserved/raw/p/f
me -getfattr -n user.none /p/f
me -setfattr -x user.none /p/f
me -setfattr -x trusted.b /p/f
me -setfattr -x user.a /p/none
me -setfattr -n user.a /p/none
me -getfattr -d /p/none
me -setfattr -n security.hdfs.unreadable.by.superuser /p/d
me -setfattr -n security.hdfs.unreadable.by.superuser -v x /p/f
me -setfattr -n security.hdfs.unreadable.by.superuser /p/f
me -cat /p/f
me -setfattr -x security.hdfs.unreadable.by.superuser /p/f
me -getfattr -d /p/f
me -chmod 1777 /p
bob -setfattr -n user.x /p
me -setfattr -n user.big -v $(long 16376) /p/f
me -setfattr -n user.big -v $(long 16382) /p/f
me -setfattr -n user.big /p/f
$(for i in {1..31}; do echo "me -setfattr -n user.n$i /p/d"; done)
me -setfattr -n trusted.m1 /p/d
me -setfattr -n user.m2 /p/d
me -setfattr -n raw.m3 /.reserved/raw/p/d
me -getfattr -d /p/d
me -cp -ptopax /p/d /p/e
me -getfacl -R /p/e
me -getfattr -R -d /p/e
me -getfacl /.reserved
me -getfattr -d /.reserved/raw
me -setfacl -m user:bob:r-x /.reserved
me -setfattr -n user.r -v 1 /.reserved
END
}
commands > "$WORK/commands"
check_equal "there is something to do" 118 "$(wc -l < "$WORK/commands")"

run_ours() { # NAMENODE
    local user words
    while read -r user words; do
        echo "\$ $user ${words:0:80}"
        read -r -a words <<< "$words"
        [[ $user == me ]] && user=$(id -un)
        HADOOP_USER_NAME=$user hdfs dfs -fs "$1" "${words[@]}" 2>&1
        echo "= $?"
    done < "$WORK/commands"
}
run_apache() {
    local user words
    while read -r user words; do
        echo "\$ $user ${words:0:80}"
        read -r -a words <<< "$words"
        [[ $user == me ]] && user=$(id -un)
        tool "@$user" FsShell "${words[@]}" 2>&1
        echo "= $?"
    done < "$WORK/commands"
}

check "our cluster starts" cluster_start --datanodes 1 -D dfs.permissions.superusergroup="$(id -gn)"
tools_start
run_ours "$URI" > "$WORK/ours"
hdfs dfs -rm -r -skipTrash /p > /dev/null
run_apache | sed "/NativeCodeLoader/d" > "$WORK/their-shell"
check "an Apache cluster starts" apache_cluster_start "$WORK/apache" 1
run_ours "$APACHE_URI" > "$WORK/their-namenode"
check_equal "all of it ran" 118 "$(grep -c '^= ' "$WORK/ours")"
check "an Apache namenode answers what ours does" diff "$WORK/their-namenode" "$WORK/ours"
check "Apache's shell shows on ours what ours does" diff "$WORK/their-shell" "$WORK/ours"
finish
