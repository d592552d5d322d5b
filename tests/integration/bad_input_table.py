# SPDX-License-Identifier: Apache-2.0
"""The table of bad_input_test.py: requests and what is answered to them.

A row is (method, target, headers, body, answer) or the same with a sixth member: what a web server answers by itself before
hourfold sees the request, {"lighttpd": 431, "apache": 414}. An answer is (status, code, parameter); a parameter of None is not
looked at, "" must be absent. (204,) is a control: a request that has to be kept, of one sample.
"""
import time

NOW = int(time.time())
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODY_MAX = 1024 * 1024
SAMPLES_MAX = 10_000
KEPT = (204,)


def by_get(query, *answer, own=None):
    return ("GET", f"/collect?{query}", {}, None, answer, own or {})


def by_post(body, *answer, headers=JSON, target="/collect", own=None):
    return ("POST", target, headers, body if isinstance(body, bytes) else body.encode(), answer, own or {})


def collectd(body, *answer):
    return by_post(body, *answer, target="/collect/collectd")


def beacon(form, *answer, own=None):
    return ("GET", f"/collect/boomerang?{form}", {}, None, answer, own or {})


def query(target, *answer, headers=None, own=None):
    return ("GET", target, headers or {}, None, answer, own or {})


def one_value(**changes):
    """A value list of collectd, changed: None takes a member out."""
    fields = {"values": "[1]", "dstypes": '["gauge"]', "dsnames": '["value"]', "time": str(NOW), "interval": "10",
              "host": '"h"', "plugin": '"load"', "plugin_instance": '""', "type": '"load"', "type_instance": '""', **changes}
    return "[{" + ",".join(f'"{name}":{text}' for name, text in fields.items() if text is not None) + "}]"


KEYS = [
    by_get("value=1", 400, "missing_parameter", "key"),
    by_get("key=&value=1", 400, "bad_key", "key"),
    by_get("key&value=1", 400, "bad_key", "key"),
    by_get("key=collect&value=1", 400, "bad_key", "key"),
    by_get("key=.a&value=1", 400, "bad_key", "key"),
    by_get("key=-&value=1", 400, "bad_key", "key"),
    by_get("key=_a&value=1", 400, "bad_key", "key"),
    by_get("key=:a&value=1", 400, "bad_key", "key"),
    by_get("key=a+b&value=1", 400, "bad_key", "key"),
    by_get("key=a%20b&value=1", 400, "bad_key", "key"),
    by_get("key=a/b&value=1", 400, "bad_key", "key"),
    by_get("key=a%2Fb&value=1", 400, "bad_key", "key"),
    by_get("key=a%00b&value=1", 400, "bad_key", "key", own={"lighttpd": 400}),
    by_get("key=a%0Ab&value=1", 400, "bad_key", "key", own={"lighttpd": 400}),
    by_get("key=%C3%A9t%C3%A9&value=1", 400, "bad_key", "key"),
    by_get("key=a%ff&value=1", 400, "bad_key", "key", own={"lighttpd": 400}),
    by_get("key=a%&value=1", 400, "bad_key", "key"),
    by_get("key=a%4&value=1", 400, "bad_key", "key"),
    by_get("key=a%zz&value=1", 400, "bad_key", "key"),
    by_get("key=a;b&value=1", 400, "bad_key", "key"),
    by_get("key=a'b&value=1", 400, "bad_key", "key"),
    by_get("key=a$b&value=1", 400, "bad_key", "key"),
    by_get("key=a*&value=1", 400, "bad_key", "key"),
    by_get("key=" + "k" * 201 + "&value=1", 400, "bad_key", "key"),
    by_get("key=" + "k" * 4000 + "&value=1", 400, "bad_key", "key"),
    by_get("key=a&key=a&value=1", 400, None, "key"),
    by_get("Key=a&value=1", 400, "missing_parameter", "key"),
    by_get("%6Bey=control.encoded-name&value=1", *KEPT),
    by_get("key=" + "k" * 200 + "&value=1", *KEPT),
    by_get("key=0&value=1", *KEPT),
    by_get("key=control:A-z_9.x&value=1", *KEPT),
    by_get("other=x&key=control.other&value=1&&=", *KEPT),
]

VALUES = [
    by_get("key=a", 400, "missing_parameter", "value"),
    by_get("", 400, "missing_parameter", None),
    ("GET", "/collect", {}, None, (400, "missing_parameter", None)),
    by_get("key=a&value=", 400, "bad_value", "value"),
    by_get("key=a&value", 400, "bad_value", "value"),
    by_get("key=a&value=x", 400, "bad_value", "value"),
    by_get("key=a&value=1x", 400, "bad_value", "value"),
    by_get("key=a&value=1%00", 400, "bad_value", "value", own={"lighttpd": 400}),
    by_get("key=a&value=1+", 400, "bad_value", "value"),
    by_get("key=a&value=0x10", 400, "bad_value", "value"),
    by_get("key=a&value=0X1p3", 400, "bad_value", "value"),
    by_get("key=a&value=nan", 400, "bad_value", "value"),
    by_get("key=a&value=NaN(1)", 400, "bad_value", "value"),
    by_get("key=a&value=inf", 400, "bad_value", "value"),
    by_get("key=a&value=-Infinity", 400, "bad_value", "value"),
    by_get("key=a&value=1e309", 400, "bad_value", "value"),
    by_get("key=a&value=-1e400", 400, "bad_value", "value"),
    by_get("key=a&value=1e", 400, "bad_value", "value"),
    by_get("key=a&value=.", 400, "bad_value", "value"),
    by_get("key=a&value=--1", 400, "bad_value", "value"),
    by_get("key=a&value=1_000", 400, "bad_value", "value"),
    by_get("key=a&value=1%2C000.5,x", 400, "bad_value", "value"),
    by_get("key=a&value=1,", 400, "bad_value", "value"),
    by_get("key=a&value=,1", 400, "bad_value", "value"),
    by_get("key=a&value=1,,2", 400, "bad_value", "value"),
    by_get("key=a&value=1,nan,2", 400, "bad_value", "value"),
    by_get("key=a&value=1;2", 400, "bad_value", "value"),
    by_get("key=a&value=%D9%A1", 400, "bad_value", "value"),
    by_get("key=a&value=1&value=2", 400, None, "value"),
    by_get("key=a&value=" + "1" * 1300, 400, "bad_value", "value"),
    by_get("key=control.point&value=.5e-3", *KEPT),
    by_get("key=control.plus&value=%2B7.", *KEPT),
    by_get("key=control.small&value=1e-999", *KEPT),
    by_get("key=control.great&value=1.7976931348623157e308", *KEPT),
]

TIMES = [
    by_get("key=a&value=1&ts=", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=now", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=nan", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=0x60000000", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=12:00", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=2026-11-23", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=2026-11-23T18:30:00", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=2026-02-30T18:30:00Z", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=2026-11-23T25:00:00Z", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=2026-11-23T18:30:00%2B1:00", 400, "bad_timestamp", "ts"),
    by_get(f"key=a&value=1&ts={NOW}s", 400, "bad_timestamp", "ts"),
    by_get("key=a&value=1&ts=0", 400, "timestamp_out_of_range", "ts"),
    by_get("key=a&value=1&ts=-1", 400, "timestamp_out_of_range", "ts"),
    by_get("key=a&value=1&ts=1e300", 400, "timestamp_out_of_range", "ts"),
    by_get("key=a&value=1&ts=1970-01-01T00:00:00Z", 400, "timestamp_out_of_range", "ts"),
    by_get("key=a&value=1&ts=9999-12-31T23:59:59Z", 400, "timestamp_out_of_range", "ts"),
    by_get(f"key=a&value=1&ts={NOW * 1000}", 400, "timestamp_out_of_range", "ts"),
    by_get(f"key=a&value=1&ts={NOW - 31 * 86400 - 3600}", 400, "timestamp_out_of_range", "ts"),
    by_get(f"key=a&value=1&ts={NOW + 3600}", 400, "timestamp_out_of_range", "ts"),
    by_get(f"key=a&value=1&ts={NOW}&ts={NOW}", 400, None, "ts"),
    by_get(f"key=control.skew&value=1&ts={NOW + 300}", *KEPT),
    by_get(f"key=control.old&value=1&ts={NOW - 30 * 86400}.75", *KEPT),
]

IDS = [
    by_get("key=a&value=1&id=", 400, "bad_id", "id"),
    by_get("key=a&value=1&id=" + "i" * 65, 400, "bad_id", "id"),
    by_get("key=a&value=1&id=a%09b", 400, "bad_id", "id", own={"lighttpd": 400}),
    by_get("key=a&value=1&id=%7F", 400, "bad_id", "id", own={"lighttpd": 400}),
    by_get("key=a&value=1&id=%C3%A9", 400, "bad_id", "id"),
    by_get("key=a&value=1,2&id=x", 400, "bad_id", "id"),
    by_get("key=a&value=1&id=x&id=x", 400, None, "id"),
    by_get("key=control.id&value=1&id=%20~" + "i" * 62, *KEPT),
]

DATA = [
    by_get("data=", 400, "bad_json", "data"),
    by_get("data=%7B", 400, "bad_json", "data"),
    by_get("data=%7B%7D", 400, "bad_json", "data"),
    by_get("data=1", 400, "bad_json", "data"),
    by_get("data=%zz", 400, "bad_json", "data"),
    by_get("data=%7B%22a%22:1%7D&key=a", 400, None, None),
    by_get("data=%7B%22a%22:1%7D&data=%7B%22a%22:1%7D", 400, None, "data"),
    by_get("data=%7B%22a%20b%22:1%7D", 400, "bad_key", "a b"),
    by_get("data=%7B%22a%22:%22x%22%7D", 400, "bad_value", "a"),
    by_get("data=%7B%22control.data%22:1%7D", *KEPT),
]

BODIES = [
    by_post("", 400, "bad_json", None),
    by_post(" ", 400, "bad_json", None),
    by_post("null", 400, "bad_json", None),
    by_post("1", 400, "bad_json", None),
    by_post('"a"', 400, "bad_json", None),
    by_post("{}", 400, "bad_json", None),
    by_post("[]", 400, "bad_json", None),
    by_post("[1]", 400, "bad_json", None),
    by_post("[[]]", 400, "bad_json", None),
    by_post("{", 400, "bad_json", None),
    by_post('{"a":1', 400, "bad_json", None),
    by_post('{"a":1}}', 400, "bad_json", None),
    by_post('{"a":1} x', 400, "bad_json", None),
    by_post('{"a":1}\0', 400, "bad_json", None),
    by_post('\ufeff{"a":1}', 400, "bad_json", None),
    by_post('{"a":1,}', 400, "bad_json", None),
    by_post("{'a':1}", 400, "bad_json", None),
    by_post("{a:1}", 400, "bad_json", None),
    by_post('{"a":01}', 400, None, None),
    by_post('{"a":1.}', 400, None, None),
    by_post('{"a":.5}', 400, None, None),
    by_post('{"a":+1}', 400, None, None),
    by_post('{"a":NaN}', 400, None, None),
    by_post('{"a":Infinity}', 400, None, None),
    by_post('{"a":0x10}', 400, None, None),
    by_post('{"a":1e400}', 400, "bad_value", "a"),
    by_post('{"a":"1"}', 400, "bad_value", "a"),
    by_post('{"a":true}', 400, "bad_value", "a"),
    by_post('{"a":null}', 400, "bad_value", "a"),
    by_post('{"a":{"b":1}}', 400, "bad_value", "a"),
    by_post('{"a":[[1]]}', 400, "bad_value", "a"),
    by_post('{"a":[1,"2"]}', 400, "bad_value", "a"),
    by_post('{"a":[1,null]}', 400, "bad_value", "a"),
    by_post('{"a":[]}', 400, None, None),
    by_post('{"a":1,"a":2}', 400, "bad_json", "a"),
    by_post('{"a":1,"\\u0061":2}', 400, "bad_json", "a"),
    by_post('{"":1}', 400, "bad_key", ""),
    by_post('{"a/b":1}', 400, "bad_key", "a/b"),
    by_post('{"a\\u0000b":1}', 400, "bad_key", None),
    by_post('{"collect":1}', 400, "bad_key", "collect"),
    by_post('{"\\ud800":1}', 400, "bad_json", None),
    by_post(b'{"\xc3(":1}', 400, "bad_json", None),
    by_post(b'{"\xed\xa0\x80":1}', 400, "bad_json", None),
    by_post('{"a\tb":1}', 400, "bad_json", None),
    by_post('{"a":1}// it', 400, "bad_json", None),
    by_post('{"a":1 /* it */}', 400, "bad_json", None),
    by_post('{"a":' + "[" * 100000, 400, None, None),
    by_post("[" * 100000, 400, "bad_json", None),
    by_post('{"' + "k" * 201 + '":1}', 400, "bad_key", None),
    by_post('{"key":"a"}', 400, "missing_parameter", "value"),
    by_post('[{"value":1}]', 400, "missing_parameter", "key"),
    by_post('[{"key":"a"}]', 400, "missing_parameter", "value"),
    by_post('{"key":"a b","value":1}', 400, "bad_key", "key"),
    by_post('[{"key":1,"value":1}]', 400, "bad_key", "key"),
    by_post('{"key":"a","value":"1"}', 400, "bad_value", "value"),
    by_post('{"key":"a","value":null}', 400, "bad_value", "value"),
    by_post('{"key":"a","value":1,"ts":"yesterday"}', 400, "bad_timestamp", "ts"),
    by_post('{"key":"a","value":1,"ts":true}', 400, "bad_timestamp", "ts"),
    by_post('{"key":"a","value":1,"ts":0}', 400, "timestamp_out_of_range", "ts"),
    by_post('{"key":"a","value":1,"ts":1e999}', 400, "timestamp_out_of_range", "ts"),
    by_post('{"key":"a","value":1,"id":1}', 400, "bad_id", "id"),
    by_post('{"key":"a","value":1,"id":""}', 400, "bad_id", "id"),
    by_post('{"key":"a","value":1,"id":"\\n"}', 400, "bad_id", "id"),
    by_post('{"key":"a","value":1,"value":2}', 400, "bad_json", "value"),
    by_post('{"key":"a","value":1,"unit":"ms"}', 400, "bad_json", "unit"),
    by_post('[{"key":"a","value":1},{"key":"b","value":"x"}]', 400, "bad_value", "value"),
    by_post('[{"key":"a","value":1},2]', 400, "bad_json", None),
    by_post('[{"key":"a","value":1}', 400, "bad_json", None),
    by_post("{\"a\":[" + "1," * SAMPLES_MAX + "1]}", 400, "too_many_samples", None),
    by_post('{"a":1,"b":"x"}', 400, "bad_value", "b", headers=TEXT),
    by_post('{"control.text":1}', *KEPT, headers=TEXT),
    by_post('{"control.type":1}', *KEPT, headers={"Content-Type": "Application/JSON ; charset=UTF-8"}),
    by_post('\r\n\t {"control.space" : 1 }\n', *KEPT),
    by_post('{"key":1}', *KEPT),
    by_post('[{"key":"control.object","value":1,"ts":%d,"id":"x"}]' % NOW, *KEPT),
]

COLLECTD = [
    collectd("", 400, "bad_json", None),
    collectd("{}", 400, "bad_json", None),
    collectd("[1]", 400, "bad_json", None),
    collectd('[{"values":[1]}]', 400, None, None),
    collectd(one_value(values=None), 400, None, "values"),
    collectd(one_value(values='["x"]'), 400, "bad_value", "values"),
    collectd(one_value(values="[1,2]"), 400, None, None),
    collectd(one_value(values="[1e999]"), 400, "bad_value", "values"),
    collectd(one_value(dsnames=None), 400, None, "dsnames"),
    collectd(one_value(dsnames="[1]"), 400, None, "dsnames"),
    collectd(one_value(host=None), 400, None, "host"),
    collectd(one_value(host="1"), 400, None, "host"),
    collectd(one_value(plugin=None), 400, None, "plugin"),
    collectd(one_value(type=None), 400, None, "type"),
    collectd(one_value(time='"now"'), 400, "bad_timestamp", "time"),
    collectd(one_value(time="1"), 400, "timestamp_out_of_range", "time"),
    collectd(one_value(host='"h","host":"h"'), 400, "bad_json", "host"),
    collectd(one_value()[:-1], 400, "bad_json", None),
    collectd(one_value(host='"' + "h" * 200 + '"'), 400, "bad_key", None),
    collectd(one_value(plugin_instance="null"), 400, None, "plugin_instance"),
    collectd(one_value(host='"control d"'), *KEPT),
]

# What cannot be a value is dropped alone, so little is refused.
BOOMERANG = [
    beacon("", 400, "missing_parameter", "site"),
    beacon("u=%2Fx&t_done=1", 400, "missing_parameter", "site"),
    beacon("site=_x&t_done=1", 400, "bad_key", "site"),
    beacon("site=" + "x" * 101 + "&t_done=1", 400, "bad_key", "site"),
    beacon("site=a&t_done=1&t_done=2", 400, "bad_value", "t_done"),
    beacon("site=control&t_page=-1&t_resp=1", *KEPT),
    by_post("site=control&t_resp=1", *KEPT, headers=FORM, target="/collect/boomerang"),
    by_post("{}", 415, "unsupported_type", None, target="/collect/boomerang"),
    ("PUT", "/collect/boomerang", FORM, b"site=a", (405, "method_not_allowed", None)),
]

REQUESTS = [
    by_post('{"a":1}', 415, "unsupported_type", None, headers={"Content-Type": "application/xml"}),
    by_post('{"a":1}', 415, "unsupported_type", None, headers={"Content-Type": "application/jsonx"}),
    by_post("key=a&value=1", 415, "unsupported_type", None, headers=FORM),
    by_post('{"a":1}', 415, "unsupported_type", None, headers={"Content-Type": "multipart/form-data; boundary=x"}),
    by_post('{"a":1}', 415, "unsupported_type", None, headers={}),
    by_post('{"a":1}', 415, "unsupported_type", None, headers={**JSON, "Content-Encoding": "gzip"}),
    by_post('{"control.encoding":1}', *KEPT, headers={**JSON, "Content-Encoding": "identity"}),
    by_post(one_value(), 415, "unsupported_type", None, headers=FORM, target="/collect/collectd"),
    ("PUT", "/collect?key=a&value=1", {}, b"", (405, "method_not_allowed", None)),
    ("PUT", "/collect", JSON, b'{"a":1}', (405, "method_not_allowed", None)),
    ("DELETE", "/collect?key=a&value=1", {}, None, (405, "method_not_allowed", None)),
    ("PATCH", "/collect", JSON, b'{"a":1}', (405, "method_not_allowed", None)),
    ("BREW", "/collect?key=a&value=1", {}, None, (405, "method_not_allowed", None), {"lighttpd": 501}),
    ("get", "/collect?key=a&value=1", {}, None, (405, "method_not_allowed", None), {"lighttpd": 501}),
    ("TRACE", "/collect?key=a&value=1", {}, None, (405, "method_not_allowed", None), {"apache": 405}),
    ("GET", "/collect/collectd", {}, None, (405, "method_not_allowed", None)),
    ("GET", "/collect/nothing?key=a&value=1", {}, None, (404, "not_found", None)),
    ("POST", "/collect/nothing", JSON, b'{"a":1}', (404, "not_found", None)),
    ("POST", "/collect/collectd/x", JSON, b"[]", (404, "not_found", None)),
    by_post(b" " * (BODY_MAX + 1 - 7) + b'{"a":1}', 413, "too_large", None),
    by_post(b" " * (BODY_MAX - 18) + b'{"control.size":1}', *KEPT),
    by_post(b" " * 4 * BODY_MAX, 413, "too_large", None, own={"lighttpd": 413}),
    ("POST", "/collect", {**JSON, "Content-Length": "nine"}, b'{"a":1}', (400, None, None), {"lighttpd": 400, "apache": 400}),
    ("POST", "/collect", {**JSON, "Content-Length": "-1"}, b'{"a":1}', (400, None, None), {"lighttpd": 400, "apache": 400}),
    ("POST", "/collect", {**JSON, "Content-Length": None}, None, (400, "bad_json", None), {"lighttpd": 411}),
    ("POST", "/collect", {**JSON, "Content-Length": None, "Transfer-Encoding": "chunked"}, b'4\r\n{"a"\r\n0\r\n\r\n',
     (400, "bad_json", None)),
    ("POST", "/collect", {**JSON, "Content-Length": None, "Transfer-Encoding": "chunked"}, b'zz\r\n{"a"\r\n0\r\n\r\n',
     (400, None, None), {"lighttpd": 400, "mod_fcgid": 400, "mod_proxy_fcgi": 400}),
    ("GET", "/collect?key=a&value=1", {"Host": None}, None, (400, None, None), {"lighttpd": 400, "apache": 400}),
    by_get("key=a&value=" + "1," * 9000 + "1", 414, None, None, own={"lighttpd": 431, "apache": 414}),
]

# KNOWN is a key with one sample in the hour that PAST names; EMPTY is an hour without any.
PAST = time.strftime("%Y-%m-%d/%H", time.gmtime(NOW - 7200))
EMPTY = time.strftime("%Y-%m-%d/%H", time.gmtime(NOW - 10 * 86400))
DAY = PAST[:10]
KNOWN = f"/bad_input.known/median/{PAST}"

QUERIES = [
    query(KNOWN, 200),
    query(f"/bad_input.known/median/{EMPTY}", 404, "no_samples", None),
    query(f"/bad_input.never/median/{PAST}", 404, "unknown_key", None),
    query(f"/bad_input.never/median/{DAY}", 404, "unknown_key", None),
    query(f"/bad_input.known/middle/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/MEDIAN/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known//{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p101/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p100.1/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p-1/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p9x/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p1e1/{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p50./{PAST}", 400, None, "stat"),
    query(f"/bad_input.known/p0.{'1' * 40}/{PAST}", 400, None, "stat"),
    query("/bad_input.known/median/2026-13-01/1", 400, None, "date"),
    query("/bad_input.known/median/2026-02-29/1", 400, None, "date"),
    query("/bad_input.known/median/2026-1-1/1", 400, None, "date"),
    query("/bad_input.known/median/20261101/1", 400, None, "date"),
    query("/bad_input.known/median/today/1", 400, None, "date"),
    query("/bad_input.known/median/2026-11-01T00/1", 400, None, "date"),
    query("/bad_input.known/median/02026-11-01/1", 400, None, "date"),
    query("/bad_input.known/median/2026-11-01%00/1", 400, None, "date", own={"lighttpd": 400, "apache": 404}),
    query(f"/bad_input.known/median/{DAY}/24", 400, None, "hour"),
    query(f"/bad_input.known/median/{DAY}/-1", 400, None, "hour"),
    query(f"/bad_input.known/median/{DAY}/1.5", 400, None, "hour"),
    query(f"/bad_input.known/median/{DAY}/001", 400, None, "hour"),
    query(f"/bad_input.known/median/{DAY}/x", 400, None, "hour"),
    query(f"/bad_input.known/median/{DAY}/", 400, None, "hour"),
    query(f"/bad_input.known/median/{DAY}/%20", 400, None, "hour"),
    query(f"/.a/median/{PAST}", 400, "bad_key", "key"),
    query(f"/a%20b/median/{PAST}", 400, "bad_key", "key"),
    query(f"/a+b/median/{PAST}", 400, "bad_key", "key"),
    query(f"/a%2Fb/median/{PAST}", 400, "bad_key", "key"),
    query(f"/a%/median/{PAST}", 400, "bad_key", "key", own={"apache": 400}),
    query(f"/a%zz/median/{PAST}", 400, "bad_key", "key", own={"apache": 400}),
    query(f"/a%ff/median/{PAST}", 400, "bad_key", "key", own={"lighttpd": 400}),
    query(f"/a%c0%af/median/{PAST}", 400, "bad_key", "key", own={"lighttpd": 400}),
    query(f"/{'k' * 201}/median/{PAST}", 400, "bad_key", "key"),
    query(f"/{'k' * 4000}/median/{PAST}", 400, "bad_key", "key", own={"apache": 403}),
    # Every server tidies such a path up, and what goes before the rest is taken for the prefix hourfold is mounted at.
    query(f"//median/{PAST}", 400, "bad_stat", "stat"),
    query(f"/bad_input.known/%2e%2e/median/{PAST}", 400, "bad_stat", "stat"),
    query(f"/bad_input.never/../bad_input.known/median/{PAST}", 200),
    query(f"/bad_input.known/median/{PAST}?by=second", 400, None, "by"),
    query(f"/bad_input.known/median/{PAST}?by=", 400, None, "by"),
    query(f"/bad_input.known/median/{DAY}?by=minute", 400, None, "by"),
    query(f"/bad_input.known/median/{PAST}?by=minute&by=minute", 400, None, "by"),
    query(f"/bad_input.known/median/{PAST}?format=xml", 400, None, "format"),
    query(f"/bad_input.known/median/{PAST}?other=1", 200),
    query(f"/bad_input.known/median/{PAST}/", 404, "not_found", None),
    query(f"/bad_input.known/median/{PAST}/x", 404, "not_found", None),
    query("/bad_input.known", 404, "not_found", None),
    query("/bad_input.known/median", 404, "not_found", None),
    query("/", 302, None, None),
    query("/-", 302, None, None),
    query("/-/", 200),
    query("/-/style.css?x", 200),
    query("/-/Style.css", 404, "not_found", None),
    query("/-/..%2fhourfold.conf", 404, "not_found", None),
    query("/-/style.css/", 400, None, None),
    query("/-/nothing", 404, "not_found", None),
    query("/-/keys/x", 400, None, None),
    query("/-/keys?limit=0", 400, None, "limit"),
    query("/-/keys?limit=x", 400, None, "limit"),
    query("/-/keys?limit=99999999999999999999", 400, None, "limit"),
    query("/-/keys?prefix=%00", 400, None, "prefix", own={"lighttpd": 400}),
    query("/-/keys?prefix=a%20b", 400, None, "prefix"),
    query("/-/keys?after=%ff", 400, None, "after", own={"lighttpd": 400}),
    query("/-/keys?limit=1", 200),
    ("POST", KNOWN, JSON, b"{}", (405, "method_not_allowed", None)),
    ("PUT", KNOWN, {}, b"x", (405, "method_not_allowed", None)),
    ("DELETE", KNOWN, {}, None, (405, "method_not_allowed", None)),
    ("TRACE", KNOWN, {}, None, (405, "method_not_allowed", None), {"apache": 405}),
    ("POST", "/-/keys", JSON, b"{}", (405, "method_not_allowed", None)),
    query("/" + "a" * 9000, 414, None, None, own={"lighttpd": 431, "apache": 414}),
    query(KNOWN, 400, None, None, headers={"X-Long": "x" * 9000}, own={"lighttpd": 431, "apache": 400}),
]

TABLE = KEYS + VALUES + TIMES + IDS + DATA + BODIES + COLLECTD + BOOMERANG + REQUESTS + QUERIES
