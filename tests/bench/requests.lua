-- SPDX-License-Identifier: Apache-2.0
-- For wrk: send the requests of a file (each its length, a newline, and its bytes), one after another, and print one line of JSON.
local all, at = {}, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local length = file:read("*n")
  while length do
    file:read(1)
    all[#all + 1] = file:read(length)
    length = file:read("*n")
  end
end

function request()
  at = at % #all + 1
  return all[at]
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\nJSON{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
