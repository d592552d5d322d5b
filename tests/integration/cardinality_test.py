# SPDX-License-Identifier: Apache-2.0
"""More distinct keys than consumer.max_keys are offered: memory and disk stay bounded, what is beyond is counted under the key
overflow, and the keys that were there before are answered as ever.

HF_TEST_KEYS is how many (60,000; with HF_TEST_FULL=1 10 million, and consumer.max_keys as shipped).
"""
import json
import os
import pathlib
import subprocess
import threading
import time

from client import Client, HttpError
from faults import told
from rig import FULL, Rig, missing, parsed, until
from tap import Collected, Tap

KEYS = int(os.environ.get("HF_TEST_KEYS", "10000000" if FULL else "60000"))
MAX_KEYS = 1000000 if FULL else 20000
AT_ONCE = 10000  # keys of one request: collect.max_samples
KNOWN = [f"known.{i}" for i in range(50)]
SETTLE_S = 600 if FULL else 60
BASE_S = 10.0 if FULL else 1.5
# The consumer's cells and Berkeley DB's cache are 512 and 64 at most.
MEMORY_MIB = {"hourfold-consumer": 640, "hourfold-collect": 128, "hourfold-query": 192}
SLOWER = 2.0     # times, that a query may take longer than under the same load of keys that are known
QUICK_MS = 20.0 if FULL else 100.0  # what is quick enough anyway; the short form has few queries to go by


class Asker(threading.Thread):
    """Asks for known keys all the time, and keeps how long that took."""

    def __init__(self, server, path):
        super().__init__(daemon=True)
        self.server, self.path = server, path
        self.ended = threading.Event()
        self.times, self.faults = [], []

    def run(self):
        with Client(self.server.port) as client:
            turn = 0
            while not self.ended.wait(0.005):
                begin = time.monotonic()
                try:
                    response = client.get(self.path.format(key=KNOWN[turn % len(KNOWN)]))
                except HttpError as error:
                    self.faults.append(str(error))
                    continue
                self.times.append((time.monotonic() - begin) * 1000)
                if response.status != 200:
                    self.faults.append(str(response))
                turn += 1

    def finish(self):
        self.ended.set()
        self.join()
        return sorted(self.times)


class Sizes(threading.Thread):
    """The most resident memory that any process of each program has had, and the size of the tables when no more keys were taken."""

    def __init__(self, rig, server):
        super().__init__(daemon=True)
        self.rig, self.server = rig, server
        self.ended = threading.Event()
        self.most_mib = dict.fromkeys(MEMORY_MIB, 0.0)
        self.bytes_full = 0

    def run(self):
        while not self.ended.wait(0.2):
            if not self.bytes_full and (told(self.rig, self.server) or {}).get("keys", 0) > MAX_KEYS:
                self.bytes_full = data_bytes(self.rig)
            for program in self.most_mib:
                for pid in self.rig.found(program):
                    try:
                        status = pathlib.Path(f"/proc/{pid}/status").read_text()
                        mib = int(status.split("VmRSS:")[1].split()[0]) / 1024
                    except (OSError, IndexError):
                        continue
                    self.most_mib[program] = max(self.most_mib[program], mib)


class Sender:
    """Requests of many keys with one sample each. A request that is refused for want of room is sent again."""

    def __init__(self, server):
        self.client = Client(server.port, timeout=30)
        self.acknowledged = self.unknown = self.refused = 0

    def send(self, keys):
        body = json.dumps(dict.fromkeys(keys, 1)).encode()
        while True:
            response = self.client.request("POST", "/collect", {"Content-Type": "application/json"}, body)
            if response.status == 204:
                self.acknowledged += len(keys)
                return
            if response.status != 503:
                raise AssertionError(str(response))
            self.refused += 1
            self.unknown += len(keys)
            time.sleep(0.2)


def answers(server, path):
    """Of the known keys, as they are apart from how new they are."""
    with Client(server.port) as client:
        found = [parsed(client.get(path.format(key=key))) for key in KNOWN]
    return [{name: value for name, value in answer.items() if name != "as_of"} for answer in found]


def folded(rig, server):
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, SETTLE_S, lambda: f"all is folded: {rig.counters(server)}")


def data_bytes(rig):
    folder = rig.path / "state" / "store"
    return sum(path.stat().st_blocks * 512 for path in (folder / "data").rglob("*") if path.is_file())


def exported(rig):
    """How many samples the store has of the offered keys, of how many keys, and of overflow."""
    command = [rig.program("hourfold"), "export", "--format", "csv"]
    offered, keys, overflow = 0, set(), 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=rig.path, env=rig.environment, **rig.identity) as export:
        header = next(export.stdout).rstrip().split(",")
        key, count = header.index("key"), header.index("count")
        for line in export.stdout:
            fields = line.split(",")
            if fields[key] == "overflow":
                overflow += int(fields[count])
            elif not fields[key].startswith("known."):
                offered += int(fields[count])
                keys.add(fields[key])
    return offered, len(keys), overflow


def load(tap, rig, server, path, sender, batches):
    """Send them while queries are asked, until all is folded; return how long those took, and their faults."""
    begin, asker = time.monotonic(), Asker(server, path)
    asker.start()
    for keys in batches:
        sender.send(keys)
    sent = time.monotonic()
    folded(rig, server)
    tap.figure(f"sent in {sent - begin:.1f} s, folded {time.monotonic() - sent:.1f} s later")
    return asker.finish(), asker.faults


def base(end):
    """The same load, of keys that stay few."""
    while time.monotonic() < end:
        yield [f"base.{i}" for i in range(AT_ONCE // 2)]


def attack():
    for begin in range(0, KEYS, AT_ONCE):
        yield [f"attack.{i}" for i in range(begin, min(begin + AT_ONCE, KEYS))]


def tell(tap, what, times):
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    tap.figure(f"{what}: {len(times)} queries, p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {times[-1]:.1f} ms")
    return p99


def judge(tap, rig, server, sender, times, sizes):
    p99_base, p99 = (tell(tap, what, t) for what, t in zip(("base load", "more and more keys"), times))
    tap.ok(p99 <= max(SLOWER * p99_base, QUICK_MS), "queries are as fast as before", f"{p99_base:.1f} -> {p99:.1f} ms")
    for program, mib in sizes.most_mib.items():
        tap.ok(0 < mib <= MEMORY_MIB[program], f"{program} took at most {mib:.0f} of {MEMORY_MIB[program]} MiB")
    tap.figure(f"memory in MiB: {', '.join(f'{name} {mib:.0f}' for name, mib in sizes.most_mib.items())}")
    data = data_bytes(rig)
    tap.ok(data <= 1.25 * sizes.bytes_full + (16 << 20),
           f"the store's tables take {data >> 20} MiB, {sizes.bytes_full >> 20} when it had the last key")
    totals = rig.counters(server)
    tap.ok([reason["code"] for reason in totals["reasons"]] == ["keys_full"], "health says that no more keys are taken", str(totals))
    tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["keys"] == MAX_KEYS + 1,
           "accepted = folded + duplicate; one key more than permitted, overflow", str(totals))
    offered, keys, overflow = exported(rig)
    tap.ok(sender.acknowledged <= offered + overflow <= sender.acknowledged + sender.unknown and overflow > 0,
           f"{offered} samples of {keys} keys and {overflow} of overflow are the {sender.acknowledged} that were acknowledged",
           f"refused: {sender.refused} requests")
    with Client(server.port) as client:
        response = client.get(f"/attack.{KEYS - 1}/count/2026-01-01/0")
        tap.ok(response.status == 404 and b"unknown_key" in response.body, "a key beyond is none", str(response))


def run(tap):
    with Rig(tap, {"consumer.max_keys": MAX_KEYS}) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"
        server, = rig.start("lighttpd")
        when = int(time.time()) - 7200
        path = "/{key}/all/" + time.strftime("%Y-%m-%d/%H", time.gmtime(when))
        with Client(server.port) as client:
            for i, key in enumerate(KNOWN):
                client.get(f"/collect?key={key}&value={','.join(str(v * i) for v in range(1, 100))}&ts={when}")
        folded(rig, server)
        before = answers(server, path)
        sizes = Sizes(rig, server)
        sizes.start()
        sender = Sender(server)
        base_times, faults = load(tap, rig, server, path, sender, base(time.monotonic() + BASE_S))
        times, more = load(tap, rig, server, path, sender, attack())
        until(lambda: sizes.bytes_full, 5, "the store is full of keys")
        sizes.ended.set()
        sizes.join()
        made = Collected()
        for key, old, new in zip(KNOWN, before, answers(server, path)):
            made.that(old == new, f"{key}: {old} -> {new}")
        made.report(tap, "the known keys are answered as before", len(KNOWN))
        tap.ok(not faults + more, "every query was answered", "\n".join((faults + more)[:5]))
        judge(tap, rig, server, sender, (base_times, times), sizes)


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("many keys", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_KEYS={KEYS}, consumer.max_keys = {MAX_KEYS}")
    run(tap)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
