# SPDX-License-Identifier: Apache-2.0
"""Debian's headless Chromium, driven by its DevTools protocol over a pipe: no port, no driver, no library.

    with Chromium() as browser:
        page = browser.page()
        page.goto("http://127.0.0.1:8080/-/")
        page.wait("document.title === 'hourfold'", 10)
        page.screenshot("page.png")

Every page keeps what it requested (`requests`: {"url", "method", "status", "failed", …}) and what it wrote on its console or threw
(`console`: {"type", "text"}). Chromium gets a fresh profile and asks no other host by itself.
"""
import base64
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ARGUMENTS = ("--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--no-default-browser-check", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-extensions", "--disable-default-apps", "--disable-domain-reliability", "--metrics-recording-only",
             "--password-store=basic", "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
             # Names resolve to nothing but this machine: a page that asks elsewhere is seen to fail.
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")
PERMITTED_SECONDS = 30

# It reads commands from descriptor 3 and writes answers to 4. The second pipe has the higher numbers, so that the first does not
# overwrite it.
PLACE_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class ChromiumError(Exception):
    pass


def chromium_path():
    """Where Chromium is, or None."""
    return shutil.which("chromium")


class Chromium:
    def __init__(self, *more):
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="hourfold-chromium-"))
        self.log = open(self.profile / "chromium.log", "w+b")
        self.buffer = b""
        self.numbers = itertools.count(1)
        self.answers = {}
        self.pages = {}
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()
        arguments = [chromium_path(), *ARGUMENTS, f"--user-data-dir={self.profile}/profile", *more]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        self.process = subprocess.Popen([sys.executable, "-c", PLACE_PIPES, str(to_read), str(to_write), *arguments],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        pass_fds=(to_read, to_write), start_new_session=True,
                                        env={**os.environ, "HOME": str(self.profile), "DBUS_SESSION_BUS_ADDRESS": "disabled:"})
        os.close(to_read)
        os.close(to_write)
        self.call("Browser.getVersion")

    # ---- the protocol ----

    def call(self, method, session=None, **parameters):
        """Send one command and return its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_browser, data):]
        deadline = time.monotonic() + PERMITTED_SECONDS
        while number not in self.answers:
            if time.monotonic() > deadline:
                raise ChromiumError(f"no answer to {method}\n{self.tail()}")
            self.listen(0.1)
        answer = self.answers.pop(number)
        if "error" in answer:
            raise ChromiumError(f"{method}: {answer['error']}")
        return answer["result"]

    def listen(self, seconds):
        """Take in what the browser says within that time, at least one piece of it if there is any."""
        if select.select([self.from_browser], [], [], seconds)[0]:
            piece = os.read(self.from_browser, 1 << 20)
            if not piece:
                raise ChromiumError(f"Chromium ended\n{self.tail()}")
            *messages, self.buffer = (self.buffer + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.answers[message["id"]] = message
                elif message.get("sessionId") in self.pages:
                    self.pages[message["sessionId"]].event(message["method"], message["params"])

    def tail(self):
        self.log.flush()
        return (self.profile / "chromium.log").read_text("utf-8", "replace")[-2000:]

    # ---- what tests do ----

    def page(self, width=1280, height=900):
        """A new, empty page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.size(width, height)
        return page

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (ChromiumError, OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for fd in (self.to_browser, self.from_browser):
            os.close(fd)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Page:
    def __init__(self, browser, target, session):
        self.browser = browser
        self.target = target
        self.session = session
        self.console = []
        self.requests = []
        self.by_id = {}
        self.loaded = False

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def event(self, method, parameters):
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            request = {"url": parameters["request"]["url"], "method": parameters["request"]["method"],
                       "type": parameters.get("type"), "body": parameters["request"].get("postData"), "status": None,
                       "failed": None, "headers": parameters["request"]["headers"], "bytes": 0}
            self.requests.append(request)
            self.by_id[parameters["requestId"]] = request
        elif method == "Network.responseReceived" and parameters["requestId"] in self.by_id:
            self.by_id[parameters["requestId"]]["status"] = parameters["response"]["status"]
        elif method == "Network.loadingFinished" and parameters["requestId"] in self.by_id:
            self.by_id[parameters["requestId"]]["bytes"] = parameters["encodedDataLength"]
        elif method == "Network.loadingFailed" and parameters["requestId"] in self.by_id:
            self.by_id[parameters["requestId"]]["failed"] = parameters.get("blockedReason") or parameters["errorText"]
        elif method == "Runtime.consoleAPICalled":
            text = " ".join(str(a.get("value", a.get("description", ""))) for a in parameters["args"])
            self.console.append({"type": parameters["type"], "text": text})
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.console.append({"type": "exception",
                                 "text": details.get("exception", {}).get("description") or details["text"]})
        elif method == "Log.entryAdded":
            entry = parameters["entry"]
            self.console.append({"type": entry["level"], "text": f"{entry['text']} {entry.get('url', '')}"})

    def goto(self, url, seconds=20):
        """Open a page and wait for its load event."""
        self.loaded = False
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise ChromiumError(f"{url}: {answer['errorText']}")
        if "loaderId" in answer:  # it is not a mere change after the "#"
            self.until(lambda: self.loaded, seconds, f"{url} is loaded")

    def eval(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise ChromiumError(details.get("exception", {}).get("description") or details["text"])
        return result["result"].get("value")

    def wait(self, expression, seconds=10):
        """Wait until an expression is true in the page, and return its value."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = self.eval(expression)
            except ChromiumError as error:  # the page is being replaced
                value, fault = None, error
            else:
                fault = ""
            if value:
                return value
            if time.monotonic() > deadline:
                raise ChromiumError(f"not within {seconds} s: {expression} {fault}\n"
                                    f"console: {self.console[-5:]}")
            self.browser.listen(0.02)

    def until(self, condition, seconds=10, what="the browser says so"):
        """Wait until `condition()`, which looks at what this page has recorded, is true, and return what it returned."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise ChromiumError(f"not within {seconds} s: {what}")
            self.browser.listen(0.05)
        return result

    def size(self, width, height, scale=1, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def media(self, **features):
        """media(prefers_color_scheme="dark")"""
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def press(self, key, text=None, modifiers=0):
        """A key by its name in KeyboardEvent.key; `text` is what it types."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        if key == "Enter" and text is None:
            text = "\r"
        event = {"key": key, "code": key, "modifiers": modifiers, "windowsVirtualKeyCode": codes.get(key, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def type(self, text):
        for letter in text:
            self.press(letter, letter)

    def click(self, selector):
        """In the middle of the first element of a CSS selector."""
        x, y = self.eval("(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
                         f" return [r.x + r.width / 2, r.y + r.height / 2]; }})(document.querySelector({json.dumps(selector)}))")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path, whole=False):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        """Close it as a person would: pagehide and its like are told to the page."""
        self.call("Page.close")
        del self.browser.pages[self.session]
