# SPDX-License-Identifier: Apache-2.0
"""README.md's five minutes, command by command: each prints what the README says, save for times."""
import re
import subprocess
import time

from rig import SOURCE, Rig, missing, until
from tap import Tap


def tour():
    """(command, expected output) of the console blocks of the section."""
    section = SOURCE.joinpath("README.md").read_text("utf-8").split("\n## Five minutes\n")[1].split("\n## ")[0]
    for block in re.findall(r"```console\n(.*?)```", section, re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def timeless(text):
    """Without what differs from one run to the next, and from one lighttpd to another."""
    text = re.sub(r"^(Date|Server): .*", r"\1: …", text.replace("\r", "").rstrip(), flags=re.M)
    text = re.sub(r"\d{4}-\d\d-\d\d(T[0-9:.]+Z)?", "…", text)
    text = re.sub(r'"(hour|position|messages|behind_s)":[0-9.]+', r'"\1":…', text)
    return re.sub(r"…,\d+,", "…,…,", text)  # the hour in CSV


def main(tap):
    absent = missing("nats-server", "lighttpd", "curl")
    if absent:
        tap.skip("the README's tour", f"{absent} is not installed")
        return
    with Rig(tap) as rig:
        rig.options["collect.spool"] = rig.path / "state" / "spool"  # as quickstart does
        server, = rig.start("lighttpd")
        until(lambda: time.time() % 3600 < 3570, 40, "an hour begins")  # all of it in one
        asked = False
        for command, expected in tour():
            if re.search(r"8080/(?!collect)|hourfold ", command) and not asked:
                moment = time.time()
                until(lambda: rig.as_of(server) > moment, 30, "what was sent is folded")
                asked = True
            runnable = command.replace(":8080/", f":{server.port}/").replace(
                "build/consumer/hourfold -c var/etc/hourfold.conf", rig.program("hourfold"))
            done = subprocess.run(["sh", "-c", re.sub(r"\bcurl ", "curl -sS ", runnable)], stdin=subprocess.DEVNULL, text=True,
                                  capture_output=True, timeout=30, cwd=rig.path, env=rig.environment, check=False, **rig.identity)
            tap.equal(timeless(done.stdout + done.stderr), timeless(expected), command[:90])


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
