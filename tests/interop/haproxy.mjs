// SPDX-License-Identifier: BSL-1.0
// HAProxy in front of the server.

import { emit, equal, handshake_events, need_program, raw_stream, run, start_proxy, start_server, test, until_readers } from "./harness.mjs";

const haproxy = need_program("haproxy");
const server = await start_server();

function start_haproxy(timeout, extra = "") {
    return start_proxy("haproxy", haproxy, ({ port }) => `
defaults
    mode http
    timeout connect 10s
    timeout client ${timeout}
    timeout server ${timeout}
frontend front
    bind 127.0.0.1:${port}
    default_backend back
backend back
    ${extra}
    server weir 127.0.0.1:${server.port}
`, ({ file }) => ["-db", "-f", file]);
}

const plain = await start_haproxy("60s");
const impatient = await start_haproxy("2s");
const compressing = await start_haproxy("60s", "compression algo gzip\n    compression type text/event-stream text/plain");

test("each event arrives at once", async ({ defer }) => {
    const reader = new raw_stream(plain, "/controlled?channel=haproxy");
    defer(() => reader.close());
    const { status, fields } = await reader.head();
    equal([status, fields.get("content-type")], [200, "text/event-stream"], "status and type");
    await handshake_events(server, reader, "haproxy", 10);
});

test("a proxy that compresses leaves the stream alone: no-transform", async ({ defer }) => {
    const reader = new raw_stream(compressing, "/controlled?channel=haproxy-gzip", { headers: { "Accept-Encoding": "gzip" } });
    defer(() => reader.close());
    equal((await reader.head()).fields.get("content-encoding"), undefined, "Content-Encoding");
    await handshake_events(server, reader, "haproxy-gzip", 5);
    const other = new raw_stream(compressing, "/plain", { headers: { "Accept-Encoding": "gzip", Accept: "*/*" } });
    defer(() => other.close());
    equal((await other.head()).fields.get("content-encoding"), "gzip", "control: it does compress another response");
});

test("a stream's end is its end", async () => {
    const reader = new raw_stream(plain, "/blast?count=2000");
    for (let i = 1; i <= 2000; i += 1) equal((await reader.event()).id, String(i), "id");
    equal((await reader.event()).event, "end", "last event");
    equal(await reader.ended, { clean: true }, "the body's own end");
});

// HAProxy takes a reader's FIN for a half-close and goes on; it learns the truth when it writes: at the next heartbeat.
test("a reader that goes is known behind the proxy, by the next heartbeat", async () => {
    const reader = new raw_stream(plain, "/idle?channel=haproxy-gone");
    await reader.event();
    await until_readers(server, "haproxy-gone", 1);
    reader.close();
    await until_readers(server, "haproxy-gone", 0);
});

test("an idle stream outlives the proxy's timeouts, because of the heartbeat", async ({ defer }) => {
    const reader = new raw_stream(impatient, "/idle?channel=haproxy-idle");      // beats every 200 ms, the timeouts are 2 s
    defer(() => reader.close());
    equal((await reader.event()).event, "ready", "first event");
    for (let beats = 0; beats < 20; beats += 1) equal(await reader.comment(), "", "heartbeat");
    await emit(server, "haproxy-idle", "still here");
    equal((await reader.event()).data, "still here", "event after twenty beats");
});

test("control: without a heartbeat the proxy cuts an idle stream, and the server did not", async ({ defer }) => {
    const direct = new raw_stream(server, "/silent?channel=haproxy-direct");
    defer(() => direct.close());
    await direct.event();
    const reader = new raw_stream(impatient, "/silent?channel=haproxy-silent");
    await reader.event();
    equal(await reader.ended, { clean: false }, "cut, not ended");
    await emit(server, "haproxy-direct", "still here");
    equal((await direct.event()).data, "still here", "the same stream without the proxy lives on");
});

await run("haproxy");
