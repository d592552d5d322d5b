# SPDX-License-Identifier: Apache-2.0
"""How many instructions the operations of each sample and batch take, as callgrind counts them in short forms of the other benches: the
same on any machine, busy or not, where a time is not. One line for each function: calls, and instructions of a call with all below it.

usage: instructions.py FOLDER    (of the programs)
"""
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Of each program, what is looked at.
FUNCTIONS = {
    "cell_bench": ("cell_add", "cell_merge", "cell_median", "cell_stddev", "cell_encode", "cell_decode"),
    "reader_bench": ("sample_read_query", "sample_read_json", "sample_read_collectd", "batch_add", "batch_seal", "batch_open",
                     "batch_next"),
    "fold_bench": ("fold_apply", "fold_commit", "store_write_cell", "store_write_commit"),
}
NAMED = re.compile(r"^(fn|cfn)=\((\d+)\)(?: (.*))?$")


def inclusive(path):
    """Calls and instructions of each function that is called, from a file of callgrind's."""
    names, calls, cost = {}, collections.Counter(), collections.Counter()
    callee = None
    with open(path, encoding="utf-8") as file:
        for line in file:
            if named := NAMED.match(line):
                kind, number, name = named.groups()
                if name:
                    names[number] = name.split("'")[0]
                if kind == "cfn":
                    callee = names[number]
            elif line.startswith("calls="):
                calls[callee] += int(line[6:].split()[0])
                cost[callee] += int(next(file).split()[1])
    return calls, cost


def main(folder):
    if not shutil.which("valgrind"):
        print("instructions: missing Debian package: valgrind", file=sys.stderr)
        return 1
    print(f"{'function':24} {'calls':>9} {'instructions a call':>20}")
    with tempfile.TemporaryDirectory() as temporary:
        for program, functions in FUNCTIONS.items():
            path = pathlib.Path(temporary) / program
            subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}", pathlib.Path(folder) / program],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, "HF_BENCH_BRIEF": "1", "TMPDIR": temporary})
            calls, cost = inclusive(path)
            for function in functions:
                print(f"{function:24} {calls[function]:9,} {cost[function] / max(1, calls[function]):20,.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
