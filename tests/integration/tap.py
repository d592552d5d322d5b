# SPDX-License-Identifier: Apache-2.0
"""Test results as TAP: one line for each check, the plan at the end."""
import sys
import traceback


class Tap:
    """Use as `with Tap() as tap:`; leaving the block prints the plan and ends the process with 0 or 1."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, passed, name, detail=""):
        """Report one check; `detail` is shown when it failed. Return whether it passed."""
        self.count += 1
        if not passed:
            self.failed += 1
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}", flush=True)
        if not passed and detail:
            self.note(detail)
        return bool(passed)

    def equal(self, got, expected, name):
        return self.ok(got == expected, name, f"got {got!r}\nexpected {expected!r}")

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)

    def note(self, text):
        """Lines for a person."""
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    def figure(self, text):
        """A line for the table of check_faults.py too."""
        print(f"# => {text}", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None and kind is not SystemExit:
            self.ok(False, f"ended by {kind.__name__}", "".join(traceback.format_exception(kind, error, trace)))
        print(f"1..{self.count}", flush=True)
        sys.exit(1 if self.failed or kind is SystemExit else 0)


class Collected:
    """Many small comparisons reported as one check: how many were made, and the first few that failed."""

    def __init__(self):
        self.made = 0
        self.faults = []

    def that(self, passed, text):
        self.made += 1
        if not passed:
            self.faults.append(text)
        return passed

    def report(self, tap, name, at_least=1):
        shown = "\n".join(self.faults[:10])
        if len(self.faults) > 10:
            shown += f"\n… and {len(self.faults) - 10} more"
        if self.made < at_least:
            shown += f"\nonly {self.made} comparisons were made, {at_least} expected"
        tap.ok(not self.faults and self.made >= at_least, f"{name} ({self.made} comparisons)", shown)
