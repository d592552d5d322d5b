# SPDX-License-Identifier: Apache-2.0
"""What the tests of faults share: who starts again what has died, who kills by a seed, readers that watch, and what is waited
for afterwards."""
import bisect
import os
import pathlib
import random
import signal
import threading
import time

from client import Client, HttpError
from nats import Nats
from rig import moment_of, parsed, until

SEED = int(os.environ.get("HF_TEST_SEED", random.randrange(2**32)))
HANG_S = 5.0
BETWEEN_S = (0.2, 1.6)  # two kills of one kind
COLLECT = "hourfold-collect"
QUERY = "hourfold-query"


class Supervisor(threading.Thread):
    """Starts again what has ended, as systemd would, until the rig stops."""

    def __init__(self, *processes):
        super().__init__(daemon=True)
        self.processes = processes
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.codes = {}
        processes[0].rig.before_stop.append(self.finish)

    def run(self):
        while not self.ended.wait(0.02):
            for process in self.processes:
                with self.lock:
                    if not process.alive():
                        code = (process.name, process.popen.returncode)
                        self.codes[code] = self.codes.get(code, 0) + 1
                        process.start()

    def kill(self, process):
        """Return how many were killed."""
        with self.lock:
            process.send(signal.SIGKILL)
        return 1

    def finish(self):
        self.ended.set()
        if self.is_alive():
            self.join()


class NatsWatch(threading.Thread):
    """Kills nats-server when /-/health says that JetStream is stuck and it is, as an administrator would have it done: 2.9.10 hangs
    after its disk was full. The supervisor starts it again. When health does not say so for long, that is noted."""

    LONG_S = 15.0

    def __init__(self, rig, supervisor, server):
        super().__init__(daemon=True)
        self.rig = rig
        self.supervisor = supervisor
        self.server = server
        self.ended = threading.Event()
        self.kills = self.unsaid = 0
        rig.before_stop.append(self.finish)

    def run(self):
        answered = time.monotonic()
        while not self.ended.wait(0.3):
            if self.answers():
                answered = time.monotonic()
                continue
            unsaid = time.monotonic() - answered > self.LONG_S
            if (unsaid or self.health_says_so()) and self.rig.nats.alive():
                self.kills += self.supervisor.kill(self.rig.nats)
                self.unsaid += unsaid
                answered = time.monotonic()

    def health_says_so(self):
        health = told(self.rig, self.server)
        return health is not None and any(reason["code"] == "bus_stuck" for reason in health["reasons"])

    def answers(self):
        try:
            with Nats(self.rig.nats_port, timeout=1) as nats:
                nats.stream("HOURFOLD")
            return True
        except (OSError, KeyError, ValueError):
            return False

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
        as_of = 0.0
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
                moment = moment_of(answer["as_of"])
                if moment != as_of:
                    if moment < as_of:
                        self.faults.append(f"as_of went back from {as_of} to {moment}")
                    self.longest_without_progress = max(self.longest_without_progress, now - moved)
                    moved, as_of = now, moment
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
    """Kills one kind of process, so and so many times, and notes when."""

    def __init__(self, choose, kill, kills, moments):
        super().__init__(daemon=True)
        self.moments = moments
        self.random = choose
        self.kill = kill
        self.kills = kills

    def run(self):
        while self.kills > 0:
            time.sleep(self.random.uniform(*BETWEEN_S))
            if self.kill(self.random):
                self.moments.append(time.monotonic())
                self.kills -= 1


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


def recovery(rig, server, ledger):
    """How long after the last kill it takes until requests are acknowledged and what was acknowledged is answered."""
    started, moment, acknowledged = time.monotonic(), time.time(), ledger.acknowledged
    until(lambda: ledger.acknowledged > acknowledged and rig.as_of(server) > moment, 30,
          "requests are acknowledged and folded again")
    return time.monotonic() - started


def resumed(ledger, moments):
    """The longest from a kill to the first acknowledgement after it, when none else was killed in between."""
    acknowledged = sorted(started + took for w in ledger.writers for started, took, status in w.times if status == 204)
    longest, moments = 0.0, sorted(moments)
    for moment, following in zip(moments, [*moments[1:], float("inf")]):
        at = bisect.bisect_right(acknowledged, moment)
        until_then = acknowledged[at] if at < len(acknowledged) else float("inf")
        longest = max(longest, min(until_then, following) - moment)
    return longest


def told(rig, server):
    """The counters, or None while none can be had: readers begin anew, too, when the consumer has recovered the store."""
    try:
        counters = rig.counters(server)
    except (HttpError, ValueError):
        return None
    return counters if "position" in counters else None


def spooled(rig):
    """The names and sizes of the files that are in the spool."""
    found = {}
    for path in pathlib.Path(rig.options["collect.spool"]).glob("*.spool"):
        try:
            found[path.name] = path.stat().st_size
        except FileNotFoundError:
            pass
    return found


def kill_collect(rig):
    """kill -9 of every process there is, and wait until the web server has made another."""
    for pid in rig.found(COLLECT):
        rig.signal(pid, signal.SIGKILL)
    until(lambda: rig.found(COLLECT), 10, "the web server starts hourfold-collect again")


def calm(ledger):
    """Wait until the web server has forgotten the last kill: it refuses requests itself for a second."""
    def is_calm():
        now = time.monotonic()
        times, statuses = ledger.between(now - 0.5, now)
        return len(times) > 10 and statuses == {204}
    until(is_calm, 30, ledger.summary)


def drained(rig, seconds, live=0):
    """Wait until all that is left are the files of live processes, which they have for the loss of power."""
    until(lambda: len(spooled(rig)) <= live, seconds, lambda: f"the spool is empty: {spooled(rig)}")


def report(tap, ledger, stretches, what):
    """Print how the requests fared that were sent in some stretches of time. Return whether all were acknowledged, and the time
    within which 99 % were, in ms."""
    times, statuses = [], set()
    for begin, end in stretches:
        more, answers = ledger.between(begin, end)
        times += more
        statuses |= answers
    if not times:
        return False, float("inf")
    times.sort()
    p99_ms = times[int(len(times) * 0.99)] * 1000
    tap.note(f"{what}: {len(times)} requests, p50 {times[len(times) // 2] * 1000:.1f} ms, p99 {p99_ms:.1f} ms, "
             f"longest {times[-1] * 1000:.1f} ms, answers {statuses}")
    return statuses == {204}, p99_ms
