# SPDX-License-Identifier: Apache-2.0
"""Branch coverage of what reads bytes from outside, from the replay of the seed corpora; in a build with --enable-coverage.

Each reader is a file, or those functions of a file that read. Prints a table, and fails where one is below LEAST and lacks more than a
single branch. With -v, the branches that were not taken.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["srcdir"])
BUILD = pathlib.Path(os.environ["builddir"])
LEAST = 95.0

# A file, and which functions of it read: a regular expression, or all. What is not among them writes, frees, or asks the system.
READERS = {
    "fcgi/record.c": "(?!record_put_answer|put_head|record_free|record_memory|clear).*",
    "fcgi/route.c": ".*",
    "lib/access/access.c": ".*",
    "lib/access/address.c": "(?!address_list_free).*",
    "lib/access/glob.c": ".*",
    "lib/answer/accept.c": ".*",
    "lib/answer/etag.c": "etag_matches|is_separator",
    "lib/answer/globs.c": ".*",
    "lib/answer/mount.c": ".*",
    "lib/answer/parameters.c": ".*",
    "lib/answer/part.c": ".*",
    "lib/answer/path.c": ".*",
    "lib/answer/uri.c": ".*",
    "lib/answer/stat_name.c": ".*",
    "lib/base/buf.c": "hf_cur_.*|get_le|hf_utf8_sequence",
    "lib/base/conf.c": "(?!conf_load|conf_free|conf_unknown|is_unknown|variable_of|check_together|read_file|take_environment|keep_text|loaded_new|fail_memory).*",
    "lib/base/conf_table.c": "(?!conf_directory_of|conf_range|range_of_words|write_scaled).*",
    "lib/base/num.c": "hf_parse_.*|is_.*|parse_plain",
    "lib/base/zone.c": "(?!hf_zone_free|hf_zone_open|new_fixed|read_file).*",
    "lib/base/zone_rule.c": ".*",
    "lib/base/utc.c": "hf_parse_.*|take_.*|days_.*",
    "lib/batch/batch.c": "batch_open|batch_next|open_message|read_.*|check_samples|is_integer|make_room_for_keys",
    "lib/bus/spool.c": "spool_read|read_record|read_header|is_.*_off|is_head|sum_is_right|pass_over.*|find_head|look_for_head",
    "lib/cell/encode.c": "cell_decode|get_.*|read_bucket|had_to_shift",
    "lib/fold/window.c": "window_decode|set_bit",
    "lib/sample/boomerang.c": ".*",
    "lib/sample/check.c": ".*",
    "lib/sample/collectd.c": ".*",
    "lib/sample/form.c": ".*",
    "lib/sample/json.c": ".*",
    "lib/sample/list.c": "reader_.*",
    "lib/sample/query.c": ".*",
    "lib/sample/read_json.c": ".*",
    "lib/store/meta.c": "meta_decode_status|decode_.*",
    "lib/tally/tally.c": "tally_read",
}
# A branch that only a want of memory takes is no input's: its line, or the next two, say so.
NO_MEMORY = re.compile("HF_NOMEM|no memory|out of memory|MAP_FAILED")


def replay():
    for old in BUILD.glob("**/*.gcda"):
        old.unlink()
    for target in sorted(BUILD.glob("tests/*/*_fuzz")):
        name = target.name.removesuffix("_fuzz")
        corpus = SOURCE / target.parent.relative_to(BUILD) / "corpus" / name
        subprocess.run([target, corpus], stdout=subprocess.DEVNULL, check=True)


def objects_of(file):
    """The notes of every object that the file was compiled into."""
    stem = file.removesuffix(".c")
    return [BUILD / f"{stem}.gcno"] + list((BUILD / stem).parent.glob(f"*-{pathlib.Path(stem).name}.gcno"))


def branches(file):
    """(function, line, taken) of every branch."""
    found = {}
    for notes in objects_of(file):
        if not notes.with_suffix(".gcda").exists():
            continue
        done = subprocess.run(["gcov", "--branch-probabilities", "--json-format", "--stdout", notes], cwd=BUILD,
                              capture_output=True, check=True)
        for part in json.loads(done.stdout)["files"]:
            if not part["file"].endswith(file):
                continue
            for line in part["lines"]:
                for number, branch in enumerate(line["branches"]):
                    place = (line.get("function_name", ""), line["line_number"], number)
                    found[place] = found.get(place, False) or branch["count"] > 0
    return [(function, line, taken) for (function, line, _), taken in sorted(found.items(), key=lambda f: f[0][1:])]


def main():
    verbose = "-v" in sys.argv[1:]
    replay()
    total = taken = failed = 0
    print("branches  taken        file")
    for file, functions in READERS.items():
        text = (SOURCE / file).read_text().splitlines()
        mine = [b for b in branches(file) if re.fullmatch(functions, b[0]) and
                not NO_MEMORY.search(" ".join(text[b[1] - 1:b[1] + 2]))]
        hit = sum(b[2] for b in mine)
        share = 100 * hit / len(mine) if mine else 0
        low = not mine or (share < LEAST and len(mine) - hit > 1)
        print(f"{len(mine):8} {hit:6} {share:5.1f} %  {file}{f'   below {LEAST} %' if low else ''}")
        failed += low
        total, taken = total + len(mine), taken + hit
        for function, line, was in mine if verbose else ():
            if not was:
                print(f"    {function}:{line}: {text[line - 1].strip()}")
    print(f"{total:8} {taken:6} {100 * taken / total:5.1f} %  all")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
