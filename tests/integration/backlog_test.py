# SPDX-License-Identifier: Apache-2.0
"""The consumer is down until the stream is full, then until the spool is full, and comes back, killed now and then while it catches
up: what is refused is refused at once and plainly, and what was acknowledged is counted once.

HF_TEST_ROUNDS is how often (1, with HF_TEST_FULL=1 10), HF_TEST_SEED makes a run's plan the same again. The full form is done
without a spool too.
"""
import json
import os
import random
import time

from client import Client
from faults import SEED, drained, report, spooled, told
from ledger import Ledger
from nats import Nats
from rig import FULL, Rig, missing, parsed, until
from tap import Tap

ROUNDS = int(os.environ.get("HF_TEST_ROUNDS", "10" if FULL else "1"))
MESSAGES = 5000 if FULL else 1000
SPOOL_MIB = 4 if FULL else 1
BULK = 5000  # samples of one request


class Bulk:
    """Large requests, to fill what is to be filled."""

    def __init__(self, server, when, choose):
        self.server, self.when, self.random = server, when, choose
        self.acknowledged = self.unknown = 0
        self.last, self.took = None, 0.0

    def send(self):
        """True when it was acknowledged."""
        samples = [{"key": "bulk", "value": self.random.random(), "ts": self.when} for _ in range(BULK)]
        with Client(self.server.port) as client:
            begin = time.monotonic()
            self.last = client.request("POST", "/collect", {"Content-Type": "application/json"}, json.dumps(samples).encode())
            self.took = time.monotonic() - begin
        if self.last.status == 204:
            self.acknowledged += BULK
        else:
            self.unknown += BULK
        return self.last.status == 204


def keeps_what_is_not_folded(tap, rig, server, what):
    """With the consumer down: the stream has all behind what is in the store."""
    with Nats(rig.nats_port) as nats:
        first = nats.stream("HOURFOLD")["first_seq"]
    position = until(lambda: told(rig, server), 10, "health tells the position")["position"]
    tap.ok(first <= max(1, position), f"{what}: the stream begins at {first}, not past the stored position {position}")


def fill(tap, rig, ledger, bulk, begin):
    """Until requests are refused; the consumer went down after `begin`."""
    if rig.options.get("collect.spool"):
        until(lambda: spooled(rig), 60, "what the stream does not take goes to the spool")
        good, _ = report(tap, ledger, [(begin, time.monotonic())], "until the stream is full")
        tap.ok(good, "what the full stream does not take goes to the spool", ledger.summary())
        while bulk.send() and time.monotonic() < begin + 120:
            pass
        size = sum(spooled(rig).values())
        tap.ok(0.8 * SPOOL_MIB * 2**20 < size <= SPOOL_MIB * 2**20, f"the spool holds {size} bytes of {SPOOL_MIB} MiB")
        reason = b"no room"
    else:
        until(lambda: ledger.between(time.monotonic() - 0.3, time.monotonic())[1] == {503}, 60, ledger.summary)
        bulk.send()
        reason = b"stream is full"
    tap.ok(bulk.last.status == 503 and "retry-after" in bulk.last.headers and reason in bulk.last.body,
           "then requests are refused with 503 and the reason", str(bulk.last))
    begin = time.monotonic()
    time.sleep(0.5)
    times, statuses = ledger.between(begin, time.monotonic())
    tap.ok(statuses <= {503, 204} and times and times[-1] < 1 and bulk.took < 1,
           f"and that within {max(times[-1], bulk.took):.3f} s, of the large one and of all others", ledger.summary())


def catch_up(tap, rig, server, ledger, choose, kills):
    begin = time.monotonic()
    ledger.pause_s = 0.02  # or the small stream would leave no room for what is in the spool
    rig.start_consumer()
    for kill in range(kills):
        time.sleep(choose.uniform(0.1, 1.0))
        rig.consumer.kill()
        keeps_what_is_not_folded(tap, rig, server, f"kill {kill + 1} while it catches up")
        rig.start_consumer()
    acknowledged = ledger.acknowledged
    until(lambda: ledger.acknowledged > acknowledged + 20, 30, "requests are acknowledged again")
    if rig.options.get("collect.spool"):
        drained(rig, 60)
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 30, "all is folded")
    ledger.pause_s = 0.0
    tap.note(f"all is well {time.monotonic() - begin:.1f} s after the consumer came back, {kills} kills included")


def run(tap, with_spool):
    name = f"the consumer is down, {'a' if with_spool else 'no'} spool"
    with Rig(tap, {"bus.max_messages": MESSAGES, "collect.spool_max_mb": SPOOL_MIB}) as rig:
        if with_spool:
            rig.options["collect.spool"] = rig.path / "state" / "spool"
        server, = rig.start("lighttpd")
        choose = random.Random(f"{SEED} {name}")
        ledger = Ledger(lambda: server.port, SEED).start()
        bulk = Bulk(server, ledger.when, choose)
        for _ in range(ROUNDS):
            begin = time.monotonic()
            rig.consumer.kill()
            keeps_what_is_not_folded(tap, rig, server, "before")
            fill(tap, rig, ledger, bulk, begin)
            keeps_what_is_not_folded(tap, rig, server, "full")
            catch_up(tap, rig, server, ledger, choose, 3 if FULL else 1)
        ledger.finish()
        if with_spool:
            drained(rig, 60)
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        ledger.compare(tap, server.port, name)
        with Client(server.port) as client:
            answer = client.get(f"/bulk/count/{time.strftime('%Y-%m-%d/%H', time.gmtime(bulk.when))}")
            count = parsed(answer)["value"] if answer.status == 200 else 0
        tap.ok(bulk.acknowledged <= count <= bulk.acknowledged + bulk.unknown and count % BULK == 0,
               f"{name}: {bulk.acknowledged} samples of large requests were acknowledged, {bulk.unknown} not; {count} are counted")
        totals = rig.counters(server)
        log = rig.consumer.log.read_text("utf-8", "replace")
        tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["rewinds"] == 0
               and "event=stream_gap" not in log, f"{name}: accepted = folded + duplicate, no rewind and no gap", str(totals))
        tap.figure(f"{name}, {ROUNDS} times: {ledger.summary()}; the stream was trimmed {log.count('event=stream_trimmed')} times")


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("the consumer is down", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_ROUNDS={ROUNDS}")
    run(tap, True)
    if FULL:
        run(tap, False)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
