# SPDX-License-Identifier: Apache-2.0
"""A NATS client of a few lines, to look into the stream behind hourfold's back. One connection, one thread."""
import base64
import json
import socket


class Nats:
    def __init__(self, port, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.lines = self.sock.makefile("rb")
        self.lines.readline()  # INFO
        self.sock.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB inbox 1\r\n')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.sock.close()

    def publish(self, subject, payload, reply=""):
        self.sock.sendall(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n")

    def next(self):
        """The payload of the next message to the inbox."""
        while True:
            line = self.lines.readline()
            if line.startswith(b"PING"):
                self.sock.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                payload = self.lines.read(int(line.split()[-1]) + 2)
                return payload[:-2]
            elif not line or line.startswith(b"-ERR"):
                raise ConnectionError(line)

    def ask(self, subject, question):
        self.publish(subject, json.dumps(question).encode() if question else b"", "inbox")
        return json.loads(self.next())

    def stream(self, name):
        return self.ask(f"$JS.API.STREAM.INFO.{name}", None)["state"]

    def messages(self, name, first, last):
        """(subject, payload) of stored messages, in order; asked for many at a time."""
        for begin in range(first, last + 1, 200):
            sequences = range(begin, min(begin + 200, last + 1))
            for sequence in sequences:
                self.publish(f"$JS.API.STREAM.MSG.GET.{name}", json.dumps({"seq": sequence}).encode(), "inbox")
            for _ in sequences:
                message = json.loads(self.next())["message"]
                yield message["subject"], base64.b64decode(message["data"])

    def store(self, subject, payloads):
        """Publish into a stream and wait until all is stored."""
        for payload in payloads:
            self.publish(subject, payload, "inbox")
        return [json.loads(self.next())["seq"] for _ in payloads]
