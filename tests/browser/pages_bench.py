# SPDX-License-Identifier: Apache-2.0
"""How long the first view of the pages takes in Debian's Chromium, and how many bytes it needs: from a store of 10,000 keys over 31
days, by a browser with an empty cache, of the address of a key and of the bare one. HF_BENCH_KEYS and HF_BENCH_DAYS change the store."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
# pylint: disable=wrong-import-position
from chromium import Chromium
from rig import BUILD, Rig, missing
from tap import Tap

KEYS = int(os.environ.get("HF_BENCH_KEYS", 10000))
DAYS = int(os.environ.get("HF_BENCH_DAYS", 31))
ROUNDS = 7
MOST_MS = 500
MOST_BYTES = 200_000
# Since the address was entered: when the page says so, and when the picture with it has been painted.
DONE = {"figures and chart": "document.querySelectorAll('#tiles > div').length > 0 && document.querySelectorAll('#plot canvas').length > 0"
                             " && document.querySelector('#view').ariaBusy === 'false'",
        "all of the page": "document.querySelectorAll('#heat td').length > 0 && document.querySelectorAll('#week td').length > 0"
                           " && document.querySelector('#spikes').children.length > 0"}
WATCH = """(() => { window.reached = {}; const done = %s;
  const look = () => { for (const [name, there] of Object.entries(done)) if (!(name in reached) && document.body && there()) reached[name] = performance.now();
    requestAnimationFrame(look); }; look(); })()"""


def a_key():
    """One in the middle, of those that have minutes; as fill_days names it."""
    number = KEYS // 200 * 100
    return f"app{number // 1000:02}.service{number // 50 % 20:02}.metric{number % 50:02}"


def visit(browser, url):
    """Milliseconds to each of DONE, and the bytes of all answers as they were sent."""
    page = browser.page()
    page.call("Network.setCacheDisabled", cacheDisabled=True)
    done = ", ".join(f'"{name}": () => document.querySelector("#tiles") && {there}' for name, there in DONE.items())
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH % f"{{{done}}}")
    page.goto(url)
    page.wait(f"Object.keys(reached).length === {len(DONE)}", 30)
    reached = page.eval("reached")
    page.until(lambda: all(r["bytes"] > 0 for r in page.requests if not r["url"].startswith("data:")), 10, "all answers have come")
    sent = sum(r["bytes"] for r in page.requests)
    count = len(page.requests)
    page.close()
    return reached, sent, count


def main(tap):
    absent = missing("nats-server", "lighttpd", "chromium", "dygraphs")
    if absent:
        tap.skip("the first view", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        begin = time.monotonic()
        done = subprocess.run([BUILD / "tests" / "bench" / "fill_days", rig.path / "state" / "store", str(KEYS), str(DAYS)], check=True, text=True,
                              capture_output=True, **rig.identity)
        size = sum(f.stat().st_size for f in (rig.path / "state" / "store").rglob("*") if f.is_file())
        tap.note(f"{done.stdout.strip()}, {size / 1e9:.1f} GB, written in {time.monotonic() - begin:.0f} s")
        server, = rig.start("lighttpd")
        yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
        with Chromium() as browser:
            for what, query in (("a key and a day", f"?key={a_key()}&date={yesterday}"), ("the bare address", "")):
                visits = [visit(browser, f"http://127.0.0.1:{server.port}/-/{query}") for _ in range(ROUNDS)]
                for name in DONE:
                    times = sorted(reached[name] for reached, _, _ in visits)
                    tap.figure(f"{what}, {name}: first {visits[0][0][name]:.0f} ms, median {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms")
                tap.figure(f"{what}: {max(sent for _, sent, _ in visits)} bytes in {visits[0][2]} answers")
                tap.ok(max(reached["figures and chart"] for reached, _, _ in visits) < MOST_MS, f"{what}: the first view within {MOST_MS} ms")
                tap.ok(max(sent for _, sent, _ in visits) < MOST_BYTES, f"{what}: less than {MOST_BYTES} bytes")


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
