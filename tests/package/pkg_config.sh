#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Compiles programs with nothing but what pkg-config says: pkg_config.sh <installed weir> <work folder> <compiler> <flag>...

set -eu
prefix=$1
work=$2
shift 2
programs=$(cd "$(dirname "$0")/programs" && pwd)
command -v pkg-config >/dev/null || {
    echo "pkg-config is not installed"
    exit 77
}

# The files say where they are, so the whole may be moved.
rm -rf "$work"
mkdir -p "$work"
cp -R "$prefix" "$work/moved here"
export PKG_CONFIG_PATH="$work/moved here/share/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"

# run <module> <program> <compiler> <flag>...
run() {
    said=$(pkg-config --cflags --libs "$1")
    program="$programs/$2"
    shift 2
    # eval, as pkg-config has quoted the spaces of the path.
    eval "\"\$@\" -std=c++20 \"\$program\" $said -o \"\$work/program\""
    "$work/program"
}

run weir core.cpp "$@"
run weir with_asio.cpp "$@"
run 'weir zlib' deflate.cpp "$@"
version=$(pkg-config --modversion weir)
[ "$version" = "$(pkg-config --modversion weir-boost)" ]
pkg-config --exists 'weir >= 0.1 weir < 0.2'
if "$@" -E -x c++ -include boost/asio/io_context.hpp /dev/null >/dev/null 2>&1; then
    run weir-boost with_asio.cpp "$@"
fi
