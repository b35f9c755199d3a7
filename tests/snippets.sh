#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# What the pages show is what is compiled and run: snippets.sh <root>
#
# - C++ in README.md and docs/*.md is cut from one file of examples/, "// ..." where lines are left out. Lines that an
#   example has for its tests only, and white space, do not count; a program on a page has a fixed port.
# - A block whose first line is a comment with a path, "# examples/quick_start/CMakeLists.txt", is cut from that file,
#   whatever its language; "..." in a comment stands for what is left out.

set -eu
cd "$1"
examples=$(mktemp)
trap 'rm -f "$examples"' EXIT
find examples -name '*.[ch]pp' | sort >"$examples"

awk '
    function tidied(text) {
        gsub(/[ \t]+/, " ", text)
        sub(/^ /, "", text)
        sub(/ $/, "", text)
        sub(/int argc, char\*\* argv/, "", text)
        sub(/const std::uint16_t port = app.listen\(\{.port = wanted\}\)/, "app.listen({.port = 8080})", text)
        sub(/const auto port = app.listen/, "app.listen", text)
        return text ~ /^(#include <c|const auto wanted|std::(printf|fflush)|\/\/ [a-z_]+ \[port\])/ ? "" : text
    }
    function read_lines_of(file,    line) {
        if (file in size) return
        size[file] = 0
        while ((getline line < file) > 0) if (tidied(line) != "") source[file, ++size[file]] = tidied(line)
        close(file)
    }
    function is_cut(text) { return text ~ /^(\/\/|#|<!--) ?\.\.\.( ?-->)?$/ }
    # Whether the lines of the block follow each other in the file; where it says so, at some distance.
    function found_in(file, first,    at, line, jump) {
        at = 1
        jump = 1
        for (line = first; line <= lines; ++line) {
            if (is_cut(block[line])) { jump = 1; continue }
            while (jump && at <= size[file] && source[file, at] != block[line]) ++at
            if (at > size[file] || source[file, at] != block[line]) return 0
            ++at
            jump = 0
        }
        return 1
    }
    function complain(what) {
        print FILENAME ":" start ": " what
        faults = 1
    }
    function check_block(    i, named) {
        named = block[1]
        if (named ~ /^(\/\/|#|<!--) [A-Za-z_]+(\/[A-Za-z_.]+)+( -->)?$/) {
            gsub(/^(\/\/|#|<!--) | -->$/, "", named)
            read_lines_of(named)
            if (size[named] == 0) complain("there is no file " named)
            else if (!found_in(named, 2)) complain("this is not in " named)
        } else if (language == "cpp") {
            for (i in examples) if (found_in(examples[i], 1)) return
            complain("this code is in no example")
        }
    }
    FILENAME == list { examples[FNR] = $0; read_lines_of($0); next }
    /^ *```/ && !inside {
        language = $0
        gsub(/[` ]/, "", language)
        inside = 1
        lines = 0
        start = FNR
        if (language == "cpp") ++blocks
        next
    }
    /^ *```$/ { inside = 0; check_block(); next }
    inside && tidied($0) != "" { block[++lines] = tidied($0) }
    END {
        if (!blocks) print "no C++ was found"
        exit faults || !blocks
    }
' list="$examples" "$examples" README.md docs/*.md
