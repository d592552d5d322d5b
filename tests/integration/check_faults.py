# SPDX-License-Identifier: Apache-2.0
"""Run the full forms of the tests of faults, one after another, and print what came of them as one table.

usage: check_faults.py TEST...

A TEST is a script, named from the source's top, or a program that was built, and speaks TAP; its full form is what HF_TEST_FULL=1
makes it do. Its output goes into faults/FOLDER.NAME.log. A line "# => TEXT" of it is a figure, which the table shows.
HF_TEST_FAULTS chooses: words, of which one has to be in a test's folder or name. HF_TEST_SEED is handed on; HF_TEST_DAMAGE, how many
damages are tried, is 10000 unless it is set.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

SEED = re.compile(r"^# .*?HF_TEST_SEED=(\d+)", re.MULTILINE)


class Outcome:
    def __init__(self, name, output, code, seconds):
        lines = output.splitlines()
        self.name = name
        self.seconds = seconds
        self.passed = sum(line.startswith("ok ") for line in lines)
        self.failed = [line for line in lines if line.startswith("not ok")]
        self.skipped = [line for line in lines if line.startswith("ok ") and "# SKIP" in line or line.startswith("1..0")]
        self.seeds = " ".join(sorted(set(SEED.findall(output)))) or "-"
        self.figures = [line[5:].strip() for line in lines if line.startswith("# =>")]
        self.good = code == 0 and not self.failed and any(re.match(r"1\.\.\d", line) for line in lines)


def name_of(test):
    """Its folder and its name: spool_test is not the only one."""
    return f"{pathlib.Path(test).parent.name}/{pathlib.Path(test).stem}"


def run(test):
    """Its lines are shown as they come, what is long about them left out."""
    name = name_of(test)
    command = [sys.executable, pathlib.Path(os.environ["srcdir"]) / test] if test.endswith(".py") else [pathlib.Path.cwd() / test]
    log = pathlib.Path("faults") / f"{name.replace('/', '.')}.log"
    log.parent.mkdir(exist_ok=True)
    begin = time.monotonic()
    print(f"---- {name}, {time.strftime('%H:%M:%S')}", flush=True)
    with open(log, "w", encoding="utf-8") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False,
                              env={"HF_TEST_DAMAGE": "10000", **os.environ, "HF_TEST_FULL": "1"})
    outcome = Outcome(name, log.read_text("utf-8", "replace"), done.returncode, time.monotonic() - begin)
    for line in [*outcome.failed, *outcome.skipped]:
        print(line)
    print(f"{'good' if outcome.good else 'FAILED'}: {log}", flush=True)
    return outcome


def table(outcomes):
    print(f"\n{'test':<30} {'':<7} {'checks':>6} {'skipped':>7} {'seconds':>8}  seed")
    for outcome in outcomes:
        print(f"{outcome.name:<30} {'good' if outcome.good else 'FAILED':<7} {outcome.passed + len(outcome.failed):>6} "
              f"{len(outcome.skipped):>7} {outcome.seconds:>8.0f}  {outcome.seeds}")
        for figure in outcome.figures:
            print(f"    {figure}")


def main(tests):
    words = os.environ.get("HF_TEST_FAULTS", "").split()
    chosen = [test for test in tests if not words or any(word in name_of(test) for word in words)]
    if not chosen:
        sys.exit(f"no test is named with any of: {' '.join(words)}")
    outcomes = [run(test) for test in chosen]
    table(outcomes)
    sys.exit(0 if all(outcome.good for outcome in outcomes) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
