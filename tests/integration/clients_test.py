# SPDX-License-Identifier: Apache-2.0
"""The clients that etc/ has examples for: Telegraf and Grafana by the requests they make, Prometheus itself.

tests/integration/telegraf/*.http is what Telegraf's http output sends for the metrics of metrics.json beside them, byte for byte:
by Go's net/http, with the template of etc/telegraf.conf run by Go's text/template and sprig. It is to be recorded anew when
the template changes.
"""
import csv
import datetime
import hashlib
import io
import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request

from client import Client
from rig import SOURCE, Rig, free_port, missing, moment_of, parsed, until
from tap import Collected, Tap

TELEGRAF = SOURCE / "tests" / "integration" / "telegraf"
TEMPLATE_RECORDED = "112c37d1ca30bf79c8416e4c9843b187985f7df2146b087d1159b73837b06dea"


def filled_in(rig, server, *names):
    for name in names:
        rig.instantiate(name, rig.path / "etc" / name, url=f"http://127.0.0.1:{server.port}", address=f"127.0.0.1:{server.port}")


# ---- Telegraf ----

def telegraf_key(metric, field):
    """As etc/telegraf.conf says it."""
    tags = [value for name, value in sorted(metric["tags"].items()) if name != "host"]
    host = [metric["tags"]["host"]] if "host" in metric["tags"] else []
    return re.sub(r"[^A-Za-z0-9._:-]", "_", ".".join([*host, metric["name"], *tags, field]))


def telegraf_samples():
    """(key, hour as in a path) -> values of the samples that the metrics are."""
    samples = {}
    for metric in json.loads((TELEGRAF / "metrics.json").read_text("utf-8")):
        for field, value in metric["fields"].items():
            if isinstance(value, dict):
                value = value.get("uint", value.get("int"))
            if value is None or isinstance(value, str) or len(telegraf_key(metric, field)) > 200:
                continue
            hour = metric["time"][:13].replace("T", "/")
            samples.setdefault((telegraf_key(metric, field), hour), []).append(float(value))
    return samples


def telegraf(tap, rig, server):
    template = re.search(r"batch_template = '''\n(.*?)'''", (SOURCE / "etc/telegraf.conf").read_text(), re.S).group(1)
    tap.equal(hashlib.sha256(template.encode()).hexdigest(), TEMPLATE_RECORDED, "the requests were recorded with the template of etc/")
    with Client(server.port) as client:
        def send(name):
            return client.raw((TELEGRAF / f"{name}.http").read_bytes())
        tap.equal([send("batch").status for _ in range(3)], [204] * 3, "a batch is taken, and again when Telegraf repeats it")
        refused = send("gzip")
        tap.ok(refused.status == 415 and b"Content-Encoding" in refused.body, "a compressed one is refused in so many words", str(refused))
        refused = send("json")
        tap.ok(refused.status == 400 and parsed(refused)["error"]["parameter"] == "metrics",
               "data_format = \"json\" without a template is refused in so many words", str(refused))
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 30, "all is folded")
    samples, made = telegraf_samples(), Collected()
    with Client(server.port) as client:
        for (key, hour), values in samples.items():
            response = client.get(f"/{key}/all/{hour}")
            answer = parsed(response)
            made.that(response.status == 200 and (answer["count"], answer["min"], answer["max"]) == (len(values), min(values), max(values)),
                      f"{key}: {values}, {answer}")
        made.report(tap, "each number of the batch is counted once, under its key and hour", 20)
        known = set(parsed(client.get("/-/keys"))["keys"])
        tap.equal(known, {key for key, _ in samples}, "and nothing else is")
    totals = rig.counters(server)
    tap.equal((totals["folded"], totals["duplicate"]), (sum(map(len, samples.values())), 2 * sum(map(len, samples.values()))),
              "what was sent again is known by its id")


# ---- Prometheus ----

def promtool(tap, name, *arguments, **more):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, **more)
    tap.ok(done.returncode == 0, f"promtool {name}", done.stdout + done.stderr)


class Prometheus:
    """Debian's, scraping with the configuration of etc/, but more often."""

    def __init__(self, rig):
        configuration = rig.path / "etc" / "prometheus.yml"
        often = configuration.read_text().replace("scrape_interval: 15s", "scrape_interval: 1s\n  evaluation_interval: 1s")
        configuration.write_text(often)
        while True:
            self.port = free_port()
            self.process = rig.daemon("prometheus", ["prometheus", f"--config.file={configuration}", "--log.level=warn",
                                                     f"--storage.tsdb.path={rig.path}/prometheus",
                                                     f"--web.listen-address=127.0.0.1:{self.port}"])
            until(lambda: self.ready() or not self.process.alive(), 30, "Prometheus is ready")
            if self.process.alive():
                return
            if "address already in use" not in self.process.log.read_text():
                raise RuntimeError(self.process.log.read_text())
            self.process.expected_end = True

    def ready(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).status == 200
        except OSError:
            return False

    def get(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as response:
            return json.load(response)["data"]

    def value(self, expression):
        """Of an expression with one result; None without any."""
        result = self.get("query", query=expression)["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]


def prometheus(tap, rig, server, prom):
    etc = rig.path / "etc"
    promtool(tap, "check config", "check", "config", etc / "prometheus.yml")
    shutil.copy(SOURCE / "tests/integration/prometheus-rules-test.yml", etc)
    promtool(tap, "test rules: each alert when it should, and not when it should not", "test", "rules", etc / "prometheus-rules-test.yml")
    with Client(server.port) as client:
        exposition = client.get("/-/metrics").body.decode()
    promtool(tap, "check metrics", "check", "metrics", input=exposition)
    until(lambda: prom.value('up{job="hourfold"}') == 1, 30, lambda: f"it scrapes: {prom.get('targets')}")
    with Client(server.port) as client:
        tap.equal(client.get("/collect?key=watched&value=1,2,3").status, 204, "three samples more")
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 30, "they are folded")
    folded = rig.counters(server)["folded"]
    until(lambda: prom.value("hourfold_samples_folded_total") == folded, 30, lambda: f"{folded} are seen: {prom.get('targets')}")
    tap.equal(prom.value("hourfold_samples_folded_total"), folded, "Prometheus counts as many samples as /-/health")
    tap.equal(prom.value("hourfold_collect_samples_accepted_total"), prom.value("hourfold_samples_accepted_total"),
              "and as many accepted by collect as read by the consumer")
    names = set(re.findall(r"^# TYPE (\S+)", exposition, re.M))
    with_samples = {name for name in names if re.search(rf"^{name}[ {{]", exposition, re.M)}
    tap.ok(with_samples <= set(prom.get("label/__name__/values")) and len(with_samples) > 20,
           f"it knows all {len(with_samples)} families of metrics", str(with_samples))
    until(lambda: all(rule["health"] != "unknown" for rule in prom.rules()), 30, "the rules are evaluated")
    tap.equal([(rule["health"], rule["state"]) for rule in prom.rules()], [("ok", "inactive")] * 5, "it has the alerts, and none is raised")
    prom.process.stop()


# ---- Grafana ----

class Grafana:
    """What the Infinity data source asks for a target of a panel, and what it makes of the answer."""

    def __init__(self, server, begin, end, variables, token=None):
        self.client = Client(server.port)
        self.begin, self.end, self.variables, self.token = begin, end, variables, token

    def time(self, name, form):
        moment = self.begin if name == "from" else self.end
        utc = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc)
        if not form:
            return str(round(moment * 1000))
        form = form.removeprefix("date:").removeprefix("date") or "iso"
        if form == "iso":
            return re.sub(r"\.?0*Z$", "Z", f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z")
        if form == "seconds":
            return str(int(moment))
        return utc.strftime(form.replace("YYYY", "%Y").replace("MM", "%m").replace("DD", "%d"))

    def replaced(self, text):
        text = re.sub(r"\$\{__(?:time)?(from|to):?(.*?)\}", lambda m: self.time(m[1].lower(), m[2]), text, flags=re.I)
        return re.sub(r"\$\{(\w+)(?::csv)?\}", lambda m: self.variables[m[1]], text)

    def ask(self, target):
        """The request of a target: Go's http.Client with the plugin's headers, and url.Values.Encode()."""
        options = target["url_options"]
        parameters = sorted((p["key"], self.replaced(p["value"])) for p in options.get("params", []))
        headers = {"User-Agent": "Grafana/12.1.0",
                   "Accept": {"json": "application/json;q=0.9,text/plain", "csv": "text/csv; charset=utf-8"}[target["type"]],
                   "Accept-Encoding": "gzip"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        assert options["method"] == "GET"
        return self.client.request("GET", f"{target['url']}?{urllib.parse.urlencode(parameters)}", headers)

    def rows(self, target):
        """The columns of a target, by their texts, as its types have them."""
        response = self.ask(target)
        if response.status != 200:
            raise RuntimeError(f"{target['url']}: {response}")
        if target["type"] == "csv":
            records = list(csv.DictReader(io.StringIO(response.body.decode())))
        else:
            records = json.loads(response.body)
        kinds = {"timestamp": moment_of, "string": str, "number": lambda v: None if v in (None, "") else float(v)}
        return [{c["text"]: kinds[c["type"]](record[c["selector"]]) for c in target["columns"]} for record in records]


def panels():
    board = json.loads((SOURCE / "etc/grafana-dashboard.json").read_text())
    return {panel["id"]: panel for panel in board["panels"]}, {v["name"]: v["query"]["infinityQuery"] for v in board["templating"]["list"]}


def grafana(tap, rig, server):
    filled_in(rig, server, "grafana-datasource.yml")
    source = (rig.path / "etc" / "grafana-datasource.yml").read_text()
    hour = int(time.time()) // 3600 * 3600 - 2 * 3600
    with Client(server.port) as client:
        for i in range(3):
            sent = client.get(f"/collect?key=graf.{'ab'[i % 2]}&value={i + 1},{i + 2}&ts={hour + 60 * i}")
            tap.equal(sent.status, 204, "two samples")
        health = re.search(r'customHealthCheckUrl: "http://127\.0\.0\.1:\d+(.*)"', source).group(1)
        tap.equal(client.get(health).status, 200, "the data source's own check succeeds")
    moment = time.time()
    until(lambda: rig.as_of(server) > moment, 30, "all is folded")
    boards, variables = panels()
    begin = hour - 3600 + 0.25  # in the midst of nothing, as "now-24h" is
    asker = Grafana(server, begin, hour + 7200.5, {"key": "graf.a,graf.b", "spiky": "graf.a"})
    for name, query in variables.items():
        tap.ok({"graf.a", "graf.b"} <= {row["key"] for row in asker.rows(query)}, f"the variable {name} lists the keys")
    truth = {("graf.a", "median"): 2.5, ("graf.a", "p99"): 4.0, ("graf.a", "min"): 1.0, ("graf.a", "max"): 4.0, ("graf.a", "count"): 4.0,
             ("graf.b", "median"): 2.5, ("graf.b", "p99"): 3.0, ("graf.b", "min"): 2.0, ("graf.b", "max"): 3.0, ("graf.b", "count"): 2.0}
    seen = {}
    for panel in boards.values():
        for target in panel["targets"]:
            rows = asker.rows(target)
            if target["url"] != "/-/series":
                tap.equal(rows, [], f"{panel['title']}: none")
                continue
            stat = target["columns"][-1]["text"]
            seen.update({(row["key"], stat): row[stat] for row in rows if row["time"] == hour})
            tap.equal([row["time"] for row in rows], [hour, hour + 3600, hour + 7200] * 2, f"{panel['title']}, {stat}: the hours of both keys")
    tap.equal(seen, truth, "the panels show what was sent")
    forms(tap, server, boards[1]["targets"][0], hour)


def forms(tap, server, target, hour):
    """Each form in which Grafana writes a time asks for the same."""
    day = hour // 86400 * 86400
    asker = Grafana(server, day, day + 86400, {"key": "graf.*"})
    answers = {}
    for name in ("", "time"):
        for form in ("", ":date", ":date:iso", ":date:seconds", ":date:YYYY-MM-DD"):
            params = [{"key": "from", "value": f"${{__{name}{'F' if name else 'f'}rom{form}}}"},
                      {"key": "to", "value": f"${{__{name}{'T' if name else 't'}o{form}}}"},
                      {"key": "key", "value": "${key}"}, {"key": "stat", "value": "max"}]
            rows = asker.rows({**target, "url_options": {"method": "GET", "params": params},
                               "columns": target["columns"][:2]})
            answers[name + form] = [(row["time"], row["key"]) for row in rows]
    expected = [(day + 3600 * i, key) for key in ("graf.a", "graf.b") for i in range(24)]
    tap.ok(all(rows == expected for rows in answers.values()), "every form of a time that Grafana has is understood",
           str({form: len(rows) for form, rows in answers.items()}))


def with_token(tap):
    """Behind a view: the token as the data source sends it."""
    token = "grafana-s0-secret"
    with Rig(tap, {"view.grafana.keys": "graf.*", "view.grafana.stats": "*",
                   "view.grafana.token_sha256": hashlib.sha256(token.encode()).hexdigest()}) as rig:
        server, = rig.start("lighttpd")
        with Client(server.port) as client:
            client.get("/collect?key=graf.a&value=7")
            client.get("/collect?key=other&value=7")
        moment = time.time()
        until(lambda: rig.as_of(server) > moment, 30, "all is folded")
        boards, variables = panels()
        now = time.time()
        asker = Grafana(server, now - 7200, now, {"key": "*", "spiky": "graf.a"}, token)
        tap.equal({row["key"] for row in asker.rows(variables["key"])}, {"graf.a"}, "with a token the variable lists the view's keys")
        tap.equal({row["key"] for row in asker.rows(boards[1]["targets"][0])}, {"graf.a"}, "and panels show them alone")
        asker.token = None
        tap.equal(asker.ask(boards[1]["targets"][0]).status, 401, "without one they show nothing")


def main(tap):
    absent = missing("nats-server", "lighttpd", "prometheus")
    if absent:
        tap.skip("clients", f"{absent} is not installed")
        return
    # The samples that were recorded are of a day that lies ever farther back.
    with Rig(tap, {"collect.max_age": "3650d"}) as rig:
        server, = rig.start("lighttpd")
        filled_in(rig, server, "prometheus.yml", "prometheus-rules.yml")
        prom = Prometheus(rig)  # it takes 5 seconds to its first scrape
        telegraf(tap, rig, server)
        grafana(tap, rig, server)
        prometheus(tap, rig, server, prom)
    with_token(tap)


if __name__ == "__main__":
    with Tap() as tap_output:
        main(tap_output)
