#!/usr/bin/env bash
# What `make install` lays down is enough to build and run a program against: header, library, pkg-config file; and the programs and
# manual pages are there.
. "$(dirname "$0")/../lib/scenario.sh"

dest=$WORK/dest
prefix=/opt/tusk
make_install() { make -C "$ROOT" --no-print-directory -s install DESTDIR="$dest" PREFIX="$prefix" ${SAN:+SAN="$SAN"}; }
check "make install" make_install || finish

for file in bin/hdfs bin/dfs lib/libhdfs.so lib/libhdfs.a include/hdfs.h lib/pkgconfig/libhdfs.pc share/man/man1/hdfs.1 \
    share/man/man1/hdfs-dfs.1 share/man/man3/libhdfs.3; do
    check "$file is there" test -s "$dest$prefix/$file"
done
check_equal "no path of the build is left in libhdfs.pc" 0 "$(grep -c -e "$ROOT" -e @ "$dest$prefix/lib/pkgconfig/libhdfs.pc")"
check_equal "the library shows libhdfs' functions only" "" \
    "$(nm -D --defined-only "$dest$prefix/lib/libhdfs.so" | awk '{print $3}' | grep -vE '^(hdfs[A-Z]|hadoopRz|hadoopReadZero|hdfs_last_error)')"

cat > "$WORK/hello.c" <<'EOF'
#include <fcntl.h>
#include <hdfs.h>
#include <stdio.h>
int main(void)
{
    hdfsFS fs = hdfsConnect("default", 0);
    hdfsFile file = fs ? hdfsOpenFile(fs, "/hello", O_WRONLY, 0, 0, 0) : NULL;
    if (file && hdfsWrite(fs, file, "hello\n", 6) == 6 && !hdfsCloseFile(fs, file)) return hdfsDisconnect(fs);
    fprintf(stderr, "%s\n", hdfs_last_error());
    return 1;
}
EOF
pc() { PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_PATH=$dest$prefix/lib/pkgconfig pkg-config "$@" libhdfs; }
# shellcheck disable=SC2046
build() { "${CC:-cc}" "$@" -o "$WORK/hello" "$WORK/hello.c" $(pc --cflags) ${SAN:+-fsanitize="$SAN"} $(pc --libs); }
check "a program compiles and links" build
export PATH=$dest$prefix/bin:$PATH LD_LIBRARY_PATH=$dest$prefix/lib
cluster_start || finish
check "the program writes a file" "$WORK/hello"
check_equal "the installed shell reads it" hello "$(dfs -cat /hello)"
check_equal "no library of the build is used" "" "$(ldd "$WORK/hello" | grep "$BUILD")"
finish
