// SPDX-License-Identifier: BSL-1.0
// What the interoperability tests share: a suite with a watchdog, processes that never outlive it, ports, and a small
// event-stream reader of its own on a raw socket, so that what is tested is not tested with itself.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import tls from "node:tls";

const skip_code = 77;  // what ctest calls SKIP_RETURN_CODE
const watchdog_seconds = Number(process.env.WEIR_INTEROP_TIMEOUT ?? 180);

const children = new Set();
const failed = [];  // what processes left behind that ended without being asked to
const directories = new Set();

function end_everything() {
    for (const child of children) child.kill(child.last_signal ?? "SIGKILL");
    for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
}
process.on("exit", end_everything);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/// Ends the script as skipped: only where a missing tool is allowed to skip.
export function skip(reason) {
    if (process.env.WEIR_REQUIRE_INTEROP) {
        console.error(`FAILED: ${reason}, and WEIR_REQUIRE_INTEROP is set`);
        process.exit(1);
    }
    console.log(`SKIPPED: ${reason}`);
    process.exit(skip_code);
}

/// The path of a program from the environment variable or PATH; skips the script if there is none.
export function need_program(name, variable) {
    if (variable && process.env[variable]) return process.env[variable];
    const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
    const found = folders.map((f) => path.join(f, name)).find((p) => fs.existsSync(p));
    return found ?? skip(`${name} is not installed`);
}

/// An npm package from node_modules beside this file, or from WEIR_NODE_MODULES.
export function need_package(name) {
    const home = process.env.WEIR_NODE_MODULES ? path.join(process.env.WEIR_NODE_MODULES, "..", "x.js") : import.meta.url;
    try {
        return createRequire(home)(name);
    } catch (e) {
        if (e.code !== "MODULE_NOT_FOUND") throw e;
        return skip(`the npm package ${name} is not installed (npm ci in tests/interop)`);
    }
}

export function check(condition, message) {
    if (!condition) throw new Error(message);
}
export function equal(actual, expected, what) {
    const a = JSON.stringify(actual), e = JSON.stringify(expected);
    if (a !== e) throw new Error(`${what}: expected ${e}, got ${a}`);
}

/// Runs `run_one(item)` for each of many, a few at a time, and fails with all that failed: `item.sentence` names them.
export async function each(items, run_one, at_a_time = 6) {
    const rest = [...items], failures = [];
    const worker = async () => {
        for (let item; (item = rest.shift());) {
            try {
                await run_one(item);
            } catch (e) {
                failures.push(`${item.sentence}: ${e.message ?? e}`);
            }
        }
    };
    await Promise.all(Array.from({ length: at_a_time }, worker));
    if (failures.length) throw new Error(`${failures.length} of ${items.length} failed\n${failures.join("\n")}`);
}

const tests = [];
/// Registers a test. `body` gets {defer}: what is deferred runs afterwards, last first, pass or fail.
export function test(sentence, body) {
    tests.push({ sentence, body });
}

/// Runs the registered tests in order and ends the process.
export async function run(suite) {
    let current = "starting";
    const watchdog = setTimeout(() => {
        console.error(`FAILED: ${suite}: nothing happened for too long in: ${current}`);
        report_processes();
        process.exit(1);
    }, watchdog_seconds * 1000);
    let failures = 0;
    for (const { sentence, body } of tests) {
        current = sentence;
        const deferred = [];
        try {
            await body({ defer: (fn) => deferred.push(fn) });
            console.log(`ok - ${suite}: ${sentence}`);
        } catch (e) {
            failures += 1;
            console.log(`not ok - ${suite}: ${sentence}\n    ${String(e.stack ?? e).replaceAll("\n", "\n    ")}`);
            report_processes();
        }
        for (const fn of deferred.reverse()) await fn();
    }
    clearTimeout(watchdog);
    console.log(`${suite}: ${tests.length - failures} of ${tests.length} passed`);
    process.exit(failures ? 1 : 0);
}

const log_of = (child) => child.log.join("").slice(-3000);

function report_processes() {
    for (const text of failed.splice(0)) console.log(`    ${text}`);
    for (const child of children) console.log(`    [${child.name} ${child.pid}] ${log_of(child)}`);
}

// ---------------------------------------------------------------------------------------------------------- processes

/// Starts a program that ends with the suite at the latest. `exited` resolves to {code, signal}. `input`: its standard
/// input is a pipe.
export function start(name, program, args, { env = {}, on_line, input = false } = {}) {
    const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: [input ? "pipe" : "ignore", "pipe", "pipe"] });
    child.name = name;
    child.log = [];
    child.exited = new Promise((resolve) => {
        child.on("error", (e) => { child.log.push(String(e)); resolve({ code: -1, signal: null }); });
        child.on("exit", (code, signal) => {
            children.delete(child);
            if (!child.killed && (code || signal)) failed.push(`[${name} ${child.pid}] ended by itself: ${signal ?? code}\n${log_of(child)}`);
            resolve({ code, signal });
        });
    });
    children.add(child);
    let rest = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
        child.log.push(text);
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        if (on_line) lines.forEach(on_line);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => child.log.push(text));
    return child;
}

/// Starts a program that is talked to, ends with the test, and is read line by line: {child, say(line), line()}.
export function converse({ defer }, name, program, args, options = {}) {
    const lines = [], waiting = [];
    const child = start(name, program, args, { ...options, input: true, on_line: (line) => {
        if (waiting.length) waiting.shift().resolve(line); else lines.push(line);
    } });
    defer(() => stop(child));
    child.stdin.on("error", () => {});
    child.exited.then(({ code }) => waiting.splice(0).forEach(({ reject }) => reject(new Error(`${name} has ended: ${code}`))));
    return {
        child,
        say: (line) => child.stdin.write(`${line}\n`),
        line: () => (lines.length ? Promise.resolve(lines.shift()) : new Promise((resolve, reject) => waiting.push({ resolve, reject }))),
    };
}

/// Runs a program to its end: {code, out, err}.
export function finish(program, args, options = {}) {
    return new Promise((resolve) => {
        const child = start(path.basename(program), program, args, options);
        let out = "", err = "";
        child.stdout.on("data", (text) => { out += text; });
        child.stderr.on("data", (text) => { err += text; });
        child.on("close", (code) => resolve({ code, out, err }));
        child.on("error", (e) => resolve({ code: -1, out, err: String(e) }));
    });
}

export async function stop(child, signal = "SIGKILL") {
    child.kill(signal);
    return child.exited;
}

/// A port nobody has, from below the range that outgoing connections take theirs from: a client that reconnects to it
/// while nobody listens must not connect to itself.
export async function free_port() {
    for (;;) {
        const port = 12000 + Math.floor(Math.random() * 18000);
        const probe = net.createServer();
        const free = await new Promise((resolve) => {
            probe.once("error", () => resolve(false));
            probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
        });
        if (free) return port;
    }
}

/// Starts a program of ours and waits for its line; `ready(line)` finds the port in it. Tries again as long as `port`
/// is fixed and still taken by the process that was there before.
async function start_ready(name, program, args, env, ready) {
    if (!program || !fs.existsSync(program)) throw new Error(`${name} is not built (${program ?? "path not given"})`);
    for (let attempt = 0; ; attempt += 1) {
        let tell;
        const line = new Promise((resolve) => { tell = resolve; });
        const child = start(name, program, args, { env, on_line: (l) => { const p = ready(l); if (p) tell(p); } });
        const first = await Promise.race([line, child.exited]);
        if (typeof first === "number") return Object.assign(child, { port: first, url: `http://127.0.0.1:${first}` });
        if (attempt >= 50) throw new Error(`${name} does not start: ${child.log.join("")}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

/// weir_interop_server, on a port of the system's choice unless one is given.
export function start_server({ port = 0, args = [] } = {}) {
    return start_ready("weir_interop_server", process.env.WEIR_INTEROP_SERVER, ["--port", String(port), ...args], {},
                       (line) => Number(/^listening (\d+)$/.exec(line)?.[1]) || undefined);
}

/// weir_interop_ws_server: {port, url, ws_url}; with a certificate also {tls_port}.
export async function start_ws_server({ args = [] } = {}) {
    let tls_port;
    const child = await start_ready("weir_interop_ws_server", process.env.WEIR_INTEROP_WS_SERVER, ["--port", "0", ...args], {}, (line) => {
        const found = /^listening (\d+)(?: (\d+))?$/.exec(line);
        if (found?.[2]) tls_port = Number(found[2]);
        return Number(found?.[1]) || undefined;
    });
    return Object.assign(child, { ws_url: `ws://127.0.0.1:${child.port}`, tls_port });
}

/// examples/ws_echo.
export function start_ws_echo(args = []) {
    return start_ready("weir_ws_echo", process.env.WEIR_WS_ECHO, ["--port", "0", ...args], {},
                       (line) => Number(/^ws:\/\/127\.0\.0\.1:(\d+)\/$/.exec(line)?.[1]) || undefined);
}

/// What a session that was asked for with `?key=` was told at its end; asks again and again until there is an end.
export async function ending_of(server, key) {
    for (;;) {
        const { body } = await request(server, "GET", `/ended?key=${key}`);
        if (body) return body;
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

/// Runs weir_interop_ws_client to its end: its lines.
export async function run_ws_client(url, ...orders) {
    const { code, out, err } = await finish(process.env.WEIR_INTEROP_WS_CLIENT, [url, ...orders.map(String)]);
    check(err === "" && (code === 0 || out.startsWith("refused ")), `the client failed: ${code}\n${out}${err}`);
    return out.trimEnd().split("\n");
}

/// A key and a certificate signed by itself for 127.0.0.1, as files: {key, certificate}.
export async function make_certificate() {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "weir-certificate-"));
    directories.add(directory);
    const key = path.join(directory, "key.pem"), certificate = path.join(directory, "chain.pem");
    const { code, err } = await finish(need_program("openssl"), ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]);
    equal(code, 0, `openssl: ${err}`);
    return { key, certificate };
}

/// weir_demo.
export function start_demo(port) {
    return start_ready("weir_demo", process.env.WEIR_DEMO, [], { PORT: String(port) },
                       (line) => Number(/http:\/\/127\.0\.0\.1:(\d+)\//.exec(line)?.[1]) || undefined);
}

/// A program of examples/embed: {port, url}, or, with `unix_socket`, {path}: it is given one, and prints it.
export async function start_embedded(program, { unix_socket = false } = {}) {
    const name = path.basename(program);
    if (!unix_socket) {
        return start_ready(name, program, ["0"], {}, (line) => Number(/^http:\/\/127\.0\.0\.1:(\d+)\//.exec(line)?.[1]) || undefined);
    }
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "weir-embed-"));
    directories.add(directory);
    const socket = path.join(directory, "socket");
    const child = await start_ready(name, program, [socket], {}, (line) => (line === `unix:${socket}` ? 1 : undefined));
    return Object.assign(child, { path: socket });
}

/// How many lines of an example an embedder writes for weir: those between the markers that are neither empty nor a comment.
export function embedder_lines(source) {
    let inside = false;
    return fs.readFileSync(source, "utf8").split("\n").filter((line) => {
        if (/^\s*\/\/ ---- weir from here/.test(line)) inside = true;
        if (/^\s*\/\/ ---- to here/.test(line)) inside = false;
        return inside && !/^\s*(\/\/.*)?$/.test(line);
    }).length;
}

/// A proxy of the given kind in front of `server`: `configuration({port, directory})` is its file's text. It gets a port
/// and a directory of its own, and another try if someone took the port first. `environment({directory})` is added to ours.
export async function start_proxy(name, program, configuration, args, environment = () => ({})) {
    for (let attempt = 0; attempt < 10; attempt += 1) {
        const port = await free_port();
        const directory = fs.mkdtempSync(path.join(os.tmpdir(), `weir-${name}-`));
        directories.add(directory);
        const file = path.join(directory, "proxy.conf");
        fs.writeFileSync(file, configuration({ port, directory }));
        const child = start(name, program, args({ file, directory }), { env: environment({ directory }) });
        child.last_signal = "SIGTERM";  // it has workers, which a killed master leaves behind
        if (await Promise.race([accepts(port, child), child.exited.then(() => false)])) {
            return Object.assign(child, { port, url: `http://127.0.0.1:${port}` });
        }
        console.log(`# ${name} did not start on ${port}: ${child.log.join("").slice(-800)}`);
    }
    throw new Error(`${name} does not start`);
}

async function accepts(port, child) {
    while (child.exitCode === null && child.signalCode === null) {
        const socket = net.connect(port, "127.0.0.1");
        const connected = await new Promise((resolve) => {
            socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        });
        socket.destroy();
        if (connected) return true;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
}

/// A page on an origin of its own: {url, close}.
export function start_page(html = "<!doctype html><title>page</title>") {
    const server = http.createServer((_, response) => {
        response.setHeader("Content-Type", "text/html");
        response.end(html);
    });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => {
        resolve({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
    }));
}

/// Chromium with a fresh profile: {browser, page}, closed with the test.
export async function open_page({ defer }, chromium, executablePath, url) {
    const browser = await chromium.launch({
        executablePath,
        args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    defer(() => browser.close());
    const page = await browser.newPage();
    page.setDefaultTimeout(watchdog_seconds * 1000);
    await page.goto(url);
    return { browser, page };
}

// ------------------------------------------------------------------------------------------------- the control channel

/// A request to the server itself, never through a proxy: {status, body}.
export function request(server, method, target, body = "", headers = {}) {
    return new Promise((resolve, reject) => {
        const r = http.request(server.url + target, { method, headers, agent: false }, (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (d) => { text += d; }).on("end", () => resolve({ status: response.statusCode, body: text }));
        });
        r.on("error", reject).end(body);
    });
}

/// Tells the server to send `data` to the readers of a channel now.
export async function emit(server, channel, data) {
    const { status, body } = await request(server, "POST", `/next?channel=${channel}`, data);
    equal(status, 200, "control channel");
    check(Number(body) > 0, `the server has no reader on channel ${channel}`);
}

/// Waits until the server has `count` open streams on a channel. Asks again and again: no reader's end is announced.
export async function until_readers(server, channel, count) {
    for (;;) {
        const { body } = await request(server, "GET", `/readers?channel=${channel}`);
        if (Number(body) === count) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

// ------------------------------------------------------------------------------------------------------ event streams

/// An event stream, read byte by byte as it comes. `head()` is {status, fields (lower case), line}; `event()` and
/// `comment()` resolve to the next one; `ended` to {clean}: whether the body came to its own end.
class event_reader {
    constructor() {
        this.events = [];
        this.comments = [];
        this.waiting = [];
        this.text = "";
        this.block = { event: "message", data: [], id: undefined };
        this.over = undefined;
        this.ended = new Promise((resolve) => { this.end_with = resolve; });
    }

    head() { return this.wait(() => this.fields && { status: this.status, fields: this.fields, line: this.line }, "a response head"); }
    event() { return this.wait(() => this.events.shift(), "an event"); }
    comment() { return this.wait(() => this.comments.shift(), "a comment"); }

    wait(take, what) {
        return new Promise((resolve, reject) => {
            const attempt = () => {
                const value = take();
                if (value !== undefined) return resolve(value), true;
                if (this.status !== undefined && this.status !== 200) return reject(new Error(`${this.line} instead of ${what}`)), true;
                if (this.over) return reject(new Error(`the stream ended before ${what}: ${JSON.stringify(this.over)}`)), true;
                return false;
            };
            if (!attempt()) this.waiting.push(attempt);
        });
    }
    wake() { this.waiting = this.waiting.filter((attempt) => !attempt()); }

    finish(clean) {
        if (this.over) return;
        this.over = { clean };
        this.end_with(this.over);
        this.wake();
    }

    take_text(data) {
        const lines = (this.text + data.toString("utf8")).split("\n");
        this.text = lines.pop();
        for (const line of lines) this.take_line(line);
    }

    take_line(line) {
        if (line === "") return this.dispatch();
        const colon = line.indexOf(":"), name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "") this.comments.push(value);
        if (name === "data") this.block.data.push(value);
        if (name === "event") this.block.event = value;
        if (name === "id") this.last_id = value;
        if (name === "retry") this.retry = Number(value);
    }

    dispatch() {
        if (this.block.data.length) this.events.push({ event: this.block.event, data: this.block.data.join("\n"), id: this.last_id ?? "" });
        this.block = { event: "message", data: [] };
    }
}

/// One request on one socket. A `secure` server is asked over TLS, by HTTP/1.1.
export class raw_stream extends event_reader {
    constructor(server, target, { method = "GET", version = "1.1", headers = {}, body = "" } = {}) {
        super();
        this.bytes = Buffer.alloc(0);
        const lines = Object.entries({ Host: `127.0.0.1:${server.port}`, Accept: "text/event-stream", ...headers });
        if (body) lines.push(["Content-Length", String(Buffer.byteLength(body))]);
        const to = { host: "127.0.0.1", port: server.port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
        this.socket = server.secure ? tls.connect(to) : net.connect(to);
        this.socket.on("data", (d) => this.received(d));
        this.socket.on("close", () => this.finish(this.fields !== undefined && !this.chunked));
        this.socket.on("error", () => this.finish(false));
        this.socket.write(`${method} ${target} HTTP/${version}\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join("")}\r\n${body}`);
    }

    close() { this.socket.destroy(); }

    received(data) {
        this.bytes = Buffer.concat([this.bytes, data]);
        if (!this.fields && !this.take_head()) return;
        if (this.chunked) this.take_chunks();
        else this.take_text(this.bytes.subarray(0)), this.bytes = Buffer.alloc(0);
        this.wake();
    }

    take_head() {
        const end = this.bytes.indexOf("\r\n\r\n");
        if (end < 0) return false;
        const [line, ...rest] = this.bytes.subarray(0, end).toString("latin1").split("\r\n");
        this.bytes = this.bytes.subarray(end + 4);
        this.line = line;
        this.status = Number(line.split(" ")[1]);
        this.fields = new Map(rest.map((l) => [l.slice(0, l.indexOf(":")).toLowerCase(), l.slice(l.indexOf(":") + 1).trim()]));
        this.chunked = (this.fields.get("transfer-encoding") ?? "").toLowerCase() === "chunked";
        return true;
    }

    take_chunks() {
        for (;;) {
            const end = this.bytes.indexOf("\r\n");
            if (end < 0) return;
            const size = parseInt(this.bytes.subarray(0, end).toString("latin1"), 16);
            if (size === 0) return this.finish(true);
            if (this.bytes.length < end + 2 + size + 2) return;
            this.take_text(this.bytes.subarray(end + 2, end + 2 + size));
            this.bytes = this.bytes.subarray(end + 2 + size + 2);
        }
    }
}

/// One request by HTTP/2 over TLS, on a connection of its own.
export class http2_stream extends event_reader {
    constructor(server, target, { headers = {} } = {}) {
        super();
        this.session = http2.connect(server.url, { rejectUnauthorized: false });
        this.session.on("error", () => this.finish(false));
        this.stream = this.session.request({ ":path": target, accept: "text/event-stream", ...headers });
        this.stream.on("response", (fields) => {
            this.status = fields[":status"];
            this.line = `HTTP/2 ${this.status}`;
            this.fields = new Map(Object.entries(fields));
            this.wake();
        });
        this.stream.on("data", (data) => { this.take_text(data); this.wake(); });
        this.stream.on("end", () => { this.at_end = true; });
        this.stream.on("error", () => this.finish(false));
        this.stream.on("close", () => { this.finish(this.at_end === true && this.stream.rstCode === 0); this.session.close(); });
    }

    /// Resolves when the other side has read the request, as it answers in order, or is gone.
    async arrived() {
        if (this.session.connecting) await new Promise((resolve) => this.session.once("connect", resolve).once("close", resolve));
        await new Promise((resolve) => this.session.destroyed ? resolve() : this.session.ping(() => resolve()));
    }

    /// Leaves as a browser does that closes one of its streams; the connection stays until the proxy knows.
    close() { this.stream.close(http2.constants.NGHTTP2_CANCEL); }
}

/// The proof that whatever is in between delivers each event at once: the server sends the next one only after the
/// reader has had the one before. `reader.event()` resolves to the next event.
export async function handshake_events(server, reader, channel, count) {
    equal((await reader.event()).event, "ready", "first event");
    for (let i = 1; i <= count; i += 1) {
        await emit(server, channel, `event ${i}\nsecond line`);
        const { data } = await reader.event();
        equal(data, `event ${i}\nsecond line`, "event");
    }
}

/// Every number follows the one before: none lost, none repeated, none out of order.
export function check_contiguous(numbers, what) {
    numbers.forEach((n, i) => check(i === 0 || n === numbers[i - 1] + 1, `${what}: ${n} follows ${numbers[i - 1]}`));
}
