// SPDX-License-Identifier: BSL-1.0
// One side of a WebSocket on a raw socket, made to break every rule when it is told to, and strict about what it gets:
// what is tested is not tested with itself, nor with anybody's library. RFC 6455, RFC 7692.

import crypto from "node:crypto";
import net from "node:net";
import zlib from "node:zlib";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };
const names = Object.fromEntries(Object.entries(opcodes).map(([name, code]) => [code, name]));

// How long an answer may take. An end has less: sessions give up waiting for one after five seconds, and what is to end
// by itself must not end by that.
const patience = { answer: 30_000, end: 4_000 };

function xor(data, key) {
    const out = Buffer.allocUnsafe(data.length);
    for (let i = 0; i < data.length; i += 1) out[i] = data[i] ^ key[i & 3];
    return out;
}

/// A frame's bytes. `what`: a name or a number. A `key` masks it, `length_bytes` is a length form that need not be the
/// shortest (0, 2 or 8), `length` a size that need not be the payload's.
export function encode(what, payload = "", { fin = true, rsv = 0, key, length_bytes, length } = {}) {
    const data = Buffer.from(payload);
    const size = length ?? data.length;
    const form = length_bytes ?? (size < 126 ? 0 : size < 65536 ? 2 : 8);
    const head = Buffer.alloc(2 + form);
    head[0] = (fin ? 0x80 : 0) | (rsv << 4) | (typeof what === "number" ? what : opcodes[what]);
    head[1] = (key ? 0x80 : 0) | (form === 0 ? Number(size) : form === 2 ? 126 : 127);
    if (form === 2) head.writeUInt16BE(Number(size), 2);
    if (form === 8) head.writeBigUInt64BE(BigInt(size), 2);
    return key ? Buffer.concat([head, key, xor(data, key)]) : Buffer.concat([head, data]);
}

/// A close frame's payload.
export function close_payload(code, reason = "") {
    const text = Buffer.from(reason);
    const head = Buffer.alloc(2);
    head.writeUInt16BE(code, 0);
    return Buffer.concat([head, text]);
}

// -------------------------------------------------------------------------------------------------------- compression

/// One direction of permessage-deflate. The context that is taken over is what was said before, as a dictionary.
class direction {
    constructor(bits, takeover) {
        Object.assign(this, { bits, takeover, history: Buffer.alloc(0) });
    }
    settings() {
        const dictionary = this.takeover && this.history.length ? this.history : undefined;
        return { windowBits: this.bits, finishFlush: zlib.constants.Z_SYNC_FLUSH, dictionary };
    }
    remember(data) {
        if (this.takeover) this.history = Buffer.concat([this.history, data]).subarray(-(1 << this.bits));
        return data;
    }
    compress(data) {
        const whole = zlib.deflateRawSync(data, this.settings());
        this.remember(data);
        return data.length ? whole.subarray(0, -4) : Buffer.of(0);
    }
    // Small chunks: zlib looks back into its output, too, and would not find out that the window was exceeded.
    inflate(data) {
        const whole = Buffer.concat([data, Buffer.of(0, 0, 255, 255)]);
        const chunkSize = this.bits < 15 ? 64 : Math.max(1024, data.length * 4);
        return this.remember(zlib.inflateRawSync(whole, { ...this.settings(), chunkSize }));
    }
}

/// The parameters of one permessage-deflate offer or answer: {name: value or true}; undefined for anything else.
export function parse_deflate(text) {
    const [name, ...rest] = text.split(";").map((part) => part.trim());
    if (name !== "permessage-deflate") return undefined;
    const parameters = {};
    for (const part of rest) {
        const [key, value = true] = part.split("=").map((s) => s.trim());
        if (key in parameters) throw new Error(`${key} twice in: ${text}`);
        parameters[key] = value === true ? true : Number(value);
    }
    return parameters;
}

/// Throws if the answer is none that the offer allows. RFC 7692 §7.1
export function check_answer(offer, answer) {
    const fail = (why) => { throw new Error(`${why}: ${JSON.stringify(offer)} answered by ${JSON.stringify(answer)}`); };
    const known = ["server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"];
    for (const [name, value] of Object.entries(answer)) {
        if (!known.includes(name)) fail("an unknown parameter");
        if (name.endsWith("takeover") ? value !== true : !(value >= 8 && value <= 15)) fail(`a wrong value of ${name}`);
    }
    if (offer.server_no_context_takeover && !answer.server_no_context_takeover) fail("context takeover, not wanted");
    if (offer.server_max_window_bits && !(answer.server_max_window_bits <= offer.server_max_window_bits)) fail("too large a window");
    if (answer.client_max_window_bits && !offer.client_max_window_bits) fail("a window that was not offered");
    if (answer.client_max_window_bits > Number(offer.client_max_window_bits === true ? 15 : offer.client_max_window_bits)) fail("a larger window than offered");
}

/// What both sides keep to: {incoming, outgoing}, seen from `role`.
function make_codec(role, offer, answer) {
    const own_limit = typeof offer.client_max_window_bits === "number" ? offer.client_max_window_bits : 15;
    const server = new direction(answer.server_max_window_bits ?? 15, !answer.server_no_context_takeover);
    const client = new direction(answer.client_max_window_bits ?? own_limit,
                                 !answer.client_no_context_takeover && !offer.client_no_context_takeover);
    return role === "client" ? { incoming: server, outgoing: client } : { incoming: client, outgoing: server };
}

// --------------------------------------------------------------------------------------------------------- the socket

/// Bytes as they come; take(n) waits for n of them.
class incoming_bytes {
    constructor(socket) {
        this.pieces = [];
        this.size = 0;
        this.waiting = [];
        socket.on("data", (data) => { this.pieces.push(data); this.size += data.length; this.wake(); });
        socket.on("end", () => { this.ended = true; this.wake(); });
        socket.on("error", (e) => { this.failure ??= e; this.wake(); });
        socket.on("close", () => { this.closed = true; this.wake(); });
    }
    wake() { this.waiting = this.waiting.filter((attempt) => !attempt()); }
    wait(condition, limit, what) {
        if (condition()) return Promise.resolve();
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`nothing came within ${limit} ms: expected ${what}`)), limit);
            this.waiting.push(() => { if (!condition()) return false; clearTimeout(timer); resolve(); return true; });
        });
    }
    unread(data) { this.pieces.unshift(data); this.size += data.length; }
    /// As many bytes, or undefined at the end of the stream.
    async take(count, limit, what) {
        await this.wait(() => this.size >= count || this.ended || this.failure || this.closed, limit, what);
        if (this.size < count) return undefined;
        const all = this.pieces.length === 1 ? this.pieces[0] : Buffer.concat(this.pieces);
        this.pieces = count < all.length ? [all.subarray(count)] : [];
        this.size -= count;
        return all.subarray(0, count);
    }
    async head() {
        for (let scanned = 0; ;) {
            const all = Buffer.concat(this.pieces), end = all.indexOf("\r\n\r\n");
            if (end >= 0) {
                this.pieces = [all.subarray(end + 4)];
                this.size = all.length - end - 4;
                return all.subarray(0, end).toString("latin1");
            }
            scanned = all.length;
            await this.wait(() => this.size > scanned || this.ended || this.failure || this.closed, patience.answer, "a head");
            if (this.size === scanned) throw new Error(`${this.failure?.code ?? "the end"} within the head: ${all.toString("latin1")}`);
        }
    }
}

/// The bytes in writes of `size`, which leave one by one.
async function write_chopped(socket, data, size) {
    for (let i = 0; i < data.length; i += size) {
        socket.write(data.subarray(i, i + size));
        if (size < 64 || i % (size * 64) === 0) await new Promise(setImmediate);
        if (socket.writableNeedDrain) await Promise.race(["drain", "close"].map((name) => new Promise((resolve) => socket.once(name, resolve))));
    }
}

/// One side of a WebSocket, after the handshake. `role` is the tester's own.
export class wire_peer {
    constructor(socket, bytes, role, codec) {
        Object.assign(this, { socket, bytes, role, codec, assembling: undefined, closed_by_peer: false });
    }

    // ---- sending ----

    frame(what, payload, options = {}) {
        return encode(what, payload, { key: this.role === "client" ? crypto.randomBytes(4) : undefined, ...options });
    }
    write(...buffers) {
        for (const buffer of buffers) this.socket.write(buffer);
    }
    send(what, payload, options) { this.write(this.frame(what, payload, options)); }
    chop(data, size) { return write_chopped(this.socket, data, size); }
    /// A message as frames of `size` bytes of payload each.
    fragments(what, payload, size, { rsv = 0 } = {}) {
        const data = Buffer.from(payload), frames = [];
        for (let at = 0; at === 0 || at < data.length; at += size) {
            const first = at === 0, fin = at + size >= data.length;
            frames.push(this.frame(first ? what : "continuation", data.subarray(at, at + size), { fin, rsv: first ? rsv : 0 }));
        }
        return frames;
    }
    compressed(what, payload, size = Infinity) {
        const data = this.codec.outgoing.compress(Buffer.from(payload));
        return Buffer.concat(this.fragments(what, data, size === Infinity ? Math.max(1, data.length) : size, { rsv: 4 }));
    }

    // ---- receiving ----

    fault(why) { return new Error(`the other side broke the protocol: ${why}`); }

    async take_frame(limit, expected) {
        const take = (n) => this.bytes.take(n, limit, expected);
        const head = await take(2);
        if (!head) return undefined;
        if (this.closed_by_peer) throw this.fault("a frame after its close frame");
        const [first, second] = head;
        const fin = (first & 0x80) !== 0, rsv = (first >> 4) & 7, what = names[first & 15];
        const masked = (second & 0x80) !== 0;
        if (!what) throw this.fault(`opcode ${first & 15}`);
        if (masked !== (this.role === "server")) throw this.fault(masked ? "a masked frame" : "a frame without a mask");
        let size = second & 0x7f;
        const form = size === 126 ? 2 : size === 127 ? 8 : 0;
        if (form) {
            const length = await take(form);
            if (!length) throw this.fault("the stream ended in a header");
            size = form === 2 ? length.readUInt16BE(0) : Number(length.readBigUInt64BE(0));
            if (size < (form === 2 ? 126 : 65536)) throw this.fault("a length that is not minimal");
        }
        const control = (first & 8) !== 0;
        if (control && (size > 125 || !fin)) throw this.fault(`a ${what} of ${size} bytes${fin ? "" : ", fragmented"}`);
        if (rsv !== 0 && !(rsv === 4 && this.codec && !control && what !== "continuation")) throw this.fault(`reserved bits ${rsv}`);
        const key = masked ? await take(4) : undefined;
        const data = size ? await take(size) : Buffer.alloc(0);
        if (!data || (masked && !key)) throw this.fault("the stream ended in a frame");
        return { what, fin, rsv, data: masked ? xor(data, key) : data };
    }

    /// The next message or control frame; the end of the stream: {what: "end"}. What has come of an unfinished message
    /// is left out.
    async receive(expected = "something", limit = patience.answer) {
        for (;;) {
            const f = await this.take_frame(limit, expected);
            if (!f) {
                if (this.bytes.failure) throw new Error(`${this.bytes.failure.code} instead of ${expected}`);
                if (this.bytes.size) throw this.fault("the stream ended in a frame");
                return { what: "end" };
            }
            if (f.what === "close") return this.take_close(f.data);
            if (f.what === "ping" || f.what === "pong") return { what: f.what, data: f.data };
            if ((f.what === "continuation") !== Boolean(this.assembling)) throw this.fault(`${f.what}, ${this.assembling ? "within" : "without"} a message`);
            this.assembling ??= { what: f.what, compressed: f.rsv === 4, pieces: [] };
            this.assembling.pieces.push(f.data);
            if (!f.fin) continue;
            const { what, compressed, pieces } = this.assembling;
            this.assembling = undefined;
            const whole = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
            return { what, compressed, data: compressed ? this.codec.incoming.inflate(whole) : whole };
        }
    }
    take_close(data) {
        this.closed_by_peer = true;
        if (data.length === 1) throw this.fault("a close frame of one byte");
        const reason = data.subarray(2);
        new TextDecoder("utf-8", { fatal: true }).decode(reason);
        return { what: "close", code: data.length ? data.readUInt16BE(0) : undefined, reason: reason.toString() };
    }

    // ---- expecting ----

    async expect(what, payload = "") {
        const data = Buffer.from(payload);
        const got = await this.receive(`${what} of ${data.length} bytes`);
        if (got.what !== what || Buffer.compare(got.data, data) !== 0) {
            throw new Error(`expected ${show({ what, data })}, got ${show(got)}`);
        }
        return got;
    }
    /// A close frame with one of the codes, and nothing before it.
    async expect_close(...codes) {
        const got = await this.receive(`close ${codes}`, patience.end);
        if (got.what !== "close" || !codes.includes(got.code)) throw new Error(`expected close ${codes}, got ${show(got)}`);
        return got;
    }
    /// The end of the connection in good order: the server's FIN first, an answer to it, and no RST on the way.
    async expect_end() {
        if (this.role === "server") this.socket.end();
        const got = await this.receive("the end of the connection", patience.end);
        if (got.what !== "end") throw new Error(`expected the end of the connection, got ${show(got)}`);
        this.socket.end();
        await this.bytes.wait(() => this.bytes.closed, patience.end, "the socket to close");
        if (this.bytes.failure) throw new Error(`${this.bytes.failure.code} at the end of the connection`);
    }
    /// Closes in good order; the other side says the same code.
    async close(code = 1000, reason = "") {
        this.send("close", close_payload(code, reason));
        await this.expect_close(code);
        await this.expect_end();
    }
    /// The other side fails the connection, with its close frame before anything else.
    async expect_failure(...codes) {
        await this.expect_close(...(codes.length ? codes : [1002]));
        this.send("close", close_payload(1000));
        await this.expect_end();
    }
    /// As expect_failure(), where the last frame was not sent to its end.
    async expect_failure_within_frame(...codes) {
        await this.expect_close(...codes);
        await this.expect_end();
    }
    destroy() { this.socket.destroy(); }
}

export function show(got) {
    if (!got.data) return JSON.stringify(got);
    const text = got.data.length > 60 ? `${got.data.subarray(0, 60).toString("latin1")}...` : got.data.toString("latin1");
    return `${got.what} of ${got.data.length} bytes ${JSON.stringify(text)}`;
}

// ---------------------------------------------------------------------------------------------------------- handshakes

const accept_value = (key) => crypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

function parse_head(text) {
    const [line, ...rest] = text.split("\r\n");
    const fields = new Map(rest.map((l) => [l.slice(0, l.indexOf(":")).toLowerCase(), l.slice(l.indexOf(":") + 1).trim()]));
    return { line, fields };
}

/// The socket and what comes from it. The other side's end does not end this one.
function wrap(socket) {
    socket.setNoDelay(true);
    return [socket, new incoming_bytes(socket)];
}

/// Sends a handshake and whatever is to follow it at once, or in writes of `chop` bytes, and reads the answer:
/// {status, fields, socket, bytes}.
export async function shake_hands({ port, target = "/", fields = {}, behind = "", chop }) {
    const [socket, bytes] = wrap(net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    const key = crypto.randomBytes(16).toString("base64");
    const all = { Host: `127.0.0.1:${port}`, Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13", ...fields };
    const head = Object.entries(all).filter(([, value]) => value !== undefined).map(([n, v]) => `${n}: ${v}\r\n`).join("");
    const request = Buffer.concat([Buffer.from(`GET ${target} HTTP/1.1\r\n${head}\r\n`), Buffer.from(behind)]);
    await write_chopped(socket, request, chop ?? request.length);
    const answer = parse_head(await bytes.head());
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer.line)?.[1]);
    if (!status) throw new Error(`no status line: ${JSON.stringify(answer.line)}`);
    if (status === 101 && answer.fields.get("sec-websocket-accept") !== accept_value(key)) throw new Error("a wrong Sec-WebSocket-Accept");
    return { ...answer, status, socket, bytes };
}

/// A tester in the client's role. `offer`: the text of permessage-deflate's offer.
export async function connect({ port, target, offer, behind, chop }) {
    const got = await shake_hands({ port, target, behind, chop, fields: { "Sec-WebSocket-Extensions": offer } });
    if (got.status !== 101) throw new Error(`${got.line} instead of 101`);
    const answer = got.fields.get("sec-websocket-extensions");
    if (answer !== undefined && offer === undefined) throw new Error(`an extension that was not offered: ${answer}`);
    if (answer === undefined) return new wire_peer(got.socket, got.bytes, "client");
    const agreed = parse_deflate(answer);
    if (!agreed) throw new Error(`an extension that was not offered: ${answer}`);
    const offers = offer.split(",").map((text) => parse_deflate(text.trim())).filter(Boolean);
    const taken = offers.find((one) => { try { check_answer(one, agreed); return true; } catch { return false; } });
    if (!taken) check_answer(offers[0], agreed);
    const peer = new wire_peer(got.socket, got.bytes, "client", make_codec("client", taken, agreed));
    return Object.assign(peer, { agreed });
}

/// A server that makes testers in the server's role: on_peer(peer, target). `answer(target)`: permessage-deflate's
/// answer to whoever offers it; undefined: none. `rewrite(lines)`: makes another head of the
/// answer's. `behind`: bytes that leave with it.
export function listen(on_peer, { answer = () => undefined, rewrite = (lines) => lines, behind = "" } = {}) {
    const server = net.createServer({ allowHalfOpen: true }, async (connection) => {
        const [socket, bytes] = wrap(connection);
        try {
            const { line, fields } = parse_head(await bytes.head());
            const target = line.split(" ")[1];
            const offered = (fields.get("sec-websocket-extensions") ?? "").split(",").map((o) => parse_deflate(o.trim())).find(Boolean);
            const extension = offered && answer(target);
            const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
                           `Sec-WebSocket-Accept: ${accept_value(fields.get("sec-websocket-key"))}`];
            if (extension) lines.push(`Sec-WebSocket-Extensions: ${extension}`);
            socket.write(Buffer.concat([Buffer.from(`${rewrite(lines).join("\r\n")}\r\n\r\n`), Buffer.from(behind)]));
            const codec = extension ? make_codec("server", offered, parse_deflate(extension)) : undefined;
            await on_peer(Object.assign(new wire_peer(socket, bytes, "server", codec), { offered }), target);
        } catch (e) {
            socket.destroy(e);
        }
    });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ port: server.address().port, close: () => server.close() })));
}
