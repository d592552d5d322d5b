# SPDX-License-Identifier: Apache-2.0
"""A small web server for pages of tests, which may stand before a collector: what comes below /collect is recorded and handed on, or not,
as `mode` says: "on", "away" (the connection breaks), or a status that is answered in its place."""
import http.server
import pathlib
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from client import Client, HttpError


class Front:
    """`page(path, query)` gives the body of a page or (body, headers), None for 404."""

    def __init__(self, page, collector_port):
        self.page = page
        self.collector_port = collector_port
        self.mode = "on"
        self.received = []  # (method, target, type, body, status) of what came below /collect
        handler = type("Handler", (Handler,), {"front": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a browser drops connections as it likes
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Handler(http.server.BaseHTTPRequestHandler):
    front = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        try:
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the page has gone, and does not wait for it

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path.startswith("/collect"):
            self.hand_on(b"")
            return
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        time.sleep(int(query.get("delay_ms", 0)) / 1000)
        page = self.front.page(url.path, query)
        if page is None:
            self.answer(404)
            return
        body, headers = page if isinstance(page, tuple) else (page, {})
        kind = "text/javascript" if url.path.endswith(".js") else "text/html; charset=utf-8"
        self.answer(200, body if isinstance(body, bytes) else body.encode(),
                    {"Content-Type": kind, "Cache-Control": "no-store", **headers})

    def do_POST(self):
        self.hand_on(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def hand_on(self, body):
        if self.front.mode == "away":
            self.front.received.append((self.command, self.path, self.headers.get("Content-Type"), body, None))
            self.close_connection = True
            return
        if self.front.mode != "on":
            self.front.received.append((self.command, self.path, self.headers.get("Content-Type"), body, self.front.mode))
            self.answer(self.front.mode)
            return
        passed = {name: self.headers[name] for name in ("Content-Type", "Referer", "Origin", "User-Agent") if name in self.headers}
        try:
            with Client(self.front.collector_port) as client:
                response = client.request(self.command, self.path, passed, body if self.command == "POST" else None)
        except HttpError:
            self.close_connection = True
            return
        self.front.received.append((self.command, self.path, passed.get("Content-Type"), body, response.status))
        self.answer(response.status, response.body, {name: value for name, value in response.headers.items()
                                                     if name.startswith("access-control") or name == "content-type"})
