# SPDX-License-Identifier: Apache-2.0
"""The stream is deleted, made anew by collect, or set back to an older state while the consumer runs; the bus is away, or stuck:
noticed in time, told in the log, in /-/health and in the counters, and nothing counted twice. HF_TEST_FULL=1 tries all of it."""
import json
import re
import shutil
import signal
import subprocess
import time

from client import Client
from disk_full_test import NATS_MIB, SmallDisk
from nats import Nats
from rig import FULL, Rig, missing, parsed, until
from tap import Tap

NOTICED_S = 5
STREAM = "HOURFOLD"


class Watched:
    """A rig with one web server, and what was sent through it. A sample is the next power of two, so that the sum tells which were
    counted, and how often."""

    def __init__(self, tap, rig):
        self.tap = tap
        self.rig = rig
        self.server, = rig.start("lighttpd")
        self.when = int(time.time()) - 7200
        self.sent = 0
        self.batches = 0

    def send(self, count):
        with Client(self.server.port) as client:
            for _ in range(count):
                until(lambda: client.get(f"/collect?key=k.{self.batches}&value={2**self.sent}&ts={self.when}").status == 204, 15,
                      "a sample is acknowledged")
                self.sent += 1

    def next_key(self):
        self.batches, self.sent = self.batches + 1, 0

    def health(self):
        with Client(self.server.port) as client:
            return parsed(client.get("/-/health"))

    def codes(self):
        return {reason["code"] for reason in self.health()["reasons"]}

    def folded(self):
        moment = time.time()
        until(lambda: self.rig.as_of(self.server) > moment, 30, lambda: f"all is folded: {self.health()}")

    def log(self, event):
        return self.rig.consumer.log.read_text("utf-8", "replace").count(f"event={event} ")

    def counted_once(self, key, count, name):
        self.folded()
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(self.when))
        with Client(self.server.port) as client:
            got = [json.loads(client.get(f"/{key}/{stat}/{hour}").body)["value"] for stat in ("count", "sum")]
        self.tap.equal(got, [count, 2**count - 1], f"{name}: every sample is counted once")

    def within(self, seconds, condition, name):
        """Whether it becomes true in time, and when that was."""
        begin = time.monotonic()
        until(lambda: condition() or time.monotonic() - begin > 3 * seconds, 4 * seconds, name)
        took = time.monotonic() - begin
        self.tap.ok(took < seconds, f"{name} within {seconds} s", f"{took:.2f} s; {self.health()}")
        self.tap.figure(f"{name}: {took:.2f} s")

    def delete(self):
        with Nats(self.rig.nats_port) as nats:
            assert nats.ask(f"$JS.API.STREAM.DELETE.{STREAM}", None)["success"]

    def exists(self):
        with Nats(self.rig.nats_port) as nats:
            return "state" in nats.ask(f"$JS.API.STREAM.INFO.{STREAM}", None)

    def case(self, name, harm):
        """Send and fold, do harm, and look how it is noticed; then send more."""
        self.next_key()
        self.send(20)
        self.folded()
        before, logged = self.health(), self.log("stream_rewound")
        harm()
        self.within(NOTICED_S, lambda: self.health().get("rewinds") == before["rewinds"] + 1, f"{name}: it is noticed and counted")
        self.tap.ok(self.log("stream_rewound") == logged + 1 and "stream_rewound" in self.codes(),
                    f"{name}: the log and health tell", self.rig.logs())
        self.send(20)
        self.counted_once(f"k.{self.batches}", 40, name)
        totals = self.health()
        self.tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["duplicate"] == totals["repeated"],
                    f"{name}: accepted = folded + duplicate, and what came again came in known batches", str(totals))
        self.tap.equal(self.rig.tool("verify", check=False).strip().rpartition("\n")[2][:23], "the store is consistent",
                       f"{name}: verify finds the store consistent")


def deleted(watched):
    watched.case("deleted", watched.delete)


def made_anew(watched):
    """Collect is the first to find that it is gone."""
    watched.next_key()
    watched.send(20)
    watched.folded()
    before = watched.health()["rewinds"]
    watched.rig.consumer.send(signal.SIGSTOP)
    watched.delete()
    watched.send(20)
    watched.tap.ok(watched.exists(), "made anew: by collect")
    watched.rig.consumer.send(signal.SIGCONT)
    watched.within(NOTICED_S, lambda: watched.health()["rewinds"] == before + 1, "made anew: it is noticed and counted")
    watched.counted_once(f"k.{watched.batches}", 40, "made anew")


class Copy:
    """JetStream's directory as it was at some time."""

    def __init__(self, watched):
        self.rig = watched.rig
        self.live = self.rig.path / "state" / "nats"
        self.saved = self.rig.path / "state" / "nats.saved"
        self.rig.nats.stop()
        shutil.copytree(self.live, self.saved)
        self.rig.start_nats()

    def restore(self):
        self.rig.nats.stop()
        shutil.rmtree(self.live)
        shutil.copytree(self.saved, self.live)
        self.rig._give(self.live)
        self.rig.start_nats()


def set_back(watched):
    watched.next_key()
    watched.send(10)
    watched.folded()
    copy = Copy(watched)
    watched.case("set back", copy.restore)
    again = watched.health()["repeated"]
    watched.tap.ok(again > 0, f"set back: {again} samples came again and were known")
    watched.counted_once(f"k.{watched.batches - 1}", 10, "set back, what it still had")
    return copy


def set_back_and_grown(watched, copy):
    """When the consumer looks again, the stream is longer than it was: the message at the position tells."""
    watched.next_key()
    watched.send(20)
    watched.folded()
    before = watched.health()
    watched.rig.consumer.send(signal.SIGSTOP)
    copy.restore()
    watched.next_key()
    watched.send(40)
    with Nats(watched.rig.nats_port) as nats:
        until(lambda: nats.stream(STREAM)["last_seq"] > 0, 5, "the stream is there")
        while nats.stream(STREAM)["last_seq"] <= before["position"]:
            watched.next_key()
            watched.send(40)
    watched.rig.consumer.send(signal.SIGCONT)
    watched.within(NOTICED_S, lambda: watched.health()["rewinds"] == before["rewinds"] + 1,
                   "set back and grown: it is noticed and counted")
    watched.counted_once(f"k.{watched.batches}", 40, "set back and grown")


def bus_away(watched):
    """Killed and back; stopped and going on."""
    rig = watched.rig
    rig.nats.kill()
    watched.within(NOTICED_S, lambda: "bus_away" in watched.codes(), "away: health says bus_away")
    answer = watched.health()
    watched.tap.ok(answer["status"] == "degraded" and answer["bus"]["state"] == "away" and answer["bus"]["since"],
                   "away: degraded, since when is told", str(answer))
    watched.next_key()
    watched.send(3)
    watched.within(NOTICED_S, lambda: "spool_in_use" in watched.codes(), "away: health says spool_in_use")
    rig.start_nats()
    watched.within(NOTICED_S + 3, lambda: not watched.codes() & {"bus_away", "spool_in_use"}, "away: and that all is well again")
    watched.counted_once(f"k.{watched.batches}", 3, "away")


def bus_stuck(watched):
    rig = watched.rig
    watched.folded()
    rig.nats.send(signal.SIGSTOP)
    watched.next_key()
    watched.send(3)
    watched.within(NOTICED_S + 2, lambda: "bus_stuck" in watched.codes(), "stuck: health says bus_stuck")
    with Client(watched.server.port) as client:
        response = client.get("/-/health")
    watched.tap.ok(response.status == 503 and b"must be restarted" in response.body, "stuck: with 503, and what to do", str(response))
    watched.tap.ok(watched.log("bus_stuck") == 1, "stuck: the log tells once")
    rig.nats.send(signal.SIGCONT)
    watched.within(NOTICED_S + 3, lambda: watched.health()["bus"]["state"] == "well", "stuck: and that it is well again")
    watched.counted_once(f"k.{watched.batches}", 3, "stuck")


def hangs():
    """Whether nats-server is of those that do, up to 2.9.11."""
    text = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"\d+", text)[:3])) <= (2, 9, 11)


def disk_full(tap):
    """The disk of JetStream is full: nats-server 2.9.10 hangs, and goes on hanging when there is room, until it is started again."""
    with Rig(tap) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"
        with SmallDisk(rig, "nats", NATS_MIB) as disk:
            if not disk.mounted:
                tap.skip("a full disk of JetStream", "it takes root to mount a tmpfs")
                return
            watched = Watched(tap, rig)
            watched.send(10)
            watched.folded()
            disk.fill()
            body = json.dumps({"filler": [i * 0.37 for i in range(3000)]}).encode()
            with Client(watched.server.port) as client:
                for _ in range(30):
                    client.request("POST", "/collect", {"Content-Type": "application/json"}, body)
            if hangs():
                watched.within(NOTICED_S, lambda: "bus_stuck" in watched.codes(), "disk full: health says bus_stuck")
                disk.free()
                stuck = [time.sleep(0.5) or "bus_stuck" in watched.codes() for _ in range(40)]
                tap.ok(all(stuck), "disk full: and goes on to, though there is room", str(stuck))
                rig.nats.kill()
                rig.start_nats()
            else:
                disk.free()
                tap.skip("bus_stuck on a full disk", "this nats-server does not hang then")
            watched.within(2 * NOTICED_S, lambda: not watched.codes(), "disk full: until nats-server is started again")
            watched.send(10)
            watched.counted_once(f"k.{watched.batches}", 20, "disk full")


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("a lost stream", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"
        watched = Watched(tap, rig)
        deleted(watched)
        copy = set_back(watched)
        bus_stuck(watched)
        if FULL:
            made_anew(watched)
            set_back_and_grown(watched, copy)
            bus_away(watched)
    if FULL:
        disk_full(tap)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
