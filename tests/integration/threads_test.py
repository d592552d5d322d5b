# SPDX-License-Identifier: Apache-2.0
"""The programs built with ThreadSanitizer, under load: samples and queries at once, the bus killed, frozen and back, the
configuration read again, and the web server ended while requests are under way. Any report of theirs is a fault of the rig.

For `make check-tsan`. HF_TEST_FULL=1 adds collect.durability = power and mod_fcgid.
"""
import os
import pathlib
import random
import signal
import threading
import time

from client import Client, HttpError
from ledger import Ledger
from rig import FULL, Rig, missing, until
from tap import Tap

SEED = int(os.environ.get("HF_TEST_SEED", random.randrange(2**32)))
WRITERS = 8
READERS = 4
LOAD_S = 3.0
AWAY_S = 3.0
FROZEN_S = 2.5


class Reader(threading.Thread):
    """Asks for something of everything, all the time."""

    def __init__(self, server, ended):
        super().__init__(daemon=True)
        self.server = server
        self.ended = ended
        self.answers = 0

    def run(self):
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 7200))
        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(time.time() - 7200))
        targets = ("/-/keys?limit=50", "/-/health", "/-/metrics", f"/ledger.0.0/all/{hour}?by=minute", f"/ledger.1.0/p99/{day}",
                   f"/ledger.2.0/sum/{hour}?format=csv", "/none/median/2026-01-01/0", "/bad")
        while not self.ended.is_set():
            try:
                with Client(self.server.port) as client:
                    for target in targets:
                        self.answers += client.get(target).status in (200, 400, 404)
            except HttpError:
                self.ended.wait(0.05)


def has_tsan(path):
    return b"__tsan_init" in pathlib.Path(path).read_bytes()


def spool_is_empty(rig, live):
    return len(list(pathlib.Path(rig.options["collect.spool"]).glob("*.spool"))) <= live


def threads(tap, kind, durability):
    with Rig(tap, {"collect.durability": durability, "query.threads": 4, "collect.threads": 4}) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"
        if not tap.ok(has_tsan(rig.program("hourfold-collect")), "the programs are built with ThreadSanitizer",
                      "configure --enable-thread-sanitizer"):
            return
        server, = rig.start(kind)
        ledger = Ledger(lambda: server.port, SEED, writers=WRITERS).start()
        readers = [Reader(server, ledger.ended) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        time.sleep(LOAD_S)
        rig.nats.kill()
        time.sleep(AWAY_S)
        rig.start_nats()
        rig.consumer.send(signal.SIGHUP)
        time.sleep(LOAD_S)
        rig.nats.send(signal.SIGSTOP)
        time.sleep(FROZEN_S)
        rig.nats.send(signal.SIGCONT)
        until(lambda: spool_is_empty(rig, int(durability == "power")), 60, "the spool is empty")
        rig.stop_server(server)  # requests are under way
        ledger.finish(server_left=False)
        for reader in readers:
            reader.join()
        server = rig.start_web(kind)
        moment = time.time()
        until(lambda: spool_is_empty(rig, int(durability == "power")) and rig.as_of(server) > moment, 60, "all is folded")
        ledger.compare(tap, server.port, f"{kind}, {durability}")
        tap.ok(sum(r.answers for r in readers) > 100, "queries were answered", str([r.answers for r in readers]))


def main(tap):
    absent = missing("nats-server", "lighttpd")
    if absent:
        tap.skip("threads under load", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED}")
    threads(tap, "lighttpd", "process")
    if FULL:
        threads(tap, "lighttpd", "power")
        threads(tap, "mod_fcgid", "process")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
