#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# What a route costs to compile: CPU seconds and object size of one file each, against Asio alone.
#
#   compile.sh <compiler> <folder of this script> <compile flags>...

set -eu
compiler=$1
here=$2
shift 2
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

printf '%-44s %8s %10s\n' "one file, -O2" "CPU s" "object KiB"
for name in asio_only asio_echo sse_route sse_server; do
    used=$(seconds "$compiler" -std=c++20 -O2 "$@" -c "$here/compile/$name.cpp" -o "$out/$name.o")
    size=$(($(wc -c <"$out/$name.o") / 1024))
    case $name in
        asio_only) what="#include <asio.hpp> and nothing else" ;;
        asio_echo) what="an echo server on plain Asio" ;;
        sse_route) what="weir: a route in an Asio server" ;;
        sse_server) what="weir: a route on weir::server" ;;
    esac
    printf '%-44s %8s %10s\n' "$what" "$used" "$size"
    [ "$name" != asio_echo ] || echo_used=$used
    [ "$name" = asio_only ] || [ "$name" = asio_echo ] ||
        printf '%-44s %8s\n' "    x the echo server" "$(echo "$used $echo_used" | awk '{ printf "%.2f", $1 / $2 }')"
done
