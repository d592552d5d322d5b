# SPDX-License-Identifier: Apache-2.0
"""quickstart, as a newcomer runs it, without its installing of packages: where one is missing the test is skipped."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from client import Client, HttpError
from rig import SOURCE, free_port, listening, missing, until
from tap import Tap

QUICKSTART = SOURCE / "quickstart"


def missing_packages(name):
    """Those of quickstart's list `name` that are not installed."""
    names = re.search(rf"^{name}='(.*?)'", QUICKSTART.read_text(), re.M | re.S).group(1).split()
    if not shutil.which("dpkg-query"):
        return []
    known = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names], capture_output=True,
                           text=True, check=False).stdout
    return [n for n in names if f"installed {n}\n" not in known]


class Run:
    """quickstart on a directory, with what it prints."""

    def __init__(self, directory, *arguments):
        self.directory = directory
        self.popen = subprocess.Popen([QUICKSTART, "--dir", directory, *map(str, arguments)], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, cwd="/")
        self.text = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while data := os.read(self.popen.stdout.fileno(), 4096):
            self.text += data.decode("utf-8", "replace")

    def ready(self, seconds):
        """The seconds it took."""
        start = time.monotonic()
        until(lambda: "ready:" in self.text or self.popen.poll() is not None, seconds, lambda: f"ready:\n{self.text}")
        return time.monotonic() - start

    def end(self, seconds=60):
        code = self.popen.wait(seconds)
        self.reader.join(5)
        return code

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        return self.end()


def processes(directory):
    """The pids that run something of this directory, by what their command line begins with."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        ours = str(directory).encode() in command or f"HOURFOLD_CONF={directory}/".encode() in environment
        if ours and b"quickstart" not in command:
            found.setdefault(pathlib.Path(command.split(b"\0")[0].decode()).name, []).append(int(entry.name))
    return found


def status(port, target):
    try:
        with Client(port, timeout=10) as client:
            return client.get(target).status
    except (OSError, HttpError):
        return 0


def one_line_error(tap, words, name, *arguments, code=1):
    done = subprocess.run([QUICKSTART, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    lines = done.stderr.splitlines()
    tap.ok(done.returncode == code and len(lines) == 1 and lines[0].startswith("quickstart: ") and words in lines[0], name,
           f"code {done.returncode}\n{done.stdout}{done.stderr}")


class Sender(threading.Thread):
    """Sends samples one after the other until told to stop, and counts those acknowledged."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.acknowledged = 0
        self.halt = False

    def run(self):
        client = Client(self.port, timeout=20)
        while not self.halt:
            try:
                self.acknowledged += client.get("/collect?key=q.sent&value=1").status == 204
            except (OSError, HttpError):
                client.close()
                time.sleep(0.01)
        client.close()


def counted(port):
    """Samples of the key in the last two hours; the count may lie on both sides of an hour's end."""
    total = 0
    for ago in (0, 3600):
        when = time.strftime("%Y-%m-%d/%H", time.gmtime(time.time() - ago))
        with Client(port) as client:
            answer = client.get(f"/q.sent/count/{when}?format=csv")
        if answer.status == 200:
            header, row = (line.split(",") for line in answer.body.decode().splitlines()[:2])
            total += int(row[header.index("count")])
    return total


def errors(tap, directory, port):
    one_line_error(tap, f"another quickstart runs on {directory}", "a second one on the same directory is refused",
                   "--dir", directory, "--port", free_port())
    with tempfile.TemporaryDirectory(prefix="hf-") as other:
        new = pathlib.Path(other) / "new"
        one_line_error(tap, f"port {port} is taken", "a taken port is refused", "--dir", new, "--port", port)
        tap.ok(not new.exists(), "before a directory is made")
    one_line_error(tap, "cannot make the directory /proc/none", "a directory that cannot be made is refused", "--dir",
                   "/proc/none", "--port", free_port())
    one_line_error(tap, "/etc holds something else", "a directory that holds something else is refused", "--dir", "/etc",
                   "--port", free_port())
    for words, name, *arguments in (("--port: permitted: 1 to 65535", "a port out of range is wrong usage", "--port", "65536"),
                                    ("unrecognized option", "an unknown option", "--nonsense"),
                                    ("unexpected argument now", "an argument too many", "check", "now"),
                                    ("a path may hold", "a directory with a quote in its name", "--dir", 'a"b')):
        one_line_error(tap, words, name, *arguments, code=2)


def interrupted_build(tap):
    """A signal ends what quickstart runs to build, with a stand-in for make."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with tempfile.TemporaryDirectory(prefix="hf-") as name:
            source = pathlib.Path(name)
            for folder in ("lib", "fcgi", "consumer", "bin", "build"):
                (source / folder).mkdir()
            shutil.copy(QUICKSTART, source)
            for path in ("configure", "Makefile.in", "build/Makefile"):
                (source / path).write_text("")
            (source / "configure").chmod(0o755)
            make = source / "bin" / "make"
            make.write_text(f"#!/bin/sh\ntrap 'echo ended >{source}/ended; exit 1' TERM\necho $$ >{source}/pid.new\n"
                            f"mv {source}/pid.new {source}/pid\nwhile sleep 0.1; do :; done\n")
            make.chmod(0o755)
            run = subprocess.Popen([source / "quickstart", "--port", str(free_port()), "--dir", source / "state"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env={**os.environ, "PATH": f"{source / 'bin'}:{os.environ['PATH']}"})
            until((source / "pid").exists, 20, "make runs")
            run.send_signal(number)
            text = run.communicate(timeout=20)[0]
            tap.ok(run.returncode == 143 and (source / "ended").exists() and not (source / "state").exists(),
                   f"{number.name} during the build ends make too", f"code {run.returncode}\n{text}")


def interrupted_autoreconf(tap):
    """A source whose autoreconf ended before its last step, with stand-ins for what is slow."""
    with tempfile.TemporaryDirectory(prefix="hf-") as name:
        source = pathlib.Path(name)
        for folder in ("lib", "fcgi", "consumer", "bin"):
            (source / folder).mkdir()
        shutil.copy(QUICKSTART, source)
        for path, text in (("configure", "#!/bin/sh\nexec cp ../Makefile.in Makefile\n"),
                           ("bin/autoreconf", "#!/bin/sh\nprintf 'all:\\n\\ttouch built; false\\n' >Makefile.in\n")):
            (source / path).write_text(text)
            (source / path).chmod(0o755)
        done = subprocess.run([source / "quickstart"], capture_output=True, text=True, timeout=60, check=False,
                              env={**os.environ, "PATH": f"{source / 'bin'}:{os.environ['PATH']}"})
        tap.ok((source / "build/built").exists(), "an autoreconf that was interrupted is run again",
               done.stdout + done.stderr)


def restarts(tap, run, directory, port):
    for name in ("nats-server", "hourfold-consumer", "lighttpd", "hourfold-collect"):
        (pid, *_) = processes(directory)[name]
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in processes(directory).get(name, [pid]) and processes(directory).get(name), 20,
              f"{name} runs again")
        until(lambda: status(port, "/collect?key=q.again&value=1") == 204, 20, "samples are taken again")
        until(lambda: status(port, "/-/health") == 200, 20, "questions are answered again")
        tap.ok(True, f"{name} is started again after its death")
    tap.ok(run.text.count("is started again") == 3, "quickstart says which of its programs it started again", run.text)


def stops_with_nothing_lost(tap, directory, port):
    run = Run(directory, "--port", port)
    tap.ok(run.ready(30) < 15, "a second start takes seconds", run.text)
    sender = Sender(port)
    before = counted(port)
    sender.start()
    until(lambda: sender.acknowledged > 100, 20, "100 samples")
    code = run.stop()
    sender.halt = True
    sender.join()
    tap.equal(code, 0, "SIGTERM under load ends it with 0")
    tap.ok(not processes(directory) and not listening(port), "nothing of it is left running", str(processes(directory)))
    tap.ok("killed" not in run.text, "no program had to be killed", run.text)

    run = Run(directory, "--port", port)
    run.ready(30)
    until(lambda: counted(port) >= before + sender.acknowledged, 20, "what was acknowledged is counted")
    tap.equal(counted(port), before + sender.acknowledged, "after the next start every acknowledged sample counts once")
    os.killpg(run.popen.pid, signal.SIGINT)  # what a terminal does: to all of the group in its foreground
    tap.equal(run.end(), 0, "Ctrl-C ends it with 0")
    tap.ok(not processes(directory), "nothing is left running after Ctrl-C", str(processes(directory)))


def apache(tap, directory, port):
    absent = missing("apache2", "mod_fcgid")
    if absent:
        tap.skip("Apache in place of lighttpd", f"not installed: {absent}")
        return
    run = Run(directory, "--port", port, "--apache")
    run.ready(30)
    tap.ok("apache2" in processes(directory) and status(port, "/collect?key=q.apache&value=1") == 204,
           "Apache in place of lighttpd", run.text)
    tap.equal(run.stop(), 0, "with Apache SIGTERM ends it with 0")
    tap.ok(not processes(directory), "nothing of Apache is left running", str(processes(directory)))


def tree():
    """What git sees in the source, or None."""
    done = subprocess.run(["git", "-C", SOURCE, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def main(tap):
    absent = missing_packages("packages_run")
    if absent:
        tap.skip("quickstart", f"not installed: {' '.join(absent)}")
        return
    if not SOURCE.stat().st_mode & 0o200:  # asked of the mode, since root may write everywhere
        tap.skip("quickstart", "the source cannot be written to")
        return
    before = tree() if shutil.which("git") else None
    directory = pathlib.Path(tempfile.mkdtemp(prefix="hf spaced-"))
    try:
        port = free_port()
        run = Run(directory, "--port", port)
        run.ready(600)
        tap.ok(run.text.endswith(f"ready: http://127.0.0.1:{port}/\n"), "it says where it is ready", run.text)
        with socket.socket() as probe:
            tap.ok(listening(port) and probe.connect_ex(("127.0.0.2", port)) != 0, "it listens on 127.0.0.1 alone")
        tap.equal([status(port, f"/-/{file}") for file in ("", "main.js", "dygraph.min.js")], [200] * 3, "the pages are there, with their charts")
        errors(tap, directory, port)
        interrupted_build(tap)
        interrupted_autoreconf(tap)
        restarts(tap, run, directory, port)
        tap.equal(run.stop(), 0, "SIGTERM ends it with 0")
        stops_with_nothing_lost(tap, directory, port)
        apache(tap, directory, port)
        tap.equal(tree() if shutil.which("git") else None, before, "the source is as it was")
    finally:
        for pids in processes(directory).values():
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        if tap.failed:
            for log in sorted((directory / "log").glob("*.log")):
                tap.note(f"---- {log.name}\n" + "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:]))
        shutil.rmtree(directory, ignore_errors=True)


# A shell without job control starts what runs in the background with SIGINT ignored, nohup does so with SIGHUP, and a
# script that inherits that cannot trap them. A caught signal is back at its default in what is started from here.
for caught in (signal.SIGINT, signal.SIGHUP):
    signal.signal(caught, signal.default_int_handler)

with Tap() as the_tap:
    main(the_tap)
