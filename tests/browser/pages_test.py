# SPDX-License-Identifier: Apache-2.0
"""The pages at /-/ in Debian's Chromium, on a store with a known spike: what they show, how they are used by mouse and keyboard,
what they say when there is nothing to show, and that they ask nobody else. HF_TEST_FULL=1 waits until the figures are old, too.
HF_TEST_SHOTS=DIRECTORY keeps pictures."""
import csv
import hashlib
import json
import math
import os
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
# pylint: disable=wrong-import-position
import accessible
from chromium import Chromium
from client import Client
from rig import FULL, Rig, missing, until
from tap import Tap

SEED = int(os.environ.get("HF_TEST_SEED", random.randrange(1 << 32)))
DAY_S = 86400
SPIKE_MINUTE = 14 * 60 + 17
TOKEN = "page" * 11


def yesterday():
    """Its first second, and its date."""
    start = (int(time.time()) // DAY_S - 1) * DAY_S
    return start, time.strftime("%Y-%m-%d", time.gmtime(start))


def samples(start):
    """Of a day: key -> [(time, value)]; shop.latency has one spike, and no tail that could have another."""
    rng = random.Random(SEED)
    latency, orders, heat = [], [], []
    for minute in range(1440):
        at = start + 60 * minute
        latency += [(at + 10 * i, round(rng.uniform(15, 30), 3)) for i in range(4)]
        if minute == SPIKE_MINUTE:
            latency += [(at + 5 + i, 800.0 + i) for i in range(3)]
        if minute % 10 == 0:
            orders.append((at, 1))
            heat.append((at, round(20 + 3 * math.sin(minute / 720 * math.pi), 2)))
    return {"shop.latency": latency, "shop.orders": orders, "hall.temperature": heat}


def send(server, made):
    documents = [{"key": key, "value": value, "ts": at} for key, list_ in made.items() for at, value in list_]
    with Client(server.port) as client:
        for i in range(0, len(documents), 8000):
            answer = client.request("POST", server.prefix + "/collect", {"Content-Type": "application/json"},
                                    json.dumps(documents[i:i + 8000]).encode())
            assert answer.status == 204, answer


class Visit:
    """A page of one server, and what the test asks of it."""

    def __init__(self, tap, browser, server, width=1280):
        self.tap = tap
        self.server = server
        self.page = browser.page(width, 900)
        self.base = f"http://127.0.0.1:{server.port}{server.prefix}/-/"

    def open(self, query):
        self.page.goto(self.base + query)

    def text(self, selector):
        return self.page.eval(f"document.querySelector({json.dumps(selector)})?.textContent ?? null")

    def wait(self, expression, seconds=10):
        return self.page.wait(f"!!({expression})", seconds)

    def wait_text(self, selector, text, seconds=10):
        self.wait(f"document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})", seconds)

    def later(self, selector, text, seconds=20):
        """Wait for what comes with time; the page looks at once when its tab is looked at again."""
        self.wait(f"document.dispatchEvent(new Event('visibilitychange')),"
                  f" document.querySelector({json.dumps(selector)})?.textContent.includes({json.dumps(text)})", seconds)

    def settled(self):
        """All that was asked for has come."""
        self.wait("document.querySelector('#view').ariaBusy === 'false' && document.querySelector('#week').children.length > 0"
                  " && document.querySelector('#heat').children.length > 0 && document.querySelector('#spikes').children.length > 0")

    def drag(self, x1, x2, y):
        for kind, x in (("mousePressed", x1), ("mouseMoved", (x1 + x2) / 2), ("mouseMoved", x2), ("mouseReleased", x2)):
            self.page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def shot(self, name):
        folder = os.environ.get("HF_TEST_SHOTS")
        if folder:
            self.page.screenshot(pathlib.Path(folder) / f"{name}.png", whole=True)

    def end(self, name, permitted=()):
        """What the whole visit must be innocent of. A browser writes of each answer that is no 2xx on the console by itself."""
        page = self.page
        console = [line for line in page.console if line["type"] in ("error", "warning", "exception", "assert")
                   and not any(word in line["text"] for word in permitted)]
        self.tap.ok(not console, f"{name}: no error on the console", "\n".join(map(str, console[:8])))
        elsewhere = [r["url"] for r in page.requests if not r["url"].startswith((self.base.removesuffix("-/"), "blob:", "data:"))]
        self.tap.ok(len(page.requests) > 10 and not elsewhere, f"{name}: no request to anybody else", "\n".join(elsewhere))
        page.close()


# ---- scenes ----

def the_day(tap, visit, date, made):
    """The spike is marked at its minute, and the numbers are those of what was sent."""
    visit.open(f"?key=shop.latency&date={date}")
    visit.settled()
    visit.shot("day")
    visit.wait("document.querySelectorAll('.mark').length > 0")
    marks = visit.page.eval("[...document.querySelectorAll('.mark')].map(e => [e.dataset.time, e.getAttribute('aria-label')])")
    tap.ok([m[0] for m in marks] == [f"{date}T14:17:00.000Z"], "the spike is marked at its minute, and nothing else is", str(marks))
    tap.ok(marks[0][1].startswith("Spike at 14:17: maximum 802"), "the mark has a name", str(marks))
    x, expected = visit.page.eval("""(() => { const at = (text) => { const r = [...document.querySelectorAll('#plot .dygraph-axis-label-x')]
        .find(e => e.textContent === text).getBoundingClientRect(); return r.x + r.width / 2; };
        const m = document.querySelector('.mark').getBoundingClientRect();
        return [m.x + m.width / 2, at('14:00') + 17.5 / 120 * (at('16:00') - at('14:00'))]; })()""")
    tap.ok(abs(x - expected) < 2, "the mark stands at its time on the axis", f"{x} px, expected {expected}")
    visit.wait_text("#spikes tbody", "14:17")
    values = sorted(value for _, value in made["shop.latency"])
    middle = (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2 if len(values) % 2 == 0 else values[len(values) // 2]
    tiles = visit.page.eval("Object.fromEntries([...document.querySelectorAll('#tiles > div')].map(e => [e.querySelector('dt').textContent,"
                            " e.querySelector('.value').textContent]))")
    expected = {"Samples": len(values), "Median": middle, "Maximum": 802, "Minimum": values[0]}
    tap.ok(all(abs(float(tiles[name].replace(",", "")) - value) <= 0.00501 for name, value in expected.items()),
           "the tiles hold the statistics of what was sent", f"{tiles}\nexpected {expected}")
    tap.ok("exact" in visit.text("#tiles") or " to " in visit.text("#tiles"), "with their bounds")
    tap.equal(visit.page.eval("[...document.querySelectorAll('#tiles .small')].every(e => e.textContent !== '')"), True, "each of them")
    tap.equal(visit.text("#fresh").split(". ")[1].split(":")[0], "Complete", "it says that the day is complete")
    tap.ok(visit.page.eval("document.querySelectorAll('#heat td').length % 24 === 0 && document.querySelectorAll('#heat td.l9').length > 0"),
           "the heat map has a column for each hour")
    tap.equal(visit.page.eval("document.querySelectorAll('#week td').length"), 168, "the week has its 168 hours")
    visit.page.eval("document.querySelector('#table-box').open = true")
    visit.wait("document.querySelectorAll('#table tbody tr').length === 24")
    tap.ok("802" in visit.text("#table tbody tr:nth-child(15)"), "the table has what the chart shows")
    visit.page.eval("document.querySelector('#table-box').open = false")


def zooming(tap, visit, date):
    page = visit.page
    page.eval("document.querySelector('.mark').focus()")
    page.press("Enter")
    visit.wait_text("#chart-title", "by the minute")
    tap.equal(page.eval("location.search"), f"?key=shop.latency&date={date}&from={date}T13:47Z&to={date}T14:47Z",
              "Enter on the mark shows the minutes around it, and the address says so")
    visit.wait("document.querySelector('.mark')?.dataset.time.includes('T14:17')")
    page.eval("document.querySelector('#table-box').open = true")
    visit.wait("document.querySelectorAll('#table tbody tr').length === 60")
    tap.ok("802" in page.eval("[...document.querySelectorAll('#table tbody tr')].find(r => r.cells[0].textContent === '14:17').textContent"),
           "its minute holds the spike")
    visit.shot("zoom")
    link = page.eval("location.href")
    page.goto(link + "&")
    visit.wait_text("#chart-title", "13:47 to 14:47")
    visit.wait("document.querySelectorAll('.mark').length === 1")
    tap.ok(True, "a link reproduces the view")
    page.eval("document.querySelector('#chart').focus()")
    page.press("Escape")
    visit.wait_text("#chart-title", "Through the day")
    tap.equal(page.eval("location.search"), f"?key=shop.latency&date={date}", "Escape leaves it")
    visit.settled()
    visit.wait("document.querySelectorAll('.mark').length === 1")
    page.press("Home")
    for _ in range(3):
        page.press("ArrowRight")
    tap.ok(visit.text("#readout").startswith("03:00 to 04:00, Median"), "arrow keys read the chart out", visit.text("#readout"))
    page.press("Enter")
    visit.wait_text("#chart-title", "03:00 to 04:00")
    page.eval("document.querySelector('#zoom-later').click()")
    visit.wait_text("#chart-title", "04:00 to 05:00")
    page.eval("history.go(-2)")
    visit.wait_text("#chart-title", "Through the day")
    tap.ok(True, "Enter opens an hour, and the browser's way back closes it")
    visit.settled()
    page.eval("document.querySelector('#chart').scrollIntoView({block: 'center', behavior: 'instant'})")
    at = page.eval("""['10:00', '12:00'].map(text => { const r = [...document.querySelectorAll('#plot .dygraph-axis-label-x')]
        .find(e => e.textContent === text).getBoundingClientRect(); return [r.x + r.width / 2, r.y - 60]; })""")
    visit.drag(at[0][0] + 1, at[1][0] - 1, at[0][1])
    visit.wait_text("#chart-title", "by the minute")
    title = visit.text("#chart-title")
    tap.ok(title.startswith("10:0") and " to 1" in title and title.split(" to ")[1].startswith(("11:5", "12:00")), "dragging over a time shows its minutes", title)
    page.eval("document.querySelector('#zoom-out').click()")
    visit.wait_text("#chart-title", "Through the day")


def finding(tap, visit):
    """A key is found and opened without a mouse; a second one is compared with it."""
    page = visit.page
    page.eval("document.querySelector('#search').focus()")
    page.type("rders")
    visit.wait_text("#found", "1 key")
    tap.equal(visit.text("#keys a"), "shop.orders", "a key is found by a part of it, as it is typed")
    page.press("ArrowDown")
    page.press("Enter")
    visit.wait_text("#title", "shop.orders")
    visit.settled()
    tap.ok("144" in visit.text("#tiles"), "Enter opens it")
    page.eval("document.querySelector('#search').focus(), document.querySelector('#search').select()")
    page.type("*temp*")
    visit.wait_text("#keys", "hall.temperature")
    page.press("ArrowDown")
    page.press("Tab")
    page.press("Enter")
    visit.wait_text("#title", "2 keys compared")
    visit.wait("document.querySelectorAll('#tiles > div').length === 2 && document.querySelectorAll('#legend .item').length === 3")
    visit.settled()
    tap.ok("key=shop.orders,hall.temperature" in page.eval("location.search"), "two keys are compared on one axis")
    visit.shot("compare")
    page.eval("document.querySelector('#stat').value = 'max', document.querySelector('#stat').dispatchEvent(new Event('change'))")
    visit.wait_text("#tiles", "Maximum")
    tap.ok("stat=max" in page.eval("location.search"), "by another statistic")
    page.eval("document.querySelector('#chips button').click()")
    visit.wait_text("#title", "hall.temperature")
    tap.ok(True, "and one is left out again")


def taking_along(tap, browser, visit, date, made):
    with tempfile.TemporaryDirectory(prefix="hourfold-csv-") as folder:
        browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
        visit.open(f"?key=shop.latency&date={date}")
        visit.settled()
        visit.page.click("#csv")
        file = pathlib.Path(folder) / f"shop.latency-{date}.csv"
        until(lambda: (visit.page.browser.listen(0.02), file.is_file())[1], 10, "the CSV is there")
        rows = list(csv.DictReader(file.read_text().splitlines()))
    tap.equal([row["time"] for row in rows], [f"{date}T{hour:02}:00Z" for hour in range(24)], "the CSV has what is seen, hour by hour")
    tap.equal((sum(int(row["count"]) for row in rows), max(float(row["max"]) for row in rows)), (len(made["shop.latency"]), 802.0),
              "and its numbers")


def nothing_there(tap, visit):
    old = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 20 * DAY_S))
    visit.open(f"?key=shop.latency&date={old}")
    visit.wait("!document.querySelector('#empty').hidden")
    tap.ok(visit.text("#empty").startswith("No samples on "), "a day without samples says so", visit.text("#empty"))
    tap.equal(visit.page.eval("document.querySelector('#chart').hidden"), True, "and shows no chart")
    visit.shot("empty")
    visit.page.click("#empty button")
    visit.wait("document.querySelector('#empty').hidden && document.querySelectorAll('.mark').length === 1")
    tap.ok(True, "and leads to the latest that has some")
    visit.open("?key=never.seen")
    visit.wait_text("#notices", "Unknown key")
    tap.ok("never.seen" in visit.text("#notices"), "a key that was never seen is said to be unknown")


def living(tap, visit):
    """The current hour goes on by itself."""
    made = {"shop.orders": [(time.time(), 1), (time.time(), 2)]}
    send(visit.server, made)
    visit.open("?key=shop.orders")
    visit.wait_text("#fresh", "Live, not complete")
    visit.later("#tiles", "2exact")
    first = visit.page.eval("document.querySelector('#fresh').dataset.asOf")
    send(visit.server, {"shop.orders": [(time.time(), 3)]})
    visit.later("#tiles", "3exact")
    visit.wait("document.dispatchEvent(new Event('visibilitychange')),"
               f" document.querySelector('#fresh').dataset.asOf > {json.dumps(first)}", 20)
    tap.ok(True, "what comes in is shown by itself, and as_of moves on")
    tap.equal(visit.page.eval("document.querySelector('#fresh').dataset.complete"), "false", "the day is not complete")
    visit.shot("live")


def out_of_order(tap, rig, visit, date):
    """The consumer and then the web server are away."""
    visit.open(f"?key=shop.latency&date={date}")
    visit.settled()
    visit.wait_text("#health", "Up to date")
    rig.consumer.stop()
    visit.later("#health", "Degraded")
    visit.wait("document.querySelector('#notices [data-cause=health]')")
    tap.ok("consumer" in visit.text("#notices").lower(), "without its consumer the service is said to be degraded, and why", visit.text("#notices"))
    visit.shot("degraded")
    if FULL:
        visit.later("#health", "Behind", 90)
        tap.ok("behind" in visit.text("#notices"), "and to be behind when the figures are old", visit.text("#notices"))
    rig.start_consumer()
    visit.later("#health", "Up to date", 30)
    tap.equal(visit.text("#notices"), "", "and nothing of that is left when it is back")
    visit.server.process.stop(20, visit.server.stop_signal)
    visit.later("#health", "Unreachable")
    tap.ok("cannot be reached" in visit.text("#notices") and "Median" in visit.text("#tiles"),
           "when nothing answers that is said, and what was there stays", visit.text("#notices"))
    visit.shot("unreachable")
    visit.server.process.start()
    visit.later("#health", "Up to date", 30)
    tap.equal(visit.text("#notices"), "", "and it finds back by itself")


def for_everybody(tap, visit, date):
    """Wide and narrow, light and dark, in the day, in its minutes, and with several keys."""
    page = visit.page
    views = (f"?key=shop.latency&date={date}", f"?key=shop.latency&date={date}&from={date}T14:00Z&to={date}T15:00Z",
             f"?key=shop.latency,shop.orders&date={date}", f"?key=never.seen&date={date}")
    faults = []
    short = iter((views[0], views[1], views[0], views[2]))
    for width, scheme in ((1280, "light"), (1280, "dark"), (390, "dark"), (390, "light")):
        page.size(width, 844, 1, width < 500)
        page.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        for query in views if FULL else (next(short),):
            visit.open(query)
            if "never" in query:
                visit.wait_text("#notices", "Unknown")
            else:
                visit.settled()
            page.eval("document.querySelector('#table-box').open = true")
            faults += [f"{width} {scheme} {query}: {check}: {found[:5]}" for check, found in accessible.faults(page).items()]
            if query == views[0]:
                visit.shot(f"day-{width}-{scheme}")
    tap.ok(not faults, "names, contrast, headings, landmarks, sizes, tables and width are right in every view", "\n".join(faults[:20]))
    page.size(1280, 900)
    visit.open(views[0])
    visit.settled()
    tap.equal(page.eval("document.getAnimations().length"), 0, "nothing moves for those who want that")
    stops, blind = accessible.walk(page)
    tap.ok({"search", "date", "chart", "csv"} <= set(stops) and not blind and len(stops) < 100,
           "every control is reached by Tab and seen to be", f"{len(stops)} stops: {stops}\nwithout an outline: {blind}")


def first_time(tap, browser, server, made):
    """Before and after the first samples."""
    visit = Visit(tap, browser, server)
    visit.open("")
    visit.wait_text("#notices", "No key yet")
    tap.ok(f"http://127.0.0.1:{server.port}/collect?key=" in visit.text("#notices pre"), "the first visitor is told how to begin")
    visit.shot("first")
    send(server, made)
    visit.later("#title", "hall.temperature")
    visit.wait_text("#tiles", "Median")
    tap.ok(True, "and the first key is there when it has come")
    visit.end("first time")


def guard(rig):
    """From now on figures are for those who have the token of a view; the server is another one, below a prefix, without dygraphs."""
    rig.options.update({"query.dygraphs": "/nonexistent", "view team.keys": "shop.*", "view team.stats": "median, count",
                        "view team.token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()})
    rig.write_configuration()
    rig.stop_web()
    return rig.start_web("lighttpd", "/stats")


def behind_a_token(tap, browser, server, date):
    visit = Visit(tap, browser, server)
    visit.page.goto(f"http://127.0.0.1:{server.port}/stats/")
    visit.wait_text("#notices", "A token is needed")
    tap.equal(visit.page.eval("location.pathname"), "/stats/-/", "the address of the mount leads to the page below it")
    visit.shot("token")
    visit.page.eval("document.querySelector('#token').focus()")
    visit.page.type("wrong")
    visit.page.press("Enter")
    visit.wait_text("#notices", "not known here")
    tap.ok(True, "a wrong token is said to be unknown")
    visit.page.eval("document.querySelector('#token').focus()")
    visit.page.type(TOKEN)
    visit.page.press("Enter")
    visit.wait_text("#title", "shop.latency")
    visit.wait_text("#tiles", "Median")
    tap.equal(visit.page.eval("[...document.querySelectorAll('#keys a')].map(e => e.textContent)"), ["shop.latency", "shop.orders"],
              "with its token a view shows its keys")
    visit.open(f"?key=shop.latency&date={date}")
    visit.wait_text("#spikes", "does not show this")
    tap.ok("p99" not in visit.text("#tiles") and "Median" in visit.text("#tiles"), "and its statistics, and says what it does not hold")
    visit.wait("document.querySelectorAll('#table tbody tr').length === 24")
    tap.ok(visit.page.eval("document.querySelector('#chart').hidden && document.querySelector('#table').checkVisibility()"),
           "without dygraphs the figures are there as a table")
    addresses = [r["url"] for r in visit.page.requests] + [visit.page.eval("location.href"), visit.page.eval("document.referrer")]
    shown = [r for r in visit.page.requests if r["headers"].get("Authorization") == f"Bearer {TOKEN}"]
    tap.ok(shown and not any(TOKEN in address for address in addresses), "the token is sent as a header, and stands in no address")
    tap.equal(visit.page.eval("[Object.values({...localStorage}).length, document.cookie]"), [0, ""], "nor is it kept beyond the tab")
    visit.page.eval("document.querySelector('#token-open').click(), document.querySelector('#token-forget').click()")
    visit.wait_text("#notices", "A token is needed")
    tap.equal(visit.page.eval("sessionStorage.length"), 0, "and it is forgotten when asked to be")
    visit.end("behind a token", ("status of 401", "status of 403", "/-/dygraph.min.js"))


def main(tap):
    absent = missing("nats-server", "lighttpd", "chromium", "dygraphs")
    if absent:
        tap.skip("the pages in a browser", f"{absent} is not installed")
        return
    tap.note(f"HF_TEST_SEED={SEED}")
    start, date = yesterday()
    made = samples(start)
    with Chromium() as browser, Rig(tap) as rig:
        server, = rig.start("lighttpd")
        first_time(tap, browser, server, made)
        visit = Visit(tap, browser, server)
        the_day(tap, visit, date, made)
        zooming(tap, visit, date)
        finding(tap, visit)
        taking_along(tap, browser, visit, date, made)
        living(tap, visit)
        visit.end("in order")
        visit = Visit(tap, browser, server)
        for_everybody(tap, visit, date)
        nothing_there(tap, visit)
        out_of_order(tap, rig, visit, date)
        visit.end("out of order", ("status of 404", "status of 503", "ERR_CONNECTION", "ERR_EMPTY"))
        behind_a_token(tap, browser, guard(rig), date)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
