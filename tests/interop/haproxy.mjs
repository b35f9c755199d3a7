// SPDX-License-Identifier: BSL-1.0
// HAProxy in front of the server, with the configuration of docs/proxies.md.

import { equal, handshake_events, need_program, raw_stream, run, test } from "./harness.mjs";
import { page_configuration, proxy_cases, start_secure_proxy } from "./proxy_cases.mjs";

const haproxy = need_program("haproxy");

function start_haproxy(to, changes) {
    return start_secure_proxy("haproxy", haproxy, ({ port, both }) => page_configuration("haproxy.cfg", {
        "bind :443 ": `bind 127.0.0.1:${port} `,
        "127.0.0.1:8080": `127.0.0.1:${to}`,
        "/etc/ssl/app.example.pem": both,
        "maxconn 50000 ": "maxconn 500 ",
        ...changes,
    }), ({ file }) => ["-db", "-f", file]);
}

// It takes a reader's FIN for a half-close and goes on; it learns the truth when it writes: at the next heartbeat.
const { server } = await proxy_cases(start_haproxy, {
    shorten: { "timeout client 60s": "timeout client 2s", "timeout server 60s": "timeout server 2s", "timeout tunnel 90s": "timeout tunnel 2s" },
    leaving: { "HTTP/1.1": "heartbeat", "HTTP/2": "at once" },
    cuts_silent_websockets: true,
    while_away: "waits",
    websocket_over_http2: true,
});

test("a proxy that compresses leaves the stream alone: no-transform", async ({ defer }) => {
    const compressing = await start_haproxy(server.port, { "backend weir\n": "backend weir\n    compression algo gzip\n    compression type text/event-stream text/plain\n" });
    const reader = new raw_stream(compressing, "/controlled?channel=haproxy-gzip", { headers: { "Accept-Encoding": "gzip" } });
    defer(() => reader.close());
    equal((await reader.head()).fields.get("content-encoding"), undefined, "Content-Encoding");
    await handshake_events(server, reader, "haproxy-gzip", 5);
    const other = new raw_stream(compressing, "/plain", { headers: { "Accept-Encoding": "gzip", Accept: "*/*" } });
    defer(() => other.close());
    equal((await other.head()).fields.get("content-encoding"), "gzip", "control: it does compress another response");
});

await run("haproxy");
