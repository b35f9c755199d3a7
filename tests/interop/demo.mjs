// SPDX-License-Identifier: BSL-1.0
// The demo page in Chromium: every panel lives, and the ticker survives a killed and restarted server.

import { check, equal, free_port, need_package, need_program, open_page, run, start_demo, stop, test } from "./harness.mjs";

const executable = need_program("chromium", "CHROMIUM");
const { chromium } = need_package("playwright-core");

/// Waits until the element's text matches; resolves to it.
async function text_of(page, id, pattern) {
    await page.waitForFunction(([i, p]) => new RegExp(p).test(document.getElementById(i).textContent), [id, pattern.source], { polling: 50 });
    return page.textContent(`#${id}`);
}

async function open_demo(t) {
    const port = await free_port();
    const demo = { port, process: await start_demo(port), complaints: [] };
    t.defer(() => stop(demo.process));
    const { page } = await open_page(t, chromium, executable, "about:blank");
    page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") demo.complaints.push(m.text()); });
    page.on("pageerror", (e) => demo.complaints.push(String(e)));
    page.on("requestfailed", (r) => demo.complaints.push(`${r.url()} ${r.failure()?.errorText}`));
    await page.goto(demo.process.url);
    await text_of(page, "tick-now", /\d/);
    return Object.assign(demo, { page });
}

test("the page loads without a complaint and every panel gets data", async (t) => {
    const { page, complaints } = await open_demo(t);
    for (const line of ["line-live", "line-ticker", "line-room"]) await page.waitForSelector(`#${line}[data-state=open]`);
    await text_of(page, "cpu-value", /^\d+ % of \d+ core/);
    await text_of(page, "mem-value", /iB of .*iB/);
    await text_of(page, "net-value", /loopback/);
    await text_of(page, "loads", /\d\.\d\d/);
    await text_of(page, "tick-received", /^([3-9]|\d\d)/);
    await text_of(page, "sessions", /\/events\/live.*\/events\/ticker|\/events\/ticker.*\/events\/live/s);
    await text_of(page, "fig-total", /^([1-9]\d|\d\d\d)/);
    equal(complaints, [], "console and requests");
});

test("a question is answered token by token, to [DONE]", async (t) => {
    const { page, complaints } = await open_demo(t);
    await page.fill("#prompt", "What happens to a slow reader?");
    await page.click("#send");
    await text_of(page, "chat-figures", /^\d+ tokens .*\[DONE\]$/);
    check((await page.textContent("#answer")).includes("outbox"), "the answer is about the question");
    equal(complaints, [], "console and requests");
});

test("the slow reader: the outbox fills to its bound, and each policy acts", async (t) => {
    const { page } = await open_demo(t);
    await page.check("[value=drop_oldest]");
    await page.click("#slow-start");
    await text_of(page, "slow-dropped", /[1-9]/);
    await text_of(page, "slow-queued", /(9\d\d|1,0\d\d) KiB|1\.0 MiB/);
    await page.click("#slow-stop");
    await page.check("[value=keep_latest]");
    await page.click("#slow-start");
    await text_of(page, "slow-value", /in [5-9] events/);
    await text_of(page, "slow-dropped", /[1-9]/);
    await page.click("#slow-stop");
    await page.check("[value=close_slow]");
    await page.click("#slow-start");
    await text_of(page, "slow-note", /let this reader go/);
});

test("the ticker survives a cut, and a killed and restarted server, with nothing missing and nothing twice", async (t) => {
    const demo = await open_demo(t), { page } = demo;
    await page.click("#cut");
    await text_of(page, "tick-log", /resumed after/);
    await text_of(page, "tick-reconnects", /^1$/);
    const before = Number(await page.textContent("#tick-received"));
    await stop(demo.process);
    await page.waitForSelector("#line-ticker:not([data-state=open])");
    demo.process = await start_demo(demo.port);
    await text_of(page, "tick-servers", /^2$/);
    await page.waitForFunction(() => document.querySelectorAll("#tick-log li").length >= 2);
    await page.waitForFunction((n) => Number(document.getElementById("tick-received").textContent) >= n + 4, before);
    const figure = async (name) => page.textContent(`#tick-${name}`);
    equal([await figure("missing"), await figure("duplicates"), await figure("reconnects")], ["0", "0", "2"], "missing, duplicates, reconnects");
    await page.waitForSelector("#line-live[data-state=open]");
});

/// A second page at the same demo.
async function open_beside(demo) {
    const page = await demo.page.context().browser().newPage();
    page.on("console", (m) => { if (m.type() === "error" || m.type() === "warning") demo.complaints.push(m.text()); });
    page.on("pageerror", (e) => demo.complaints.push(String(e)));
    await page.goto(demo.process.url);
    return page;
}

async function call_oneself(page, name) {
    await page.waitForSelector("#line-room[data-state=open]");
    await page.fill("#room-name", name);
    await page.press("#room-name", "Enter");
    await text_of(page, "room-members", new RegExp(name));
}

async function say(page, words) {
    await page.fill("#room-text", words);
    await page.click("#room-say");
}

test("the chat: two pages see each other, and who comes late sees what was said", async (t) => {
    const demo = await open_demo(t), { page, complaints } = demo;
    await call_oneself(page, "Ada");
    const words = "<b>\"gr\u00fc\u00df\" \\ \ud83e\udda6</b>";
    await say(page, words);
    const beside = await open_beside(demo);
    await call_oneself(beside, "Bob");
    await text_of(beside, "room-log", /Ada/);
    check((await beside.textContent("#room-log")).includes(words), "the late one sees what was said, as it was said");
    await say(beside, "hello Ada");
    await text_of(page, "room-log", /Bob has come[^]*Bobhello Ada/);
    await beside.close();
    await text_of(page, "room-log", /Bob has gone$/);
    equal(await page.textContent("#room-members"), "Ada", "who is there");
    equal(complaints, [], "console and requests");
});

test("the chat comes back after a restart, under the same name, and is told that the server is a new one", async (t) => {
    const demo = await open_demo(t), { page } = demo;
    await call_oneself(page, "Ada");
    await say(page, "before");
    await text_of(page, "room-log", /Adabefore/);
    await stop(demo.process);
    await page.waitForSelector("#line-room:not([data-state=open])");
    demo.process = await start_demo(demo.port);
    await text_of(page, "room-log", /Adabefore[^]*the server is a new one/);
    await say(page, "after");
    await text_of(page, "room-log", /Adabefore[^]*Adaafter$/);
    equal(await page.textContent("#room-members"), "Ada", "who is there");
});

await run("demo");
