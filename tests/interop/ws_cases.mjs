// SPDX-License-Identifier: BSL-1.0
// The server against everything in ws_case_list.mjs, from a raw socket.

import { check, each, equal, run, start_ws_echo, start_ws_server, stop, test } from "./harness.mjs";
import { cases, compression_cases, compression_faults } from "./ws_case_list.mjs";
import { close_payload, connect, encode, show } from "./ws_wire.mjs";

const server = await start_ws_server();

/// Runs the cases, each on a connection of its own.
function run_cases(list, target, offer, { port } = server) {
    return each(list, async (one) => {
        const peer = await connect({ port, target, offer });
        peer.expects_compression = target === "/deflate";
        try {
            await one.run(peer);
        } finally {
            peer.destroy();
        }
    });
}

const sections = { 1: "framing", 2: "pings and pongs", 3: "reserved bits", 4: "opcodes", 5: "fragmentation", 6: "UTF-8", 7: "closing",
                   9: "many and large messages", 10: "fragments" };
for (const [section, title] of Object.entries(sections)) {
    const list = cases.filter((one) => one.section === section);
    test(`${section}: ${title}, ${list.length} cases`, () => run_cases(list, "/echo"));
}

const short = (one) => one.section < 9 && one.kind !== "limited";
const others = {
    "a handler that is called for each message": ["/callback", undefined, short],
    "a connection that compresses": ["/deflate", "permessage-deflate", (one) => one.kind !== "plain" && !(one.section === "9" && one.sentence.includes("KiB"))],
    "echoes in pieces": ["/pieces", undefined, (one) => (one.kind === "data" && !one.sentence.includes("KiB in")) || one.section === "3" || one.section === "4"],
};
for (const [what, [target, offer, which]] of Object.entries(others)) {
    const list = cases.filter(which);
    test(`the same with ${what}, ${list.length} cases`, () => run_cases(list, target, offer));
}

// What browsers and libraries offer, and what is left.
const offers = ["", "client_max_window_bits", "server_no_context_takeover", "client_no_context_takeover",
                "server_no_context_takeover; client_no_context_takeover", "server_max_window_bits=9; client_max_window_bits=9",
                "client_no_context_takeover; server_max_window_bits=15; client_max_window_bits=15",
                ...[8, 9, 10, 11, 12, 13, 14, 15].map((bits) => `server_max_window_bits=${bits}; client_max_window_bits=${bits}`),
                "server_no_context_takeover; server_max_window_bits=8", "client_no_context_takeover; client_max_window_bits=8"];
offers.forEach((parameters, i) => {
    const offer = ["permessage-deflate", ...(parameters ? [parameters] : [])].join("; ");
    const list = compression_cases(i ? 0.1 : 1);
    test(`12, 13: ${offer}, ${list.length} cases`, () => run_cases(list, "/deflate", offer));
});
test("13: of several offers the first that can be taken is", async () => {
    const offer = "permessage-deflate; server_max_window_bits=7, x-other; a=b, permessage-deflate; server_max_window_bits=10, permessage-deflate";
    await run_cases(compression_cases(0.05), "/deflate", offer);
});
for (const target of ["/deflate/forgetful", "/deflate/small", "/pieces/deflate"]) {
    test(`13: ${target}`, () => run_cases(compression_cases(0.05), target, "permessage-deflate; client_max_window_bits"));
}
test(`12: what is wrong with compressed messages, ${compression_faults.length} cases`,
     () => run_cases(compression_faults, "/deflate", "permessage-deflate; client_max_window_bits"));

if (process.env.WEIR_WS_ECHO) {
    test(`examples/ws_echo, on two threads, ${cases.length} cases, and compressed`, async (t) => {
        const echo = await start_ws_echo(["--deflate", "--threads", "2"]);
        t.defer(() => stop(echo));
        await run_cases(cases, "/", undefined, echo);
        await run_cases([...compression_cases(0.05), ...compression_faults], "/any/path", "permessage-deflate; client_max_window_bits", echo);
    });
}

// ------------------------------------------------------------------------------------------- what no case foresees

/// Numbers that look random, and are the same every time.
function sequence(seed) {
    let x = seed * 2654435761 + 1;
    return (below) => { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; return Math.floor((x / 4294967296) * below); };
}

/// A conversation of messages in fragments, with pings between them, and what has to come back.
function conversation(peer, random) {
    const frames = [], expected = [];
    for (let i = 0; i < 20; i += 1) {
        const what = random(2) ? "text" : "binary", data = Buffer.alloc([0, 3, 125, 126, 1000, 70000][random(6)], 97 + i);
        const whole = peer.codec && random(2) ? peer.codec.outgoing.compress(data) : data;
        const parts = peer.fragments(what, whole, 1 + random(Math.max(1, whole.length)), { rsv: whole === data ? 0 : 4 });
        parts.forEach((part) => {
            frames.push(part);
            if (expected.length < 60 && random(3) === 0) {
                frames.push(peer.frame("ping", `${frames.length}`));
                expected.push({ what: "pong", data: Buffer.from(`${frames.length - 1}`) });
            }
        });
        expected.push({ what, data });
    }
    return { bytes: Buffer.concat(frames), expected };
}

test("conversations at random, in writes at random, come back whole", () => {
    const targets = ["/echo", "/deflate", "/pieces", "/pieces/deflate", "/callback", "/deflate/forgetful"];
    const list = Array.from({ length: 60 }, (_, seed) => ({ sentence: `seed ${seed}`, seed, target: targets[seed % targets.length] }));
    return each(list, async ({ seed, target }) => {
        const random = sequence(seed), offer = target.includes("deflate") ? "permessage-deflate" : undefined;
        const peer = await connect({ port: server.port, target, offer });
        const { bytes, expected } = conversation(peer, random);
        const sending = (async () => {
            for (let at = 0; at < bytes.length;) {
                const size = 1 + random([1, 10, 1000, 100000][random(4)]);
                await peer.chop(bytes.subarray(at, at + size), size);
                at += size;
            }
        })();
        // Pongs overtake messages, and are in order among themselves, as messages are.
        const waiting = { pong: expected.filter((e) => e.what === "pong"), data: expected.filter((e) => e.what !== "pong") };
        while (waiting.pong.length || waiting.data.length) {
            const got = await peer.receive("the rest of the conversation");
            const next = waiting[got.what === "pong" ? "pong" : "data"].shift();
            if (!next || next.what !== got.what || Buffer.compare(next.data, got.data)) throw new Error(`expected ${next && show(next)}, got ${show(got)}`);
        }
        await sending;
        await peer.close();
        peer.destroy();
    });
});

test("noise ends the connection, in a frame or with the peer's end, and without a reset", () => {
    const list = Array.from({ length: 200 }, (_, seed) => ({ sentence: `seed ${seed}`, seed }));
    return each(list, async ({ seed }) => {
        const random = sequence(seed), deflate = seed % 2 === 1;
        const peer = await connect({ port: server.port, target: deflate ? "/deflate" : "/echo", offer: deflate ? "permessage-deflate" : undefined });
        const noise = Buffer.from(Array.from({ length: 2 + random(3000) }, () => random(256)));
        if (random(2)) noise[0] = [0x81, 0x82, 0xc1, 0x01, 0x89, 0x88][random(6)], noise[1] |= 0x80;
        peer.write(noise);
        peer.socket.end();
        for (;;) if ((await peer.receive("the end", 4000)).what === "end") break;
        await peer.bytes.wait(() => peer.bytes.closed, 4000, "the socket to close");
        if (peer.bytes.failure) throw peer.bytes.failure;
    });
});

test("connections that are cut anywhere harm nobody", async () => {
    const list = Array.from({ length: 200 }, (_, seed) => ({ sentence: `seed ${seed}`, seed }));
    await each(list, async ({ seed }) => {
        const random = sequence(seed), deflate = seed % 2 === 1;
        const peer = await connect({ port: server.port, target: deflate ? "/deflate" : ["/echo", "/pieces", "/callback"][seed % 3], offer: deflate ? "permessage-deflate" : undefined });
        const { bytes } = conversation(peer, random);
        peer.write(peer.frame("text", "owed"), bytes.subarray(0, random(bytes.length)));
        if (random(2)) await peer.receive("an echo or a pong");
        if (random(2)) peer.socket.resetAndDestroy();
        else peer.destroy();
    });
    await run_cases(cases.filter((one) => one.section === "5"), "/echo");
});

test("frames that come with the handshake are not lost; a handshake may come byte by byte", async () => {
    const key = Buffer.from([1, 2, 3, 4]);
    const behind = Buffer.concat([encode("text", "first", { key }), encode("ping", "x", { key }), encode("text", "second", { key }), encode("close", close_payload(4000), { key })]);
    const ways = [{ size: behind.length }, { size: 7 }, { size: behind.length, chop: 1 }];
    const list = ["/echo", "/callback", "/pieces", "/deflate"].flatMap((target) => ways.map((way) => ({ sentence: target, target, ...way })));
    await each(list, async ({ target, size, chop }) => {
        const peer = await connect({ port: server.port, target, behind: behind.subarray(0, size), chop });
        peer.write(behind.subarray(size));
        const got = [];
        while (got.length < 3) got.push(show(await peer.receive()));
        equal(got.filter((one) => one.startsWith("text")), ['text of 5 bytes "first"', 'text of 6 bytes "second"'], "echoes");
        check(got.includes('pong of 1 bytes "x"'), `no pong: ${got}`);
        await peer.expect_close(4000);
        await peer.expect_end();
    });
});

test("what a handler does first comes behind the handshake's answer", async () => {
    const pinged = await connect({ port: server.port, target: "/impatient" });
    await pinged.expect("ping", "at once");
    await pinged.close();
    const welcome = await connect({ port: server.port, target: "/brief" });
    await welcome.expect("text", "welcome");
    equal(await welcome.expect_close(4001), { what: "close", code: 4001, reason: "that is all" }, "close");
    welcome.send("close", close_payload(4001));
    await welcome.expect_end();
});

await run("ws_cases");
