// SPDX-License-Identifier: Apache-2.0
// What is looked at. All of it stands in the address, so that a link shows the same again; a token never does.

export const KEYS_MAX = 8; // compared at once
const KEY = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const STAT = /^(average|min|max|median|count|sum|stddev|throughput|p(100|\d{1,2}(\.\d{1,12})?))$/;
const ZONE = /^[A-Za-z0-9_+:/-]{1,60}$/;

const time = (text) => (/^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/.test(text ?? "") ? Date.parse(text) : NaN);
export const timeText = (ms) => new Date(ms).toISOString().replace(/:\d\d\.\d+Z$/, "Z");

/** From an address; what is malformed is as if it were not there. */
export function read(search) {
  const query = new URLSearchParams(search);
  const keys = [...new Set((query.get("key") ?? "").split(",").filter((key) => KEY.test(key)))].slice(0, KEYS_MAX);
  const from = time(query.get("from")), to = time(query.get("to"));
  const fits = (name, pattern, otherwise) => (pattern.test(query.get(name) ?? "") ? query.get(name) : otherwise);
  return {
    keys,
    date: fits("date", DATE, ""), // "" is today
    zoom: to > from ? {from, to} : null,
    stat: fits("stat", STAT, "median"),
    week: fits("week", STAT, "median"),
    zone: fits("tz", ZONE, "UTC"),
    log: query.get("log") === "1",
  };
}

/** The address of a state, relative to the page. Keys need no percent-encoding. */
export function write(state) {
  const parts = [];
  if (state.keys.length > 0)
    parts.push(`key=${state.keys.join(",")}`);
  if (state.date !== "")
    parts.push(`date=${state.date}`);
  if (state.zoom)
    parts.push(`from=${timeText(state.zoom.from)}`, `to=${timeText(state.zoom.to)}`);
  if (state.stat !== "median")
    parts.push(`stat=${state.stat}`);
  if (state.week !== "median")
    parts.push(`week=${state.week}`);
  if (state.zone !== "UTC")
    parts.push(`tz=${encodeURIComponent(state.zone)}`);
  if (state.log)
    parts.push("log=1");
  return parts.length > 0 ? `?${parts.join("&")}` : "./";
}
