# SPDX-License-Identifier: Apache-2.0
"""Full disks under load: that of JetStream, that of the spool, and, with HF_TEST_FULL=1, both at once. What was acknowledged is kept, nobody dies of it, and
all is well again within 30 s of there being room.

Each disk is a small tmpfs, which takes root to mount. nats-server 2.9.10 may hang when its disk was full: as an administrator
would have it done, the test kills it when /-/health says so, and once while the disk is full. HF_TEST_ROUNDS is how often each is filled (1, with HF_TEST_FULL=1 10), HF_TEST_SEED
makes a run's plan the same again. The full form does it without a spool too, and with collect.durability = power.
"""
import json
import os
import random
import subprocess
import time

from client import Client
from faults import COLLECT, SEED, NatsWatch, Supervisor, drained, report
from ledger import Ledger
from rig import FULL, Rig, missing, until
from tap import Tap

ROUNDS = int(os.environ.get("HF_TEST_ROUNDS", "10" if FULL else "1"))
FULL_S = (1.0, 8.0) if FULL else (1.0, 2.0)
BACK_S = 30.0
NATS_MIB = 24
SPOOL_MIB = 96 if FULL else 8  # with durability = power, all batches of the last six minutes stay there


class SmallDisk:
    """A tmpfs in a folder of the rig, for the user that the system runs as."""

    def __init__(self, rig, folder, mib):
        self.path = rig.path / "state" / folder
        self.path.mkdir()
        self.cork = self.path / "cork"
        identity = rig.identity
        self.mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700,uid={identity['user']},gid={identity['group']}", "tmpfs",
             str(self.path)], capture_output=True, check=False).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.path)], check=False)

    def fill(self):
        """Leave no room at all."""
        with open(self.cork, "ab", buffering=0) as cork:
            for piece in (65536, 4096, 1):
                try:
                    while True:
                        cork.write(bytes(piece))
                except OSError:
                    pass

    def free(self):
        self.cork.unlink(missing_ok=True)


class World:
    """The system under load, with those who start again what ends."""

    def __init__(self, tap, rig, spool):
        self.tap, self.rig, self.spool = tap, rig, spool
        self.server, = rig.start("lighttpd")
        self.supervisor = Supervisor(rig.consumer, rig.nats)
        self.supervisor.start()
        self.watch = NatsWatch(rig, self.supervisor, self.server)
        self.watch.start()
        self.collectors = rig.found(COLLECT)
        self.ledger = Ledger(lambda: self.server.port, SEED).start()
        self.slowest = 0.0

    def acknowledges(self, more, seconds, what):
        """Wait until requests are acknowledged; return how long it took."""
        begin, start = time.monotonic(), self.ledger.acknowledged
        until(lambda: self.ledger.acknowledged >= start + more, seconds,
              lambda: f"{what}: {self.ledger.summary()}, nats-server started again: {self.watch.kills}")
        return time.monotonic() - begin

    def folds(self):
        """Wait until what is acknowledged now is folded; return how long it took."""
        begin, moment = time.monotonic(), time.time()
        until(lambda: self.rig.as_of(self.server) > moment, BACK_S, "it is folded")
        return time.monotonic() - begin

    def is_back(self, what):
        took = self.acknowledges(20, BACK_S, what)
        if self.spool:
            begin = time.monotonic()
            drained(self.rig, BACK_S, self.rig.live_files)
            took += time.monotonic() - begin
        took += self.folds()
        self.slowest = max(self.slowest, took)
        self.tap.ok(took <= BACK_S, f"{what}: all is well {took:.1f} s after there was room")

    def refusal(self):
        """One request of our own, longer than what a file may still have in its last page, which is to be refused."""
        body = json.dumps({"refused": [random.random() for _ in range(2000)]}).encode()
        begin = time.monotonic()
        with Client(self.server.port) as client:
            response = client.request("POST", "/collect", {"Content-Type": "application/json"}, body)
        return response, time.monotonic() - begin


def jetstream(world, disk, seconds):
    begin = time.monotonic()
    disk.fill()
    time.sleep(seconds / 2)
    world.supervisor.kill(world.rig.nats)  # started again, it must not keep to the room that it finds now
    time.sleep(seconds / 2)
    end = time.monotonic()
    if world.spool:
        good, _ = report(world.tap, world.ledger, [(begin, end)], f"{seconds:.1f} s with JetStream's disk full")
        world.tap.ok(good, "every request is acknowledged while JetStream's disk is full", world.ledger.summary())
    disk.free()
    world.is_back("JetStream's disk")


def spool(world, disk, seconds):
    """The bus is away, so that all goes to the spool, and that has no room."""
    with world.supervisor.lock:
        world.rig.nats.kill()
        world.acknowledges(20, 10, "requests go to the spool")
        disk.fill()
        until(lambda: world.ledger.between(time.monotonic() - 0.3, time.monotonic())[1] == {503}, 10, "requests are refused")
        response, took = world.refusal()
        world.tap.ok(response.status == 503 and "retry-after" in response.headers and took < 1,
                     f"when the spool has no room, requests are refused, in {took:.3f} s", str(response))
        time.sleep(seconds)
        disk.free()
        took = world.acknowledges(20, BACK_S, "requests go to the spool again")
        world.tap.ok(True, f"the spool takes requests again {took:.1f} s after there was room")
    world.is_back("the spool's disk")


def both(world, disks, seconds):
    for disk in disks:
        disk.fill()
    time.sleep(seconds)
    for disk in reversed(disks):
        disk.free()
    world.is_back("both disks")


def finish(world, name):
    tap, rig = world.tap, world.rig
    world.ledger.finish()
    if world.spool:
        drained(rig, 30, rig.live_files)
    world.folds()
    world.watch.finish()
    world.supervisor.finish()
    tap.figure(f"{name}: at most {world.slowest:.1f} s until all was well; nats-server was killed {world.watch.kills} times as it "
             f"hung; ended: {world.supervisor.codes}")
    tap.ok(world.watch.unsaid == 0, f"{name}: /-/health said each time that JetStream was stuck", f"{world.watch.unsaid} times not")
    tap.ok({process for process, _ in world.supervisor.codes} <= {"nats-server"}
           and all(code == -9 for _, code in world.supervisor.codes) and rig.found(COLLECT) == world.collectors,
           f"{name}: nobody ended", f"{world.supervisor.codes} {rig.found(COLLECT)} {world.collectors}")
    world.ledger.compare(tap, world.server.port, name)
    totals = rig.counters(world.server)
    tap.ok(totals["accepted"] == totals["folded"] + totals["duplicate"] and totals["rewinds"] == 0,
           f"{name}: accepted = folded + duplicate, no rewinds", str(totals))


def run(tap, with_spool, durability="process"):
    name = f"{durability}, {'a' if with_spool else 'no'} spool"
    choose = random.Random(f"{SEED} {name}")
    with Rig(tap, {"collect.durability": durability}) as rig:
        rig.live_files = int(durability == "power")
        with SmallDisk(rig, "nats", NATS_MIB) as nats_disk, SmallDisk(rig, "spool", SPOOL_MIB) as spool_disk:
            if not (nats_disk.mounted and spool_disk.mounted):
                tap.skip(f"full disks, {name}", "no tmpfs can be mounted here")
                return
            if with_spool:
                rig.options["collect.spool"] = spool_disk.path
            world = World(tap, rig, with_spool)
            for _ in range(ROUNDS):
                world.acknowledges(100, 20, "requests are acknowledged")
                time.sleep(choose.uniform(0.1, 1.0))
                jetstream(world, nats_disk, choose.uniform(*FULL_S))
                if with_spool:
                    spool(world, spool_disk, choose.uniform(*FULL_S))
                if with_spool and FULL:
                    both(world, [nats_disk, spool_disk], choose.uniform(*FULL_S))
            finish(world, name)


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent or os.geteuid() != 0:
        tap.skip("full disks", f"{absent} is not installed" if absent else "mounting a small disk takes root")
        return
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_ROUNDS={ROUNDS}")
    run(tap, True)
    if FULL:
        run(tap, True, "power")
        run(tap, False)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
