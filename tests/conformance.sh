#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves that every test that docs/conformance.md names exists: sh tests/conformance.sh [project folder]. One line per fault
# of a row; none: exit status 0.
#
# A row's last cell has `file` "name" "name" `file` "name": files below tests/, names as they are in the file, or their
# beginning and "…", which must fit one test only (vectors: at least one). Or it begins with a word for why there is none.

set -u
cd "${1:-.}" || exit 2

awk '
    function say(text) {
        print FILENAME ":" FNR ": " row ": " text
        faults = 1
    }

    # Adds what `text` names, between its first two quotes, to the tests of `file`; C++ joins literals that follow.
    function add(file, text,    name) {
        while (match(text, /^[^"]*"([^"\\]|\\.)*"/)) {
            name = name substr(text, index(text, "\"") + 1, RLENGTH - index(text, "\"") - 1)
            text = substr(text, RLENGTH + 1)
            if (text !~ /^[ \t]*"/) break
        }
        tests[file, ++count[file]] = name
    }

    # Reads the names of the tests in a file, once: TEST_CASE and its kind, test(...), and the "name" of vectors.
    function load(file,    line, head, status) {
        if (file in count) return
        count[file] = 0
        while ((status = (getline line < file)) > 0) {
            if (file ~ /\.json$/ && line ~ /^[ \t]*"name":/) add(file, substr(line, index(line, ":")))
            if (file ~ /\.mjs$/ && line ~ /^[ \t]*test\("/) add(file, line)
            if (file ~ /\.mjs$/ && match(line, /^[ \t]*test\(`[^`]*`/)) {
                add(file, "\"" substr(line, index(line, "`") + 1, RLENGTH - index(line, "`") - 1) "\"")
            }
            if (file !~ /\.cpp$/) continue
            if (line ~ /^(TEMPLATE_)?TEST_CASE[A-Z_]*\(/) head = " "
            if (head != "") head = head line
            if (head != "" && line ~ /\{$/) {
                add(file, head)
                head = ""
            }
        }
        if (status < 0) count[file] = -1
        close(file)
    }

    function check_test(file, name,    i, whole, start, hits) {
        start = name
        whole = !sub(/…$/, "", start)
        for (i = 1; i <= count[file]; ++i) {
            hits += whole ? tests[file, i] == name : index(tests[file, i], start) == 1
        }
        if (!hits) say(file " has no test \"" name "\"")
        if (hits > 1 && file !~ /\.json$/) say(file " has " hits " tests \"" name "\"")
    }

    function check_proof(text,    rest, mark, item, file, named, any) {
        rest = text
        while (match(rest, /`[^`]*`|"[^"]*"/)) {
            mark = substr(rest, RSTART, 1)
            item = substr(rest, RSTART + 1, RLENGTH - 2)
            rest = substr(rest, RSTART + RLENGTH)
            if (mark == "\"") {
                if (file == "") say("no file before \"" item "\"")
                else if (count[file] >= 0) check_test(file, item)
                named = any = 1
            } else if (item ~ /\.(cpp|mjs|json)$/) {
                if (file != "" && !named) say("no test of " file " is named")
                file = "tests/" item
                named = 0
                load(file)
                if (count[file] < 0) say(file " does not exist")
            }
        }
        if (file != "" && !named) say("no test of " file " is named")
        if (!any && text !~ /^ *(Not so|Gap|Yours): ./) say("neither a test nor a reason")
    }

    !/^\|/ { in_table = 0 }
    /^\|[-| ]+\|$/ { in_table = 1; next }
    in_table {
        ++rows
        cells = split($0, cell, "|")
        row = cell[2] cell[3]
        gsub(/^ +| +$/, "", row)
        gsub(/  +/, " ", row)
        if (cells != 5) say("not three cells")
        else check_proof(cell[4])
    }
    END {
        if (!rows) print "docs/conformance.md: no rows found"
        exit rows ? faults + 0 : 2
    }
' docs/conformance.md
