#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
#
# Proves that tests/layers.sh can fail: a small tree that holds, then each rule broken in turn.

set -u
layers=$(cd "$(dirname "$0")" && pwd)/layers.sh
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
failed=0

# header <path below include/weir> [line]...: a header that holds with these lines in it, and its test.
header() {
    path=$1
    shift
    mkdir -p "$(dirname "$tree/include/weir/$path")" "$(dirname "$tree/tests/$path")"
    printf '%s\n' '// SPDX-License-Identifier: BSL-1.0' '#pragma once' "$@" >"$tree/include/weir/$path"
    printf '%s\n' "#include <weir/$path>" '#include "catch.hpp"' >"$tree/tests/${path%.hpp}.cpp"
}

# bodies <path below include/weir> [line]...: the bodies of a header that holds, and includes them.
bodies() {
    path=$1
    shift
    name=${path##*/}
    printf '%s\n' '// SPDX-License-Identifier: BSL-1.0' '#pragma once' '' "// The bodies of ${name%.ipp}.hpp." "$@" \
        >"$tree/include/weir/$path"
}

good_tree() {
    rm -rf "$tree/include" "$tree/tests"
    header config.hpp '#if defined(WEIR_X)' '#endif' '#define WEIR_ASIO(header) <asio/header>'
    header exceptions.hpp 'WEIR_TRY { throw; }' 'catch (...)'
    header http/fields.hpp '#include <weir/config.hpp>'
    header sse/encoder.hpp '#include <weir/http/fields.hpp>' '#include <string>' 'int retry;  // try again'
    header ws/frame.hpp '#include <weir/http/fields.hpp>'
    header policy/heartbeat.hpp '#include <weir/session/outbox.hpp>'
    header session/outbox.hpp '#include <weir/sse/encoder.hpp>' '#include WEIR_BODIES(weir/session/outbox.ipp)'
    bodies session/outbox.ipp '#include <weir/session/outbox.hpp>'
    header src.hpp '#include <weir/session/outbox.ipp>'
    header io/writer.hpp '#include <weir/session/outbox.hpp>' '#include WEIR_ASIO(write.hpp)'
    header sans_io.hpp '#include <weir/session/outbox.hpp>'
    header server.hpp '#include <weir/io/writer.hpp>' '#include <asio.hpp>'
    header adapt/host.hpp '#include <weir/server.hpp>' 'throw 1;'
}

holds() {
    output=$(sh "$layers" "$tree") && return
    echo "the good tree does not hold:"
    echo "$output"
    failed=1
}

# breaks <file that must be named> <text that must be said>: the check fails, and says so.
breaks() {
    if output=$(sh "$layers" "$tree"); then
        echo "not noticed: $1: $2"
        failed=1
    elif ! printf '%s\n' "$output" | grep -F "$1:" | grep -qF "$2"; then
        echo "noticed, but not said of $1: $2"
        echo "$output"
        failed=1
    fi
    good_tree
}

good_tree
holds

header sse/encoder.hpp '#include <asio/buffer.hpp>'
breaks include/weir/sse/encoder.hpp 'Asio below'

header http/fields.hpp '#include <boost/asio/buffer.hpp>'
breaks include/weir/http/fields.hpp 'Asio below'

header session/outbox.hpp '#include WEIR_ASIO(buffer.hpp)'
breaks include/weir/session/outbox.hpp 'Asio below'

header policy/heartbeat.hpp '  #  include <asio.hpp>'
breaks include/weir/policy/heartbeat.hpp 'Asio below'

header config.hpp '#include <asio.hpp>'
breaks include/weir/config.hpp 'Asio below'

header config.hpp '#include <weir/http/fields.hpp>'
breaks include/weir/config.hpp 'ground includes http/fields.hpp'

header http/fields.hpp '#include <weir/sse/encoder.hpp>'
breaks include/weir/http/fields.hpp 'includes sse/encoder.hpp'

header sse/encoder.hpp '#include <weir/ws/frame.hpp>'
breaks include/weir/sse/encoder.hpp 'sse includes ws/frame.hpp'

header ws/frame.hpp '#include <weir/session/outbox.hpp>'
breaks include/weir/ws/frame.hpp 'protocol includes session/outbox.hpp'

header policy/heartbeat.hpp '#include <weir/io/writer.hpp>'
breaks include/weir/policy/heartbeat.hpp 'session includes io/writer.hpp'

header io/writer.hpp '#include <weir/server.hpp>'
breaks include/weir/io/writer.hpp 'operations includes server.hpp'

header server.hpp '#include <weir/adapt/host.hpp>'
breaks include/weir/server.hpp 'public includes adapt/host.hpp'

header sans_io.hpp '#include <weir/io/writer.hpp>'
breaks include/weir/sans_io.hpp 'no io/writer.hpp'

header sans_io.hpp '#include <asio/buffer.hpp>'
breaks include/weir/sans_io.hpp 'Asio below'

header io/writer.hpp '#include "../session/outbox.hpp"'
breaks include/weir/io/writer.hpp 'by quotes'

header misc/thing.hpp
breaks include/weir/misc/thing.hpp 'without a layer'

header sse/encoder.hpp '#ifdef NDEBUG' '#endif'
breaks include/weir/sse/encoder.hpp 'conditional compilation'

for line in '    throw 1;' 'try {' '} catch (...) {' 'catch(const e& x) {' '    throw;'; do
    header io/writer.hpp "$line"
    breaks include/weir/io/writer.hpp 'throw, try or catch'
done

bodies session/outbox.ipp 'throw 1;'
breaks include/weir/session/outbox.ipp 'throw, try or catch'

bodies session/outbox.ipp '#include <asio/buffer.hpp>'
breaks include/weir/session/outbox.ipp 'Asio below'

bodies session/outbox.ipp '#include <weir/server.hpp>'
breaks include/weir/session/outbox.ipp 'session includes server.hpp'

header http/fields.hpp '#include <weir/session/outbox.ipp>'
breaks include/weir/http/fields.hpp 'includes session/outbox.ipp'

bodies session/outbox.ipp '#ifdef NDEBUG' '#endif'
breaks include/weir/session/outbox.ipp 'conditional compilation'

printf '%s\n' '// SPDX-License-Identifier: BSL-1.0' '#pragma once' >"$tree/include/weir/session/outbox.ipp"
breaks include/weir/session/outbox.ipp 'whose bodies'

bodies session/inbox.ipp
breaks include/weir/session/inbox.ipp 'without a header'

header session/outbox.hpp
breaks include/weir/session/outbox.hpp 'the last line'

header src.hpp
breaks include/weir/session/outbox.ipp 'not in include/weir/src.hpp'

rm "$tree/tests/src.cpp"
breaks include/weir/src.hpp 'no test'

rm "$tree/tests/sse/encoder.cpp"
breaks include/weir/sse/encoder.hpp 'no test'

printf '%s\n' '#include "catch.hpp"' '#include <weir/sse/encoder.hpp>' >"$tree/tests/sse/encoder.cpp"
breaks tests/sse/encoder.cpp 'first include'

printf '%s\n' '#pragma once' >"$tree/include/weir/sse/encoder.hpp"
breaks include/weir/sse/encoder.hpp 'SPDX'

printf '%s\n' '// SPDX-License-Identifier: BSL-1.0' >"$tree/include/weir/sse/encoder.hpp"
breaks include/weir/sse/encoder.hpp 'pragma once'

awk 'BEGIN { for (i = 0; i < 399; ++i) print "//" }' >>"$tree/include/weir/sse/encoder.hpp"
breaks include/weir/sse/encoder.hpp '400 lines'

rm -r "$tree/include"
breaks include/weir 'no headers'

exit "$failed"
