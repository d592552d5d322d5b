# SPDX-License-Identifier: Apache-2.0
"""Exactly once under kill -9 of the consumer, of nats-server, of readers and of collect at random moments under load.

HF_TEST_KILLS is how often each is killed (10), HF_TEST_SEED makes a run's plan of kills the same again.
"""
import os
import random
import signal
import threading
import time

from client import Client, HttpError
from ledger import Ledger
from rig import Rig, missing, parsed, until
from tap import Tap

KILLS = int(os.environ.get("HF_TEST_KILLS", "10"))
SEED = int(os.environ.get("HF_TEST_SEED", random.randrange(2**32)))
HANG_S = 5.0
BETWEEN_S = (0.2, 1.6)  # two kills of one kind


class Supervisor(threading.Thread):
    """Starts again what has ended, as systemd would."""

    def __init__(self, *processes):
        super().__init__(daemon=True)
        self.processes = processes
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.codes = {}

    def run(self):
        while not self.ended.wait(0.02):
            for process in self.processes:
                with self.lock:
                    if not process.alive():
                        code = (process.name, process.popen.returncode)
                        self.codes[code] = self.codes.get(code, 0) + 1
                        process.start()

    def kill(self, process):
        with self.lock:
            process.send(signal.SIGKILL)

    def finish(self):
        self.ended.set()
        self.join()


class Reader(threading.Thread):
    """Asks all the time, and keeps the longest waits: for one answer, for the next good one, and for as_of to move."""

    def __init__(self, server, ended):
        super().__init__(daemon=True)
        self.server = server
        self.ended = ended
        self.answers = self.failures = 0
        self.longest_request = self.longest_without_answer = self.longest_without_progress = 0.0
        self.faults = []

    def run(self):
        good = moved = time.monotonic()
        as_of = ""
        while not self.ended.is_set():
            started = time.monotonic()
            answer = self.ask()
            now = time.monotonic()
            self.longest_request = max(self.longest_request, now - started)
            if answer is None:
                self.failures += 1
                time.sleep(0.01)
            else:
                self.answers += 1
                self.longest_without_answer = max(self.longest_without_answer, now - good)
                good = now
                if answer["as_of"] != as_of:
                    if as_of and answer["as_of"] and answer["as_of"] < as_of:
                        self.faults.append(f"as_of went back from {as_of} to {answer['as_of']}")
                    self.longest_without_progress = max(self.longest_without_progress, now - moved)
                    moved, as_of = now, answer["as_of"]
        self.longest_without_answer = max(self.longest_without_answer, time.monotonic() - good)

    def ask(self):
        """/-/health reads one transaction's state; a page of keys walks over a table as the consumer changes it."""
        try:
            with Client(self.server.port, timeout=20) as client:
                client.get("/-/keys?limit=200&prefix=ledger.1")
                response = client.get("/-/health")
                answer = parsed(response) if response.status == 200 else None
        except (HttpError, ValueError):
            return None
        if answer and answer["accepted"] != answer["folded"] + answer["duplicate"]:
            self.faults.append(f"the counters do not add up: {answer}")
        return answer


class Killer(threading.Thread):
    def __init__(self, name, seed, kill):
        super().__init__(daemon=True)
        self.name = name
        self.random = random.Random(f"{seed} {name}")
        self.kill = kill
        self.kills = 0

    def run(self):
        while self.kills < KILLS:
            time.sleep(self.random.uniform(*BETWEEN_S))
            self.kills += self.kill(self.random)


def kill_one_of(rig, program):
    """Kill one of the processes of a program that the web server started."""
    def kill(choose):
        pids = rig.found(program)
        if not pids:
            return 0
        try:
            os.kill(choose.choice(pids), signal.SIGKILL)
            return 1
        except ProcessLookupError:
            return 0
    return kill


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("exactly once under kill -9", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_KILLS={KILLS}")
    with Rig(tap) as rig:
        server, = rig.start("lighttpd")
        ledger = Ledger(lambda: server.port, SEED).start()
        readers = [Reader(server, ledger.ended) for _ in range(2)]
        for reader in readers:
            reader.start()
        supervisor = Supervisor(rig.consumer, rig.nats)
        supervisor.start()
        killers = [Killer("consumer", SEED, lambda _: supervisor.kill(rig.consumer) or 1),
                   Killer("nats-server", SEED, lambda _: supervisor.kill(rig.nats) or 1),
                   Killer("query", SEED, kill_one_of(rig, "hourfold-query")),
                   Killer("collect", SEED, kill_one_of(rig, "hourfold-collect"))]
        for killer in killers:
            killer.start()
        for killer in killers:
            killer.join()
        settled = ledger.acknowledged
        until(lambda: ledger.acknowledged > settled, 15, "requests are acknowledged again")
        ledger.finish()
        moment = time.time()
        for reader in readers:
            reader.join()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        supervisor.finish()
        tap.note(f"ended and started again: {supervisor.codes}")

        ledger.compare(tap, server.port, "kill -9")
        totals = rig.counters(server)
        tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["rewinds"] == 0,
               "accepted = folded + duplicate, and the stream was never found rewound", str(totals))
        tap.note(f"counters: {totals}")
        tap.ok(not any(r.faults for r in readers), "readers see consistent counters and as_of never goes back",
               "\n".join(fault for r in readers for fault in r.faults[:5]))
        for what, longest in (("a request to collect", ledger.longest),
                              ("a query", max(r.longest_request for r in readers)),
                              ("waiting for any good answer", max(r.longest_without_answer for r in readers)),
                              ("waiting for the consumer's next commit", max(r.longest_without_progress for r in readers))):
            tap.ok(longest <= HANG_S, f"{what} took at most {longest:.2f} s", f"{HANG_S} s permitted")
        tap.note(f"{sum(r.answers for r in readers)} good answers, {sum(r.failures for r in readers)} failed ones")
        rig.consumer.stop()
        rig.tool("verify")
        tap.ok(True, "hourfold verify finds nothing")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
