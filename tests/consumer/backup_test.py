# SPDX-License-Identifier: Apache-2.0
"""hourfold backup and restore: of a store that is written, read, and whose consumer is killed meanwhile.

HF_TEST_BACKUPS is how many are made (2; with HF_TEST_FULL=1 20), HF_TEST_SEED makes a run's load and kills the same again.
"""
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "integration"))
import rig as rigs  # noqa: E402
from feeder import Feeder  # noqa: E402
from folding import check_truth, exported, now_ms, settle, start, stat  # noqa: E402
from rig import Rig, missing, until  # noqa: E402
from tap import Tap  # noqa: E402

BACKUPS = int(os.environ.get("HF_TEST_BACKUPS", "20" if rigs.FULL else "2"))
SEED = int(os.environ.get("HF_TEST_SEED", random.randrange(2**32)))
HOUR_MS = 3600000
CATCH_UP_S = 300
COUNTERS = ("accepted", "folded", "duplicate", "refused", "keys", "position")
rigs.PROGRAMS = ("hourfold-consumer", "hourfold")


class Background(threading.Thread):
    """Calls `step` again and again until the end."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step = step
        self.ended = threading.Event()
        self.steps = 0
        self.start()

    def run(self):
        while not self.ended.is_set():
            self.step()
            self.steps += 1

    def finish(self):
        self.ended.set()
        self.join()


def run(rig, *arguments):
    return subprocess.run([rig.program("hourfold"), *map(str, arguments)], env=rig.environment, capture_output=True, text=True,
                          timeout=120, check=False, cwd=rig.path, **rig.identity)


def feed(feeder, chooser):
    """Some ten thousand samples a second over many keys, so that tables have many pages; now and then an id."""
    feeder.batch([(f"key.{chooser.randrange(2000)}", chooser.randrange(10**6), now_ms() - chooser.randrange(3 * HOUR_MS),
                   *([f"id{chooser.randrange(10**9)}"] if chooser.random() < 0.2 else [])) for _ in range(50)],
                 producer=chooser.randrange(1, 4))
    time.sleep(0.005)


def kill(rig, chooser):
    """Kill the consumer after a while, and start it again as a service manager would."""
    time.sleep(chooser.uniform(0.2, 2.5))
    rig.consumer.kill()
    rig.start_consumer()


def make_backups(tap, rig):
    good = []
    while len(good) < BACKUPS:
        path = rig.path / "state" / f"backup.{len(good)}"
        done = run(rig, "backup", path)
        if done.returncode == 0:
            good.append(path)
        elif not tap.ok(done.returncode == 1 and not path.exists(), "a backup that is not good is none", done.stdout + done.stderr):
            break
        else:
            tap.note(f"not good: {done.stderr}")
        tap.equal([p.name for p in path.parent.glob("*.partial")], [], f"backup {len(good)} leaves nothing unfinished")
    return good


def check_backup(tap, rig, backup, whole, counters):
    """Restored elsewhere and caught up, it is what the original is."""
    path = rig.path / "state" / f"{backup.name}.restored"
    rig.environment["HOURFOLD_STORE_PATH"] = str(path)
    done = run(rig, "restore", backup)
    tap.ok(done.returncode == 0 and "will fold" in done.stdout, f"{backup.name} is restored", done.stdout + done.stderr)
    before = stat(rig)
    tap.ok("consistent" in rig.tool("verify"), f"{backup.name} at position {before['position']} of {counters['position']} verifies")
    start(rig)
    settle(rig, CATCH_UP_S)
    rig.consumer.stop()
    figures = stat(rig)
    tap.equal({name: figures[name] for name in COUNTERS}, counters, f"{backup.name} with the stream has the same counters")
    same = rig.tool("export") == whole[0] and rig.tool("export", "--minutes") == whole[1]
    tap.ok(same and "consistent" in rig.tool("verify"), f"{backup.name} with the stream is the same to the sample")
    del rig.environment["HOURFOLD_STORE_PATH"]


def test_backups(tap):
    tap.note(f"HF_TEST_SEED={SEED} HF_TEST_BACKUPS={BACKUPS}")
    choosers = [random.Random(f"{SEED} {what}") for what in ("feed", "kill")]
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        rig.start_nats()
        start(rig)
        feeder = Feeder(rig)
        feeding = Background(lambda: feed(feeder, choosers[0]))
        until(lambda: stat(rig)["folded"] > 20000, 60, "there is something to copy")
        killing = Background(lambda: kill(rig, choosers[1]))
        reading = Background(lambda: rig.tool("keys", "key.1*", check=False))
        backups = make_backups(tap, rig)
        killing.finish()
        reading.finish()
        time.sleep(1)  # something to catch up
        feeding.finish()
        feeder.wait()
        figures = settle(rig)
        tap.figure(f"{len(backups)} backups, {killing.steps} kills, {figures['folded']} samples, {reading.steps} lists of keys")
        check_truth(tap, rig, feeder, "the original")
        rig.consumer.stop()
        whole = rig.tool("export"), rig.tool("export", "--minutes")
        for backup in backups:
            check_backup(tap, rig, backup, whole, {name: figures[name] for name in COUNTERS})
        feeder.close()


def must_fail(tap, rig, told, *arguments):
    done = run(rig, *arguments)
    tap.ok(done.returncode == 1 and told in done.stderr and done.stderr.count("\n") == 1,
           f"{arguments[0]} fails with one line: {told}", f"{done.returncode}\n{done.stdout}{done.stderr}")


def test_in_place(tap):
    """What is refused, and a restore in the place of a store that is read."""
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        rig.start_nats()
        store, backup = rig.path / "state" / "store", rig.path / "state" / "backup"
        rig.write_configuration()
        must_fail(tap, rig, "no store", "backup", backup)
        start(rig)
        feeder = Feeder(rig)
        feeder.batch([(f"key.{n}", n, now_ms()) for n in range(100)])
        feeder.wait()
        settle(rig)
        must_fail(tap, rig, "No such file", "backup", rig.path / "nowhere" / "backup")
        tap.ok("as of" in rig.tool("backup", "state/backup/"), "a backup says what it is of")
        must_fail(tap, rig, "already", "backup", backup)
        partial = rig.path / "state" / "other.partial"
        partial.mkdir()
        must_fail(tap, rig, "interrupted", "backup", rig.path / "state" / "other")
        must_fail(tap, rig, "stop hourfold-consumer", "restore", "--replace", backup)
        feeder.batch([(f"key.{n}", n, now_ms()) for n in range(200)])
        feeder.wait()
        settle(rig)
        rig.consumer.stop()
        must_fail(tap, rig, "--replace", "restore", backup)
        must_fail(tap, rig, "no backup", "restore", "--replace", rig.path / "etc")
        tap.equal(stat(rig)["keys"], 200, "what is refused changes nothing")
        tables = sorted((backup / "data").iterdir())
        tap.equal(len(tables), 6, "a backup has all tables")
        for table in tables:
            whole = table.read_bytes()
            table.write_bytes(whole[:4096 * (len(whole) // 8192)] + b"\xee" * 100 + whole[4096 * (len(whole) // 8192) + 100:])
            must_fail(tap, rig, table.name, "restore", "--replace", backup)
            table.write_bytes(whole)
        tap.equal(stat(rig)["keys"], 200, "nor does a backup that is damaged")
        tap.ok("will fold 1 messages" in rig.tool("restore", "--replace", "state/backup"), "a backup takes the store's place")
        tap.equal(stat(rig)["keys"], 100, "and is what is read then")
        tap.equal(sorted(p.name for p in store.iterdir()), ["access.lock", "data", "env", "log", "state", "writer.lock"],
                  "nothing else is left")
        start(rig)
        settle(rig)
        check_truth(tap, rig, feeder, "a restore in place")
        feeder.close()


def main():
    with Tap() as tap:
        absent = missing("nats-server")
        if absent:
            tap.skip("hourfold backup", f"not found: {absent}")
            return
        test_in_place(tap)
        test_backups(tap)


main()
