# SPDX-License-Identifier: Apache-2.0
"""Ten, a hundred and a thousand times the base load: what is accepted is exact, the excess is refused at once, memory stays bounded.

The base load is a tenth of what the machine takes, found by trying. HF_TEST_OVERLOAD_S is how long each load lasts (1; a minute
with HF_TEST_FULL). The times that the full form demands are those of a machine that does nothing else.
"""
import json
import os
import subprocess
import threading
import time

import rig as rigs
from client import Client, HttpError, compose
from rig import BUILD, FULL, Rig, missing, until
from tap import Tap

SECONDS = float(os.environ.get("HF_TEST_OVERLOAD_S", "60" if FULL else "1"))
SAMPLES = 1000  # of one request
VARIANTS = 16  # requests, sent in turn
FEW_CONNECTIONS = 100  # of the base load
CONNECTIONS = 2000  # each waits for those before it, so that how long depends on how many the web server answers a second
SLOW_MS = 1000 if FULL else 3000  # a short form may share the machine with others
LEAST_SHARE = 0.8 if FULL else 0.5
NORMAL_S = 10
# MiB, at most, ever. hourfold-collect: 64 of requests being read, eight batches in the making of 1 MB with their messages, and the
# library of NATS; the consumer: its cache of cells and that of Berkeley DB. nats-server bounds itself. AddressSanitizer keeps what is
# freed, so that they say nothing of a program built with it.
BOUNDS = {"hourfold-collect": 160, "hourfold-query": 100, "hourfold-consumer": 300}


def load(server, rate, seconds, key, connections=CONNECTIONS):
    requests = server.rig.path / "requests"
    with open(requests, "wb") as file:
        for variant in range(VARIANTS):
            numbers = ((variant * 7919 + i * 104729) % 1000 + (i * 31 + variant) % 10 / 10 for i in range(SAMPLES))
            body = f'{{"{key}":[{",".join(f"{n:.1f}" for n in numbers)}]}}'.encode()
            request = compose("POST", "/collect", {"Content-Type": "application/json"}, body)
            file.write(b"%d\n%s" % (len(request), request))
    done = subprocess.run([BUILD / "tests/integration/load", str(server.port), str(rate), str(seconds), str(connections), requests],
                          capture_output=True, text=True, check=True, timeout=seconds + 60)
    return json.loads(done.stdout)


def highest_mib(pid):
    """The most memory a process ever had."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024


class Asker(threading.Thread):
    """Asks for one statistic, fifty times a second, and keeps how long each answer took."""

    def __init__(self, server, target):
        super().__init__(daemon=True)
        self.server = server
        self.target = target
        self.ended = threading.Event()
        self.times = []
        self.failed = 0

    def run(self):
        client = Client(self.server.port)
        while not self.ended.wait(0.02):
            begin = time.monotonic()
            try:
                good = client.get(self.target).status == 200
            except HttpError:
                good = False
            self.times.append(time.monotonic() - begin)
            self.failed += not good
        client.close()

    def finish(self):
        self.ended.set()
        self.join()
        self.times.sort()
        return 1000 * self.times[int(len(self.times) * 0.99)]


def stored(server, key, begin):
    """How many samples of a key are counted, today, and yesterday when the test began then."""
    total = 0
    with Client(server.port) as client:
        for day in sorted({time.strftime("%Y-%m-%d", time.gmtime(t)) for t in (begin, time.time())}):
            response = client.get(f"/{key}/count/{day}")
            if response.status == 200:
                total += rigs.parsed(response)["value"] or 0
    return total


def normal(before, now):
    return now["refused"]["count"] == 0 and now["broken"] == 0 and now["accepted"]["p99"] <= max(100, 2 * before["accepted"]["p99"])


def loaded(servers, rate, key, target, connections=CONNECTIONS):
    """A load of the first server, and questions to both meanwhile. Return what the load tells, and the p99 of each asker."""
    askers = [Asker(server, target) for server in servers]
    for asker in askers:
        asker.start()
    got = load(servers[0], rate, SECONDS, key, connections)
    return got, [asker.finish() for asker in askers], sum(asker.failed for asker in askers)


def overload(tap, rig, servers, base, times, target, idle_ms):
    """One load. Return the samples accepted a second."""
    begin = time.time()
    key = f"times.{times}"
    got, p99, failed = loaded(servers, base * times, key, target)
    server = servers[1]
    accepted, refused = got["accepted"], got["refused"]
    name = f"{times} times the base load"
    tap.note(f"{name}: {json.dumps(got)}")
    tap.ok(got["broken"] == got["other"] == got["unanswered"] == got["no_retry_after"] == 0,
           f"{name}: each request is answered 204, or 429 or 503 with Retry-After", json.dumps(got))
    tap.ok(refused["p99"] < SLOW_MS, f"{name}: the excess is refused in under {SLOW_MS} ms (p99)", json.dumps(got))
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 60 + 2 * SECONDS, "all is folded")
    tap.equal(stored(server, key, begin), accepted["count"] * SAMPLES, f"{name}: what was accepted is counted, to the sample")
    tap.ok(failed == 0 and p99[0] < SLOW_MS, f"{name}: queries are answered meanwhile", f"{failed} failed, p99 {p99[0]:.0f} ms")
    tap.ok(p99[1] < max(2 * idle_ms, SLOW_MS / 10), f"{name}: as fast as before, through a web server of their own",
           f"p99 {p99[1]:.0f} ms, before {idle_ms:.0f} ms")
    tap.note(f"=> {name}: {accepted['count'] * SAMPLES / SECONDS:,.0f} samples/s accepted (p99 {accepted['p99']} ms), "
             f"{refused['count'] / SECONDS:,.0f} requests/s refused (p99 {refused['p99']} ms), queries p99 {p99[0]:.0f} ms, {p99[1]:.0f} ms "
             f"through a web server of their own")
    return accepted["count"] * SAMPLES / SECONDS


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("overload", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        servers = rig.start("lighttpd", "lighttpd")
        server = servers[0]
        most = load(server, 10**6, 2, "calibrate", 64)["accepted"]["count"] / 2
        base = max(1, most / 10)
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 60, "all is folded")
        target = f"/calibrate/p99/{time.strftime('%Y-%m-%d')}"
        before, (p99, idle_ms), _ = loaded(servers, base, "before", target, FEW_CONNECTIONS)
        tap.ok(before["refused"]["count"] == before["broken"] == 0, "nothing of the base load is refused", json.dumps(before))
        tap.note(f"=> base load: {base:.0f} requests/s of {SAMPLES} samples, p99 {before['accepted']['p99']} ms; "
                 f"queries p99 {p99:.0f} ms, {idle_ms:.0f} ms through a web server of their own")
        rates = {}
        for times in (10, 100, 1000):
            rates[times] = overload(tap, rig, servers, base, times, target, idle_ms)
            ended = time.monotonic()
            while not normal(before, load(server, base, 1, "after", FEW_CONNECTIONS)) and time.monotonic() < ended + NORMAL_S:
                pass
            tap.ok(time.monotonic() < ended + NORMAL_S, f"after {times} times the base load all is normal within {NORMAL_S} s")
        tap.ok(min(rates[100], rates[1000]) >= LEAST_SHARE * max(rates.values()),
               f"throughput stays above {LEAST_SHARE} of its peak", str(rates))
        highest = {name: max(map(highest_mib, rig.found(name))) for name in BOUNDS}
        if b"__asan_init" not in (BUILD / "fcgi/hourfold-collect").read_bytes():
            tap.ok(all(highest[name] <= BOUNDS[name] for name in BOUNDS), "memory stays within its bounds", str(highest))
        tap.note(f"=> highest memory, MiB: {highest}, nats-server {highest_mib(rig.nats.pid)}, lighttpd "
                 f"{highest_mib(server.process.pid)}")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
