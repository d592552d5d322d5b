# SPDX-License-Identifier: Apache-2.0
"""A ledger of requests, each of which can be found again in the store: was it counted, and how often?

Request number i of a key sends the value 4^i. The sum of the key's one hour, written in base 4, then has for its digit i the
number of times that the request was counted (up to three times, and without a carry; 26 digits are below 2^53, so that the sum
is an exact double). An acknowledged request must be there once; one that was refused or broke off, at most once; one with
an id is sent again until it is acknowledged, and must be there once.
"""
import bisect
import json
import random
import threading
import time

from client import Client, HttpError
from tap import Collected

REQUESTS_OF_A_KEY = 26


class Entry:
    """What became of the requests of one name. A pair is one request with a sample for each of two keys."""

    def __init__(self, form):
        self.form = form
        self.acknowledged = []


class Writer(threading.Thread):
    """One client that sends one request after another until told to stop."""

    def __init__(self, ledger, number):
        super().__init__(daemon=True)
        self.ledger = ledger
        self.number = number
        self.random = random.Random(f"{ledger.seed} {number}")
        self.entries = {}
        self.longest = 0.0
        self.times = []  # of each request: when it was sent, how long it took, and the status
        self.requests = self.acknowledged = self.refused = self.broken = 0

    def run(self):
        block = 0
        while not self.ledger.ended.is_set():
            form = self.random.choice(("get", "get", "id", "pair"))
            name = f"{self.ledger.prefix}.{self.number}.{block}"
            entry = self.entries[name] = Entry(form)
            for i in range(REQUESTS_OF_A_KEY):
                if self.ledger.ended.is_set():
                    break
                entry.acknowledged.append(getattr(self, form)(name, 4**i, i))
                self.ledger.ended.wait(self.ledger.pause_s)
            block += 1

    def send(self, method, target, body=None):
        """True: acknowledged. False: it may be in or not."""
        self.requests += 1
        started = time.monotonic()
        response = status = None
        try:
            with Client(self.ledger.port(), timeout=20) as client:
                headers = {"Connection": "close"}
                if body is not None:
                    headers["Content-Type"] = "application/json"
                response = client.request(method, target, headers, body)
                status = response.status
        except HttpError:
            self.broken += 1
        took = time.monotonic() - started
        self.longest = max(self.longest, took)
        self.times.append((started, took, status))
        if status == 204:
            self.acknowledged += 1
            return True
        if status is not None:
            self.refused += 1
            who = f"{status} of {'hourfold' if response.body.startswith(b'{') else 'the web server'}"
            self.ledger.statuses[who] = self.ledger.statuses.get(who, 0) + 1
        # As a client should: not again at once.
        self.ledger.ended.wait(0.05)
        return False

    def get(self, name, value, _):
        return self.send("GET", f"/collect?key={name}&value={value}&ts={self.ledger.when}")

    def id(self, name, value, i):
        target = f"/collect?key={name}&value={value}&ts={self.ledger.when}&id=i{i}"
        deadline = time.monotonic() + 60
        while not self.send("GET", target):
            if self.ledger.given_up.is_set() or time.monotonic() > deadline:
                return False
        return True

    def pair(self, name, value, _):
        samples = [{"key": f"{name}.{half}", "value": value, "ts": self.ledger.when} for half in "ab"]
        return self.send("POST", "/collect", json.dumps(samples).encode())


class Ledger:
    """`port` is called for each request: the web server may be started anew on another. Each writer waits `pause_s` between two
    requests."""

    def __init__(self, port, seed, writers=4, prefix="ledger", pause_s=0.0):
        self.port = port
        self.seed = seed
        self.prefix = prefix
        self.pause_s = pause_s
        self.when = int(time.time()) - 7200
        self.statuses = {}
        self.ended = threading.Event()
        self.given_up = threading.Event()
        self.writers = [Writer(self, number) for number in range(writers)]

    def start(self):
        for writer in self.writers:
            writer.start()
        return self

    def finish(self, server_left=True):
        """End all writers. Those that have to see their request through may do so while there is a server."""
        self.ended.set()
        if not server_left:
            self.given_up.set()
        for writer in self.writers:
            writer.join()

    @property
    def acknowledged(self):
        return sum(writer.acknowledged for writer in self.writers)

    @property
    def refused(self):
        return sum(writer.refused for writer in self.writers)

    @property
    def longest(self):
        return max(writer.longest for writer in self.writers)

    def between(self, begin, end):
        """How long the requests took that were sent between two moments, sorted, and what was answered."""
        chosen = []
        for writer in self.writers:
            first = bisect.bisect_left(writer.times, (begin,))
            chosen += [(took, status) for started, took, status in writer.times[first:] if started <= end]
        return sorted(took for took, _ in chosen), {status for _, status in chosen}

    def summary(self):
        total = {name: sum(getattr(w, name) for w in self.writers) for name in ("requests", "acknowledged", "refused", "broken")}
        return f"{total}, refused with {self.statuses}, longest request {self.longest:.2f} s"

    def compare(self, tap, port, name):
        """Look every request up in the store."""
        made = Collected()
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(self.when))
        counted = 0
        with Client(port) as client:
            for writer in self.writers:
                for key, entry in writer.entries.items():
                    halves = [f"{key}.a", f"{key}.b"] if entry.form == "pair" else [key]
                    times = [self._times(made, client, half, hour) for half in halves]
                    counted += sum(map(sum, times))
                    self._check(made, key, entry, times)
        made.report(tap, f"{name}: what was acknowledged is counted once, nothing twice, no request in part",
                    self.acknowledged)
        tap.note(f"{name}: {self.summary()}; {counted} samples counted")
        return counted

    def _times(self, made, client, key, hour):
        """How often each request of a key was counted."""
        response = client.get(f"/{key}/sum/{hour}")
        if response.status == 404:
            return [0] * REQUESTS_OF_A_KEY
        answer = json.loads(response.body)
        if not made.that(response.status == 200 and answer["exact"], f"{key}: {response}"):
            return [0] * REQUESTS_OF_A_KEY
        rest, digits = int(answer["value"]), []
        for _ in range(REQUESTS_OF_A_KEY):
            rest, digit = divmod(rest, 4)
            digits.append(digit)
        made.that(rest == 0 and answer["count"] == sum(digits), f"{key}: counts and sum do not fit: {answer}")
        return digits

    def _check(self, made, key, entry, times):
        for i in range(REQUESTS_OF_A_KEY):
            got = [digits[i] for digits in times]
            made.that(len(set(got)) == 1, f"{key} {i}: in part: {got}")
            if i >= len(entry.acknowledged):
                made.that(got[0] == 0, f"{key} {i}: never sent, counted {got[0]} times")
            elif entry.acknowledged[i]:
                made.that(got[0] == 1, f"{key} {i} ({entry.form}): acknowledged, counted {got[0]} times")
            else:
                made.that(got[0] <= 1, f"{key} {i} ({entry.form}): not acknowledged, counted {got[0]} times")
