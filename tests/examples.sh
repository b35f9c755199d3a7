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
    rm -f "$out/first_line"
    mkfifo "$out/first_line"
    "$@" >"$out/first_line" &
    server=$!
    read -r url <"$out/first_line" || fail "$1 printed no address"
    url=${url#weir demo: }
    case $url in
        http://127.0.0.1:* | https://127.0.0.1:* | ws://127.0.0.1:*) ;;
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
    : >"$out/body" # now: the reader in the background may be late, and what was read before have that line, too
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

# port_of <url>
port_of() {
    authority=${1#*://}
    authority=${authority%%/*}
    echo "${authority##*:}"
}

# talk <name> <url>: weir_ws_cat in the background, for one connection; what it hears is in $out/<name>. Its input is a
# pipe, $out/to_<name>, which is to be opened at once.
talk() {
    mkfifo "$out/to_$1"
    "$folder/weir_ws_cat" "$2" --once <"$out/to_$1" >"$out/$1" 2>&1 &
}

same() {
    [ "$1" = "$2" ] || fail "expected:" "$2" "got:" "$1"
}

case $2 in
    hub_embed)
        start "$folder/weir_hub_embed" 0
        # The first id is no event's: it says where the stream begins.
        id=$(read_lines 8 "$url" | sed -n 's/^id: //p' | sed -n 2p)
        # Who comes back gets the next one first; whose id is of another life gets what is kept.
        seen=$(read_lines 8 "$url" -H "Last-Event-ID: $id" | sed -n 's/^id: .*-//p' | sed -n 2p)
        same "$seen" $((${id##*-} + 1))
        read_lines 8 "$url" -H 'Last-Event-ID: another-7' | grep -q '^data: {"symbol":"WEIR","cents":10000}$' || fail "no history"
        same "$(status_of "$url/nothing")" 404
        same "$(status_of "$url" -H 'Accept: text/html')" 406
        stop 0
        ;;
    hub_prices)
        start "$folder/weir_hub_prices" 0
        # Who comes back gets what was published meanwhile, in order; the others are of other topics.
        ids_of_events() { sed -n '/^event/{n;s/^id: //p;}'; }
        id=$(read_lines 8 "$url/EURUSD" | ids_of_events | head -n 1)
        seen=$(read_lines 12 "$url/EURUSD" -H "Last-Event-ID: $id" | ids_of_events | sed 's/.*-//')
        same "$seen" "$(printf '%s\n%s' $((${id##*-} + 3)) $((${id##*-} + 6)))"
        base=${url%/prices}
        talk one "ws${base#http}/ws"
        exec 3>"$out/to_one"
        echo 'prices/+ of-another-life' >&3
        wait_for '^some of it is no longer kept$' "$out/one"
        wait_for ' prices/USDJPY 1[0-9]*$' "$out/one"
        echo '+prices' >&3
        wait_for '^there is no such topic$' "$out/one"
        curl -sS "$base/metrics" | grep -q '^weir_hub_subscribers 1$' || fail "no such metrics"
        exec 3>&-
        stop 0
        ;;
    hub_follow)
        start "$folder/weir_hub_prices" 0
        "$folder/weir_hub_follow" "${url%/prices}" >"$out/followed" &
        reader=$!
        wait_for '^price: 1[0-9]*$' "$out/followed"
        wait_for '^message: [a-z0-9]*-[0-9]* prices/USDJPY 1[0-9]*$' "$out/followed"
        kill "$reader"
        wait "$reader" 2>/dev/null || true
        stop 0
        ;;
    quick_start)
        folder=$(cd "$folder" && pwd)
        cd "${0%/*}/../examples/quick_start"
        start "$folder/weir_quick_start" 0
        curl -sS "$url" | grep -q 'new EventSource("/events")' || fail "no page"
        same "$(curl -sS -d 'hello' "${url}say")" said
        curl -sS -o "$out/said" -d 'and good bye' "${url}say"
        # Who comes late is told what was said; who comes back, what has been said since.
        id=$(read_until 'data: hello' "${url}events" | sed -n 's/^id: \(.*-1\)$/\1/p')
        same "$(read_until 'data: and good bye' "${url}events" | grep '^data')" "data: hello
data: and good bye"
        same "$(read_until 'data: and good bye' "${url}events" -H "Last-Event-ID: $id" | grep '^data')" "data: and good bye"
        stop 0
        ;;
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
    sse_tls)
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
            -addext subjectAltName=IP:127.0.0.1 -keyout "$out/key.pem" -out "$out/chain.pem" 2>/dev/null ||
            fail "openssl: no certificate"
        folder=$(cd "$folder" && pwd)
        cd "$out"
        start "$folder/weir_sse_tls" 0 0
        same "$(read_lines 4 "$url" --cacert chain.pem | tail -n 2)" "event: tick
data: 1"
        ! curl -sS "$url" 2>/dev/null || fail "a certificate signed by itself is trusted"
        for trust in '--cacert chain.pem' -k; do
            same "$("$folder/weir_sse_cat" "$url" $trust --max-events 1)" '{"event":"tick","data":"1","id":""}'
        done
        ! "$folder/weir_sse_cat" "$url" 2>error || fail "a certificate signed by itself is trusted"
        grep -q "^sse_cat: server's certificate is not trusted$" error || fail "no reason:" "$(cat error)"
        ! "$folder/weir_sse_cat" "$url" --cacert none.pem 2>error || fail "there are no authorities"
        stop 0
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
    reconnect_storm)
        storm="$folder/weir_reconnect_storm"
        for away in 0 2 10 60; do
            for floor in 0 3; do
                "$storm" --away "$away" --floor "$floor" >"$out/storm" || fail "a crowd:" "$(cat "$out/storm")"
                same "$(grep -c '^ .* s  .*#$' "$out/storm")" 40
                grep -q '^fixed_delay  *peak  50000, mean   1250.0, ratio 40.00$' "$out/storm" || fail "no naive storm"
                grep -q '^exponential_backoff *peak  *[0-9]*, mean   1250.0, ratio  1\.[0-4]' "$out/storm" || fail "no ratio"
            done
        done
        same "$("$storm" --seed 7)" "$("$storm" --seed 7)"
        # Of a few clients chance makes a crowd, and the exit status tells.
        status=0
        "$storm" --clients 100 >"$out/storm" || status=$?
        same "$status" 1
        for mistake in '--clients 0' '--away -1' '--away' '--nonsense 1' '--seed x'; do
            status=0
            "$storm" $mistake 2>"$out/usage" || status=$?
            same "$status" 2
            grep -q '^usage: ' "$out/usage" || fail "no usage"
        done
        ;;
    sse_policies)
        start "$folder/weir_sse_policies" 0
        same "$(read_lines 4 "$url" | tail -n 1)" "data: 1 opened, 0 heartbeats, 0 closed"
        until read_lines 4 "$url" | grep -q '^data: [2-9] opened, [1-9] heartbeats, [1-9] closed$'; do :; done
        stop 0
        ;;
    ws_cat)
        cat="$folder/weir_ws_cat"
        start "$folder/weir_ws_echo" --port 0
        same "$(printf 'one\n\nthree\nlost' | "$cat" "$url")" "one

three"
        # It waits for what it is told, longer than for what it says.
        talk listener "$url"
        exec 3>"$out/to_listener"
        echo hello >&3
        wait_for '^hello$' "$out/listener"
        stop 0
        wait_for '^ws_cat: closed with 1001' "$out/listener"
        exec 3>&-
        ! "$cat" "$url" --once </dev/null 2>"$out/error" || fail "connected to nothing"
        grep -q '^ws_cat: Connection refused' "$out/error" || fail "no reason:" "$(cat "$out/error")"
        # Without --once it waits for the server to come back.
        printf 'still\nthere\n' | "$cat" "$url" --retry 50 >"$out/heard" 2>"$out/error" &
        patient=$!
        wait_for '^ws_cat: Connection refused; again in 50 ms$' "$out/error"
        start "$folder/weir_ws_echo" --port "$(port_of "$url")"
        wait "$patient" || fail "not closed in good order"
        same "$(cat "$out/heard")" "still
there"
        same "$(yes | "$cat" "$url" --max-messages 2)" "y
y"
        stop 0
        status=0
        "$cat" 2>"$out/usage" || status=$?
        same "$status" 2
        grep -q '^usage: ' "$out/usage" || fail "no usage"
        ;;
    ws_echo)
        cat="$folder/weir_ws_cat"
        start "$folder/weir_ws_echo" --port 0 --deflate --threads 2 --origin https://app.example
        same "$(printf 'h\303\251llo\n2\n3\n' | "$cat" "$url")" "héllo
2
3"
        same "$(echo anywhere | "$cat" "${url}some/where?else")" anywhere
        # Sixteen mebibytes are let through, one byte more is not.
        head -c 16777216 /dev/zero | tr '\0' x >"$out/long"
        echo >>"$out/long"
        "$cat" "$url" <"$out/long" | cmp - "$out/long" || fail "not the same"
        same "$(printf x | cat - "$out/long" | "$cat" "$url" 2>&1)" "ws_cat: closed with 1009 message too large"
        http=http${url#ws}
        asked() {
            status_of "$http" -H 'Upgrade: websocket' -H 'Connection: Upgrade' -H 'Sec-WebSocket-Version: 13' \
                -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$@"
        }
        same "$(asked -H 'Origin: https://other.example')" 403
        same "$(status_of "$http")" 426
        stop 0
        start "$folder/weir_ws_echo" --port 0 --max-message 4
        same "$(printf 'four\nfive!\n' | "$cat" "$url" 2>&1)" "four
ws_cat: closed with 1009 message too large"
        stop 0
        ! "$folder/weir_ws_echo" --port 65536 2>"$out/usage" || fail "an unknown port is accepted"
        grep -q '^usage: ' "$out/usage" || fail "no usage"
        ;;
    ws_embed)
        start "$folder/weir_ws_embed" 0
        talk reader "$url"
        exec 3>"$out/to_reader"
        wait_for '^{"symbol":"WEIR","cents":10000}$' "$out/reader"
        echo ACME >&3
        wait_for '^{"symbol":"ACME","cents":[0-9]*}$' "$out/reader"
        echo '"' >&3
        wait_for '^ws_cat: closed with 4000 no such symbol$' "$out/reader"
        exec 3>&-
        http=http${url#ws}
        same "$(status_of "$http/nothing")" 404
        same "$(status_of "$http")" 426
        stop 0
        ;;
    ws_chat)
        start "$folder/weir_ws_chat" 0
        curl -sS "$url" | grep -q '<title>weir: chat</title>' || fail "no page"
        room=ws${url#http}rooms/lobby
        talk ada "$room?name=Ada"
        exec 3>"$out/to_ada"
        wait_for '^{"type":"welcome","name":"Ada",.*"members":\["Ada"\]}$' "$out/ada"
        echo 'say "hello"' >&3
        wait_for '"id":1,.*"name":"Ada","text":"say \\"hello\\""}$' "$out/ada"
        # Who comes late sees who is there, and what was said; a name that is taken gets a number.
        talk late "$room?name=Ada"
        exec 4>"$out/to_late"
        wait_for '^{"type":"welcome","name":"Ada-2",.*"members":\["Ada","Ada-2"\]}$' "$out/late"
        wait_for '"id":1,' "$out/late"
        wait_for '^{"type":"joined","name":"Ada-2"}$' "$out/ada"
        echo 'good bye' >&4
        wait_for '"id":2,.*"name":"Ada-2","text":"good bye"}$' "$out/ada"
        exec 4>&-
        wait_for '^{"type":"left","name":"Ada-2"}$' "$out/ada"
        # Rooms are apart.
        same "$(printf '' | "$folder/weir_ws_cat" "${room}2?name=Bob" | grep -c Ada)" 0
        # Limits: the name, the message, the pace.
        same "$(status_of "${url}rooms/lobby?name=%0A")" 400
        head -c 1001 /dev/zero | tr '\0' x >"$out/long"
        echo >>"$out/long"
        "$folder/weir_ws_cat" "$room?name=Bob" <"$out/long" 2>&1 | grep -q '^ws_cat: closed with 1009 ' || fail "too long"
        for n in 1 2 3 4 5 6 7 8 9 10 11; do echo "$n" >&3; done
        wait_for '^ws_cat: closed with 1008 too much at once$' "$out/ada"
        exec 3>&-
        stop 0
        ;;
    ws_pieces)
        start "$folder/weir_ws_pieces" 0
        same "$(printf 'a\n\n' | "$folder/weir_ws_cat" "$url/digest")" "af63dc4c8601ec8c 1
cbf29ce484222325 0"
        # A message larger than a route lets pass whole.
        head -c 5242880 /dev/zero | tr '\0' x >"$out/long"
        echo >>"$out/long"
        "$folder/weir_ws_cat" "$url/digest" <"$out/long" | grep -q ' 5242880$' || fail "not taken whole"
        talk counted "$url/count/100000"
        reader=$!
        exec 3>"$out/to_counted"
        wait "$reader" || fail "not closed in good order"
        same "$(cksum <"$out/counted")" "$( (seq 100000 | tr '\n' ' ' && echo) | cksum)"
        exec 3>&-
        stop 0
        ;;
    autobahn_client)
        client="$folder/weir_autobahn_client"
        start "$folder/../tests/weir_fuzzing_server"
        "$client" "$url" --agent examined >"$out/progress" || fail "autobahn_client failed"
        same "$(cat "$out/progress")" "4 of 4 cases, 3 closed in good order"
        stop 0
        ! "$client" "$url" 2>/dev/null || fail "nothing was examined, and that is no failure"
        ;;
    sse_cat)
        cat="$folder/weir_sse_cat"
        stream() { printf 'retry: 250\nid: 7\nevent: greeting\ndata: "h\303\251llo"\ndata: \t2\n\ndata: x\r\rdata: lost'; }
        expected='{"event":"greeting","data":"\"héllo\"\n\t2","id":"7"}
{"event":"message","data":"x","id":"7"}
{"retry":250,"last_event_id":"7"}'
        for pieces in 1 2 3 7 4096; do
            same "$(stream | "$cat" - --feed "$pieces" --summary)" "$expected"
        done
        same "$(printf 'data: y\n\n' | "$cat" - --last-event-id 6)" '{"event":"message","data":"y","id":"6"}'
        same "$(printf '' | "$cat" - --summary)" '{"retry":null,"last_event_id":""}'
        for wrong in '' '--nonsense' 'one two' '- --feed 0' '- --max-events x' 'one -H field'; do
            status=0
            "$cat" $wrong 2>"$out/usage" || status=$?
            same "$status" 2
            grep -q '^usage: ' "$out/usage" || fail "no usage"
        done

        start "$folder/weir_sse_ticks" 0
        same "$("$cat" "$url" --max-events 1)" '{"event":"tick","data":"first line\nsecond line","id":"1"}'
        same "$("$cat" "$url" --max-events 2 --last-event-id 41 | tail -n 1 | sed 's/.*"id"/"id"/')" '"id":"43"}'
        # After a restart it goes on where it was.
        "$cat" "$url" --retry 100 --max-events 3 --last-event-id 4 >"$out/events" 2>"$out/error" &
        reader=$!
        wait_for '"id":"5"}$' "$out/events"
        stop 0
        wait_for '^sse_cat: .*; again in [0-9]* ms$' "$out/error"
        start "$folder/weir_sse_ticks" "$(port_of "$url")"
        wait "$reader" || fail "sse_cat failed:" "$(cat "$out/error")"
        same "$(sed 's/.*"id"://' "$out/events" | tr '\n' ' ')" '"5"} "6"} "7"} '
        ! "$cat" "$url/nothing" 2>"$out/error" || fail "404 is no failure"
        same "$(head -n 2 "$out/error")" "sse_cat: answered with another status than 200
status 404: 404 Not Found"
        stop 0
        ! "$cat" "$url" --once 2>"$out/error" || fail "connected to nothing"
        grep -q '^sse_cat: Connection refused' "$out/error" || fail "no reason:" "$(cat "$out/error")"

        start "$folder/weir_sse_routes" 0
        curl -sS -o "$out/count" -d one "$url/log"
        same "$("$cat" "$url/log/events" -H 'X-Api-Key: open sesame' --last-event-id 0 --max-events 1)" \
            '{"event":"message","data":"one","id":"1"}'
        ! "$cat" "$url/log/events" 2>"$out/error" || fail "401 is no failure"
        grep -q '^status 401: members only$' "$out/error" || fail "the answer is not shown:" "$(cat "$out/error")"
        answer='{"event":"message","data":"two","id":""}
{"event":"message","data":"words","id":""}'
        same "$("$cat" "$url/answers" -d 'two words' --end '[DONE]')" "$answer"
        same "$("$cat" "$url/answers" -d 'two words' --once)" "$answer
"'{"event":"message","data":"[DONE]","id":""}'
        ! "$cat" "$url/report" --once --end '[DONE]' >"$out/events" 2>"$out/error" || fail "it is not complete"
        ! "$cat" "$url/answers" -X PUT -d 'two words' 2>"$out/error" || fail "PUT is answered"
        grep -q '^status 405: ' "$out/error" || fail "not 405:" "$(cat "$out/error")"
        stop 0
        ;;
    llm_client)
        client="$folder/weir_llm_client"
        start env PORT=0 "$folder/demo/weir_demo"
        "$client" 'Why is it called weir?' "${url}v1/chat/completions" >"$out/answer" || fail "no answer"
        grep -q '^A weir is a low dam .*outbox of this server, measured twice a second\.$' "$out/answer" ||
            fail "answer:" "$(cat "$out/answer")"
        ! "$client" 'Why?' "${url}nothing" >"$out/answer" 2>"$out/error" || fail "405 is no failure"
        grep -q '^status 405: ' "$out/error" || fail "error:" "$(cat "$out/error")"
        stop 0
        ;;
    sse_contract_service)
        start "$folder/weir_sse_contract_service" 0
        curl -sS "$url" | grep -q '"capabilities":\["bom",' || fail "no capabilities"
        same "$(status_of "$url" -d '{"streamUrl":"http://127.0.0.1:1/","callbackUrl":"http://127.0.0.1:1/"}')" 201
        stream=$(sed -n 's/^Location: \(.*\)\r*$/\1/p' "$out/head" | tr -d '\r')
        same "$(status_of "${url%/}$stream" -X DELETE)" 204
        same "$(status_of "${url%/}$stream" -X DELETE)" 404
        stop 0
        start "$folder/weir_sse_contract_service" 0
        same "$(status_of "$url" -X DELETE)" 204
        wait "$server" || fail "exit status $?"
        server=
        ;;
    *) fail "no such example: $2" ;;
esac
