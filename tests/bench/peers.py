# SPDX-License-Identifier: Apache-2.0
"""What hourfold is compared with: InfluxDB and VictoriaMetrics as Debian has them, and the empty FastCGI handler under the same web
servers. All listen on 127.0.0.1 alone and keep what they have in the rig's folder."""
import shutil
import subprocess
import urllib.parse

import rig as rigs
import web
from client import Client, HttpError
from rig import BUILD, free_port, until

EMPTY_THREADS = 8  # where one process serves all: of one, two, four and eight the fastest


def answers(port, target, status):
    try:
        with Client(port, timeout=5) as client:
            return client.get(target).status == status
    except HttpError:
        return False


class InfluxDB:
    """1.6, with its defaults, but no log of each request: hourfold's web servers write none either."""

    def __init__(self, rig):
        self.port = free_port()
        folder = rig.path / "influxdb"
        folder.mkdir()
        config = rig.path / "etc" / "influxdb.conf"
        config.write_text(f"""
reporting-enabled = false
bind-address = "127.0.0.1:{free_port()}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[http]
  bind-address = "127.0.0.1:{self.port}"
  log-enabled = false
""")
        rig._give(folder)
        rig._give(config)
        self.process = rig.daemon("influxdb", ["influxd", "-config", config])
        until(lambda: answers(self.port, "/ping", 204), 30, "InfluxDB answers")
        with Client(self.port) as client:
            client.request("POST", "/query?q=" + urllib.parse.quote("CREATE DATABASE bench"), body=b"")

    def median(self, key, begin_s, end_s):
        q = f"SELECT median(value) FROM \"{key}\" WHERE time >= {begin_s}s AND time < {end_s}s"
        return "/query?db=bench&q=" + urllib.parse.quote(q)


class VictoriaMetrics:
    def __init__(self, rig):
        self.port = free_port()
        folder = rig.path / "victoria"
        folder.mkdir()
        rig._give(folder)
        self.process = rig.daemon("victoria-metrics", [
            "victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{self.port}", "-loggerLevel=ERROR",
            "-search.maxPointsPerTimeseries=2000000"])
        until(lambda: answers(self.port, "/health", 200), 30, "VictoriaMetrics answers")

    def median(self, key, begin_s, end_s):
        return "/api/v1/query?" + urllib.parse.urlencode(
            {"query": f'quantile_over_time(0.5, {key}[{end_s - begin_s}s])', "time": end_s, "nocache": 1})


class Empty:
    """Stands in for the rig where a web server takes the handlers from, so that everything else is the same: all of them, or some."""

    def __init__(self, rig, names=("hourfold-collect", "hourfold-query")):
        self.rig = rig
        self.folder = rig.path / "empty"
        self.folder.mkdir(exist_ok=True)
        for name in ("hourfold-collect", "hourfold-query"):
            shutil.copy(BUILD / "tests/bench/empty" if name in names else rig.program(name), self.folder / name)
        rig._give(self.folder)

    def __getattr__(self, name):
        return getattr(self.rig, name)

    def program(self, name):
        return str(self.folder / name)

    def instantiate(self, snippet, target, **more):
        return self.rig.instantiate(snippet, target, libexecdir=self.folder, **more)

    def daemon(self, name, argv):
        return self.rig.daemon(name, [*argv, "-t", EMPTY_THREADS])

    def start_web(self, kind):
        for _ in range(5):
            server = web.KINDS[kind](self, free_port())
            if server.start():
                self.rig.servers.append(server)
                return server
        raise rigs.RigError(f"{kind} does not start")


def version(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().split("\n")[0]
