// SPDX-License-Identifier: BSL-1.0
// weir::sse_client, as the program sse_cat, against servers of others' making, our own, through nginx, and through a proxy
// that cuts connections.

import fs from "node:fs";
import { start_connect_proxy } from "./connect_proxy.mjs";
import { start_fault_proxy } from "./fault_proxy.mjs";
import { check, check_contiguous, converse, emit, equal, finish, free_port, make_certificate, need_program, request, run, start_proxy, start_server, stop, test } from "./harness.mjs";
import { makings, serve, text_of, typed, with_node } from "./sse_servers.mjs";

const program = process.env.WEIR_SSE_CAT;
const soon = ["--retry", "1"];  // ms to wait before each attempt

/// What an attempt to read a stream to its end came to: {code, events, err}.
async function cat(url, args = [], env = {}) {
    const { code, out, err } = await finish(program, [url, ...soon, ...args], { env });
    return { code, err, events: out.split("\n").filter(Boolean).map((line) => JSON.parse(line)) };
}

/// The same, event by event.
function follow(t, url, args = []) {
    const reader = converse(t, "sse_cat", program, [url, ...soon, ...args]);
    return { event: async () => JSON.parse(await reader.line()) };
}

/// Every number once, in order, with its text.
function check_numbers(events, to) {
    equal(events.map((e) => e.id), Array.from({ length: to }, (_, i) => String(i + 1)), "ids");
    for (const { event, data, id } of events) equal([event, data], ["number", text_of(Number(id))], `event ${id}`);
}

// Offsets that are the same in each run, and otherwise as good as any.
const offsets = Array.from({ length: 24 }, (_, i) => 150 + ((i + 1) * 7919) % 777);

const within_the_head = [0, 1, 9, 16, 17, 60, 100].map((cut) => ({ cut }));
const anywhere = offsets.map((cut, i) => ({ cut, reset: i % 2 === 1 }));
const slowly = offsets.slice(0, 4).map((cut, i) => ({ cut, piece: i + 1 }));
const within_chunks = [1, 2, 3, 5].flatMap((chunk) => [1, 2, 3, 4, 7].map((short) => ({ chunk, short, reset: short === 2 })));
const faults_for = ({ chunked }) => [{ refuse: true }, ...within_the_head, ...anywhere, ...slowly, ...(chunked ? within_chunks : [])];

// --------------------------------------------------------------------------------------------- servers of others' making

for (const making of makings) {
    const read = async (...what) => {
        const { events, ...rest } = await cat(...what);
        return { ...rest, events: events.map((e) => ({ ...e, data: making.decode ? making.decode(e.data) : e.data })) };
    };

    test(`${making.name}: names, lines, ids, empty data, UTF-8`, async (t) => {
        const { url } = await making.start(t);
        const { events, err } = await read(`${url}/typed`, ["--once"]);
        const expected = making.makes_up_ids ? typed.map((e) => ({ ...e, id: e.id || "0" })) : typed;
        equal(events, expected, `events (${err})`);
    });

    test(`${making.name}: what is asked`, async (t) => {
        const { url } = await making.start(t);
        const ask = async (...args) => JSON.parse((await read(`${url}/request?a=b%20c`, ["--once", ...args])).events[0].data);
        const get = await ask("-H", "Authorization: Bearer x", "-H", "X-Two: a, b", "--last-event-id", "gr\u00fc\u00df/7");
        equal([get.method, get.body, get.fields.host], ["GET", "", new URL(url).host], "method, body, Host");
        const { accept, "cache-control": cache, "accept-encoding": coding } = get.fields;
        equal([accept, cache, coding], ["text/event-stream", "no-cache", "gzip"], "fields");
        equal([get.fields.authorization, get.fields["x-two"]], ["Bearer x", "a, b"], "fields of the user's");
        // Node and Python take fields for Latin-1.
        equal(Buffer.from(get.fields["last-event-id"], "latin1").toString(), "gr\u00fc\u00df/7", "Last-Event-ID");
        check(!("content-length" in get.fields), "no Content-Length");
        const post = await ask("-d", '{"text":"gr\u00fc\u00df"}', "-H", "Content-Type: application/json");
        equal([post.method, post.body, post.fields["content-length"]], ["POST", '{"text":"gr\u00fc\u00df"}', "17"], "POST");
        check(!("last-event-id" in post.fields), "no Last-Event-ID to begin with");
    });

    test(`${making.name}: it comes back until it is told not to`, async (t) => {
        const { url } = await making.start(t);
        const { events } = await read(`${url}/count?to=100&per=7`);
        check_numbers(events, 100);
    });

    test(`${making.name}: --max-events ends it in the middle of a stream`, async (t) => {
        const { url } = await making.start(t);
        const { events, code } = await read(`${url}/count?to=100&per=7`, ["--max-events", "10"]);
        equal(code, 0, "exit status");
        check_numbers(events, 10);
    });

    test(`${making.name}: through cuts, resets and truncated chunks every event comes once`, async (t) => {
        const { port } = await making.start(t), faults = faults_for(making);
        const proxy = await start_fault_proxy(t, port, faults);
        const { events, err } = await read(`${proxy.url}/count?to=1000`);
        equal(proxy.suffered(), faults.length, `faults (${err.slice(-500)})`);
        check_numbers(events, 1000);
    });

    test(`${making.name}: byte by byte`, async (t) => {
        const { port } = await making.start(t);
        const proxy = await start_fault_proxy(t, port, [{ piece: 1 }]);
        check_numbers((await read(`${proxy.url}/count?to=40`)).events, 40);
    });
}

// ------------------------------------------------------------------------------------------------------ redirects and TLS

/// A server that answers every request with a redirect: {url}.
const redirect = (t, status, location) => serve(t, (_, response) => response.writeHead(status, location ? { Location: location } : {}).end("elsewhere"));
const plain = (t, secrets) => serve(t, with_node, secrets);

test("redirects are followed, with the method and the fields that may go along", async (t) => {
    const { url } = await plain(t);
    for (const status of [301, 302, 303, 307, 308]) {
        const from = await redirect(t, status, `${url}/request`);
        const ask = async (...args) => JSON.parse((await cat(`${from.url}/`, ["--once", "-H", "Authorization: secret", ...args])).events[0].data);
        const get = await ask("--last-event-id", "7");
        equal([get.method, get.fields["last-event-id"], get.fields.authorization], ["GET", "7", undefined], `${status}, GET`);
        const post = await ask("-d", "hello");
        equal([post.method, post.body], status >= 307 ? ["POST", "hello"] : ["GET", ""], `${status}, POST`);
    }
});

test("a redirect before each stream: the ids go on", async (t) => {
    const { url } = await plain(t);
    const from = await redirect(t, 307, `${url}/count?to=50&per=3`);
    check_numbers((await cat(from.url)).events, 50);
});

test("a loop of redirects, one without Location, and an answer that is no stream end it", async (t) => {
    const answers = [[302, { Location: "/again" }], [302, {}], [200, { "Content-Type": "text/plain" }], [404, { "Content-Type": "text/event-stream" }], [500, {}]];
    for (const [status, fields] of answers) {
        let requests = 0;
        const { url } = await serve(t, (_, response) => { requests += 1; response.writeHead(status, fields).end("data: no event\n\n"); });
        const { code, events } = await cat(url);
        check(code !== 0, `${status}: exit status ${code}`);
        equal(events, [], `${status}: events`);
        equal(requests, fields.Location ? 21 : 1, `${status}: requests`);
    }
});

test("TLS: a certificate that is trusted, and one that is not", async (t) => {
    const { key, certificate } = await make_certificate();
    const { url } = await plain(t, { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
    const trusting = { SSL_CERT_FILE: certificate };  // as one of the system's
    check_numbers((await cat(`${url}/count?to=50&per=5`, [], trusting)).events, 50);
    const stranger = await cat(`${url}/count?to=50`);
    check(stranger.code !== 0 && stranger.events.length === 0, "not trusted");
    const elsewhere = await cat(`${url.replace("127.0.0.1", "localhost")}/count?to=50`, [], trusting);
    check(elsewhere.code !== 0 && elsewhere.events.length === 0, "for another name");
});

test("TLS through cuts and resets", async (t) => {
    const { key, certificate } = await make_certificate();
    const { port } = await plain(t, { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
    const faults = [{ refuse: true }, ...[0, 1, 5, 100].map((cut) => ({ cut })), ...offsets.map((n, i) => ({ cut: n + 1500, reset: i % 2 === 1 }))];
    const proxy = await start_fault_proxy(t, port, faults);
    const { events, err } = await cat(`https://127.0.0.1:${proxy.port}/count?to=1000`, ["--cacert", certificate]);
    equal(proxy.suffered(), faults.length, `faults (${err.slice(-500)})`);
    check_numbers(events, 1000);
});

// ---------------------------------------------------------------------------------------------------------------- proxies

test("through an HTTP proxy: a tunnel for each connection", async (t) => {
    const { port, url } = await plain(t), proxy = await start_connect_proxy(t);
    const { events } = await cat(`${url}/count?to=50&per=10`, ["--proxy", proxy.url]);
    check_numbers(events, 50);
    equal(proxy.targets, Array(6).fill(`127.0.0.1:${port}`), "tunnels");
});

test("through an HTTP proxy: TLS, and cuts", async (t) => {
    const { key, certificate } = await make_certificate();
    const { port } = await plain(t, { key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });
    const faults = [{ cut: 0 }, ...offsets.slice(0, 8).map((n) => ({ cut: n + 1500 }))];
    const cutting = await start_fault_proxy(t, port, faults), proxy = await start_connect_proxy(t);
    const { events } = await cat(`https://127.0.0.1:${cutting.port}/count?to=500`, ["--cacert", certificate, "--proxy", proxy.url]);
    equal(cutting.suffered(), faults.length, "faults");
    check_numbers(events, 500);
});

test("through an HTTP proxy that refuses: no stream", async (t) => {
    const { url } = await plain(t), proxy = await start_connect_proxy(t, { authorization: "Basic eDp5" });
    const { code, events } = await cat(`${url}/count?to=50`, ["--proxy", proxy.url, "--once"]);
    check(code !== 0 && events.length === 0, `exit status ${code}`);
});

const nginx = need_program("nginx");
function start_nginx(port, extra) {
    const user = process.getuid() === 0 ? "user root;" : "";
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    return start_proxy("nginx", nginx, ({ port: own, directory }) => `
        daemon off; ${user} worker_processes 1; pid ${directory}/nginx.pid; error_log stderr notice;
        events {}
        http {
            access_log off;
            ${temporary.map((name) => `${name}_temp_path ${directory}/${name};`).join(" ")}
            server { listen 127.0.0.1:${own}; proxy_buffering off; ${extra} location / { proxy_pass http://127.0.0.1:${port}; } }
        }`, ({ file, directory }) => ["-p", directory, "-e", "stderr", "-c", file]);
}

for (const [name, extra] of [["HTTP/1.0 to the server", ""], ["HTTP/1.1 to the server", 'proxy_http_version 1.1; proxy_set_header Connection "";'],
                             ["gzip", "proxy_http_version 1.1; gzip on; gzip_types text/event-stream; gzip_min_length 1;"]]) {
    test(`nginx, ${name}: cuts before it and behind it`, async (t) => {
        const { port } = await plain(t);
        // Behind it after the head: before that it would answer 502, which ends a stream for good.
        const behind = offsets.slice(0, 12).map((cut, i) => ({ cut: cut + 300, reset: i % 2 === 1 }));
        const cutting = await start_fault_proxy(t, port, behind);
        const between = await start_nginx(cutting.port, extra);
        t.defer(() => stop(between, "SIGTERM"));
        const before = faults_for({}), proxy = await start_fault_proxy(t, between.port, [...Array(behind.length).fill({}), ...before]);
        const { events, err } = await cat(`${proxy.url}/count?to=2000`);
        equal([cutting.suffered(), proxy.suffered()], [behind.length, before.length], `faults (${err.slice(-500)})`);
        check_numbers(events, 2000);
    });
}

// ------------------------------------------------------------------------------------------------------------- our server

const server = await start_server();

test("our server: names, lines, ids, empty data, UTF-8", async () => {
    const { events } = await cat(`${server.url}/typed?end=1`, ["--once"]);
    equal(events, [...typed, { event: "end", data: "", id: "7" }], "events");
});

test("our server: each event arrives when it is sent", async (t) => {
    const reader = follow(t, `${server.url}/controlled?channel=cat`);
    equal((await reader.event()).data, "last=", "ready");
    for (let i = 1; i <= 10; i += 1) {
        await emit(server, "cat", `event ${i}\nsecond line`);
        equal((await reader.event()).data, `event ${i}\nsecond line`, "event");
    }
    await emit(server, "cat", "id:a/b c-1");
    equal((await reader.event()).id, "a/b c-1", "id");
    await request(server, "POST", "/end?channel=cat");
    equal((await reader.event()).data, "last=a/b c-1", "after a reconnect");
});

test("our server: a POST whose answer is a stream", async () => {
    const { events } = await cat(`${server.url}/tokens`, ["--once", "-d", "to be or not"]);
    equal(events.map((e) => e.data), ["to", "be", "or", "not", "[DONE]"], "tokens");
});

test("our server: 204 ends it", async () => {
    const { events, code } = await cat(`${server.url}/stop?channel=cat`);
    equal([code, events.map((e) => e.data)], [0, ["1", "2"]], "visits");
});

test("our server: after a kill and a restart it resumes: no number lost, none repeated", async (t) => {
    const port = await free_port();
    let own = await start_server({ port });
    t.defer(() => stop(own));
    const reader = follow(t, `${own.url}/counter`), all = [];
    while (all.length < 10) all.push(Number((await reader.event()).id));
    await stop(own);
    own = await start_server({ port });
    const now = Number((await request(own, "GET", "/counter-now")).body);
    do all.push(Number((await reader.event()).id)); while (all.at(-1) < now + 10);
    check_contiguous(all, "numbers");
});

test("our server: through cuts, resets and truncated chunks every event comes once", async (t) => {
    const faults = faults_for({ chunked: true }), proxy = await start_fault_proxy(t, server.port, faults);
    const { events, err } = await cat(`${proxy.url}/count?to=1000`);
    equal(proxy.suffered(), faults.length, `faults (${err.slice(-500)})`);
    equal(events.map((e) => e.id), Array.from({ length: 1000 }, (_, i) => String(i + 1)), "ids");
});

await run("sse_client");
