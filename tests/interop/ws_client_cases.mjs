// SPDX-License-Identifier: BSL-1.0
// The client against everything in ws_case_list.mjs: a fuzzing server that examples/autobahn_client goes through, and
// answers to a handshake that a client must not take.

import { check, equal, finish, run, run_ws_client, test } from "./harness.mjs";
import { cases, compression_cases, compression_faults } from "./ws_case_list.mjs";
import { close_payload, encode, listen } from "./ws_wire.mjs";

// ------------------------------------------------------------------------------------------------------ the fuzzing server

/// Serves the list as Autobahn's fuzzing server does: /getCaseCount, /runCase?case=N&agent=A, /updateReports?agent=A.
/// `answer`: to an offer of permessage-deflate.
async function examine(list, answer) {
    const failures = [], running = [];
    let run_count = 0, reported = false;
    const judge = async (peer, number) => {
        const one = list[number - 1];
        run_count += 1;
        peer.expects_compression = true;
        try {
            await one.run(peer);
        } catch (e) {
            failures.push(`${one.sentence}: ${e.message}`);
            peer.destroy();
        }
    };
    const server = await listen(async (peer, target) => {
        const number = Number(/^\/runCase\?case=(\d+)&agent=test$/.exec(target)?.[1]);
        if (number) return running.push(judge(peer, number));
        if (target === "/getCaseCount") peer.send("text", String(list.length));
        if (target === "/updateReports?agent=test") reported = true;
        return peer.close(1000);
    }, { answer: (target) => (target.startsWith("/runCase") ? answer : undefined) });
    const { code, out, err } = await finish(process.env.WEIR_AUTOBAHN_CLIENT, [`ws://127.0.0.1:${server.port}`, "--agent", "test"]);
    await Promise.all(running);
    server.close();
    if (failures.length) throw new Error(`${failures.length} of ${list.length} failed\n${failures.join("\n")}`);
    equal(code, 0, `autobahn_client: ${out}${err}`);
    equal(run_count, list.length, "cases that were run");
    check(reported, "the report was not asked for");
}

const sections = { 1: "framing", 2: "pings and pongs", 3: "reserved bits", 4: "opcodes", 5: "fragmentation", 6: "UTF-8", 7: "closing",
                   9: "many and large messages", 10: "fragments" };
for (const [section, title] of Object.entries(sections)) {
    const list = cases.filter((one) => one.section === section);
    test(`${section}: ${title}, ${list.length} cases`, () => examine(list));
}

const quick = cases.filter((one) => one.kind !== "plain" && one.section < 9);
test(`the same on a connection that compresses, ${quick.length} cases`, () => examine(quick, "permessage-deflate"));

const answers = ["", "server_no_context_takeover", "client_no_context_takeover", "server_no_context_takeover; client_no_context_takeover",
                 ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits) => `server_max_window_bits=${bits}; client_max_window_bits=${bits}`),
                 "client_max_window_bits=8; client_no_context_takeover", "server_max_window_bits=15"];
answers.forEach((parameters, i) => {
    const answer = ["permessage-deflate", ...(parameters ? [parameters] : [])].join("; ");
    const list = compression_cases(i ? 0.05 : 0.5);
    test(`12, 13: ${answer}, ${list.length} cases`, () => examine(list, answer));
});
test(`12: what is wrong with compressed messages, ${compression_faults.length} cases`, () => examine(compression_faults, "permessage-deflate"));

// ------------------------------------------------------------------------------------------------------- the handshake

const without = (name) => (lines) => lines.filter((line) => !line.startsWith(name));
const replace = (pattern, text) => (lines) => lines.map((line) => line.replace(pattern, text));
const with_line = (...more) => (lines) => [...lines, ...more];

/// One handshake whose answer is rewritten; what our client makes of it.
async function answered(rewrite, ...options) {
    const server = await listen((peer) => peer.close(1000), { rewrite });
    const lines = await run_ws_client(`ws://127.0.0.1:${server.port}/`, ...options, "echo");
    server.close();
    return lines;
}

test("an answer to the handshake that is wrong is refused", async () => {
    const wrong = {
        "200": replace(/^HTTP.*/, "HTTP/1.1 200 OK"), "302": replace(/^HTTP.*/, "HTTP/1.1 302 Found"), "401": replace(/^HTTP.*/, "HTTP/1.1 401 Unauthorized"),
        "HTTP/1.0": replace(/^HTTP.*/, "HTTP/1.0 101 Switching Protocols"), "no HTTP": replace(/^HTTP.*/, "SSH-2.0-x"),
        "no Upgrade": without("Upgrade"), "another Upgrade": replace(/^Upgrade: .*/, "Upgrade: h2c"), "no Connection": without("Connection"),
        "another Connection": replace(/^Connection: .*/, "Connection: close"), "no accept value": without("Sec-WebSocket-Accept"),
        "another accept value": replace(/^Sec-WebSocket-Accept: .*/, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "an accept value in lower case": (lines) => lines.map((l) => (l.startsWith("Sec-WebSocket-Accept") ? l.toLowerCase() : l)),
        "two accept values": (lines) => [...lines, lines.find((l) => l.startsWith("Sec-WebSocket-Accept"))],
        "a subprotocol that was not offered": with_line("Sec-WebSocket-Protocol: other"),
        "two subprotocols": with_line("Sec-WebSocket-Protocol: one", "Sec-WebSocket-Protocol: two"),
        "an unknown extension": with_line("Sec-WebSocket-Extensions: x-unknown"),
        "permessage-deflate twice": with_line("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate"),
        "an unknown parameter": with_line("Sec-WebSocket-Extensions: permessage-deflate; x=1"),
        "a parameter twice": with_line("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
        "a window of 7 bits": with_line("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7"),
        "a window of 16 bits": with_line("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=16"),
        "a window without a size": with_line("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        "a leading zero": with_line("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=09"),
    };
    for (const [what, rewrite] of Object.entries(wrong)) {
        const [line] = await answered(rewrite, "--compress", "keep", "--subprotocol", "one", "--subprotocol", "two");
        check(line.startsWith("refused "), `${what}: ${line}`);
    }
    const [unasked] = await answered(with_line("Sec-WebSocket-Extensions: permessage-deflate"));
    check(unasked.startsWith("refused "), `compression that was not offered: ${unasked}`);
});

test("an answer to the handshake that is unusual is taken", async () => {
    const right = {
        "as it is": (lines) => lines,
        "100 and 103 before it": (lines) => ["HTTP/1.1 100 Continue", "", "HTTP/1.1 103 Early Hints", "Link: </x>; rel=preload", "", ...lines],
        "names and values in other cases": (lines) => lines.map((l) => (l.startsWith("Upgrade") ? "UPGRADE: WebSocket" : l.startsWith("Connection") ? "connection: keep-alive, UPGRADE" : l)),
        "another reason": replace(/^HTTP.*/, "HTTP/1.1 101 Web Socket Protocol Handshake"),
        "many more fields": with_line(...Array.from({ length: 50 }, (_, i) => `X-Field-${i}: ${"x".repeat(100)}`)),
    };
    for (const [what, rewrite] of Object.entries(right)) {
        const lines = await answered(rewrite);
        equal(lines, ["open subprotocol= compresses=no", "ended 1000 |in good order"], what);
    }
});

test("what comes right behind the handshake's answer is not lost", async () => {
    const behind = Buffer.concat([encode("text", "first"), encode("ping", "x"), encode("text", "sec", { fin: false }), encode("continuation", "ond"),
                                  encode("close", close_payload(4000, "that is all"))]);
    let failure = new Error("nobody came");
    const server = await listen(async (peer) => {
        failure = undefined;
        try {
            await peer.expect("pong", "x");
            await peer.expect_close(4000);
            await peer.expect_end();
        } catch (e) {
            failure = e;
            peer.destroy();
        }
    }, { behind });
    const lines = await run_ws_client(`ws://127.0.0.1:${server.port}/`, "receive", "receive", "receive");
    server.close();
    if (failure) throw failure;
    equal(lines.slice(1), ["text 5 first", "text 6 second", "nothing", "ended 4000 that is all|in good order"], "lines");
});

await run("ws_client_cases");
