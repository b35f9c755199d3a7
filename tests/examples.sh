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
        until grep -q '^id: 1$' "$out/drained" 2>/dev/null; do :; done
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
