// SPDX-License-Identifier: BSL-1.0
// What an echoing WebSocket has to do with everything a peer may send, well-formed or not. Each case is a sentence and
// a function of a wire_peer in either role; the numbers group them as test suites for WebSocket commonly do. A case
// passes in one way only: what is owed for what came first is sent first, then the fault is told, then the connection
// ends without a reset. RFC 6455, RFC 7692.

import { close_payload, show } from "./ws_wire.mjs";

export const cases = [];
/// `kind`: "plain" where compression must not be agreed on, "data" where whole messages come back and nothing else does,
/// "limited" where a message must not be larger than 64 MiB.
function add(section, sentence, run, kind = "any") {
    cases.push({ section, sentence: `${section}: ${sentence}`, run, kind });
}

const text_of = (size) => "The quick brown weir. ".repeat(Math.ceil(size / 22)).slice(0, size);
const bytes_of = (size) => Buffer.alloc(size, Buffer.from([0xfe, 0x00, 0xff, 0x81, 0x7e, 0x0d, 0x0a]));
const payload_of = (what, size) => (what === "text" ? text_of(size) : bytes_of(size));

/// "whole": at once. A number: in writes of that size. "frames": each frame by itself.
async function transmit(peer, frames, way) {
    if (way === "whole") peer.write(Buffer.concat(frames));
    else if (way === "frames") for (const frame of frames) await peer.chop(frame, frame.length || 1);
    else await peer.chop(Buffer.concat(frames), way);
}
const ways = ["whole", "frames", 1];
const in_way = (way) => (way === "whole" ? "in one write" : way === "frames" ? "frame by frame" : `${way} bytes at a time`);

// ------------------------------------------------------------------------------------------------------- 1: framing

for (const what of ["text", "binary"]) {
    for (const size of [0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537]) {
        add("1", `${what} of ${size} bytes comes back`, async (peer) => {
            peer.send(what, payload_of(what, size));
            await peer.expect(what, payload_of(what, size));
            await peer.close();
        }, "data");
    }
    for (const [size, chop] of [[65536, 997], [65535, 1000], [300, 1], [126, 1], [125, 1], [0, 1]]) {
        add("1", `${what} of ${size} bytes in writes of ${chop} comes back`, async (peer) => {
            await peer.chop(peer.frame(what, payload_of(what, size)), chop);
            await peer.expect(what, payload_of(what, size));
            await peer.close();
        }, "data");
    }
}
for (const [size, form] of [[0, 2], [125, 2], [0, 8], [125, 8], [126, 8], [65535, 8]]) {
    for (const way of size < 1000 ? ["whole", 1] : ["whole", 997]) {
        add("1", `a length of ${size} in ${form} bytes is not minimal, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("text", "before"), peer.frame("text", text_of(size), { length_bytes: form })], way);
            await peer.expect("text", "before");
            await peer.expect_failure(1002);
        });
    }
}
for (const what of ["text", "binary", "ping"]) {
    add("1", `a length of 2^63 fails the connection before any payload, in a ${what}`, async (peer) => {
        const frame = peer.frame(what, "", { length: 0x8000000000000000n, length_bytes: 8 });
        peer.write(peer.frame("text", "before"), frame);
        await peer.expect("text", "before");
        await peer.expect_failure_within_frame(1002);
    });
}
add("1", "a length of 2^63 - 1 is too much, and is refused before any payload", async (peer) => {
    peer.send("binary", "", { length: 0x7fffffffffffffffn, length_bytes: 8 });
    await peer.expect_failure_within_frame(1009);
}, "limited");
for (const what of ["text", "binary", "ping", "close"]) {
    add("1", `a ${what} with the mask of the other role fails the connection`, async (peer) => {
        const key = peer.role === "client" ? undefined : Buffer.from([1, 2, 3, 4]);
        peer.write(peer.frame("text", "before"), peer.frame(what, what === "close" ? close_payload(1000) : "x", { key }));
        await peer.expect("text", "before");
        await peer.expect_failure(1002);
    });
}
for (const key of [[0, 0, 0, 0], [255, 255, 255, 255], [0, 0, 0, 1], [0x80, 0x7f, 0, 0]]) {
    add("1", `any masking key will do: ${key}`, async (peer) => {
        const given = peer.role === "client" ? Buffer.from(key) : undefined;
        for (const size of [3, 64, 1023]) {
            peer.send("binary", bytes_of(size), { key: given });
            await peer.expect("binary", bytes_of(size));
        }
        await peer.close();
    }, "data");
}

// -------------------------------------------------------------------------------------------------- 2: pings and pongs

for (const [sentence, payload] of [["nothing", ""], ["text", "Hello, world!"], ["bytes", Buffer.from([0, 255, 254, 253, 252, 251, 0, 255])],
                                   ["125 bytes", Buffer.alloc(125, 0xfe)]]) {
    for (const way of ["whole", 1]) {
        add("2", `a ping with ${sentence}, ${in_way(way)}, is answered by a pong with the same`, async (peer) => {
            await transmit(peer, [peer.frame("ping", payload)], way);
            await peer.expect("pong", payload);
            await peer.close();
        });
    }
}
for (const what of ["ping", "pong"]) {
    for (const size of [126, 127, 65536]) {
        add("2", `a ${what} of ${size} bytes fails the connection`, async (peer) => {
            peer.send(what, Buffer.alloc(size, 0xfe));
            await peer.expect_failure(1002);
        });
    }
    add("2", `a ${what} of 126 bytes fails the connection at its header`, async (peer) => {
        peer.send(what, "", { length: 126 });
        await peer.expect_failure_within_frame(1002);
    });
}
for (const payload of ["", "unsolicited pong payload", Buffer.alloc(125, 1)]) {
    add("2", `a pong of ${payload.length} bytes that nobody asked for is passed over`, async (peer) => {
        peer.send("pong", payload);
        peer.send("ping", "ping payload");
        await peer.expect("pong", "ping payload");
        peer.send("pong", payload);
        peer.send("text", "after");
        await peer.expect("text", "after");
        await peer.close();
    });
}
for (const way of ways) {
    add("2", `10 pings ${in_way(way)} are answered in order`, async (peer) => {
        const pings = Array.from({ length: 10 }, (_, i) => `payload ${i}`);
        await transmit(peer, pings.map((payload) => peer.frame("ping", payload)), way);
        for (const payload of pings) await peer.expect("pong", payload);
        await peer.close();
    });
}
add("2", "pings and messages are answered each in its order", async (peer) => {
    const frames = [];
    for (let i = 0; i < 20; i += 1) frames.push(peer.frame("ping", `p${i}`), peer.frame("text", `m${i}`));
    await transmit(peer, frames, "whole");
    const pongs = [], messages = [];
    while (pongs.length < 20 || messages.length < 20) {
        const got = await peer.receive();
        (got.what === "pong" ? pongs : messages).push(got.data.toString());
    }
    pongs.forEach((p, i) => { if (p !== `p${i}`) throw new Error(`pong ${i} is ${p}`); });
    messages.forEach((m, i) => { if (m !== `m${i}`) throw new Error(`message ${i} is ${m}`); });
    await peer.close();
});

// --------------------------------------------------------------------------------------- 3, 4: reserved bits and opcodes

/// After a message, whose echo is owed; before a ping, which is not to be answered any more.
function add_broken_frame(section, sentence, make, kind) {
    for (const way of ways) {
        add(section, `${sentence} fails the connection after the echo that is owed, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("text", "owed"), make(peer), peer.frame("ping")], way);
            await peer.expect("text", "owed");
            await peer.expect_failure(1002);
        }, kind);
    }
    add(section, `${sentence} fails the connection at once`, async (peer) => {
        peer.write(make(peer));
        await peer.expect_failure(1002);
    }, kind);
}

for (let rsv = 1; rsv < 8; rsv += 1) {
    add_broken_frame("3", `a text with reserved bits ${rsv}`, (peer) => peer.frame("text", "broken", { rsv }), rsv === 4 ? "plain" : "any");
}
add_broken_frame("3", "a binary message with reserved bits 5", (peer) => peer.frame("binary", "\xff\x00", { rsv: 5 }));
for (const what of ["ping", "pong", "close"]) {
    for (const rsv of [1, 4, 6, 7]) {
        add_broken_frame("3", `a ${what} with reserved bits ${rsv}`, (peer) => peer.frame(what, what === "close" ? close_payload(1000) : "x", { rsv }));
    }
}
add("3", "a reserved bit is found in the first byte", async (peer) => {
    peer.write(Buffer.of(0x91));  // final text, reserved bit 3
    await peer.expect_failure_within_frame(1002);
});
for (const rsv of [1, 2, 4]) {
    add("3", `a continuation with reserved bits ${rsv} fails the connection`, async (peer) => {
        peer.write(peer.frame("text", "first", { fin: false }), peer.frame("continuation", "second", { rsv }));
        await peer.expect_failure(1002);
    });
}

for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    for (const payload of ["", "reserved opcode payload"]) {
        add_broken_frame("4", `opcode ${opcode} with ${payload.length} bytes`, (peer) => peer.frame(opcode, payload));
    }
}

// ------------------------------------------------------------------------------------------------- 5: fragmentation

const two = (peer, first = {}, second = {}) => [
    peer.frame("text", "fragment1", { fin: false, ...first }), peer.frame("continuation", "fragment2", { ...second }),
];

for (const way of ways) {
    for (const what of ["ping", "pong"]) {
        add("5", `a ${what} in two fragments fails the connection, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame(what, "fragment1", { fin: false }), peer.frame("continuation", "fragment2")], way);
            await peer.expect_failure(1002);
        });
        add("5", `a ${what} in two fragments within a message fails the connection, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("text", "a", { fin: false }), peer.frame(what, "b", { fin: false })], way);
            await peer.expect_failure(1002);
        });
    }
    add("5", `two fragments are one message, ${in_way(way)}`, async (peer) => {
        await transmit(peer, two(peer), way);
        await peer.expect("text", "fragment1fragment2");
        await peer.close();
    }, "data");
    add("5", `a ping between two fragments is answered before their message, ${in_way(way)}`, async (peer) => {
        const [first, second] = two(peer);
        await transmit(peer, [first, peer.frame("ping", "ping payload"), second], way);
        await peer.expect("pong", "ping payload");
        await peer.expect("text", "fragment1fragment2");
        await peer.close();
    });
    for (const fin of [true, false]) {
        const kind = fin ? "final" : "other";
        add("5", `a ${kind} continuation of nothing fails the connection, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("continuation", "nothing to continue", { fin }), peer.frame("text", "Hello")], way);
            await peer.expect_failure(1002);
        });
        add("5", `a ${kind} continuation after a message fails the connection, the echo first, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [...two(peer), peer.frame("continuation", "too late", { fin }), peer.frame("text", "Hello")], way);
            await peer.expect("text", "fragment1fragment2");
            await peer.expect_failure(1002);
        });
        add("5", `a ${kind} continuation, a message, a continuation: fails the connection, ${in_way(way)}`, async (peer) => {
            const frames = [peer.frame("continuation", "fragment1", { fin }), ...two(peer)];
            await transmit(peer, [...frames, ...frames], way);
            await peer.expect_failure(1002);
        });
    }
    for (const what of ["text", "binary"]) {
        add("5", `a ${what} frame within a message fails the connection, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("text", "fragment1", { fin: false }), peer.frame(what, "fragment2")], way);
            await peer.expect_failure(1002);
        });
    }
    add("5", `five fragments, empty ones among them, are one message, ${in_way(way)}`, async (peer) => {
        const frames = ["", "one", "", "two", ""].map((part, i) => peer.frame(i ? "continuation" : "binary", part, { fin: i === 4 }));
        await transmit(peer, frames, way);
        await peer.expect("binary", "onetwo");
        await peer.close();
    }, "data");
}
for (const way of ["frames", 1]) {
    add("5", `pings among five fragments are answered at once, long before the message is whole, ${in_way(way)}`, async (peer) => {
        const parts = peer.fragments("text", "fragment1fragment2fragment3fragment4fragment5", 9);
        await transmit(peer, [parts[0], parts[1], peer.frame("ping", "pongme 1!")], way);
        await peer.expect("pong", "pongme 1!");
        await transmit(peer, [parts[2], parts[3], peer.frame("ping", "pongme 2!")], way);
        await peer.expect("pong", "pongme 2!");
        await transmit(peer, [parts[4]], way);
        await peer.expect("text", "fragment1fragment2fragment3fragment4fragment5");
        await peer.close();
    });
}

// -------------------------------------------------------------------------------------------------------- 6: UTF-8

const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const greek = "\u03ba\u1f79\u03c3\u03bc\u03b5";
const valid = {
    "nothing": hex(""),
    "ASCII": Buffer.from("Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!"),
    "Greek": Buffer.from(greek),
    "a NUL": hex("00"),
    "the last of one byte": hex("7f"),
    "the first of two bytes": hex("c280"),
    "the last of two bytes": hex("dfbf"),
    "the first of three bytes": hex("e0a080"),
    "the last before the surrogates": hex("ed9fbf"),
    "the first after the surrogates": hex("ee8080"),
    "a replacement character": hex("efbfbd"),
    "U+FFFE": hex("efbfbe"),
    "the last of three bytes": hex("efbfbf"),
    "the first of four bytes": hex("f0908080"),
    "the last of four bytes": hex("f48fbfbf"),
    "a byte order mark": hex("efbbbf"),
    "a word joiner": hex("e281a0"),
    "the noncharacters of every plane": Buffer.concat(Array.from({ length: 16 }, (_, i) => Buffer.from(String.fromCodePoint((i + 1) * 65536 + 65534, (i + 1) * 65536 + 65535)))),
    "all planes mixed": Buffer.from("a\u00e9\u20ac\u{1f600}".repeat(64)),
};
for (const [sentence, data] of Object.entries(valid)) {
    for (const size of [Infinity, 1, 2, 3, 5]) {
        if (size > data.length && size !== Infinity) continue;
        const how = size === Infinity ? "in one frame" : `in fragments of ${size}`;
        add("6", `${sentence} ${how} is UTF-8`, async (peer) => {
            peer.write(Buffer.concat(peer.fragments("text", data, size)));
            await peer.expect("text", data);
            await peer.close();
        }, "data");
    }
    add("6", `${sentence} in one frame, byte by byte, is UTF-8`, async (peer) => {
        await peer.chop(peer.frame("text", data), 1);
        await peer.expect("text", data);
        await peer.close();
    }, "data");
}
add("6", "empty fragments are UTF-8, also within a character", async (peer) => {
    const frames = [hex("ce"), "", hex("ba"), ""].map((part, i) => peer.frame(i ? "continuation" : "text", part, { fin: i === 3 }));
    peer.write(Buffer.concat(frames));
    await peer.expect("text", hex("ceba"));
    await peer.close();
}, "data");
add("6", "what is not UTF-8 is good enough for binary", async (peer) => {
    peer.send("binary", hex("eda080 ff fe c0af"));
    await peer.expect("binary", hex("eda080 ff fe c0af"));
    await peer.close();
}, "data");

// [what is wrong, the bytes before, the byte that shows it and those behind]: invalid as soon as the first byte of the
// last part is there. Without a last part: cut off.
const invalid = [
    ["a surrogate", "cebae1bdb9cf83cebcceb5 ed", "a080 656469746564"],
    ["the last surrogate", "ed", "bfbf"], ["a surrogate pair", "ed", "a080edb080"],
    ["a code point beyond U+10FFFF", "cebae1bdb9cf83cebcceb5 f4", "908080 656469746564"],
    ["five bytes", "41", "f888808080"], ["six bytes", "41", "fc8480808080"],
    ["FE", "41", "fe"], ["FF", "41", "ff"], ["FE and FF", "", "fefeffff"],
    ["a lonely continuation", "41", "80"], ["a lonely last continuation", "41", "bf"], ["two continuations", "", "80bf"],
    ["every continuation", "", Buffer.from(Array.from({ length: 64 }, (_, i) => 128 + i)).toString("hex")],
    ["a slash in two bytes", "", "c0af"], ["a slash in three bytes", "e0", "80af"], ["a slash in four bytes", "f0", "8080af"],
    ["C1 BF", "", "c1bf"], ["overlong three bytes", "e0", "9fbf"], ["overlong four bytes", "f0", "8fbfbf"],
    ["a NUL in two bytes", "", "c080"], ["a NUL in three bytes", "e0", "8080"], ["a NUL in four bytes", "f0", "808080"],
    ["F5", "41", "f5808080"], ["F7 BF BF BF", "", "f7bfbfbf"],
    ["a character broken off by a space", "c3", "20"], ["three bytes broken off by a letter", "e282", "41"],
    ["four bytes broken off by another four", "f09f98", "f09f9880"],
    ["two bytes, cut off", "c3", ""], ["three bytes, cut off", "e282", ""], ["four bytes, cut off", "f09f98", ""], ["a first byte alone", "f0", ""],
    ["Greek, cut off", "cebae1bd", ""],
];
for (const [sentence, before, rest] of invalid) {
    const good = hex(before), bad = hex(rest), data = Buffer.concat([good, bad]);
    for (const size of [Infinity, 1]) {
        add("6", `${sentence} is not UTF-8, in ${size === 1 ? "fragments of one byte" : "one frame"}`, async (peer) => {
            peer.write(Buffer.concat([peer.frame("text", "owed"), ...peer.fragments("text", data, size)]));
            await peer.expect("text", "owed");
            await peer.expect_failure(1007);
        });
    }
    if (!bad.length) continue;
    // No sooner than the byte that shows it: a ping before it is answered.
    add("6", `${sentence} fails the connection as soon as it shows, in another fragment`, async (peer) => {
        peer.write(peer.frame("text", good, { fin: false }), peer.frame("ping", "still here"));
        await peer.expect("pong", "still here");
        peer.send("continuation", bad.subarray(0, 1), { fin: false });
        await peer.expect_failure(1007);
    });
    add("6", `${sentence} fails the connection as soon as it shows, in the middle of a frame`, async (peer) => {
        const frame = peer.frame("text", Buffer.concat([data, Buffer.from("never sent")]));
        const header = frame.length - data.length - 10;
        await peer.chop(frame.subarray(0, header + good.length + 1), 1);
        await peer.expect_failure_within_frame(1007);
    });
}
add("6", "invalid UTF-8 at the end of 1 MiB is found", async (peer) => {
    peer.send("text", Buffer.concat([Buffer.from(text_of(1 << 20)), hex("c3")]));
    await peer.expect_failure(1007);
});

// ------------------------------------------------------------------------------------------------------- 7: closing

add("7", "a message, then close: an echo, then close", async (peer) => {
    peer.write(Buffer.concat([peer.frame("text", "Hello World!"), peer.frame("close", close_payload(1000))]));
    await peer.expect("text", "Hello World!");
    await peer.expect_close(1000);
    await peer.expect_end();
});
add("7", "ten messages, then close: ten echoes, then close", async (peer) => {
    const frames = Array.from({ length: 10 }, (_, i) => peer.frame("text", `message ${i}`));
    peer.write(Buffer.concat([...frames, peer.frame("close", close_payload(1000))]));
    for (let i = 0; i < 10; i += 1) await peer.expect("text", `message ${i}`);
    await peer.expect_close(1000);
    await peer.expect_end();
});
const after_close = {
    "another close": (peer) => [peer.frame("close", close_payload(1000))],
    "a ping": (peer) => [peer.frame("ping", "too late")],
    "a text": (peer) => [peer.frame("text", "too late")],
    "a broken frame": (peer) => [peer.frame(3, "broken", { rsv: 7 })],
    "256 KiB": (peer) => [peer.frame("binary", bytes_of(256 * 1024))],
    "garbage": () => [Buffer.alloc(1000, 0xff)],
};
for (const [sentence, make] of Object.entries(after_close)) {
    for (const way of ["whole", "frames", 1]) {
        if (way === 1 && sentence === "256 KiB") continue;
        add("7", `after a close frame ${sentence} means nothing, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("close", close_payload(1000)), ...make(peer)], way);
            await peer.expect_close(1000);
            await peer.expect_end();
        });
    }
}
add("7", "half a message, then close, then its other half: close, and no echo", async (peer) => {
    const [first, second] = two(peer);
    peer.write(Buffer.concat([first, peer.frame("close", close_payload(1000)), second]));
    await peer.expect_close(1000);
    await peer.expect_end();
});
add("7", "half a frame, and the end of the connection: the end, without a reset", async (peer) => {
    peer.write(peer.frame("text", "never whole").subarray(0, 6));
    peer.socket.end();
    await peer.expect_end();
});
for (const order of ["close", "ping and close"]) {
    add("7", `256 KiB, a message and ${order}: both echoes, then close`, async (peer) => {
        const frames = [peer.frame("text", text_of(256 * 1024)), peer.frame("text", "Hello World!")];
        if (order !== "close") frames.push(peer.frame("ping", "before"));
        peer.write(Buffer.concat([...frames, peer.frame("close", close_payload(1000)), peer.frame("ping", "after")]));
        const got = [];
        while (got.at(-1)?.what !== "close") {
            got.push(await peer.receive());
            if (got.at(-1).what === "end") throw new Error("ended without a close frame");
        }
        const messages = got.filter(({ what }) => what === "text").map(({ data }) => data.toString());
        if (messages.join() !== [text_of(256 * 1024), "Hello World!"].join()) throw new Error(`got ${got.map(show)}`);
        const pongs = got.filter(({ what }) => what === "pong").map(({ data }) => data.toString());
        if (pongs.join() !== (order === "close" ? "" : "before")) throw new Error(`pongs: ${pongs}`);
        await peer.expect_end();
    });
}
add("7", "a close frame without a code is answered by one", async (peer) => {
    peer.send("close", "");
    await peer.expect_close(undefined);
    await peer.expect_end();
});
for (const [sentence, reason] of [["no reason", ""], ["a reason", "Hello World!"], ["a reason of 123 bytes", "*".repeat(123)],
                                  ["a reason in Greek", greek], ["a reason of 122 bytes in Greek", "\u03ba".repeat(61)]]) {
    for (const way of ["whole", 1]) {
        add("7", `close with ${sentence} is answered, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("close", close_payload(1000, reason))], way);
            await peer.expect_close(1000);
            await peer.expect_end();
        });
    }
}
const broken_closes = {
    "of one byte": [Buffer.of(3), 1002],
    "with a reason of 124 bytes": [close_payload(1000, "*".repeat(124)), 1002],
    "with a reason that is not UTF-8": [close_payload(1000, hex("cebae1bdb9cf83cebcceb5 eda080 656469746564")), 1007],
    "with a reason that is cut off": [close_payload(1000, hex("e282")), 1007],
};
for (const [sentence, [payload, code]] of Object.entries(broken_closes)) {
    for (const way of ["whole", 1]) {
        add("7", `a close frame ${sentence} fails the connection, ${in_way(way)}`, async (peer) => {
            await transmit(peer, [peer.frame("text", "owed"), peer.frame("close", payload)], way);
            await peer.expect("text", "owed");
            await peer.expect_close(code);
            await peer.expect_end();
        });
    }
}
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
    add("7", `close code ${code} is answered by the same`, (peer) => peer.close(code, code % 2 ? "a reason" : ""));
}
for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 10000, 65535]) {
    add("7", `close code ${code} fails the connection`, async (peer) => {
        peer.send("close", close_payload(code));
        await peer.expect_close(1002);
        await peer.expect_end();
    });
}

// ------------------------------------------------------------------------------------- 9, 10: many, large, in pieces

for (const what of ["text", "binary"]) {
    for (const size of [64, 256, 1024, 4096, 16384]) {
        add("9", `${what} of ${size} KiB comes back`, async (peer) => {
            const data = Buffer.from(payload_of(what, size * 1024));
            peer.send(what, data);
            await peer.expect(what, data);
            await peer.close();
        }, "data");
    }
    for (const [total, size] of [[256, 64], [1024, 256], [1024, 1024], [4096, 16384], [4096, 262144]]) {
        add("9", `${what} of ${total} KiB in fragments of ${size} bytes comes back`, async (peer) => {
            const data = Buffer.from(payload_of(what, total * 1024));
            peer.write(Buffer.concat(peer.fragments(what, data, size)));
            await peer.expect(what, data);
            await peer.close();
        }, "data");
    }
    for (const chop of [64, 512, 2048]) {
        add("9", `${what} of 256 KiB in writes of ${chop} bytes comes back`, async (peer) => {
            const data = Buffer.from(payload_of(what, 256 * 1024));
            await peer.chop(peer.frame(what, data), chop);
            await peer.expect(what, data);
            await peer.close();
        }, "data");
    }
    for (const size of [0, 16, 64, 256, 1024, 4096]) {
        add("9", `1,000 messages of ${size} bytes of ${what}, all at once, come back in order`, async (peer) => {
            const message = (i) => Buffer.from(payload_of(what, size + 10)).subarray(i % 10, i % 10 + size);
            const frames = [];
            for (let i = 0; i < 1000; i += 1) frames.push(peer.frame(what, message(i)));
            peer.write(Buffer.concat(frames));
            for (let i = 0; i < 1000; i += 1) await peer.expect(what, message(i));
            await peer.close();
        }, "data");
    }
    add("9", `300 messages of ${what}, one after the other, come back`, async (peer) => {
        for (let i = 0; i < 300; i += 1) {
            peer.send(what, payload_of(what, i));
            await peer.expect(what, payload_of(what, i));
        }
        await peer.close();
    }, "data");
}
add("10", "64 KiB in fragments of 1,300 bytes come back", async (peer) => {
    peer.write(...peer.fragments("text", text_of(65536), 1300));
    await peer.expect("text", text_of(65536));
    await peer.close();
}, "data");
add("10", "20,000 fragments of one byte are one message", async (peer) => {
    peer.write(Buffer.concat(peer.fragments("text", text_of(20000), 1)));
    await peer.expect("text", text_of(20000));
    await peer.close();
}, "data");
add("10", "20,000 empty fragments are an empty message", async (peer) => {
    const frames = Array.from({ length: 20000 }, (_, i) => peer.frame(i ? "continuation" : "binary", "", { fin: i === 19999 }));
    peer.write(Buffer.concat(frames));
    await peer.expect("binary", "");
    await peer.close();
}, "data");

// -------------------------------------------------------------------------------------------------- 12, 13: compression

/// What is said: text that repeats itself at a distance, JSON, noise that does not compress.
function sample(kind, size, number) {
    if (kind === "noise") {
        const out = Buffer.alloc(size);
        for (let i = 0, x = number * 2654435761 + 1; i < size; i += 1) { x = (x * 1664525 + 1013904223) % 4294967296; out[i] = x >>> 24; }
        return out;
    }
    let text = "";
    for (let i = 0; text.length < size; i += 1) {
        text += kind === "json" ? `{"number":${number},"line":${i},"name":"weir ${i * 7 % 13}","on":${i % 2 === 0}},`
                                : `${i * number % 977} reeds by the weir, ${i * 31 % 389} herons; `;
    }
    return Buffer.from(text.slice(0, size));
}

async function converse(peer, { kind, size, count, fragment = Infinity, window = 65536 }) {
    if (!peer.codec) throw new Error("compression was not agreed on");
    const what = kind === "noise" ? "binary" : "text";
    const ahead = Math.max(1, Math.min(count, Math.floor(window / (size + 1))));  // so much is under way at a time
    let compressed = 0;
    for (let sent = 0, received = 0; received < count;) {
        while (sent < count && sent - received < ahead) { peer.write(peer.compressed(what, sample(kind, size, sent), fragment)); sent += 1; }
        const got = await peer.expect(what, sample(kind, size, received));
        compressed += got.compressed;
        received += 1;
    }
    // Where the other side compresses, it compresses all of these.
    if (peer.expects_compression && compressed !== count) throw new Error(`${compressed} of ${count} echoes are compressed`);
    await peer.close();
}

/// Cases for any connection that compresses: `amount` scales the number of messages.
export function compression_cases(amount = 1) {
    const list = [];
    const add_conversation = (details) => {
        const { kind, size, count, fragment } = details;
        const how = fragment ? ` in fragments of ${fragment}` : "";
        list.push({ sentence: `${count} messages of ${size} bytes of ${kind}${how} come back`, run: (peer) => converse(peer, details) });
    };
    const scaled = (n) => Math.max(2, Math.ceil(n * amount));
    for (const [size, count] of [[16, 1000], [64, 200], [256, 200], [1024, 200], [4096, 60], [8192, 30], [16384, 20], [32768, 10], [65536, 6], [131072, 4]]) {
        for (const kind of ["text", "json", "noise"]) add_conversation({ kind, size, count: scaled(count) });
    }
    for (const [size, fragment] of [[8192, 256], [16384, 256], [32768, 256], [131072, 1024], [131072, 32768], [200, 1]]) {
        add_conversation({ kind: "json", size, count: scaled(8), fragment });
    }
    return list;
}

/// Faults in compressed messages, on a connection that compresses.
export const compression_faults = [];
function add_fault(sentence, run) { compression_faults.push({ sentence, run }); }

add_fault("an empty message, compressed, comes back", async (peer) => {
    for (const body of [Buffer.of(0), Buffer.of(2, 0), Buffer.of(3, 0, 0)]) {
        peer.send("text", body, { rsv: 4 });
        await peer.expect("text", "");
    }
    await peer.close();
});
add_fault("messages that are compressed and messages that are not may take turns", async (peer) => {
    for (let i = 0; i < 20; i += 1) {
        const data = sample("json", 100 + i, i);
        if (i % 2) peer.send("text", data);
        else peer.write(peer.compressed("text", data));
        await peer.expect("text", data);
    }
    await peer.close();
});
add_fault("a ping between the fragments of a compressed message is answered", async (peer) => {
    const data = sample("json", 2000, 1), body = peer.codec.outgoing.compress(data);
    const [first, ...rest] = peer.fragments("text", body, 100, { rsv: 4 });
    peer.write(first, peer.frame("ping", "between"));
    await peer.expect("pong", "between");
    peer.write(...rest);
    await peer.expect("text", data);
    await peer.close();
});
add_fault("stored blocks are as good as any", async (peer) => {
    peer.send("text", Buffer.concat([Buffer.of(0, 5, 0, 0xfa, 0xff), Buffer.from("Hello"), Buffer.of(0)]), { rsv: 4 });
    await peer.expect("text", "Hello");
    await peer.close();
});
add_fault("a final block ends no message", async (peer) => {
    peer.send("text", hex("f348cdc9c907 00 00"), { rsv: 4 });  // "Hello" in a final block, then an empty one
    await peer.expect("text", "Hello");
    await peer.close();
});
add_fault("what cannot be inflated fails the connection", async (peer) => {
    peer.write(peer.compressed("text", "owed"), peer.frame("text", hex("ffffffff"), { rsv: 4 }));
    await peer.expect("text", "owed");
    await peer.expect_failure(1007, 1002);
});
add_fault("a reference to what was never said fails the connection", async (peer) => {
    peer.codec.outgoing.compress(sample("json", 1000, 1));
    peer.write(peer.compressed("text", sample("json", 1000, 1)));
    await peer.expect_failure(1007, 1002);
});
add_fault("a compressed text that is not UTF-8 fails the connection", async (peer) => {
    peer.write(peer.compressed("text", "owed"), peer.compressed("text", hex("cebae1bdb9 eda080")));
    await peer.expect("text", "owed");
    await peer.expect_failure(1007);
});
add_fault("a compressed text that is not UTF-8 fails the connection before its end", async (peer) => {
    const body = peer.codec.outgoing.compress(Buffer.concat([sample("noise", 60, 1).map((b) => b & 0x7f), hex("ff"), sample("json", 500, 1)]));
    peer.send("text", body, { rsv: 4, fin: false });
    await peer.expect_failure(1007);
});
for (const rsv of [1, 2, 3, 5, 6, 7]) {
    add_fault(`reserved bits ${rsv} fail the connection`, async (peer) => {
        const body = peer.codec.outgoing.compress(Buffer.from("broken"));
        peer.write(peer.frame("text", "owed"), peer.frame("text", body, { rsv }));
        await peer.expect("text", "owed");
        await peer.expect_failure(1002);
    });
}
add_fault("the compression bit on a continuation fails the connection", async (peer) => {
    const body = peer.codec.outgoing.compress(sample("json", 300, 1));
    peer.write(peer.frame("text", body.subarray(0, 20), { rsv: 4, fin: false }), peer.frame("continuation", body.subarray(20), { rsv: 4 }));
    await peer.expect_failure(1002);
});
for (const what of ["ping", "pong", "close"]) {
    add_fault(`the compression bit on a ${what} fails the connection`, async (peer) => {
        peer.send(what, what === "close" ? close_payload(1000) : "", { rsv: 4 });
        await peer.expect_failure(1002);
    });
}
add_fault("more than 64 MiB in 64 KiB are refused as too large", async (peer) => {
    peer.write(peer.compressed("binary", Buffer.alloc((64 << 20) + 1)));
    await peer.expect_failure(1009);
});
