# SPDX-License-Identifier: Apache-2.0
"""Queries while samples arrive: no answer is of two states at once, and each is JSON to a second parser.

Every request brings a whole set of samples to a key. So whatever has been folded, a cell is so many times the set, and all of its
statistics but count and sum are always the same: an answer with half of a change in it would differ. One set is small; one has
more values than a cell has buckets, so that its cell is several pages long.

HF_TEST_SECONDS is for how long (8; with HF_TEST_FULL=1 an hour), HF_TEST_SEED makes the readers ask the same again.
"""
import json
import os
import random
import threading
import time

from client import Client, HttpError
from faults import SEED
from rig import FULL, Rig, missing, until
from tap import Tap

SECONDS = float(os.environ.get("HF_TEST_SECONDS", "3600" if FULL else "8"))
READERS = 4
WRITER_PAUSE_S = 0.02
SETS = {"torn.small": [1, 2, 3], "torn.even": [1.5, 2.5], "torn.large": [n * n / 7 for n in range(3000)]}
MEASURES = {"average", "min", "max", "median", "stddev", "p0", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "p99.9", "p100"}


class Writer(threading.Thread):
    """Sends sets to one key, one after another, and keeps how many samples were acknowledged."""

    def __init__(self, port, key, ended):
        super().__init__(daemon=True)
        self.port, self.key, self.ended = port, key, ended
        self.sets = 0
        self.faults = []
        self.start()

    def run(self):
        body = json.dumps({self.key: SETS[self.key]}).encode()
        with Client(self.port) as client:
            while not self.ended.is_set():
                response = client.request("POST", "/collect", {"Content-Type": "application/json"}, body)
                if response.status != 204:
                    self.faults.append(repr(response))
                    return
                self.sets += 1
                time.sleep(WRITER_PAUSE_S * (1 + len(body) // 4000))


class Reader(threading.Thread):
    """Asks for `all` of a key, the hour, the day and the minutes, and compares with the first answer."""

    def __init__(self, port, number, ended, first):
        super().__init__(daemon=True)
        self.port, self.ended, self.first = port, ended, first
        self.random = random.Random(f"{SEED} {number}")
        self.counts = {}
        self.answers = self.samples = 0
        self.times = []
        self.faults = []
        self.start()

    def run(self):
        with Client(self.port) as client:
            while not self.ended.is_set() and len(self.faults) < 10:
                key = self.random.choice(list(SETS))
                try:
                    self.ask(client, key)
                except (HttpError, ValueError, KeyError, TypeError) as error:
                    self.faults.append(f"{key}: {error!r}")

    def ask(self, client, key):
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime())
        form = self.random.choice(["", "", "?by=minute", "day"])
        target = f"/{key}/all/{hour[:10]}" if form == "day" else f"/{key}/all/{hour}{form}"
        started = time.monotonic()
        response = client.get(target)
        self.times.append(time.monotonic() - started)
        if response.status == 404:  # the first moments of an hour
            return
        if response.status != 200:
            self.faults.append(f"{target}: {response}")
            return
        answer = json.loads(response.body)
        self.answers += 1
        for slot in answer.get("minutes", answer.get("hours", [answer])):
            self.check(key, slot, target)

    def check(self, key, slot, target):
        count, size = slot["count"], len(SETS[key])
        if count == 0:
            return
        whole = self.first(key, slot)
        if count % size != 0 or whole is not None:
            self.faults.append(f"{target}: {count} samples in sets of {size}: {whole} {json.dumps(slot)[:400]}")


class Shape:
    """What `all` says of a set, whatever its number: taken from the first answer for each kind of slot."""

    def __init__(self):
        self.lock = threading.Lock()
        self.shapes = {}

    def __call__(self, key, slot):
        """None when the slot has the shape of its kind, else what differs."""
        mean = sum(SETS[key]) / len(SETS[key])
        if abs(slot["sum"] / slot["count"] - mean) > 1e-12 * mean:
            return f"the sum does not fit the count: {slot['sum']}"
        shape = {name: value for name, value in slot.items() if name in MEASURES}
        shape |= {f"bounds of {name}": value for name, value in slot["bounds"].items() if name in MEASURES}
        with self.lock:
            known = self.shapes.setdefault((key, "minute" in slot), shape)
        return None if known == shape else {name: (known[name], shape[name]) for name in shape if known.get(name) != shape[name]}


def quantile(times, q):
    return sorted(times)[int(q * (len(times) - 1))] if times else 0.0


def idle(port):
    """The 99th percentile of answers while nothing is written."""
    times = []
    with Client(port) as client:
        for n in range(300):
            started = time.monotonic()
            client.get(f"/{list(SETS)[n % len(SETS)]}/all/{time.strftime('%Y-%m-%d/%H', time.gmtime())}")
            times.append(time.monotonic() - started)
    return quantile(times, 0.99)


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("queries and writes together", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_SECONDS={SECONDS:g}")
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        server, = rig.start("lighttpd")
        ended, shape = threading.Event(), Shape()
        writers = [Writer(server.port, key, ended) for key in SETS]
        until(lambda: all(w.sets > 3 for w in writers), 30, "sets are acknowledged")
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "and folded")
        readers = [Reader(server.port, n, ended, shape) for n in range(READERS)]
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not any(t.faults for t in readers + writers):
            time.sleep(0.1)
        ended.set()
        for thread in readers + writers:
            thread.join()
        answers, faults = sum(r.answers for r in readers), [f for t in readers + writers for f in t.faults]
        tap.ok(not faults and answers > 10 * SECONDS, f"{answers} answers, none of two states", "\n".join(faults[:5]))
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        total = sum(w.sets * len(SETS[w.key]) for w in writers)
        tap.equal(rig.counters(server)["folded"], total, "and what was acknowledged is folded")
        busy = quantile([t for r in readers for t in r.times], 0.99)
        tap.figure(f"{answers} answers of {READERS} readers, {total} samples, p99 {1000 * busy:.1f} ms; nothing written: "
                 f"{1000 * idle(server.port):.1f} ms")
        rig.consumer.stop()
        rig.tool("verify")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
