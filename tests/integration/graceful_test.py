# SPDX-License-Identifier: Apache-2.0
"""Ends and restarts under load, as web servers and administrators cause them every day: nothing acknowledged is lost, no process
has to be killed or is left behind.

HF_TEST_ROUNDS is how often each is done (1, with HF_TEST_FULL=1 100).
"""
import os
import random
import re
import signal
import time

from ledger import Ledger
from rig import FULL, Rig, RigError, missing, until
from tap import Tap
import web

SERVERS = ("lighttpd", "mod_fcgid", "mod_proxy_fcgi")
ROUNDS = int(os.environ.get("HF_TEST_ROUNDS", "100" if FULL else "1"))
FORCED = re.compile(r"SIGKILL|terminating forcefully|did not exit|exited on signal|signal 9|child signalled|child died")
# Not ours: when Apache restarts gracefully, a request of the old generation that has just asked mod_fcgid 2.3.9 to start
# a process waits for a process manager that is gone, and keeps its Apache child.
OF_APACHE_ITSELF = re.compile(r"AH0004[56]: child process")
LIFE = re.compile(r"program=(hourfold-\w+) pid=(\d+) level=\w+ event=(started|ended)")


def until_acknowledged(ledger, more, what):
    """Until `more` requests have been acknowledged since now."""
    start = ledger.acknowledged
    until(lambda: ledger.acknowledged >= start + more, 20, what)


def signal_collect(rig, server, number):
    """To every hourfold-collect; whoever started it starts it again: the web server, or for mod_proxy_fcgi the service manager,
    which is us."""
    started_here = [helper for helper in server.helpers if "collect" in helper.name]
    for helper in started_here:
        code = helper.stop(15, number)
        if code != 0:
            rig.fault(f"{helper.name} ended with {code} after {number.name}")
        helper.start()
    if started_here:
        return
    before = rig.found("hourfold-collect")
    for pid in before:
        rig.signal(pid, number)
    until(lambda: not set(before) & set(rig.found("hourfold-collect")), 15, f"hourfold-collect ends after {number.name}")


def restart_server(server):
    """`apachectl graceful`, or lighttpd's graceful restart: SIGUSR1 to the parent in both."""
    server.process.send(signal.SIGUSR1)


def kill_server(tap, rig, server, ledger):
    """The web server is killed and started again: the handlers of before end, and are not used any more, however late they
    notice."""
    before = set(rig.found("hourfold-collect") + rig.found("hourfold-query"))
    slow = rig.found("hourfold-collect")[0]
    rig.signal(slow, signal.SIGSTOP)
    server.process.kill()
    server.process.start()
    until_acknowledged(ledger, 50, f"{server.kind}: requests are acknowledged after its death")
    rig.signal(slow, signal.SIGCONT)
    try:
        until(lambda: not before & set(rig.found()), 10, lambda: f"handlers end: {before & set(rig.found())}")
        left = ""
    except RigError as error:
        left = str(error)
    tap.ok(not left, f"{server.kind}: killed, it leaves no handler behind", left)
    until_acknowledged(ledger, 50, f"{server.kind}: requests are acknowledged when those handlers are gone")


def check_logs(tap, kind, lines):
    """Every handler that started came to a clean end, and no web server speaks of force."""
    lives = {"started": set(), "ended": set()}
    for life in filter(None, map(LIFE.search, lines)):
        lives[life[3]].add((life[1], life[2]))
    tap.ok(lives["started"] and lives["started"] == lives["ended"],
           f"{kind}: all {len(lives['started'])} handlers ended by themselves",
           f"no clean end: {lives['started'] - lives['ended']}")
    forced = [line[:300] for line in lines if FORCED.search(line)
              and not (kind == "mod_fcgid" and OF_APACHE_ITSELF.search(line))]
    tap.ok(not forced, f"{kind}: nothing had to be killed", "\n".join(forced[:10]))


def run(tap, kind, seed):
    with Rig(tap) as rig:
        server, = rig.start(kind)
        ledger = Ledger(lambda: server.port, seed).start()
        until_acknowledged(ledger, 50, f"{kind}: requests are acknowledged")
        for _ in range(ROUNDS):
            for number in (signal.SIGTERM, signal.SIGUSR1):
                signal_collect(rig, server, number)
                until_acknowledged(ledger, 50, f"{kind}: requests are acknowledged after {number.name} to collect")
            rig.consumer.stop()
            rig.start_consumer()
            restart_server(server)
            until_acknowledged(ledger, 100, f"{kind}: requests are acknowledged after a graceful restart")
        if not server.helpers:
            kill_server(tap, rig, server, ledger)
        tap.ok(True, f"{kind}: serves again after every signal and restart")
        rig.stop_web()  # while requests come in
        ledger.finish(server_left=False)
        try:
            until(lambda: not rig.found("hourfold-collect") and not rig.found("hourfold-query"), 10, "handlers end")
            left = ""
        except RigError as error:
            left = str(error)
        tap.ok(not left, f"{kind}: stopped under load, it leaves no handler behind", left)
        check_logs(tap, kind, [line for log in sorted((rig.path / "log").glob(f"{kind}*"))
                               for line in log.read_text("utf-8", "replace").splitlines()])

        again = rig.start_web(kind)
        moment = time.time()
        until(lambda: rig.as_of(again) > moment, 30, "all is folded")
        ledger.compare(tap, again.port, kind)
        tap.figure(f"{kind}: {ROUNDS} graceful restarts of it, of the consumer, and twice of collect: {ledger.summary()}")


def main(tap):
    seed = int(os.environ.get("HF_TEST_SEED", random.randrange(2**32)))
    tap.note(f"HF_TEST_SEED={seed}")
    for kind in SERVERS:
        absent = missing("nats-server", *web.KINDS[kind].needs)
        if absent:
            tap.skip(f"graceful ends under {kind}", f"{absent} is not installed")
        else:
            run(tap, kind, seed)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
