# SPDX-License-Identifier: Apache-2.0
"""The counters of /-/metrics follow every sample: bounds that hold at any moment under load, with an outage of the bus and with kills
of collect, and sums that are exact when nothing is under way. as_of covers what it says, the spool included."""
import json
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import web
from client import Client, HttpError
from faults import COLLECT, SEED, calm, drained, kill_collect
from ledger import Ledger
from rig import FULL, Rig, missing, moment_of, parsed, until
from tap import Tap

OUTAGE_S = 12 if FULL else 3
KILLS = 10 if FULL else 2


class Metrics:
    """One answer of /-/metrics."""

    def __init__(self, port):
        with Client(port, timeout=20) as client:
            response = client.get("/-/metrics")
        if response.status != 200:
            raise HttpError(response)
        self.text = response.body.decode()
        self.values = {}
        for line in self.text.splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                self.values[name] = float(value)

    def __getitem__(self, name):
        """The sum over all labels; of a spool that is not there, 0."""
        found = [v for n, v in self.values.items() if re.sub(r"\{.*", "", n) == f"hourfold_{name}"]
        if not found and not name.startswith("spool_"):
            raise KeyError(name)
        return sum(found)

    @property
    def known(self):
        return self["samples_folded_total"] + self["samples_duplicate_total"] - self["samples_repeated_total"]

    @property
    def waiting(self):
        return self["spool_files"] + self["stream_waiting_messages"]


class Auditor(threading.Thread):
    """Looks at the counters all the time."""

    def __init__(self, rig, server):
        super().__init__(daemon=True)
        self.rig = rig
        self.server = server
        self.ended = threading.Event()
        self.looks = 0
        self.waited = self.spooled = 0.0
        self.faults = []

    def run(self):
        before = None
        while not self.ended.wait(0.02):
            try:
                now = Metrics(self.server.port)
                self.look(now, before)
                before = now
            except (HttpError, KeyError):
                continue

    def look(self, now, before):
        self.looks += 1
        self.waited = max(self.waited, now["stream_waiting_messages"])
        self.spooled = max(self.spooled, now["spool_bytes"])
        bounds = {"known <= sent": now.known <= now["collect_samples_sent_total"],
                  "accepted <= published + spooled": now["collect_samples_accepted_total"]
                  <= now["collect_samples_published_total"] + now["collect_samples_spooled_total"],
                  "accepted <= received": now["collect_samples_accepted_total"] <= now["collect_samples_received_total"]
                  or before is None,
                  "no counter went back": before is None or all(v >= before.values.get(n, 0) for n, v in now.values.items()
                                                                if n.partition("{")[0].endswith("_total"))}
        self.faults += [name for name, holds in bounds.items() if not holds]

    def finish(self):
        self.ended.set()
        self.join()


class Sentry(threading.Thread):
    """Sends samples of one key, one after another, and asks: what was acknowledged before as_of has to be in the count."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.when = int(time.time()) - 7200
        self.ended = threading.Event()
        self.acknowledged = []  # when
        self.asked = 0
        self.faults = []

    def run(self):
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(self.when))
        while not self.ended.wait(0.01):
            try:
                with Client(self.server.port, timeout=20) as client:
                    if client.get(f"/collect?key=sentry&value=1&ts={self.when}").status == 204:
                        self.acknowledged.append(time.time())
                    self.check(client.get(f"/sentry/count/{hour}"))
            except HttpError:
                continue

    def check(self, response):
        if response.status != 200:
            return
        answer = parsed(response)
        as_of = moment_of(answer["as_of"]) if answer["as_of"] else 0
        covered = sum(moment < as_of for moment in self.acknowledged)
        self.asked += 1
        if answer["count"] < covered:
            self.faults.append(f"{covered} acknowledged before as_of, {answer['count']} counted: {answer}")

    def finish(self):
        self.ended.set()
        self.join()


def acknowledged_samples(ledger, sentry):
    """What clients were told was kept."""
    return len(sentry.acknowledged) + sum(sum(entry.acknowledged) * (2 if entry.form == "pair" else 1)
                                          for writer in ledger.writers for entry in writer.entries.values())


def quiet(rig, server):
    """Wait until nothing is under way or waits, and return the counters then."""
    if "collect.spool" in rig.options:
        drained(rig, 60, rig.live_files)
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 30, "all is folded")
    return until(lambda: (lambda m: m if m.waiting == 0 else None)(Metrics(server.port)), 10, "nothing waits")


def check_format(tap, server):
    if shutil.which("promtool") is None:
        tap.skip("promtool check metrics", "promtool is not installed (Debian: prometheus)")
        return
    done = subprocess.run(["promtool", "check", "metrics"], input=Metrics(server.port).text, capture_output=True, text=True,
                          timeout=60, check=False)
    tap.ok(done.returncode == 0 and not done.stderr, "promtool check metrics finds nothing", done.stdout + done.stderr)


def outage(rig, ledger, choose, with_kills):
    """The bus goes away under load and comes back; collect is killed meanwhile."""
    until(lambda: ledger.acknowledged > 200, 20, ledger.summary)
    rig.nats.kill()
    pauses = [OUTAGE_S / (KILLS + 1)] * (KILLS + 1) if with_kills else [OUTAGE_S]
    for number, pause in enumerate(pauses):
        time.sleep(pause * choose.uniform(0.7, 1.3))
        if number < len(pauses) - 1:
            kill_collect(rig)
    rig.start_nats()
    calm(ledger)


def under_load(tap, name, choose, with_kills, durability="process", kind="lighttpd", spool=True):
    with Rig(tap, {"collect.durability": durability}) as rig:
        rig.live_files = int(durability == "power")
        if spool:
            rig.options["collect.spool"] = rig.path / "state" / "spool"
        server, = rig.start(kind)
        auditor, sentry = Auditor(rig, server), Sentry(server)
        ledger = Ledger(lambda: server.port, SEED).start()
        auditor.start()
        sentry.start()
        outage(rig, ledger, choose, with_kills)
        until(lambda: sentry.asked > 20 or sentry.faults, 30, "as_of is checked")
        ledger.finish()
        sentry.finish()
        now = quiet(rig, server)
        auditor.finish()
        told = acknowledged_samples(ledger, sentry)
        accepted, sent, known = (now[f"collect_samples_{n}_total"] for n in ("accepted", "sent", "uncertain"))
        uncertain, known = known, now.known
        figures = f"told {told}, accepted {accepted:.0f}, uncertain {uncertain:.0f}, known {known:.0f}, sent {sent:.0f}"
        tap.figure(f"{name}: {figures}; {auditor.looks} looks, at most {auditor.waited:.0f} messages and {auditor.spooled:.0f} "
                 f"bytes waited; as_of was checked {sentry.asked} times")
        tap.ok(not auditor.faults and auditor.looks > 20, f"{name}: the bounds held at every look", str(auditor.faults[:10]))
        tap.ok(not sentry.faults and sentry.asked > 20, f"{name}: as_of covered what it said",
               "\n".join(sentry.faults[:5]))
        tap.ok((auditor.spooled > 0) == (now["collect_samples_spooled_total"] > 0) == spool, f"{name}: the spool was used, if any")
        if with_kills:
            tap.ok(told <= accepted <= known <= sent, f"{name}: told <= accepted <= known <= sent", figures)
            tap.ok(now["collect_starts_total"] - now["collect_ends_total"] == KILLS + 1, f"{name}: {KILLS} processes were killed",
                   now.text)
        else:
            tap.ok(told == accepted and accepted <= known <= accepted + uncertain <= sent,
                   f"{name}: told = accepted, and known is that and what was uncertain", figures)
            tap.ok(uncertain > 0 or known == accepted == sent, f"{name}: exact where nothing was uncertain", figures)
            left = now["collect_samples_received_total"] - accepted
            tap.equal(left, now["collect_samples_refused_total"] + now["collect_samples_shed_total"],
                      f"{name}: received = accepted + refused + shed")
            check_format(tap, server)
        ledger.compare(tap, server.port, name)


def held_back(tap):
    """Samples lie in the spool, and nobody publishes them, though the bus is back."""
    with Rig(tap) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"
        server, = rig.start("lighttpd")
        rig.nats.kill()
        when = int(time.time()) - 7200
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(when))
        moments = []
        with Client(server.port) as client:
            for _ in range(20):
                if client.get(f"/collect?key=held&value=1&ts={when}").status == 204:
                    moments.append(time.time())
        for pid in rig.found(COLLECT):
            rig.signal(pid, signal.SIGSTOP)
        rig.start_nats()
        until(lambda: rig.counters(server)["bus"]["state"] == "well", 20, "the consumer has found the bus again")
        looked = rig.counters(server)["bus"]["seen"]
        until(lambda: moment_of(rig.counters(server)["bus"]["seen"]) > moment_of(looked) + 2, 10, "it has looked again")
        answer = rig.counters(server)
        tap.ok(moment_of(answer["as_of"]) < moments[0] and "spool_in_use" in {r["code"] for r in answer["reasons"]},
               "as_of stays before what lies in the spool", str(answer))
        stat = json.loads(rig.tool("stat", "--json"))
        tap.ok(stat["spool"]["samples"] == len(moments) and "spool_in_use" in stat["reasons"]
               and stat["collect"]["accepted"] == len(moments), "hourfold stat counts what lies there", str(stat))
        for pid in rig.found(COLLECT):
            rig.signal(pid, signal.SIGCONT)
        until(lambda: rig.as_of(server) > moments[-1], 20, "as_of moves on")
        with Client(server.port) as client:
            tap.equal(parsed(client.get(f"/held/count/{hour}"))["count"], len(moments), "and all of it is counted then")


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("the counters under load", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED}")
    choose = random.Random(f"{SEED} accounting")
    under_load(tap, "an outage", choose, False)
    under_load(tap, "an outage and kills", choose, True)
    if FULL:
        under_load(tap, "without a spool", choose, False, spool=False)
        under_load(tap, "for power", choose, False, "power")
        under_load(tap, "for power, with kills", choose, True, "power")
        absent = missing(*web.KINDS["mod_fcgid"].needs)
        if absent:
            tap.skip("the counters of many processes", f"{absent} is not installed")
        else:
            under_load(tap, "many processes, under mod_fcgid", choose, False, kind="mod_fcgid")
    held_back(tap)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
