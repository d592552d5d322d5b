// SPDX-License-Identifier: Apache-2.0
// What hourfold-query answers. The page lies at …/-/, the answers beside it.

import {HOUR} from "./format.js";

const TOKEN = "hourfold-token"; // in sessionStorage: of this tab, and gone with it
const PATIENCE_MS = 20_000;

/** Why there is no answer: code is that of the answer, or "unreachable". */
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  set: (text) => (text === "" ? sessionStorage.removeItem(TOKEN) : sessionStorage.setItem(TOKEN, text)),
};

/** The answer at a path relative to the page. Other than 200 is a Refusal, unless `statuses` has it. */
export async function ask(path, parameters = {}, statuses = [200]) {
  const query = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null)
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/")}`).join("&");
  const headers = token.get() === "" ? {} : {Authorization: `Bearer ${token.get()}`};
  let response, body;
  try {
    response = await fetch(query === "" ? path : `${path}?${query}`,
      {headers: {Accept: "application/json", ...headers}, credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS)});
    body = await response.json();
  } catch {
    throw new Refusal(response?.status ?? 0, "unreachable", "hourfold does not answer.");
  }
  if (!statuses.includes(response.status))
    throw new Refusal(response.status, body.error?.code ?? "unavailable", body.error?.message ?? "hourfold does not answer.");
  return body;
}

const zoneParameter = (zone) => ({tz: zone === "UTC" ? "" : zone});

/** What of several requests was answered; what a view forbids is left out, as long as anything is left. */
async function permitted(requests) {
  const outcomes = await Promise.allSettled(requests);
  const refused = outcomes.filter(({status}) => status === "rejected").map(({reason}) => reason);
  const other = refused.find(({status}) => status !== 403);
  if (other || refused.length === outcomes.length)
    throw other ?? refused[0];
  return outcomes.filter(({status}) => status === "fulfilled").map(({value}) => value);
}

/**
 * A day of a key: {whole: {stat: answer}, slots: [{start, end, count, complete, stats: {stat: answer}}], complete, asOf}.
 * Each answer has value, low, high and exact.
 */
export async function day(key, date, zone, stats) {
  const answers = await permitted(stats.map((stat) => ask(`../${key}/${stat}/${date}`, zoneParameter(zone))));
  const starts = answers[0].hours.map(({time, hour}) => (time ? Date.parse(time) : Date.parse(`${date}T00:00:00Z`) + hour * HOUR));
  const slots = answers[0].hours.map(({count, complete}, i) =>
    ({start: starts[i], end: starts[i + 1] ?? starts[i] + HOUR, count, complete, stats: {}}));
  const whole = {};
  for (const answer of answers) {
    whole[answer.stat] = answer;
    answer.hours.forEach((hour, i) => { slots[i].stats[answer.stat] = hour; });
  }
  return {key, whole, slots, count: answers[0].count, complete: answers[0].complete, asOf: Date.parse(answers[0].as_of)};
}

/** The minutes from `from` to `to` of several keys: key -> slots as of a day, whose answers have a value only. */
export async function minutes(keys, from, to, stats) {
  const at = (ms) => String(Math.floor(ms / 1000));
  const lists = await permitted(stats.map(async (stat) =>
    ({stat, rows: await ask("series", {key: keys.join(","), stat, from: at(from), to: at(to), step: "minute"})})));
  const all = new Map(keys.map((key) => [key, new Map()]));
  for (const {stat, rows} of lists)
    for (const {time, key, value, count} of rows) {
      const start = Date.parse(time), slots = all.get(key);
      if (!slots.has(start))
        slots.set(start, {start, end: start + 60_000, count, stats: {}});
      slots.get(start).stats[stat] = {value};
    }
  return new Map([...all].map(([key, slots]) => [key, [...slots.values()].sort((a, b) => a.start - b.start)]));
}

export const spikes = (key, date, zone) => ask("spikes", {key, date, ...zoneParameter(zone)});
export const heatmap = (key, date, zone) => ask("heatmap", {key, date, ...zoneParameter(zone)});
export const pattern = (key, stat, from, to, zone) => ask("pattern", {key, stat, from, to, ...zoneParameter(zone)});
export const health = () => ask("health", {}, [200, 503]);

/** The keys that hold a text, or match a pattern with * and ?. */
export function keys(text, after) {
  const word = text.replace(/[^A-Za-z0-9._:*?-]/g, "");
  return ask("keys", {match: word === "" ? "" : /[*?]/.test(word) ? word : `*${word}*`, after, limit: 60});
}

/** The last day within `days` that has samples, or null. */
export async function latestDay(key, days, dayOf) {
  const now = Math.floor(Date.now() / 1000);
  const rows = await ask("series", {key, stat: "count", from: String(now - days * 86400), to: String(now), step: "hour"});
  const last = rows.findLast(({count}) => count > 0);
  return last ? dayOf(Date.parse(last.time)) : null;
}
