# SPDX-License-Identifier: Apache-2.0
"""Samples into the stream of a rig, without a web server: batches through tests/consumer/publish."""
import subprocess
import threading

import rig as rigs


class Feeder:
    """Publishes batches and keeps what every key and hour should hold. One process for as long as it is open."""

    def __init__(self, rig, stream="HOURFOLD", subject="hourfold.samples"):
        self.rig = rig
        self.sent = {}  # (key, hour) -> values
        self.samples = 0
        self.batches = 0
        self.stored = 0
        self.numbers = {}
        self.changed = threading.Condition()
        self.popen = subprocess.Popen([rigs.BUILD / "tests" / "consumer" / "publish", f"nats://127.0.0.1:{rig.nats_port}",
                                       stream, subject], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.popen.stdout:
            if line.startswith("stored"):
                with self.changed:
                    self.stored += 1
                    self.changed.notify_all()

    def batch(self, samples, producer=1, number=None, counts=True):
        """Send (key, value, time_ms[, id]) under the producer's next number, or `number`. `counts`: the samples are new."""
        if number is None:
            number = self.numbers.get(producer, 0) + 1
            self.numbers[producer] = number
        lines = [f"batch {producer} {number}\n"]
        lines += [f"sample {' '.join(map(str, sample))}\n" for sample in samples]
        self._write("".join(lines) + "end\n")
        if counts:
            self.samples += len(samples)
            for key, value, time_ms, *_ in samples:
                self.sent.setdefault((key, time_ms // 3600000), []).append(float(value))

    def raw(self, data):
        self._write(f"raw {data.hex()}\n")

    def _write(self, text):
        self.popen.stdin.write(text)
        self.popen.stdin.flush()
        self.batches += 1

    def wait(self, seconds=60):
        """Until all that was sent is acknowledged."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.stored >= self.batches, seconds):
                raise rigs.RigError(f"{self.batches - self.stored} batches were not acknowledged in {seconds} s")

    def close(self):
        self.popen.stdin.close()
        if self.popen.wait(90) != 0:
            raise rigs.RigError("publish failed")
        self.reader.join()
