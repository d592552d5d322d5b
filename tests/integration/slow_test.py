# SPDX-License-Identifier: Apache-2.0
"""Slow clients: as many that never finish their headers as such that never finish a body, and others who want an answer meanwhile.

HF_TEST_SLOW is how many of each (100; 1000 with HF_TEST_FULL), HF_TEST_SLOW_S for how long (2; a minute).
"""
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time

import web
from client import Client, HttpError
from rig import FULL, Rig, missing
from tap import Tap

SLOW = int(os.environ.get("HF_TEST_SLOW", "1000" if FULL else "100"))
SECONDS = float(os.environ.get("HF_TEST_SLOW_S", "60" if FULL else "2"))
PAUSE_S = 0.02  # of a good client, between two requests
FEW_MS = 50 if FULL else 500  # a slower answer than this is never held against slow clients: others share the machine

HEADERS = b"POST /collect HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nX-Slow: "
BODY = (b"POST /collect HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        b'{"slow":[' + b"1," * 10000)  # more than Apache gathers before it begins to pass a body on


class Peer:
    """One slow client: a byte a second, and again from the beginning when the server has had enough of it."""

    def __init__(self, port, begin):
        self.port = port
        self.begin = begin
        self.sock = None
        self.next = 0.0

    def act(self, now):
        if now < self.next:
            return
        self.next = now + 1
        try:
            if self.sock is None:
                self.sock = socket.socket()
                self.sock.setblocking(False)
                self.sock.connect_ex(("127.0.0.1", self.port))
                self.left = self.begin
            if self.left:
                self.left = self.left[self.sock.send(self.left):]
            else:
                self.sock.send(b"1")
        except BlockingIOError:
            pass
        except OSError:
            self.sock.close()
            self.sock = None


def attack(port, ready):
    """A process of its own, until it is terminated."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    peers = [Peer(port, begin) for _ in range(SLOW) for begin in (HEADERS, BODY)]
    began = time.monotonic()
    while True:
        now = time.monotonic()
        for peer in peers:
            peer.act(now)
        if now > began + 1.5:
            ready.set()
        time.sleep(0.05)


class Good(threading.Thread):
    """A client as it should be."""

    def __init__(self, server, number, ended):
        super().__init__(daemon=True)
        self.server = server
        self.number = number
        self.ended = ended
        self.times = []
        self.failed = {}
        self.accepted = 0

    def run(self):
        sent = 0
        while not self.ended.wait(PAUSE_S):
            collects = sent % 2 == 0
            sent += 1
            begin = time.monotonic()
            try:
                with Client(self.server.port, timeout=10) as client:
                    status = client.get("/collect?key=good&value=1" if collects else "/-/keys", Connection="close").status
            except HttpError as error:
                status = str(error)
            self.times.append(1000 * (time.monotonic() - begin))
            if status != (204 if collects else 200):
                self.failed[status] = self.failed.get(status, 0) + 1
            elif collects:
                self.accepted += 1


def measure(server, seconds):
    """Return the share of good answers, the p99 of their times in ms, and what else was answered."""
    ended = threading.Event()
    clients = [Good(server, number, ended) for number in range(4)]
    for client in clients:
        client.start()
    time.sleep(seconds)
    ended.set()
    for client in clients:
        client.join()
    times = sorted(t for client in clients for t in client.times)
    failed = {}
    for client in clients:
        for status, count in client.failed.items():
            failed[status] = failed.get(status, 0) + count
    return 1 - sum(failed.values()) / len(times), times[int(len(times) * 0.99)], failed


def slow(tap, kind):
    with Rig(tap) as rig:
        server, = rig.start(kind)
        measure(server, 0.5)
        _, before, _ = measure(server, max(2, SECONDS / 6))
        context = multiprocessing.get_context("fork")
        ready = context.Event()
        attacker = context.Process(target=attack, args=(server.port, ready), daemon=True)
        attacker.start()
        ready.wait(20)
        share, during, failed = measure(server, SECONDS)
        attacker.terminate()
        attacker.join()
        name = f"{kind}, {SLOW} slow headers and {SLOW} slow bodies"
        tap.ok(share >= 0.99, f"{name}: {100 * share:.1f} % of good requests are answered", str(failed))
        tap.ok(during < max(2 * before, FEW_MS), f"{name}: p99 {during:.1f} ms, {before:.1f} ms without")
        tap.note(f"=> {name}: {100 * share:.2f} % good, p99 {during:.1f} ms, before {before:.1f} ms")


def main(tap):
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files < 2 * SLOW + 200:
        tap.skip("slow clients", f"{files} descriptors are too few")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    for kind in ("lighttpd", "mod_fcgid", "mod_proxy_fcgi"):
        absent = missing("nats-server", *web.KINDS[kind].needs)
        if absent:
            tap.skip(f"slow clients of {kind}", f"{absent} is not installed")
        else:
            slow(tap, kind)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
