#!/usr/bin/env bash
# ACLs and extended attributes: who may do what, what a directory hands down, and that all is there after a restart.
. "$(dirname "$0")/../lib/scenario.sh"
cluster_start --datanodes 1 || finish
as() { local user=$1; shift; HADOOP_USER_NAME=$user dfs "$@"; }
acl() { dfs -getfacl "$1" | grep -v '^#' | xargs; }
attribute() { dfs -getfattr -n "$2" "$1" | tail -n +2; }

dfs -mkdir /dir
dfs -chmod 700 /dir
dfs -put - /dir/file <<< hello
check_fails "a stranger is kept out" as bob -cat /dir/file
check "a named user" dfs -setfacl -m user:bob:r-x /dir
check_equal "is listed with the mask" "user::rwx user:bob:r-x group::--- mask::r-x other::---" "$(acl /dir)"
check_equal "and lets in" hello "$(as bob -cat /dir/file)"
check_equal "the plus says so" "drwxr-x---+" "$(dfs -ls -d /dir | awk '{print $1}')"
check_fails "but not to write" as bob -touchz /dir/other
check_fails "nor another" as carol -cat /dir/file
check "the mode is the mask" dfs -chmod 700 /dir
check_fails "which holds for the named" as bob -ls /dir
check_fails "whose ACL it is not may not change it" as bob -setfacl -m user:bob:rwx /dir
check "a default ACL" dfs -setfacl -m default:user:bob:rwx,default:other::--- /dir
check_fails "files have none" dfs -setfacl -m default:user:bob:rwx /dir/file
dfs -mkdir /dir/sub
dfs -touchz /dir/sub/new
check_equal "is handed down to directories" \
    "user::rwx user:bob:rwx group::--- mask::rwx other::--- default:user::rwx default:user:bob:rwx default:group::--- default:mask::rwx default:other::---" \
    "$(acl /dir/sub)"
check_equal "and files" "user::rw- user:bob:rwx #effective:rw- group::--- mask::rw- other::---" "$(acl /dir/sub/new)"
check "copies keep it" dfs -cp -ptopa /dir/sub/new /dir/copy
check_equal "entry by entry" "$(acl /dir/sub/new)" "$(acl /dir/copy)"
check "all of it goes" dfs -setfacl -b /dir/copy
check_equal "but the mode" "user::rw- group::--- other::---" "$(acl /dir/copy)"

check "an attribute" dfs -setfattr -n user.color -v red /dir/file
check_equal "is there" 'user.color="red"' "$(attribute /dir/file user.color)"
check "one of the superuser" dfs -setfattr -n trusted.secret -v x /dir/file
check_fails "that others do not set" as bob -setfattr -n trusted.secret -v x /dir/file
check_fails "no name without a space" dfs -setfattr -n color -v red /dir/file
check_fails "nor one of the system's" dfs -setfattr -n system.color -v red /dir/file
check_fails "none too large" dfs -setfattr -n user.big -v "$(printf '%016400d' 0)" /dir/file
check "one without value" dfs -setfattr -n user.empty /dir/file
check "one goes" dfs -setfattr -x user.empty /dir/file
check_fails "once" dfs -setfattr -x user.empty /dir/file
check "not even the superuser reads it" dfs -setfattr -n security.hdfs.unreadable.by.superuser /dir/file
check_fails "from now on" dfs -cat /dir/file
check_fails "for ever" dfs -setfattr -x security.hdfs.unreadable.by.superuser /dir/file

state() { dfs -getfacl -R /dir; dfs -getfattr -R -d /dir; dfs -ls -R /dir; }
before=$(state)
check "a restart on the edits" cluster_stop
cluster_start || finish
check_equal "loses nothing" "$before" "$(state)"
hdfs dfsadmin -safemode enter > /dev/null
hdfs dfsadmin -saveNamespace > /dev/null
check "a restart on an image" cluster_stop
cluster_start || finish
check_equal "loses nothing either" "$before" "$(state)"
finish
