# SPDX-License-Identifier: Apache-2.0
"""make install and make uninstall with DESTDIR, and what is installed for others: systemd, the web servers, bash. The whole of
it on a machine of its own is check_install.py."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import web
from client import Client
from rig import BUILD, Rig, missing, until
from tap import Tap

EXPOSURE_MOST = 25  # tenths: what systemd-analyze calls OK


def make(target, root):
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(["make", "-s", "-C", BUILD, target, f"DESTDIR={root}"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, env=environment, check=False)
    return done.stdout + done.stderr if done.returncode == 0 else f"make {target} failed:\n{done.stderr}"


def installed(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if not p.is_dir()}


def one(root, pattern):
    """The only installed file of this name."""
    found = list(root.rglob(pattern))
    if len(found) != 1:
        raise FileNotFoundError(f"{len(found)} files are called {pattern}")
    return found[0]


def check_files(tap, root):
    make("install", root)
    first = installed(root)
    for name in ("bin/hourfold", "sbin/hourfold-consumer", "system/hourfold.target", "sysusers.d/hourfold.conf",
                 "tmpfiles.d/hourfold.conf", "apache2/conf-available/hourfold.conf", "conf-available/50-hourfold.conf",
                 "completions/hourfold", "completions/hourfold-consumer", "man8/hourfold-consumer.8"):
        tap.ok(any(f.endswith("/" + name) for f in first), f"{name} is installed", "\n".join(sorted(first)))
    left = [f for f, text in first.items() if re.search(rb"@[a-z]+@", text) and b"\0" not in text]
    tap.equal(left, [], "nothing is left to fill in")

    changed = one(root, "apache2/conf-available/hourfold.conf")
    changed.write_bytes(changed.read_bytes().replace(b'"/hourfold"', b'"/numbers"'))
    make("install", root)
    second = installed(root)
    name = str(changed.relative_to(root))
    tap.ok(b"/numbers" in second[name] and second.get(name + ".new") == first[name],
           "an upgrade keeps configuration that was changed, and puts the new one beside it", sorted(second))
    make("uninstall", root)
    tap.equal(sorted(installed(root)), [name], "uninstall leaves nothing but what was changed")
    changed.unlink()
    prefix = (root / next(f for f in first if f.endswith("sbin/hourfold-consumer"))).parents[1]  # may itself lie below such a name
    folders = [str(p.relative_to(root)) for p in prefix.rglob("*hourfold*")]
    tap.equal(folders, [], "nor directories of its own")


def check_units(tap, root, scratch):
    """systemd reads the units without a word, and finds them hardened."""
    if absent := missing("systemd-analyze"):
        tap.skip("what systemd says of the units", f"{absent} is not installed")
        return
    units = []
    for unit in one(root, "hourfold.target").parent.iterdir():
        # Where they were installed, not where they will be.
        text = re.sub(r"^ExecStart=(/\S+)", rf"ExecStart={root}\1", unit.read_text(), flags=re.M)
        copy = scratch / unit.name
        copy.write_text(text.replace("ExecStart=nats-server", "ExecStart=/bin/true"))
        units.append(copy)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False)
    tap.ok(done.returncode == 0 and "hourfold" not in done.stderr, f"systemd takes the {len(units)} units", done.stderr)
    services = [u for u in units if u.suffix == ".service"]
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MOST}", *services],
                          capture_output=True, text=True, timeout=60, check=False)
    figures = re.findall(r"exposure level for (\S+): ([0-9.]+)", done.stdout)
    tap.ok(done.returncode == 0 and len(figures) == 4, "the services are hardened: "
           + ", ".join(f"{name} {figure}" for name, figure in figures), done.stdout + done.stderr)


def check_completion(tap, root):
    script = one(root, "completions/hourfold")
    bin_folder = one(root, "bin/hourfold").parent

    def complete(*words):
        done = subprocess.run(["bash", "-c", '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hourfold; '
                               'printf "%s\\n" "${COMPREPLY[@]}"', "bash", script, *words], capture_output=True, text=True,
                              timeout=20, env={"PATH": f"{bin_folder}:/usr/bin:/bin"}, check=False)
        return sorted((done.stdout + done.stderr).split())

    tap.equal(complete("hourfold", "che"), ["check-config"], "bash completes a command")
    tap.equal(complete("hourfold", "-c", "x", "sta"), ["stat"], "and one after an option")
    tap.equal(complete("hourfold", "restore", "--r"), ["--replace"], "and the option of one")
    tap.ok({"-c", "--help", "backup", "verify"} <= set(complete("hourfold", "")), "and names all there are")
    sbin = one(root, "sbin/hourfold-consumer")
    tap.ok({"-c", "-l", "-v", "--help"} <= set(complete(str(sbin), "-")), "and those of the consumer")


def check_web(tap, root):
    """What is enabled answers below its path, to this machine alone."""
    web.InstalledApache.file = one(root, "apache2/conf-available/hourfold.conf")
    web.InstalledLighttpd.file = one(root, "lighttpd/conf-available/50-hourfold.conf")
    with Rig(tap) as rig:
        servers = rig.start("installed-apache", "installed-lighttpd")
        for number, server in enumerate(servers):
            with Client(server.port) as client:
                sent = client.get(f"/hourfold/collect?key={server.kind}&value=1,2,6")
                tap.equal(sent.status, 204, f"{server.kind}: a sample is taken")
                def folded(server=server, number=number):
                    return rig.counters(server)["folded"] == 3 * (number + 1)
                until(folded, 20, "it is folded")
                keys = json.loads(client.get("/hourfold/-/keys").body)["keys"]
                tap.ok(server.kind in keys, f"{server.kind}: and asked for", keys)
                tap.equal([client.get(p).status for p in ("/nothing", "/hourfoldx", "/collect?key=a&value=1")], [404] * 3,
                          f"{server.kind}: what lies beside it is not hourfold's")
            for helper in server.helpers:  # as systemd stops them: without the web server
                tap.equal(helper.stop(15, signal.SIGTERM), 0, f"{helper.name} ends well")
            server.helpers.clear()
        check_root(tap, rig)


def check_root(tap, rig):
    """What root looks at, its user can still write: with nobody else there, the tool recovers the store."""
    if os.geteuid() != 0:
        tap.skip("root and the store", "not root")
        return
    rig.stop_web()
    rig.consumer.stop()
    done = subprocess.run([rig.program("hourfold"), "verify"], capture_output=True, text=True, timeout=60, env=rig.environment, check=False)
    tap.ok(done.returncode == 0, "root verifies the store", done.stderr)
    others = [str(p) for p in (rig.path / "state").rglob("*") if p.stat().st_uid != rig.identity["user"]]
    tap.equal(others, [], "and leaves nothing of its own in it")
    rig.start_consumer()
    until(lambda: "trouble     none" in rig.tool("stat"), 20, "the consumer runs again")


def main(tap):
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="hourfold-install-"))
    try:
        root = scratch / "root"
        root.mkdir()
        check_files(tap, root)
        make("install", root)
        check_units(tap, root, scratch)
        check_completion(tap, root)
        if absent := missing("nats-server", "lighttpd", "apache2"):
            tap.skip("the web servers' pieces", f"{absent} is not installed")
        else:
            check_web(tap, root)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
