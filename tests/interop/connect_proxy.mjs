// SPDX-License-Identifier: BSL-1.0
// An HTTP proxy that opens tunnels and does nothing else. RFC 9110 §9.3.6

import http from "node:http";
import net from "node:net";

/// Starts a proxy; with `authorization` it wants that as Proxy-Authorization. `targets` has what it was asked for.
export async function start_connect_proxy({ defer }, { authorization } = {}) {
    const targets = [], open = new Set();
    const server = http.createServer((_, response) => response.writeHead(405).end());
    server.on("connect", (request, client, head) => {
        targets.push(request.url);
        open.add(client);
        client.on("error", () => {});
        if (authorization && request.headers["proxy-authorization"] !== authorization) {
            return client.end("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
        }
        const { hostname, port } = new URL(`http://${request.url}`);
        const upstream = net.connect(Number(port || 80), hostname);
        upstream.on("connect", () => {
            client.write("HTTP/1.1 200 Connection established\r\n\r\n");
            upstream.write(head);
            client.pipe(upstream).pipe(client);
        });
        upstream.on("error", () => client.destroy());
        return client.on("close", () => upstream.destroy());
    });
    defer(() => { open.forEach((socket) => socket.destroy()); server.close(); });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { url: `http://127.0.0.1:${server.address().port}`, port: server.address().port, targets };
}
