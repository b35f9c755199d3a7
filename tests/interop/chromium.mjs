// SPDX-License-Identifier: BSL-1.0
// Chromium's EventSource and fetch against the server.

import { check, check_contiguous, emit, equal, free_port, handshake_events, need_package, need_program, open_page, request, run, start_page,
         start_server, stop, test } from "./harness.mjs";

const executable = need_program("chromium", "CHROMIUM");
const { chromium } = need_package("playwright-core");
const allowed = await start_page(), denied = await start_page();
const server = await start_server({ args: ["--allow-origin", allowed.url] });

/// Opens an EventSource in the page; `event()` resolves to the next event it got, `state()` to its readyState.
async function collect(page, url, types, init = {}) {
    await page.evaluate(({ url: u, types: all, init: i }) => {
        window.seen = [];
        window.failures = [];
        window.source = new EventSource(u, i);
        window.source.onerror = () => window.failures.push(window.source.readyState);
        for (const type of all) {
            window.source.addEventListener(type, (e) => window.seen.push({ event: type, data: e.data, id: e.lastEventId, origin: e.origin }));
        }
    }, { url, types, init });
    return {
        async event() {
            await page.waitForFunction(() => window.seen.length > 0, undefined, { polling: 10 });
            return page.evaluate(() => window.seen.shift());
        },
        until: (condition, argument) => page.waitForFunction(condition, argument, { polling: 10 }),
        close: () => page.evaluate(() => window.source.close()),
    };
}

const without_origin = ({ event, data, id }) => ({ event, data, id });

test("typed events, several lines, empty data, ids, UTF-8", async (t) => {
    const { page } = await open_page(t, chromium, executable, `${server.url}/`);
    const reader = await collect(page, "/typed", ["message", "price", "end"]);
    const first = await reader.event();
    equal(first, { event: "message", data: "plain", id: "", origin: server.url }, "plain");
    equal(without_origin(await reader.event()), { event: "price", data: '{"bid":1}', id: "7" }, "typed");
    equal(without_origin(await reader.event()), { event: "message", data: "first line\nsecond line", id: "7" }, "two lines");
    equal(without_origin(await reader.event()), { event: "message", data: "", id: "7" }, "empty data");
    equal(without_origin(await reader.event()), { event: "message", data: "gr\u00fc\u00df\u20ac", id: "7" }, "UTF-8");
    equal((await reader.event()).event, "end", "end");
    equal(await page.evaluate(() => window.failures), [], "errors");
});

test("each event arrives when it is sent", async (t) => {
    const { page } = await open_page(t, chromium, executable, `${server.url}/`);
    await handshake_events(server, await collect(page, "/controlled?channel=chromium", ["ready", "message"]), "chromium", 10);
});

test("after a kill and a restart it resumes with Last-Event-ID: no number lost, none repeated", async (t) => {
    const port = await free_port();
    let own = await start_server({ port });
    t.defer(() => stop(own));
    const { page } = await open_page(t, chromium, executable, `${own.url}/`);
    const reader = await collect(page, "/counter", ["tick"]);
    await reader.until(() => window.seen.length >= 10);
    await stop(own);
    await reader.until(() => window.failures.length > 0);
    own = await start_server({ port });
    const now = Number((await request(own, "GET", "/counter-now")).body);
    await reader.until((n) => Number(window.seen.at(-1).id) >= n + 10, now);
    const numbers = await page.evaluate(() => window.seen.map((e) => Number(e.id)));
    check_contiguous(numbers, "numbers");
    check(numbers[0] < now && numbers.at(-1) > now, "the numbers reach over the restart");
});

test("a reconnect carries the last id, whatever it is made of", async (t) => {
    const { page } = await open_page(t, chromium, executable, `${server.url}/`);
    const reader = await collect(page, "/controlled?channel=browser-ids", ["ready", "message"]);
    equal((await reader.event()).data, "last=", "first connection");
    await emit(server, "browser-ids", "id:a/b c-1");
    equal((await reader.event()).id, "a/b c-1", "id");
    await request(server, "POST", "/end?channel=browser-ids");
    equal((await reader.event()).data, "last=a/b c-1", "second connection");
});

test("204 ends it for good", async (t) => {
    const { page } = await open_page(t, chromium, executable, `${server.url}/`);
    const reader = await collect(page, "/stop?channel=chromium", ["visit"]);
    await reader.until(() => window.source.readyState === EventSource.CLOSED);
    equal(await page.evaluate(() => window.seen.map((e) => e.data)), ["1", "2"], "visits");
    equal(await page.evaluate(() => window.failures), [0, 0, 2], "two reconnects, then closed");
});

test("another origin: an allowed one reads, with credentials too; one that is not on the list does not", async (t) => {
    for (const init of [{}, { withCredentials: true }]) {
        const { page } = await open_page(t, chromium, executable, allowed.url);
        const reader = await collect(page, `${server.url}/cors`, ["message"], init);
        equal((await reader.event()).data, "for allowed origins", "allowed");
        await reader.close();
    }
    const { page } = await open_page(t, chromium, executable, denied.url);
    const reader = await collect(page, `${server.url}/cors`, ["message"]);
    await reader.until(() => window.source.readyState === EventSource.CLOSED);
    equal(await page.evaluate(() => window.seen), [], "nothing read");
});

test("another origin: a POST with a preflight is answered by a stream", async (t) => {
    const post = async (url) => {
        const { page } = await open_page(t, chromium, executable, url);
        return page.evaluate(async (target) => {
            const headers = { "Content-Type": "application/json", "Last-Event-ID": "5", Authorization: "Bearer x" };
            try { return await (await fetch(target, { method: "POST", headers, body: "{}" })).text(); } catch (e) { return e.name; }
        }, `${server.url}/cors?end=1`);
    };
    check((await post(allowed.url)).includes("data: for allowed origins\n"), "allowed");
    equal(await post(denied.url), "TypeError", "denied");
});

test("a POST's stream is read piece by piece", async (t) => {
    const { page } = await open_page(t, chromium, executable, `${server.url}/`);
    const text = await page.evaluate(async () => (await fetch("/tokens", { method: "POST", body: "one two" })).text());
    equal([...text.matchAll(/^data: (.*)$/gm)].map((m) => m[1]), ["one", "two", "[DONE]"], "tokens");
});

test("a page that goes is known at once", async (t) => {
    const { page } = await open_page(t, chromium, executable, `${server.url}/`);
    const reader = await collect(page, "/controlled?channel=page", ["ready"]);
    await reader.event();
    await page.close();
    for (;;) if ((await request(server, "GET", "/readers?channel=page")).body.trim() === "0") break;
});

await run("chromium");
