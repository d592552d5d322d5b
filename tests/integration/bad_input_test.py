# SPDX-License-Identifier: Apache-2.0
"""A table of requests, most of them bad, through each web server: the same status, code and named parameter everywhere, or a
difference that the table documents; and nothing of a refused request is stored."""
import hashlib
import json
import time

import web
from bad_input_table import KNOWN, NOW, TABLE
from client import Client, HttpError
from rig import Rig, missing, until
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
        with Client(servers[0].port) as client:
            keys = json.loads(client.get("/-/keys?limit=1000").body)["keys"]
        expected = ("0", "key", "k" * 200, "bad_input.known", "bad_input.last")
        tap.ok(all(key.startswith("control") or key in expected for key in keys), "no key of a refused request is known",
               str(keys))


def behind_tokens(tap, kinds):
    """Tokens get through each web server, and what they do not open stays shut."""
    tokens = {name: name * 11 for name in ("send", "look")}
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in tokens.items()}
    options = {"collect.token_sha256": digests["send"], "view team.keys": "seen.*", "view team.stats": "median, count",
               "view team.token_sha256": digests["look"]}
    hour = time.strftime("%Y-%m-%d/%H", time.gmtime(NOW - 7200))
    with Rig(tap, options) as rig:
        for server in rig.start(*kinds):
            made = Collected()

            def ask(target, token, status, code=None):
                with Client(server.port) as client:
                    response = client.get(target, **({"Authorization": f"Bearer {token}"} if token else {}))
                right = response.status == status and (code is None or json.loads(response.body)["error"]["code"] == code)
                made.that(right, f"{target} with {token}: {status} {code} expected, {response}")
                return response

            sample = f"/collect?key=seen.{server.kind}&value=1&ts={NOW - 7200}"
            ask(sample, None, 401, "unauthorized")
            ask(sample, tokens["look"], 403)
            ask(sample + f"&token={tokens['send']}", None, 401, "unauthorized")
            ask(sample, tokens["send"], 204)
            answer = f"/seen.{server.kind}/median/{hour}"
            until(lambda: ask_quietly(server, answer, tokens["look"]) == 200, 30, "the sample is folded")
            ask(answer, tokens["look"], 200)
            ask(answer, None, 401, "unauthorized")
            ask(answer, "wrong", 401, "unauthorized")
            ask(answer, tokens["send"], 401, "unauthorized")
            ask(answer + f"?token={tokens['look']}", None, 401, "unauthorized")
            ask(f"/seen.{server.kind}/max/{hour}", tokens["look"], 403, "forbidden")
            ask(f"/hidden/median/{hour}", tokens["look"], 403, "forbidden")
            made.report(tap, f"{server.kind}: tokens open what they are for, and nothing else", 11)


def ask_quietly(server, target, token):
    with Client(server.port) as client:
        return client.get(target, Authorization=f"Bearer {token}").status


def main(tap):
    kinds = present(tap)
    if kinds:
        open_to_all(tap, kinds)
        behind_tokens(tap, kinds)


if __name__ == "__main__":
    with Tap() as tap_output:
        tap_output.note(f"{len(TABLE)} requests in the table")
        main(tap_output)
