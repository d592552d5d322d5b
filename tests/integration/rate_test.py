# SPDX-License-Identifier: Apache-2.0
"""collect.rate, through web servers: one client that sends all it can is bounded, however many processes serve it; others do not
notice it."""
import threading
import time

import web
from client import Client, HttpError
from rig import Rig, missing, until
from tap import Tap

RATE = 40
SECONDS = 3.0


class Sender(threading.Thread):
    """A client behind the proxy 127.0.0.1, as the proxy names it."""

    def __init__(self, server, address, pause_s):
        super().__init__(daemon=True)
        self.server = server
        self.address = address
        self.pause_s = pause_s
        self.statuses = {}
        self.no_retry_after = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            try:
                with Client(self.server.port) as client:
                    response = client.get("/collect?key=rate&value=1", X_Forwarded_For=self.address, Connection="close")
                status = response.status
                self.no_retry_after += status == 429 and "retry-after" not in response.headers
            except HttpError as error:
                status = str(error)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            time.sleep(self.pause_s)


def bounded(tap, kind):
    with Rig(tap, {"collect.rate": RATE, "collect.proxies": "127.0.0.1"}) as rig:
        server, = rig.start(kind)
        greedy = [Sender(server, "203.0.113.1", 0) for _ in range(8)]
        modest = Sender(server, "spoofed, 203.0.113.2", 3 / RATE)
        begin = time.monotonic()
        for sender in [*greedy, modest]:
            sender.start()
        until(lambda: time.monotonic() > begin + SECONDS, 2 * SECONDS, "the time is over")
        for sender in [*greedy, modest]:
            sender.ended.set()
        for sender in [*greedy, modest]:
            sender.join()
        took = time.monotonic() - begin
        statuses = {}
        for sender in greedy:
            for status, count in sender.statuses.items():
                statuses[status] = statuses.get(status, 0) + count
        name = f"{kind}, {len(rig.found('hourfold-collect'))} processes"
        tap.ok(set(statuses) == {204, 429} and not any(s.no_retry_after for s in greedy),
               f"{name}: what one client sends too much is refused with 429 and Retry-After", str(statuses))
        tap.ok(RATE * SECONDS * 0.8 <= statuses.get(204, 0) <= RATE * (1 + took) + 1,
               f"{name}: it is bounded by the rate and a second's worth at once", f"{statuses} in {took:.2f} s")
        tap.ok(set(modest.statuses) == {204}, f"{name}: another client is not", str(modest.statuses))


def main(tap):
    for kind in ("lighttpd", "mod_fcgid"):
        absent = missing("nats-server", *web.KINDS[kind].needs)
        if absent:
            tap.skip(f"collect.rate under {kind}", f"{absent} is not installed")
        else:
            bounded(tap, kind)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
