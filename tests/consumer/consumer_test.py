# SPDX-License-Identifier: Apache-2.0
"""hourfold-consumer and the operator's tool, with a real nats-server and no web server.

HF_TEST_KILLS is how often the consumer is killed (5; with HF_TEST_FULL=1 50), HF_TEST_SEED makes a run the same again.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "integration"))
import rig as rigs  # noqa: E402
from feeder import Feeder  # noqa: E402
from folding import check_truth, events, exported, log_of, now_ms, settle, start, stat  # noqa: E402
from rig import Rig, RigError, missing, until  # noqa: E402
from tap import Collected, Tap  # noqa: E402
from truth import Truth  # noqa: E402

KILLS = int(os.environ.get("HF_TEST_KILLS", "50" if rigs.FULL else "5"))
SEED = int(os.environ.get("HF_TEST_SEED", random.randrange(2**32)))
HOUR_MS = 3600000


# ---- the tests ----

def test_path(tap):
    with Rig(tap) as rig:
        rig.start_nats()
        consumer = start(rig)
        feeder = Feeder(rig)
        base = now_ms() - 3 * HOUR_MS
        chooser = random.Random(5)
        for _ in range(30):
            feeder.batch([(f"key.{chooser.randrange(4)}", round(chooser.lognormvariate(3, 1), 3),
                           base + chooser.randrange(3 * HOUR_MS)) for _ in range(100)])
        feeder.batch([("ids", 1, base, "a"), ("ids", 2, base, "b")])
        feeder.batch([("ids", 1, base, "a"), ("ids", 1, base, "b")], counts=False)
        feeder.batch([("key.0", 9, base)], producer=1, number=3, counts=False)  # known, though not to JetStream by then
        feeder.raw(b"no batch")
        feeder.wait()
        figures = settle(rig)
        tap.equal((figures["refused"], figures["keys"], figures["rewinds"]), (1, 5, 0), "refused, keys and rewinds are counted")
        tap.ok(figures["duplicate"] >= 2, "ids that come again are duplicates")
        check_truth(tap, rig, feeder, "a first run")
        check_export(tap, rig, feeder)
        check_tool(tap, rig, feeder)

        second = subprocess.run([rig.program("hourfold-consumer")], env=rig.environment, capture_output=True, text=True,
                                timeout=20, check=False, **rig.identity)
        tap.ok(second.returncode == 1 and str(consumer.pid) in second.stderr, "a second consumer says who has the store",
               second.stderr)
        check_reload(tap, rig)

        started = time.monotonic()
        feeder.batch([("key.0", 1, now_ms())])
        feeder.wait()
        tap.equal(consumer.stop(), 0, "SIGTERM ends it with 0")
        tap.ok(time.monotonic() - started < 5, "within five seconds")
        tap.ok("event=stopped" in log_of(rig), "and it says that it stopped")
        tap.equal(stat(rig)["folded"], feeder.samples, "with everything taken in the store, readable without it")
        feeder.close()


def check_export(tap, rig, feeder):
    names = ("count", "min", "max", "average", "median", "p90", "p99", "sum", "stddev")
    wrong = []
    for row in exported(rig):
        hour = int(time.mktime(time.strptime(row["time"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone) // 3600
        truth = Truth(feeder.sent[(row["key"], hour)])
        wrong += [(row["key"], name, row[name], truth.statistic(name)) for name in names
                  if abs(row[name] - truth.statistic(name)) > 0.001 * abs(truth.statistic(name))]
    tap.ok(not wrong, "export gives the true statistics", repr(wrong[:5]))
    minutes = exported(rig, "--minutes")
    tap.equal(sum(row["count"] for row in minutes), feeder.samples, "the minutes hold every sample too")
    csv = rig.tool("export", "--format=csv", "key.?").splitlines()
    tap.equal(csv[0], "key,time," + ",".join(names), "CSV begins with its header")
    tap.equal(len(csv) - 1, sum(key.startswith("key.") for key, _ in feeder.sent), "a pattern selects keys")
    first = min(hour for _, hour in feeder.sent)
    times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(3600 * (first + i))) for i in range(3)]
    got = {row["time"] for row in exported(rig, "--from", times[1], "--to", str(3600 * (first + 2)), "*")}
    tap.equal(got, {times[1]}, "--from and --to select hours")
    one = exported(rig, "key.1")
    tap.equal({row["key"] for row in one}, {"key.1"}, "a key selects itself")
    tap.equal(one, [row for row in exported(rig) if row["key"] == "key.1"], "as the walk over all gives it")


# What the programs refuse at their start, and the program that does.
REFUSED = [("collect", text) for text in (
    "[collect]\ndurability = power\n", "[collect]\nspool = /tmp\n", "[collect]\nspool = /nowhere/spool\n",
    "[collect]\nspool = /etc/passwd\n", "[collect]\nproxies = 10.0.0.0/8,proxy\n", "[collect]\ncors_origin = a b\n",
    "[collect]\nnonsense = 1\n", "[collect]\ntoken_sha256 = abc\n", "[bus]\nurl = http://x\n", "[bus]\nurl = nats://\n",
    "[bus]\nurl = nats://a b\n", "[bus]\nurl = ,\n", "[bus]\ntls_ca = /nowhere\n", "[bus]\ntls_ca = /etc/passwd\n",
    "[bus]\ncredentials = /nowhere\n", "[view v]\nkeys = a/b\n")] + [("query", text) for text in (
        "[query]\ncors_origin = https://a b\n", "[query]\nmax_cells = 0\n", "[view v]\nkeys = a,\n",
        "[view v]\nkeys = a\nstats = p101\n", "[view v]\nkeys = a\ntoken_sha256 = x\n")]


def check_configurations(tap, rig):
    """check-config refuses what the programs do, in the same words, and takes what they take."""
    conf = rig.path / "etc" / "refused.conf"
    made = Collected()

    def said(*argv):
        done = subprocess.run([*argv, "-c", str(conf)] if "check-config" not in argv else [argv[0], "-c", str(conf), argv[1]],
                              env=rig.environment, capture_output=True, text=True, timeout=20, check=False, **rig.identity)
        return done.returncode, re.sub(r"^[a-z-]+: (check-config: )?", "", done.stderr)

    for program, text in REFUSED:
        conf.write_text(text)
        tool = said(rig.program("hourfold"), "check-config")
        server = said(rig.program(f"hourfold-{program}"), "-s", f"unix:{rig.path}/run/refused.sock")
        made.that(tool[0] == 2 and tool[1].count("\n") == 1 and tool == server, f"{text!r}: {tool}, {server}")
    conf.write_text(f"[collect]\nspool = {rig.path}/state/new\ndurability = power\n")
    made.that(said(rig.program("hourfold"), "check-config")[0] == 0, "a spool that can be made is taken")
    made.that(not (rig.path / "state" / "new").exists(), "nothing is made")
    made.report(tap, "check-config refuses what the programs refuse, in the same words", len(REFUSED) + 2)


def check_tool(tap, rig, feeder):
    keys = sorted({key for key, _ in feeder.sent})
    tap.equal(rig.tool("keys").split(), keys, "keys lists them all, in order")
    tap.equal(rig.tool("keys", "key.*").split(), [key for key in keys if key.startswith("key.")], "keys takes a pattern")
    tap.equal(rig.tool("keys", "*s").split(), ["ids"], "that may begin with a wildcard")
    tap.equal(rig.tool("keys", "none").split(), [], "and may match nothing")
    text = rig.tool("stat")
    tap.ok(f"folded      {feeder.samples}\n" in text and "lag         0 of" in text, "stat is there for people", text)
    token, line = rig.tool("token").splitlines()
    tap.ok(len(token.split()[1]) == 43 and len(line.split(" = ")[1]) == 64, "token makes one and its line", token + line)
    tap.equal(rig.tool("check-config"), "configuration: good\n", "check-config finds the configuration good")
    check_configurations(tap, rig)
    for arguments, code in ((["--help"], 0), (["help"], 0), (["help", "export"], 0), (["export", "--help"], 0), ([], 2),
                            (["--version"], 0), (["nonsense"], 2), (["help", "nonsense"], 2), (["keys", "a", "b"], 2),
                            (["token", "a"], 2),
                            (["export", "--format", "xml"], 2), (["export", "--from", "yesterday"], 2), (["export", "--to"], 2),
                            (["export", "--minutes=1"], 2), (["export", "--from", "2026-01-02", "--to", "2026-01-01"], 2),
                            (["stat", "-c", "/nonexistent"], 2), (["decode", "/nonexistent"], 1), (["decode", "/dev/null"], 1)):
        done = subprocess.run([rig.program("hourfold"), *arguments], env=rig.environment, capture_output=True, text=True,
                              timeout=20, check=False, **rig.identity)
        good = done.returncode == code and (done.stderr.count("\n") == 1 if code else done.stdout and not done.stderr)
        tap.ok(good, f"hourfold {' '.join(arguments)}: exit code {code}, {'one line on stderr' if code else 'text'}",
               f"code {done.returncode}\n{done.stdout}{done.stderr}")


def check_reload(tap, rig):
    rig.options["consumer.commit_interval"] = "200ms"
    rig.options["store.buckets"] = "1024"
    rig.write_configuration()
    rig.consumer.send(signal.SIGHUP)
    until(lambda: "commit_interval_ms=200" in log_of(rig), 10, "the configuration is read again")
    tap.equal(events(rig, "restart_needed"), 1, "SIGHUP reads it again, and tells what needs a restart")
    rig.options["consumer.commit_interval"] = "nonsense"
    rig.write_configuration()
    rig.consumer.send(signal.SIGHUP)
    until(lambda: events(rig, "reload_failed") == 1, 10, "a faulty configuration is refused")
    tap.ok(rig.consumer.alive(), "a faulty configuration changes nothing")
    del rig.options["consumer.commit_interval"], rig.options["store.buckets"]
    rig.write_configuration()


def test_decode(tap):
    with Rig(tap) as rig:
        rig.start_nats()
        rig.write_configuration()
        done = subprocess.run([rig.program("hourfold"), "decode"], input=b"\x00" * 30, env=rig.environment, capture_output=True,
                              timeout=20, check=False)
        tap.ok(done.returncode == 1 and b"standard input" in done.stderr, "what is no batch is refused", done.stderr)
        sample = rig.path / "two.batch"  # a copy: the source may be out of reach for whom the rig runs as
        shutil.copy(rigs.SOURCE / "tests" / "consumer" / "two.batch", sample)
        lines = [json.loads(line) for line in rig.tool("decode", sample).splitlines()]
        tap.equal(lines[0], {"producer": "000000000000002a", "number": 7, "keys": 2, "samples": 3}, "decode shows the header")
        tap.equal(lines[1:], [{"key": "a", "value": 1.5, "ts": "2026-11-23T12:00:00Z"},
                              {"key": "b", "value": -2, "ts": "2026-11-23T12:00:00.250Z", "id": "i-1"},
                              {"key": "a", "value": 1e300, "ts": "2026-11-23T11:59:59Z"}], "and each sample")


def test_away(tap):
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        rig.start_nats()
        rig.nats.kill()
        rig.start_consumer()  # before the bus
        until(lambda: events(rig, "started") == 1, 20, "it starts without a bus")
        rig.start_nats()
        until(lambda: events(rig, "ready") == 1, 20, "ready once the bus is there")
        feeder = Feeder(rig)
        for n in range(20):
            feeder.batch([("a", n, now_ms())])
            if n % 5 == 2:
                feeder.wait()
                rig.nats.kill()
                rig.start_nats()
        feeder.wait()
        settle(rig)
        tap.ok(rig.consumer.alive(), "it outlives its bus")
        check_truth(tap, rig, feeder, "after four ends of nats-server")
        first = stat(rig)["as_of"]
        until(lambda: stat(rig)["as_of"] > first, 10, "as_of moves without samples")
        tap.ok(True, "as_of moves on without samples")
        feeder.close()


def test_rewind(tap):
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        rig.start_nats()
        start(rig)
        feeder = Feeder(rig)
        batches = [[(f"k{n % 3}", n, now_ms())] for n in range(60)]
        for n, batch in enumerate(batches[:40]):
            feeder.batch(batch)
        feeder.wait()
        settle(rig)
        feeder.popen.stdin.close()
        kept = rig.path / "state" / "nats.kept"

        # The stream is lost and made anew; half of what it had comes again, and something new.
        rig.nats.stop()
        shutil.move(rig.path / "state" / "nats", kept)
        rig.start_nats()
        until(lambda: events(rig, "stream_rewound") == 1, 10, "the loss of the stream is told")
        again = Feeder(rig)
        again.sent, again.samples, again.numbers = feeder.sent, feeder.samples, feeder.numbers
        for n in range(20, 40):
            again.batch(batches[n], number=n + 1, counts=False)
        for batch in batches[40:]:
            again.batch(batch)
        again.wait()
        figures = settle(rig)
        tap.equal((figures["rewinds"], figures["duplicate"]), (1, 20), "a stream made anew is read from its beginning")
        check_truth(tap, rig, again, "a stream made anew")

        # The stream of before comes back, and overtakes the position while the consumer is down.
        rig.consumer.stop()
        again.popen.stdin.close()
        rig.nats.stop()
        shutil.rmtree(rig.path / "state" / "nats")
        shutil.move(kept, rig.path / "state" / "nats")
        rig.start_nats()
        start(rig)
        figures = settle(rig)
        tap.equal(figures["rewinds"], 2, "another stream is seen at the start")
        check_truth(tap, rig, again, "the old stream again")


def test_overtaken(tap):
    """A stream restored from a copy that grows past the stored position before the consumer looks."""
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        rig.start_nats()
        start(rig)
        feeder = Feeder(rig)
        for n in range(10):
            feeder.batch([("a", n, now_ms())])
        feeder.wait()
        settle(rig)
        rig.consumer.stop()
        rig.nats.stop()
        shutil.copytree(rig.path / "state" / "nats", rig.path / "state" / "nats.copy")
        rig.start_nats()
        start(rig)
        for n in range(5):
            feeder.batch([("a", 100 + n, now_ms())])
        feeder.wait()
        settle(rig)
        rig.consumer.stop()
        rig.nats.stop()
        shutil.rmtree(rig.path / "state" / "nats")
        shutil.move(rig.path / "state" / "nats.copy", rig.path / "state" / "nats")
        rig._give(rig.path / "state" / "nats")
        rig.start_nats()
        for n in range(9):
            feeder.batch([("a", 200 + n, now_ms())], producer=2)
        feeder.wait()
        start(rig)
        until(lambda: events(rig, "stream_rewound") == 1, 10, "the rewind is recognised by the message at the position")
        figures = settle(rig)
        tap.equal(figures["rewinds"], 1, "a stream that was rewound and overtook the position is recognised")
        check_truth(tap, rig, feeder, "an overtaken rewind")
        feeder.close()


def test_old_store(tap):
    """A store restored from an older copy catches up by itself."""
    with Rig(tap, {"consumer.commit_interval": "100ms"}) as rig:
        rig.start_nats()
        start(rig)
        feeder = Feeder(rig)
        for n in range(10):
            feeder.batch([("a", n, now_ms())])
        feeder.wait()
        settle(rig)
        rig.consumer.stop()
        store = rig.path / "state" / "store"
        shutil.copytree(store, rig.path / "state" / "store.copy")
        start(rig)
        for n in range(10):
            feeder.batch([("b", n, now_ms())])
        feeder.wait()
        settle(rig)
        rig.consumer.stop()
        shutil.rmtree(store)
        shutil.move(rig.path / "state" / "store.copy", store)
        rig._give(store)
        start(rig)
        settle(rig)
        check_truth(tap, rig, feeder, "an older store")
        feeder.close()


MIB = 1 << 20
ACCOUNT = f"""
accounts {{ small {{ jetstream {{ max_mem: 0, max_file: {MIB} }}, users [ {{ user: small, password: small }} ] }} }}
no_auth_user: small
"""


def test_trim(tap):
    """A stream that is nearly full is trimmed, and never past what is on the disk."""
    for name, options, configuration, batches, samples in (("messages", {"bus.max_messages": "1000"}, "", 1500, 1),
                                                           ("bytes", {"bus.max_mb": "1"}, "", 2000, 100),
                                                           ("what the account may store", {}, ACCOUNT, 2000, 100)):
        with Rig(tap, {"consumer.commit_interval": "100ms", **options}) as rig:
            rig.start_nats()
            rig.nats.stop()
            with open(rig.path / "etc" / "nats-server.conf", "a", encoding="utf-8") as file:
                file.write(configuration)
            rig.start_nats()
            start(rig)
            feeder = Feeder(rig)
            for n in range(batches):
                feeder.batch([(f"k{n % 10}", n, now_ms())] * samples)
            feeder.wait(120)
            figures = settle(rig)
            until(lambda: stat(rig)["stream"]["bytes"] <= MIB or name == "messages", 10, f"trimmed: {figures}")
            tap.ok(figures["stream"]["messages"] <= 1000 or name != "messages", "within its messages", repr(figures))
            tap.ok(events(rig, "stream_trimmed") > 0, f"a stream full by its {name} is trimmed", repr(figures))
            check_truth(tap, rig, feeder, "more than the stream holds")
            feeder.close()


def test_verify(tap):
    with Rig(tap) as rig:
        rig.start_nats()
        start(rig)
        feeder = Feeder(rig)
        moment = now_ms() - HOUR_MS
        feeder.batch([("a", n, moment) for n in range(10)] + [("b", n, moment) for n in range(10)])
        feeder.close()
        settle(rig)
        rig.consumer.stop()
        store = rig.path / "state" / "store"
        shutil.copytree(store, rig.path / "state" / "whole")
        hour, minute = str(moment // HOUR_MS), str(moment // 60000)
        for arguments, told in ((["hours", "a", hour, "garbage"], "hour of a"),
                                (["minutes", "b", minute, "garbage"], "minute of b"),
                                (["hours", "a", hour, "add"], "fewer samples"),
                                (["minutes", "a", minute, "add"], "more samples"),
                                (["counters"], "bad: accepted 20 = folded 21")):
            shutil.rmtree(store)
            shutil.copytree(rig.path / "state" / "whole", store)
            subprocess.run([rigs.BUILD / "tests" / "consumer" / "spoil", store, *arguments], check=True)
            rig._give(store)
            done = subprocess.run([rig.program("hourfold"), "verify"], env=rig.environment, capture_output=True, text=True,
                                  timeout=20, check=False, **rig.identity)
            tap.ok(done.returncode == 1 and told in done.stdout and "DAMAGED" in done.stdout,
                   f"verify tells of {' '.join(arguments[:2] + arguments[3:])}", f"{done.returncode}\n{done.stdout}{done.stderr}")


def test_kills(tap):
    tap.note(f"seed {SEED}, {KILLS} kills")
    chooser = random.Random(SEED)
    with Rig(tap, {"consumer.commit_interval": "50ms"}) as rig:
        rig.start_nats()
        start(rig)
        feeder = Feeder(rig)
        longest = 0.0
        for _ in range(KILLS):
            end = time.monotonic() + chooser.uniform(0.05, 0.8)
            while time.monotonic() < end:
                feeder.batch([(f"k{chooser.randrange(50)}", chooser.randrange(1000), now_ms() - chooser.randrange(2 * HOUR_MS),
                               *([f"id{chooser.randrange(10**9)}"] if chooser.random() < 0.2 else [])) for _ in range(30)],
                             producer=chooser.randrange(1, 4))
                time.sleep(0.003)  # some ten thousand samples a second, so that the consumer keeps up
            rig.consumer.kill()
            began = time.monotonic()
            start(rig)
            longest = max(longest, time.monotonic() - began)
        feeder.wait()
        settle(rig)
        tap.ok(longest < 5, f"ready again within {longest:.2f} s after each of {KILLS} kills")
        check_truth(tap, rig, feeder, f"{KILLS} kills")
        feeder.close()


def main():
    with Tap() as tap:
        absent = missing("nats-server")
        if absent:
            tap.skip("hourfold-consumer", f"not found: {absent}")
            return
        chosen = os.environ.get("HF_TEST_ONLY")
        for name, test in list(globals().items()):
            if name.startswith("test_") and (chosen is None or name == f"test_{chosen}"):
                tap.note(name)
                test(tap)


main()
