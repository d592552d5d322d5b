# SPDX-License-Identifier: Apache-2.0
"""A table of requests, most of them bad, through each web server: the same status, code and named parameter everywhere, or a
difference that the table documents; and nothing of a refused request is stored."""
import gzip
import hashlib
import json
import time

import web
from bad_input_table import KNOWN, NOW, TABLE
from client import Client, HttpError
from rig import SOURCE, Rig, missing, until
from tap import Collected, Tap

SERVERS = ("lighttpd", "mod_fcgid", "mod_proxy_fcgi")


def row_of(row):
    method, target, headers, body, answer, *rest = row
    return method, target, headers, body, answer, rest[0] if rest else {}


def check(made, kind, response, row):
    """One answer against its row."""
    method, target, headers, body, (status, *wanted), own = row_of(row)
    what = f"{kind}: {method} {target[:120]} {headers} {(body or b'')[:80]}"
    for server in (kind, "apache" if kind != "lighttpd" else kind):
        if server in own:
            made.that(response.status == own[server], f"{what}: {own[server]} of the web server's own expected, {response}")
            return
    if not made.that(response.status == status, f"{what}: {status} expected, {response}"):
        return
    if target.startswith("/collect"):
        made.that(response.headers.get("cache-control") == "no-store"
                  and response.headers.get("access-control-allow-origin") == "*", f"{what}: {response}")
    if status < 400:
        return
    try:
        error = json.loads(response.body)["error"]
    except (ValueError, KeyError):
        made.that(False, f"{what}: no JSON error, {response}")
        return
    code, parameter = wanted
    made.that(response.headers["content-type"].startswith("application/json") and error["message"].strip(), f"{what}: {response}")
    made.that(code in (None, error["code"]), f"{what}: {code} expected, {error}")
    made.that(parameter is None or error.get("parameter", "") == parameter, f"{what}: parameter {parameter!r} expected, {error}")
    if status == 405:
        made.that({"GET", "POST"} & set(response.headers.get("allow", "").split(", ")), f"{what}: {response}")


def run_table(tap, server):
    """Send the whole table; return how many of its requests were to be kept."""
    made = Collected()
    kept = 0
    for row in TABLE:
        method, target, headers, body, answer, _ = row_of(row)
        with Client(server.port, timeout=15) as client:
            try:
                check(made, server.kind, client.request(method, target, {"Connection": "close", **headers}, body), row)
            except HttpError as error:
                made.that(False, f"{server.kind}: {method} {target[:120]} {headers} {(body or b'')[:80]}: {error}")
        kept += answer[0] == 204
    made.report(tap, f"{server.kind}: {len(TABLE)} requests are answered as the table says", len(TABLE))
    return kept


def accepted_after(rig, server):
    """The samples accepted once a further one, the last, has been counted."""
    with Client(server.port) as client:
        sent = client.get("/collect?key=bad_input.last&value=1")
    moment = time.time()
    if sent.status != 204:
        return f"the last sample was refused: {sent}"
    until(lambda: rig.as_of(server) > moment, 30, "the last sample is folded")
    return rig.counters(server)["accepted"]


def preflight(tap, server):
    """CORS, as a browser asks."""
    with Client(server.port) as client:
        for target in ("/collect", "/collect/collectd", KNOWN):
            response = client.request("OPTIONS", target, {
                "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type"})
            tap.ok(response.status in (200, 204) and response.headers.get("access-control-allow-origin") == "*"
                   and response.headers.get("access-control-allow-methods"), f"{server.kind}: preflight of {target[:17]}",
                   str(response))


def pages(tap, server):
    """The pages for browsers come whole and compressed, are asked for again only when they changed, and nothing beside them is there."""
    made = Collected()
    with Client(server.port) as client:
        for file in sorted((SOURCE / "fcgi" / "pages").iterdir()):
            target = "/-/" + file.name.replace("index.html", "")
            plain, packed = client.get(target), client.get(target, Accept_Encoding="deflate, gzip")
            body = gzip.decompress(packed.body) if packed.headers.get("content-encoding") == "gzip" else packed.body
            made.that(plain.status == 200 and plain.body == file.read_bytes() == body, f"{target}: {plain}")
            made.that("default-src 'none'" in plain.headers.get("content-security-policy", "")
                      and plain.headers.get("x-content-type-options") == "nosniff", f"{target}: {plain.headers}")
            again = client.get(target, If_None_Match=plain.headers.get("etag"), Accept_Encoding="gzip")
            made.that(again.status == 304 and not again.body, f"{target}: again: {again}")
        made.that(client.request("HEAD", "/-/").headers.get("content-type") == "text/html; charset=utf-8", "HEAD")
        made.that(client.get("/").headers.get("location") == "-/", "where / leads")
    made.report(tap, f"{server.kind}: the pages are served", 30)


def present(tap):
    kinds = []
    for kind in SERVERS:
        absent = missing("nats-server", *web.KINDS[kind].needs)
        if absent:
            tap.skip(f"bad input through {kind}", f"{absent} is not installed")
        else:
            kinds.append(kind)
    return kinds


def open_to_all(tap, kinds):
    with Rig(tap) as rig:
        servers = rig.start(*kinds)
        with Client(servers[0].port) as client:
            client.get(f"/collect?key=bad_input.known&value=1&ts={NOW - 7200}")
        accepted = 1
        for server in servers:
            count = accepted_after(rig, server)
            accepted += 1
            tap.equal(count, accepted, f"{server.kind}: a sample is counted")
            kept = run_table(tap, server)
            accepted += kept + 1
            tap.equal(accepted_after(rig, server), accepted,
                      f"{server.kind}: the {kept} controls are counted and nothing of what was refused is")
            preflight(tap, server)
            pages(tap, server)
        with Client(servers[0].port) as client:
            keys = json.loads(client.get("/-/keys?limit=1000").body)["keys"]
        expected = ("0", "key", "k" * 200, "bad_input.known", "bad_input.last")
        tap.ok(all(key.startswith("control") or key in expected for key in keys), "no key of a refused request is known",
               str(keys))


# What each request is answered: without a token, with one nobody knows, with the senders', and with the view's.
GUARDED = [
    ("GET", "/collect?key=seen.{kind}&value=1&ts={when}", None, (401, 401, 204, 403)),
    ("GET", "/collect?data=%7B%22seen.{kind}%22:1%7D", None, (401, 401, 204, 403)),
    ("POST", "/collect", b'{"seen.{kind}":1}', (401, 401, 204, 403)),
    ("POST", "/collect/collectd", b"[]", (401, 401, 204, 403)),
    ("GET", "/collect?key=&value=", None, (401, 401, 400, 403)),
    ("GET", "/seen.{kind}/median/{hour}", None, (401, 401, 401, 200)),
    ("HEAD", "/seen.{kind}/count/{hour}", None, (401, 401, 401, 200)),
    ("GET", "/seen.{kind}/count/{hour}?by=minute", None, (401, 401, 401, 200)),
    ("GET", "/seen.{kind}/count/{day}?format=csv", None, (401, 401, 401, 200)),
    ("GET", "/seen.{kind}/max/{hour}", None, (401, 401, 401, 403)),
    ("GET", "/seen.{kind}/all/{hour}", None, (401, 401, 401, 403)),
    ("GET", "/seen.none/median/{hour}", None, (401, 401, 401, 404)),
    ("GET", "/hidden.{kind}/median/{hour}", None, (401, 401, 401, 403)),
    ("GET", "/hidden.none/median/{hour}", None, (401, 401, 401, 403)),
    ("GET", "/-/series?key=seen.*&stat=count&from={day}&to={next}", None, (401, 401, 401, 200)),
    ("GET", "/-/series?key=seen.*&stat=max&from={day}&to={next}", None, (401, 401, 401, 403)),
    ("GET", "/-/series?key=hidden.{kind}&stat=count&from={day}&to={next}", None, (401, 401, 401, 404)),
    ("GET", "/-/series?key=hidden.none&stat=count&from={day}&to={next}", None, (401, 401, 401, 404)),
    ("GET", "/-/spikes?key=seen.{kind}&date={day}", None, (401, 401, 401, 403)),
    ("GET", "/-/spikes?key=hidden.{kind}&date={day}", None, (401, 401, 401, 403)),
    ("GET", "/-/keys", None, (401, 401, 401, 200)),
    ("GET", "/-/keys?prefix=hidden", None, (401, 401, 401, 200)),
]
# Pairs of requests that must not be told apart by who may not see their keys.
ALIKE = (("/seen.{kind}/median/{hour}", "/seen.none/median/{hour}"), ("/hidden.{kind}/median/{hour}", "/hidden.none/median/{hour}"),
         ("/-/series?key=hidden.{kind}&stat=count&from={day}&to={next}", "/-/series?key=hidden.none&stat=count&from={day}&to={next}"))


def visible(response):
    """All of an answer but its date."""
    return response.status, {n: v for n, v in response.headers.items() if n != "date"}, response.body


def behind_tokens(tap, kinds):
    """Tokens get through each web server, what they do not open stays shut, and they are found nowhere afterwards."""
    tokens = {name: name * 11 for name in ("wrong", "send", "look")}
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in tokens.items()}
    options = {"collect.token_sha256": digests["send"], "view team.keys": "seen.*", "view team.stats": "median, count",
               "view team.token_sha256": digests["look"]}
    hour = time.strftime("%Y-%m-%d/%H", time.gmtime(NOW - 7200))
    following = time.strftime("%Y-%m-%d", time.gmtime(NOW - 7200 + 86400))
    answered = []
    with Rig(tap, options) as rig:
        servers = rig.start(*kinds)
        for server in servers:
            made = Collected()

            def ask(target, who, method="GET", body=None):
                target = target.format(kind=server.kind, hour=hour, day=hour[:10], next=following, when=NOW - 7200)
                headers = {"Authorization": f"Bearer {tokens[who]}"} if who else {}
                if body is not None:
                    headers["Content-Type"] = "application/json"
                    body = body.replace(b"{kind}", server.kind.encode())
                with Client(server.port) as client:
                    response = client.request(method, target, headers, body)
                answered.append(repr(visible(response)))
                return response

            made.that(ask("/collect?key=hidden.{kind}&value=1&ts={when}", "send").status == 204, "a hidden sample")
            made.that(ask("/collect?key=seen.{kind}&value=1&ts={when}", "send").status == 204, "a visible sample")
            moment = time.time()
            until(lambda: rig.as_of(server) > moment, 30, "the samples are folded")
            for method, target, body, expected in GUARDED:
                for who, status in zip((None, "wrong", "send", "look"), expected):
                    response = ask(target, who, method, body)
                    code = {401: b'"unauthorized"', 403: b'"forbidden"'}.get(status, b"")
                    made.that(response.status == status and (method == "HEAD" or code in response.body),
                              f"{method} {target} with {who}: {status} expected, {response}")
            for who in tokens:
                for target in ("/seen.{kind}/median/{hour}?token=", "/collect?key=seen.{kind}&value=1&token="):
                    made.that(ask(target + tokens[who], None).status == 401, f"{who} in the URL")
            for known, unknown in ALIKE:
                for who in (None, "wrong", "send") + (("look",) if "hidden" in known else ()):
                    made.that(visible(ask(known, who)) == visible(ask(unknown, who)), f"{known} and {unknown} with {who}")
            keys = json.loads(ask("/-/keys", "look").body)["keys"]
            made.that(f"seen.{server.kind}" in keys and all(key.startswith("seen.") for key in keys), f"listed: {keys}")
            made.report(tap, f"{server.kind}: tokens open what they are for, and nothing else", 4 * len(GUARDED) + 15)
        rig.stop()
        found = [f"{path}: {name}" for path in rig.path.rglob("*") if path.is_file() and path.parent.name != "etc"
                 for name in tokens if tokens[name].encode() in path.read_bytes()]
        tap.ok(not found, "no token is in a log, in the stream, in the store or in any other file", "\n".join(found))
        leaked = [text for text in answered if any(token in text for token in [*tokens.values(), *digests.values()])]
        tap.ok(len(answered) > 50 and not leaked, f"nor in any of {len(answered)} answers", "\n".join(leaked[:5]))


def main(tap):
    kinds = present(tap)
    if kinds:
        open_to_all(tap, kinds)
        behind_tokens(tap, kinds)


if __name__ == "__main__":
    with Tap() as tap_output:
        tap_output.note(f"{len(TABLE)} requests in the table")
        main(tap_output)
