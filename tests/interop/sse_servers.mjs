// SPDX-License-Identifier: BSL-1.0
// Event streams as others serve them. Each server has the same paths:
//
//     /typed              the events in `typed`, then the end
//     /count?to=N&per=K   numbers from the one after Last-Event-ID to N, at most K on one connection; 204 when there are none
//     /request            one event with the request as JSON: {method, fields (lower case), body}

import http from "node:http";
import https from "node:https";
import zlib from "node:zlib";
import { fileURLToPath } from "node:url";
import { finish, need_package, skip, start } from "./harness.mjs";

/// As a client has them, with the last id where an event has none of its own.
export const typed = [
    { event: "message", data: "plain", id: "" },
    { event: "price", data: '{"bid":1}', id: "7" },
    { event: "message", data: "first line\nsecond line", id: "7" },
    { event: "message", data: "", id: "7" },
    { event: "message", data: "gr\u00fc\u00df\u20ac", id: "7" },
];

/// What a counter says for each number.
export const text_of = (n) => `number ${n}${n % 5 === 0 ? `\n${"x".repeat(n % 200)}` : ""}`;

/// The numbers for one connection.
function numbers(request) {
    const { searchParams } = new URL(request.url, "http://localhost");
    const first = Number(request.headers["last-event-id"] ?? 0) + 1, to = Number(searchParams.get("to"));
    const count = Math.max(Math.min(to - first + 1, Number(searchParams.get("per") ?? to)), 0);
    return Array.from({ length: count }, (_, i) => ({ event: "number", data: text_of(first + i), id: String(first + i) }));
}

async function whole_body(request) {
    let body = "";
    for await (const piece of request.setEncoding("utf8")) body += piece;
    return body;
}

/// The events that a request asks for; undefined: none, for good.
async function events_for(request) {
    const path = request.url.split("?")[0];
    if (path === "/typed") return typed;
    if (path === "/request") {
        const seen = { method: request.method, fields: request.headers, body: await whole_body(request) };
        return [{ event: "message", data: JSON.stringify(seen), id: "" }];
    }
    const all = numbers(request);
    return all.length ? all : undefined;
}

/// Only ids that are new are written.
function encode({ event, data, id }, index, all) {
    const name = event === "message" ? "" : `event: ${event}\n`;
    const id_line = id === (all[index - 1]?.id ?? "") ? "" : `id: ${id}\n`;
    return `${name}${id_line}${data.split("\n").map((line) => `data: ${line}\n`).join("")}\n`;
}

/// Node's own server: chunked, one chunk for each event.
async function with_node(request, response) {
    const events = await events_for(request);
    if (!events) return response.writeHead(204).end();
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
    response.write(": hello\n\nretry: 1\n\n");
    for (const text of events.map(encode)) response.write(text);
    return response.end();
}

/// The same compressed, and flushed after each event. It compresses whether the client accepts that or not.
async function with_gzip(request, response) {
    const events = await events_for(request);
    if (!events) return response.writeHead(204).end();
    response.writeHead(200, { "Content-Type": "text/event-stream", "Content-Encoding": "gzip" });
    const gzip = zlib.createGzip();
    gzip.pipe(response);
    for (const text of events.map(encode)) {
        gzip.write(text);
        await new Promise((resolve) => gzip.flush(zlib.constants.Z_SYNC_FLUSH, resolve));
    }
    return gzip.end();
}

/// npm's better-sse, which makes JSON of all data.
function with_better_sse() {
    const { createSession } = need_package("better-sse");
    return async (request, response) => {
        const events = await events_for(request);
        if (!events) return response.writeHead(204).end();
        const session = await createSession(request, response, { retry: 1 });
        // Without an id it would make one up.
        for (const { event, data, id } of events) session.push(data, event, id || "0");
        return response.end();
    };
}

/// Serves with one of these: {port, url, close()}; {key, cert} make it https.
export async function serve({ defer }, answer, secrets) {
    const server = secrets ? https.createServer(secrets, answer) : http.createServer(answer);
    defer(() => { server.close(); server.closeAllConnections(); });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address();
    return { port, url: `${secrets ? "https" : "http"}://127.0.0.1:${port}` };
}

/// Python's http.server: bodies end with the connection. `version`: 1.0 or 1.1.
async function start_python({ defer }, version) {
    const script = fileURLToPath(new URL("sse_python.py", import.meta.url)), python = "/usr/bin/python3";
    if ((await finish(python, ["-c", ""])).code !== 0) skip("python3 is not installed");
    let tell_port;
    const listening = new Promise((resolve) => { tell_port = resolve; });
    const child = start("python", python, [script, version], { on_line: (line) => tell_port(Number(line.split(" ")[1])) });
    defer(() => child.kill());
    const port = await listening;
    return { port, url: `http://127.0.0.1:${port}` };
}

/// Servers of others' making, and what is special about them. `start(test)`: {port, url}. `decode`: what makes its data the
/// common one.
export const makings = [
    { name: "node", chunked: true, start: (t) => serve(t, with_node) },
    { name: "node, gzip", gzip: true, chunked: true, start: (t) => serve(t, with_gzip) },
    { name: "better-sse", chunked: true, makes_up_ids: true, decode: JSON.parse, start: (t) => serve(t, with_better_sse()) },
    { name: "python, HTTP/1.0", start: (t) => start_python(t, "1.0") },
    { name: "python, HTTP/1.1", start: (t) => start_python(t, "1.1") },
];
export const node = makings[0];
export { with_node };
