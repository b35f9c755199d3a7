// SPDX-License-Identifier: BSL-1.0
// The npm package `eventsource` against the server.

import { check, check_contiguous, emit, equal, free_port, handshake_events, need_package, request, run, start_server, stop, test } from "./harness.mjs";

const { EventSource } = need_package("eventsource");
const server = await start_server();

/// Collects what comes on `types`; `event()` resolves to the next one.
function collect({ defer }, url, types) {
    const source = new EventSource(url), events = [], waiting = [];
    defer(() => source.close());
    for (const type of types) {
        source.addEventListener(type, (e) => {
            const event = { event: type, data: e.data, id: e.lastEventId };
            if (waiting.length) waiting.shift()(event); else events.push(event);
        });
    }
    return { source, event: () => new Promise((resolve) => { if (events.length) resolve(events.shift()); else waiting.push(resolve); }) };
}

test("typed events, several lines, empty data, ids, UTF-8", async (t) => {
    const reader = collect(t, `${server.url}/typed`, ["message", "price", "end"]);
    equal(await reader.event(), { event: "message", data: "plain", id: "" }, "plain");
    equal(await reader.event(), { event: "price", data: '{"bid":1}', id: "7" }, "typed");
    // Of an event without an id of its own this package reports none; it does send the last one when it reconnects.
    equal((await reader.event()).data, "first line\nsecond line", "two lines");
    equal((await reader.event()).data, "", "empty data");
    equal((await reader.event()).data, "gr\u00fc\u00df\u20ac", "UTF-8");
    equal((await reader.event()).event, "end", "end");
});

test("each event arrives when it is sent", async (t) => {
    await handshake_events(server, collect(t, `${server.url}/controlled?channel=npm`, ["ready", "message"]), "npm", 10);
});

test("after a kill and a restart it resumes: no number lost, none repeated", async (t) => {
    const port = await free_port();
    let own = await start_server({ port });
    t.defer(() => stop(own));
    const reader = collect(t, `${own.url}/counter`, ["tick"]), numbers = [];
    while (numbers.length < 10) numbers.push(Number((await reader.event()).id));
    const lost = new Promise((resolve) => reader.source.addEventListener("error", resolve));
    await stop(own);
    await lost;
    own = await start_server({ port });
    const now = Number((await request(own, "GET", "/counter-now")).body);
    do numbers.push(Number((await reader.event()).id)); while (numbers.at(-1) < now + 10);
    check_contiguous(numbers, "numbers");
});

test("204 ends it for good", async (t) => {
    const reader = collect(t, `${server.url}/stop?channel=npm`, ["visit"]);
    const closed = new Promise((resolve) => reader.source.addEventListener("error", (e) => { if (reader.source.readyState === EventSource.CLOSED) resolve(e); }));
    equal([(await reader.event()).data, (await reader.event()).data], ["1", "2"], "visits");
    await closed;
    check(reader.source.readyState === EventSource.CLOSED, "closed");
});

test("a reconnect carries the last id, whatever it is made of", async (t) => {
    const reader = collect(t, `${server.url}/controlled?channel=ids`, ["ready", "message"]);
    equal((await reader.event()).data, "last=", "first connection");
    await emit(server, "ids", "id:a/b c-1");
    equal((await reader.event()).id, "a/b c-1", "id");
    await request(server, "POST", "/end?channel=ids");
    equal((await reader.event()).data, "last=a/b c-1", "second connection");
});

await run("eventsource");
