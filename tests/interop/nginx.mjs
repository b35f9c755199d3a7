// SPDX-License-Identifier: BSL-1.0
// nginx in front of the server, with the defaults of its package: HTTP/1.0 or 1.1 towards the server (by its version),
// buffering on. Only the response's own fields can make it pass events on at once.

import { check, emit, equal, handshake_events, need_program, raw_stream, run, start_proxy, start_server, test, until_readers } from "./harness.mjs";

const nginx = need_program("nginx");
const server = await start_server();

function start_nginx(extra = "") {
    const user = process.getuid() === 0 ? "user root;" : "";
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return start_proxy("nginx", nginx, ({ port, directory }) => `
        daemon off; ${user} worker_processes 1; pid ${directory}/nginx.pid; error_log stderr notice;
        events {}
        http {
            access_log off;
            ${temporary.map((t) => `${t}_temp_path ${directory}/${t};`).join(" ")}
            server { listen 127.0.0.1:${port}; location / { proxy_pass http://127.0.0.1:${server.port}; ${extra} } }
        }`, ({ file, directory }) => ["-p", directory, "-e", "stderr", "-c", file]);
}

const plain = await start_nginx();
const modern = await start_nginx('proxy_http_version 1.1; proxy_set_header Connection "";');
const impatient = await start_nginx("proxy_read_timeout 2s;");

for (const [name, proxy] of [["default configuration", plain], ["HTTP/1.1 to the server", modern]]) {
    test(`${name}: each event arrives at once`, async ({ defer }) => {
        const channel = `nginx-${proxy.port}`, reader = new raw_stream(proxy, `/controlled?channel=${channel}`);
        defer(() => reader.close());
        const { status, fields } = await reader.head();
        equal([status, fields.get("content-type")], [200, "text/event-stream"], "status and type");
        await handshake_events(server, reader, channel, 10);
    });

    test(`${name}: a stream's end is its end`, async () => {
        const reader = new raw_stream(proxy, "/blast?count=2000");
        for (let i = 1; i <= 2000; i += 1) equal((await reader.event()).id, String(i), "id");
        equal((await reader.event()).event, "end", "last event");
        equal(await reader.ended, { clean: true }, "the body's own end");
    });

    test(`${name}: a reader that goes is known behind the proxy`, async () => {
        const channel = `nginx-gone-${proxy.port}`, reader = new raw_stream(proxy, `/controlled?channel=${channel}`);
        await reader.event();
        await until_readers(server, channel, 1);
        reader.close();
        await until_readers(server, channel, 0);
    });
}

test("an idle stream outlives the proxy's read timeout, because of the heartbeat", async ({ defer }) => {
    const reader = new raw_stream(impatient, "/idle?channel=nginx-idle");        // beats every 200 ms, the timeout is 2 s
    defer(() => reader.close());
    equal((await reader.event()).event, "ready", "first event");
    for (let beats = 0; beats < 20; beats += 1) equal(await reader.comment(), "", "heartbeat");
    await emit(server, "nginx-idle", "still here");
    equal((await reader.event()).data, "still here", "event after twenty beats");
});

test("control: without a heartbeat the proxy cuts an idle stream, and the server did not", async ({ defer }) => {
    const direct = new raw_stream(server, "/silent?channel=nginx-direct");
    defer(() => direct.close());
    await direct.event();
    const reader = new raw_stream(impatient, "/silent?channel=nginx-silent");
    await reader.event();
    check(!(await reader.ended).clean || impatient.log.join("").includes("upstream timed out"), "cut by the proxy");
    check(impatient.log.join("").includes("upstream timed out"), `nginx says why: ${impatient.log.join("").slice(-500)}`);
    await emit(server, "nginx-direct", "still here");
    equal((await direct.event()).data, "still here", "the same stream without the proxy lives on");
});

await run("nginx");
