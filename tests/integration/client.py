# SPDX-License-Identifier: Apache-2.0
"""A small HTTP/1.1 client that sends exactly what it is told, malformed requests included."""
import socket
import time


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # names in lower case
        self.body = body

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


class HttpError(Exception):
    """The connection broke, timed out, or what came was no HTTP."""


class Client:
    """One kept connection to a port of 127.0.0.1, opened again when the server has closed it. Not thread safe."""

    def __init__(self, port, timeout=20.0):
        self.port = port
        self.timeout = timeout
        self.sock = None
        self.buffer = b""

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, target, headers=None, body=None):
        """Send one request and read its answer. Tried again only when a kept connection turns out to have been closed
        before a byte of the answer came, and then never for a request that may have been carried out."""
        return self.raw(compose(method, target, headers, body), method == "HEAD", method in ("GET", "HEAD")
                        and "/collect" not in target)

    def get(self, target, **headers):
        return self.request("GET", target, headers)

    def raw(self, data, head=False, repeatable=False):
        """Send bytes as they are and read one answer."""
        kept = self.sock is not None
        try:
            return self._exchange(data, head)
        except (OSError, HttpError):
            self.close()
            if not (kept and repeatable):
                raise
        return self._exchange(data, head)

    def _exchange(self, data, head):
        try:
            if self.sock is None:
                self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.deadline = time.monotonic() + self.timeout
            try:
                self.sock.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass  # a server may answer and close before it has read a body it refuses
            response = self._read(head)
        except OSError as error:
            self.close()
            raise HttpError(str(error)) from error
        except HttpError:
            self.close()
            raise
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return response

    def _more(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise HttpError("timed out")
        self.sock.settimeout(left)
        data = self.sock.recv(262144)
        if not data:
            raise HttpError("connection closed")
        self.buffer += data

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def _bytes(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _read(self, head):
        status_line = self._line()
        words = status_line.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise HttpError(f"no status line: {status_line!r}")
        status = int(words[1])
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if 100 <= status < 200:
            return self._read(head)
        return Response(status, headers, self._body(status, headers, head))

    def _body(self, status, headers, head):
        if head or status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self._line().split(";")[0], 16):
                body += self._bytes(size)
                self._line()
            while self._line():
                pass
            return body
        if "content-length" in headers:
            return self._bytes(int(headers["content-length"]))
        try:
            while True:
                self._more()
        except HttpError as error:
            if str(error) != "connection closed":
                raise
        body, self.buffer = self.buffer, b""
        self.close()
        return body


def compose(method, target, headers=None, body=None):
    """The bytes of a request. `headers` may set Host, Content-Length or Transfer-Encoding to anything; a value of None leaves
    the header out."""
    fields = {"Host": "127.0.0.1"}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    fields.update({name.replace("_", "-"): value for name, value in (headers or {}).items()})
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
