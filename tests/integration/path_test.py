# SPDX-License-Identifier: Apache-2.0
"""The whole path: samples of known values by every form of request, every answer compared with the raw list.

One nats-server, one consumer and one store; each web server in turn gets samples for keys of its own. The short form sends
some 400,000 samples in all, most of them through lighttpd; HF_TEST_FULL=1 sends a million through each server.
"""
import csv
import datetime
import io
import json
import random
import re
import signal
import time
import urllib.parse
from collections import defaultdict

from client import Client
from rig import FULL, Rig, missing, moment_of, parsed, until
from tap import Collected, Tap
from truth import Truth
import web

HOUR_MS = 3600_000
DAY_MS = 24 * HOUR_MS
STATS = ("average", "mean", "avg", "min", "max", "median", "count", "sum", "stddev", "throughput", "p0", "p1", "p5", "p25",
         "p33.333", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "p100")
EXACT = ("average", "min", "max", "count", "sum", "stddev", "throughput")
SAME = {"mean": "average", "avg": "average"}
SINGLES = 60  # requests of each small form

# What is measured, in decimals as an app would send them, and as a device at the edge of the range might.
VALUES = {
    "web.latency_ms": lambda r: str(int(r.lognormvariate(3, 0.6))),
    "db.latency": lambda r: f"{r.lognormvariate(3, 1):.3f}",
    "temperature": lambda r: f"{r.gauss(0, 15):.2f}",
    "size-of:body": lambda r: f"{r.paretovariate(1):.6g}",
    "edge_1": lambda r: f"{r.choice(('-', '+', ''))}{int(r.random() * 10000)}e{int(r.random() * 300) - 150}",
    "zero": lambda r: r.choice(("0", "-0", "0.0", "1e-400")),
}


class Samples:
    """Everything that was acknowledged: key -> minute since the epoch -> values."""

    def __init__(self):
        self.minutes = defaultdict(lambda: defaultdict(list))
        self.count = 0

    def add(self, key, time_ms, value):
        self.minutes[key][time_ms // 60_000].append(float(value))
        self.count += 1

    def hours(self, key):
        """Hour -> values."""
        hours = defaultdict(list)
        for minute, values in self.minutes[key].items():
            hours[minute // 60] += values
        return hours


def now_ms():
    return time.time_ns() // 1_000_000


def date_of(time_ms):
    return datetime.datetime.fromtimestamp(time_ms // 1000, datetime.timezone.utc).strftime("%Y-%m-%d")


def rfc3339(time_ms, offset_hours=0):
    zone = datetime.timezone(datetime.timedelta(hours=offset_hours))
    text = datetime.datetime.fromtimestamp(time_ms / 1000, zone).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def unix(time_ms):
    return f"{time_ms // 1000}.{time_ms % 1000:03d}"


class Sender:
    """Sends samples to one web server and keeps a record of them."""

    def __init__(self, server, samples, seed):
        self.client = Client(server.port)
        self.samples = samples
        self.random = random.Random(seed)
        self.prefix = server.kind + "."
        self.most = server.samples_at_once
        self.refused = Collected()
        this_hour = now_ms() // HOUR_MS
        today = now_ms() // DAY_MS * 24
        # Hours of several days, neighbours among them, the newest one that has ended, and one near collect.max_age.
        self.hours = [this_hour - 1, today - 24, today - 24 + 1, today - 1, today - 5 * 24 + 12, today - 5 * 24 + 13,
                      today - 30 * 24 + 23]

    def send(self, method, target, headers, body, samples):
        """Send; `samples` of (key, time in ms or None for the time of receipt, value as text) are what it holds."""
        if any(when is None for _, when, _ in samples):
            before = self.away_from_an_edge()
        response = self.client.request(method, target, headers, body)
        if self.refused.that(response.status == 204 and not response.body, f"{method} {target[:100]}: {response}"):
            for key, when, value in samples:
                self.samples.add(key, before if when is None else when, value)

    @staticmethod
    def away_from_an_edge():
        """What is received in the next seconds must fall into one minute."""
        until(lambda: now_ms() % 60_000 < 57_000, 10, "a minute begins")
        return now_ms()

    def value(self, name):
        return VALUES[name](self.random)

    def some_time(self):
        """In one of the hours, often at the very edge of it."""
        draw = self.random.random
        within = int(draw() * 1.01 * HOUR_MS)
        return self.random.choice(self.hours) * HOUR_MS + (within if within < HOUR_MS else (HOUR_MS - 1) * (within % 2))

    def some_key(self):
        name = self.random.choice(list(VALUES))
        return self.prefix + name, self.value(name)

    def by_get(self):
        key, value = self.some_key()
        when = self.some_time()
        stamp = self.random.choice((unix(when), rfc3339(when), rfc3339(when, 5)))
        self.send("GET", "/collect?" + urllib.parse.urlencode({"key": key, "value": value, "ts": stamp}), {}, None,
                  [(key, when, value)])
        self.send("GET", f"/collect?value={value.replace('+', '%2B')}&key={key}", {}, None, [(key, None, value)])

    def by_list(self):
        name = self.random.choice(list(VALUES))
        values = [self.value(name) for _ in range(self.random.randrange(2, 200))]
        when = self.some_time()
        self.send("GET", f"/collect?key={self.prefix}{name}&ts={unix(when)}&value=" + ",".join(values).replace("+", "%2B"), {},
                  None, [(self.prefix + name, when, v) for v in values])

    def objects(self, count):
        """JSON: an array of sample objects, and the samples."""
        samples = []
        for _ in range(count):
            key, value = self.some_key()
            samples.append((key, self.some_time(), value))
        return samples, "[" + ",".join(
            f'{{"key":"{key}","value":{number(value)},"ts":{unix(when)}}}' for key, when, value in samples) + "]"

    def arrays(self, count):
        """JSON: an object of key to array, and the samples."""
        values = {name: [self.value(name) for _ in range(count // len(VALUES))] for name in VALUES}
        values["db.latency"] = values["db.latency"][:1]
        members = [f'"{self.prefix}{name}":' + (number(v[0]) if len(v) == 1 else "[" + ",".join(map(number, v)) + "]")
                   for name, v in values.items()]
        return [(self.prefix + n, None, v) for n, vs in values.items() for v in vs], "{" + ",".join(members) + "}"

    def one_object(self):
        key, value = self.some_key()
        when = self.some_time()
        return [(key, when, value)], json.dumps({"id": f"{self.prefix}{self.samples.count}", "ts": rfc3339(when), "key": key}
                                                )[:-1] + f',"value":{number(value)}}}'

    def by_data(self):
        for samples, text in (self.objects(20), self.arrays(12), self.one_object()):
            self.send("GET", "/collect?data=" + urllib.parse.quote(text), {}, None, samples)

    def by_post(self, objects, arrays):
        kinds = ("application/json", "application/json; charset=utf-8", "text/plain", "text/plain;charset=UTF-8")
        for samples, text in (self.objects(objects), self.arrays(arrays), self.one_object()):
            self.send("POST", "/collect", {"Content-Type": self.random.choice(kinds)}, text.encode(), samples)

    def by_chunks(self):
        """A body without a length, as some clients send it."""
        samples, text = self.objects(50)
        body = text.encode()
        half = len(body) // 2
        chunked = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (half, body[:half], len(body) - half, body[half:])
        headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", "Content-Length": None}
        self.send("POST", "/collect", headers, chunked, samples)

    def by_collectd(self):
        when = self.some_time()
        host = f"{self.prefix}host 1"
        values = [{"values": [self.random.randrange(10**6) / 1000, None, self.random.randrange(10**6)],
                   "dstypes": ["gauge", "gauge", "derive"], "dsnames": ["shortterm", "midterm", "longterm"],
                   "time": float(unix(when)), "interval": 10.0, "host": host, "plugin": "load", "plugin_instance": "",
                   "type": "load", "type_instance": "", "meta": {"network:received": True}},
                  {"values": [self.random.randrange(100)], "dstypes": ["gauge"], "dsnames": ["value"],
                   "time": float(unix(when)), "interval": 10.0, "host": host, "plugin": "cpu", "plugin_instance": "0",
                   "type": "percent", "type_instance": "user/nice"}]
        key = host.replace(" ", "_")
        self.send("POST", "/collect/collectd", {"Content-Type": "application/json"}, json.dumps(values).encode(), [
            (f"{key}.load.load.shortterm", when, values[0]["values"][0]),
            (f"{key}.load.load.longterm", when, values[0]["values"][2]),
            (f"{key}.cpu-0.percent-user_nice.value", when, values[1]["values"][0])])

    def all_forms(self, total):
        target = self.samples.count + total
        for _ in range(SINGLES):
            self.by_get()
            self.by_list()
            self.by_data()
            self.by_collectd()
            self.by_chunks()
        while self.samples.count < target and not self.refused.faults:
            left = target - self.samples.count
            self.by_post(min(self.most, left + 1), min(self.most, left + 12))
        self.client.close()


def number(text):
    """As a JSON number, which may not begin with "+"."""
    return text.lstrip("+")


def significant(text):
    return re.sub(r"[eE].*|[-.]", "", text).strip("0")


class Checker:
    """Compares answers with the truth. Everything that was sent has been folded in when it is made."""

    def __init__(self, server, samples):
        self.client = Client(server.port)
        self.samples = samples
        self.made = Collected()

    def get(self, target):
        response = self.client.get(target)
        if self.made.that(response.status == 200, f"{target}: {response}"):
            return json.loads(response.body, parse_float=lambda text: self.shortest(target, text))
        return None

    def shortest(self, target, text):
        self.made.that(len(significant(text)) <= len(significant(repr(float(text)))), f"{target}: {text} could be shorter")
        return float(text)

    def compare(self, where, stat, truth, seconds, got):
        """One statistic: a dictionary with value, low, high, exact."""
        true = truth.statistic(stat, seconds)
        value, low, high, exact = (got[name] for name in ("value", "low", "high", "exact"))
        self.made.that(low <= true <= high and low <= value <= high, f"{where}: true {true!r}, got {got}")
        self.made.that(exact == (low == high == value), f"{where}: exact does not fit: {got}")
        if stat in EXACT or exact:
            self.made.that(value == true and exact, f"{where}: not exact: true {true!r}, got {got}")

    def common(self, where, answer, end_ms):
        """What every answer says besides numbers."""
        as_of = moment_of(answer["as_of"]) * 1000
        self.made.that(as_of <= now_ms() and answer["complete"] == (end_ms <= as_of), f"{where}: complete and as_of: {answer}")

    def hour(self, key, hour, values, everything):
        truth = Truth(values)
        path = f"{date_of(hour * HOUR_MS)}/{hour % 24}"
        for stat in STATS if everything else ("median", "average"):
            where = f"/{key}/{stat}/{path}"
            answer = self.get(where)
            if answer is None:
                continue
            self.compare(where, SAME.get(stat, stat), truth, 3600, answer)
            self.made.that(answer["count"] == truth.count and answer["stat"] == SAME.get(stat, stat) and answer["key"] == key
                           and answer["hour"] == hour % 24 and answer["date"] == date_of(hour * HOUR_MS), f"{where}: {answer}")
            self.common(where, answer, (hour + 1) * HOUR_MS)
        where = f"/{key}/all/{path}"
        answer = self.get(where)
        if answer is not None:
            for stat, bounds in answer["bounds"].items():
                self.compare(f"{where} {stat}", stat, truth, 3600, {"value": answer[stat], **bounds})
            self.made.that(len(answer["bounds"]) >= 8 and answer["count"] == truth.count, f"{where}: {answer}")

    def minutes(self, key, hour, stat):
        where = f"/{key}/{stat}/{date_of(hour * HOUR_MS)}/{hour % 24:02d}?by=minute"
        answer = self.get(where)
        if answer is None:
            return
        slots = answer["minutes"]
        self.made.that([s["minute"] for s in slots] == list(range(60)), f"{where}: {slots}")
        for slot in slots:
            values = self.samples.minutes[key].get(hour * 60 + slot["minute"])
            self.slot(f"{where} {slot['minute']}", stat, values, 60, slot)
        self.made.that(answer["count"] == sum(s["count"] for s in slots), f"{where}: minutes and hour differ: {answer}")

    def slot(self, where, stat, values, seconds, slot):
        if not values:
            self.made.that(slot["count"] == 0 and slot["value"] is None, f"{where}: {slot}")
            return
        self.made.that(slot["count"] == len(values), f"{where}: count is {len(values)}: {slot}")
        if slot["count"]:
            self.compare(where, stat, Truth(values), seconds, slot)

    def day(self, key, day, hours, stat):
        where = f"/{key}/{stat}/{date_of(day * DAY_MS)}"
        answer = self.get(where)
        if answer is None:
            return
        self.made.that([s["hour"] for s in answer["hours"]] == list(range(24)), f"{where}: {answer}")
        for slot in answer["hours"]:
            self.slot(f"{where} {slot['hour']}", stat, hours.get(day * 24 + slot["hour"]), 3600, slot)
        values = [v for hour in range(day * 24, day * 24 + 24) for v in hours.get(hour, ())]
        self.slot(where, stat, values, 86400, answer)
        self.common(where, answer, (day + 1) * DAY_MS)

    def everything(self, prefix):
        for key in [k for k in self.samples.minutes if k.startswith(prefix)]:
            hours = self.samples.hours(key)
            for hour, values in hours.items():
                self.hour(key, hour, values, True)
                self.minutes(key, hour, random.choice(("median", "average", "p99", "stddev")))
            for day in {hour // 24 for hour in hours}:
                for stat in ("median", "average", "p99.9", "throughput"):
                    self.day(key, day, hours, stat)

    def glance(self, prefix):
        """The same through another server: one hour of each key."""
        for key in [k for k in self.samples.minutes if k.startswith(prefix)]:
            hour, values = next(iter(self.samples.hours(key).items()))
            self.hour(key, hour, values, False)


def check_cache(tap, client, key, samples):
    """ETag, 304, HEAD and Cache-Control of an hour that has ended and of the current one."""
    hours = sorted(samples.hours(key))
    made = Collected()
    for hour, past in ((hours[0], True), (hours[-1], False)):
        if not past and hour != now_ms() // HOUR_MS:
            continue
        where = f"/{key}/median/{date_of(hour * HOUR_MS)}/{hour % 24}"
        first = client.get(where)
        made.that("max-age" in first.headers["cache-control"] if past else first.headers["cache-control"] == "no-store",
                  f"{where}: {first.headers}")
        again = client.get(where, If_None_Match=first.headers["etag"])
        made.that(again.status == 304 and not again.body and again.headers["etag"] == first.headers["etag"], f"{where}: {again}")
        other = client.get(where, If_None_Match='"another"')
        made.that(other.status == 200 and json.loads(other.body)["value"] == json.loads(first.body)["value"], f"{where}: {other}")
        head = client.request("HEAD", where)
        made.that(head.status == 200 and not head.body and head.headers["etag"] == first.headers["etag"], f"HEAD {where}: {head}")
    made.report(tap, "ETag, 304, HEAD and Cache-Control", 4)


def flat(answer):
    """A JSON answer as the rows of its CSV form: dictionaries of text."""
    slots = answer.get("minutes") or answer.get("hours") or [answer]
    rows = []
    for slot in slots:
        row = {name: answer.get(name) for name in ("key", "stat", "date", "hour", "as_of")}
        row.update({k: v for k, v in slot.items() if k not in ("bounds", "minutes", "hours")})
        for stat, bounds in (slot.get("bounds") or {}).items():
            row.update({f"{stat}_low": bounds["low"], f"{stat}_high": bounds["high"]})
        rows.append(row)
    return rows


def check_csv(tap, client, key, samples):
    """CSV holds what JSON does. Nothing changes between the two requests: the consumer is stopped."""
    hour = next(iter(samples.hours(key)))
    date = date_of(hour * HOUR_MS)
    made = Collected()
    for target in (f"/{key}/median/{date}/{hour % 24}", f"/{key}/p99/{date}", f"/{key}/average/{date}/{hour % 24}?by=minute",
                   f"/{key}/all/{date}/{hour % 24}", f"/{key}/all/{date}", f"/{key}/all/{date}/{hour % 24}?by=minute"):
        expected = flat(json.loads(client.get(target).body))
        for response in (client.get(target, Accept="text/csv"),
                         client.get(target + ("&" if "?" in target else "?") + "format=csv")):
            made.that(response.headers["content-type"].startswith("text/csv"), f"{target}: {response}")
            rows = list(csv.DictReader(io.StringIO(response.body.decode())))
            made.that(len(rows) == len(expected), f"{target}: {len(rows)} rows, {len(expected)} expected")
            for row, wanted in zip(rows, expected):
                for name, text in row.items():
                    value = wanted.get(name)
                    known = "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)
                    made.that(text == known or (isinstance(value, (int, float)) and text and float(text) == value),
                              f"{target}: column {name} is {text!r}, {known!r} expected")
    made.report(tap, "CSV is equal to JSON", 100)


def check_keys(tap, client, samples):
    """/-/keys, page by page."""
    keys, after = [], ""
    while after is not None:
        page = parsed(client.get(f"/-/keys?limit=7&after={after}"))
        keys += page["keys"]
        after = page["next"]
    tap.equal(keys, sorted(samples.minutes), "/-/keys lists every key, sorted, page by page")


def check_counters(tap, rig, server, samples):
    """What the consumer counted is what was acknowledged."""
    totals = rig.counters(server)
    tap.ok(totals["accepted"] == totals["folded"] == samples.count and totals["duplicate"] == totals["refused"] == 0,
           f"{samples.count} samples acknowledged, as many counted", str(totals))


def answers(client, samples):
    """A selection of answers as sent."""
    targets = []
    for key in list(samples.minutes)[::3]:
        for hour in samples.hours(key):
            date = date_of(hour * HOUR_MS)
            targets += [f"/{key}/{stat}/{date}/{hour % 24}" for stat in ("median", "all")] + [f"/{key}/p95/{date}"]
    return {target: client.get(target) for target in targets}


def check_prefix(tap, rig, kinds, samples):
    """Mounted below a prefix, each server sends and asks as at the root."""
    when = now_ms() - HOUR_MS
    servers = [rig.start_web(kind, "/some/stats") for kind in kinds]
    for server in servers:
        with Client(server.port) as client:
            key = f"{server.kind}.below"
            for i in range(3):
                response = client.get(f"{server.prefix}/collect?key={key}&value={i}&ts={unix(when)}")
                if response.status == 204:
                    samples.add(key, when, i)
            tap.ok(len(samples.minutes[key][when // 60_000]) == 3, f"{server.kind}: samples are taken below a prefix",
                   str(response))
            beside = client.get(f"/collect?key={key}&value=3")
            tap.ok(beside.status == 404, f"{server.kind}: and not beside it", str(beside))
    moment = time.time()
    for server in servers:
        until(lambda: rig.as_of(server) > moment, 60, "as_of passes the last acknowledgement")
        with Client(server.port) as client:
            response = client.get(f"{server.prefix}/{server.kind}.below/sum/{date_of(when)}/{when // HOUR_MS % 24}")
            tap.ok(response.status == 200 and parsed(response)["value"] == 3,
                   f"{server.kind}: queries are answered below a prefix", str(response))
            rig.stop_server(server)


def check_without_the_rest(tap, rig, server, samples):
    """Queries need neither nats-server nor the consumer nor collect."""
    rig.consumer.stop()
    with Client(server.port) as client:
        before = answers(client, samples)
        rig.nats.stop()
        for pid in rig.found("hourfold-collect"):
            rig.signal(pid, signal.SIGTERM)
        after = answers(client, samples)
        made = Collected()
        for target, response in before.items():
            made.that(response.status == 200 and after[target].status == 200 and after[target].body == response.body,
                      f"{target}: {response}, then {after[target]}")
        made.report(tap, "with the consumer, nats-server and collect stopped, answers stay the same", 20)
        check_csv(tap, client, next(iter(samples.minutes)), samples)


def main(tap):
    absent = missing("nats-server")
    if absent:
        tap.skip("the whole path", f"{absent} is not installed")
        return
    seed = random.randrange(2**32)
    tap.note(f"seed {seed}")
    random.seed(seed)
    amounts = {"lighttpd": 1_000_000 if FULL else 300_000, "mod_fcgid": 1_000_000 if FULL else 40_000,
               "mod_proxy_fcgi": 1_000_000 if FULL else 40_000, "htaccess": 1_000_000 if FULL else 20_000}
    samples = Samples()
    with Rig(tap) as rig:
        rig.start()
        servers = []
        for kind, total in amounts.items():
            absent = missing(*web.KINDS[kind].needs)
            if absent:
                tap.skip(f"through {kind}", f"{absent} is not installed")
                continue
            server = rig.start_web(kind)
            servers.append(server)
            started = time.monotonic()
            sender = Sender(server, samples, seed)
            sender.all_forms(total)
            sent = time.monotonic()
            sender.refused.report(tap, f"{kind}: every request of {total} samples was acknowledged")
            moment = time.time()
            until(lambda: rig.as_of(server) > moment, 60, "as_of passes the last acknowledgement")
            checker = Checker(server, samples)
            checker.everything(server.kind + ".")
            checker.made.report(tap, f"{kind}: every answer agrees with the raw samples", 10_000)
            tap.note(f"{kind}: sent in {sent - started:.1f} s, checked in {time.monotonic() - sent:.1f} s")
        for server, other in zip(servers, servers[1:] + servers[:1]):
            checker = Checker(server, samples)
            checker.glance(other.kind + ".")
            checker.made.report(tap, f"{server.kind} answers the same about what came through {other.kind}", 10)
        if not servers:
            return
        with Client(servers[0].port) as client:
            check_cache(tap, client, next(iter(samples.minutes)), samples)
            check_keys(tap, client, samples)
        check_prefix(tap, rig, [server.kind for server in servers], samples)
        check_counters(tap, rig, servers[0], samples)
        check_without_the_rest(tap, rig, servers[0], samples)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
