# SPDX-License-Identifier: Apache-2.0
"""hourfold.js in Chromium: samples in batches, those of a page that is left, a collector that is away and comes back, that is busy,
blocked by the browser, or beyond the page's Content-Security-Policy; each counts once, and nothing is thrown into the page.

Its pauses are made short by dividing what the page waits for. HF_TEST_FULL=1 runs it with its own pauses too.
"""
import json
import statistics
import time
from urllib.parse import unquote

from chromium import Chromium
from front import Front

from client import Client
from rig import FULL, SOURCE, Rig, missing, until
from tap import Tap

SCRIPT = SOURCE / "fcgi" / "pages" / "hourfold.js"
SIZE_MAX = 2048
HASTE = "{ const wait = setTimeout; window.setTimeout = (f, ms) => wait(f, ms / 40); }"
WATCH = "window.thrown = []; for (const kind of ['error', 'unhandledrejection']) addEventListener(kind, (e) => thrown.push(String(e.message || e.reason)));"
STUB = "window.hourfold = function () { (hourfold.q = hourfold.q || []).push(arguments); };"


def site(collector):
    def page(path, query):
        if path == "/-/hourfold.js":
            return SCRIPT.read_bytes()
        if path == "/empty":
            return "<title>empty</title>"
        if path != "/page":
            return None
        elsewhere = f' data-collect="{collector()}"' if "elsewhere" in query else ""
        policy = {"Content-Security-Policy": query["policy"]} if "policy" in query else {}
        before = f"<script>{STUB} hourfold('js.early', 1); hourfold('js.early', 2);</script>" if "early" in query else ""
        return f'<title>page</title>{before}<script src="/-/hourfold.js"{elsewhere}></script>', policy
    return page


class Visit:
    """A page with hourfold.js, and what it sent."""

    def __init__(self, browser, front, query="", haste=True):
        self.front = front
        self.first = len(front.received)
        self.page = browser.page()
        for source in (WATCH, HASTE)[:1 + haste]:
            self.page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        self.page.goto(f"{front.url}/page{query}")

    def send(self, key, values):
        self.page.eval(f"{json.dumps(list(values))}.forEach((value) => hourfold({json.dumps(key)}, value))")

    def received(self, status=204):
        return [one for one in list(self.front.received)[self.first:] if status in (one[4], "any")]

    def samples(self, status=204):
        """(id, value) of all that came, as often as it came."""
        found = []
        for _method, target, _kind, body, _status in self.received(status):
            text = body.decode() if body else unquote(target.partition("?data=")[2])
            found += [(sample["id"], sample["value"]) for sample in json.loads(text)]
        return found

    def await_samples(self, count, seconds=20, status=204):
        self.page.until(lambda: len(set(self.samples(status))) >= count, seconds, f"{count} samples come")

    def end(self, tap, name):
        thrown = self.page.eval("thrown")
        tap.equal(thrown, [], f"{name}: nothing is thrown into the page")
        self.page.close()


def in_batches(tap, browser, front):
    visit = Visit(browser, front, "?early=1")
    visit.page.eval("['', 'collect', '_x', 'a b', 'a'.repeat(201), 7, null, undefined, Symbol(), {}].forEach((key) => hourfold(key, 1))")
    visit.page.eval("[NaN, Infinity, '7', null, undefined, {}, Symbol()].forEach((value) => hourfold('js.odd', value)); hourfold()")
    visit.send("js.batch", range(1, 51))
    visit.await_samples(52)
    sizes = [len(json.loads(body)) for _, _, _, body, _ in visit.received()]
    tap.ok(len(visit.samples()) == 52 and max(sizes) == 20 and len(sizes) == 3, "52 samples go in three batches", sizes)
    tap.ok(all(method == "POST" and "ts" not in body.decode() for method, _, _, body, _ in visit.received()),
           "by POST, and with the time of their receipt")
    visit.end(tap, "batches")


def as_the_page_is_left(tap, browser, front):
    visit = Visit(browser, front, "?elsewhere=1", haste=False)
    visit.send("js.left", [1, 2, 3])
    visit.page.goto(f"{front.url}/empty")
    visit.await_samples(3)
    tap.equal(sorted(v for _, v in visit.samples()), [1, 2, 3], "what waits as the page is left is sent by sendBeacon")
    kinds = {kind for _, _, kind, _, _ in visit.received()}
    tap.equal(kinds, {"text/plain;charset=UTF-8"}, "as a type that needs no preflight")
    visit.page.goto(f"{front.url}/page")
    visit.send("js.left", [4])
    visit.page.eval("Object.defineProperty(document, 'hidden', {value: true}), "
                    "document.dispatchEvent(new Event('visibilitychange', {bubbles: true})), 1")
    visit.await_samples(4)
    visit.send("js.left", [5])
    visit.page.close()
    until(lambda: len(set(visit.samples())) == 5, 20, "the sample of a page that was closed comes")
    tap.ok(True, "so is what waits as the page is hidden, and as it is closed")


def while_the_collector_is_away(tap, browser, front):
    visit = Visit(browser, front)
    for mode, key in (("away", "js.away"), (503, "js.busy"), (429, "js.busy")):
        front.mode = mode
        visit.send(key, range(1, 31))
        visit.page.until(lambda: len(visit.received(None if mode == "away" else mode)) >= 3, 20, "it tries")
        if mode == "away":
            begin = time.time()
            visit.page.eval("{ const now = Date.now; Date.now = () => now() + 90000; } 1")
        front.mode = "on"
        count = {"away": 30, 503: 60, 429: 90}[mode]
        visit.await_samples(count, 30)
        if mode == "away":
            late = [sample for *_, body, _ in visit.received() if body for sample in json.loads(body)]
            tap.ok(late and all(begin - 20 < sample["ts"] < begin for sample in late), "what comes late says when it was", late[:3])
    tap.ok(True, "what could not be sent is sent again when the collector is back")
    front.mode = 400
    visit.send("js.refused", range(20))
    visit.page.until(lambda: visit.received(400), 20, "it is sent")
    front.mode = "on"
    visit.send("js.busy", range(31, 51))
    visit.await_samples(110, 30)
    tap.equal(len(visit.received(400)), 1, "what is refused is not sent again")
    visit.page.eval("fetch = () => { throw new Error('broken by the page'); }; 1")
    visit.send("js.busy", range(51, 71))
    visit.await_samples(130, 30)
    visit.end(tap, "collector away")

    visit = Visit(browser, front)
    visit.page.eval("{ const was = [fetch, Image]; fetch = async () => { throw new Error(); }; Image = class {};"
                    " window.mend = () => { [fetch, Image] = was; }; } 1")  # nothing leaves the page, not late either
    visit.send("js.many", range(10000, 12000))
    visit.page.eval("mend(), 1")
    came = lambda: {value for _, value in visit.samples() if value >= 10000}  # of the page before, some may come late
    visit.page.until(lambda: len(came()) >= 500, 30, "what was kept comes")
    tap.equal(came(), set(range(11500, 12000)), "while it is away no more than so many are kept: the last")
    visit.page.close()


def where_it_is_blocked(tap, browser, front):
    visit = Visit(browser, front)
    visit.page.call("Network.setBlockedURLs", urls=["*/collect*"])
    visit.send("js.blocked", range(20))
    visit.page.until(lambda: len([r for r in visit.page.requests if "/collect" in r["url"] and r["failed"]]) > 4, 20, "it tries")
    visit.end(tap, "blocked")
    tap.ok(not any(b"js.blocked" in body or "js.blocked" in target for _, target, _, body, _ in front.received),
           "nothing comes of what the browser blocks")

    visit = Visit(browser, front, "?policy=" + "script-src 'self'; connect-src 'none'; img-src 'self'".replace(" ", "%20"))
    visit.send("js.policy", range(1, 31))
    visit.await_samples(30, 30)
    tap.equal({method for method, *_ in visit.received()}, {"GET"}, "where a policy permits images alone, samples go by GET")
    visit.send("js.policy", [31])
    visit.page.goto(f"{front.url}/empty")
    visit.await_samples(31)
    visit.page.close()

    visit = Visit(browser, front, "?policy=default-src%20'none';%20script-src%20'self'")
    visit.send("js.none", range(20))
    visit.page.until(lambda: [c for c in visit.page.console if "Content Security Policy" in c["text"]], 20, "the policy is applied")
    visit.end(tap, "a policy that permits nothing")


def at_its_own_pace(tap, browser, front):
    visit = Visit(browser, front, haste=False)
    begin = time.monotonic()
    visit.send("js.pace", [1])
    visit.await_samples(1, 20)
    tap.ok(4.5 < time.monotonic() - begin < 11.5, f"a sample waits for others {time.monotonic() - begin:.1f} s")
    visit.end(tap, "pace")


def count_of(server, key):
    date = time.strftime("%Y-%m-%d", time.gmtime())
    with Client(server.port) as client:
        response = client.get(f"/{key}/median/{date}")
        answer = json.loads(response.body)
    return (answer["count"], answer["value"]) if response.status == 200 else (0, None)


def run(tap, rig):
    server, = rig.start("lighttpd")
    with Client(server.port) as client:
        served = client.get("/-/hourfold.js")
    tap.ok(served.status == 200 and served.body == SCRIPT.read_bytes() and served.headers["content-type"].startswith("text/javascript"),
           "hourfold-query serves it below /-/", served)
    fronts = []
    with Front(site(lambda: f"{fronts[0].url}/collect"), server.port) as front, Chromium() as browser:
        fronts.append(front)
        in_batches(tap, browser, front)
        as_the_page_is_left(tap, browser, front)
        while_the_collector_is_away(tap, browser, front)
        where_it_is_blocked(tap, browser, front)
        if FULL:
            at_its_own_pace(tap, browser, front)
        repeated = [one for one in front.received if one[4] == 204]
    before = time.time()
    until(lambda: rig.as_of(server) > before, 30, "all is folded")
    for key, values in (("js.early", [1, 2]), ("js.batch", range(1, 51)), ("js.left", range(1, 6)), ("js.away", range(1, 31)),
                        ("js.busy", [*range(1, 31), *range(1, 71)]), ("js.policy", range(1, 32))):
        tap.equal(count_of(server, key), (len(values), statistics.median(values)), f"{key}: each sample counts once")
    tap.equal([count_of(server, key)[0] for key in ("js.odd", "js.refused", "js.blocked", "js.none")], [0] * 4,
              "what is no sample, was refused or blocked is not there")
    totals = rig.counters(server)
    tap.ok(totals["duplicate"] > 0, f"{len(repeated)} requests, {totals['folded']} samples, {totals['duplicate']} came again")


def main(tap):
    size = SCRIPT.stat().st_size
    tap.ok(size < SIZE_MAX, f"hourfold.js is {size} bytes long, less than {SIZE_MAX}")
    absent = missing("nats-server", "lighttpd", "chromium")
    if absent:
        tap.skip("hourfold.js", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        run(tap, rig)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
