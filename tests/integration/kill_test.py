# SPDX-License-Identifier: Apache-2.0
"""Exactly once under kill -9 of the consumer, of nats-server, of the web server, of readers and of collect at random moments
under load, with and without a spool.

HF_TEST_KILLS is how often each is killed (3), HF_TEST_SEED makes a run's plan of kills the same again. With HF_TEST_FULL=1 it
is 100, and Apache with mod_fcgid is tried too, with a fifth of them.
"""
import os
import random
import time

import web
from faults import COLLECT, HANG_S, QUERY, SEED, Killer, Reader, Supervisor, drained, kill_one_of, recovery, resumed
from ledger import Ledger
from nats import Nats
from rig import FULL, Rig, missing, until
from tap import Tap

KILLS = int(os.environ.get("HF_TEST_KILLS", "100" if FULL else "3"))
RESUME_S = 3.0  # from a kill to the next acknowledgement
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


def kill(rig, server, ledger, supervisor, kills):
    """Each of the five is killed so and so many times. Return when, and the longest it took until all was well again."""
    moments = []
    kinds = {"consumer": lambda _: supervisor.kill(rig.consumer), "nats-server": lambda _: supervisor.kill(rig.nats),
             "web server": lambda _: supervisor.kill(server.process), "query": kill_one_of(rig, QUERY),
             "collect": kill_one_of(rig, COLLECT)}
    choices = {name: random.Random(f"{SEED} {name}") for name in kinds}
    slowest = 0.0
    for done in range(0, kills, ROUND):
        killers = [Killer(choices[name], act, min(ROUND, kills - done), moments) for name, act in kinds.items()]
        for killer in killers:
            killer.start()
        for killer in killers:
            killer.join()
        slowest = max(slowest, recovery(rig, server, ledger))
    return moments, slowest


def judge(tap, name, ledger, readers, moments, slowest):
    tap.ok(not any(r.faults for r in readers), f"{name}: readers see consistent counters and as_of never goes back",
           "\n".join(fault for r in readers for fault in r.faults[:5]))
    for what, longest, most in ((f"from each of {len(moments)} kills to the next acknowledgement", resumed(ledger, moments), RESUME_S),
                                ("a request to collect", ledger.longest, HANG_S),
                                ("a query", max(r.longest_request for r in readers), HANG_S),
                                ("all to be well again after a round of kills", slowest, HANG_S)):
        tap.ok(longest <= most, f"{name}: {what} took at most {longest:.2f} s", f"{most} s permitted")
    tap.figure(f"{name}: {len(moments)} kills, writes resumed within {resumed(ledger, moments):.2f} s, longest request "
               f"{ledger.longest:.2f} s, longest query {max(r.longest_request for r in readers):.2f} s; {ledger.summary()}")
    tap.note(f"{sum(r.answers for r in readers)} good answers, {sum(r.failures for r in readers)} failed ones; at most "
             f"{max(r.longest_without_answer for r in readers):.2f} s from one good answer to the next, "
             f"{max(r.longest_without_progress for r in readers):.2f} s from one as_of to the next")


def folded(rig, server):
    """Wait until all that was acknowledged before now is folded."""
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 30, "all is folded")


def twice(tap, rig, server):
    before, batches = rig.counters(server), replay(rig)
    folded(rig, server)
    totals = rig.counters(server)
    tap.ok(totals["folded"] == before["folded"] and totals["duplicate"] == before["duplicate"] + before["accepted"],
           f"{batches} batches come a second time and count for nothing", f"{before}\n{totals}")


def run(tap, kind, spool, kills):
    name = f"{kind}, {'a' if spool else 'no'} spool"
    with Rig(tap) as rig:
        if spool:
            rig.options["collect.spool"] = rig.path / "state" / "spool"
        server, = rig.start(kind)
        ledger = Ledger(lambda: server.port, SEED).start()
        readers = [Reader(server, ledger.ended) for _ in range(2)]
        for reader in readers:
            reader.start()
        supervisor = Supervisor(rig.consumer, rig.nats, server.process)
        supervisor.start()
        moments, slowest = kill(rig, server, ledger, supervisor, kills)
        if FULL and not spool:
            outage(tap, supervisor, rig.nats, ledger, readers)
            slowest = max(slowest, recovery(rig, server, ledger))
        ledger.finish()
        for reader in readers:
            reader.join()
        if spool:
            drained(rig, 30)
        folded(rig, server)
        supervisor.finish()
        tap.note(f"ended and started again: {supervisor.codes}")
        ledger.compare(tap, server.port, name)
        if not spool:
            twice(tap, rig, server)
        totals = rig.counters(server)
        tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["rewinds"] == 0,
               f"{name}: accepted = folded + duplicate, and the stream was never found rewound", str(totals))
        judge(tap, name, ledger, readers, moments, slowest)
        rig.consumer.stop()
        rig.tool("verify")
        tap.ok(True, "hourfold verify finds nothing")


def main(tap):
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_KILLS={KILLS}")
    for kind, kills in (("lighttpd", KILLS), ("mod_fcgid", KILLS // 5 if FULL else 0)):
        absent = missing("nats-server", *web.KINDS[kind].needs)
        if absent:
            tap.skip(f"exactly once under kill -9, {kind}", f"{absent} is not installed")
        elif kills:
            run(tap, kind, False, kills)
            run(tap, kind, True, kills)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
