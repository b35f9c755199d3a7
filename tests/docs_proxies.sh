#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# The configurations in docs/proxies.md are those that the tests run: docs_proxies.sh <root of the tree>
#
# In the page, a comment before each block says which file it is, <!-- tests/interop/proxies/nginx.conf -->, or that it is
# <!-- not tested -->. Only commands, ```sh, need none. Each of the files is in the page.

set -u
root=$1
page=$root/docs/proxies.md
blocks=$(mktemp -d) || exit 2
trap 'rm -rf "$blocks"' EXIT

# One file for each block that has one: blocks/<name>. What is wrong with the page itself goes to standard output.
awk -v blocks="$blocks" '
    /^<!-- .* -->$/ { mark = $0; sub(/^<!-- /, "", mark); sub(/ -->$/, "", mark); next }
    inside && /^```$/ { inside = 0; mark = file = ""; next }
    inside { if (file != "") print > file; next }
    /^```/ {
        inside = 1
        file = ""
        if (mark ~ /^tests\/interop\/proxies\//) {
            file = mark
            sub(/.*\//, "", file)
            file = blocks "/" file
            printf "" > file
        } else if (mark != "not tested" && $0 != "```sh")
            print "docs/proxies.md:" NR ": a block without a file, and not marked as not tested"
        next
    }
    NF { mark = "" }
' "$page" >"$blocks/.wrong" || exit 1

for file in "$root"/tests/interop/proxies/*; do
    name=$(basename "$file")
    if [ ! -e "$blocks/$name" ]; then
        echo "docs/proxies.md: tests/interop/proxies/$name is not in it"
    elif ! cmp -s "$file" "$blocks/$name"; then
        echo "docs/proxies.md: the block is not tests/interop/proxies/$name"
        diff "$file" "$blocks/$name"
    fi
done >>"$blocks/.wrong"
for block in "$blocks"/*; do
    [ -e "$block" ] || continue
    name=$(basename "$block")
    [ -e "$root/tests/interop/proxies/$name" ] || echo "docs/proxies.md: there is no tests/interop/proxies/$name"
done >>"$blocks/.wrong"

cat "$blocks/.wrong"
[ ! -s "$blocks/.wrong" ]
