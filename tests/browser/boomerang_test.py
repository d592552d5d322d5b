# SPDX-License-Identifier: Apache-2.0
"""boomerang itself, in Chromium: its beacons as an image, by sendBeacon and by XMLHttpRequest, each counted once although it is sent
again, with the medians that the page has seen, and without anything of a person in the stream, the store or a log.

boomerang is the package boomerangjs, fetched with npm and checked against its digest. HF_TEST_FULL=1 loads more pages.
"""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
from urllib.parse import parse_qs, urlsplit

from chromium import Chromium
from front import Front

from client import Client
from rig import BUILD, FULL, Rig, missing, until
from tap import Collected, Tap

PACKAGE, VERSION = "boomerangjs", "1.815.1"
DIGEST = "HHTbRtNMHA6NSk5dlTs5x3FZpGF8KJp1CVEJdwCuyIdUWyG0C+7saN/qWXwUr72GieBpzTAMuTWUq7ahh8t/sA=="  # SHA-512, base64, as npm calls it integrity
PLUGINS = ("rt", "painttiming", "navtiming", "eventtiming", "auto-xhr", "bfcache", "mobile", "memory")
LOADS = 25 if FULL else 3
SECRET = "/account/anna-4711"
TRANSPORTS = {"image": {"beacon_type": "GET"}, "sendbeacon": {"beacon_type": "POST"},
              "xhr": {"beacon_type": "POST", "beacon_disable_sendbeacon": True}}


def boomerang():
    """The files of the package that are needed, or None and why."""
    kept = pathlib.Path(BUILD) / "tests" / "browser" / f"{PACKAGE}-{VERSION}.tgz"
    if not kept.is_file():
        if shutil.which("npm") is None:
            return None, "npm (Debian: npm) is not installed"
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--prefer-offline",
                                   "--fetch-retries=2", "--fetch-timeout=20000", f"--pack-destination={folder}"],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
            packed = pathlib.Path(folder) / kept.name
            if done.returncode != 0 or not packed.is_file():
                return None, f"npm cannot fetch {PACKAGE}: {done.stderr.strip()[-200:]}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(packed, kept)
    digest = base64.b64encode(hashlib.sha512(kept.read_bytes()).digest()).decode()
    if digest != DIGEST:
        raise ValueError(f"{kept} has another digest: {digest}")
    with tarfile.open(kept) as tarball:
        return {name: tarball.extractfile(f"package/{name}").read()
                for name in ("boomerang.js", *(f"plugins/{plugin}.js" for plugin in PLUGINS))}, ""


class Site:
    """Pages with boomerang in them; the page keeps the measurements that boomerang says it sends."""

    def __init__(self, scripts):
        self.scripts = scripts
        self.collector = None  # whose beacons go there

    def page(self, path, query):
        if path.startswith("/boomerang/"):
            return self.scripts[path.removeprefix("/boomerang/")]
        if path == "/data":
            return "data"
        if path != SECRET:
            return None if path == "/missing" else "<title>empty</title>"
        scripts = "".join(f'<script src="/boomerang/{name}"></script>' for name in self.scripts)
        options = {"beacon_url": f"{self.collector}/collect/boomerang?site={query['transport']}", "instrument_xhr": True,
                   "AutoXHR": {"alwaysSendXhr": True}, "log": None, **TRANSPORTS[query["transport"]]}
        return f"""<!doctype html><title>shop</title><h1>Shop</h1>{scripts}<script>
            BOOMR.subscribe("beacon", (data) => sessionStorage.setItem("seen", JSON.stringify(
                [...JSON.parse(sessionStorage.getItem("seen") || "[]"), data])));
            BOOMR.init({json.dumps(options)});
            BOOMR.plugins.RT.setTimer("my timer", {query["timer"]});
            </script>"""


def seen(page):
    return json.loads(page.eval("sessionStorage.getItem('seen')") or "[]")


def visit(page, front, transport):
    """Load pages; on each a request that boomerang measures, every second of which fails. Return all that its beacons held."""
    count = len(seen(page))
    for i in range(LOADS):
        page.goto(f"{front.url}{SECRET}?transport={transport}&timer={i + 0.5}&delay_ms={7 * i * i}")
        count = until_seen(page, lambda beacons: [b for b in beacons if "http.initiator" not in b and "rt.quit" not in b], i + 1)
        page.eval("new Promise((done) => { const request = new XMLHttpRequest(); request.onloadend = () => done(1); "
                  f"request.open('GET', '/{'data' if i % 2 else 'missing'}'); request.send(); }})")
        until_seen(page, lambda beacons: [b for b in beacons if b.get("http.initiator") == "xhr"], i + 1)
    page.goto(f"{front.url}/empty")
    beacons = seen(page)
    page.eval("sessionStorage.clear()")
    return beacons


def until_seen(page, which, count):
    page.wait(f"JSON.parse(sessionStorage.getItem('seen') || '[]').length >= {count}", 20)
    until(lambda: len(which(seen(page))) >= count, 20, f"{count} beacons of that kind")
    return count


def sent_to(collector, transport):
    return [one for one in list(collector.received) if f"site={transport}" in one[1]]


def send_again(collector_port, received):
    """Everything, twice, as a proxy or a reload of the address would."""
    for _ in range(2):
        for method, target, kind, body, _status in received:
            with Client(collector_port) as client:
                client.request(method, target, {"Content-Type": kind} if kind else {}, body if method == "POST" else None)


def answer(client, key, stat, date):
    response = client.get(f"/{key}/{stat}/{date}")
    return json.loads(response.body) if response.status == 200 else {"value": None, "count": None, "error": response.body}


def compare(tap, server, transport, beacons, date):
    """The store against what the page saw."""
    made = Collected()
    loads = [b for b in beacons if "http.initiator" not in b and "rt.quit" not in b]
    requests = [b for b in beacons if b.get("http.initiator") == "xhr"]
    left = [b for b in beacons if "rt.quit" in b]
    made.that(len(loads) == LOADS and len(requests) == LOADS and len(left) == LOADS,
              f"{len(loads)} loads, {len(requests)} requests, {len(left)} pages left")
    made.that(all("t_done" in b for b in left), "a beacon of a page that is left has t_done again, as boomerang has it")
    # A page may have loaded before it was painted.
    expected = {f"{transport}.{name}": [float(b[name]) for b in loads if name in b or name != "pt.fcp"]
                for name in ("t_done", "t_resp", "t_page", "pt.fcp")}
    expected[f"{transport}.t_other.my_timer"] = [i + 0.5 for i in range(LOADS)]
    expected[f"{transport}.nt_first_byte"] = [float(b["nt_res_st"]) - float(b["nt_nav_st"]) for b in loads]
    expected[f"{transport}.xhr.t_done"] = [float(b["t_done"]) for b in requests]
    expected[f"{transport}.error"] = [0.0] * LOADS
    expected[f"{transport}.xhr.error"] = [float("http.errno" in b) for b in requests]
    with Client(server.port) as client:
        for key, values in expected.items():
            if not values:
                continue
            for stat, true in (("median", statistics.median(values)), ("max", max(values)), ("average", statistics.fmean(values))):
                got = answer(client, key, stat, date)
                made.that(got["count"] == len(values) and got["value"] is not None and abs(got["value"] - true) < 1e-9,
                          f"{key}: {stat} of {values} is {true}, {got['value']} of {got['count']}")
        median = answer(client, f"{transport}.t_done", "median", date)["value"]
    made.that(0 < sum(expected[f"{transport}.xhr.error"]) < LOADS, "some requests failed and some did not")
    made.report(tap, f"{transport}: counts and medians are those that the page saw", 20)
    tap.note(f"{transport}: median of t_done {median} ms of {sorted(expected[f'{transport}.t_done'])}")


def traces(rig, words):
    """Where in the state and the logs one of these words is."""
    for folder in ("state", "log", "run"):
        for file in sorted((rig.path / folder).rglob("*")):
            if file.is_file():
                held = file.read_bytes()
                yield from (f"{word} in {file.relative_to(rig.path)}" for word in words if word.encode() in held)


def run(tap, rig, scripts):
    server, = rig.start("lighttpd")
    date = time.strftime("%Y-%m-%d", time.gmtime())
    site = Site(scripts)
    words = {SECRET.rsplit("/", 1)[1], "HeadlessChrome"}
    samples = 0
    results = {}
    with Front(site.page, server.port) as pages, Front(site.page, server.port) as collector, Chromium() as browser:
        site.collector = collector.url  # another origin than that of the pages
        for transport in TRANSPORTS:
            page = browser.page()
            page.goto(f"{pages.url}/empty")
            beacons = visit(page, pages, transport)
            # An image or an XMLHttpRequest begun as a page is left may be broken off.
            least = [b for b in beacons if transport == "sendbeacon" or "rt.quit" not in b]
            until(lambda: len(sent_to(collector, transport)) >= len(least), 20, "all beacons arrive")
            sent = sent_to(collector, transport)
            tap.ok(len(least) <= len(sent) <= len(beacons) and all(status == 204 for *_, status in sent) and
                   {method for method, *_ in sent} == {"GET" if transport == "image" else "POST"},
                   f"{transport}: each of {len(beacons)} beacons is answered 204", sent)
            by_beacon = [b"&sb=1" in body for *_, body, _ in sent]
            tap.equal(set(by_beacon), {transport == "sendbeacon"}, f"{transport}: they came in that way")
            for _, target, _, body, _ in sent:
                beacon = parse_qs(body.decode() or urlsplit(target).query)
                words |= {beacon["rt.si"][0][:13], beacon["pid"][0]}  # a part of the session would be too much
            results[transport] = beacons
            page.close()
        before = time.time()
        until(lambda: rig.as_of(server) > before, 30, "all is folded")
        samples = rig.counters(server)["folded"]
        send_again(server.port, collector.received)
    before = time.time()
    until(lambda: rig.as_of(server) > before, 30, "all is folded")
    totals = rig.counters(server)
    tap.equal((totals["folded"], totals["duplicate"]), (samples, 2 * samples), "what is sent twice more counts no further")
    for transport, beacons in results.items():
        compare(tap, server, transport, beacons, date)
    return words


def main(tap):
    absent = missing("nats-server", "lighttpd", "chromium")
    scripts, why = boomerang() if not absent else (None, f"{absent} is not installed")
    if scripts is None:
        tap.skip("boomerang as a client", why)
        return
    with Rig(tap) as rig:
        words = run(tap, rig, scripts)
        rig.stop_web()
        found = list(traces(rig, words | {"sendbeacon"}))
        tap.ok(found and all(text.startswith("sendbeacon") for text in found),
               f"the site is in the stream and the store, and none of {len(words)} sessions and pages, address or browser",
               "\n".join(found[:20]))


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
