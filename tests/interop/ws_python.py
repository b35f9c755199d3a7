# SPDX-License-Identifier: BSL-1.0
"""Python's websockets, driven by ws_python.mjs. `client URL` goes through everything as a client of the server there and
fails with what it does not understand; `server` prints `listening N` and does what the path of each connection says."""

import asyncio
import collections
import http
import sys
from urllib.parse import parse_qsl, urlsplit

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

SIZES = [0, 1, 125, 126, 127, 65535, 65536, 65537, 1 << 20, 8 << 20]
FEW = [0, 1, 126, 1000, 65536, 1 << 18]
COMMON = {"max_size": 32 << 20, "ping_interval": None, "close_timeout": 60}


def text_of(size):
    return ("the otter and the heron, " * (size // 25 + 1))[:size]


def binary_of(size):
    return bytes((i * 7) % 251 for i in range(251)) * (size // 251) + b"x" * (size % 251)


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {str(expected)[:200]!r}, got {str(actual)[:200]!r}")


# ------------------------------------------------------------------------------------------------------------- as client


class Client:
    def __init__(self, url):
        self.url = url

    def connect(self, target, **options):
        return websockets.connect(self.url + target, **{"compression": None, **COMMON, **options})

    async def round_trips(self, ws, sizes):
        for size in sizes:
            for message in (text_of(size), binary_of(size)):
                await ws.send(message)
                equal(await ws.recv(), message, f"{size} bytes")

    async def all_sizes(self):
        async with self.connect("/echo") as ws:
            equal(ws.extensions, [], "extensions")
            await self.round_trips(ws, SIZES)
        equal(ws.close_code, 1000, "close")

    async def compression(self):
        bits = [{"server_max_window_bits": n, "client_max_window_bits": max(n, 9)} for n in range(8, 16)]
        for given in [
            {},
            {"client_max_window_bits": True},
            {"server_no_context_takeover": True},
            {"client_no_context_takeover": True},
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            *bits,
        ]:
            for target in ("/deflate", "/deflate/forgetful"):
                async with self.connect(target, extensions=[ClientPerMessageDeflateFactory(**given)]) as ws:
                    equal(len(ws.extensions), 1, f"extensions for {given}")
                    await self.round_trips(ws, FEW)
        async with self.connect("/deflate/small", compression="deflate") as ws:
            await self.round_trips(ws, SIZES)
        async with self.connect("/echo", compression="deflate") as ws:
            equal(ws.extensions, [], "extensions of a server that does not compress")

    async def fragments(self):
        for target, compression in (("/echo", None), ("/pieces", None), ("/deflate", "deflate"), ("/pieces/deflate", "deflate")):
            async with self.connect(target, compression=compression) as ws:
                await ws.send(f"part {i}, " for i in range(50))
                equal(await ws.recv(), "".join(f"part {i}, " for i in range(50)), "text")

                async def with_pings():
                    for i in range(20):
                        yield b"x" * i
                        await (await ws.ping(f"{i}"))  # answered while the message is on its way

                await ws.send(with_pings())
                equal(await ws.recv(), b"x" * 190, "binary")

    async def pings(self):
        async with self.connect("/script") as ws:
            await (await ws.ping("hello"))
            await ws.send("ping are you there")
            equal(await ws.recv(), "pong are you there", "its pong")

    async def closing(self):
        for code, reason in ((1000, ""), (1001, "away"), (3000, "gr\u00fc\u00df"), (4999, "x" * 123)):
            async with self.connect("/script") as ws:
                await ws.close(code, reason)
                equal(ws.close_code, code, "our close")
            async with self.connect("/script") as ws:
                await ws.send(f"close {code} {reason}")
                await ws.wait_closed()
                equal((ws.close_code, ws.close_reason), (code, reason), "its close")
        async with self.connect("/script") as ws:
            await ws.send("abort")
            await ws.wait_closed()
            equal(ws.close_code, 1006, "abort")

    async def subprotocols(self):
        async with self.connect("/subprotocols", subprotocols=["v1.echo", "v2.echo"]) as ws:
            equal(ws.subprotocol, "v2.echo", "subprotocol")
        async with self.connect("/subprotocols", subprotocols=["other"]) as ws:
            equal(ws.subprotocol, None, "none in common")

    async def refused(self, target, **options):
        try:
            async with self.connect(target, **options):
                return None
        except websockets.exceptions.InvalidStatusCode as e:
            return e.status_code

    async def refusals(self):
        equal(await self.refused("/members"), 401, "a stranger")
        equal(await self.refused("/members", extra_headers={"Authorization": "x"}), None, "a member")
        equal(await self.refused("/echo", origin="https://evil.example"), 403, "a foreign origin")
        equal(await self.refused("/origins", origin="https://app.example"), None, "an origin on the list")
        equal(await self.refused("/nowhere"), 404, "an unknown path")

    async def faults(self):
        for target, frame, code in (
            ("/echo", (True, 3, b"opcode"), 1002),
            ("/echo", (True, 0, b"continuation"), 1002),
            ("/echo", (True, 1, b"\xed\xa0\x80"), 1007),
            ("/echo", (False, 9, b"fragmented ping"), 1002),
            ("/small", (True, 1, b"x" * 1001), 1009),
        ):
            async with self.connect(target) as ws:
                await ws.write_frame(*frame, _state=ws.state) if frame[1] in (0, 1) else self.raw(ws, frame)
                await ws.wait_closed()
                equal(ws.close_code, code, f"{frame}")

    def raw(self, ws, frame):
        fin, opcode, payload = frame
        ws.transport.write(bytes([opcode | (128 if fin else 0), 128 | len(payload), 0, 0, 0, 0]) + payload)

    async def many(self):
        async def one(number):
            async with self.connect("/echo" if number % 2 else "/deflate", compression="deflate") as ws:
                for i in range(20):
                    await ws.send(f"client {number}, message {i}")
                for i in range(20):
                    equal(await ws.recv(), f"client {number}, message {i}", "echo")

        await asyncio.gather(*(one(number) for number in range(20)))


async def as_client(url):
    client = Client(url)
    for name in ("all_sizes", "compression", "fragments", "pings", "closing", "subprotocols", "refusals", "faults", "many"):
        await getattr(client, name)()
        print(f"passed {name}", flush=True)


# ------------------------------------------------------------------------------------------------------------- as server

visits = collections.Counter()  # by key


async def handle(ws, path):
    url = urlsplit(path)
    query = dict(parse_qsl(url.query))
    if url.path == "/fragments":
        await (await ws.ping("still there"))
        await ws.send(["in ", "three ", "parts"])
        await ws.send(b"x" for _ in range(1000))
    if url.path == "/close":
        await ws.close(int(query["code"]), query.get("reason", ""))
    if url.path == "/abort":
        ws.transport.abort()
    if url.path == "/welcome":
        visits[query["key"]] += 1
        await ws.send(f"welcome {visits[query['key']]}")
    if url.path == "/subprotocol":
        await ws.send(f"subprotocol {ws.subprotocol}")
    try:
        async for message in ws:
            await ws.send(message)
    except websockets.exceptions.ConnectionClosedError:  # any code but 1000 and 1001
        pass
    if "key" in query:
        print(f"ended {query['key']} {ws.close_code} {ws.close_reason}", flush=True)


async def guard(path, headers):
    if path == "/members" and "Authorization" not in headers:
        return http.HTTPStatus.UNAUTHORIZED, [("WWW-Authenticate", "Basic")], b"members only\n"


async def as_server():
    """One port for each way to compress: `listening` and all of them, in this order."""
    ways = [None, {}, {"server_no_context_takeover": True}, {"client_no_context_takeover": True}]
    ways += [{"server_max_window_bits": max(n, 9), "client_max_window_bits": n} for n in range(8, 16)]
    ports = []
    for given in ways:
        extensions = [] if given is None else [ServerPerMessageDeflateFactory(**given)]
        server = await websockets.serve(handle, "127.0.0.1", 0, compression=None, extensions=extensions, subprotocols=["v1.echo"],
                                        process_request=guard, **COMMON)
        ports.append(str(server.sockets[0].getsockname()[1]))
    print("listening", *ports, flush=True)
    await asyncio.get_running_loop().create_future()


asyncio.run(as_client(sys.argv[2]) if sys.argv[1] == "client" else as_server())
