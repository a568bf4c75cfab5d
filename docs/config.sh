#!/usr/bin/env bash
# Prints docs/config.md: the settings of common/conf.def, and which programs read them, as their sources say.
set -euo pipefail
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL

# "folder id" for each use of a setting, by its id or by its quoted name. Tables of old names and what `hdfs mini` writes are no use.
uses() {
    local folder
    for folder in common namenode datanode client client/shell; do
        find "$folder" -maxdepth 1 -name '*.[ch]' ! -path 'common/conf*' ! -name "mini*.c" -exec grep -ohE '\bCONF_[a-z]\w+|"[a-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)+"' {} + |
            sort -u | sed -E 's/^CONF_//; s/^"(.*)"$/\1/; s/[.-]/_/g' | sort -u | sed "s|^|${folder##*/} |"
    done
}

cat <<'EOF'
# Settings

Made by `make docs` from `common/conf.def`; do not edit. Names, types and defaults are those of Hadoop 3.5.0. Programs read `core-site.xml` and
`hdfs-site.xml` in `$HADOOP_CONF_DIR`, else in `$HADOOP_HOME/etc/hadoop`, else in `/etc/hadoop/conf`; `-D key=value` overrules the files.
`hdfs getconf -confKey KEY` prints a value as the programs see it. Settings that are not in these tables are kept and have no effect.

Types: `size` is a number of bytes and takes k, m, g, t, p, e (powers of 1024); `duration` takes ns, us, ms, s, m, h, d, and a bare number counts in the
unit shown; `list` is separated by commas. The last column tells which parts of the code use the setting.
EOF

awk -v uses=<(uses) '
    function cell(text) { gsub(/\|/, "\\|", text); return text }
    function field() { # the next argument of CONF(), without quotes
        if (substr(rest, 1, 1) == "\"") { match(rest, /^"[^"]*"/); value = substr(rest, 2, RLENGTH - 2) }
        else { match(rest, /^[^,]*/); value = substr(rest, 1, RLENGTH) }
        rest = substr(rest, RLENGTH + 1); sub(/^, */, "", rest)
        return value
    }
    BEGIN {
        while ((getline line < uses) > 0) {
            split(line, word, " ")
            if (!((word[2], word[1]) in seen)) { seen[word[2], word[1]] = 1; by[word[2]] = by[word[2]] (by[word[2]] == "" ? "" : ", ") word[1] }
        }
    }
    /^\/\* -- .* -- \*\/$/ { sub(/^\/\* -- /, ""); sub(/ -- \*\/$/, ""); count++; section[count] = $0; next }
    /^CONF\(/ {
        rest = substr($0, 6)
        id = field(); key[id] = field(); type[id] = field(); preset[id] = field(); unit[id] = field(); text[id] = field()
        order[++ids] = id; part[id] = count; by_name[key[id]] = id
    }
    END {
        for (i = 1; i <= ids; i++) { # a default that names another setting uses it
            id = order[i]
            if (by[id] != "" && match(preset[id], /\$\{[^}]*\}/)) {
                other = by_name[substr(preset[id], RSTART + 2, RLENGTH - 3)]
                if (other != "" && by[other] == "") by[other] = "in defaults"
            }
        }
        for (s = 1; s <= count; s++) {
            printf "\n## %s\n\n| setting | type | default | meaning | used by |\n| --- | --- | --- | --- | --- |\n", toupper(substr(section[s], 1, 1)) substr(section[s], 2)
            for (i = 1; i <= ids; i++) {
                id = order[i]
                if (part[id] != s || by[id] == "") continue
                printf "| `%s` | %s%s | %s | %s | %s |\n", key[id], type[id], unit[id] == "" ? "" : ", " unit[id],
                    preset[id] == "" ? "" : "`" cell(preset[id]) "`", cell(text[id]), by[id]
            }
        }
        print "\n## Known, without effect\n"
        print "Accepted and checked, and shown by `hdfs getconf`; nothing reads them yet.\n"
        for (i = 1; i <= ids; i++) if (by[order[i]] == "") printf "- `%s`: %s\n", key[order[i]], text[order[i]]
    }' common/conf.def
