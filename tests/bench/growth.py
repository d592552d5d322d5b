# SPDX-License-Identifier: Apache-2.0
"""How throughput and p99 change with connections, samples a request, active keys and the size of the store: rows for growth.csv, on
standard output. `growth.py TABLE...` measures some of them. See README.md."""
import csv
import json
import sys
import time

from bench import (CONNECTIONS, FULL, ROUNDS, SECONDS, fill, list_gets, missing, out, row_of, sides_in_turn,
                   single_gets)
from load import Requests, http, values, wrk
from peers import Empty
from rig import Rig, until

writer = csv.writer(sys.stdout, lineterminator="\n")


def put(table, x, side, rounds, key="rate"):
    """One row: the medians of throughput and p99."""
    rate, p99 = row_of(rounds, key), row_of(rounds, "p99_ms")
    writer.writerow([table, x, side, f"{rate:.0f}", f"{p99:.2f}"])
    sys.stdout.flush()


def connections():
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        empty = Empty(rig).start_web("lighttpd")
        requests = single_gets(rig)
        for count in (1, 4, 16, 64, 256, 1024):
            results = sides_in_turn(rig, {"hourfold": lambda: wrk(server.port, requests, count, SECONDS),
                                          "empty handler": lambda: wrk(empty.port, requests, count, SECONDS)})
            for side, rounds in results.items():
                put("connections", count, side, rounds)


def samples():
    with Rig(out) as rig:
        server, = rig.start("lighttpd")
        for count in (1, 3, 10, 30, 100, 300, 1000):
            requests = list_gets(rig, count)
            results = sides_in_turn(rig, {"hourfold": lambda: wrk(server.port, requests, CONNECTIONS, SECONDS)})
            put("samples a request", count, "hourfold", results["hourfold"], "samples")


def until_folded(rig, server, requests):
    """Samples a second from the first one sent until the last one is folded."""
    begin = time.monotonic()
    result = wrk(server.port, requests, CONNECTIONS, SECONDS)
    sent = int(result["requests"] - result["refused"]) * requests.samples
    until_folded.all += sent
    until(lambda: rig.counters(server).get("folded", 0) >= until_folded.all, 300, "all is folded")
    result["samples"] = sent / (time.monotonic() - begin)
    return result


def keys():
    for count in (1, 100, 10_000, 100_000, *((1_000_000,) if FULL else ())):
        with Rig(out, {"consumer.max_keys": 10_000_000}) as rig:
            server, = rig.start("lighttpd")
            until_folded.all = 0
            each = min(count, 1000)
            posts = []
            for at in range(0, max(count, 100_000), 1000):
                numbers = values(1000, at)
                body = {f"host{(at + k) % count}.latency": [float(v) for v in numbers[k::each]] for k in range(each)}
                posts.append(http("POST", "/collect", json.dumps(body)))
            requests = Requests(rig.path, "keys", posts, 1000)
            put("active keys", count, "hourfold", [until_folded(rig, server, requests) for _ in range(ROUNDS)], "samples")


def store():
    for count in (1, 100, 10_000, 100_000, *((1_000_000,) if FULL else ())):
        with Rig(out) as rig:
            _, queries = fill(rig, rig.path / "state" / "store", count)
            server, = rig.start("lighttpd")
            requests = Requests(rig.path, "queries", queries)
            results = sides_in_turn(rig, {"hourfold": lambda: wrk(server.port, requests, 64, SECONDS)})
            put("cells in the store", count * 24, "hourfold", results["hourfold"])


TABLES = {"connections": connections, "samples": samples, "keys": keys, "store": store}

if __name__ == "__main__":
    lacking = missing()
    if lacking:
        sys.exit(f"growth: missing Debian packages: {', '.join(lacking)}")
    writer.writerow(["table", "x", "side", "a second", "p99 ms"])
    for name in sys.argv[1:] or TABLES:
        TABLES[name]()
    sys.exit(1 if out.failed else 0)
