// SPDX-License-Identifier: BSL-1.0
// What networks do to connections: a proxy for bytes that passes on requests untouched, and of each answer only what its
// list of faults says. It counts bytes and chunks, never time.

import net from "node:net";

/// Starts a proxy in front of `port`. Its first connections suffer `faults`, one each; those after them nothing:
///
///     {}                    nothing
///     {cut: n}              the connection ends after n bytes of the answer
///     {short: k, chunk: n}  it ends k bytes before the end of the n-th chunk of a chunked answer
///     {reset: true}         with either of them: by a reset, not in good order
///     {refuse: true}        it is reset before anything is passed on
///     {piece: n}            the answer is passed on n bytes at a time; may be added to the others
///
/// {port, url, connections(): how many there were, suffered(): how many faults have happened, cut_all(), refuse(yes): resets
/// whoever comes, as long as it is so}
export async function start_fault_proxy({ defer }, port, faults = []) {
    const open = new Set();
    let connections = 0, suffered = 0, refusing = false;
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, async (client) => {
        const fault = faults[connections] ?? {};
        connections += 1;
        client.on("error", () => {});
        if (fault.refuse) suffered += 1;
        if (fault.refuse || refusing) return client.resetAndDestroy();
        const upstream = net.connect({ port, host: "127.0.0.1", noDelay: true });
        upstream.on("error", () => {});
        open.add(client);
        client.on("close", () => { open.delete(client); upstream.destroy(); });
        client.pipe(upstream);
        const broken = await pass_on(upstream, client, fault);
        if (broken) suffered += 1;
        upstream.destroy();
        if (broken && fault.reset) client.resetAndDestroy();
        else client.end();
        return client.resume();
    });
    defer(() => { open.forEach((socket) => socket.destroy()); server.close(); });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const own = server.address().port;
    return {
        port: own, url: `http://127.0.0.1:${own}`,
        connections: () => connections,
        suffered: () => suffered,
        cut_all: () => open.forEach((socket) => socket.destroy()),
        refuse: (yes) => { refusing = yes; },
    };
}

/// True: the fault has happened. False: the answer has ended by itself, or the client has gone.
async function pass_on(upstream, client, fault) {
    const limit = fault.chunk === undefined ? limit_of_bytes(fault.cut) : limit_of_chunks(fault.chunk, fault.short);
    try {
        for await (const data of upstream) {
            const { rest, reached } = limit(data);
            await write(client, rest, fault.piece);
            if (reached) return true;
        }
    } catch {
        // either side has gone
    }
    return false;
}

/// In pieces, each its own write and none before the one before was taken.
async function write(client, data, piece = Math.max(data.length, 1)) {
    for (let at = 0; at < data.length; at += piece) {
        await new Promise((resolve, reject) => client.write(data.subarray(at, at + piece), (e) => (e ? reject(e) : resolve())));
        await new Promise((resolve) => setImmediate(resolve));
    }
}

function limit_of_bytes(most = Infinity) {
    let left = most;
    return (data) => {
        const rest = data.subarray(0, left);
        left -= rest.length;
        return { rest, reached: left === 0 };
    };
}

/// Keeps the whole answer, so that it knows where its chunks end.
function limit_of_chunks(count, short) {
    let answer = Buffer.alloc(0), passed = 0;
    return (data) => {
        answer = Buffer.concat([answer, data]);
        const end = end_of_chunk(answer, count);
        // What might be beyond the end is kept until it is known where that is.
        const whole = end === undefined ? end_of_chunk(answer, count - 1) ?? 0 : Math.min(end - short, answer.length);
        const rest = answer.subarray(passed, Math.max(whole, passed));
        passed += rest.length;
        return { rest, reached: end !== undefined && passed >= end - short };
    };
}

/// Where the n-th chunk's CRLF ends, as far as that is known; n = 0: the head.
function end_of_chunk(answer, n) {
    let at = answer.indexOf("\r\n\r\n") + 4;
    if (at < 4) return undefined;
    for (; n > 0; n -= 1) {
        const line = answer.indexOf("\r\n", at);
        if (line < 0) return undefined;
        at = line + 2 + parseInt(answer.subarray(at, line).toString("latin1"), 16) + 2;
        if (at > answer.length) return undefined;
    }
    return at;
}
