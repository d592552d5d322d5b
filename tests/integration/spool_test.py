# SPDX-License-Identifier: Apache-2.0
"""The spool: what is acknowledged while the bus is away or frozen is counted once, whoever is killed meanwhile.

HF_TEST_OUTAGES are the lengths of the outages in seconds: 3, and with HF_TEST_FULL=1 10 four times, 180 (longer than JetStream
knows duplicates), and 1800. HF_TEST_SEED makes a run's plan of kills the same again. The full form tries collect.durability =
power too, and, without the longest outages, mod_fcgid, which makes many processes that share the spool; HF_TEST_DURABILITY=process
or power has only lighttpd with that tried.
"""
import os
import random
import signal
import time

import web
from client import Client
from faults import COLLECT, SEED, calm, drained, kill_collect, report, spooled
from ledger import Ledger
from rig import FULL, Rig, missing, until
from tap import Tap

OUTAGES = [float(s) for s in os.environ.get("HF_TEST_OUTAGES", "10,10,10,10,180,1800" if FULL else "3").split(",")]
DURABILITY = os.environ.get("HF_TEST_DURABILITY")
FROZEN_S = 2.5
LONG_S = 10  # an outage of this length: more kills, fewer requests, and latencies that are judged
P99_MS = 50
BASE_S = 3.0


def baseline(tap, ledger):
    """The time within which 99 % of requests are acknowledged here and now, in ms."""
    begin = time.monotonic()
    time.sleep(BASE_S)
    return report(tap, ledger, [(begin, time.monotonic())], "with nats-server there")[1]


def outage(tap, rig, ledger, seconds, choose):
    """nats-server is killed and stays away. Meanwhile collect is killed, at least once; while the spool is drained, collect,
    nats-server and the consumer are."""
    long = seconds >= LONG_S
    ledger.pause_s = 0.02 if long else 0.0
    calm(ledger)
    base_ms = baseline(tap, ledger) if long else 0.0
    kills = min(20, int(seconds / LONG_S) + 1)
    rig.nats.kill()
    begin = time.monotonic()
    moments = sorted(choose.uniform(0.3, 0.9) * seconds for _ in range(kills))
    quiet = []  # stretches without a kill
    since = begin + 0.2
    for moment in moments:
        time.sleep(max(0, begin + moment - time.monotonic()))
        quiet.append((since, time.monotonic() - 0.1))
        kill_collect(rig)
        calm(ledger)
        since = time.monotonic()
    time.sleep(max(0, begin + seconds - time.monotonic()))
    quiet.append((since, time.monotonic() - 0.1))
    good, p99_ms = report(tap, ledger, quiet, f"{seconds:.0f} s without nats-server, {kills} kills left out")
    tap.ok(good, "every request is acknowledged while nats-server is away", ledger.summary())
    if long and rig.servers[0].kind == "lighttpd":  # mod_fcgid takes a second to start another process
        tap.ok(p99_ms < max(P99_MS, 2 * base_ms), f"99 % of them within {P99_MS} ms, or twice what it takes with nats-server there",
               f"{p99_ms:.1f} ms, {base_ms:.1f} ms with nats-server")
    files = spooled(rig)
    tap.ok(files, "what was acknowledged is in the spool")
    tap.note(f"in the spool: {sum(files.values())} bytes in {len(files)} files")
    back = time.monotonic()
    rig.start_nats()
    for kill in range(3 * min(kills, 4)):
        time.sleep(choose.uniform(0.02, 0.5))
        kill_collect(rig)
        if kill % 3 == 1:
            rig.nats.kill()
            rig.start_nats()
        elif kill % 3 == 2:
            rig.consumer.kill()
            rig.start_consumer()
    drained(rig, 30 + seconds, rig.live_files)
    ledger.pause_s = 0.0
    tap.figure(f"{seconds:.0f} s without nats-server: p99 {p99_ms:.1f} ms; drained {time.monotonic() - back:.1f} s after it came back, "
               f"kills included")


def frozen(tap, rig, ledger):
    """nats-server keeps its connections and answers nothing."""
    calm(ledger)
    rig.nats.send(signal.SIGSTOP)
    begin = time.monotonic()
    time.sleep(FROZEN_S)
    end = time.monotonic()
    rig.nats.send(signal.SIGCONT)
    # The requests of the first moments wait until it is plain that no answer comes.
    good, _ = report(tap, ledger, [(begin + 0.5, end - 0.2)], f"{FROZEN_S} s with a frozen nats-server")
    tap.ok(good, "every request is acknowledged while nats-server is frozen", ledger.summary())
    drained(rig, 30, rig.live_files)


def clean_end(tap, rig, ledger, server):
    """What is acknowledged while the bus is away outlives a clean end of collect."""
    rig.nats.kill()
    acknowledged = ledger.acknowledged
    until(lambda: ledger.acknowledged > acknowledged + 20, 10, "requests are acknowledged")
    ledger.finish()
    rig.stop_server(server)
    tap.ok(spooled(rig), "collect has ended and left its spool behind")
    rig.start_nats()
    server = rig.start_web(server.kind)
    with Client(server.port) as client:
        client.request("OPTIONS", "/collect")  # mod_fcgid starts no process before there is something to do
    drained(rig, 30)
    return server


def exactly_once(tap, kind, outages, durability="process"):
    with Rig(tap, {"collect.durability": durability}) as rig:
        rig.live_files = int(durability == "power")
        rig.options["collect.spool"] = rig.path / "state" / "spool"
        server, = rig.start(kind)
        ledger = Ledger(lambda: server.port, SEED).start()
        choose = random.Random(f"{SEED} outages")
        until(lambda: ledger.acknowledged > 50, 20, "requests are acknowledged")
        tap.ok(len(spooled(rig)) == rig.live_files, "with the bus there, nothing goes to the spool, but for power")
        for seconds in outages:
            outage(tap, rig, ledger, seconds, choose)
        frozen(tap, rig, ledger)
        server = clean_end(tap, rig, ledger, server)
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        ledger.compare(tap, server.port, f"with a spool, {kind}, {durability}")
        totals = rig.counters(server)
        tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"], "accepted = folded + duplicate", str(totals))
        left = {path.suffix for path in (rig.path / "state" / "spool").iterdir()}
        tap.ok(left <= ({".kept", ".spool"} if rig.live_files else set()), "nothing is left in the spool", str(left))


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("the spool", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_OUTAGES={OUTAGES}")
    if DURABILITY:
        exactly_once(tap, "lighttpd", OUTAGES, DURABILITY)
        return
    for kind in ("lighttpd", "mod_fcgid") if FULL else ("lighttpd",):
        absent = missing(*web.KINDS[kind].needs)
        if absent:
            tap.skip(f"the spool under {kind}", f"{absent} is not installed")
        else:
            exactly_once(tap, kind, OUTAGES if kind == "lighttpd" else OUTAGES[:1])
    if FULL:
        exactly_once(tap, "lighttpd", OUTAGES, "power")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
