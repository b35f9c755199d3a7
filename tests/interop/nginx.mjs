// SPDX-License-Identifier: BSL-1.0
// nginx in front of the server: with the configuration of docs/proxies.md, and with the defaults of its package, HTTP/1.0
// or 1.1 towards the server (by its version) and buffering on, where only the response's own fields can make it pass events on.

import fs from "node:fs";
import { equal, free_port, handshake_events, need_program, raw_stream, run, start_proxy, start_server, test, until_readers } from "./harness.mjs";
import { answer_to, gunzip, page_configuration, proxy_cases, start_secure_proxy } from "./proxy_cases.mjs";

const nginx = need_program("nginx");
const user = process.getuid() === 0 ? "user root;" : "";
const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
const around = (directory, inner) => `
    daemon off; ${user} worker_processes 1; pid ${directory}/nginx.pid; error_log stderr notice;
    events {}
    http {
        access_log off;
        ${temporary.map((t) => `${t}_temp_path ${directory}/${t};`).join(" ")}
        ${inner}
    }`;
const run_it = ({ file, directory }) => ["-p", directory, "-e", "stderr", "-c", file];

/// The page's file is included where Debian's nginx.conf includes it, in `http`.
function start_nginx(to, changes) {
    return start_secure_proxy("nginx", nginx, ({ port, directory, certificate, key }) => {
        const site = `${directory}/site.conf`;
        fs.writeFileSync(site, page_configuration("nginx.conf", {
            "listen 443 ": `listen 127.0.0.1:${port} `,
            "127.0.0.1:8080": `127.0.0.1:${to}`,
            "/etc/ssl/app.example.crt": certificate,
            "/etc/ssl/app.example.key": key,
            ...changes,
        }));
        return around(directory, `include ${site};`);
    }, run_it);
}

const { server, ws_server } = await proxy_cases(start_nginx, {
    shorten: { "proxy_read_timeout 60s": "proxy_read_timeout 2s" },
    leaving: { "HTTP/1.1": "at once", "HTTP/2": "at once" },
    cuts_silent_websockets: true,
    while_away: "comes back",
});

const plain = await start_proxy("nginx", nginx, ({ port, directory }) => around(directory,
    `server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${server.port}; } }`), run_it);

test("its defaults: each event arrives at once", async ({ defer }) => {
    const reader = new raw_stream(plain, "/controlled?channel=plain");
    defer(() => reader.close());
    const { status, fields } = await reader.head();
    equal([status, fields.get("content-type")], [200, "text/event-stream"], "status and type");
    await handshake_events(server, reader, "plain", 10);
});

test("its defaults: a stream's end is its end", async () => {
    const reader = new raw_stream(plain, "/blast?count=2000");
    for (let i = 1; i <= 2000; i += 1) equal((await reader.event()).id, String(i), "id");
    equal((await reader.event()).event, "end", "last event");
    equal(await reader.ended, { clean: true }, "the body's own end");
});

test("its defaults: a reader that goes is known behind the proxy", async () => {
    const reader = new raw_stream(plain, "/controlled?channel=gone");
    await reader.event();
    await until_readers(server, "gone", 1);
    reader.close();
    await until_readers(server, "gone", 0);
});

test("its default Host: a page's WebSocket is refused, as one of another origin", async () => {
    const careless = await start_nginx(ws_server.port, { "proxy_set_header Host $host:$server_port;": "" });
    equal(await answer_to(careless, "/echo", { origin: careless.url }), 403, "with Origin, as a page");
    equal(await answer_to(careless, "/echo"), 101, "without, as a program");
});

test("while the server is away: only a GET of an event stream is told to come back", async () => {
    const alone = await start_nginx(await free_port(), {});
    const status = async (target, how) => (await new raw_stream(alone, target, how).head()).status;
    equal(await status("/stream"), 200, "an EventSource");
    equal(await status("/stream", { headers: { Accept: "text/html" } }), 502, "a page");
    equal(await status("/orders", { method: "POST", body: "one" }), 502, "what would be done is not");
    equal(await status("/orders", { method: "DELETE" }), 502, "what would be deleted is not");
});

test("compression of event streams, in spite of no-transform: still at once", async ({ defer }) => {
    const compressing = await start_nginx(server.port, { "proxy_pass ": "gzip on; gzip_types text/event-stream; gzip_min_length 0; proxy_pass " });
    const reader = gunzip(new raw_stream(compressing, "/controlled?channel=gzip", { headers: { "Accept-Encoding": "gzip" } }));
    defer(() => reader.close());
    equal((await reader.head()).fields.get("content-encoding"), "gzip", "Content-Encoding");
    await handshake_events(server, reader, "gzip", 10);
});

await run("nginx");
