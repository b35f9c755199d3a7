// SPDX-License-Identifier: BSL-1.0
// Apache httpd in front of the server, with the configuration of docs/proxies.md.

import fs from "node:fs";
import { equal, handshake_events, need_program, raw_stream, run, test } from "./harness.mjs";
import { gunzip, page_configuration, proxy_cases, start_secure_proxy } from "./proxy_cases.mjs";

const apache = need_program("apache2");
const modules = ["mpm_event", "authz_core", "ssl", "http2", "headers", "filter", "deflate", "proxy", "proxy_http", "proxy_wstunnel"];
const around = (directory, port, site) => `
    ServerRoot ${directory}
    ServerName localhost
    PidFile ${directory}/httpd.pid
    DefaultRuntimeDir ${directory}
    ErrorLog ${directory}/error.log
    ${process.getuid() === 0 ? "User www-data\nGroup www-data" : ""}
    ${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
    Listen 127.0.0.1:${port} https
    Include ${site}
`;

function start_apache(to, changes) {
    return start_secure_proxy("apache2", apache, ({ port, directory, certificate, key }) => {
        const site = `${directory}/site.conf`;
        fs.writeFileSync(site, page_configuration("apache.conf", {
            "*:443": `127.0.0.1:${port}`,
            "127.0.0.1:8080": `127.0.0.1:${to}`,
            "/etc/ssl/app.example.crt": certificate,
            "/etc/ssl/app.example.key": key,
            ...changes,
        }));
        return around(directory, port, site);
    }, ({ file }) => ["-D", "FOREGROUND", "-f", file]);
}

const { server } = await proxy_cases(start_apache, {
    shorten: { "ProxyTimeout 60": "ProxyTimeout 2\nTimeout 2" },
    leaving: { "HTTP/1.1": "heartbeat", "HTTP/2": "at once" },
    cuts_silent_websockets: true,
    while_away: "refused",
});

test("compression of event streams, in spite of no-transform: still at once", async ({ defer }) => {
    const compressing = await start_apache(server.port, { "ProxyPreserveHost On": "ProxyPreserveHost On\nSetOutputFilter DEFLATE" });
    const reader = gunzip(new raw_stream(compressing, "/controlled?channel=gzip", { headers: { "Accept-Encoding": "gzip" } }));
    defer(() => reader.close());
    equal((await reader.head()).fields.get("content-encoding"), "gzip", "Content-Encoding");
    await handshake_events(server, reader, "gzip", 10);
});

await run("apache");
