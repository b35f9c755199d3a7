// SPDX-License-Identifier: BSL-1.0
// Caddy in front of the server, without its automatic certificates, its administration port and its home.

import { equal, finish, need_program, raw_stream, run, test } from "./harness.mjs";
import { page_configuration, proxy_cases, start_secure_proxy } from "./proxy_cases.mjs";

const caddy = need_program("caddy");
const alone = "{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n";

function start_caddy(to, changes) {
    return start_secure_proxy("caddy", caddy, ({ port, certificate, key }) => alone + page_configuration("Caddyfile", {
        "app.example {": `https://127.0.0.1:${port} {`,
        "127.0.0.1:8080": `127.0.0.1:${to}`,
        "/etc/ssl/app.example.crt": certificate,
        "/etc/ssl/app.example.key": key,
        ...changes,
    }), ({ file }) => ["run", "--adapter", "caddyfile", "--config", file],
    ({ directory }) => ({ HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory }));
}

// It has no timeout for silence unless it is given one.
const { server, proxy } = await proxy_cases(start_caddy, {
    shorten: { "lb_try_duration 30s": "lb_try_duration 30s\n\t\ttransport http {\n\t\t\tread_timeout 2s\n\t\t}" },
    leaving: { "HTTP/1.1": "at once", "HTTP/2": "at once" },
    cuts_silent_websockets: false,
    while_away: "waits",
});

// It decides by the first bytes that it gets: 512 of them are compressed, and from then on nothing is passed on before the end.
test("compression: event streams are left alone, because of the matcher", async ({ defer }) => {
    const ask = async (from, accept) => {
        const reader = new raw_stream(from, "/large", { headers: { "Accept-Encoding": "gzip", Accept: accept } });
        defer(() => reader.close());
        return (await reader.head()).fields.get("content-encoding");
    };
    equal(await ask(proxy, "text/event-stream"), undefined, "Content-Encoding of an event stream");
    if (!(await finish(caddy, ["version"])).out.includes("2.6.")) return;  // newer ones heed no-transform
    const careless = await start_caddy(server.port, { "encode @others gzip": "encode gzip" });
    equal(await ask(careless, "text/event-stream"), "gzip", "control: without the matcher, in spite of no-transform");
});

await run("caddy");
