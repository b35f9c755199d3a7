// SPDX-License-Identifier: BSL-1.0
// weir::ws_client, as the program ws_cat, against npm's ws and Python's websockets, through a proxy that cuts connections.
// Each server says "welcome N" on its N-th connection, and echoes.

import fs from "node:fs";
import https from "node:https";
import { fileURLToPath } from "node:url";
import { start_connect_proxy } from "./connect_proxy.mjs";
import { start_fault_proxy } from "./fault_proxy.mjs";
import { check, converse, equal, finish, make_certificate, need_package, run, skip, start, test } from "./harness.mjs";

const { WebSocketServer } = need_package("ws");
const program = process.env.WEIR_WS_CAT;
const python = "/usr/bin/python3";
if ((await finish(python, ["-c", "import websockets"])).code !== 0) skip("python3-websockets is not installed");

const connect = (t, url, args = []) => converse(t, "ws_cat", program, [url, "--retry", "1", ...args]);

/// npm's ws: {port, path, sockets, end(): the next connection's end}. `on_connection(socket, number)` may do more.
async function serve_npm(t, on_connection = () => {}, secrets) {
    const outer = secrets ? https.createServer(secrets) : undefined;
    const server = new WebSocketServer({ perMessageDeflate: false, ...(outer ? { server: outer } : { port: 0, host: "127.0.0.1" }) });
    const ends = [], waiting = [];
    let count = 0;
    server.on("connection", (socket, request) => {
        count += 1;
        socket.request = request;
        socket.on("error", () => {});
        socket.on("close", (code, reason) => {
            const end = { code, reason: reason.toString() };
            if (waiting.length) waiting.shift()(end); else ends.push(end);
        });
        socket.on("message", (data, binary) => socket.send(data, { binary }));
        socket.send(`welcome ${count}`);
        on_connection(socket, count);
    });
    t.defer(() => { server.clients.forEach((c) => c.terminate()); server.close(); outer?.close(); });
    await new Promise((resolve) => (outer ? outer.listen(0, "127.0.0.1", resolve) : server.once("listening", resolve)));
    return {
        port: (outer ?? server).address().port, path: "/", sockets: server.clients,
        end: () => (ends.length ? Promise.resolve(ends.shift()) : new Promise((resolve) => waiting.push(resolve))),
    };
}

let keys = 0;
let tell_port;
const python_port = new Promise((resolve) => { tell_port = resolve; });
start("python", python, [fileURLToPath(new URL("ws_python.py", import.meta.url)), "server"], { on_line: (line) => {
    if (line.startsWith("listening ")) tell_port(Number(line.split(" ")[1]));
} });
const serve_python = async () => ({ port: await python_port, path: `/welcome?key=cat-${(keys += 1)}` });

const offsets = Array.from({ length: 12 }, (_, i) => 1 + ((i + 1) * 7919) % 997);

for (const [name, serve] of [["ws", serve_npm], ["websockets", serve_python]]) {
    test(`${name}: lines there and back, and a close at the end of the input`, async (t) => {
        const { port, path } = await serve(t), client = connect(t, `ws://127.0.0.1:${port}${path}`);
        equal(await client.line(), "welcome 1", "welcome");
        for (const text of ["hello", "", "gr\u00fc\u00dfe vom Wehr", "x".repeat(100000)]) {
            client.say(text);
            equal(await client.line(), text, "echo");
        }
        client.child.stdin.end();
        equal(await client.child.exited, { code: 0, signal: null }, "exit status");
    });

    test(`${name}: handshakes that are refused or cut are tried again`, async (t) => {
        const { port, path } = await serve(t);
        const faults = [{ refuse: true }, ...[0, 1, 9, 12, 40, 90].map((cut, i) => ({ cut, reset: i % 2 === 1 })), { cut: 60, piece: 1 }];
        const proxy = await start_fault_proxy(t, port, faults), client = connect(t, `ws://127.0.0.1:${proxy.port}${path}`);
        check((await client.line()).startsWith("welcome "), "welcome");
        equal([proxy.connections(), proxy.suffered()], [faults.length + 1, faults.length], "connections, faults");
        client.say("hello");
        equal(await client.line(), "hello", "echo");
    });

    test(`${name}: cut between messages, again and again: each line comes back once`, async (t) => {
        const { port, path } = await serve(t);
        const proxy = await start_fault_proxy(t, port), client = connect(t, `ws://127.0.0.1:${proxy.port}${path}`);
        for (let i = 1; i <= 20; i += 1) {
            equal(await client.line(), `welcome ${i}`, "welcome");
            client.say(`line ${i}`);
            equal(await client.line(), `line ${i}`, "echo");
            proxy.cut_all();
        }
    });

    test(`${name}: what is said while there is no connection is said in the next one`, async (t) => {
        const { port, path } = await serve(t);
        const proxy = await start_fault_proxy(t, port), client = connect(t, `ws://127.0.0.1:${proxy.port}${path}`);
        equal(await client.line(), "welcome 1", "welcome");
        const noticed = new Promise((resolve) => client.child.stderr.on("data", (text) => { if (text.includes("again in")) resolve(); }));
        proxy.refuse(true);
        proxy.cut_all();
        await noticed;
        for (const line of ["one", "two", "three"]) client.say(line);
        proxy.refuse(false);
        for (const line of ["welcome 2", "one", "two", "three"]) equal(await client.line(), line, "line");
    });

    test(`${name}: cut in the middle of a message: no part of it is told`, async (t) => {
        const { port, path } = await serve(t);
        const faults = offsets.map((n, i) => ({ cut: 1000 + n, reset: i % 2 === 1, ...(i % 3 === 2 ? { piece: 100 } : {}) }));
        const proxy = await start_fault_proxy(t, port, faults), client = connect(t, `ws://127.0.0.1:${proxy.port}${path}`);
        for (let i = 1; i <= faults.length; i += 1) {
            equal(await client.line(), `welcome ${i}`, "welcome");
            client.say("x".repeat(10000));
        }
        equal(await client.line(), `welcome ${faults.length + 1}`, "welcome");
        client.say("the end");
        equal(await client.line(), "the end", "echo");
        equal(proxy.suffered(), faults.length, "faults");
    });
}

test("ws: what it asks, and what it says at the end", async (t) => {
    const seen = [];
    const { port, end } = await serve_npm(t, (socket) => seen.push(socket.request));
    const client = connect(t, `ws://127.0.0.1:${port}/a?b=c`, ["-H", "Authorization: Bearer x"]);
    equal(await client.line(), "welcome 1", "welcome");
    equal([seen[0].url, seen[0].headers.authorization, seen[0].headers.host], ["/a?b=c", "Bearer x", `127.0.0.1:${port}`], "request");
    client.child.stdin.end();
    equal((await end()).code, 1000, "close");
});

test("ws: the codes after which it comes back, and those after which it does not", async (t) => {
    for (const [code, comes_back] of [[1001, true], [1011, true], [1012, true], [1013, true], [4000, true], [1000, false], [1008, false]]) {
        const { port } = await serve_npm(t, (socket, number) => { if (number === 1) socket.close(code, "because"); });
        const client = connect(t, `ws://127.0.0.1:${port}/`);
        equal(await client.line(), "welcome 1", `${code}: welcome`);
        if (comes_back) equal(await client.line(), "welcome 2", `${code}: welcome again`);
        else equal((await client.child.exited).code, code === 1000 ? 0 : 1, `${code}: exit status`);
    }
});

test("ws: TLS, through an HTTP proxy and cuts", async (t) => {
    const { key, certificate } = await make_certificate();
    const { port } = await serve_npm(t, () => {}, { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
    const faults = [{ cut: 0 }, { cut: 100, reset: true }, { cut: 1400 }];
    const cutting = await start_fault_proxy(t, port, faults), proxy = await start_connect_proxy(t);
    const client = connect(t, `wss://127.0.0.1:${cutting.port}/`, ["--cacert", certificate, "--proxy", proxy.url]);
    check((await client.line()).startsWith("welcome "), "welcome");
    client.say("hello");
    equal(await client.line(), "hello", "echo");
    equal([cutting.suffered(), proxy.targets.length], [faults.length, faults.length + 1], "faults, tunnels");
});

await run("ws_client");
