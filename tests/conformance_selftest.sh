#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves that tests/conformance.sh can fail: a small page that holds, then each fault in turn.
#
# shellcheck disable=SC2016 # the page's backquotes are text

set -u
check=$(cd "$(dirname "$0")" && pwd)/conformance.sh
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0

mkdir -p "$tree/docs" "$tree/tests/sse" "$tree/tests/interop" "$tree/tests/vectors"
cat >"$tree/tests/sse/decoder.cpp" <<'END'
TEST_CASE("stream, BOM: the first one is stripped", "[sse]") {
}
TEST_CASE("stream, id: kept", "[sse]") {
}
TEST_CASE_METHOD(fixture, "stream, id: kept by a "
                          "reconnect",
                 "[sse]") {
    // "stream, comment: not a test"
}
TEMPLATE_TEST_CASE("stream, retry: digits", "[sse]",
                   int) {
}
END
cat >"$tree/tests/interop/curl.mjs" <<'END'
test("HEAD: no body", async () => {
    test(`${name}: at once`, async () => {
});
END
printf '%s\n' '"name": "id-nul",' '"name": "id-empty",' >"$tree/tests/vectors/stream.json"

# page <last cell>...: a page with a row for each.
page() {
    {
        printf '%s\n' '| | requirement | proof |' '|---|---|---|'
        for proof; do printf '| 1 | something is so | %s |\n' "$proof"; done
    } >"$tree/docs/conformance.md"
}

holds() {
    page "$@"
    output=$(sh "$check" "$tree") && return
    echo "does not hold: $*"
    echo "$output"
    failed=1
}

# breaks <text that must be said> <last cell>...: the check fails, and says so of the last row.
breaks() {
    text=$1
    shift
    page "$@"
    if output=$(sh "$check" "$tree"); then
        echo "not noticed: $*"
        failed=1
    elif [ "$output" != "docs/conformance.md:$(($# + 2)): 1 something is so: $text" ]; then
        echo "noticed, but not said: $text"
        echo "$output"
        failed=1
    fi
}

holds '`sse/decoder.cpp` "stream, BOM: the first one is stripped"'
holds '`sse/decoder.cpp` "stream, BOM…", "stream, id: kept"; `vectors/stream.json` "id-…" "id-nul"'
holds '`sse/decoder.cpp` "stream, id: kept by a reconnect", "stream, retry: digits"'
holds '`interop/curl.mjs` "HEAD: no body", "${name}: at once"'
holds 'Not so: `HTTP/1.2` is refused' 'Gap: no test yet' 'Yours: what the data says' \
    'Not so: refused. `sse/decoder.cpp` "stream, BOM…"'

breaks 'tests/sse/decoder.cpp has no test "stream, BOM"' '`sse/decoder.cpp` "stream, BOM"'
breaks 'tests/sse/decoder.cpp has no test "BOM…"' '`sse/decoder.cpp` "stream, BOM…", "BOM…"'
breaks 'tests/sse/decoder.cpp has no test "stream, comment…"' '`sse/decoder.cpp` "stream, comment…"'
breaks 'tests/sse/decoder.cpp has 2 tests "stream, id…"' '`sse/decoder.cpp` "stream, id…"'
breaks 'tests/interop/curl.mjs has no test "HEAD"' 'Gap: a little' '`interop/curl.mjs` "HEAD"'
breaks 'tests/vectors/stream.json has no test "bom-…"' '`vectors/stream.json` "bom-…"'
breaks 'tests/sse/encoder.cpp does not exist' '`sse/encoder.cpp` "stream, BOM…"'
breaks 'no test of tests/sse/decoder.cpp is named' 'Not so: see `sse/decoder.cpp`'
breaks 'no test of tests/sse/decoder.cpp is named' '`sse/decoder.cpp`, `interop/curl.mjs` "HEAD…"'
breaks 'no file before "stream, BOM…"' '"stream, BOM…"'
breaks 'neither a test nor a reason' 'Gap: one' 'it is so'
breaks 'neither a test nor a reason' 'Not so:'
breaks 'not three cells' 'Gap: one | two'

printf '%s\n' 'No table.' >"$tree/docs/conformance.md"
if sh "$check" "$tree" >/dev/null; then
    echo "not noticed: no rows"
    failed=1
fi
rm "$tree/docs/conformance.md"
if sh "$check" "$tree" >/dev/null 2>&1; then
    echo "not noticed: no page"
    failed=1
fi

exit "$failed"
