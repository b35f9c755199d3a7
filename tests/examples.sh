#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Runs the examples as a reader of the README would: examples.sh <folder of the programs> <example>

set -eu
folder=$1
server=

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

out=$(mktemp -d)
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$out"
}
trap finish EXIT

# start <program> <argument>...: in the background; $url is the address that it prints first.
start() {
    mkfifo "$out/first_line"
    "$@" >"$out/first_line" &
    server=$!
    read -r url <"$out/first_line" || fail "$1 printed no address"
    case $url in
        http://127.0.0.1:*) ;;
        *) fail "$1 printed: $url" ;;
    esac
}

# stop <status>: SIGTERM, and the status it must exit with.
stop() {
    kill -TERM "$server"
    status=0
    wait "$server" || status=$?
    server=
    [ "$status" -eq "$1" ] || fail "exit status $status after SIGTERM, expected $1"
}

# read_lines <n> <url> <curl option>...: the first lines of the body; curl ends with its next write.
read_lines() {
    lines=$1
    shift
    curl -sN --max-time 60 "$@" | head -n "$lines"
}

# read_until <line> <url> <curl option>...: the body as soon as it has that line.
read_until() {
    line=$1
    shift
    curl -sSN --max-time 60 "$@" >"$out/body" &
    reader=$!
    wait_for "^$line\$" "$out/body"
    kill "$reader"
    wait "$reader" 2>/dev/null || true
    cat "$out/body"
}

# status_of <url> <curl option>...: the status of the answer, whose head is left in $out/head.
status_of() {
    curl -sS -D "$out/head" -o "$out/body" -w '%{http_code}' --max-time 60 "$@"
}

# wait_for <expression> <file>: until a line is there.
wait_for() {
    until grep -q "$1" "$2" 2>/dev/null; do :; done
}

same() {
    [ "$1" = "$2" ] || fail "expected:" "$2" "got:" "$1"
}

case $2 in
    sse_ticks)
        start "$folder/weir_sse_ticks" 0
        same "$(read_lines 11 "$url")" ":

event: tick
id: 1
data: first line
data: second line

event: tick
id: 2
data: first line
data: second line"
        same "$(read_lines 6 "$url" -H 'Last-Event-ID: 41' | grep '^id')" "id: 42"
        # A stream that is open at SIGTERM ends in good order, and is asked to come back.
        curl -sSN --max-time 60 "$url" >"$out/drained" &
        curl=$!
        wait_for '^id: 1$' "$out/drained"
        stop 0
        wait "$curl" || fail "curl: the stream was cut"
        grep -q '^retry: [0-9]*$' "$out/drained" || fail "no retry: before the end"
        ;;
    sse_embed)
        start "$folder/weir_sse_embed" 0
        read_lines 5 "$url" | grep -q '^data: {"symbol":"WEIR","cents":10000}$' || fail "no price"
        same "$(curl -sS -o /dev/null -w '%{http_code}' "$url/nothing")" 404
        same "$(curl -sS -o /dev/null -w '%{http_code}' -H 'Accept: text/html' "$url")" 406
        stop 0
        ;;
    sse_broadcast)
        start "$folder/weir_sse_broadcast" 0
        # Two readers get the same; one that leaves is noticed, and counted no more.
        curl -sSN --max-time 60 "$url" >"$out/first" &
        first=$!
        wait_for '^data: 1 listening$' "$out/first"
        curl -sN --max-time 60 "$url" >"$out/second" &
        second=$!
        wait_for '^data: 2 listening$' "$out/second"
        id=$(grep -m 1 '^id: ' "$out/second")
        wait_for "^$id\$" "$out/first"
        kill "$second"
        wait "$second" 2>/dev/null || true
        until tail -n 3 "$out/first" | grep -q '^data: 1 listening$'; do :; done
        stop 0
        wait "$first" || fail "curl: the stream was cut"
        ;;
    sse_routes)
        start "$folder/weir_sse_routes" 0
        for entry in one two three; do
            curl -sS -o "$out/count" -d "$entry" "$url/log"
        done
        same "$(cat "$out/count")" 3
        same "$(read_until 'data: three' "$url/log/events" -H 'X-Api-Key: open sesame' -H 'Last-Event-ID: 1')" ":

retry: 2000

id: 2
data: two

id: 3
data: three"
        same "$(curl -sS -w '%{http_code}' "$url/log/events")" "members only
401"
        same "$(status_of "$url/log/events" -H 'X-Api-Key: open sesame' -H 'Origin: https://other.example')" 403
        # A page of the origin that may read the log asks first, and sees the refusal, too.
        same "$(status_of "$url/log/events" -X OPTIONS -H 'Origin: https://app.example')" 204
        grep -qi '^Access-Control-Allow-Headers: .*X-Api-Key' "$out/head" || fail "the field is not allowed"
        same "$(status_of "$url/log/events" -H 'Origin: https://app.example')" 401
        grep -qi '^Access-Control-Allow-Origin: https://app.example' "$out/head" || fail "no CORS field"

        same "$(curl -sSN --max-time 60 -d 'two  words' "$url/answers" | grep '^data')" "data: two
data: words
data: [DONE]"
        same "$(status_of "$url/answers")" 405
        # The model stops when its reader leaves: long before it would have said all of this.
        yes word | head -n 4000 | tr '\n' ' ' >"$out/question"
        same "$(read_lines 3 "$url/answers" -d "@$out/question" | tail -n 1)" "data: word"
        until curl -sS "$url/counts" | grep -q '^1 finished, 1 abandoned$'; do :; done

        same "$(curl -sSN --max-time 60 "$url/report" | grep '^data' | tr '\n' ' ')" \
            "data: 0 data: 25 data: 50 data: 75 data: 100 "
        stop 0
        ;;
    sse_policies)
        start "$folder/weir_sse_policies" 0
        same "$(read_lines 4 "$url" | tail -n 1)" "data: 1 opened, 0 heartbeats, 0 closed"
        until read_lines 4 "$url" | grep -q '^data: [2-9] opened, [1-9] heartbeats, [1-9] closed$'; do :; done
        stop 0
        ;;
    readme)
        # The README's C++ is cut from the examples, "// ..." where lines are left out. Its programs have a fixed port.
        awk '
            function tidied(text) {
                gsub(/[ \t]+/, " ", text)
                sub(/^ /, "", text)
                sub(/int argc, char\*\* argv/, "", text)
                sub(/const std::uint16_t port = app.listen\(\{.port = wanted\}\)/, "app.listen({.port = 8080})", text)
                return text ~ /^(#include <c|const auto wanted|std::(printf|fflush)|\/\/ sse_[a-z]+ \[port\])/ ? "" : text
            }
            # Whether the lines of the block follow each other in the file; where it says so, at some distance.
            function found_in(file,    at, line, jump) {
                at = 1
                jump = 1
                for (line = 1; line <= lines; ++line) {
                    if (block[line] == "// ...") { jump = 1; continue }
                    while (jump && at <= size[file] && source[file, at] != block[line]) ++at
                    if (at > size[file] || source[file, at] != block[line]) return 0
                    ++at
                    jump = 0
                }
                return 1
            }
            function check_block(    i) {
                for (i = 1; i < ARGC - 1; ++i) if (found_in(ARGV[i])) return
                print "README.md:" start ": this code is in no example"
                faults = 1
            }
            FILENAME !~ /README.md$/ { if (tidied($0) != "") source[FILENAME, ++size[FILENAME]] = tidied($0); next }
            /^```cpp$/ { ++blocks; inside = 1; lines = 0; start = FNR; next }
            /^```$/ && inside { inside = 0; check_block(); next }
            inside && tidied($0) != "" { block[++lines] = tidied($0) }
            END { exit faults || !blocks }
        ' "${0%/*}"/../examples/*.cpp "${0%/*}/../README.md"
        ;;
    sse_cat)
        cat="$folder/weir_sse_cat"
        stream() { printf 'retry: 250\nid: 7\nevent: greeting\ndata: "h\303\251llo"\ndata: \t2\n\ndata: x\r\rdata: lost'; }
        expected='{"event":"greeting","data":"\"héllo\"\n\t2","id":"7"}
{"event":"message","data":"x","id":"7"}
{"retry":250,"last_event_id":"7"}'
        for pieces in 1 2 3 7 4096; do
            same "$(stream | "$cat" --feed "$pieces" --summary)" "$expected"
        done
        same "$(printf 'data: y\n\n' | "$cat" --last-event-id 6)" '{"event":"message","data":"y","id":"6"}'
        same "$(printf '' | "$cat" --summary)" '{"retry":null,"last_event_id":""}'
        ! "$cat" --nonsense 2>"$out/usage" || fail "an unknown option is accepted"
        [ -s "$out/usage" ] || fail "no usage"
        ;;
    *) fail "no such example: $2" ;;
esac
