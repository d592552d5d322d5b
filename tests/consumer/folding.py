# SPDX-License-Identifier: Apache-2.0
"""What the tests of the consumer share: start it, wait until it has folded all, compare with what was sent."""
import json
import time

from rig import until
from truth import Truth


def now_ms():
    return time.time_ns() // 1000000


def log_of(rig):
    return rig.consumer.log.read_text("utf-8", "replace")


def events(rig, event):
    return log_of(rig).count(f"event={event} ")


def start(rig):
    """Start the consumer and wait until it has told that it is ready."""
    before = events(rig, "ready") if rig.consumer else 0
    rig.start_consumer()
    until(lambda: events(rig, "ready") > before or not rig.consumer.alive(), 20, lambda: f"ready\n{rig.logs()}")
    return rig.consumer


def stat(rig):
    return json.loads(rig.tool("stat", "--json"))


def settle(rig, seconds=60):
    """Wait until everything in the stream is folded; return the figures."""
    def folded():
        figures = stat(rig)
        return figures if figures["lag"] == 0 and figures["position"] == figures["stream"]["last"] else None
    return until(folded, seconds, lambda: f"all is folded: {rig.tool('stat')}")


def exported(rig, *arguments):
    return [json.loads(line) for line in rig.tool("export", *arguments).splitlines()]


def check_truth(tap, rig, feeder, name):
    """Every key and hour holds exactly what was sent; counters and verify agree."""
    rows = {(row["key"], row["time"]): row for row in exported(rig)}
    expected = {(key, time.strftime("%Y-%m-%dT%H:00:00Z", time.gmtime(hour * 3600))): values
                for (key, hour), values in feeder.sent.items()}
    wrong = [f"{cell}: {rows.get(cell)}" for cell, values in expected.items()
             if cell not in rows or rows[cell]["count"] != len(values) or rows[cell]["sum"] != Truth(values).statistic("sum")]
    tap.ok(not wrong and len(rows) == len(expected), f"{name}: every hour holds what was sent", "\n".join(wrong[:5]))
    figures = stat(rig)
    tap.equal(figures["folded"], feeder.samples, f"{name}: each sample is folded once")
    tap.equal(figures["accepted"], figures["folded"] + figures["duplicate"], f"{name}: accepted = folded + duplicate")
    tap.ok("the store is consistent" in rig.tool("verify"), f"{name}: verify agrees")
