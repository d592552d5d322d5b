# SPDX-License-Identifier: Apache-2.0
"""etc/hourfold.sh: what a shell script sends with it counts once, also when no answer came at first, and the script goes on whatever
happens."""
import socket
import subprocess
import threading
import time

from client import Client
from rig import SOURCE, Rig, missing, until
from tap import Tap

TOKEN = "shell" * 9


def run(url, script, shell="dash"):
    """What a strict script printed, and its exit code."""
    done = subprocess.run([shell, "-euc", f". {SOURCE}/etc/hourfold.sh\n{script}"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False,
                          env={"PATH": "/usr/bin:/bin", "HOURFOLD_URL": url, "HOURFOLD_TOKEN": TOKEN})
    return done.stdout + done.stderr, done.returncode


class Deaf(threading.Thread):
    """Before the collector: of the first requests, each is handed on and its answer is lost."""

    def __init__(self, port, lost):
        super().__init__(daemon=True)
        self.collector_port, self.lost = port, lost
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(65536)
                self.requests.append(request.decode())
                with Client(self.collector_port) as client:
                    response = client.raw(request)
                if len(self.requests) > self.lost:
                    connection.sendall(f"HTTP/1.1 {response.status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                else:
                    connection.sendall(b"HTTP/1.1 503 lost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def main(tap):
    absent = missing("nats-server", "lighttpd", "curl")
    if absent:
        tap.skip("the client for shell scripts", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        server, = rig.start("lighttpd")
        url = f"http://127.0.0.1:{server.port}/collect"
        for shell in ("dash", "bash"):
            tap.equal(run(url, "id=mine\nhourfold shell.key 1.5\nhourfold shell.key -2\necho $id $?", shell), ("mine 0\n", 0),
                      f"{shell}: it says nothing and touches no variable")
        deaf = Deaf(server.port, 2)
        tap.equal(run(f"http://127.0.0.1:{deaf.port}/collect", "hourfold shell.again 7"), ("", 0), "an answer is lost, twice")
        tap.ok(len(deaf.requests) == 3 and len({r.split("\r\n")[0] for r in deaf.requests}) == 1, "the same is sent three times",
               deaf.requests)
        tap.ok(all(f"\r\nAuthorization: Bearer {TOKEN}\r\n" in request for request in deaf.requests), "with the token")
        deaf.listener.close()
        for what, script in (("no sample", "hourfold 'no key' x"), ("no argument", "hourfold")):
            tap.equal(run(url, f"{script}\necho on"), ("on\n", 0), f"{what}: the script goes on")
        tap.equal(run("no such protocol://x", "hourfold a 1\necho on"), ("on\n", 0), "no collector: the script goes on")
        before = time.time()
        until(lambda: rig.as_of(server) > before, 30, "all is folded")
        totals = rig.counters(server)
        tap.equal((totals["folded"], totals["duplicate"]), (5, 2), "each sample counts once")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
