# SPDX-License-Identifier: BSL-1.0
"""Python's http.server with the paths of sse_servers.mjs. The argument is the version of HTTP that it answers with: 1.0
or 1.1. Either way a stream's body ends with its connection. Prints `listening N`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TYPED = (
    "data: plain\n\n"
    'event: price\r\nid: 7\r\ndata: {"bid":1}\r\n\r\n'
    "data: first line\rdata: second line\r\r"
    "data\n\n"
    "data:gr\u00fc\u00df\u20ac\n\n"
)


def text_of(n):
    return [f"number {n}"] + (["x" * (n % 200)] if n % 5 == 0 else [])


class Handler(BaseHTTPRequestHandler):
    protocol_version = f"HTTP/{sys.argv[1]}"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/typed":
            return self.stream([TYPED])
        if url.path == "/request":
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            fields = {name.lower(): value for name, value in self.headers.items()}
            return self.stream([f"data: {json.dumps({'method': self.command, 'fields': fields, 'body': body})}\n\n"])
        return self.count(parse_qs(url.query))

    do_POST = do_GET

    def count(self, query):
        first, to = int(self.headers.get("Last-Event-ID", 0)) + 1, int(query["to"][0])
        last = min(to, first - 1 + int(query.get("per", query["to"])[0]))
        if last < first:
            self.send_response(204)
            return self.end_headers()
        lines = {n: "".join(f"data: {line}\n" for line in text_of(n)) for n in range(first, last + 1)}
        return self.stream(f"event: number\nid: {n}\n{text}\n" for n, text in lines.items())

    def stream(self, pieces):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.wfile.write(b"retry: 1\n\n")
            for piece in pieces:
                self.wfile.write(piece.encode())
        except OSError:
            pass  # the client has gone
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


server = Server(("127.0.0.1", 0), Handler)
print(f"listening {server.server_port}", flush=True)
server.serve_forever()
