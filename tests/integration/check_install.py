# SPDX-License-Identifier: Apache-2.0
"""Debian 12 as debootstrap makes it, and README.md's section Install, command by command: build from the tarball where no
autotools are, start, enable under Apache and under lighttpd, boot again, upgrade, uninstall.

Needs root, debootstrap and systemd-nspawn; Debian's packages are fetched once into HF_TEST_DEBIAN. The containers have no
network but for what apt-get is to fetch. `make check-install` runs it; HF_TEST_KEEP=1 leaves the folder behind."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from rig import BUILD, SOURCE, until
from tap import Tap

PACKAGES = pathlib.Path(os.environ.get("HF_TEST_DEBIAN", "/tmp/hourfold-debian-12.tar"))
MACHINE = "systemd systemd-sysv dbus"  # what makes of a minimal Debian a machine that boots
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C",
               "DEBIAN_FRONTEND": "noninteractive"}
# What stays, and what the packages and the machine write by themselves.
DATA = re.compile(r"/(var/lib/hourfold|var/backups/hourfold)/")
ITS_OWN = re.compile(r"/(proc|sys|dev|run|tmp|root/hourfold-[^/]*|var/(log|tmp|cache|lib/(systemd|dbus|apache2|lighttpd|apt))|"
                     r"etc/(machine-id|mtab|hostname|resolv.conf|passwd|group|shadow|gshadow|subuid|subgid)-?)(/|$)")


def run(argv, seconds=900, **more):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=seconds, check=False, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: code {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


def blocks():
    """The shell blocks of the README's section, in order; each a list of commands."""
    section = (SOURCE / "README.md").read_text("utf-8").split("\n## Install\n")[1].split("\n## ")[0]
    found = [b.replace("\\\n", " ").strip().splitlines() for b in re.findall(r"```sh\n(.*?)```", section, re.S)]
    names = ("build", "start", "apache2", "lighttpd", "look", "upgrade", "uninstall")
    if len(found) != len(names):
        raise ValueError(f"README.md's Install has {len(found)} blocks, not {len(names)}")
    return dict(zip(names, found))


class Machine:
    """A root directory, to work in by chroot or, booted, as a machine."""

    def __init__(self, root, log):
        self.root = root
        self.log = log
        self.nspawn = None

    def chroot(self, commands, folder="/root"):
        script = "set -e\n" + f"cd {folder}\n" + "\n".join(commands)
        return run(["chroot", self.root, "/bin/sh", "-c", script], 3600, env=ENVIRONMENT)

    def boot(self):
        with open(self.log, "ab") as log:
            # pylint: disable-next=consider-using-with
            self.nspawn = subprocess.Popen(["systemd-nspawn", "-q", "-D", self.root, "--boot", "--register=no", "--keep-unit",
                                            "--console=pipe", "--private-network"], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
        until(self.is_up, 60, "the machine is up")

    def is_up(self):
        try:
            return self.shell("systemctl is-system-running || :").strip() in ("running", "degraded")
        except (RuntimeError, IndexError):
            return False

    def leader(self):
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text()
        return children.split()[0]

    def shell(self, script, folder="/root", seconds=300):
        """Run a script in the booted machine and return what it printed."""
        return run(["nsenter", "-t", self.leader(), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "env", "-i",
                    *(f"{n}={v}" for n, v in ENVIRONMENT.items()), "/bin/sh", "-c", f"set -e\ncd {folder}\n{script}"], seconds)

    def end(self, command="poweroff"):
        """Shut the machine down as its administrator would."""
        if self.nspawn is None or self.nspawn.poll() is not None:
            return
        try:
            self.shell(f"systemctl --no-block {command}")
            self.nspawn.wait(60)
        except (RuntimeError, subprocess.TimeoutExpired):
            self.nspawn.send_signal(signal.SIGKILL)
            self.nspawn.wait()

    def files(self):
        """All that is on the disk and not written by the system itself."""
        found = set()
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = "/" + os.path.relpath(os.path.join(folder, name), self.root)
                if not ITS_OWN.match(path):
                    found.add(path)
        return found


def bootstrap(tap, root):
    if not PACKAGES.exists():
        run(["debootstrap", "--variant=minbase", f"--make-tarball={PACKAGES}.new", "bookworm", root])
        pathlib.Path(f"{PACKAGES}.new").rename(PACKAGES)
    run(["debootstrap", "--variant=minbase", f"--unpack-tarball={PACKAGES}", "bookworm", root])
    (root / "etc" / "hostname").write_text("hourfold-check\n")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    machine = Machine(root, root.parent / "base.log")
    machine.chroot(["apt-get -q update", f"apt-get -q -y --no-install-recommends install {MACHINE}"])
    tap.ok(True, "a minimal Debian 12 is there")
    return machine


def build(tap, machine, commands, tarball):
    """All of the block but its last line, `make install`, which is the installation."""
    shutil.copy(tarball, machine.root / "root")
    if commands[-1] != "make install" or tarball.name not in "".join(commands):
        raise ValueError(f"README.md does not build {tarball.name}, or does not end in make install")
    machine.chroot(commands[:-1])
    tools = machine.chroot(["for tool in autoconf automake aclocal autoreconf; do command -v $tool || :; done"])
    tap.ok(not tools, "the tarball builds where no autotools are", tools)
    return tarball.name.removesuffix(".tar.xz")


class Service:
    """hourfold on a machine, as its users see it."""

    def __init__(self, tap, machine, name):
        self.tap, self.machine, self.name = tap, machine, name
        self.sent = 0

    def ok(self, passed, what, detail=""):
        self.tap.ok(passed, f"{self.name}: {what}", detail)

    def send(self, count):
        """Samples, each asked for until it is taken; sent again under its id it counts once."""
        first, self.sent = self.sent + 1, self.sent + count
        self.machine.shell(f"for i in $(seq {first} {self.sent}); do until [ $(curl -s -m 20 -o /dev/null -w '%{{http_code}}' "
                           f"\"http://127.0.0.1/hourfold/collect?key=install&value=$i&id=$i\") = 204 ]; do sleep 0.1; done; done")

    def health(self):
        return json.loads(self.machine.shell("curl -s -m 20 http://127.0.0.1/hourfold/-/health || echo '{}'") or "{}")

    def counted(self):
        text = self.machine.shell("curl -s -m 20 'http://127.0.0.1/hourfold/-/series?key=install&stat=count&format=csv' || :")
        return sum(int(line.rsplit(",", 1)[1]) for line in text.splitlines()[1:] if line.rsplit(",", 1)[1].isdigit())

    def check_counted(self, what):
        try:
            until(lambda: self.counted() == self.sent, 40, "all is counted")
        except Exception as error:  # pylint: disable=broad-except
            self.ok(False, what, f"{self.counted()} of {self.sent} are counted: {error}\n{self.health()}")
        else:
            self.ok(True, f"{what}: {self.sent} of {self.sent} samples are counted")

    def check_failed_units(self):
        failed = self.machine.shell("systemctl --failed --no-legend; "
                                    "journalctl --no-pager -q -b -p err -u 'hourfold*' | grep -v '^-- ' || :")
        self.ok(not failed.strip(), "no unit has failed, and none logged an error", failed)


def check_look(service, commands):
    """What the README has an operator try."""
    look = service.machine.shell("\n".join(commands)).replace("\r", "")
    service.ok("HTTP/1.1 204" in look, "the README's first sample is taken", look)
    until(lambda: service.health().get("status") == "ok", 30, lambda: f"health is ok: {service.health()}")
    service.ok("health      ok" in service.machine.shell("hourfold stat") and "position" in look, "hourfold stat says ok", look)


def check_rights(service):
    """Every process is hourfold's; the web server's user sees the sockets, and nothing else."""
    machine = service.machine
    users = machine.shell("ps -eo user:20,comm 2>/dev/null | grep -E 'hourfold-|nats-server' || "
                          "for p in /proc/[0-9]*; do c=$(cat $p/comm); case $c in hourfold-*|nats-server) "
                          "echo $(stat -c %U $p) $c;; esac; done").strip().splitlines()
    service.ok(len(users) == 4 and all(u.startswith("hourfold") for u in users), "all four programs run as hourfold", users)
    seen = machine.shell("setpriv --reuid=www-data --regid=www-data --init-groups ls /var/lib/hourfold 2>&1 || :; "
                         "stat -c '%A %U %G' /run/hourfold/*.sock")
    service.ok("Permission denied" in seen and seen.count("srw-rw---- root www-data") == 2,
               "the web server's user has the sockets alone", seen)
    machine.shell("hourfold verify && hourfold backup /var/backups/hourfold/first")
    machine.shell("systemctl stop hourfold-consumer hourfold-query && hourfold stat && "
                  "systemctl start hourfold-consumer hourfold-query")  # the tool has to recover
    root_owned = machine.shell("find /var/lib/hourfold /var/backups/hourfold ! -user hourfold").strip()
    service.ok(not root_owned, "what root's hourfold verify and backup made is hourfold's", root_owned)


def check_restarts(service):
    machine = service.machine
    site = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/"
    service.ok(machine.shell(site) in ("200", "403"), "the server's own site is still there")
    service.send(100)
    machine.shell("systemctl kill -s KILL hourfold-collect hourfold-query hourfold-consumer hourfold-nats")
    service.send(50)
    machine.shell("systemctl restart 'hourfold-*.service'")
    service.send(50)
    machine.shell("systemctl stop hourfold-nats")
    service.send(20)  # into the spool
    machine.shell("systemctl start hourfold-nats")
    service.check_counted("killed, restarted, and the bus away for a while")
    check = machine.shell("systemctl stop hourfold-consumer; hourfold restore --replace /var/backups/hourfold/first && "
                          "systemctl start hourfold-consumer")
    service.ok("restored" in check, "a backup is put back as root", check)
    service.check_counted("what came after the backup is read from the stream again")


def check_reboot(service):
    service.send(50)
    service.machine.end("reboot")
    service.machine.boot()
    service.check_counted("booted again, with nothing started by hand")
    service.send(10)
    service.check_counted("and it goes on")
    service.check_failed_units()


def check_one(tap, base, folder, name, plan):
    """Install, use and uninstall on a machine with this web server."""
    root = base.root.parent / name
    run(["cp", "-a", base.root, root])
    machine = Machine(root, root.parent / f"{name}.log")
    packages = [c for c in plan[name] if c.startswith("apt-get")]
    machine.chroot(packages)
    before = machine.files()
    service = Service(tap, machine, name)
    try:
        machine.boot()
        machine.shell("make install", f"/root/{folder}")
        machine.shell("\n".join(plan["start"]))
        machine.shell("\n".join(c for c in plan[name] if c not in packages))
        # lighttpd's unit counts as started before it listens.
        until(lambda: "no" not in machine.shell("curl -s -o /dev/null http://127.0.0.1/ || echo no"), 20, "port 80 is open")
        check_look(service, plan["look"])
        check_rights(service)
        check_restarts(service)
        check_reboot(service)
        machine.shell("\n".join(plan["upgrade"]), f"/root/{folder}")
        service.send(10)
        service.check_counted("upgraded")
        machine.shell({"apache2": "a2disconf hourfold\nsystemctl restart apache2",
                       "lighttpd": "lighty-disable-mod hourfold\nsystemctl restart lighttpd"}[name])
        machine.shell("\n".join(plan["uninstall"]), f"/root/{folder}")
        units = machine.shell("systemctl list-units --all --no-legend 'hourfold*'").strip()
        service.ok(not units, "no unit is left", units)
        service.ok(machine.shell("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/") in ("200", "403"),
                   "the web server serves its own site without hourfold")
    except Exception:
        if machine.nspawn.poll() is None:
            tap.note(machine.shell("journalctl --no-pager -q -n 60; systemctl --failed --no-legend || :"))
        raise
    finally:
        machine.end()
    left = sorted(machine.files() - before)
    service.ok(any(DATA.match(f) for f in left), "the data are left", left)
    # Enabling what Debian brings is the administrator's.
    others = [f for f in left if not DATA.match(f) and "/mods-enabled/proxy" not in f and not f.endswith("-fastcgi.conf")]
    service.ok(not others, "and nothing else", others)
    if not os.environ.get("HF_TEST_KEEP"):
        shutil.rmtree(root)


def main(tap):
    absent = [t for t in ("debootstrap", "systemd-nspawn", "nsenter") if not shutil.which(t)]
    if absent or os.geteuid() != 0:
        tap.skip("the installation on a machine of its own", f"needs root, and {', '.join(absent) or 'no more'}")
        return
    tarball, = BUILD.glob("hourfold-*.tar.xz")
    plan = blocks()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hourfold-machine-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    began = time.monotonic()
    try:
        base = bootstrap(tap, folder / "base")
        source = build(tap, base, plan["build"], tarball)
        for name in ("apache2", "lighttpd"):
            check_one(tap, base, source, name, plan)
    finally:
        tap.figure(f"{time.monotonic() - began:.0f} s")
        if os.environ.get("HF_TEST_KEEP"):
            tap.note(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Tap() as tap_output:
        main(tap_output)
