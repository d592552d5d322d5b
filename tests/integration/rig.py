# SPDX-License-Identifier: Apache-2.0
"""The whole system in a folder of its own: nats-server, the consumer, web servers with both handlers.

Every process gets a log there. Leaving the rig stops all of it, politely first, and then says what was wrong: a process that
had to be killed or ended by itself, one that was left behind, a sanitizer's finding in a log. Where the tests run as root, all
of the system runs as an ordinary user, as it should.
"""
import datetime
import json
import os
import pathlib
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import web
from client import Client, HttpError

SOURCE = pathlib.Path(os.environ.get("srcdir", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("builddir", SOURCE))
PROGRAMS = ("hourfold-collect", "hourfold-query", "hourfold-consumer", "hourfold")
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer")
FULL = bool(os.environ.get("HF_TEST_FULL"))  # the long forms


class RigError(Exception):
    pass


def until(condition, seconds, what):
    """Wait until `condition()` is true and return what it returned; RigError when it is not so in time."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise RigError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


def free_port():
    """A port of 127.0.0.1 that nobody listens on now, below the range that connections get theirs from: a client that tries
    again and again while a server is down could otherwise be given the server's port. Whoever listens on it must be ready to
    find it taken, and ask again."""
    low = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10000, low) if low > 11000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                continue


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """One daemon of the rig, started as often as asked; all of its output in one log."""

    def __init__(self, rig, name, argv):
        self.rig = rig
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log = rig.path / "log" / f"{name}.log"
        self.popen = None
        self.expected_end = True
        self.clear = None  # called before a start

    def start(self, stdin=subprocess.DEVNULL):
        if self.clear is not None:
            self.clear()
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.argv, stdin=stdin, stdout=log, stderr=log, cwd=self.rig.path,
                                          env=self.rig.environment, start_new_session=True, **self.rig.identity)
        self.expected_end = False
        return self

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def send(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def kill(self):
        """kill -9, and wait until it is gone."""
        self.expected_end = True
        self.send(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait()

    def stop(self, seconds=15, number=signal.SIGTERM):
        """Ask it to end and return its exit code; it is a fault of the rig when it does not."""
        if self.popen is None:
            return 0
        if not self.alive() and not self.expected_end:
            self.rig.fault(f"{self.name} ended by itself, code {self.popen.returncode}")
        self.expected_end = True
        self.send(number)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.rig.fault(f"{self.name} did not end within {seconds} s of {signal.Signals(number).name}")
            self.popen.kill()
            self.popen.wait()
        return self.popen.returncode


class Rig:
    """`with Rig(tap) as rig:`; see the methods. `options` are lines for hourfold.conf as {"section.name": value}."""

    def __init__(self, tap, options=None):
        self.tap = tap
        self.options = dict(options or {})
        self.faults = []
        self.processes = []
        self.servers = []
        self.before_stop = []  # called before anything is stopped
        self.failed_before = tap.failed
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="hourfold-"))
        self.identity, self.user = self._identity()
        for folder in ("etc", "run", "log", "state", "libexec", "www"):
            (self.path / folder).mkdir()
        self._give(self.path)
        self._copy_programs()
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.path), "LC_ALL": "C",
                            "HOURFOLD_CONF": str(self.path / "etc" / "hourfold.conf")}
        self.environment.update({n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")})
        for name in ("lsan", "tsan"):
            suppressions = shutil.copy(SOURCE / "tests" / f"{name}.supp", self.path / "etc")
            self.environment[f"{name.upper()}_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
        self.nats = None
        self.consumer = None
        self.nats_port = None

    @staticmethod
    def _identity():
        """Whom to run as: ourselves, or where that is root, somebody who is not."""
        if os.geteuid() != 0:
            return {}, pwd.getpwuid(os.geteuid()).pw_name
        for name in ("www-data", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}, name
        raise RigError("no ordinary user to run as")

    def _give(self, path):
        """Hand a file or folder, with all below it, to whom the system runs as."""
        if "user" in self.identity:
            for entry in [path, *path.rglob("*")]:
                os.chown(entry, self.identity["user"], self.identity["group"])

    def _copy_programs(self):
        """The programs in one folder, readable to whom they run as, and with this rig's path in their command lines."""
        for name in PROGRAMS:
            found = [p for p in (BUILD / name, *BUILD.glob(f"*/{name}")) if p.is_file() and os.access(p, os.X_OK)]
            if not found:
                raise RigError(f"{name} is not built")
            shutil.copy(found[0], self.path / "libexec" / name)
        shutil.copytree(SOURCE / "fcgi" / "pages", self.path / "pages")

    def program(self, name):
        return str(self.path / "libexec" / name)

    def instantiate(self, snippet, target, **more):
        """Fill in a file of etc/ as an administrator would."""
        fields = {"libexecdir": self.path / "libexec", "sysconfdir": self.path / "etc", "rundir": self.path / "run",
                  "localstatedir": self.path / "state", "port": self.nats_port, "storelimit": "10GB", **more}
        text = (SOURCE / "etc" / snippet).read_text()
        for name, value in fields.items():
            text = text.replace(f"@{name}@", str(value))
        left = re.search(r"@[a-z]+@", text)
        if left:
            raise RigError(f"etc/{snippet}: nothing fills in {left.group()}")
        target.write_text(text)
        self._give(target)
        return target

    def fault(self, text):
        self.faults.append(text)

    # ---- the parts ----

    def start_nats(self):
        """Start nats-server; the first time on a new port, later on the same."""
        if self.nats is None:
            for _ in range(10):
                self.nats_port = free_port()
                self.instantiate("nats-server.conf", self.path / "etc" / "nats-server.conf")
                self.nats = self._add("nats-server", ["nats-server", "-c", self.path / "etc" / "nats-server.conf"])
                self.nats.start()
                until(lambda: listening(self.nats_port) or not self.nats.alive(), 20, "nats-server listens")
                if self.nats.alive():
                    return self.nats
                self.processes.remove(self.nats)  # the port was taken
            raise RigError("nats-server does not start")
        self.nats.start()
        return self.nats

    def start_consumer(self):
        if self.consumer is None:
            self.write_configuration()
            self.consumer = self._add("hourfold-consumer", [self.program("hourfold-consumer")])
        self.consumer.start()
        return self.consumer

    def write_configuration(self):
        options = {"store.path": self.path / "state" / "store", "bus.url": f"nats://127.0.0.1:{self.nats_port}",
                   "query.pages": self.path / "pages", "bus.max_mb": 8000, **self.options}
        sections = {}
        for option, value in options.items():
            section, _, name = option.rpartition(".")
            sections.setdefault(section.replace(".", " "), []).append(f"{name} = {value}\n")
        text = "".join(f"[{section}]\n{''.join(lines)}\n" for section, lines in sections.items())
        target = self.path / "etc" / "hourfold.conf"
        target.write_text(text)
        self._give(target)

    def start_web(self, kind, prefix=""):
        """Start a web server of web.KINDS, hourfold mounted at the prefix, and wait until queries get through to the store."""
        server = web.KINDS[kind](self, free_port(), prefix)
        while not server.start():
            if not server.port_was_taken():
                raise RigError(f"{kind} does not start")
            server = web.KINDS[kind](self, free_port(), prefix)
        self.servers.append(server)
        until(lambda: self.healthy(server), 30, f"/-/health of {kind} is 200")
        return server

    def start(self, *kinds):
        """The whole system; return the web servers."""
        self.start_nats()
        self.start_consumer()
        return [self.start_web(kind) for kind in kinds]

    def healthy(self, server):
        try:
            with Client(server.port, timeout=10) as client:
                return client.get(server.prefix + "/-/health").status == 200
        except HttpError:
            return False

    def counters(self, server):
        """What the consumer has counted so far, as /-/health says it."""
        with Client(server.port) as client:
            return json.loads(client.get(server.prefix + "/-/health").body)

    def as_of(self, server):
        """The moment before which everything acknowledged is in the answers, in seconds; 0 while there is none."""
        try:
            text = self.counters(server).get("as_of")
        except (HttpError, ValueError):
            return 0
        return moment_of(text) if text else 0

    def daemon(self, name, argv, stdin=subprocess.DEVNULL):
        """Any other process of the rig."""
        return self._add(name, argv).start(stdin)

    def _add(self, name, argv):
        process = Process(self, name, argv)
        self.processes.append(process)
        return process

    def tool(self, *arguments, seconds=120, check=True):
        """Run `hourfold` and return what it printed."""
        done = subprocess.run([self.program("hourfold"), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds, cwd=self.path, env=self.environment, **self.identity)
        if done.stderr:
            with open(self.path / "log" / "hourfold.log", "a", encoding="utf-8") as log:
                log.write(done.stderr)
        if check and done.returncode != 0:
            raise RigError(f"hourfold {' '.join(map(str, arguments))}: code {done.returncode}\n{done.stderr}")
        return done.stdout

    # ---- processes that others started for us ----

    def found(self, program=None):
        """The pids of living processes that run something of this rig: all, or those of one program."""
        pids = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state == "Z":
                continue
            if program is None:
                ours = any(bytes(self.path) in word for word in command)
            else:
                ours = command[0] == self.program(program).encode()
            if ours:
                pids.append(int(entry.name))
        return pids

    def signal(self, pid, number):
        """To one of the pids that found() gave, if it is still there."""
        if pid in self.found():
            for process in self.processes:
                process.expected_end |= process.alive() and process.pid == pid
            os.kill(pid, number)

    # ---- the end ----

    def logs(self, lines=25):
        """The last lines of every log, without nats-server's chatter."""
        shown = []
        for log in sorted((self.path / "log").iterdir()):
            text = [line[:400] for line in log.read_text("utf-8", "replace").splitlines() if "[INF]" not in line]
            if text:
                shown += [f"---- {log.name}", *text[-lines:]]
        return "\n".join(shown)

    def findings(self):
        for log in sorted((self.path / "log").iterdir()):
            text = log.read_text("utf-8", "replace").splitlines()
            for number, line in enumerate(text):
                if SANITIZER.search(line):
                    yield f"{log.name}:{number + 1}: " + "\n".join(text[number:number + 40])
                    break

    def stop_server(self, server):
        server.stop()
        self.servers.remove(server)

    def stop_web(self):
        for server in list(self.servers):
            self.stop_server(server)

    def stop(self):
        """Stop everything: the servers, the consumer, and nats-server last."""
        for call in self.before_stop:
            call()
        self.stop_web()
        for process in sorted(self.processes, key=lambda p: p is self.nats):
            process.stop()
        try:
            until(lambda: not self.found(), 10, "nothing is left running")
        except RigError:
            for pid in self.found():
                try:
                    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                    os.kill(pid, signal.SIGKILL)
                    self.fault(f"left running: {pid} {command}")
                except OSError:
                    pass
        for finding in self.findings():
            self.fault(finding)

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(SystemExit(1)))
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.stop()
            self.tap.ok(not self.faults, "everything ended cleanly and no log holds a sanitizer's finding",
                        "\n".join(self.faults))
            if self.tap.failed > self.failed_before or error is not None:
                self.tap.note(self.logs())
        finally:
            if os.environ.get("HF_TEST_KEEP"):
                self.tap.note(f"kept: {self.path}")
            else:
                shutil.rmtree(self.path, ignore_errors=True)


PACKAGES = {"nats-server": "nats-server", "lighttpd": "lighttpd", "apache2": "apache2-bin", "collectd": "collectd-core",
            "curl": "curl", "chromium": "chromium", "prometheus": "prometheus", "mod_fcgid": "libapache2-mod-fcgid",
            "write_http": "libcurl3-gnutls, libyajl2", "dygraphs": "libjs-dygraphs",
            "systemd-analyze": "systemd", "bash": "bash", "openssl": "openssl"}


def there(tool):
    if tool.startswith("mod_"):
        return web.apache_module(tool)
    if tool == "write_http":
        # The plugin comes with collectd-core, the libraries that it needs do not.
        plugin = "/usr/lib/collectd/write_http.so"
        needed = subprocess.run(["ldd", plugin], capture_output=True, text=True, check=False)
        return needed.returncode == 0 and "not found" not in needed.stdout
    if tool == "dygraphs":
        return pathlib.Path("/usr/share/javascript/dygraphs/dygraph.min.js").is_file()
    return shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin")


def missing(*tools):
    """What is not there of the named tools and modules, with their Debian packages; for the message of a skip."""
    return ", ".join(f"{tool} (Debian: {PACKAGES[tool]})" for tool in tools if not there(tool))


def moment_of(text):
    """An as_of as seconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def parsed(response):
    return json.loads(response.body)
