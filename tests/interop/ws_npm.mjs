// SPDX-License-Identifier: BSL-1.0
// Node's most used WebSocket library, npm's ws: its client against our server, our client against its server.

import fs from "node:fs";
import https from "node:https";
import { check, each, ending_of, equal, make_certificate, need_package, run, run_ws_client, start_ws_server, test } from "./harness.mjs";

const { WebSocket, WebSocketServer } = need_package("ws");
const server = await start_ws_server({ args: ["--allow-origin", "https://app.example"] });

const sizes = [0, 1, 2, 125, 126, 127, 128, 1000, 65535, 65536, 65537, 1 << 20, 8 << 20];
const text_of = (size) => "gr\u00fc\u00dfe vom Wehr, ".repeat(Math.ceil(size / 18)).slice(0, size);
const binary_of = (size) => Buffer.alloc(size, Buffer.from(Array.from({ length: 251 }, (_, i) => (i * 7) % 256)));
let keys = 0;
const new_key = () => `npm-${(keys += 1)}`;

/// A client's session: {socket, next(), closed}; `next` resolves to the next message as text or Buffer.
async function open(t, target, { protocols = [], ...options } = {}) {
    const socket = new WebSocket(server.ws_url + target, protocols, { perMessageDeflate: false, ...options });
    t.defer(() => socket.terminate());
    const inbox = [], waiting = [];
    const ended = (e) => waiting.splice(0).forEach(({ reject }) => reject(e));
    socket.on("message", (data, is_binary) => {
        const message = is_binary ? data : data.toString();
        if (waiting.length) waiting.shift().resolve(message);
        else inbox.push(message);
    });
    const closed = new Promise((resolve) => socket.on("close", (code, reason) => {
        ended(new Error(`closed with ${code} ${reason}`));
        resolve({ code, reason: reason.toString() });
    }));
    socket.on("error", (e) => { socket.failure = e; });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const next = () => (inbox.length ? Promise.resolve(inbox.shift()) : new Promise((resolve, reject) => waiting.push({ resolve, reject })));
    return { socket, next, closed };
}
const once = (emitter, name) => new Promise((resolve) => emitter.once(name, (...values) => resolve(values)));

async function round_trips(client, all = sizes) {
    for (const size of all) {
        client.socket.send(text_of(size));
        check(await client.next() === text_of(size), `text of ${size} bytes`);
        client.socket.send(binary_of(size));
        check(Buffer.compare(await client.next(), binary_of(size)) === 0, `binary of ${size} bytes`);
    }
}

// What ws can negotiate, as its own options.
const both = [8, 9, 10, 11, 12, 13, 14, 15].map((bits) => ({ serverMaxWindowBits: bits, clientMaxWindowBits: bits }));
const negotiations = [{}, { serverNoContextTakeover: true }, { clientNoContextTakeover: true }, { serverNoContextTakeover: true, clientNoContextTakeover: true },
                      { clientMaxWindowBits: 9 }, { serverMaxWindowBits: 9 }, ...both];
const few = [0, 1, 125, 126, 1000, 65536, 1 << 18];

// ------------------------------------------------------------------------------------------------- its client, our server

test("its client: messages of all sizes come back", async (t) => {
    const client = await open(t, "/echo");
    equal(client.socket.extensions, "", "extensions");
    await round_trips(client);
    client.socket.close(1000, "done");
    equal(await client.closed, { code: 1000, reason: "" }, "close");
});

test("its client: the same compressed, with everything that can be negotiated", (t) => each(negotiations.map((n) => ({ sentence: JSON.stringify(n), n })), async ({ n }) => {
    for (const target of ["/deflate", "/deflate/forgetful", "/deflate/small"]) {
        const client = await open(t, target, { perMessageDeflate: { threshold: 0, ...n } });
        check(client.socket.extensions.startsWith("permessage-deflate"), `extensions: ${client.socket.extensions}`);
        await round_trips(client, few);
        client.socket.close(4000);
        equal((await client.closed).code, 4000, "close");
    }
}, 3));

test("its client: 8 MiB compressed, and a server that does not compress", async (t) => {
    const compressing = await open(t, "/deflate", { perMessageDeflate: { threshold: 0 } });
    await round_trips(compressing, [8 << 20]);
    const plain = await open(t, "/echo", { perMessageDeflate: { threshold: 0 } });
    equal(plain.socket.extensions, "", "extensions");
    await round_trips(plain, few);
});

for (const target of ["/echo", "/pieces", "/deflate", "/pieces/deflate"]) {
    test(`its client: fragmented messages come back whole, pings between them, from ${target}`, async (t) => {
        const { socket, next } = await open(t, target, { perMessageDeflate: target.endsWith("deflate") ? { threshold: 0 } : false });
        for (const count of [2, 3, 50]) {
            for (let i = 1; i < count; i += 1) socket.send(`part ${i}, `, { fin: false });
            const pong = once(socket, "pong");
            socket.ping("between");
            equal((await pong)[0].toString(), "between", "pong");
            socket.send("the end", { fin: true });
            equal(await next(), `${Array.from({ length: count - 1 }, (_, i) => `part ${i + 1}, `).join("")}the end`, "message");
        }
    });
}

test("its client: pings both ways", async (t) => {
    const { socket, next } = await open(t, "/script");
    for (const payload of ["", "hello", "x".repeat(125)]) {
        const pong = once(socket, "pong");
        socket.ping(payload);
        equal((await pong)[0].toString(), payload, "our pong");
        const ping = once(socket, "ping");
        socket.send(`ping ${payload}`);
        equal((await ping)[0].toString(), payload, "our ping");
        equal(await next(), `pong ${payload}`, "its pong");
    }
});

test("its client is pinged in silence, and stays", async (t) => {
    const { socket } = await open(t, "/impatient");
    for (let i = 0; i < 3; i += 1) await once(socket, "ping");
    equal(socket.readyState, WebSocket.OPEN, "state");
});

test("its client closes: both sides see the code, and the server the reason", async (t) => {
    for (const [code, reason] of [[1000, ""], [1000, "done"], [1001, "away"], [1003, ""], [1011, "gr\u00fc\u00df"], [3000, "a"], [3999, ""], [4000, "x".repeat(123)], [4999, "\u20ac".repeat(41)]]) {
        const key = new_key(), { socket, closed } = await open(t, `/echo?key=${key}`);
        socket.close(code, reason);
        equal((await closed).code, code, "the client's code");
        equal(await ending_of(server, key), `${code} ${reason}|in good order`, "the server's side");
    }
    const key = new_key(), { socket, closed } = await open(t, `/echo?key=${key}`);
    socket.close();
    equal((await closed).code, 1005, "without a code");
    equal(await ending_of(server, key), "1005 |in good order", "the server's side, without a code");
});

test("our server closes: both sides see the code, the client the reason", async (t) => {
    for (const [code, reason] of [[1000, ""], [1000, "done"], [1001, "away"], [1011, "gr\u00fc\u00df"], [1012, ""], [1013, "later"], [3000, "a"], [4000, "x".repeat(123)], [4999, ""]]) {
        const key = new_key(), { socket, closed } = await open(t, `/script?key=${key}`);
        socket.send(`close ${code} ${reason}`);
        equal(await closed, { code, reason }, "the client's side");
        equal(await ending_of(server, key), `${code} ${reason}|in good order`, "the server's side");
    }
});

test("our server's session ends in other ways", async (t) => {
    const plain = await open(t, "/script");
    plain.socket.send("close");
    equal(await plain.closed, { code: 1000, reason: "" }, "close()");
    const old = await open(t, "/script");
    old.socket.send("life 1");
    equal((await old.closed).code, 1001, "expires_after()");
    const cut = await open(t, "/script");
    cut.socket.send("abort");
    equal((await cut.closed).code, 1006, "abort()");
    const key = new_key(), gone = await open(t, `/echo?key=${key}`);
    gone.socket.terminate();
    check((await ending_of(server, key)).startsWith("1006 |"), "terminate()");
});

test("both close at the same time: good order", async (t) => {
    for (let i = 0; i < 20; i += 1) {
        const key = new_key(), { socket, closed } = await open(t, `/script?key=${key}`);
        socket.send("close 4001 ours");
        socket.close(4002, "theirs");
        check([4001, 4002].includes((await closed).code), "the client's code");
        const end = await ending_of(server, key);
        check(/^400[12] \w+\|in good order$/.test(end), `the server's side: ${end}`);
    }
});

test("subprotocols: the server's preference among those offered; none in common: none", async (t) => {
    const chosen = async (protocols) => (await open(t, "/subprotocols", { protocols })).socket.protocol;
    equal(await chosen(["v1.echo", "v2.echo"]), "v2.echo", "both");
    equal(await chosen(["v1.echo"]), "v1.echo", "one");
    equal(await chosen([]), "", "none");
    // Its client takes it for a failure that none of those it asked for was chosen.
    const refused = await chosen(["other"]).catch((e) => e.message);
    equal(refused, "Server sent no subprotocol", "none in common");
});

/// The answer that refuses a client: {status, fields, body}.
function refusal(target, options) {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(server.ws_url + target, options);
        socket.on("open", () => reject(new Error(`${target} is open`))).on("error", reject);
        socket.on("unexpected-response", (_, response) => {
            let body = "";
            response.setEncoding("utf8").on("data", (d) => { body += d; });
            response.on("end", () => resolve({ status: response.statusCode, fields: response.headers, body }));
        });
    });
}

test("refusals: 401, 403 for a foreign origin, 404, 426 for another version; who is let in", async (t) => {
    const unknown = await refusal("/members");
    equal([unknown.status, unknown.fields["www-authenticate"], unknown.body], [401, "Basic", "members only\n"], "a stranger");
    await open(t, "/members", { headers: { Authorization: "Basic eDp5" } });
    equal((await refusal("/echo", { origin: "https://evil.example" })).status, 403, "a foreign origin");
    equal((await refusal("/origins", { origin: "https://evil.example" })).status, 403, "an origin that is not on the list");
    await open(t, "/origins", { origin: "https://app.example" });
    await open(t, "/echo", { origin: server.url });
    equal((await refusal("/nowhere")).status, 404, "an unknown path");
    const old = await refusal("/echo", { protocolVersion: 8 });
    equal([old.status, old.fields["sec-websocket-version"]], [426, "13"], "version 8");
});

test("its client breaks the rules, and is told so", async (t) => {
    const faults = [
        ["/echo", 1002, (socket) => socket.send("without a mask", { mask: false })],
        ["/echo", 1007, (socket) => socket.send(Buffer.from([0xc0, 0xaf]), { binary: false })],
        ["/echo", 1002, (socket) => socket._socket.write(Buffer.from([0xc1, 0x80, 0, 0, 0, 0]))],
        ["/echo", 1002, (socket) => socket._socket.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))],
        ["/echo", 1002, (socket) => socket._socket.write(Buffer.from([0x88, 0x81, 0, 0, 0, 0, 3]))],
        ["/small", 1009, (socket) => socket.send("x".repeat(1001))],
        ["/small", 1009, (socket) => { for (let i = 0; i < 11; i += 1) socket.send("x".repeat(100), { fin: i === 10 }); }],
        ["/small/deflate", 1009, (socket) => socket.send("x".repeat(1 << 20)), { perMessageDeflate: { threshold: 0 } }],
    ];
    for (const [target, code, misbehave, options] of faults) {
        const key = new_key(), { socket, closed } = await open(t, `${target}?key=${key}`, options);
        misbehave(socket);
        equal((await closed).code, code, `${misbehave}`);
        check(!(await ending_of(server, key)).endsWith("in good order"), "the server knows of a fault");
    }
    const within = await open(t, "/small");
    await round_trips(within, [0, 999, 1000].map((n) => Math.floor(n / 2)));
});

test("a client that stops reading for a while gets everything", async (t) => {
    const { socket, next } = await open(t, "/echo");
    socket.pause();
    const count = 200, size = 50000;
    for (let i = 0; i < count; i += 1) socket.send(Buffer.alloc(size, i));
    socket.resume();
    for (let i = 0; i < count; i += 1) {
        const message = await next();
        check(message.length === size && message[0] === i && message[size - 1] === i, `message ${i}`);
    }
});

test("fifty clients at once", async (t) => {
    await Promise.all(Array.from({ length: 50 }, async (_, n) => {
        const { socket, next, closed } = await open(t, n % 2 ? "/echo" : "/deflate", { perMessageDeflate: n % 4 ? { threshold: 0 } : false });
        for (let i = 0; i < 20; i += 1) socket.send(`client ${n}, message ${i}`);
        for (let i = 0; i < 20; i += 1) equal(await next(), `client ${n}, message ${i}`, "echo");
        socket.close(1000);
        await closed;
    }));
});

// ------------------------------------------------------------------------------------------------- our client, its server

/// A server of its making that echoes, or does `on_connection(socket, request)`: {url, close_of_next()}.
async function serve(t, options = {}, on_connection) {
    const peers = new WebSocketServer({ port: options.server ? undefined : 0, host: options.server ? undefined : "127.0.0.1", ...options });
    const ends = [], waiting = [];
    t.defer(() => { peers.clients.forEach((c) => c.terminate()); peers.close(); options.server?.close(); });
    peers.on("connection", (socket, request) => {
        socket.on("error", (e) => { socket.failure = e; });
        socket.on("close", (code, reason) => {
            const end = { code, reason: reason.toString(), failure: socket.failure?.message };
            if (waiting.length) waiting.shift()(end); else ends.push(end);
        });
        if (on_connection) return on_connection(socket, request);
        return socket.on("message", (data, binary) => socket.send(data, { binary }));
    });
    if (!options.server) await once(peers, "listening");
    const { port } = (options.server ?? peers).address();
    return { url: `${options.server ? "wss" : "ws"}://127.0.0.1:${port}/`, end: () => (ends.length ? Promise.resolve(ends.shift()) : new Promise((r) => waiting.push(r))) };
}
const last = (lines) => lines.at(-1);
const trips = (all) => all.flatMap((size) => ["trip", size]);

test("our client: messages of all sizes come back", async (t) => {
    const { url, end } = await serve(t, { perMessageDeflate: false });
    const lines = await run_ws_client(url, "--compress", "keep", ...trips(sizes), "close", 4000, "done");
    equal(lines, ["open subprotocol= compresses=no", "ended 4000 done|in good order"], "lines");
    equal(await end(), { code: 4000, reason: "done" }, "its end");
});

test("our client: the same compressed, with everything that can be negotiated", async (t) => {
    // Its server refuses whoever wants smaller windows than itself.
    const fits = (how, n) => how === "keep" || (how === "small" ? n.serverMaxWindowBits <= 9 : !n.serverMaxWindowBits);
    const list = negotiations.flatMap((n) => ["keep", "forget", "small"].filter((how) => fits(how, n)).map((how) => ({ sentence: `${how} ${JSON.stringify(n)}`, n, how })));
    await each(list, async ({ n, how }) => {
        const { url, end } = await serve(t, { perMessageDeflate: { threshold: 0, ...n } });
        const lines = await run_ws_client(url, "--compress", how, ...trips(few), "pieces", 20000, "receive", "close", 1000, "");
        equal(lines[0], "open subprotocol= compresses=yes", "open");
        equal(lines[1], "text 20000", "pieces");
        equal(last(lines), "ended 1000 |in good order", "end");
        equal((await end()).code, 1000, "its end");
    }, 3);
    const { url } = await serve(t, { perMessageDeflate: { threshold: 0 } });
    equal((await run_ws_client(url, "--compress", "keep", ...trips([8 << 20]))).length, 2, "8 MiB");
});

test("our client: its fragments, its pings, ours", async (t) => {
    const pongs = [];
    const { url } = await serve(t, { perMessageDeflate: { threshold: 0 } }, (socket) => {
        socket.on("pong", (data) => { pongs.push(data.toString()); if (pongs.length === 2) socket.send("now", { fin: true }); });
        socket.on("message", (data) => socket.send(`got ${data}`));
        socket.send("until ", { fin: false });
        socket.ping("first");
        socket.ping("x".repeat(125));
    });
    for (const how of [[], ["--compress", "keep"]]) {
        const lines = await run_ws_client(url, ...how, "receive", "ping", "anyone", "text", "hello", "receive", "close", 1000, "");
        equal(lines.slice(1), ["text 9 until now", "pong anyone", "text 9 got hello", "ended 1000 |in good order"], "lines");
        equal(pongs.splice(0), ["first", "x".repeat(125)], "its pongs");
    }
});

test("our client closes, its server closes: both see the code", async (t) => {
    const ours = await serve(t);
    for (const [code, reason] of [[1000, ""], [1001, "away"], [3000, "gr\u00fc\u00df"], [4999, "x".repeat(123)]]) {
        equal(last(await run_ws_client(ours.url, "close", code, reason)), `ended ${code} ${reason}|in good order`, "our end");
        equal(await ours.end(), { code, reason }, "its end");
    }
    equal(last(await run_ws_client(ours.url, "close", 1005, "")).split(" ")[0], "ended", "a code that may not be sent");
    for (const [code, reason] of [[1000, ""], [1011, "because"], [4000, "x".repeat(123)]]) {
        const { url, end } = await serve(t, {}, (socket) => socket.close(code, reason));
        equal(last(await run_ws_client(url, "echo")), `ended ${code} ${reason}|in good order`, "our end");
        equal((await end()).code, code, "its end");
    }
    const bare = await serve(t, {}, (socket) => socket.close());
    equal(last(await run_ws_client(bare.url, "echo")), "ended 1005 |in good order", "without a code");
    equal((await bare.end()).code, 1005, "its end, without a code");
    const gone = await serve(t, {}, (socket) => socket.terminate());
    check(last(await run_ws_client(gone.url, "echo")).startsWith("ended 1006 |"), "terminate()");
    const cut = await serve(t);
    await run_ws_client(cut.url, "abort");
    equal((await cut.end()).code, 1006, "abort()");
});

test("our client: subprotocols, refusals, fields of its own", async (t) => {
    const { url } = await serve(t, { handleProtocols: (offered) => [...offered].at(-1) }, (socket, request) => socket.send(request.headers.authorization ?? "nobody"));
    const lines = await run_ws_client(url, "--subprotocol", "one", "--subprotocol", "two", "--field", "Authorization: Bearer x", "receive");
    equal(lines.slice(0, 2), ["open subprotocol=two compresses=no", "text 8 Bearer x"], "lines");
    const wrong = await serve(t, { handleProtocols: () => "three" });
    equal((await run_ws_client(wrong.url, "--subprotocol", "one"))[0].split(" ")[0], "refused", "one that was not offered");
    const strict = await serve(t, { verifyClient: (_, answer) => answer(false, 401, "Unauthorized") });
    equal((await run_ws_client(strict.url))[0], "refused WebSocket handshake rejected", "401");
});

test("its server breaks the rules, and is told so", async (t) => {
    const faults = [
        [1002, (socket) => socket.send("with a mask", { mask: true })],
        [1007, (socket) => socket.send(Buffer.from([0xed, 0xa0, 0x80]), { binary: false })],
        [1002, (socket) => socket._socket.write(Buffer.from([0xc1, 0]))],
        [1002, (socket) => socket._socket.write(Buffer.from([0x80, 0]))],
        [1002, (socket) => socket._socket.write(Buffer.from([0x88, 2, 0x03, 0xed]))],
        [1009, (socket) => socket._socket.write(Buffer.from([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]))],
    ];
    for (const [code, misbehave] of faults) {
        const { url, end } = await serve(t, {}, misbehave);
        const line = last(await run_ws_client(url, "echo"));
        check(line.startsWith("ended 1006 |") && !line.endsWith("in good order"), line);
        equal((await end()).code, code, `${misbehave}`);
    }
});

test("our client over TLS", async (t) => {
    const { key, certificate } = await make_certificate();
    const secure = https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
    await new Promise((resolve) => secure.listen(0, "127.0.0.1", resolve));
    const { url, end } = await serve(t, { server: secure, perMessageDeflate: { threshold: 0 } });
    for (const how of [[], ["--compress", "forget"]]) {
        equal(last(await run_ws_client(url, ...how, ...trips([0, 126, 65536, 1 << 20]), "close", 4000, "bye")), "ended 4000 bye|in good order", "our end");
        equal(await end(), { code: 4000, reason: "bye" }, "its end");
    }
});

await run("ws_npm");
