#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# What a route costs to compile, header-only and with WEIR_SEPARATE_COMPILATION, against an echo server on Asio alone:
# CPU seconds and object size of one file each, and the size of the program, stripped.
#
#   compile.sh <compiler> <folder of this script> <llhttp library> <compile flags>...

set -eu
compiler=$1
here=$2
llhttp=$3
shift 3
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# CPU seconds of one compilation, user and system; the better of two.
seconds() {
    best=
    for _ in 1 2; do
        # `times` tells of all children so far: its second line, minutes and seconds, user and system.
        used=$(sh -c '"$@" >/dev/null; times' sh "$@" | awk 'NR == 2 { gsub(/[ms]/, " "); print $1 * 60 + $2 + $3 * 60 + $4 }')
        best=$(printf '%s\n%s\n' "$used" "${best:-$used}" | sort -n | head -n 1)
    done
    echo "$best"
}

kibibytes() { echo $(($(wc -c <"$1") / 1024)); }

# row <text> <file, without its end> [<object to link with> [<flag>...]]
row() {
    what=$1
    source=$here/compile/$2.cpp
    with=${3-}
    shift $(($# < 3 ? $# : 3))
    used=$(seconds "$compiler" -std=c++20 -O2 $flags "$@" -c "$source" -o "$out/unit.o")
    program=-
    if grep -q 'int main' "$source"; then
        "$compiler" -s -Wl,--gc-sections "$out/unit.o" $with "$llhttp" -pthread -o "$out/program"
        program=$(kibibytes "$out/program")
    fi
    [ "$source" != "$here/compile/asio_echo.cpp" ] || echo_used=$used
    ratio=$(echo "$used ${echo_used:-0}" | awk '{ if ($2 > 0) printf "%.2f", $1 / $2; else printf "-" }')
    printf '%-52s %8s %8s %10s %12s\n' "$what" "$used" "$ratio" "$(kibibytes "$out/unit.o")" "$program"
}

flags="-ffunction-sections -fdata-sections $*"
separate=-DWEIR_SEPARATE_COMPILATION
printf '%-52s %8s %8s %10s %12s\n' "one file, -O2" "CPU s" "x echo" "object KiB" "program KiB"
row "an echo server on plain Asio" asio_echo
row "#include <asio.hpp> and nothing else" asio_only
row "a route in an Asio server, header-only" sse_route
row "a route on weir::server, header-only" sse_server
row "src.hpp, once for a program" src "" $separate
mv "$out/unit.o" "$out/src.o"
row "a route in an Asio server, separate" sse_route "$out/src.o" $separate
row "a route on weir::server, separate" sse_server "$out/src.o" $separate
