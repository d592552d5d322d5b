# SPDX-License-Identifier: Apache-2.0
"""Exactly once under kill -9 of the consumer, of nats-server, of readers and of collect at random moments under load.

HF_TEST_KILLS is how often each is killed (10), HF_TEST_SEED makes a run's plan of kills the same again.
"""
import os
import random
import time

from faults import HANG_S, SEED, Killer, Reader, Supervisor, kill_one_of, recovery
from ledger import Ledger
from nats import Nats
from rig import Rig, missing, until
from tap import Tap

KILLS = int(os.environ.get("HF_TEST_KILLS", "10"))
OUTAGE_S = 5.0  # a little longer than collect holds a request
ROUND = 5  # kills of each kind, after which all must be well again in time


def outage(tap, supervisor, nats, ledger, readers):
    """nats-server stays away for longer than collect holds a request: nothing is acknowledged, all is answered, queries go on."""
    with supervisor.lock:
        nats.kill()
        time.sleep(0.5)  # for answers that were on their way
        acknowledged, refused, answers = ledger.acknowledged, ledger.refused, sum(r.answers for r in readers)
        time.sleep(OUTAGE_S)
        tap.ok(ledger.acknowledged == acknowledged and ledger.refused > refused,
               "while nats-server is away requests are refused, and none is acknowledged", ledger.summary())
        tap.ok(sum(r.answers for r in readers) > answers, "and queries are answered")


def replay(rig):
    """Put every batch into the stream a second time, without the id by which JetStream would know it."""
    with Nats(rig.nats_port) as nats:
        state = nats.stream("HOURFOLD")
        batches = list(nats.messages("HOURFOLD", state["first_seq"], state["last_seq"]))
        for begin in range(0, len(batches), 200):
            part = batches[begin:begin + 200]
            nats.store(part[0][0], [payload for _, payload in part])
    return len(batches)


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
        kills = {"consumer": lambda _: supervisor.kill(rig.consumer) or 1,
                 "nats-server": lambda _: supervisor.kill(rig.nats) or 1,
                 "query": kill_one_of(rig, "hourfold-query"), "collect": kill_one_of(rig, "hourfold-collect")}
        choices = {name: random.Random(f"{SEED} {name}") for name in kills}
        slowest = 0.0
        for done in range(0, KILLS, ROUND):
            killers = [Killer(choices[name], kill, min(ROUND, KILLS - done)) for name, kill in kills.items()]
            for killer in killers:
                killer.start()
            for killer in killers:
                killer.join()
            slowest = max(slowest, recovery(rig, server, ledger))
        outage(tap, supervisor, rig.nats, ledger, readers)
        slowest = max(slowest, recovery(rig, server, ledger))
        ledger.finish()
        moment = time.time()
        for reader in readers:
            reader.join()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        supervisor.finish()
        tap.note(f"ended and started again: {supervisor.codes}")

        ledger.compare(tap, server.port, "kill -9")
        before, batches = rig.counters(server), replay(rig)
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "the batches that came twice are folded")
        totals = rig.counters(server)
        tap.ok(totals["folded"] == before["folded"] and totals["duplicate"] == before["duplicate"] + before["accepted"],
               f"{batches} batches come a second time and count for nothing", f"{before}\n{totals}")
        tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["rewinds"] == 0,
               "accepted = folded + duplicate, and the stream was never found rewound", str(totals))
        tap.note(f"counters: {totals}")
        tap.ok(not any(r.faults for r in readers), "readers see consistent counters and as_of never goes back",
               "\n".join(fault for r in readers for fault in r.faults[:5]))
        for what, longest in (("a request to collect", ledger.longest),
                              ("a query", max(r.longest_request for r in readers)),
                              ("all to be well again after a round of kills", slowest)):
            tap.ok(longest <= HANG_S, f"{what} took at most {longest:.2f} s", f"{HANG_S} s permitted")
        tap.note(f"{sum(r.answers for r in readers)} good answers, {sum(r.failures for r in readers)} failed ones; at most "
                 f"{max(r.longest_without_answer for r in readers):.2f} s from one good answer to the next, "
                 f"{max(r.longest_without_progress for r in readers):.2f} s from one as_of to the next")
        rig.consumer.stop()
        rig.tool("verify")
        tap.ok(True, "hourfold verify finds nothing")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
