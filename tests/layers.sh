#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves the layers of docs/DESIGN.md: sh tests/layers.sh [project folder]. One line per violation; none: exit status 0.

set -u
cd "${1:-.}" || exit 2

# The rules of one header, or of the bodies beside it: its name, and its lines.
check_header() {
    awk -v name="${1#include/weir/}" -v file="$1" '
        function say(text) { print file ":" (FNR > 0 ? FNR : 1) ": " text; found = 1 }

        # The order of the design. A header includes its own layer or a lower one.
        function layer(header) {
            sub(/\.ipp$/, ".hpp", header)
            if (header ~ /^(config|error|exceptions|bytes|time|utf8|utf8_validator|base64)\.hpp$/) return 0
            if (header ~ /^http\//) return 1
            if (header ~ /^(sse|ws)\//) return 2
            if (header ~ /^(session|policy)\//) return 3
            if (header ~ /^io\//) return 4
            if (header ~ /^server\//) return 5
            if (header !~ /\//) return 6
            if (header ~ /^adapt\//) return 7
            return -1
        }
        function layer_name(number) {
            split("ground|protocol (http)|protocol|session|operations|server|public|adapters", names, "|")
            return names[number + 1]
        }
        function folder(header) { return header ~ /\// ? substr(header, 1, index(header, "/") - 1) : "" }

        BEGIN {
            own = layer(name)
            if (own < 0) say("a folder without a layer: give it one in tests/layers.sh")
        }
        FNR == 1 && $0 != "// SPDX-License-Identifier: BSL-1.0" { say("the first line is not the SPDX line") }
        /^#pragma once$/ { once = 1 }
        /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)([^a-z]|$)/ && name != "config.hpp" {
            say("conditional compilation outside config.hpp")
        }
        name !~ /^(config|exceptions)\.hpp$/ && own != 7 {
            code = $0
            sub(/\/\/.*/, "", code)
            if (code ~ /(^|[^A-Za-z0-9_])(throw|try|catch)([^A-Za-z0-9_]|$)/) {
                say("throw, try or catch outside config.hpp and exceptions.hpp")
            }
        }
        !/^[ \t]*#[ \t]*include/ { next }
        /(asio|WEIR_ASIO)/ && (own < 4 || name == "sans_io.hpp") { say("Asio below the operations layer") }
        /"/ { say("included by quotes; write <weir/...>") }
        match($0, /<weir\/[^>]+>/) {
            target = substr($0, RSTART + 6, RLENGTH - 7)
            other = layer(target)
            if (other > own) say(layer_name(own) " includes " target ", which is " layer_name(other))
            if (name == "sans_io.hpp" && other > 3) say("sans_io.hpp is for programs without Asio: no " target)
            if (own == 2 && other == 2 && folder(target) != folder(name)) say(folder(name) " includes " target)
        }
        END {
            if (!once) say("no #pragma once")
            if (FNR > 400) say("more than 400 lines: two headers in one?")
            exit found
        }
    ' "$1"
}

# tests/ mirrors include/weir/, and a test includes its header before anything else.
check_test() {
    header=${1#include/}
    test=tests/${header#weir/}
    test=${test%.hpp}.cpp
    if [ ! -f "$test" ]; then
        echo "$1:1: no test: $test is missing"
        return 1
    fi
    first=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*//p' "$test" | head -n 1)
    if [ "$first" != "<$header>" ]; then
        echo "$test:1: the first include is not <$header>"
        return 1
    fi
}

# x.ipp has the bodies of x.hpp, which includes it at its end, as src.hpp does.
check_bodies() {
    name=${1#include/}
    header=${1%.ipp}.hpp
    if [ ! -f "$header" ]; then
        echo "$1:1: bodies without a header: $header is missing"
        return 1
    fi
    if [ "$(tail -n 1 "$header")" != "#include WEIR_BODIES($name)" ]; then
        echo "$header:1: the last line is not #include WEIR_BODIES($name)"
        return 1
    fi
    if ! grep -qxF "#include <$name>" include/weir/src.hpp 2>/dev/null; then
        echo "$1:1: not in include/weir/src.hpp"
        return 1
    fi
    if ! sed -n '4p' "$1" | grep -qE "^// .* of ${header##*/}[.:]"; then
        echo "$1:4: the fourth line does not say whose bodies these are"
        return 1
    fi
}

headers=$(find include/weir -name '*.hpp' 2>/dev/null | LC_ALL=C sort)
if [ -z "$headers" ]; then
    echo "include/weir: no headers found"
    exit 2
fi

failed=0
for header in $headers; do # no header's name has a space
    check_header "$header" || failed=1
    check_test "$header" || failed=1
done
for bodies in $(find include/weir -name '*.ipp' | LC_ALL=C sort); do
    check_header "$bodies" || failed=1
    check_bodies "$bodies" || failed=1
done
exit "$failed"
