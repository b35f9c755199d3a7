#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Makes the Debian package and the archive of a build, and looks into both: debian_package.sh <cpack> <build> <work folder>
# What is in the package is left in <work folder>/root.

set -eu
cpack=$1
build=$2
work=$3

command -v dpkg-deb >/dev/null || {
    echo "dpkg-deb is not installed"
    exit 77
}

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

rm -rf "$work"
mkdir -p "$work"
(cd "$build" && "$cpack" -G 'DEB;TGZ' -B "$work") >"$work/log" 2>&1 || fail "cpack:" "$(cat "$work/log")"
mkdir "$work/root" "$work/archive"
dpkg-deb -x "$work"/libweir-dev_*.deb "$work/root"
tar xzf "$work"/weir-*.tar.gz -C "$work/archive" --strip-components=1

# field <name> <pattern>
field() {
    value=$(dpkg-deb -f "$work"/libweir-dev_*.deb "$1")
    # shellcheck disable=SC2254 # a pattern it is
    case $value in
        $2) ;;
        *) fail "$1 is \"$value\", and should be \"$2\"" ;;
    esac
}

files() { (cd "$1" && find . -type f | sort); }

field Package libweir-dev
field Version '[0-9]*.[0-9]*.[0-9]*'
field Section libdevel
if [ -n "$(find "$work/root" -name '*.a')" ]; then
    # llhttp is in it, with its header and its licence.
    field Architecture "$(dpkg --print-architecture)"
    field Depends 'libasio-dev (>= 1:1.22) | libboost-dev (>= 1.74)'
    files "$work/root" | grep -q '/include/weir_llhttp/llhttp.h$' || fail "no llhttp.h"
    files "$work/root" | grep -q '/licenses/weir/llhttp$' || fail "llhttp's licence is missing"
else
    field Architecture all
    field Depends 'libasio-dev (>= 1:1.22) | libboost-dev (>= 1.74), node-llhttp | libllhttp-dev'
fi

# The archive has the same files; the package has the licence where Debian wants it, too, and nothing outside of these.
files "$work/archive" >"$work/in_archive"
files "$work/root/usr" | grep -v '^./share/doc/' >"$work/in_package"
cmp "$work/in_archive" "$work/in_package"
[ -s "$work/root/usr/share/doc/libweir-dev/copyright" ] || fail "no copyright"
[ -s "$work/root/usr/include/weir/config.hpp" ] || fail "no headers"
strangers=$(files "$work/root" | grep -v -e '^./usr/include/weir' -e '^./usr/share/' -e '/libweir_llhttp.a$' || true)
[ -z "$strangers" ] || fail "what is this:" "$strangers"
! dpkg-deb -c "$work"/libweir-dev_*.deb | grep -v ' root/root ' || fail "not root's"
