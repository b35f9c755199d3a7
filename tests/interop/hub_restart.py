# SPDX-License-Identifier: BSL-1.0
"""A hub whose server is killed, drained and restarted under load, and whose clients are cut off: 500 event streams and 500
WebSockets that come back with the last id they saw. Afterwards each has had, of every epoch, every number in order and
once, but for what it was told that it has missed. Written on plain sockets, so that what is tested is not tested with
itself; nothing waits for a time to pass."""

import asyncio
import base64
import os
import resource
import signal
import socket
import struct
import sys
import zlib

SERVER = os.environ.get("WEIR_INTEROP_HUB_SERVER")
EACH = int(os.environ.get("WEIR_INTEROP_HUB_CLIENTS", "500"))  # of each protocol
KEPT = 300  # messages: hub_server.cpp
TIMEOUT = 170


class Record:
    """What one client has been sent, over all its connections."""

    def __init__(self, name):
        self.name = name
        self.last_id = ""
        self.epoch, self.number = None, 0  # the last one seen
        self.excused = True  # whatever comes next may follow
        self.seen = {}  # epoch: (first, last, how many)
        self.answers = []  # to subscribing
        self.skips = 0
        self.faults = []
        self.target, self.reached = None, None
        self.asked_after = ""

    def subscribed(self, how):
        self.answers.append(how)
        if how == "gap":
            self.excused = True
        elif how != ("recovered" if self.asked_after else "live"):
            self.faults.append(f"subscribed: {how}")

    def skipped(self):
        self.skips += 1
        self.excused = True

    def message(self, id, text):
        epoch, _, digits = id.partition("-")
        number = int(digits)
        if text != f"number {number}":
            self.faults.append(f"{id} is {text!r}")
        if epoch != self.epoch:
            if epoch in self.seen or not self.excused:
                self.faults.append(f"{id} comes after {self.last_id}")
            self.seen[epoch] = (number, number, 1)
        else:
            if number <= self.number or (number != self.number + 1 and not self.excused):
                self.faults.append(f"{id} comes after {self.last_id}")
            first, _, count = self.seen[epoch]
            self.seen[epoch] = (first, number, count + 1)
        self.last_id, self.epoch, self.number, self.excused = id, epoch, number, False
        if self.reached and self.has(self.target):
            self.reached.set_result(None)
            self.reached = None

    def has(self, id):
        epoch, _, digits = id.partition("-")
        return epoch == self.epoch and int(digits) <= self.number

    async def until(self, id):
        if not self.has(id):
            self.target, self.reached = id, asyncio.get_running_loop().create_future()
            await self.reached


class Client(asyncio.Protocol):
    """One connection after the other; `up` tells when there is a server to come back to."""

    def __init__(self, name, world):
        self.record, self.world = Record(name), world
        self.transport, self.leaving = None, False
        self.back = asyncio.Event()  # cleared: stays away
        self.back.set()

    async def connect(self):
        await self.back.wait()
        await self.world.up.wait()
        if self.leaving:
            return
        self.buffer, self.parse = b"", self.parse_head
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.world.port)
        except OSError:
            self.world.start(self.connect())

    def connection_made(self, transport):
        self.transport = transport
        self.record.asked_after = self.record.last_id
        transport.write(self.request())

    def connection_lost(self, _):
        self.transport = None
        if not self.leaving:
            self.world.start(self.connect())

    def data_received(self, data):
        self.buffer += data
        while self.buffer and self.parse():
            pass

    def parse_head(self):
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        status = head.split(b" ", 2)[1]
        if status == self.accepted:
            self.buffer, self.parse = rest, self.parse_body
            self.begin()
        elif status in (b"503", b"204"):  # it is draining
            self.buffer = b""
            self.transport.close()
        else:
            self.record.faults.append(head.decode())
        return True

    def begin(self):
        pass

    def cut(self, politely):
        if self.transport is None:
            return
        if not politely:
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()

    def leave(self):
        self.leaving = True
        self.cut(True)


class EventStream(Client):
    accepted = b"200"

    def request(self):
        last = f"Last-Event-ID: {self.record.last_id}\r\n" if self.record.last_id else ""
        return f"GET /sse HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n{last}\r\n".encode()

    def parse_body(self):
        block, end, rest = self.buffer.partition(b"\n\n")
        if not end:
            return False
        self.buffer = rest
        fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if line and not line.startswith(":"))
        event = fields.get("event")
        if event == "subscribed":
            self.record.subscribed(fields["data"])
        elif event == "skipped":
            self.record.skipped()
        elif "data" in fields:
            self.record.message(fields["id"], fields["data"])
        elif fields.keys() == {"id"}:  # no event, but where this one begins; browsers keep it as well
            self.record.last_id = fields["id"]
        elif fields.keys() - {"retry"}:
            self.record.faults.append(str(fields))
        return True


class WebSocket(Client):
    accepted = b"101"
    path, more = "/ws", ""

    def request(self):
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        return f"GET {self.path} HTTP/1.1\r\nHost: test\r\n{upgrade}Sec-WebSocket-Key: {key}\r\n{self.more}\r\n".encode()

    def begin(self):
        self.send(1, f"resume {self.record.last_id}".encode())

    def send(self, opcode, payload):
        self.transport.write(bytes([128 | opcode, 128 | len(payload), 0, 0, 0, 0]) + payload)

    def parse_body(self):
        if len(self.buffer) < 2:
            return False
        first, size, at = self.buffer[0], self.buffer[1], 2
        if size == 126:
            size, at = int.from_bytes(self.buffer[2:4], "big"), 4
        if len(self.buffer) < at + size:
            return False
        payload, self.buffer = self.buffer[at : at + size], self.buffer[at + size :]
        if first & 15 == 1:
            self.hear(self.text_of(first, payload))
        elif first & 15 == 8:
            self.send(8, payload[:2])
            self.transport.close()
        elif first & 15 == 9:
            self.send(10, payload)
        else:
            self.record.faults.append(f"opcode {first & 15}")
        return True

    def text_of(self, first, payload):
        return payload.decode()

    def hear(self, text):
        word, _, rest = text.partition(" ")
        if word == "subscribed":
            self.record.subscribed(rest)
        elif word == "skipped":
            self.record.skipped()
        else:
            self.record.message(word, rest)


class DeflatedWebSocket(WebSocket):
    path = "/deflated"
    more = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"

    def text_of(self, first, payload):
        if first & 64:
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        return payload.decode()


class World:
    def __init__(self):
        self.up, self.port, self.process, self.tasks = asyncio.Event(), 0, None, set()

    def start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def start_server(self):
        self.process = await asyncio.create_subprocess_exec(
            SERVER, "--port", str(self.port), stdout=asyncio.subprocess.PIPE)
        word, port = (await self.process.stdout.readline()).decode().split()
        assert word == "listening" and self.port in (0, int(port)), f"{word} {port}"
        self.port = int(port)
        self.up.set()

    async def end_server(self, how):
        self.up.clear()
        self.process.send_signal(how)
        return await self.process.wait()

    async def ask(self, method, target):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == b"200", head
        return body.decode()

    async def later(self, count=5):
        """An id that is not there yet."""
        epoch, _, number = (await self.ask("GET", "/last")).partition("-")
        return f"{epoch}-{int(number) + count}"


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def make(kinds, count, world, name):
    clients = [kind(f"{name} {kind.__name__} {i}", world) for kind in kinds for i in range(count)]
    for client in clients:
        world.start(client.connect())
    return clients


async def all_have(clients, id):
    await asyncio.gather(*(client.record.until(id) for client in clients))


def passed(sentence):
    print(f"passed: {sentence}", flush=True)


async def restart(world, clients, how, status):
    old = (await world.ask("GET", "/last")).partition("-")[0]
    before = [len(client.record.answers) for client in clients]
    check(await world.end_server(how) == status, f"exit status, {how}")
    await world.start_server()
    target = await world.later()
    check(target.partition("-")[0] != old, "the epoch of another process")
    await all_have(clients, target)
    for client, answers in zip(clients, before):
        check(client.record.answers[answers:][-1:] == ["gap"], f"{client.record.name}: {client.record.answers}")


async def go_through(world):
    await world.start_server()
    clients = make([EventStream], EACH, world, "first")
    clients += make([WebSocket, DeflatedWebSocket], EACH // 2, world, "first")
    await all_have(clients, await world.later())
    check(all(client.record.answers == ["live"] for client in clients), "all begin live")
    passed(f"{len(clients)} clients read")

    for round in range(3):
        cut = [client for i, client in enumerate(clients) if i % 3 == round]
        before = [len(client.record.answers) for client in cut]
        for i, client in enumerate(cut):
            client.cut(politely=i % 2 == 0)
        await all_have(clients, await world.later())
        for client, answers in zip(cut, before):
            check(client.record.answers[answers:] == ["recovered"], f"{client.record.name}: {client.record.answers}")
    passed("clients that were cut off come back and have missed nothing")

    away = clients[:: max(1, len(clients) // 20)]
    for client in away:
        client.back.clear()
        client.cut(politely=True)
    newest = await world.later(2 * KEPT)
    await world.ask("POST", f"/burst?count={2 * KEPT}")
    await all_have([client for client in clients if client not in away], newest)
    for client in away:
        client.back.set()
    await all_have(away, newest)
    check(all(client.record.answers[-1] == "gap" for client in away), "who stays away for too long is told of a gap")
    passed("who stays away for too long is told so, and gets what is kept")

    await restart(world, clients, signal.SIGKILL, -signal.SIGKILL)
    passed("killed and restarted")
    await restart(world, clients, signal.SIGTERM, 0)
    passed("drained and restarted")
    await restart(world, clients, signal.SIGKILL, -signal.SIGKILL)
    passed("killed and restarted again")

    await world.ask("POST", f"/burst?count={KEPT}")
    await all_have(clients, await world.later(KEPT // 2))
    newest = await world.ask("POST", "/stop")
    await all_have(clients, newest)
    late = make([EventStream, WebSocket, DeflatedWebSocket], 10, world, "late")
    for client in late:
        client.record.last_id = "another-1"
    await all_have(late, newest)
    last = int(newest.partition("-")[2])
    for client in late:
        check(client.record.answers == ["gap"], f"{client.record.name}: {client.record.answers}")
        expected = [(max(1, last - KEPT + 1), last, min(last, KEPT))]
        check(list(client.record.seen.values()) == expected, f"{client.record.name}: {client.record.seen}")
    passed("all have the newest, and whoever comes now has all that is kept")

    for client in clients:
        check(len(client.record.seen) == 4, f"{client.record.name}: {client.record.seen}")
    faults = [f"{client.record.name}: {fault}" for client in clients + late for fault in client.record.faults]
    check(not faults, f"{len(faults)} faults: {faults[:10]}")
    received = sum(count for client in clients + late for _, _, count in client.record.seen.values())
    skips = sum(client.record.skips for client in clients + late)
    passed(f"{received} messages, each once and in order; {skips} times something was missing, and told of")

    for client in clients + late:
        client.leave()
    while await world.ask("GET", "/subscribers") != "0":
        pass
    check(await world.end_server(signal.SIGTERM) == 0, "exit status")
    passed("and nobody is left")


async def main():
    world = World()
    try:
        await asyncio.wait_for(go_through(world), TIMEOUT)
    finally:
        if world.process and world.process.returncode is None:
            world.process.kill()
            await world.process.wait()


if not SERVER:
    sys.exit("WEIR_INTEROP_HUB_SERVER is not set")
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))  # the server's, too
asyncio.run(main())
