# SPDX-License-Identifier: Apache-2.0
"""Every command of README.md, and of the examples in the manual pages, against a running system.

What README.md says a command prints it has to print, save for times and the like. A fenced block that is not understood, or a
command that is neither run nor in NOT_RUN, fails.
"""
import datetime
import re
import shutil
import subprocess
import sys
import time

from client import Client
from rig import SOURCE, Rig, missing, until
from tap import Tap

# The commands of ```sh blocks, as patterns, and why they are not run here.
NOT_RUN = {
    r"\./quickstart": "quickstart_test.py does",
    r"tar xf hourfold-\S+|cd hourfold-\S+|\./configure .*|make( install| uninstall)?"
    r"|apt-get install .*|systemctl .*|systemd-(sysusers|tmpfiles --create)|(a2enmod|a2enconf|lighty-enable-mod) \w+"
    r"|curl .*127\.0\.0\.1/hourfold/\S+|hourfold stat": "make check-install does, on a Debian machine that boots",
}
TOOL = "build/consumer/hourfold -c var/etc/hourfold.conf"
ASKS = r"8080/(?!collect)|hourfold .*(export|verify|backup)"  # what has been sent has to be folded first
MANUALS = ("fcgi/hourfold-collect.8.in", "fcgi/hourfold-query.8.in", "consumer/hourfold-consumer.8.in", "consumer/hourfold.1.in")


def fenced(text):
    """(language, content) of the fenced blocks."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)


def prompts(block):
    """(command, expected output) of a console block."""
    if not block.startswith("$ "):
        raise ValueError(f"a console block that does not begin with a command: {block}")
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def timeless(text):
    """Without what differs from one run to the next, and from one lighttpd to another."""
    text = re.sub(r"^(Date|Server): .*", r"\1: …", text.replace("\r", "").rstrip(), flags=re.M)
    text = re.sub(r"\d{4}-\d\d-\d\d(T[0-9:.]+Z)?", "…", text)
    text = re.sub(r"\S*/(var|state)/store", "…/store", text)
    text = re.sub(r"^token: \S{43}$|\b[0-9a-f]{64}\b", "…", text, flags=re.M)
    text = re.sub(r'("hour":|position )[0-9]+', r"\1…", text)
    return re.sub(r"…,\d+,", "…,…,", text)  # the hour in CSV


class Tour:
    def __init__(self, tap, rig, server):
        self.tap, self.rig, self.server = tap, rig, server
        self.sent = True  # something that is not folded yet
        self.skipped = set()

    def run(self, argv, name, identity=None):
        """Run, and return what it printed and its exit code."""
        identity = self.rig.identity if identity is None else identity
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60, cwd=self.rig.path,
                              env=self.rig.environment, check=False, **identity)
        if done.returncode != 0:
            self.tap.note(f"{name}: code {done.returncode}\n{done.stderr}")
        return done.stdout + done.stderr, done.returncode

    def settle(self, command):
        """What a reader does not notice: a second passes before he asks."""
        if not re.search(ASKS, command):
            self.sent = True
        elif self.sent:
            moment = time.time()
            until(lambda: self.rig.as_of(self.server) > moment, 30, "what was sent is folded")
            self.sent = False

    def here(self, command):
        """The command as it is for this rig."""
        command = command.replace(TOOL, self.rig.program("hourfold")).replace("build/consumer/hourfold", self.rig.program("hourfold"))
        return re.sub(r"\bcurl ", "curl -sS ", command.replace(":8080/", f":{self.server.port}/"))

    def console(self, block):
        for command, expected in prompts(block):
            self.settle(command)
            if " restore " in command:  # with all of quickstart stopped
                self.rig.consumer.stop()
                self.rig.nats.stop()
            got, _ = self.run(["sh", "-c", self.here(command)], command)
            self.tap.equal(timeless(got), timeless(expected), command[:90])
            if " restore " in command:
                self.rig.start_nats()
                self.rig.start_consumer()

    def sh(self, block):
        for line in block.replace("\\\n", "").splitlines():
            command = re.sub(r"  +", " ", re.sub(r" +# .*", "", line))
            known = {pattern for pattern in NOT_RUN if re.fullmatch(pattern, command)}
            self.tap.ok(known, f"not run here: {command[:90]}", "run it, or say in NOT_RUN why not")
            self.skipped |= known

    def python(self, block):
        self.sent = True
        got, code = self.run([sys.executable, "-c", self.here(block)], block, identity={})  # that user may not have our interpreter
        self.tap.ok(code == 0 and not got, "the example in Python runs", got)

    def html(self, block):
        with Client(self.server.port) as client:
            for path in re.findall(r'src="([^"]*)"', block):
                self.tap.equal(client.get(path).status, 200, f"{path} of the example in HTML is there")

    def ini(self, block):
        conf = self.rig.path / "etc" / "example.conf"
        conf.write_text(block)
        self.rig._give(conf)
        got, code = self.run([self.rig.program("hourfold"), "-c", str(conf), "check-config"], block)
        self.tap.ok(code == 0 and got == "configuration: good\n", "the example of a configuration is one", got)

    def readme(self):
        kinds = {"console": self.console, "sh": self.sh, "python": self.python, "html": self.html, "ini": self.ini,
                 "": lambda drawing: self.tap.ok("▶" in drawing, "a drawing")}
        for language, block in fenced(SOURCE.joinpath("README.md").read_text("utf-8")):
            if language in kinds:
                kinds[language](block)
            else:
                self.tap.ok(False, f"a block in {language or 'no language'}", block)
        self.tap.equal(self.skipped, set(NOT_RUN), "NOT_RUN has what README.md has")

    def manuals(self):
        """Their examples, of this hour: each succeeds."""
        today = datetime.datetime.now(datetime.timezone.utc)

        def shifted(match):
            days = datetime.date.fromisoformat(match[0]) - datetime.date(2026, 11, 23)
            return str((today + days).date())
        for manual in MANUALS:
            for command in re.findall(r"^\$ (.*)", SOURCE.joinpath(manual).read_text("utf-8"), re.M):
                runnable = command.replace("2026-11-23/18", f"{today:%F/%H}")
                runnable = re.sub(r"\d{4}-\d\d-\d\d(?!/\d)", shifted, runnable) if "/18" not in command else runnable
                runnable = self.here(re.sub(r"^hourfold ", f"{self.rig.program('hourfold')} ", runnable)).replace("-sS", "-sSf")
                self.settle(runnable)
                got, code = self.run(["sh", "-c", runnable.replace("\\(dq", '"')], command)
                self.tap.ok(code == 0, f"{manual.split('/')[1][:-3]}: {command[:90]}", f"{runnable}\n{got}")


def main(tap):
    absent = missing("nats-server", "lighttpd", "curl")
    if absent:
        tap.skip("the commands of README.md and of the manual pages", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"  # as quickstart does
        server, = rig.start("lighttpd")
        (rig.path / "var").mkdir()
        shutil.copy(SOURCE / "etc" / "hourfold.sh", rig.path / "etc")
        rig._give(rig.path / "var")
        until(lambda: time.time() % 3600 < 3570, 40, "an hour begins")  # all of it in one
        tour = Tour(tap, rig, server)
        tour.readme()
        tour.manuals()


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
