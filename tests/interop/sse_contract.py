# SPDX-License-Identifier: BSL-1.0
"""weir::sse_client behind examples/sse_contract_service, driven as the public contract tests for SSE clients would drive it
(github.com/launchdarkly/sse-contract-tests): this plays their part. It has the service open streams, serves those streams,
and compares what the service posts. What they check is here, and some more; nothing sleeps."""

import asyncio
import json
import os
import socket
import struct
import sys
import time

SERVICE = os.environ.get("WEIR_SSE_CONTRACT_SERVICE")
TIMEOUT = 30  # seconds for one test: a failure, not a measure
tests = []


def test(sentence):
    return lambda run: tests.append((sentence, run))


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(actual, expected, what):
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


def event(data, type="message", id=""):
    return {"kind": "event", "event": {"type": type, "data": data, "id": id}}


# -------------------------------------------------------------------------------------------------------------- plain HTTP


class Request:
    """One that came in, and the connection it came on."""

    def __init__(self, method, target, fields, body, reader, writer):
        self.method, self.target, self.fields, self.body = method, target, fields, body
        self.reader, self.writer, self.framing = reader, writer, "chunked"
        self.at = time.monotonic()

    @staticmethod
    async def read(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head[:-4].split("\r\n")
        method, target, _ = line.split(" ")
        fields = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        return Request(method, target, fields, body, reader, writer)

    async def answer(self, status, fields=(), body=""):
        head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close", *fields]
        self.writer.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())
        await self.close()

    async def begin(self, framing="chunked", content_type="text/event-stream"):
        """Answers with an event stream."""
        self.framing = framing
        coding = ["Transfer-Encoding: chunked"] if framing == "chunked" else []
        head = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", *coding]
        self.writer.write(("\r\n".join(head) + "\r\n\r\n").encode())
        return self

    async def send(self, *pieces):
        """Each piece leaves on its own, and is a chunk of its own."""
        for piece in pieces:
            data = piece.encode() if isinstance(piece, str) else piece
            self.writer.write(b"%x\r\n%b\r\n" % (len(data), data) if self.framing == "chunked" else data)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def end(self):
        """In good order."""
        if self.framing == "chunked":
            self.writer.write(b"0\r\n\r\n")
        await self.close()

    async def close(self):
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass

    def reset(self):
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()

    async def left(self):
        """Until the client has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass
        self.writer.close()


async def ask(port, method, target, document=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = document if isinstance(document, str) else json.dumps(document) if document is not None else ""
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                 .encode())
    answer = await reader.read()
    writer.close()
    head, _, body = answer.decode().partition("\r\n\r\n")
    line, *rest = head.split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    return int(line.split(" ")[1]), fields, body


# --------------------------------------------------------------------------------------------------- the suite's two roles


class Harness:
    """Serves /<case>/..., for streams, and /<case>/callbacks/<client>/<number>."""

    def __init__(self):
        self.cases, self.port, self.service, self.process = {}, 0, 0, None

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.process = await asyncio.create_subprocess_exec(SERVICE, "0", stdout=asyncio.subprocess.PIPE)
        line = (await self.process.stdout.readline()).decode().strip()
        check(line.startswith("http://127.0.0.1:"), f"the service printed {line!r}")
        self.service = int(line.rstrip("/").rpartition(":")[2])

    async def serve(self, reader, writer):
        try:
            request = await Request.read(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return writer.close()
        _, name, *rest = request.target.split("/")
        case = self.cases.get(name)
        if case is None:
            await request.answer(404)
        elif rest[0] == "callbacks":
            case.told(*map(int, rest[1:]), json.loads(request.body))
            await request.answer(202)
        else:
            case.connections.append(writer)
            case.requests.put_nowait(request)

    async def run(self, sentence, run):
        case = Case(self, str(len(self.cases)))
        self.cases[case.name] = case
        try:
            await asyncio.wait_for(run(case), TIMEOUT)
            await asyncio.wait_for(case.finish(), TIMEOUT)
        except (Exception, asyncio.TimeoutError) as e:
            print(f"FAILED: {sentence}: {type(e).__name__}: {e}", flush=True)
            return False
        print(f"passed: {sentence}", flush=True)
        return True


class Case:
    """One client of the service's, after another."""

    def __init__(self, harness, name):
        self.harness, self.name, self.location, self.clients, self.connections = harness, name, None, 0, []

    def url(self, path=""):
        return f"http://127.0.0.1:{self.harness.port}/{self.name}/{path}"

    def told(self, client, number, message):
        if client != self.clients:
            return
        self.count += 1
        self.messages.put_nowait(message if number == self.count else f"{number} instead of {self.count}: {message}")

    async def create(self, **parameters):
        self.clients, self.count = self.clients + 1, 0
        self.requests, self.messages = asyncio.Queue(), asyncio.Queue()
        callbacks = self.url(f"callbacks/{self.clients}")
        wanted = {"streamUrl": self.url(), "callbackUrl": callbacks, "tag": self.name, "initialDelayMs": 0}
        status, fields, _ = await ask(self.harness.service, "POST", "/", wanted | parameters)
        equal(status, 201, "the stream is created")
        self.location = fields["location"]

    async def open(self, framing="chunked", **parameters):
        """A client, and its first stream."""
        await self.create(**parameters)
        return await (await self.request()).begin(framing)

    async def request(self):
        return await self.requests.get()

    async def command(self, document):
        return (await ask(self.harness.service, "POST", self.location, document))[0]

    async def expect(self, *messages):
        for message in messages:
            equal(await self.messages.get(), message, "message")

    async def expect_error(self):
        message = await self.messages.get()
        equal(message["kind"], "error", f"kind of {message}")
        check(message["error"], "an error has a text")
        return message["error"]

    async def expect_silence(self):
        """It does not come back: not while the service, which has one thread, does other things."""
        for _ in range(20):
            await ask(self.harness.service, "GET", "/")
        equal(self.requests.qsize(), 0, "further requests")

    async def delete(self):
        return (await ask(self.harness.service, "DELETE", self.location))[0]

    async def finish(self):
        if not self.location:
            return
        equal(await self.delete(), 204, "the stream is deleted")
        equal(self.messages.qsize(), 0, f"further messages, {self.messages}")
        self.location = None
        while self.connections:
            self.connections.pop().close()


# -------------------------------------------------------------------------------------------------------------- the service


@test("the service says what it can")
async def _(t):
    status, fields, body = await ask(t.harness.service, "GET", "/")
    equal((status, fields["content-type"]), (200, "application/json"), "status, type")
    equal(set(json.loads(body)["capabilities"]),
          {"bom", "empty-or-missing-location", "headers", "last-event-id", "payload-size-stress-testable", "post",
           "read-timeout", "report", "restart", "server-directed-shutdown-request"}, "capabilities")


@test("what cannot be understood is 400, what is not there 404")
async def _(t):
    for document in ("", "no JSON", "[]", "{}", {"streamUrl": t.url()}, {"streamUrl": 7, "callbackUrl": t.url()},
                     {"streamUrl": t.url(), "callbackUrl": t.url(), "headers": {"x": 7}}):
        equal((await ask(t.harness.service, "POST", "/", document))[0], 400, document)
    await t.open()
    equal(await t.command({"command": "dance"}), 400, "an unknown command")
    equal(await t.command({}), 400, "no command")
    equal(await t.command({"command": "listen", "listen": {"type": "greeting"}}), 204, "listen")
    for method in ("POST", "DELETE"):
        equal((await ask(t.harness.service, method, "/streams/0", {"command": "restart"}))[0], 404, method)


@test("a stream that is deleted is left, and is not there any more")
async def _(t):
    stream = await t.open()
    equal(await t.delete(), 204, "DELETE")
    await stream.left()
    equal(await t.delete(), 404, "once more")
    t.location = None
    await t.expect_silence()


@test("what is null is as good as not there")
async def _(t):
    await (await t.open(readTimeoutMs=None, lastEventId=None, headers=None, method=None, body=None)).send("data: x\n\n")
    await t.expect(event("x"))


# ------------------------------------------------------------------------------------------------------------------ parsing

BOM = "\ufeff"
streams = {
    "one line": (["data: Hello\n\n"], [event("Hello")]),
    "one line in two pieces": (["data: Hel", "lo\n\n"], [event("Hello")]),
    "two events in one piece": (["data: Hello\n\ndata: World\n\n"], [event("Hello"), event("World")]),
    "two events in three pieces": (["data: Hel", "lo\n\ndata: Wo", "rld\n\n"], [event("Hello"), event("World")]),
    "two lines": (["data: Hello\ndata:World\n\n"], [event("Hello\nWorld")]),
    "empty data": (["data:\n\n"], [event("")]),
    "no data, no event": (["event: greeting\nid: 1\n\ndata: x\n\n"], [event("x", id="1")]),
    "a type": (["event: greeting\ndata: Hello\n\n"], [event("Hello", "greeting")]),
    "a type is for one event": (["event: a\ndata: 1\n\ndata: 2\n\n"], [event("1", "a"), event("2")]),
    "an empty type": (["event: a\nevent:\ndata: 1\n\n"], [event("1")]),
    "an id": (["id: abc\ndata: Hello\n\n"], [event("Hello", id="abc")]),
    "an id and a type": (["event: greeting\nid: abc\ndata: Hello\n\n"], [event("Hello", "greeting", "abc")]),
    "an id with NUL": (["id: a\0bc\ndata: Hello\n\n"], [event("Hello")]),
    "an id stays": (["id: abc\ndata: 1\n\n", "data: 2\n\n"], [event("1", id="abc"), event("2", id="abc")]),
    "an empty id": (["id: abc\ndata: 1\n\n", "id: \ndata: 2\n\n"], [event("1", id="abc"), event("2")]),
    "any order": (["data: Hello\nid: abc\nevent: greeting\n\n"], [event("Hello", "greeting", "abc")]),
    "an unknown field": (["event: greeting\ncolor: blue\ndata: Hello\n\n"], [event("Hello", "greeting")]),
    "no space": (["event:greeting\ndata:Hello\n\n"], [event("Hello", "greeting")]),
    "two spaces": (["event:  greeting\ndata:  Hello\n\n"], [event(" Hello", " greeting")]),
    "no colon": (["data\n\ndata\ndata\n\n"], [event(""), event("\n")]),
    "comments": ([":\n: a\ndata: 1\n:b\n\n"], [event("1")]),
    "UTF-8": (["data: \u20ac\u8c46\u8150\U0001f600\n\n"], [event("\u20ac\u8c46\u8150\U0001f600")]),
    "what is not UTF-8": ([b"data: a\xffb\n\n"], [event("a\ufffdb")]),
    "control characters": (["data: \x01\"\\\t\n\n"], [event("\x01\"\\\t")]),
    "a hundred events": (["".join(f"data: message {i}\n\n" for i in range(100))], [event(f"message {i}") for i in range(100)]),
    "a byte order mark": ([BOM + "data: Hello\n\n"], [event("Hello")]),
    "a byte order mark, in pieces": ([b"\xef", b"\xbb", b"\xbf", "data: Hello\n\n"], [event("Hello")]),
    "a byte order mark, a comment": ([BOM + ":comment\ndata: Hello\n\n"], [event("Hello")]),
    "two byte order marks": ([BOM + "data: " + BOM + "Hello\n\n"], [event(BOM + "Hello")]),
    "a byte order mark later": (["data: 1\n\n", BOM + "data: 2\n\n", "data: 3\n\n"], [event("1"), event("3")]),
}
for end in ("\n", "\r\n", "\r"):
    for name, lines, expected in (
        ("one line", ["data: 1", "", "data: 2", ""], ["1", "2"]),
        ("an empty line first", ["data:", "data: 2", "data: 3", ""], ["\n2\n3"]),
        ("an empty line within", ["data: 1", "data:", "data: 3", ""], ["1\n\n3"]),
        ("more blank lines", ["data: 1", "", "", "", "data: 2", ""], ["1", "2"]),
    ):
        # One more line, since a CR alone may be the first half of a CRLF.
        text = end.join(lines + [":", ""])
        streams[f"{name}, {end!r}"] = ([text], [event(data) for data in expected])
streams["CRLF in two pieces"] = (["data: Hello\r", "\ndata: World\r", "\n\r\ndata: OK\r", "\n", "\r", "\n"],
                                 [event("Hello\nWorld"), event("OK")])


def bytes_of(pieces):
    return b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)


def add_parsing_test(name, pieces, expected):
    @test(f"parsing: {name}")
    async def _(t):
        await (await t.open()).send(*pieces)
        await t.expect(*expected)
        await t.finish()
        for size in (1, 2):
            whole = bytes_of(pieces)
            await (await t.open()).send(*(whole[i : i + size] for i in range(0, len(whole), size)))
            await t.expect(*expected)
            await t.finish()


for name, (pieces, expected) in streams.items():
    add_parsing_test(name, pieces, expected)


@test("parsing: cut in two at every byte")
async def _(t):
    whole = (BOM + "id: 7\r\nevent: \u20ac\r\ndata: a\rdata: b\n\n:\n\n").encode()
    for at in range(1, len(whole)):
        await (await t.open()).send(whole[:at], whole[at:])
        await t.expect(event("a\nb", "\u20ac", "7"))
        await t.finish()


@test("parsing: to the end of the connection, as HTTP/1.1 has it without a length")
async def _(t):
    stream = await t.open(framing="none")
    await stream.send("data: 1\n\n", "data: 2\n\n", "data: lost")
    await stream.end()
    await t.expect(event("1"), event("2"))
    await (await t.request()).begin()


@test("parsing: long events")
async def _(t):
    stream = await t.open()
    for size in (1023, 1024, 1025, 4095, 8193, 65536, 1048577, 12 * 1024 * 1024):
        await stream.send("data: " + "x" * size + "\n\n")
        actual = (await t.messages.get())["event"]["data"]
        check(actual == "x" * size, f"{size} bytes, of which {len(actual)} came")


# --------------------------------------------------------------------------------------------------------------------- HTTP


@test("HTTP: what is asked")
async def _(t):
    request = await t.open()
    equal((request.method, request.body), ("GET", b""), "method, body")
    equal(request.fields["accept"], "text/event-stream", "Accept")
    equal(request.fields["cache-control"], "no-cache", "Cache-Control")
    equal(request.fields["host"], f"127.0.0.1:{t.harness.port}", "Host")
    check("last-event-id" not in request.fields, "Last-Event-ID")


@test("HTTP: fields of the caller's")
async def _(t):
    request = await t.open(headers={"header-name-1": "value-1", "header-name-2": "value-2"})
    equal((request.fields["header-name-1"], request.fields["header-name-2"]), ("value-1", "value-2"), "fields")


@test("HTTP: POST and REPORT, with a body")
async def _(t):
    for method in ("POST", "REPORT"):
        body = '{"hello": "w\u00f6rld \U0001f600"}'
        request = await t.open(method=method, body=body, headers={"content-type": "application/json; charset=utf-8"})
        equal((request.method, request.body.decode()), (method, body), "method, body")
        equal(request.fields["content-type"], "application/json; charset=utf-8", "Content-Type")
        await t.finish()


@test("HTTP: Last-Event-ID in the first request")
async def _(t):
    request = await t.open(lastEventId="abc")
    equal(request.fields["last-event-id"], "abc", "Last-Event-ID")
    await request.send("data: x\n\n")
    await t.expect(event("x", id="abc"))


@test("HTTP: redirects")
async def _(t):
    for status in (301, 302, 303, 307, 308):
        for to in (t.url(f"to{status}"), f"/{t.name}/to{status}"):
            await t.create()
            await (await t.request()).answer(status, [f"Location: {to}"])
            stream = await t.request()
            equal(stream.target, f"/{t.name}/to{status}", "where to")
            await (await stream.begin()).send("data: Hello\n\n")
            await t.expect(event("Hello"))
            await t.finish()


@test("HTTP: redirects to nowhere")
async def _(t):
    for status in (301, 307):
        for fields in ([], ["Location: "], ["Location: ftp://127.0.0.1/"]):
            await t.create()
            await (await t.request()).answer(status, fields)
            await t.expect_error()
            await t.expect_silence()
            await t.finish()


@test("HTTP: a redirect without end")
async def _(t):
    await t.create()
    for _ in range(21):
        await (await t.request()).answer(307, [f"Location: {t.url()}"])
    await t.expect_error()
    await t.expect_silence()


@test("HTTP: 204 ends it, and is no error")
async def _(t):
    await t.create()
    await (await t.request()).answer(204)
    await t.expect_silence()
    await t.finish()
    stream = await t.open()
    await stream.send("data: x\n\n")
    await stream.end()
    await (await t.request()).answer(204)
    await t.expect(event("x"))
    await t.expect_silence()


@test("HTTP: other answers end it")
async def _(t):
    for status in (201, 400, 401, 404, 500, 503):
        await t.create()
        await (await t.request()).answer(status, ["Content-Type: text/event-stream"], "data: no event\n\n")
        await t.expect_error()
        await t.expect_silence()
        await t.finish()


@test("HTTP: what is no event stream ends it")
async def _(t):
    for kind in ("text/plain", "text/event-streams", "application/json"):
        await t.create()
        stream = await (await t.request()).begin(content_type=kind)
        await stream.send("data: no event\n\n")
        await stream.end()
        await t.expect_error()
        await t.expect_silence()
        await t.finish()
    await t.create()
    stream = await (await t.request()).begin(content_type="Text/Event-Stream; charset=utf-8")
    await stream.send("data: x\n\n")
    await t.expect(event("x"))


# ------------------------------------------------------------------------------------------------------------- coming back


async def end_in_good_order(stream):
    await stream.end()


async def cut_off(stream):
    await stream.close()


async def reset(stream):
    stream.reset()


@test("coming back: with the last id, however the stream has ended")
async def _(t):
    for how, faults in ((end_in_good_order, 0), (cut_off, 1), (reset, 1)):
        stream = await t.open()
        await stream.send("id: abc\ndata: Hello\n\n", "data: World\n\n")
        await t.expect(event("Hello", id="abc"), event("World", id="abc"))
        await how(stream)
        for _ in range(faults):
            await t.expect_error()
        again = await (await t.request()).begin()
        equal(again.fields["last-event-id"], "abc", "Last-Event-ID")
        await again.send("data: 2\n\n", "id: def\ndata: 3\n\n")
        await t.expect(event("2", id="abc"), event("3", id="def"))
        await t.finish()


@test("coming back: without an id that is not there any more")
async def _(t):
    stream = await t.open()
    await stream.send("id: abc\ndata: 1\n\n", "id:\ndata: 2\n\n")
    await t.expect(event("1", id="abc"), event("2"))
    await stream.end()
    check("last-event-id" not in (await t.request()).fields, "Last-Event-ID")


@test("coming back: what was not complete is lost, its id too")
async def _(t):
    stream = await t.open()
    await stream.send("id: abc\ndata: Hello\n\nid: def\nevent: e\ndata: Goodbye")
    await t.expect(event("Hello", id="abc"))
    await stream.close()
    await t.expect_error()
    again = await (await t.request()).begin()
    equal(again.fields["last-event-id"], "abc", "Last-Event-ID")
    await again.send("data: We meet again\n\n")
    await t.expect(event("We meet again", id="abc"))


@test("coming back: the same request, its body too")
async def _(t):
    stream = await t.open(method="POST", body="hello", headers={"content-type": "text/plain", "x-key": "7"})
    await stream.end()
    again = await t.request()
    equal((again.method, again.body), ("POST", b"hello"), "method, body")
    equal((again.fields["content-type"], again.fields["x-key"]), ("text/plain", "7"), "fields")


@test("coming back: not before the time that was asked for")
async def _(t):
    stream = await t.open(initialDelayMs=300)
    before = time.monotonic()
    await stream.end()
    check((await t.request()).at - before >= 0.29, "too soon")
    await t.finish()
    stream = await t.open(initialDelayMs=0)
    await stream.send("retry: 300\n")
    before = time.monotonic()
    await stream.end()
    check((await t.request()).at - before >= 0.29, "too soon, after retry:")


@test("coming back: as soon as the server has it")
async def _(t):
    stream = await t.open(initialDelayMs=10 * 60 * 1000)
    await stream.send("retry: 1\n", "retry: soon\n")
    await stream.end()
    await t.request()


@test("coming back: when nothing is received in time")
async def _(t):
    stream = await t.open(readTimeoutMs=200)
    await stream.send("data: Hello\n\n")
    await t.expect(event("Hello"))
    await t.expect_error()
    await stream.left()
    again = await (await t.request()).begin()
    await again.send("data: x\n\n")
    await t.expect(event("x"))


@test("coming back: when there was no answer, or half of one")
async def _(t):
    await t.create()
    await (await t.request()).close()
    half = await t.request()
    half.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/ev")
    await half.close()
    await (await (await t.request()).begin()).send("data: x\n\n")
    messages = [await t.messages.get()]
    while messages[-1]["kind"] == "error":
        messages.append(await t.messages.get())
    equal(messages[-1], event("x"), "message")


@test("coming back: when it is told to")
async def _(t):
    stream = await t.open(initialDelayMs=10 * 60 * 1000)
    await stream.send("id: 1\ndata: Hello\n\n")
    await t.expect(event("Hello", id="1"))
    equal(await t.command({"command": "restart"}), 204, "restart")
    await stream.left()
    again = await (await t.request()).begin()
    equal(again.fields["last-event-id"], "1", "Last-Event-ID")
    await again.send("data: Thanks\n\n")
    await t.expect(event("Thanks", id="1"))


async def main():
    harness = Harness()
    try:
        await harness.start()
        failed = [sentence for sentence, run in tests if not await harness.run(sentence, run)]
        equal((await ask(harness.service, "DELETE", "/"))[0], 204, "the service is told to end")
        equal(await asyncio.wait_for(harness.process.wait(), TIMEOUT), 0, "its exit status")
    finally:
        if harness.process and harness.process.returncode is None:
            harness.process.kill()
            await harness.process.wait()
    print(f"{len(tests) - len(failed)} of {len(tests)} tests passed")
    sys.exit(bool(failed))


if not SERVICE:
    sys.exit("WEIR_SSE_CONTRACT_SERVICE is not set")
asyncio.run(main())
