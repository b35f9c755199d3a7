// SPDX-License-Identifier: BSL-1.0
// Chromium's WebSocket against the server.

import { check, ending_of, equal, make_certificate, need_package, need_program, open_page, run, start_page, start_ws_server, stop, test } from "./harness.mjs";

const executable = need_program("chromium", "CHROMIUM");
const { chromium } = need_package("playwright-core");
const allowed = await start_page(), denied = await start_page();
const { certificate, key: private_key } = await make_certificate();
const server = await start_ws_server({ args: ["--allow-origin", allowed.url, "--certificate", certificate, "--key", private_key] });
const { browser } = await open_page({ defer: () => {} }, chromium, executable, `${server.url}/`);  // ends with the process

/// A page with `connect(url, protocols)`, whose result has `events`, one by one, in `next()`.
async function fresh_page({ defer }, { url = `${server.url}/`, secure = false } = {}) {
    const context = await browser.newContext({ ignoreHTTPSErrors: secure });
    defer(() => context.close());
    await context.addInitScript(() => {
        const describe = async (e) => {
            if (e.type === "close") return { type: "close", code: e.code, reason: e.reason, clean: e.wasClean };
            if (e.type !== "message") return { type: e.type };
            const kind = typeof e.data === "string" ? "text" : e.data.constructor.name;
            return { type: "message", kind, data: kind === "Blob" ? await e.data.arrayBuffer() : e.data, origin: e.origin };
        };
        window.connect = (address, protocols, binary_type = "arraybuffer") => {
            const socket = new WebSocket(address, protocols), events = [], waiting = [];
            socket.binaryType = binary_type;
            for (const type of ["open", "message", "error", "close"]) {
                socket.addEventListener(type, (e) => {
                    const event = describe(e);
                    if (waiting.length) waiting.shift()(event);
                    else events.push(event);
                });
            }
            socket.next = () => (events.length ? events.shift() : new Promise((resolve) => waiting.push(resolve)));
            return socket;
        };
    });
    const page = await context.newPage();
    await page.goto(url);
    return page;
}
let keys = 0;
const new_key = () => `chromium-${(keys += 1)}`;

test("text, with all there is in Unicode, and nothing at all", async (t) => {
    const page = await fresh_page(t);
    const back = await page.evaluate(async (url) => {
        const socket = connect(`${url}/echo`), got = [(await socket.next()).type];
        for (const text of ["", "hello", "gr\u00fc\u00df\u20ac \u{1f600} \u0000 \ufffd \uffff", "x".repeat(125), "x".repeat(126), "\u20ac".repeat(70000)]) {
            socket.send(text);
            const { kind, data, origin } = await socket.next();
            got.push(kind === "text" && data === text && origin === url);
        }
        return got;
    }, server.ws_url);
    equal(back, ["open", true, true, true, true, true, true], "echoes");
});

for (const binary_type of ["arraybuffer", "blob"]) {
    test(`binary messages as ${binary_type}, sent as ArrayBuffer, view and Blob`, async (t) => {
        const page = await fresh_page(t);
        const back = await page.evaluate(async ([url, type]) => {
            const socket = connect(`${url}/echo`, [], type), got = [];
            await socket.next();
            const bytes = Uint8Array.from({ length: 70000 }, (_, i) => (i * 7) % 251);
            for (const size of [0, 1, 125, 126, 65535, 65536, 70000]) {
                const part = bytes.slice(0, size);
                for (const form of [part.buffer, part, new Blob([part])]) {
                    socket.send(form);
                    const { kind, data } = await socket.next(), same = new Uint8Array(data);
                    got.push(kind === (type === "blob" ? "Blob" : "ArrayBuffer") && same.length === size && same.every((b, i) => b === part[i]));
                }
            }
            return got;
        }, [server.ws_url, binary_type]);
        check(back.length === 21 && back.every(Boolean), `echoes: ${back}`);
    });
}

for (const target of ["/echo", "/deflate", "/deflate/forgetful", "/deflate/small", "/pieces", "/pieces/deflate"]) {
    test(`large messages come back, from ${target}; compression is agreed on where there is any`, async (t) => {
        const page = await fresh_page(t);
        const sizes = [1000, 100000, 1 << 20, ...(target === "/echo" || target === "/deflate" ? [8 << 20] : [])];
        const { extensions, back } = await page.evaluate(async ([url, all]) => {
            const socket = connect(url), same = [];
            await socket.next();
            for (const size of all) {
                const text = "the otter and the heron, ".repeat(size / 25);
                socket.send(text);
                same.push((await socket.next()).data === text);
                const bytes = Uint8Array.from({ length: size }, (_, i) => (i * i) >> 7);
                socket.send(bytes);
                const data = new Uint8Array((await socket.next()).data);
                same.push(data.length === size && data.every((b, i) => b === bytes[i]));
            }
            return { extensions: socket.extensions, back: same };
        }, [server.ws_url + target, sizes]);
        equal(back, Array(sizes.length * 2).fill(true), "echoes");
        equal(extensions.startsWith("permessage-deflate"), target.includes("deflate"), `extensions: ${extensions}`);
    });
}

test("many messages at once come back in order", async (t) => {
    const page = await fresh_page(t);
    for (const target of ["/echo", "/deflate"]) {
        const first_wrong = await page.evaluate(async (url) => {
            const socket = connect(url);
            await socket.next();
            for (let i = 0; i < 2000; i += 1) socket.send(`message ${i}`);
            for (let i = 0; i < 2000; i += 1) if ((await socket.next()).data !== `message ${i}`) return i;
            return -1;
        }, server.ws_url + target);
        equal(first_wrong, -1, target);
    }
});

test("subprotocols", async (t) => {
    const page = await fresh_page(t);
    const chosen = (protocols) => page.evaluate(async ([url, list]) => {
        const socket = connect(`${url}/subprotocols`, list);
        return [(await socket.next()).type, socket.protocol];
    }, [server.ws_url, protocols]);
    equal(await chosen(["v1.echo", "v2.echo"]), ["open", "v2.echo"], "both");
    equal(await chosen("v1.echo"), ["open", "v1.echo"], "one");
    equal((await chosen(["other"]))[0], "error", "none in common, which browsers do not accept");
});

test("the page closes: both sides see the code, and that it was clean", async (t) => {
    const page = await fresh_page(t);
    for (const [code, reason] of [[1000, "done"], [3000, ""], [4999, "gr\u00fc\u00df"], [undefined, undefined]]) {
        const key = new_key();
        const event = await page.evaluate(async ([url, c, r]) => {
            const socket = connect(url);
            await socket.next();
            if (c === undefined || c === null) socket.close();
            else socket.close(c, r);
            return socket.next();
        }, [`${server.ws_url}/echo?key=${key}`, code, reason]);
        equal(event, { type: "close", code: code ?? 1005, reason: "", clean: true }, "the page's side");
        equal(await ending_of(server, key), `${code ?? 1005} ${reason ?? ""}|in good order`, "the server's side");
    }
});

test("the server closes: the page sees the code and the reason", async (t) => {
    const page = await fresh_page(t);
    const after = (order) => page.evaluate(async ([url, text]) => {
        const socket = connect(`${url}/script`);
        await socket.next();
        socket.send(text);
        for (;;) {
            const event = await socket.next();
            if (event.type === "close") return event;
        }
    }, [server.ws_url, order]);
    for (const [code, reason] of [[1000, ""], [1001, "away"], [1011, "because"], [1013, ""], [4000, "x".repeat(123)]]) {
        equal(await after(`close ${code} ${reason}`), { type: "close", code, reason, clean: true }, "close event");
    }
    const expired = await after("life 1"), aborted = await after("abort");
    equal([expired.code, expired.clean], [1001, true], "expires_after()");
    equal([aborted.code, aborted.clean], [1006, false], "abort()");
});

test("pings are answered", async (t) => {
    const page = await fresh_page(t);
    const data = await page.evaluate(async (url) => {
        const socket = connect(`${url}/script`);
        await socket.next();
        socket.send("ping anyone");
        return (await socket.next()).data;
    }, server.ws_url);
    equal(data, "pong anyone", "pong");
});

test("a message that is too large ends the session with 1009", async (t) => {
    const page = await fresh_page(t);
    for (const target of ["/small", "/small/deflate"]) {
        const event = await page.evaluate(async (url) => {
            const socket = connect(url);
            await socket.next();
            socket.send("x".repeat(100000));
            for (;;) {
                const next = await socket.next();
                if (next.type === "close") return next;
            }
        }, server.ws_url + target);
        equal([event.code, event.clean], [1009, true], target);
    }
});

test("a page that goes is known: 1001", async (t) => {
    const key = new_key(), page = await fresh_page(t);
    await page.evaluate(async (url) => (await connect(url).next()).type, `${server.ws_url}/echo?key=${key}`);
    await page.goto("about:blank");
    equal(await ending_of(server, key), "1001 |in good order", "the server's side");
});

test("another origin: refused unless it is on the list; so are strangers and unknown paths", async (t) => {
    const first_events = async (url, target) => {
        const page = await fresh_page(t, { url });
        return page.evaluate(async (address) => {
            const socket = connect(address), event = await socket.next();
            return event.type === "open" ? "open" : [event.type, (await socket.next()).code];
        }, server.ws_url + target);
    };
    equal(await first_events(denied.url, "/origins"), ["error", 1006], "denied");
    equal(await first_events(denied.url, "/echo"), ["error", 1006], "denied where there is no list");
    equal(await first_events(allowed.url, "/echo"), ["error", 1006], "on another route's list");
    equal(await first_events(allowed.url, "/origins"), "open", "allowed");
    equal(await first_events(`${server.url}/`, "/origins"), "open", "the server's own");
    equal(await first_events(`${server.url}/`, "/members"), ["error", 1006], "401");
    equal(await first_events(`${server.url}/`, "/nowhere"), ["error", 1006], "404");
});

test("over TLS", async (t) => {
    const page = await fresh_page(t, { url: `https://127.0.0.1:${server.tls_port}/`, secure: true });
    for (const target of ["/echo", "/deflate"]) {
        const result = await page.evaluate(async (path) => {
            const socket = connect(`wss://${location.host}${path}`), same = [(await socket.next()).type];
            for (const size of [0, 10, 1000, 65536, 1 << 20, 4 << 20]) {
                const text = "x".repeat(size);
                socket.send(text);
                same.push((await socket.next()).data === text);
            }
            socket.close(4000, "bye");
            return [...same, await socket.next()];
        }, target);
        equal(result, ["open", true, true, true, true, true, true, { type: "close", code: 4000, reason: "", clean: true }], target);
    }
});

test("a server that drains says 1001, and ends", async (t) => {
    const own = await start_ws_server();
    t.defer(() => stop(own));
    const page = await fresh_page(t, { url: `${own.url}/` });
    await page.evaluate(async (url) => {
        window.sockets = ["/echo", "/deflate", "/pieces", "/callback"].map((target) => connect(url + target));
        for (const socket of window.sockets) await socket.next();
    }, own.ws_url);
    own.kill("SIGTERM");
    const events = await page.evaluate(() => Promise.all(window.sockets.map((socket) => socket.next())));
    equal(events.map(({ type, code, clean }) => [type, code, clean]), Array(4).fill(["close", 1001, true]), "close events");
    equal(await own.exited, { code: 0, signal: null }, "the server's exit");
});

await run("ws_chromium");
