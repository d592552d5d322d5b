# SPDX-License-Identifier: Apache-2.0
"""hourfold-hosting(7), to the letter: an ordinary user with nothing but a home directory, an Apache that permits what the page
asks for, a bus behind TLS and credentials. The commands are the page's; only the names in it are replaced: the host's and the bus's.

In the short form what the build would install is copied in place of the page's first step; HF_TEST_FULL=1 builds from the tarball
(make dist) as that user."""
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tempfile

import nats_auth
from client import Client, HttpError
from rig import BUILD, FULL, SANITIZER, SOURCE, free_port, listening, missing, until
from tap import Tap
from web import APACHE_MODULES

USER = random.randrange(30000, 60000)  # in no list of users, and of this run alone


def steps():
    """The commands of each step of the page."""
    page = (SOURCE / "etc" / "hourfold-hosting.7.in").read_text("utf-8")
    found = [text.replace("\\&", "") for text in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.S | re.M)]
    names = ("build", "configure", "cron", "site", "try")
    if len(found) != len(names):
        raise ValueError(f"hourfold-hosting(7) has {len(found)} displays, not {len(names)}")
    return dict(zip(names, found))


class Account:
    """A user's home directory, and what runs for that user."""

    def __init__(self, folder):
        self.home = folder / "home"
        self.home.mkdir()
        self.identity = {}
        if os.geteuid() == 0:
            self.identity = {"user": USER, "group": USER, "extra_groups": []}
        self.running = []
        self.environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LC_ALL": "C"}
        self.environment.update({n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")})
        for name in ("lsan", "tsan"):  # where that user can read it
            suppressions = shutil.copy(SOURCE / "tests" / f"{name}.supp", folder)
            self.environment[f"{name.upper()}_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"

    def own(self, path):
        if self.identity:
            for entry in [path, *path.rglob("*")]:
                os.chown(entry, USER, USER, follow_symlinks=False)

    def shell(self, script, seconds=60):
        done = subprocess.run(["/bin/sh", "-e", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=seconds, cwd=self.home, env=self.environment, check=False, **self.identity)
        if done.returncode != 0:
            raise RuntimeError(f"code {done.returncode} of:\n{script}\n{done.stdout[-3000:]}")
        return done.stdout

    def start(self, argv, log):
        with open(log, "ab") as output:
            process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.home,
                                       env=self.environment, start_new_session=True, **self.identity)
        self.running.append(process)
        return process

    def stop(self, process, number=signal.SIGTERM):
        """It, and what it started: a session of its own."""
        self.running.remove(process)
        for kind in (number, signal.SIGKILL):
            try:
                os.killpg(process.pid, kind)
                process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
            break
        process.wait(20)

    def processes(self, name):
        """The pids of a program below the home directory."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")[0]
            except OSError:
                continue
            if command.startswith((bytes(self.home), b"hourfold/")) and command.endswith(b"/" + name.encode()):
                if os.readlink(entry / "cwd").startswith(str(self.home)):
                    found.append(int(entry.name))
        return found


def copy_build(account):
    """What `make install` of a build for that home directory would have made."""
    stage = account.home / "stage"
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("MAKE", "MFLAGS"))}
    subprocess.run(["make", "-s", "-C", BUILD, "install", f"DESTDIR={stage}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, timeout=120, env=environment, check=True)
    program, = stage.rglob("bin/hourfold")
    prefix = program.parent.parent
    built_for = "/" + str(prefix.relative_to(stage))
    shutil.move(prefix, account.home / "hourfold")
    shutil.rmtree(stage)
    for path in (account.home / "hourfold").rglob("*"):
        if path.is_file() and b"\0" not in (data := path.read_bytes()):
            path.write_bytes(data.replace(built_for.encode(), f"{account.home}/hourfold".encode()))
    # Where it was built for is compiled in; these say otherwise.
    conf = f"{account.home}/hourfold/etc/hourfold/hourfold.conf"
    account.environment |= {"HOURFOLD_CONF": conf, "HOURFOLD_STORE_PATH": f"{account.home}/hourfold/var/lib/hourfold/store"}
    account.own(account.home / "hourfold")


def build(account, commands):
    if not FULL:
        copy_build(account)
        return
    tarball, = BUILD.glob("hourfold-*.tar.xz")
    shutil.copy(tarball, account.home)
    account.shell(commands, 1800)


def apache(account, folder, port):
    """The host's Apache. Its handlers run as the user; here all of it does."""
    run = folder / "run"
    run.mkdir()
    account.own(run)
    handed_on = "".join(f'FcgidInitialEnv {n} "{v}"\n' for n, v in account.environment.items() if n.endswith("SAN_OPTIONS")
                        or n.startswith("HOURFOLD_STORE"))
    modules = ("mpm_event", "authz_core", "env", "mime", "dir", "reqtimeout", "rewrite", "alias", "fcgid")
    loads = "\n".join(f"LoadModule {m}_module {APACHE_MODULES}/mod_{m}.so" for m in modules)
    conf = folder / "apache.conf"
    conf.write_text(f"""
ServerRoot "{run}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{run}/pid"
DefaultRuntimeDir "{run}"
ErrorLog "{run}/error.log"
{loads}
TypesConfig /dev/null
FcgidIPCDir "{run}"
FcgidProcessTableFile "{run}/fcgid_shm"
{handed_on}
DocumentRoot "{account.home}/public_html"
<Directory "{account.home}/public_html">
    AllowOverride FileInfo Options AuthConfig Indexes
    Require all granted
</Directory>
""")
    return account.start(["/usr/sbin/apache2", "-DFOREGROUND", "-f", conf], run / "output")


class Host:
    """The account with its web server and its bus, and what is asked of them."""

    def __init__(self, tap, account, folder):
        self.tap, self.account, self.folder = tap, account, folder
        self.port, self.nats_port = free_port(), free_port()
        self.bus = self.web = self.consumer = None

    def start_bus(self):
        self.bus = self.account.start(["/usr/sbin/nats-server", "-c", self.folder / "bus" / "nats.conf"], self.folder / "nats.log")
        until(lambda: listening(self.nats_port), 20, "the bus listens")

    def cron(self, line):
        """What cron runs each minute."""
        command = line.strip().removeprefix("* * * * * ")
        return self.account.start(["/bin/sh", "-c", command], self.folder / "cron.log")

    def get(self, path):
        with Client(self.port, timeout=20) as client:
            return client.get("/stats" + path)

    def count(self):
        try:
            answer = self.get("/-/series?key=*&stat=count&format=csv")
        except HttpError:
            return -1
        rows = answer.body.decode().split()[1:] if answer.status == 200 else []
        return sum(int(r.rsplit(",", 1)[1]) for r in rows if not r.endswith(","))

    def check_count(self, expected, what):
        try:
            until(lambda: self.count() == expected, 40, lambda: f"{self.count()} samples, {self.get('/-/health').body}")
        except Exception as error:  # pylint: disable=broad-except
            self.tap.ok(False, what, error)
        else:
            self.tap.ok(True, what)


def check(tap, host, plan):
    account = host.account
    bus = host.folder / "bus"
    bus.mkdir()
    nats_auth.server_configuration(bus, host.nats_port)
    account.own(bus)
    host.start_bus()
    build(account, plan["build"])
    for name in ("nats.creds", "ca.pem"):
        account.own(pathlib.Path(shutil.copy(bus / name, account.home)))
    said = account.shell(plan["configure"].replace("nats.example.org:4222", f"localhost:{host.nats_port}"))
    tap.equal(said.strip(), "configuration: good", "the configuration is good")

    host.consumer = host.cron(plan["cron"])
    until(lambda: account.processes("hourfold-consumer"), 20, "cron has started the consumer")
    account.shell(plan["site"])
    host.web = apache(account, host.folder, host.port)
    until(lambda: listening(host.port), 20, "Apache listens")
    first, second = plan["try"].replace("https://www.example.org", f"http://127.0.0.1:{host.port}").strip().splitlines()
    tap.ok("HTTP/1.1 204" in account.shell(first), "the page's sample is taken")
    until(lambda: '"status":"ok"' in account.shell(second), 30, lambda: f"health is ok: {account.shell(second)}")
    tap.ok(True, "the page's question says ok")
    host.check_count(1, "and the sample is counted")


def check_life(tap, host, plan):
    """What happens to it afterwards."""
    account = host.account
    again = host.cron(plan["cron"])
    tap.ok(again.wait(10) == 1 and len(account.processes("hourfold-consumer")) == 1, "cron starts no second one")
    account.running.remove(again)
    for name in ("hourfold-collect", "hourfold-query", "hourfold-consumer"):
        for pid in account.processes(name):
            os.kill(pid, signal.SIGKILL)
    account.stop(host.consumer)
    # By cron's next minute who was killed has gone; at once it may still hold the lock while its memory is given back.
    until(lambda: subprocess.run(["flock", "-n", account.home / "hourfold" / "lock", "true"], check=False).returncode == 0, 50,
          "the lock of the killed consumer is free")
    host.consumer = host.cron(plan["cron"])
    tap.equal(host.get("/collect?key=later&value=1,2").status, 204, "all killed, and cron's minute came: a sample is taken")
    host.check_count(3, "and counted")
    account.stop(host.bus, signal.SIGINT)
    tap.equal(host.get("/collect?key=later&value=3,4").status, 204, "with the bus away, too")
    host.start_bus()
    host.check_count(5, "and counted when it is back")
    account.shell("cd; hourfold/bin/hourfold backup backup-1 && hourfold/bin/hourfold verify")
    tap.ok((account.home / "backup-1" / "data").is_dir(), "a backup is made")

    home = str(account.home)
    outside = []
    if account.identity:  # nothing else is this user's; Apache's memory is the host's
        found = subprocess.run(["find", "/tmp", "/var/tmp", "/dev/shm", "/run", "-xdev", "-user", str(USER),
                                "-not", "-path", f"{host.folder}/*", "-not", "-name", "ShM.*"],
                               capture_output=True, text=True, check=False).stdout
        outside = found.splitlines()
    tap.ok(not outside, "everything is below the home directory", outside[:5])
    # Who has no credentials is kept out.
    anonymous = account.home / "anonymous.conf"
    anonymous.write_text(f"[bus]\nurl = tls://localhost:{host.nats_port}\ntls_ca = {home}/hourfold/etc/hourfold/ca.pem\n"
                         f"[store]\npath = {home}/hourfold/var/lib/hourfold/store\n")
    account.own(anonymous)
    environment, account.environment = account.environment, {**account.environment, "HOURFOLD_CONF": str(anonymous)}
    said = account.shell("hourfold/bin/hourfold stat || :")
    account.environment = environment
    tap.ok("bus does not answer" in said, "the bus takes nobody without credentials", said)


def main(tap):
    if absent := missing("nats-server", "apache2", "mod_fcgid", "openssl", "curl"):
        tap.skip("hourfold on shared hosting", f"{absent} is not installed")
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hourfold-hosting-"))
    folder.chmod(0o711)
    account = Account(folder)
    account.own(account.home)
    host = Host(tap, account, folder)
    plan = steps()
    try:
        check(tap, host, plan)
        check_life(tap, host, plan)
    finally:
        for process in reversed(list(account.running)):
            account.stop(process)
        # Apache's handlers have a moment to end with it.
        names = ("hourfold-collect", "hourfold-query", "hourfold-consumer")
        try:
            until(lambda: not any(account.processes(n) for n in names), 15, "nothing is left running")
            tap.ok(True, "everything ended")
        except Exception as error:  # pylint: disable=broad-except
            tap.ok(False, "everything ended", error)
        logs = {log: log.read_text("utf-8", "replace") for log in (*folder.glob("*.log"), *folder.glob("run/*.log"),
                                                                 *folder.glob("home/hourfold/log/*"))}
        tap.ok(not any(SANITIZER.search(text) for text in logs.values()), "no log holds a sanitizer's finding")
        if tap.failed:
            for log, text in logs.items():
                lines = [line for line in text.splitlines() if "[INF]" not in line]
                tap.note("\n".join([f"---- {log.name}", *lines[-60:]]))
        if not os.environ.get("HF_TEST_KEEP"):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
