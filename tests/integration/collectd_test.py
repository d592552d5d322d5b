# SPDX-License-Identifier: Apache-2.0
"""Debian's collectd as a client: what it sends to /collect/collectd against what its own CSV files of the same run say.

HF_TEST_COLLECTD_S is how long it runs (12 s).
"""
import csv
import json
import os
import re
import time
from collections import defaultdict

from client import Client
from rig import Rig, missing, until
from tap import Collected, Tap
from truth import Truth

SECONDS = float(os.environ.get("HF_TEST_COLLECTD_S", "12"))
HOST = "box-1.example"
PLUGINS = ("cpu", "load", "memory", "df", "disk", "interface")

CONFIGURATION = """
Hostname "{host}"
FQDNLookup false
Interval 1
BaseDir "{path}/run"
PIDFile "{path}/run/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
    LogLevel info
    File STDOUT
</Plugin>
{loads}
<Plugin df>
    ReportInodes true
</Plugin>
LoadPlugin csv
<Plugin csv>
    DataDir "{path}/csv"
    StoreRates true
</Plugin>
Include "{snippet}"
"""


def csv_samples(folder):
    """(key, hour) -> values, from collectd's files <host>/<plugin>[-instance]/<type>[-instance]-YYYY-MM-DD."""
    samples = defaultdict(list)
    for file in folder.glob("*/*/*"):
        host, plugin, name = file.parts[-3:]
        head = re.sub(r"[^A-Za-z0-9._:-]", "_", f"{host}.{plugin}.{name[:-len('-YYYY-MM-DD')]}")
        with open(file, newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                hour = int(float(row["epoch"])) // 3600
                for source, text in row.items():
                    if source != "epoch" and text != "nan":
                        samples[f"{head}.{source}", hour].append(float(text))
    return samples


def run_collectd(rig, server):
    snippet = rig.instantiate("collectd.conf", rig.path / "etc" / "collectd.snippet", url=f"http://127.0.0.1:{server.port}")
    configuration = rig.path / "etc" / "collectd.conf"
    configuration.write_text(CONFIGURATION.format(host=HOST, path=rig.path, snippet=snippet,
                                                  loads="\n".join(f"LoadPlugin {plugin}" for plugin in PLUGINS)))
    collectd = rig.daemon("collectd", ["collectd", "-f", "-C", configuration])
    try:
        # Its plugins measure once a second for as long as this takes.
        until(lambda: not collectd.alive(), SECONDS, "")
    except Exception:
        pass
    collectd.stop(30)  # it sends what it still has


def compare(tap, server, samples):
    made = Collected()
    plugins = set()
    with Client(server.port) as client:
        for (key, hour), values in sorted(samples.items()):
            truth = Truth(values)
            date = time.strftime("%Y-%m-%d", time.gmtime(hour * 3600))
            response = client.get(f"/{key}/all/{date}/{hour % 24}")
            if not made.that(response.status == 200, f"{key}: {response}"):
                continue
            answer = json.loads(response.body)
            plugins.add(key[len(HOST) + 1:].split(".")[0].split("-")[0])
            made.that(answer["count"] == truth.count, f"{key}: {truth.count} rows of CSV, {answer}")
            for stat in ("median", "average", "min", "max", "stddev"):
                true, bounds = truth.statistic(stat), answer["bounds"][stat]
                # The CSV has six decimals, the request fifteen digits.
                slack = 0.51e-6 + abs(true) * 1e-14
                made.that(bounds["low"] - slack <= true <= bounds["high"] + slack and (not bounds["exact"] or
                          abs(answer[stat] - true) <= slack), f"{key}: {stat} of the CSV is {true!r}, {answer[stat]} {bounds}")
            if re.search(r"\.(cpu-0\.cpu-(user|idle)|load\.load\.|memory\.memory-(used|free)|df-root\.|disk-[a-z]+\.disk_octets|"
                         r"interface-lo\.if_octets)", key):
                tap.note(f"{key}/median/{date}/{hour % 24}: {answer['median']} (CSV {truth.statistic('median')!r}), "
                         f"average {answer['average']}, {answer['count']} samples")
    made.report(tap, "every median, average, minimum, maximum and deviation agrees with collectd's own CSV", 100)
    tap.ok(plugins >= set(PLUGINS) - {"disk", "df"}, f"keys of {', '.join(sorted(plugins))} are there")


def main(tap):
    absent = missing("nats-server", "lighttpd", "collectd", "write_http")
    if absent:
        tap.skip("collectd as a client", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        server, = rig.start("lighttpd")
        run_collectd(rig, server)
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        samples = csv_samples(rig.path / "csv")
        totals = rig.counters(server)
        tap.equal(totals["accepted"], sum(map(len, samples.values())), "as many samples are counted as the CSV files hold")
        compare(tap, server, samples)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
