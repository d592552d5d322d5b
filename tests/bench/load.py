# SPDX-License-Identifier: Apache-2.0
"""What is sent, and how: requests of every form, wrk, and what processes took of the machine meanwhile."""
import json
import os
import pathlib
import random
import re
import subprocess
import time

HERE = pathlib.Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
QUIET_SHARE = 0.04  # of one processor


def http(method, target, body="", content_type="application/json"):
    """The bytes of a request on a kept connection."""
    head = f"{method} {target} HTTP/1.1\r\nHost: bench\r\n"
    if body:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return (head + "\r\n" + body).encode()


def values(count, seed):
    """Latencies in ms: log-normal, three decimals."""
    draw = random.Random(seed)
    return [f"{draw.lognormvariate(3, 0.8):.3f}" for _ in range(count)]


class Requests:
    """A file of requests, sent in turn, over and over. `samples` is how many each holds."""

    def __init__(self, folder, name, requests, samples=1):
        self.path = folder / f"{name}.requests"
        self.samples = samples
        self.path.write_bytes(b"".join(b"%d\n%s" % (len(r), r) for r in requests))


def wrk(port, requests, connections, seconds):
    """Send as fast as answers come; return what requests.lua prints. Anything but answers below 400 is an error, but for a share
    of 503 that the caller looks at."""
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "15s", "-s", HERE / "requests.lua",
                           f"http://127.0.0.1:{port}/", "--", requests.path], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL)
    found = re.search(r"^JSON(.*)$", done.stdout, re.M)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"wrk: {done.stdout}{done.stderr}")
    result = json.loads(found.group(1))
    good = result["requests"] - result["refused"]
    result["rate"] = good / result["seconds"]
    result["samples"] = result["rate"] * requests.samples
    return result


# ---- processes ----

def cpu_s(pids):
    """Processor time of processes so far, theirs alone."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        except (OSError, IndexError):
            pass
    return total / TICKS


def status_number(pid, name):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))


def rss_mib(pid):
    return status_number(pid, "VmRSS") / 1024


def wakes(pid):
    """How often threads of a process went to sleep: each time something woke them before."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text(encoding="ascii")
        total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M).group(1))
    return total


def written_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    return int(re.search(r"^write_bytes:\s+(\d+)", text, re.M).group(1))


def settle(rig, seconds=20):
    """Wait until no process of the rig has anything left to do: what one side still does in the background would be measured as the
    other's."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        before = cpu_s(rig.found())
        time.sleep(0.5)
        if cpu_s(rig.found()) - before <= 0.5 * QUIET_SHARE:
            return
