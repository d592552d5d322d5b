# SPDX-License-Identifier: Apache-2.0
"""hourfold and its peers, side by side on loopback: each row measures its sides in turn, A B A B, in one run, and says their ratio.

usage: bench.py [--check] [ROW...]

Without names, all rows. --check only says which packages are missing. From the environment: HF_BENCH_S, the seconds of one measurement
(3); HF_BENCH_ROUNDS, how often each side has its turn (5); HF_BENCH_FULL=1, the long forms: ten minutes of 100,000 keys, a store of
1,000,000 keys. See README.md.
"""
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from load import Requests, cpu_s, http, rss_mib, settle, status_number, values, wakes, wrk, written_bytes  # noqa: E402
from peers import Empty, InfluxDB, VictoriaMetrics, version  # noqa: E402
from rig import BUILD, Rig, parsed, until  # noqa: E402
from client import Client  # noqa: E402
import rig as rigs  # noqa: E402

SECONDS = int(os.environ.get("HF_BENCH_S", "3"))
ROUNDS = int(os.environ.get("HF_BENCH_ROUNDS", "5"))
FULL = bool(os.environ.get("HF_BENCH_FULL"))
CONNECTIONS = 256
KEYS = [f"app{i % 10}.web-{i // 10}.latency" for i in range(100)]
HOUR_S = 3600


class Out:
    """Where the rig leaves its words, and rows their lines."""

    failed = 0

    def ok(self, passed, name, detail=""):
        if not passed:
            self.failed += 1
            self.note(f"not well: {name}\n{detail}")
        return passed

    @staticmethod
    def note(text):
        for line in str(text).splitlines():
            print(f"# {line}", file=sys.stderr, flush=True)

    @staticmethod
    def line(row, what, figures, unit, goal=""):
        """One line of the table: the median of the figures, the least and the greatest."""
        shown = [f"{f:,.0f}" if abs(f) >= 1000 else f"{f:.4g}" for f in (statistics.median(figures), min(figures), max(figures))]
        print(f"{row:15} {what:44} {shown[0]:>12} {shown[1]:>12} {shown[2]:>12}  {unit:9} {goal}".rstrip(), flush=True)


out = Out()


def sides_in_turn(rig, sides, rounds=ROUNDS):
    """Let each side measure, in turn. `sides`: {name: function}; the functions' results by name, in the order of the rounds."""
    results = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            settle(rig)
            results[name].append(measure())
    return results


def row_of(rounds, key):
    return statistics.median(r[key] for r in rounds)


def ratios(row, results, first, second, goal, of=lambda r: r["rate"]):
    """The line with the ratio of two sides, round by round."""
    pairs = zip(results[first], results[second])
    out.line(row, f"{first} / {second}", [of(a) / of(b) for a, b in pairs], "ratio", goal)


def rates(row, results, key="rate", unit="/s"):
    for name, rounds in results.items():
        out.line(row, name, [r[key] for r in rounds], unit)
        wrong = sum(r["refused"] + r["broken"] for r in rounds)
        if wrong:
            out.note(f"{row}: {name}: {wrong} of {sum(r['requests'] for r in rounds)} requests were refused or broken")


# ---- what is sent ----

def single_gets(rig):
    draw = random.Random(1)
    return Requests(rig.path, "single", [http("GET", f"/collect?key={draw.choice(KEYS)}&value={v}") for v in values(2000, 2)])


def influx_points(rig):
    draw = random.Random(1)
    return Requests(rig.path, "points", [http("POST", "/write?db=bench", f"latency,key={draw.choice(KEYS)} value={v}", "text/plain")
                                         for v in values(2000, 2)])


def list_gets(rig, count, name="list"):
    many = max(20, 2000 // count)
    return Requests(rig.path, f"{name}{count}", [http("GET", f"/collect?key={KEYS[i % len(KEYS)]}&value=" + ",".join(values(count, i)))
                                            for i in range(many)], count)


def line_posts(rig, count):
    def body(i):
        return "\n".join(f"latency,key={KEYS[i % len(KEYS)]} value={v}" for v in values(count, i))
    return Requests(rig.path, f"lines{count}", [http("POST", "/write?db=bench", body(i), "text/plain") for i in range(100)], count)


def json_posts(rig, keys, each):
    """Objects of key to array."""
    def body(i):
        return json.dumps({KEYS[(i + k) % len(KEYS)]: [float(v) for v in values(each, i * 100 + k)] for k in range(keys)})
    return Requests(rig.path, "json", [http("POST", "/collect", body(i)) for i in range(100)], keys * each)


def json_lines(rig, keys, each):
    """The same samples for VictoriaMetrics, which wants a time with each."""
    now_ms = time.time_ns() // 1_000_000

    def body(i):
        return "\n".join(json.dumps({"metric": {"__name__": "latency", "key": KEYS[(i + k) % len(KEYS)]},
                                     "values": [float(v) for v in values(each, i * 100 + k)],
                                     "timestamps": [now_ms - 60000 + 100 * i + n for n in range(each)]}) for k in range(keys))
    return Requests(rig.path, "json-lines", [http("POST", "/api/v1/import", body(i)) for i in range(100)], keys * each)


# ---- rows: collect ----

class Lags:
    """How far the answers are behind at the end of each load."""

    def __init__(self, rig, server):
        self.rig = rig
        self.server = server
        self.seconds = []

    def after(self, measure):
        def both():
            result = measure()
            now = time.time()
            self.seconds.append(now - self.rig.as_of(self.server))
            return result
        return both


def collect_row(row, kind, peers=()):
    with Rig(out) as rig:
        server, = rig.start(kind)
        empty = Empty(rig).start_web(kind)
        requests = single_gets(rig)
        lags = Lags(rig, server)
        sides = {"hourfold": lags.after(lambda: wrk(server.port, requests, CONNECTIONS, SECONDS)),
                 "empty handler": lambda: wrk(empty.port, requests, CONNECTIONS, SECONDS)}
        if "influx" in peers:
            influx = InfluxDB(rig)
            points = influx_points(rig)
            sides["InfluxDB"] = lambda: wrk(influx.port, points, CONNECTIONS, SECONDS)
        results = sides_in_turn(rig, sides)
        rates(row, results)
        out.line(row, "hourfold p99", [r["p99_ms"] for r in results["hourfold"]], "ms")
        out.line(row, "empty handler p99", [r["p99_ms"] for r in results["empty handler"]], "ms")
        ratios(row, results, "hourfold", "empty handler", "0.85")
        if "influx" in peers:
            ratios(row, results, "hourfold", "InfluxDB", "1.0")
        out.line(row, "lag at the end", lags.seconds, "s", "under 2")


def row_lighttpd():
    """One sample a GET under lighttpd, the consumer folding at the same time."""
    collect_row("lighttpd", "lighttpd", ("influx",))


def row_proxy():
    """The same under Apache with mod_proxy_fcgi."""
    collect_row("mod_proxy_fcgi", "mod_proxy_fcgi")


def row_fcgid():
    """The same under Apache with mod_fcgid."""
    collect_row("mod_fcgid", "mod_fcgid")


def row_list():
    """100 samples a GET."""
    row = "list of 100"
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        victoria, influx = VictoriaMetrics(rig), InfluxDB(rig)
        gets, posts = list_gets(rig, 100), line_posts(rig, 100)
        lags = Lags(rig, server)
        results = sides_in_turn(rig, {
            "hourfold": lags.after(lambda: wrk(server.port, gets, CONNECTIONS, SECONDS)),
            "VictoriaMetrics": lambda: wrk(victoria.port, posts, CONNECTIONS, SECONDS),
            "InfluxDB": lambda: wrk(influx.port, posts, CONNECTIONS, SECONDS)})
        rates(row, results, "samples", "samples/s")
        ratios(row, results, "hourfold", "VictoriaMetrics", "1.0")
        ratios(row, results, "hourfold", "InfluxDB", "3.0")
        out.line(row, "lag at the end", lags.seconds, "s", "under 2")


def row_json():
    """1,000 samples a POST: ten keys, a hundred values each."""
    row = "JSON of 1,000"
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        victoria = VictoriaMetrics(rig)
        posts, lines = json_posts(rig, 10, 100), json_lines(rig, 10, 100)
        lags = Lags(rig, server)
        results = sides_in_turn(rig, {
            "hourfold": lags.after(lambda: wrk(server.port, posts, CONNECTIONS, SECONDS)),
            "VictoriaMetrics": lambda: wrk(victoria.port, lines, CONNECTIONS, SECONDS)})
        rates(row, results, "samples", "samples/s")
        ratios(row, results, "hourfold", "VictoriaMetrics", "1.0")
        out.line(row, "lag at the end", lags.seconds, "s", "under 2")


# ---- rows: the consumer ----

def drain(rig, batches, samples, keys=10):
    """Fill the stream while there is no consumer, then measure how long it takes to fold all of it. The processor time is the
    consumer's own: nats-server has the other one."""
    subprocess.run([BUILD / "tests/bench/backlog", f"nats://127.0.0.1:{rig.nats_port}", str(batches), str(samples), str(keys)],
                   check=True, stdin=subprocess.DEVNULL)
    settle(rig)
    end = drain.position = getattr(drain, "position", 0) + batches
    begin = time.monotonic()
    consumer = rig.start_consumer()

    def there():
        done = json.loads(rig.tool("stat", "--json", check=False) or "{}")
        return done.get("position", 0) >= end
    until(there, 120, "the backlog is folded")
    seconds, cpu = time.monotonic() - begin, cpu_s([consumer.pid])
    consumer.stop()
    return {"wall": batches / seconds, "cpu": batches / cpu}


def row_backlog():
    """The consumer alone on a backlog, in batches of 100 and of one."""
    with Rig(out) as rig:
        rig.start_nats()
        sides = {"batches of 100, 10 keys": lambda: drain(rig, 100_000, 100),
                 "batches of 100, 100 keys": lambda: drain(rig, 100_000, 100, 100),
                 "batches of one": lambda: drain(rig, 300_000, 1)}
        results = sides_in_turn(rig, sides, min(ROUNDS, 3))
        for name, unit, many, goal in (("batches of 100, 10 keys", "samples/s", 100, "4,000,000"),
                                       ("batches of 100, 100 keys", "samples/s", 100, "4,000,000"),
                                       ("batches of one", "batches/s", 1, "150,000")):
            out.line("backlog", f"{name}, a second of a core", [r["cpu"] * many for r in results[name]], unit, goal)
            out.line("backlog", f"{name}, wall clock", [r["wall"] * many for r in results[name]], unit)


# ---- rows: queries ----

def day_before(hours):
    """The beginning of an hour that many hours ago, in seconds, with its date and hour as paths have them."""
    begin = int(time.time()) // HOUR_S * HOUR_S - hours * HOUR_S
    return begin, time.strftime("%Y-%m-%d", time.gmtime(begin)), time.gmtime(begin).tm_hour


def post_all(port, requests, expected):
    """Send each once."""
    with Client(port, timeout=60) as client:
        for request in requests:
            answer = client.raw(request)
            if answer.status != expected:
                raise rigs.RigError(f"{answer}")


def million(begin_s, each):
    """A million samples within an hour: (time in ms, value), `each` at once."""
    all_values = values(1_000_000, 7)
    for at in range(0, len(all_values), each):
        yield [(begin_s * 1000 + int((at + i) * 3.6), v) for i, v in enumerate(all_values[at:at + each])]


def load_millions(rig, server, victoria, influx, begin_s):
    key = "checkout_latency"
    post_all(server.port, [http("POST", "/collect", json.dumps([{"key": key, "value": float(v), "ts": t / 1000} for t, v in part]))
                           for part in million(begin_s, 5000)], 204)
    post_all(influx.port, [http("POST", "/write?db=bench&precision=ms", "\n".join(f"{key} value={v} {t}" for t, v in part), "text/plain")
                           for part in million(begin_s, 5000)], 204)
    post_all(victoria.port, [http("POST", "/api/v1/import", json.dumps(
        {"metric": {"__name__": key}, "values": [float(v) for _, v in part], "timestamps": [t for t, _ in part]}))
                             for part in million(begin_s, 5000)], 204)
    until(lambda: rig.counters(server).get("folded", 0) >= 1_000_000, 60, "the million is folded")
    time.sleep(2)  # VictoriaMetrics shows what it has after a second
    return key


def row_median():
    """The median of one hour of 1,000,000 samples, through the web server, one question at a time."""
    row = "median"
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        victoria, influx = VictoriaMetrics(rig), InfluxDB(rig)
        begin_s, date, hour = day_before(3)
        key = load_millions(rig, server, victoria, influx, begin_s)
        targets = {"hourfold": (server.port, f"/{key}/median/{date}/{hour}"),
                   "InfluxDB": (influx.port, influx.median(key, begin_s, begin_s + HOUR_S)),
                   "VictoriaMetrics": (victoria.port, victoria.median(key, begin_s, begin_s + HOUR_S))}
        for name, (port, target) in targets.items():
            with Client(port, timeout=60) as client:
                out.note(f"{name}: {client.get(target).body.decode()[:180].strip()}")
        sides = {name: (lambda port=port, requests=Requests(rig.path, name, [http("GET", target)]): wrk(port, requests, 1, SECONDS))
                 for name, (port, target) in targets.items()}
        results = sides_in_turn(rig, sides)
        for name, rounds in results.items():
            out.line(row, f"{name} p50", [r["p50_ms"] for r in rounds], "ms")
        ratios(row, results, "InfluxDB", "hourfold", "1,000", lambda r: r["p50_ms"])
        ratios(row, results, "VictoriaMetrics", "hourfold", "150", lambda r: r["p50_ms"])


def some_cells(rig, server, keys=KEYS):
    """A past hour of every key, some samples each, folded; requests for one statistic of each."""
    begin_s, date, hour = day_before(2)
    post_all(server.port, [http("POST", "/collect", json.dumps([{"key": key, "value": float(v), "ts": begin_s + i}
                                                                for i, v in enumerate(values(1000, n))]))
                           for n, key in enumerate(keys)], 204)
    until(lambda: rig.counters(server).get("folded", 0) >= 1000 * len(keys), 60, "the samples are folded")
    return Requests(rig.path, "queries", [http("GET", f"/{key}/{stat}/{date}/{hour}")
                                          for key in keys for stat in ("median", "average", "p99", "max")])


def row_queries():
    """Queries alone, 64 connections."""
    row = "queries"
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        empty = Empty(rig).start_web("lighttpd")
        requests = some_cells(rig, server)
        results = sides_in_turn(rig, {"hourfold": lambda: wrk(server.port, requests, 64, SECONDS),
                                      "empty handler": lambda: wrk(empty.port, requests, 64, SECONDS)})
        rates(row, results)
        ratios(row, results, "hourfold", "empty handler", "0.8")
        out.line(row, "hourfold p99", [r["p99_ms"] for r in results["hourfold"]], "ms", "under 5")
        out.line(row, "empty handler p99", [r["p99_ms"] for r in results["empty handler"]], "ms")


def paced(port, requests, rate, seconds, connections):
    """Send at a fixed rate, whatever comes back; see tests/integration/load.c."""
    done = subprocess.run([BUILD / "tests/integration/load", str(port), str(rate), str(seconds), str(connections), requests.path],
                          capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    result = json.loads(done.stdout)
    result["failed"] = sum(result[n] for n in ("held_back", "broken", "other", "unanswered")) + result["refused"]["count"]
    return result


def row_both():
    """Queries at 1,000 a second while collect takes all it can; the same with the empty handler in the place of hourfold-query."""
    row = "both"
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        empty = Empty(rig, ["hourfold-query"]).start_web("lighttpd")
        queries, gets = some_cells(rig, server), single_gets(rig)
        loads = []

        def ask(port):
            load = threading.Thread(target=lambda: loads.append(wrk(port, gets, CONNECTIONS, SECONDS + 1)))
            load.start()
            time.sleep(0.5)
            asked = paced(port, queries, 1000, SECONDS, 200)
            load.join()
            return asked
        results = sides_in_turn(rig, {"queries": lambda: ask(server.port), "empty handler": lambda: ask(empty.port)})
        for name, asked in results.items():
            out.line(row, f"{name} p99", [a["accepted"]["p99"] for a in asked], "ms", "under 20" if name == "queries" else "")
            out.line(row, f"{name} p50", [a["accepted"]["p50"] for a in asked], "ms")
        ratios(row, results, "queries", "empty handler", "", lambda a: a["accepted"]["p99"])
        out.line(row, "queries failed", [a["failed"] for a in results["queries"]], "", "0")
        out.line(row, "samples taken meanwhile", [r["rate"] for r in loads[::2]], "/s")


# ---- rows: many keys, large stores, nothing at all ----

def commit_times(rig):
    """The times of commits so far, from the consumer's log; see upkeep.c."""
    log = (rig.path / "log" / "hourfold-consumer.log").read_text(encoding="utf-8")
    return [int(line.rpartition("took_ms=")[2].split()[0]) for line in log.splitlines() if "took_ms=" in line]


def row_keys():
    """100,000 active keys, a sample a second of each; of each key's, 60 in a row have values of their own."""
    row, keys, seconds = "100,000 keys", 100_000, 600 if FULL else 60
    with Rig(out) as rig:
        rig.start_nats()
        rig.consumer = rig._add("hourfold-consumer", [rig.program("hourfold-consumer"), "-v"])  # which logs commits
        rig.write_configuration()
        rig.start_consumer()
        server = rig.start_web("lighttpd")
        posts = Requests(rig.path, "keys", [http("POST", "/collect", json.dumps(
            {f"host{at + i}.latency": float(v) for i, v in enumerate(values(1000, at + turn * keys))}))
            for turn in range(60) for at in range(0, keys, 1000)], 1000)
        lags, memory, ended = [], [], threading.Event()

        def watch():
            while not ended.wait(1):
                lags.append(time.time() - rig.as_of(server))
                memory.append(rss_mib(rig.consumer.pid))
        watcher = threading.Thread(target=watch)
        cpu, wrote = cpu_s([rig.consumer.pid]), written_bytes(rig.consumer.pid)
        watcher.start()
        result = paced(server.port, posts, keys / 1000, seconds, 100)
        ended.set()
        watcher.join()
        samples = result["accepted"]["count"] * 1000
        out.line(row, "lag", lags[5:], "s", "under 5")
        out.line(row, "consumer's memory", memory[5:], "MiB", "under 1024")
        out.line(row, "requests failed", [result["failed"]], "", "0")
        out.line(row, "consumer's share of a core", [(cpu_s([rig.consumer.pid]) - cpu) / seconds], "")
        out.line(row, "consumer wrote", [(written_bytes(rig.consumer.pid) - wrote) / samples], "B/sample")
        out.line(row, "nats-server wrote", [written_bytes(rig.nats.pid) / samples], "B/sample")
        times = commit_times(rig)
        if times:
            out.line(row, "share of the time in commits", [sum(times) / 1000 / seconds], "", "under 0.25")
            out.line(row, "commit", times, "ms")


def fill(rig, path, keys):
    begin_s, date, _ = day_before(0)
    day_ms = (begin_s // 86400 - 1) * 86400 * 1000
    program = shutil.copy(BUILD / "tests/bench/fill", rig.path / "libexec")
    done = subprocess.run([program, str(path), str(keys), "100", str(day_ms)], capture_output=True, text=True,
                          check=True, stdin=subprocess.DEVNULL, **rig.identity)
    draw = random.Random(3)
    date = time.strftime("%Y-%m-%d", time.gmtime(day_ms // 1000))
    return float(done.stdout), [http("GET", f"/app.host-{draw.randrange(keys):07}.latency/median/{date}/{draw.randrange(24)}")
                                for _ in range(5000)]


def row_store():
    """A store of 24 hours of very many keys: is a query as fast as in a small one?"""
    row, keys = "large store", 1_000_000 if FULL else 100_000
    with Rig(out) as small, Rig(out) as large:
        sides = {}
        for rig, name, count in ((small, "small", 100), (large, "large", keys)):
            bytes_each, queries = fill(rig, rig.path / "state" / "store", count)
            server, = rig.start("lighttpd")
            requests = Requests(rig.path, "queries", queries)
            sides[name] = lambda server=server, requests=requests: wrk(server.port, requests, 64, SECONDS)
        used = sum(f.stat().st_size for f in (large.path / "state/store/data").iterdir())
        results = sides_in_turn(large, sides)
        rates(row, results)
        ratios(row, results, "small", "large", "under 1.5")
        out.line(row, f"bytes of a cell of 100 samples ({keys:,} keys)", [bytes_each], "B")
        out.line(row, "bytes on disk a key and hour", [used / keys / 24], "B")


def row_idle():
    """What everything takes when nothing comes."""
    seconds = 30
    with Rig(out) as rig:
        rig.start("lighttpd")
        time.sleep(5)
        pids = {name: rig.found(name)[0] for name in ("hourfold-collect", "hourfold-query", "hourfold-consumer")}
        pids["nats-server"] = rig.nats.pid
        before = {name: (wakes(pid), cpu_s([pid])) for name, pid in pids.items()}
        time.sleep(seconds)
        for name, pid in pids.items():
            goal = "" if name == "nats-server" else "a few"
            out.line("idle", f"{name} wakes up", [(wakes(pid) - before[name][0]) / seconds], "/s", goal)
            out.line("idle", f"{name} processor", [(cpu_s([pid]) - before[name][1]) / seconds * 100], "%")
            out.line("idle", f"{name} resident", [rss_mib(pid)], "MiB", "" if name == "nats-server" else "25 beyond its cache")
            out.line("idle", f"{name} of its own", [status_number(pid, "RssAnon") / 1024], "MiB")


ROWS = {"lighttpd": row_lighttpd, "proxy": row_proxy, "fcgid": row_fcgid, "list": row_list, "json": row_json, "backlog": row_backlog,
        "median": row_median, "queries": row_queries, "both": row_both, "keys": row_keys, "store": row_store, "idle": row_idle}

TOOLS = {"wrk": "wrk", "influxd": "influxdb", "victoria-metrics": "victoria-metrics"}


def missing():
    """The packages to install."""
    packages = [package for tool, package in TOOLS.items() if not shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin")]
    if not pathlib.Path("/usr/include/fcgiapp.h").exists():
        packages.append("libfcgi-dev")
    ours = rigs.missing("nats-server", "lighttpd", "apache2", "mod_fcgid")
    return packages + [ours] if ours else packages


def machine():
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    memory = next(line.split()[1] for line in open("/proc/meminfo", encoding="utf-8"))
    out.note(f"{os.cpu_count()} x {cpu}, {int(memory) // 1048576} GiB, Linux {os.uname().release}")
    packages = ["lighttpd", "apache2-bin", "libapache2-mod-fcgid", "nats-server", "libnats3.4", "libdb5.3", "libfcgi0ldbl", "wrk",
                "influxdb", "victoria-metrics"]
    out.note(version("dpkg-query", "-W", "-f", "${Package} ${Version}; ", *packages))
    out.note(f"{SECONDS:g} s each, {ROUNDS} rounds{', the long forms' if FULL else ''}")


def main(arguments):
    lacking = missing()
    if lacking:
        print(f"bench: missing Debian packages: {', '.join(lacking)}", file=sys.stderr)
        return 1
    if arguments == ["--check"]:
        return 0
    unknown = [name for name in arguments if name not in ROWS]
    if unknown:
        print(f"bench: no such row: {' '.join(unknown)}; there are {' '.join(ROWS)}", file=sys.stderr)
        return 2
    machine()
    print(f"{'row':15} {'what':44} {'median':>12} {'least':>12} {'greatest':>12}  {'unit':9} goal")
    for name in arguments or ROWS:
        ROWS[name]()
    return 1 if out.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
