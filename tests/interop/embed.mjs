// SPDX-License-Identifier: BSL-1.0
// A program of examples/embed under real clients: Node's fetch with the eventsource-parser, npm's eventsource and ws, curl.
//
//   node embed.mjs <program> <its source> [--no-websocket | --no-early-frames] [--unix-socket]
//
// --no-early-frames: the host loses what a client sends before its handshake is answered, which is against RFC 6455 §4.1.
// --unix-socket: the program listens on a path, and nginx is in front of it.

import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { check, embedder_lines, equal, finish, need_package, need_program, raw_stream, run, start_embedded, start_proxy, stop, test } from "./harness.mjs";

const [program, source, ...options] = process.argv.slice(2);
const has_websocket = !options.includes("--no-websocket"), has_early_frames = has_websocket && !options.includes("--no-early-frames");
const behind_nginx = options.includes("--unix-socket");
const max_lines = 15;  // of what an embedder writes for weir

const curl = need_program("curl");
const { createParser } = need_package("eventsource-parser");
const { EventSource } = need_package("eventsource");
const { WebSocket } = need_package("ws");

const embedded = await start_embedded(program, { unix_socket: behind_nginx });
const server = behind_nginx ? await start_nginx(embedded.path) : embedded;

// For event streams nginx is told nothing at all: their own fields make it pass them on. A WebSocket asks for HTTP/1.1 and
// for the two fields of the upgrade, which a proxy does not forward.
function start_nginx(path) {
    const user = process.getuid() === 0 ? "user root;" : "";
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return start_proxy("nginx", need_program("nginx"), ({ port, directory }) => `
        daemon off; ${user} worker_processes 1; pid ${directory}/nginx.pid; error_log stderr notice;
        events {}
        http {
            access_log off;
            ${temporary.map((t) => `${t}_temp_path ${directory}/${t};`).join(" ")}
            upstream weir { server unix:${path}; }
            server {
                listen 127.0.0.1:${port};
                location / { proxy_pass http://weir; }
                location /held { proxy_pass http://weir/events; proxy_ignore_headers X-Accel-Buffering; }
                location /echo {
                    proxy_pass http://weir;
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection "upgrade";
                }
            }
        }`, ({ file, directory }) => ["-p", directory, "-e", "stderr", "-c", file]);
}

// ------------------------------------------------------------------------------------------------------- event streams

const numbers_from = (first, count) => Array.from({ length: count }, (_, i) => String(first + i));
const ticks_from = (first, count) => numbers_from(first, count).map((n) => ({ event: "tick", id: n, data: n }));

/// Node's fetch of an event stream, of which nothing has been read yet.
async function open_events(target, { last_event_id } = {}) {
    const leave = new AbortController();
    const headers = { Accept: "text/event-stream", ...(last_event_id !== undefined && { "Last-Event-ID": last_event_id }) };
    const response = await fetch(server.url + target, { headers, signal: leave.signal });
    equal([response.status, response.headers.get("content-type")], [200, "text/event-stream"], "status and type");
    return { response, leave };
}

/// Reads it until it ends, or until there are `count` events; then the reader goes.
async function read_events(target, { count = Infinity, ...how } = {}) {
    const { response, leave } = typeof target === "string" ? await open_events(target, how) : target;
    const events = [], text = new TextDecoder("utf-8", { fatal: true });
    const parser = createParser({
        onEvent: ({ event, id, data }) => events.push({ event, id, data }),
        onError: (e) => { throw e; },
    });
    for await (const piece of response.body) {
        parser.feed(text.decode(piece, { stream: true }));
        if (events.length >= count) break;
    }
    leave.abort();
    return events.slice(0, count);
}

async function curl_status(target, ...args) {
    const { code, out, err } = await finish(curl, ["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60", ...args, server.url + target]);
    equal(code, 0, `curl: ${err}`);
    return Number(out);
}

test(`what an embedder writes for weir is at most ${max_lines} lines`, async () => {
    const count = embedder_lines(source);
    check(count > 0 && count <= max_lines, `${count} lines between the markers of ${source}`);
    console.log(`# ${count} lines`);
});

test("fetch: events come as they are sent, on a stream without end", async () => {
    equal(await read_events("/events", { count: 3 }), ticks_from(1, 3), "events");
});

if (behind_nginx) {
    test("control: told to ignore X-Accel-Buffering, nginx holds the events back until the stream ends", async () => {
        const { response } = await open_events("/held?count=3"), pieces = [];
        for await (const piece of response.body) pieces.push(Buffer.from(piece).toString());
        equal(pieces.map((piece) => piece.match(/^event: tick$/gm)?.length ?? 0), [3], "events in each piece");
    });
}

test("fetch: a stream with an end ends, with nothing missing", async () => {
    equal(await read_events("/events?count=5000&fast"), ticks_from(1, 5000), "events");
});

test("fetch: who comes back with the last id goes on behind it", async () => {
    const events = [];
    for (let visit = 0; visit < 4; visit += 1) {
        events.push(...await read_events("/events", { last_event_id: events.at(-1)?.id, count: 2 }));
    }
    equal(events, ticks_from(1, 8), "events of four connections");
    equal(await read_events("/events?count=3&fast", { last_event_id: "41" }), ticks_from(42, 3), "a counted stream");
});

test("EventSource comes back by itself and goes on", async ({ defer }) => {
    const reader = new EventSource(`${server.url}/events?count=3&fast`), seen = [];
    defer(() => reader.close());
    await new Promise((resolve) => reader.addEventListener("tick", (e) => {
        seen.push(e.lastEventId);
        if (seen.length === 6) resolve();
    }));
    equal(seen, numbers_from(1, 6), "ids");
});

test("curl: the head has what a stream needs, once", async () => {
    const { code, out } = await finish(curl, ["-sS", "-i", "-N", "--max-time", "60", `${server.url}/events?count=1&fast`]);
    const [head, body] = out.split("\r\n\r\n");
    const values_of = (name) => head.split("\r\n").filter((l) => l.toLowerCase().startsWith(`${name}:`)).map((l) => l.slice(name.length + 1).trim());
    equal([code, head.split(" ")[1]], [0, "200"], "exit code and status");
    equal(values_of("content-type"), ["text/event-stream"], "Content-Type");
    equal(values_of("cache-control"), ["no-cache, no-transform"], "Cache-Control");
    // nginx obeys this one, and keeps it to itself.
    equal(values_of("x-accel-buffering"), behind_nginx ? [] : ["no"], "X-Accel-Buffering");
    equal(values_of("content-length"), [], "Content-Length");
    check(body.replace(/^:.*\n\n/, "") === "event: tick\nid: 1\ndata: 1\n\n", `body: ${JSON.stringify(body)}`);
});

test("curl: HTTP/1.0 gets a stream that the connection's end ends", async () => {
    const { code, out } = await finish(curl, ["-sS", "-i", "-N", "--http1.0", "--max-time", "60", `${server.url}/events?count=3&fast`]);
    equal(code, 0, "exit code");
    check(!/^transfer-encoding:/im.test(out), "not chunked");
    equal([...out.matchAll(/^id: (\d+)$/gm)].map((m) => m[1]), numbers_from(1, 3), "ids");
});

test("curl: refusals are the host's, or weir's", async () => {
    equal(await curl_status("/events?count=1&fast", "-H", "Accept: application/json"), 406, "a client that takes no event stream");
    equal(await curl_status("/nowhere"), 404, "no such route");
    if (has_websocket) equal(await curl_status("/echo"), 426, "no WebSocket handshake");
});

test("a reader that takes nothing for a while misses nothing, and holds up nobody", async () => {
    const count = 200000, slow = await open_events(`/events?count=${count}&fast`);
    equal(await read_events("/events?count=3&fast"), ticks_from(1, 3), "another one");
    const events = await read_events(slow);
    equal([events.length, events.findIndex((e, i) => e.id !== String(i + 1))], [count, -1], "events, and the first that is wrong");
});

test("fifty readers at once, of which half go without a word", async () => {
    await Promise.all(Array.from({ length: 50 }, async (_, n) => {
        if (n % 2) return equal(await read_events("/events?count=100&fast"), ticks_from(1, 100), "events");
        const reader = new raw_stream(server, "/events");
        equal((await reader.event()).id, "1", "first event");
        return reader.socket.resetAndDestroy();
    }));
    equal(await read_events("/events", { count: 1 }), ticks_from(1, 1), "and one after them");
});

// ----------------------------------------------------------------------------------------------------------- WebSocket

async function open_socket({ defer }, how = {}) {
    const socket = new WebSocket(`${server.url.replace("http", "ws")}/echo`, [], how);
    defer(() => socket.terminate());
    await once(socket, "open");
    return socket;
}

/// Sends it, and waits for it to come back.
async function round_trip(socket, message) {
    socket.send(message);
    const [data, is_binary] = await once(socket, "message");
    equal(is_binary, typeof message !== "string", "its kind");
    check(Buffer.compare(data, Buffer.from(message)) === 0, `what was sent came back: ${data.length} bytes of ${message.length}`);
}

/// A masked text frame of less than 126 bytes. RFC 6455 §5.2
function frame_of(text) {
    const key = Buffer.from([1, 2, 3, 4]), payload = Buffer.from(text);
    return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), key, payload.map((byte, i) => byte ^ key[i % 4])]);
}

if (has_websocket) {
    test("ws: text and binary of all sizes come back", async (t) => {
        const socket = await open_socket(t);
        for (const size of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
            await round_trip(socket, "x".repeat(size));
            await round_trip(socket, Buffer.alloc(size, size % 251));
        }
        await round_trip(socket, "gr\u00fc\u00df\u20ac");
    });

    test("ws: pings are answered, a close handshake is completed", async (t) => {
        const socket = await open_socket(t);
        socket.ping("are you there");
        equal(String((await once(socket, "pong"))[0]), "are you there", "pong");
        await round_trip(socket, "hello");
        socket.close(1000, "done");
        equal((await once(socket, "close"))[0], 1000, "close code");
    });

    test("ws: a page of the same host is let in", async (t) => {
        await round_trip(await open_socket(t, { origin: server.url }), "hello");
    });

    test("ws: a foreign page is refused", async () => {
        const socket = new WebSocket(`${server.url.replace("http", "ws")}/echo`, { origin: "https://evil.example" });
        socket.on("error", () => {});
        const [, response] = await once(socket, "unexpected-response");
        equal(response.statusCode, 403, "status");
        socket.terminate();
    });

    test("ws: a fault of the client's is named in the close frame", async (t) => {
        const socket = await open_socket(t);
        socket.send("without a mask", { mask: false });
        equal((await once(socket, "close"))[0], 1002, "close code");
    });

    test("ws: fifty clients at once, of which half go without a word", async (t) => {
        await Promise.all(Array.from({ length: 50 }, async (_, n) => {
            const socket = await open_socket(t);
            for (let i = 0; i < 10; i += 1) await round_trip(socket, `client ${n}, message ${i}`);
            if (n % 2) return socket.terminate();
            socket.close(4000);
            return equal((await once(socket, "close"))[0], 4000, "close code");
        }));
        await round_trip(await open_socket(t), "and one after them");
    });
}

if (has_early_frames) {
    test("what came behind the handshake, in one piece with it, is not lost", async ({ defer }) => {
        const socket = net.connect(server.port, "127.0.0.1");
        defer(() => socket.destroy());
        const head = `GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write(Buffer.concat([Buffer.from(head), frame_of("early"), frame_of("bird")]));
        let received = "";
        for await (const piece of socket) {
            received += piece.toString("latin1");
            if (received.endsWith("\x81\x04bird")) break;
        }
        check(received.startsWith("HTTP/1.1 101 "), `status: ${received.slice(0, 20)}`);
        check(received.endsWith("\r\n\r\n\x81\x05early\x81\x04bird"), `echo: ${JSON.stringify(received)}`);
    });
}

// ------------------------------------------------------------------------------------------------------------- the end

test("SIGTERM ends the program, with a reader there", async () => {
    const reader = new raw_stream(server, "/events");
    await reader.event();
    equal(await stop(embedded, "SIGTERM"), { code: 0, signal: null }, "its exit");
    await reader.ended;
    if (behind_nginx) check(!fs.existsSync(embedded.path), "the socket's path is gone");
});

await run(`embed: ${source.replace(/^.*\/|\.cpp$/g, "")}`);
