// SPDX-License-Identifier: Apache-2.0
// Numbers and times as people read them, and CSV as programs do.

export const MINUTE = 60_000, HOUR = 3_600_000, DAY = 86_400_000;
const LANGUAGE = "en-GB"; // that of the page

const whole = new Intl.NumberFormat(LANGUAGE);
const short = new Intl.NumberFormat(LANGUAGE, {maximumSignificantDigits: 4});
const fine = new Intl.NumberFormat(LANGUAGE, {maximumSignificantDigits: 7});
const compact = new Intl.NumberFormat(LANGUAGE, {notation: "compact", maximumSignificantDigits: 3});

export const count = (n) => whole.format(n);

function scaled(format, value) {
  if (value === null || value === undefined || Number.isNaN(value))
    return "–";
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e9 || size < 1e-4) ? value.toExponential(3).replace("e+", "e") : format.format(value);
}
export const number = (value) => scaled(short, value);
export const exactly = (value) => scaled(fine, value);
export const brief = (value) => (Math.abs(value) >= 1e4 && Math.abs(value) < 1e15 ? compact.format(value) : number(value));

/** What a statistic's bounds say. */
export function bounds({low, high, exact}) {
  if (low === null || low === undefined)
    return "";
  return exact ? "exact" : `${exactly(low)} to ${exactly(high)}`;
}

// ---- times ----

const formats = new Map();
function formatIn(zone, options) {
  const name = zone + JSON.stringify(options);
  if (!formats.has(name)) {
    let format;
    try {
      format = new Intl.DateTimeFormat(LANGUAGE, {timeZone: zone, hourCycle: "h23", ...options});
    } catch { // a zone that the server may know and the browser does not
      format = new Intl.DateTimeFormat(LANGUAGE, {timeZone: "UTC", hourCycle: "h23", ...options});
    }
    formats.set(name, format);
  }
  return formats.get(name);
}

export const clock = (ms, zone) => formatIn(zone, {hour: "2-digit", minute: "2-digit"}).format(ms);
export const clockWithSeconds = (ms, zone) => formatIn(zone, {hour: "2-digit", minute: "2-digit", second: "2-digit"}).format(ms);

/** The day of a moment, as YYYY-MM-DD. */
export function dayOf(ms, zone) {
  const parts = Object.fromEntries(formatIn(zone, {year: "numeric", month: "2-digit", day: "2-digit"}).formatToParts(ms)
    .map(({type, value}) => [type, value]));
  return `${parts.year.padStart(4, "0")}-${parts.month}-${parts.day}`;
}

export const nextDay = (date, days) => new Date(Date.parse(`${date}T12:00:00Z`) + days * DAY).toISOString().slice(0, 10);
export const longDate = (date) => formatIn("UTC", {weekday: "long", day: "numeric", month: "long", year: "numeric"}).format(Date.parse(`${date}T12:00:00Z`));

export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120)
    return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

// ---- CSV ----

/** RFC 4180. Nothing that this page writes needs quoting: keys, statistics, times and numbers. */
export const csv = (rows) => rows.map((row) => row.map((cell) => cell ?? "").join(",")).join("\r\n") + "\r\n";
