// SPDX-License-Identifier: BSL-1.0
// curl against the server: what is on the wire.

import { check, emit, equal, finish, need_program, request, run, start, start_server, stop, test, until_readers } from "./harness.mjs";

const curl = need_program("curl");
const server = await start_server({ args: ["--allow-origin", "http://allowed.example"] });

/// Runs curl to its end: {code, status, fields, body}. Field names in lower case, several values in a list.
async function fetch_with_curl(target, ...args) {
    const { code, out, err } = await finish(curl, ["-sS", "-i", "-N", "--max-time", "60", ...args, server.url + target]);
    const end = out.indexOf("\r\n\r\n");
    check(end > 0, `curl got no response head: ${code} ${err}`);
    const [line, ...rest] = out.slice(0, end).split("\r\n");
    const fields = {};
    for (const l of rest) {
        const name = l.slice(0, l.indexOf(":")).toLowerCase();
        (fields[name] ??= []).push(l.slice(l.indexOf(":") + 1).trim());
    }
    return { code, line, status: Number(line.split(" ")[1]), fields, body: out.slice(end + 4) };
}

/// A curl that goes on reading: `until(text)` resolves once that text has come.
function follow(target, ...args) {
    const child = start("curl", curl, ["-sS", "-N", ...args, server.url + target]);
    let seen = "", waiting = [];
    const look = () => { waiting = waiting.filter(({ text, resolve }) => !(seen.includes(text) && (resolve(), true))); };
    child.stdout.on("data", (text) => { seen += text; look(); });
    return Object.assign(child, {
        seen: () => seen,
        until: (text) => Promise.race([
            new Promise((resolve) => { waiting.push({ text, resolve }); look(); }),
            child.exited.then(({ code }) => { if (!seen.includes(text)) throw new Error(`curl ended (${code}) before ${JSON.stringify(text)}: ${seen}`); }),
        ]),
    });
}

test("the head has what a stream needs, once, and nothing that contradicts it", async () => {
    const { status, line, fields, code } = await fetch_with_curl("/blast?count=1");
    equal([code, status, line.split(" ")[0]], [0, 200, "HTTP/1.1"], "exit code, status, version");
    equal(fields["content-type"], ["text/event-stream"], "Content-Type");
    equal(fields["cache-control"], ["no-cache, no-transform"], "Cache-Control");
    equal(fields["x-accel-buffering"], ["no"], "X-Accel-Buffering");
    equal(fields["transfer-encoding"], ["chunked"], "Transfer-Encoding");
    for (const name of ["content-length", "content-encoding", "access-control-allow-origin", "set-cookie"]) {
        equal(fields[name], undefined, name);
    }
});

test("the bytes of typed events", async () => {
    const { body } = await fetch_with_curl("/typed?end=1");
    for (const block of ["data: plain\n\n", "event: price\nid: 7\ndata: {\"bid\":1}\n\n", "data: first line\ndata: second line\n\n",
                         "data:\n\n", "data: gr\u00fc\u00df\u20ac\n\n"]) {
        check(body.replaceAll("data: \n", "data:\n").includes(`\n${block}`), `missing ${JSON.stringify(block)} in ${JSON.stringify(body)}`);
    }
    check(!/\r/.test(body), "no CR in a body");
});

test("each event leaves when it is sent", async ({ defer }) => {
    const reader = follow("/controlled?channel=curl");
    defer(() => stop(reader));
    await reader.until("event: ready\n");
    for (let i = 1; i <= 20; i += 1) {
        await emit(server, "curl", `number ${i}`);
        await reader.until(`data: number ${i}\n\n`);
    }
});

test("a reader that goes is known at once", async () => {
    const reader = follow("/controlled?channel=leaving");
    await reader.until("event: ready\n");
    await until_readers(server, "leaving", 1);
    await stop(reader);
    await until_readers(server, "leaving", 0);
});

test("HEAD: the same fields, no body, and the answer ends", async () => {
    const get = await fetch_with_curl("/blast?count=1");
    const head = await fetch_with_curl("/blast?count=1", "--head");
    equal([head.code, head.status, head.body], [0, 200, ""], "exit code, status, body");
    for (const name of ["content-type", "cache-control", "x-accel-buffering"]) equal(head.fields[name], get.fields[name], name);
});

test("HTTP/1.0: close-delimited, never chunked", async () => {
    const { code, fields, body } = await fetch_with_curl("/blast?count=3", "--http1.0");
    equal(code, 0, "exit code");
    equal(fields["transfer-encoding"], undefined, "Transfer-Encoding");
    equal(fields["content-length"], undefined, "Content-Length");
    check(body.includes("event: end\n"), `the whole body arrives: ${body}`);
});

test("other methods: 405 with Allow", async () => {
    for (const method of ["DELETE", "PUT", "POST"]) {
        const { status, fields } = await fetch_with_curl("/typed", "-X", method, "-H", "Content-Length: 0");
        equal(status, 405, method);
        const allowed = (fields.allow ?? []).join(",").split(",").map((m) => m.trim());
        check(allowed.includes("GET") && allowed.includes("HEAD") && !allowed.includes(method), `${method}: Allow: ${allowed}`);
    }
});

test("Accept: 406 only for a client that takes no event stream", async () => {
    for (const accept of ["application/json", "text/html, text/event-stream;q=0"]) {
        equal((await fetch_with_curl("/blast?count=1", "-H", `Accept: ${accept}`)).status, 406, accept);
    }
    for (const accept of ["text/event-stream", "text/*", "*/*", "application/json, text/event-stream"]) {
        equal((await fetch_with_curl("/blast?count=1", "-H", `Accept: ${accept}`)).status, 200, accept);
    }
    equal((await fetch_with_curl("/blast?count=1", "-H", "Accept:")).status, 200, "no Accept");
});

test("no route: 404", async () => {
    equal((await fetch_with_curl("/nowhere")).status, 404, "status");
    equal((await fetch_with_curl("/plain")).body, "plain\n", "a plain route beside");
});

test("Last-Event-ID: from the header, else from the query; the header wins", async () => {
    const seen = async (target, ...args) => /data: last=(.*)\n/.exec((await fetch_with_curl(target, ...args)).body)?.[1];
    equal(await seen("/last"), "", "none");
    equal(await seen("/last", "-H", "Last-Event-ID: 41"), "41", "header");
    equal(await seen("/last?last_event_id=42"), "42", "query");
    equal(await seen("/last?lastEventId=43"), "43", "query, in the other spelling");
    equal(await seen("/last?last_event_id=42", "-H", "Last-Event-ID: 41"), "41", "both");
});

test("a POST is answered by a stream", async () => {
    const { status, fields, body } = await fetch_with_curl("/tokens", "-H", "Content-Type: application/json", "-d", "one two three");
    equal([status, fields["content-type"]], [200, ["text/event-stream"]], "status and type");
    equal([...body.matchAll(/^data: (.*)$/gm)].map((m) => m[1]), ["one", "two", "three", "[DONE]"], "tokens");
});

test("CORS: an allowed origin is named, another is not, and a preflight is answered", async () => {
    const origin = (o) => ["-H", `Origin: ${o}`];
    const allowed = await fetch_with_curl("/cors", ...origin("http://allowed.example"));
    equal([allowed.status, allowed.fields["access-control-allow-origin"]], [200, ["http://allowed.example"]], "allowed");
    check((allowed.fields.vary ?? []).join(",").toLowerCase().includes("origin"), "Vary: Origin");
    const denied = await fetch_with_curl("/cors", ...origin("http://denied.example"));
    equal(denied.fields["access-control-allow-origin"], undefined, "denied");
    const preflight = await fetch_with_curl("/cors", "-X", "OPTIONS", ...origin("http://allowed.example"), "-H",
                                            "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: content-type, last-event-id");
    check(preflight.status === 200 || preflight.status === 204, `preflight: ${preflight.status}`);
    const names = (preflight.fields["access-control-allow-headers"] ?? []).join(",").toLowerCase();
    for (const name of ["last-event-id", "content-type", "authorization"]) check(names.includes(name), `preflight allows ${name}: ${names}`);
});

test("204 when a reader shall not come back", async () => {
    equal((await fetch_with_curl("/stop?channel=curl")).status, 200, "first");
    equal((await fetch_with_curl("/stop?channel=curl")).status, 200, "second");
    const third = await fetch_with_curl("/stop?channel=curl");
    equal([third.status, third.body], [204, ""], "third");
});

test("many events in a row arrive whole and in order", async () => {
    const { code, body } = await fetch_with_curl("/blast?count=20000");
    equal(code, 0, "exit code");
    const ids = [...body.matchAll(/^id: (\d+)$/gm)].map((m) => Number(m[1]));
    equal([ids.length, ids.every((id, i) => id === i + 1)], [20000, true], "ids");
});

test("SIGTERM: streams end in good order with a time to come back, and the server leaves", async () => {
    const own = await start_server();
    const reader = start("curl", curl, ["-sS", "-N", `${own.url}/controlled?channel=drain`]);
    let seen = "";
    await new Promise((resolve) => reader.stdout.on("data", (text) => { seen += text; if (seen.includes("ready")) resolve(); }));
    const gone = stop(own, "SIGTERM");
    equal((await reader.exited).code, 0, "curl saw the body's own end");
    check(/^retry: \d+$/m.test(seen), `retry: ${JSON.stringify(seen)}`);
    equal(await gone, { code: 0, signal: null }, "the server's exit");
});

test("the server is still well", async () => {
    equal((await request(server, "GET", "/plain")).body, "plain\n", "plain route");
});

await run("curl");
