# SPDX-License-Identifier: Apache-2.0
"""The disk of the store is full, at random moments: while the consumer runs, before it is killed or asked to end, and while it
recovers. Nothing acknowledged is lost, queries go on, the log says what to do, and folding goes on by itself within 30 s of
there being room.

The disk is a small tmpfs, which takes root to mount. HF_TEST_ROUNDS is how often it is filled (4, with HF_TEST_FULL=1 60),
HF_TEST_SEED makes a run's plan the same again.
"""
import os
import random
import threading
import time

from client import Client, HttpError
from disk_full_test import SmallDisk
from faults import SEED, Supervisor
from ledger import Ledger
from rig import FULL, Rig, missing, parsed, until
from tap import Tap

ROUNDS = int(os.environ.get("HF_TEST_ROUNDS", "60" if FULL else "4"))
FULL_S = (0.5, 12.0) if FULL else (0.3, 1.5)
BACK_S = 30.0
GAP_S = 5.0  # without an answer, while the consumer recovers
DISK_MIB = 160
SEEN = "full.seen"


class Watcher(threading.Thread):
    """Asks for one hour all the time: what is stored is to be answered, whatever the disk."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.target = f"/{SEEN}/count/{time.strftime('%Y-%m-%d/%H', time.gmtime(time.time() - 7200))}"
        self.ended = threading.Event()
        self.answers = 0
        self.longest = 0.0
        self.faults = []
        self.start()

    def run(self):
        good = time.monotonic()
        while not self.ended.wait(0.01):
            try:
                with Client(self.port) as client:
                    response = client.get(self.target)
            except HttpError:
                continue
            if response.status == 200:
                self.answers += 1
                if parsed(response)["value"] != 3:
                    self.faults.append(repr(response))
            elif response.status != 503 and response.body.startswith(b"{"):  # else of the web server: its handler ended
                self.faults.append(repr(response))
            if response.status == 200:
                self.longest = max(self.longest, time.monotonic() - good)
                good = time.monotonic()
        self.longest = max(self.longest, time.monotonic() - good)

    def finish(self):
        self.ended.set()
        self.join()


def reasons(server):
    with Client(server.port) as client:
        return {reason["code"] for reason in parsed(client.get("/-/health"))["reasons"]}


def is_full(world):
    """Wait until health tells of it; or until it is clear that the writer still has room in files that it made before."""
    moment = time.time()
    until(lambda: "store_full" in reasons(world.server) or world.rig.as_of(world.server) > moment + 2, 20,
          lambda: f"health tells of the full disk: {reasons(world.server)}")
    world.told += "store_full" in reasons(world.server)


def running(world, disk, choose):
    disk.fill()
    is_full(world)
    time.sleep(choose.uniform(*FULL_S))


def killed(world, disk, choose):
    disk.fill()
    if choose.random() < 0.7:
        is_full(world)
    world.supervisor.kill(world.rig.consumer)
    time.sleep(choose.uniform(*FULL_S))


def stopped(world, disk, choose):
    disk.fill()
    is_full(world)
    with world.supervisor.lock:
        world.rig.consumer.stop()
    time.sleep(choose.uniform(*FULL_S))


def recovering(world, disk, choose):
    """Whoever takes the room of the regions just while they are made anew keeps the store from being read: not for long here."""
    world.supervisor.kill(world.rig.consumer)
    time.sleep(choose.uniform(0, 0.3))
    disk.fill()
    time.sleep(choose.uniform(0.3, 2.0))


class World:
    """The system under load."""

    def __init__(self, rig):
        self.rig = rig
        self.server, = rig.start("lighttpd")
        self.supervisor = Supervisor(rig.consumer)
        self.ledger = Ledger(lambda: self.server.port, SEED, prefix="full").start()
        with Client(self.server.port) as client:
            for n in range(3):
                client.get(f"/collect?key={SEEN}&value={n}&ts={int(time.time()) - 7200}")
        self.folds()
        self.watcher = Watcher(self.server.port)
        self.supervisor.start()
        self.slowest = 0.0
        self.told = 0

    def folds(self):
        """Wait until what is acknowledged now is folded; return how long it took."""
        begin, moment = time.monotonic(), time.time()
        until(lambda: self.rig.as_of(self.server) > moment, BACK_S, lambda: f"it is folded: {reasons(self.server)}")
        return time.monotonic() - begin


def play(tap, world, disk):
    choose = random.Random(SEED)
    for n in range(ROUNDS):
        scene = (running, killed, stopped, recovering)[n % 4]
        time.sleep(choose.uniform(0, 2.0))
        before = world.ledger.acknowledged
        scene(world, disk, choose)
        tap.ok(world.ledger.acknowledged > before, f"{scene.__name__}: requests are acknowledged while the disk is full")
        disk.free()
        took = world.folds()
        world.slowest = max(world.slowest, took)
        tap.ok(took <= BACK_S, f"{scene.__name__}: folded {took:.1f} s after there was room")


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent or os.geteuid() != 0:
        tap.skip("a full disk of the store", f"{absent} is not installed" if absent else "mounting a small disk takes root")
        return
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_ROUNDS={ROUNDS}")
    with Rig(tap, {"consumer.commit_interval": "200ms", "store.cache_mb": "16"}) as rig, SmallDisk(rig, "small", DISK_MIB) as disk:
        if not disk.mounted:
            tap.skip("a full disk of the store", "a small disk cannot be mounted here")
            return
        rig.options["store.path"] = disk.path / "store"
        world = World(rig)
        play(tap, world, disk)
        world.ledger.finish()
        world.folds()
        world.watcher.finish()
        world.supervisor.finish()
        log = rig.consumer.log.read_text("utf-8", "replace")
        tap.ok("No space left on device" in log and "make room" in log, "the log says that there is no room, and what to do")
        tap.ok(world.told > 0, f"health told of it {world.told} times")
        tap.ok({code for _, code in world.supervisor.codes} <= {-9, 0, 1}, "the consumer was killed by nobody else",
               str(world.supervisor.codes))
        tap.ok(not world.watcher.faults and world.watcher.longest <= GAP_S,
               f"queries answer what is stored, at most {world.watcher.longest:.1f} s apart", "\n".join(world.watcher.faults[:5]))
        tap.figure(f"{ROUNDS} times full; folded at most {world.slowest:.1f} s after there was room; {world.watcher.answers} answers, "
                   f"at most {world.watcher.longest:.1f} s apart; ended: {world.supervisor.codes}")
        world.ledger.compare(tap, world.server.port, "a full disk of the store")
        rig.consumer.stop()
        tap.ok("consistent" in rig.tool("verify"), "hourfold verify finds nothing")
        rig.stop()


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
