// SPDX-License-Identifier: BSL-1.0
// Python's websockets: its client against our server, our client against its server.

import { fileURLToPath } from "node:url";
import { check, each, equal, finish, run, run_ws_client, skip, start, start_ws_server, test } from "./harness.mjs";

const python = "/usr/bin/python3", script = fileURLToPath(new URL("ws_python.py", import.meta.url));
if ((await finish(python, ["-c", "import websockets"])).code !== 0) skip("python3-websockets is not installed");

const server = await start_ws_server({ args: ["--allow-origin", "https://app.example"] });

test("its client: sizes, compression, fragments, pings, closing, subprotocols, refusals, faults", async () => {
    const { code, out, err } = await finish(python, [script, "client", server.ws_url]);
    check(code === 0, `after:\n${out}${err}`);
});

let tell_ports, tell_end;
const ports = new Promise((resolve) => { tell_ports = resolve; });
const ended = new Map();  // key: what it saw
start("python", python, [script, "server"], { on_line: (line) => {
    const [word, ...rest] = line.split(" ");
    if (word === "listening") tell_ports(rest.map((port) => `ws://127.0.0.1:${port}`));
    if (word === "ended") { ended.set(rest[0], rest.slice(1).join(" ")); tell_end?.(); }
} });
const [plain, ...compressing] = await ports;
async function end_of(key) {
    while (!ended.has(key)) await new Promise((resolve) => { tell_end = resolve; });
    return ended.get(key);
}

const trips = (sizes) => sizes.flatMap((size) => ["trip", size]);

test("our client: messages of all sizes come back", async () => {
    const lines = await run_ws_client(`${plain}/?key=sizes`, ...trips([0, 1, 125, 126, 65535, 65536, 1 << 20, 8 << 20]), "close", 4000, "done");
    equal(lines, ["open subprotocol= compresses=no", "ended 4000 done|in good order"], "lines");
    equal(await end_of("sizes"), "4000 done", "its end");
});

test("our client: the same compressed, with everything that can be negotiated", async () => {
    const list = compressing.flatMap((url, i) => ["keep", "forget", "small"].map((how) => ({ sentence: `${how} ${i}`, url, how })));
    let refused = 0;
    await each(list, async ({ url, how }) => {
        const lines = await run_ws_client(`${url}/`, "--compress", how, ...trips([0, 1, 126, 1000, 65536, 1 << 18]), "pieces", 20000, "receive");
        equal(lines.slice(1), ["text 20000", "ended 1000 |in good order"], "lines");
        if (lines[0].endsWith("=no")) refused += 1;
    }, 3);
    // Of these it accepts all but what contradicts it: smaller windows than its own.
    check(refused < list.length / 3, `${refused} of ${list.length} are not compressed`);
});

test("our client: its fragments and pings", async () => {
    for (const url of [plain, compressing[0]]) {
        const lines = await run_ws_client(`${url}/fragments`, "--compress", "keep", "receive", "receive", "ping", "hello", "text", "more", "receive");
        equal(lines.slice(1), ["text 14 in three parts", "binary 1000", "pong hello", "text 4 more", "ended 1000 |in good order"], "lines");
    }
});

test("our client closes, its server closes: both see the code", async () => {
    for (const [code, reason] of [[1000, ""], [1001, "away"], [3000, "gr\u00fc\u00df"], [4999, "x".repeat(123)]]) {
        const key = `close-${code}`;
        await run_ws_client(`${plain}/?key=${key}`, "close", code, reason);
        equal(await end_of(key), `${code} ${reason}`, "our close");
        const lines = await run_ws_client(`${plain}/close?code=${code}&reason=${encodeURIComponent(reason)}`, "echo");
        equal(lines.at(-1), `ended ${code} ${reason}|in good order`, "its close");
    }
    check((await run_ws_client(`${plain}/abort`, "echo")).at(-1).startsWith("ended 1006 |"), "abort");
});

test("our client: subprotocols and refusals", async () => {
    const lines = await run_ws_client(`${plain}/subprotocol`, "--subprotocol", "v2.echo", "--subprotocol", "v1.echo", "receive");
    equal(lines.slice(0, 2), ["open subprotocol=v1.echo compresses=no", "text 19 subprotocol v1.echo"], "subprotocol");
    equal(await run_ws_client(`${plain}/members`), ["refused WebSocket handshake rejected"], "a stranger");
    equal((await run_ws_client(`${plain}/members`, "--field", "Authorization: x"))[0].split(" ")[0], "open", "a member");
});

await run("ws_python");
