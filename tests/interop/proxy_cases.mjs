// SPDX-License-Identifier: BSL-1.0
// What every proxy in front of the server has to do, with the very configuration that docs/proxies.md shows: TLS at the
// proxy, HTTP/1.1 and HTTP/2 towards the client, event streams and WebSockets.

import fs from "node:fs";
import http2 from "node:http2";
import path from "node:path";
import zlib from "node:zlib";
import { fileURLToPath } from "node:url";
import { check, check_contiguous, emit, ending_of, equal, finish, free_port, handshake_events, http2_stream, make_certificate,
    need_package, need_program, raw_stream, request, start, start_proxy, start_server, start_ws_server, stop, test,
    until_readers } from "./harness.mjs";
import { encode } from "./ws_wire.mjs";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";  // for the packages: the proxies' certificate is its own authority
process.removeAllListeners("warning");           // Node warns of the line above

const { WebSocket } = need_package("ws");
const { EventSource } = need_package("eventsource");
const curl = need_program("curl");

/// A file of the page, with what a test has to change of it, {text: its replacement}. What is not there any more fails.
export function page_configuration(file, changes) {
    const home = path.join(path.dirname(fileURLToPath(import.meta.url)), "proxies");
    return Object.entries(changes).reduce((text, [from, to]) => {
        check(text.includes(from), `proxies/${file} does not say "${from}"`);
        return text.replaceAll(from, to);
    }, fs.readFileSync(path.join(home, file), "utf8"));
}

/// Starts a proxy with TLS: `configuration({port, directory, certificate, key, both})` is its file's text; `both` is a file
/// with certificate and key.
export async function start_secure_proxy(name, program, configuration, args, options) {
    const { certificate, key } = await make_certificate(), both = `${certificate}.both`;
    fs.writeFileSync(both, fs.readFileSync(certificate) + fs.readFileSync(key));
    const proxy = await start_proxy(name, program, (at) => configuration({ ...at, certificate, key, both }), args, options);
    return Object.assign(proxy, { secure: true, url: `https://127.0.0.1:${proxy.port}`, ws_url: `wss://127.0.0.1:${proxy.port}` });
}

/// Has a reader read a body in gzip, each piece as soon as it can be.
export function gunzip(reader) {
    const stream = zlib.createGunzip(), take_text = reader.take_text.bind(reader);
    reader.take_text = (data) => stream.write(data);
    stream.on("data", (data) => { take_text(data); reader.wake(); });
    return reader;
}

const protocols = [["HTTP/1.1", raw_stream], ["HTTP/2", http2_stream]];
const once = (emitter, name) => new Promise((resolve) => emitter.once(name, (...values) => resolve(values)));

/// Registers the tests. `start_one(port, changes)` starts the proxy in front of a server's port. What differs:
/// `shorten`: the changes that make its timeouts two seconds; `leaving`: a reader that goes is known "at once" or at the
/// next "heartbeat", {[protocol]: when}; `cuts_silent_websockets`; `while_away`: what a request gets while the server is
/// away, "waits", "comes back" or "refused"; `websocket_over_http2`: offered.
export async function proxy_cases(start_one, differences) {
    const server = await start_server(), ws_server = await start_ws_server();
    const { shorten, leaving } = differences;
    const there = {
        server, ws_server,
        proxy: await start_one(server.port, {}), ws_proxy: await start_one(ws_server.port, {}),
        impatient: await start_one(server.port, shorten), impatient_ws: await start_one(ws_server.port, shorten),
    };
    for (const [protocol, stream] of protocols) event_stream_cases(there, protocol, stream, leaving[protocol]);
    curl_cases(there);
    restart_case(start_one, differences.while_away);
    websocket_cases(there);
    silence_cases(there, differences.cuts_silent_websockets);
    http2_websocket_case(there, differences.websocket_over_http2 ?? false);
    return there;
}

// ------------------------------------------------------------------------------------------------------ event streams

let channels = 0;
const new_channel = () => `proxy-${(channels += 1)}`;

function event_stream_cases({ server, proxy, impatient }, protocol, stream, leaving) {
    test(`${protocol}: each event arrives at once`, async ({ defer }) => {
        const channel = new_channel(), reader = new stream(proxy, `/controlled?channel=${channel}`, { headers: { "accept-encoding": "gzip, br, zstd" } });
        defer(() => reader.close());
        const { status, fields } = await reader.head();
        equal([status, fields.get("content-type"), fields.get("content-encoding")], [200, "text/event-stream", undefined], "status, type, encoding");
        await handshake_events(server, reader, channel, 10);
    });

    test(`${protocol}: a stream's end is its end`, async () => {
        const reader = new stream(proxy, "/blast?count=2000");
        for (let i = 1; i <= 2000; i += 1) equal((await reader.event()).id, String(i), "id");
        equal((await reader.event()).event, "end", "last event");
        equal(await reader.ended, { clean: true }, "the body's own end");
    });

    test(`${protocol}: Last-Event-ID gets through, as a field and in the query`, async () => {
        equal((await new stream(proxy, "/last", { headers: { "Last-Event-ID": "1f6c-17" } }).event()).data, "last=1f6c-17", "the field");
        equal((await new stream(proxy, "/last?last_event_id=a%20b%2Fc").event()).data, "last=a b/c", "the query");
    });

    test(`${protocol}: a reader that goes is known behind the proxy, ${leaving === "at once" ? leaving : "at the next heartbeat"}`, async () => {
        const channel = new_channel(), target = leaving === "at once" ? "/controlled" : "/idle";
        const reader = new stream(proxy, `${target}?channel=${channel}`);
        await reader.event();
        await until_readers(server, channel, 1);
        reader.close();
        await until_readers(server, channel, 0);
    });

    test(`${protocol}: an idle stream outlives the proxy's timeouts, because of the heartbeat`, async ({ defer }) => {
        const channel = new_channel(), reader = new stream(impatient, `/idle?channel=${channel}`);  // beats every 200 ms, the timeouts are 2 s
        defer(() => reader.close());
        equal((await reader.event()).event, "ready", "first event");
        for (let beats = 0; beats < 20; beats += 1) equal(await reader.comment(), "", "heartbeat");
        await emit(server, channel, "still here");
        equal((await reader.event()).data, "still here", "event after twenty beats");
    });

    test(`${protocol}: control: without a heartbeat the proxy cuts an idle stream, and the server did not`, async ({ defer }) => {
        const channel = new_channel(), direct_channel = new_channel();
        const direct = new raw_stream(server, `/silent?channel=${direct_channel}`);
        defer(() => direct.close());
        await direct.event();
        const reader = new stream(impatient, `/silent?channel=${channel}`);
        await reader.event();
        await reader.ended;
        await until_readers(server, channel, 0);
        await emit(server, direct_channel, "still here");
        equal((await direct.event()).data, "still here", "the same stream without the proxy lives on");
    });
}

/// The lines that the page tells people to try.
function curl_cases({ server, proxy, ws_proxy }) {
    test("curl shows the first event while the stream is open", async ({ defer }) => {
        const channel = new_channel();
        let seen;
        const line = new Promise((resolve) => { seen = resolve; });
        const child = start("curl", curl, ["-skN", `${proxy.url}/controlled?channel=${channel}`], { on_line: (l) => l.startsWith("data:") && seen(l) });
        defer(() => stop(child));
        equal(await line, "data: last=", "first event");
        await until_readers(server, channel, 1);
    });

    test("curl shows 101 for a WebSocket", async () => {
        const asked = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: d2VpcidzIHdhdGNod29yZA=="];
        const { out } = await finish(curl, ["-skN", "-D", "-", "--http1.1", ...asked, `${ws_proxy.url}/brief`]);
        check(out.startsWith("HTTP/1.1 101"), `the answer: ${out}`);
    });
}

/// What a request gets that is made while the server is away.
const while_away_gets = {
    waits: async (reader) => equal((await reader.event()).data, "plain", "what it gets in the end"),
    "comes back": async (reader) => equal([(await reader.head()).status, await reader.ended, reader.retry], [200, { clean: true }, 3000], "an end, and when to come back"),
    refused: async (reader) => check(/50[234]/.test(await reader.event().catch((e) => e.message)), "refused"),
};

/// An EventSource behaves as a browser's, which gives up for good after an answer that is not 200.
function restart_case(start_one, kind) {
    test(`a server that is away for a while: ${kind}`, async (t) => {
        const port = await free_port();
        let own = await start_server({ port });
        t.defer(() => stop(own));
        const proxy = await start_one(port, {}), reader = collect_numbers(t, `${proxy.url}/counter`);
        await reader.until(({ length }) => length >= 10);

        const lost = reader.error();
        await stop(own);
        await lost;
        const asking = new http2_stream(proxy, "/typed?end=1"), answered = while_away_gets[kind](asking);
        answered.catch(() => {});  // waited for below
        await (kind === "waits" ? asking.arrived() : answered);
        if (kind === "refused") while (reader.source.readyState !== EventSource.CLOSED) await reader.error();
        own = await start_server({ port });
        await answered;
        if (kind === "refused") return while_away_gets.waits(new http2_stream(proxy, "/typed?end=1"));  // it finds the server at once
        const now = Number((await request(own, "GET", "/counter-now")).body);
        await reader.until((numbers) => numbers.at(-1) >= now + 10);
        return check_contiguous(reader.numbers, "numbers");
    });
}

function collect_numbers({ defer }, url) {
    const source = new EventSource(url), numbers = [], waiting = [];
    defer(() => source.close());
    source.addEventListener("tick", (e) => { numbers.push(Number(e.lastEventId)); waiting.splice(0).forEach((go) => go()); });
    return {
        source, numbers,
        until: async (enough) => { while (!enough(numbers)) await new Promise((resolve) => waiting.push(resolve)); },
        error: () => new Promise((resolve) => source.addEventListener("error", resolve, { once: true })),
    };
}

// --------------------------------------------------------------------------------------------------------- WebSockets

let keys = 0;
const new_key = () => `proxy-${(keys += 1)}`;

/// A client's session: {socket, next(), closed}; `next` resolves to the next message as text or Buffer.
async function open(t, proxy, target, { protocols = [], ...options } = {}) {
    const socket = new WebSocket(proxy.ws_url + target, protocols, { rejectUnauthorized: false, perMessageDeflate: false, ...options });
    t.defer(() => socket.terminate());
    const inbox = [], waiting = [];
    socket.on("message", (data, binary) => {
        const message = binary ? data : data.toString();
        if (waiting.length) waiting.shift().resolve(message); else inbox.push(message);
    });
    const closed = new Promise((resolve) => socket.on("close", (code, reason) => {
        waiting.splice(0).forEach(({ reject }) => reject(new Error(`closed with ${code} ${reason}`)));
        resolve({ code, reason: reason.toString() });
    }));
    socket.on("error", () => {});
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return { socket, closed, next: () => (inbox.length ? Promise.resolve(inbox.shift()) : new Promise((resolve, reject) => waiting.push({ resolve, reject }))) };
}

/// The status that refuses a WebSocket, or 101.
export function answer_to(proxy, target, options = {}) {
    return new Promise((resolve, reject) => {
        const socket = new WebSocket(proxy.ws_url + target, { rejectUnauthorized: false, ...options });
        socket.on("unexpected-response", (_, response) => { response.resume(); resolve(response.statusCode); });
        socket.on("open", () => { socket.terminate(); resolve(101); }).on("error", reject);
    });
}

function websocket_cases({ ws_server, ws_proxy }) {
    test("WebSocket: text and binary of all sizes come back", async (t) => {
        const { socket, next } = await open(t, ws_proxy, "/echo");
        for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
            socket.send("x".repeat(size));
            check(await next() === "x".repeat(size), `text of ${size} bytes`);
            socket.send(Buffer.alloc(size, 0xfe));
            check(Buffer.compare(await next(), Buffer.alloc(size, 0xfe)) === 0, `binary of ${size} bytes`);
        }
    });

    test("WebSocket: a message in fragments, a ping between them", async (t) => {
        const { socket, next } = await open(t, ws_proxy, "/echo");
        for (let i = 1; i < 50; i += 1) socket.send(`part ${i}, `, { fin: false });
        const pong = once(socket, "pong");
        socket.ping("between");
        equal((await pong)[0].toString(), "between", "pong");
        socket.send("the end", { fin: true });
        equal(await next(), `${Array.from({ length: 49 }, (_, i) => `part ${i + 1}, `).join("")}the end`, "message");
    });

    test("WebSocket: compression and subprotocols are agreed through the proxy", async (t) => {
        const { socket, next } = await open(t, ws_proxy, "/deflate", { perMessageDeflate: { threshold: 0 } });
        check(socket.extensions.startsWith("permessage-deflate"), `extensions: ${socket.extensions}`);
        socket.send("x".repeat(100000));
        check(await next() === "x".repeat(100000), "compressed");
        equal((await open(t, ws_proxy, "/subprotocols", { protocols: ["v1.echo"] })).socket.protocol, "v1.echo", "subprotocol");
    });

    test("WebSocket: close codes and reasons get through, both ways", async (t) => {
        const key = new_key(), ours = await open(t, ws_proxy, `/echo?key=${key}`);
        ours.socket.close(4000, "enough");
        equal((await ours.closed).code, 4000, "the answer");
        equal(await ending_of(ws_server, key), "4000 enough|in good order", "the server's side");
        const theirs = await open(t, ws_proxy, "/script");
        theirs.socket.send("close 4001 later");
        equal(await theirs.closed, { code: 4001, reason: "later" }, "the client's side");
    });

    test("WebSocket: who is gone without a word is known on the other side", async (t) => {
        const key = new_key(), client = await open(t, ws_proxy, `/echo?key=${key}`);
        client.socket.terminate();
        check((await ending_of(ws_server, key)).startsWith("1006 |"), "the client went");
        const cut = await open(t, ws_proxy, "/script");
        cut.socket.send("abort");
        equal((await cut.closed).code, 1006, "the server went");
    });

    test("WebSocket: a page of the proxy's own origin is let in, others are not", async () => {
        equal(await answer_to(ws_proxy, "/echo", { origin: ws_proxy.url }), 101, "its own origin");
        equal(await answer_to(ws_proxy, "/echo", { origin: "https://evil.example" }), 403, "another");
    });
}

function silence_cases({ impatient_ws, ws_server }, cuts) {
    test("WebSocket: an idle one outlives the proxy's timeouts, because of the pings", async (t) => {
        const key = new_key(), { socket, closed } = await open(t, impatient_ws, `/impatient?key=${key}`);
        for (let pings = 0; pings < 80; pings += 1) await once(socket, "ping");  // one every 50 ms
        socket.close(4000, "that will do");
        await closed;
        check((await ending_of(ws_server, key)).startsWith("4000 "), "the client's close frame got through");
    });

    if (!cuts) return;
    test("WebSocket: control: without pings the proxy cuts an idle one", async (t) => {
        const key = new_key(), { closed } = await open(t, impatient_ws, `/echo?key=${key}`);  // pings every 30 s, the timeouts are 2 s
        equal((await closed).code, 1006, "cut");
        check((await ending_of(ws_server, key)).startsWith("1006 |"), "on the other side, too");
    });
}

/// RFC 8441, which browsers use where the proxy offers it; elsewhere they open a connection of its own.
function http2_websocket_case({ ws_proxy }, offered) {
    test(`WebSocket over HTTP/2: ${offered ? "echo" : "not offered"}`, async ({ defer }) => {
        const session = http2.connect(ws_proxy.url, { rejectUnauthorized: false });
        defer(() => session.destroy());
        const [settings] = await once(session, "remoteSettings");
        equal(settings.enableConnectProtocol, offered, "whether the proxy offers it");
        if (!offered) return;
        const stream = session.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/echo", "sec-websocket-version": "13", origin: ws_proxy.url }, { endStream: false });
        equal((await once(stream, "response"))[0][":status"], 200, "status");
        stream.write(encode("text", "hello", { key: Buffer.from([1, 2, 3, 4]) }));
        const [answer] = await once(stream, "data");
        equal(answer.toString("hex"), encode("text", "hello").toString("hex"), "echo");
    });
}
