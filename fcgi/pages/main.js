// SPDX-License-Identifier: Apache-2.0
// What is looked at, from the address to the page, and again every few seconds while its time has not ended.

import * as api from "./api.js";
import {Chart, available, color, samples} from "./chart.js";
import {byId, element, fill, say, table} from "./dom.js";
import * as format from "./format.js";
import {grid, level} from "./grid.js";
import {Keys} from "./keys.js";
import {KEYS_MAX, read, timeText, write} from "./state.js";
import {look, notice} from "./status.js";

const REFRESH_MS = 5000;
const ZOOM_MAX_MS = 12 * format.HOUR; // minutes of a longer time would be too many to see, and to send
const ZOOM_MIN_MS = 5 * format.MINUTE;
const SPIKE_MS = 30 * format.MINUTE; // to both sides of one
const WEEK_DAYS = 28;
const DAY_STATS = ["median", "min", "max", "p99", "average"];
const STATS = ["median", "average", "min", "max", "p90", "p95", "p99", "p99.9", "count", "sum", "stddev", "throughput"];
const TILES = [["count", "Samples"], ["median", "Median"], ["p99", "p99"], ["max", "Maximum"], ["min", "Minimum"], ["average", "Average"]];
const LABELS = {median: "Median", average: "Average", min: "Minimum", max: "Maximum", count: "Count", sum: "Sum", stddev: "Standard deviation",
  throughput: "Samples a second"};
const labelOf = (stat) => LABELS[stat] ?? stat;
const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

let state = read(location.search);
let shown = null; // what the chart was made of
let round = 0; // of loading: what an earlier one still gets is thrown away

const date = () => state.date || format.dayOf(Date.now(), state.zone);
const comparing = () => state.keys.length > 1;
const at = (ms) => format.clock(ms, state.zone);

// ---- going somewhere ----

function go(change, replace = false) {
  state = {...state, ...change};
  history[replace ? "replaceState" : "pushState"](null, "", write(state));
  load();
}

function chooseDay(day) {
  go({date: day === format.dayOf(Date.now(), state.zone) ? "" : day, zoom: null});
}

function compare(key) {
  const keys = state.keys.includes(key) ? state.keys.filter((other) => other !== key) : [...state.keys, key].slice(0, KEYS_MAX);
  go({keys});
}

function zoom(from, to) {
  const start = shown.origin, end = shown.end;
  let low = Math.max(start, from), high = Math.min(end, to);
  if (high - low < ZOOM_MIN_MS)
    high = Math.min(end, low + ZOOM_MIN_MS);
  if (high - low > ZOOM_MAX_MS) {
    say(byId("announce"), "Minutes are shown for up to 12 hours at once.");
    high = low + ZOOM_MAX_MS;
  }
  go({zoom: {from: low, to: high}});
}

function pan(direction) {
  const {from, to} = state.zoom, by = direction * (to - from);
  if (from + by >= shown.origin - format.MINUTE && to + by <= shown.end + format.MINUTE)
    go({zoom: {from: from + by, to: to + by}});
}

// ---- loading ----

/** Everything of the state, anew; or again, when only time has passed. */
async function load(again = false) {
  const number = ++round, current = () => number === round;
  if (!again)
    frame();
  if (state.keys.length === 0)
    return;
  try {
    const days = await Promise.all(state.keys.map((key) => api.day(key, date(), state.zone, comparing() ? [...new Set([state.stat, "count"])] : DAY_STATS)));
    const minutes = state.zoom ? await api.minutes(state.keys, state.zoom.from, state.zoom.to, comparing() ? [state.stat] : ["median", "min", "max", "p99"]) : null;
    if (!current())
      return;
    refused(null);
    show(days, minutes, shown?.marksOf === markName() ? shown.spikes : []);
    await more(current, again);
  } catch (refusal) {
    if (current())
      refused(refusal);
  }
}

const markName = () => `${state.keys[0]} ${date()} ${state.zone}`;

/** What stands below the chart; each by itself, for a view may forbid one and permit another. */
async function more(current, again) {
  const [key] = state.keys, day = date();
  await Promise.all([
    part("spikes", current, () => api.spikes(key, day, state.zone), showSpikes),
    again && shown.complete ? null : part("heat", current, () => api.heatmap(key, day, state.zone), showHeat),
    again ? null : part("week", current, () => api.pattern(key, state.week, format.nextDay(day, 1 - WEEK_DAYS), format.nextDay(day, 1), weekZone()), showWeek),
  ]);
}

/** Hours of a zone that is no whole number of them from UTC are made of minutes, and weeks of those are more than one request may read. */
const weekZone = () => (shown.origin % format.HOUR === 0 ? state.zone : "UTC");

const rendered = new Map(); // what each part was made of: the same again leaves it, and who reads it, alone

async function part(id, current, request, render) {
  try {
    const answer = await request(), words = `${state.keys} ${state.zone} ${JSON.stringify({...answer, as_of: null})}`;
    if (!current() || rendered.get(id) === words)
      return;
    rendered.set(id, words);
    render(answer);
  } catch (refusal) {
    if (!(refusal instanceof api.Refusal))
      throw refusal;
    rendered.delete(id);
    if (current())
      fill(byId(id), element("p", {class: "empty"}, refusal.status === 403 ? "The view of your token does not show this." : why(refusal)));
  }
}

function why({code, message}) {
  const own = {unreachable: "hourfold does not answer.", minutes_expired: "Minutes of that time are no longer kept."};
  return own[code] ?? message;
}

/** Say why there is nothing to show; null takes it back. */
function refused(refusal) {
  const status = refusal?.status ?? 0, code = refusal?.code ?? "";
  notice("load", null, null);
  byId("view").setAttribute("aria-busy", "false");
  byId("token-open").classList.toggle("wanted", status === 401);
  if (refusal === null)
    return;
  if (shown?.name !== nameOf())
    byId("view").hidden = true;
  if (code === "unreachable") // that is said by look()
    return;
  if (!(refusal instanceof api.Refusal))
    throw refusal;
  if (status === 401) {
    askForToken(true);
    notice("load", "warn", "A token is needed.", api.token.get() === "" ? "This hourfold shows its figures to those who have a token of a view."
      : "The token that was given is not known here.");
  } else if (status === 403) {
    notice("load", "warn", "Not in your view.", `The view of your token does not hold ${state.keys.join(", ")}.`);
  } else if (code === "unknown_key") {
    notice("load", "warn", "Unknown key.", `No sample of ${state.keys.join(" or ")} has ever been counted.`);
  } else if (status === 503) {
    notice("load", "bad", "No figures for now.", why(refusal));
  } else {
    notice("load", "bad", "This cannot be shown.", why(refusal));
  }
}

const nameOf = () => `${state.keys.join(",")} ${date()}`;

// ---- the frame: what is known before any answer ----

function frame() {
  const any = state.keys.length > 0;
  byId("days").hidden = !any;
  byId("view").hidden = !any || shown === null;
  byId("view").setAttribute("aria-busy", "true"); // what was there before stays, paler, until the answers come
  document.title = any ? `${state.keys.join(", ")} · ${date()} · hourfold` : "hourfold";
  say(byId("title"), comparing() ? `${state.keys.length} keys compared` : state.keys[0] ?? "hourfold");
  byId("chips").hidden = !comparing();
  fill(byId("chips"), ...(comparing() ? state.keys.map((key, i) => {
    const chip = element("li", {}, element("span", {class: "dot"}), key,
      element("button", {type: "button", "aria-label": `Compare without ${key}`, onclick: () => compare(key)}, "×"));
    chip.firstChild.style.background = color(`line-${i}`);
    return chip;
  }) : []));
  const today = format.dayOf(Date.now(), state.zone);
  byId("date").value = date();
  byId("date").max = today;
  byId("later").disabled = date() >= today;
  byId("today").disabled = date() === today;
  byId("zone").value = state.zone;
  byId("log").checked = state.log;
  byId("stat").value = state.stat;
  byId("week-stat").value = state.week;
  byId("stat-label").hidden = !comparing();
  byId("zoom-tools").hidden = state.zoom === null;
  say(byId("chart-title"), state.zoom ? `${at(state.zoom.from)} to ${at(state.zoom.to)}, by the minute` : "Through the day");
  keys.show();
  keys.unfold(false);
}

// ---- the chart and its numbers ----

const lineOf = (stat, slots, label, colour) => ({label, stat, color: colour, values: slots.map(({stats}) => {
  const value = stats[stat]?.value ?? null;
  return value === null ? null : [value, value, value];
})});

/** The lines of one key: the middle in a band from the least to the most, and p99. */
function linesOfOne(slots, have) {
  const middle = ["median", "average", "p99", "max", "min"].find((stat) => have.includes(stat));
  const line = lineOf(middle, slots, labelOf(middle), color("line-0"));
  if (have.includes("min") && have.includes("max"))
    line.values = line.values.map((values, i) => values && [slots[i].stats.min.value, values[1], slots[i].stats.max.value]);
  return have.includes("p99") && middle !== "p99" ? [line, lineOf("p99", slots, "p99", color("line-1"))] : [line];
}

function show(days, minutes, spikes) {
  const [first] = days, origin = first.slots[0].start, end = first.slots.at(-1).end;
  const lists = minutes ? state.keys.map((key) => minutes.get(key)) : days.map(({slots}) => slots);
  const have = minutes && !comparing() ? Object.keys(lists[0][0]?.stats ?? {}) : Object.keys(first.whole);
  const slots = lists[0].map((slot, i) => ({...slot, count: lists.reduce((sum, list) => sum + (list[i]?.count ?? 0), 0)}));
  const now = Date.now();
  shown = {name: nameOf(), days, lists, slots, origin, end, have, spikes, marksOf: markName(), step: minutes ? format.MINUTE : format.HOUR,
    from: state.zoom?.from ?? origin, to: state.zoom?.to ?? end, complete: days.every(({complete}) => complete),
    asOf: Math.min(...days.map(({asOf}) => asOf)), live: now >= origin && now < end,
    lines: comparing() ? lists.map((list, i) => lineOf(state.stat, list, state.keys[i], color(`line-${i}`))) : linesOfOne(lists[0], have)};
  byId("view").hidden = false;
  byId("view").setAttribute("aria-busy", "false");
  showFresh();
  showTiles();
  showLegend(null, false);
  showTable();
  draw();
  showNothing();
}

function draw() {
  const any = shown.slots.some(({count}) => count > 0), chart = any && available();
  for (const id of ["chart", "counts", "chart-help"])
    byId(id).hidden = !chart;
  if (!available())
    byId("table-box").open = true;
  if (!chart) {
    plot.clear();
    return;
  }
  const positive = shown.lines.every(({values}) => values.every((value) => value === null || value[0] > 0));
  byId("log").disabled = !positive;
  plot.show({...shown, zone: state.zone, log: state.log && positive,
    label: `${comparing() ? labelOf(state.stat) : shown.lines.map(({label}) => label).join(" and ")} of ${state.keys.join(", ")}, ${byId("chart-title").textContent.toLowerCase()}`,
    marks: marksOf(shown.spikes)});
}

const marksOf = (spikes) => (comparing() ? [] : spikes.map((spike) =>
  ({time: spike.start, value: markHeight(spike), label: spikeLabel(spike), open: () => openSpike(spike)})));

/** Where a mark stands: at the value of its minute, as far as the chart shows it. */
function markHeight({stat, value, max}) {
  return shown.have.includes("max") ? max : stat === "p99" ? value : max;
}

function showNothing() {
  const none = shown.slots.every(({count}) => count === 0), target = byId("empty");
  target.hidden = !none;
  if (!none)
    return;
  fill(target, state.zoom ? "No samples in this time. " : `No samples on ${format.longDate(date())}. `, state.zoom || comparing() ? null
    : element("button", {type: "button", onclick: latest}, "Show the latest day that has some"));
}

async function latest() {
  const [key] = state.keys;
  try {
    const day = await api.latestDay(key, 31, (ms) => format.dayOf(ms, state.zone));
    if (day)
      chooseDay(day);
    else
      fill(byId("empty"), "There are none in the last 31 days.");
  } catch (refusal) {
    fill(byId("empty"), why(refusal));
  }
}

/** How fresh the figures are, and whether more may come. */
function showFresh() {
  const target = byId("fresh"), upTo = format.clockWithSeconds(shown.asOf, state.zone);
  target.dataset.complete = String(shown.complete);
  target.dataset.asOf = new Date(shown.asOf).toISOString();
  const words = shown.complete ? "Complete: the day has ended, and every sample acknowledged by then is counted."
    : shown.live ? `Live, not complete: all that was sent before ${upTo} is counted.`
      : `Not complete yet: all that was sent before ${format.dayOf(shown.asOf, state.zone)} ${upTo} is counted.`;
  fill(target, element("span", {class: `dot ${shown.complete ? "" : shown.live ? "live" : "warn"}`}), `${format.longDate(date())}, ${state.zone}. ${words}`);
}

function tile(name, value, below) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, element("span", {class: "value"}, value), element("span", {class: "quiet small"}, below)));
}

function showTiles() {
  if (comparing()) {
    fill(byId("tiles"), ...shown.days.map(({key, whole, count}) => tile(key, format.number(whole[state.stat]?.value),
      `${labelOf(state.stat)}, ${whole[state.stat] ? format.bounds(whole[state.stat]) || "no samples" : "not in your view"} · ${samples(count)}`)));
    return;
  }
  const [{whole, count}] = shown.days;
  fill(byId("tiles"), ...TILES.map(([stat, name]) => (stat === "count" ? tile(name, format.count(count), "exact")
    : whole[stat] ? tile(name, format.number(whole[stat].value), format.bounds(whole[stat]) || "no samples") : null)));
}

/** The legend is the readout too: of the slot that is pointed at. */
function showLegend(row, aloud) {
  const slot = row === null ? null : shown.slots[row];
  const when = slot ? (shown.step === format.HOUR ? `${at(slot.start)} to ${at(slot.end)}` : at(slot.start)) : null;
  const items = shown.lines.map(({label, stat, color: colour}, i) => {
    const value = slot ? shown.lists[comparing() ? i : 0][row]?.stats[stat]?.value ?? null : null;
    const item = element("span", {class: "item"}, element("span", {class: "dot"}), slot ? `${label} ${format.number(value)}` : label);
    item.firstChild.style.background = colour;
    return item;
  });
  const range = !comparing() && shown.have.includes("min") && shown.have.includes("max");
  const band = range ? element("span", {class: "item"}, element("span", {class: "dot band"}),
    slot ? `${format.number(slot.stats.min?.value)} to ${format.number(slot.stats.max?.value)}` : "Minimum to maximum") : null;
  const total = element("span", {class: "item"}, element("span", {class: "dot count"}), slot ? samples(slot.count) : "Samples");
  fill(byId("legend"), ...items, band, total, when ? element("strong", {}, when) : null);
  if (aloud && slot)
    byId("readout").textContent = [when, ...[...byId("legend").querySelectorAll(".item")].map(({textContent}) => textContent)].join(", ");
}

const columns = () => (comparing() ? state.keys.map((key, i) => [key, (row) => shown.lists[i][row]?.stats[state.stat]])
  : shown.have.map((stat) => [labelOf(stat), (row) => shown.slots[row].stats[stat]]));

function showTable() {
  if (!byId("table-box").open)
    return;
  const list = columns();
  const cell = (answer) => (answer?.value === null || answer === undefined ? "–" : answer.low === undefined || answer.exact ? format.exactly(answer.value)
    : `${format.exactly(answer.value)} (${format.bounds(answer)})`);
  fill(byId("table"), table(`${state.keys.join(", ")} on ${format.longDate(date())}`, ["From", "Samples", ...list.map(([name]) => name)],
    shown.slots.map((slot, row) => [shown.step === format.HOUR ? element("button", {type: "button", "aria-label": `Minutes from ${at(slot.start)}`,
      onclick: () => zoom(slot.start, slot.end)}, at(slot.start)) : at(slot.start), format.count(slot.count), ...list.map(([, answer]) => cell(answer(row)))])));
}

// ---- below the chart ----

const spikeLabel = ({start, stat, value, baseline}) => `Spike at ${at(start)}: ${stat === "max" ? "maximum" : stat} ${format.number(value)}, usually ${format.number(baseline)}`;

function openSpike({start}) {
  zoom(start - SPIKE_MS, start + SPIKE_MS);
  byId("chart").closest("section").scrollIntoView({block: "start"});
  byId("chart").focus({preventScroll: true});
}

function showSpikes({spikes, minutes}) {
  shown.spikes = spikes.map((spike) => ({...spike, start: Date.parse(spike.time)}));
  plot.remark(marksOf(shown.spikes));
  byId("spikes-title").textContent = comparing() ? `Spikes of ${state.keys[0]}` : "Spikes";
  fill(byId("spikes"), spikes.length === 0 ? element("p", {class: "empty"}, minutes === 0 ? "No samples, no spikes."
    : minutes < 30 ? `Only ${minutes} minutes have samples: too few to tell what stands out.` : "No minute of this day stands out.")
    : element("div", {class: "scroll"}, table("Minutes that stand out", ["Minute", "By its", "Value", "Usually", "Above by", "Samples"],
      shown.spikes.map((spike) => [element("button", {type: "button", "aria-label": `${spikeLabel(spike)}. Show its minutes`, onclick: () => openSpike(spike)}, at(spike.start)),
        spike.stat === "max" ? "maximum" : spike.stat, format.number(spike.value), format.number(spike.baseline), `+${format.number(spike.size)}`, format.count(spike.count)]))));
  say(byId("announce"), `${state.keys.join(", ")}, ${format.longDate(date())}: ${samples(shown.days[0].count)}, ${spikes.length} ${spikes.length === 1 ? "spike" : "spikes"}.`);
}

function showHeat({edges, hours, count, scale}) {
  byId("heat-title").textContent = comparing() ? `Where the values of ${state.keys[0]} lie` : "Where the values lie, hour by hour";
  if (count === 0) {
    fill(byId("heat"), element("p", {class: "empty"}, "No samples."));
    return;
  }
  const starts = hours.map(({time, hour}) => (time ? at(Date.parse(time)) : String(hour).padStart(2, "0") + ":00"));
  const most = Math.sqrt(Math.max(...hours.flatMap(({counts}) => counts)));
  const rows = edges.slice(0, -1).map((low, band) => ({low, high: edges[band + 1], band})).reverse().map(({low, high, band}) => ({
    name: format.brief(low), cells: hours.map(({counts}, i) => ({level: counts[band] > 0 ? level(Math.sqrt(counts[band]), 0, most) : 0, text: format.count(counts[band]),
      detail: `${starts[i]}, ${format.number(low)} to ${format.number(high)}: ${samples(counts[band])}`}))}));
  grid(byId("heat"), {caption: `How many samples lie in each band of values${scale === "log" ? ", on a logarithmic scale" : ""}, by hour.`, corner: "Values from",
    columns: starts.map((text) => text.slice(0, 2)), rows, hint: "Each column is an hour, each row a band of values, named by its lower edge; the stronger the colour, the more samples."});
}

function showWeek({hours}) {
  byId("week-title").textContent = comparing() ? `Hours of the week of ${state.keys[0]}` : "Hours of the week";
  const values = hours.map(({value}) => value).filter((value) => value !== null).sort((a, b) => a - b);
  if (values.length === 0) {
    fill(byId("week"), element("p", {class: "empty"}, `No samples in ${WEEK_DAYS} days.`));
    return;
  }
  const low = values[Math.floor(values.length * 0.02)], high = values[Math.ceil(values.length * 0.98) - 1];
  const rows = WEEKDAYS.map((name, day) => ({name, cells: hours.slice(day * 24, day * 24 + 24).map(({hour, value, count}) => ({
    level: value === null ? 0 : level(Math.max(value, low), low, high), text: format.number(value),
    detail: `${name} ${String(hour).padStart(2, "0")}:00, ${labelOf(state.week).toLowerCase()} ${format.number(value)}, ${samples(count)}`}))}));
  grid(byId("week"), {caption: `${labelOf(state.week)} by hour and weekday.`, corner: "Weekday", columns: Array.from({length: 24}, (_, i) => String(i).padStart(2, "0")), rows,
    hint: `The ${WEEK_DAYS} days up to ${format.longDate(date())}, put together by weekday and hour${weekZone() === state.zone ? "" : " of UTC"}; the stronger the colour, the higher.`});
}

// ---- taking it along ----

function download() {
  const list = comparing() ? state.keys.map((key, i) => [`${key} ${state.stat}`, (row) => shown.lists[i][row]?.stats[state.stat]])
    : shown.have.map((stat) => [stat, (row) => shown.slots[row].stats[stat]]);
  const rows = [["time", "count", ...list.map(([name]) => name)],
    ...shown.slots.map((slot, row) => [timeText(slot.start), slot.count, ...list.map(([, answer]) => answer(row)?.value)])];
  const link = element("a", {href: URL.createObjectURL(new Blob([format.csv(rows)], {type: "text/csv"})),
    download: `${state.keys.join("+")}-${date()}${state.zoom ? `-${at(state.zoom.from).replace(":", "")}` : ""}.csv`});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function copyLink() {
  const link = write({...state, date: date()}); // a link to today is a link to this day
  history.replaceState(null, "", link);
  try {
    await navigator.clipboard.writeText(location.href);
    say(byId("announce"), "The link is copied.");
    byId("copy").textContent = "Copied";
    setTimeout(() => { byId("copy").textContent = "Copy link"; }, 2000);
  } catch {
    say(byId("announce"), "The link is in the address bar.");
  }
}

// ---- tokens ----

function askForToken(open) {
  byId("token-form").hidden = !open;
  byId("token-open").setAttribute("aria-expanded", String(open));
}

function useToken(text) {
  api.token.set(text);
  byId("token").value = "";
  askForToken(false);
  start();
}

// ---- again ----

let refreshing = false;
async function refresh() {
  if (document.hidden || refreshing || plot.held)
    return;
  refreshing = true;
  if (await look() && (shown === null || !shown.complete || byId("view").hidden))
    await (state.keys.length === 0 ? start() : load(true));
  refreshing = false;
}

// ---- the beginning ----

/** Without a key in the address: the first there is, or what to do when there is none. */
async function start() {
  notice("first", null, null);
  load();
  const names = await keys.load();
  look();
  if (state.keys.length > 0)
    return;
  if (names.length > 0) {
    state = {...state, keys: [names[0]]};
    load();
  } else if (keys.answered) {
    const collect = new URL("../collect?key=checkout.latency&value=12.5", location.href);
    notice("first", "", "No key yet.", "Send a first sample, and it is here about a second later:", element("pre", {tabindex: "0"}, `curl '${collect}'`));
  }
}

function listen() {
  byId("earlier").addEventListener("click", () => chooseDay(format.nextDay(date(), -1)));
  byId("later").addEventListener("click", () => chooseDay(format.nextDay(date(), 1)));
  byId("today").addEventListener("click", () => go({date: "", zoom: null}));
  byId("date").addEventListener("change", ({target}) => target.value !== "" && chooseDay(target.value));
  byId("zone").addEventListener("change", ({target}) => go({zone: target.value}));
  byId("stat").addEventListener("change", ({target}) => go({stat: target.value}));
  byId("week-stat").addEventListener("change", ({target}) => go({week: target.value}));
  byId("log").addEventListener("change", ({target}) => go({log: target.checked}));
  byId("zoom-out").addEventListener("click", () => go({zoom: null}));
  byId("zoom-earlier").addEventListener("click", () => pan(-1));
  byId("zoom-later").addEventListener("click", () => pan(1));
  byId("csv").addEventListener("click", download);
  byId("copy").addEventListener("click", copyLink);
  byId("table-box").addEventListener("toggle", () => shown && showTable());
  byId("token-open").addEventListener("click", () => askForToken(byId("token-form").hidden));
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(byId("token").value.trim());
  });
  byId("token-forget").addEventListener("click", () => useToken(""));
  addEventListener("popstate", () => {
    state = read(location.search);
    start();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => load());
}

function options(target, values, names = (value) => labelOf(value)) {
  fill(target, ...[...new Set(values)].map((value) => element("option", {value}, names(value))));
}

const plot = new Chart({
  select: showLegend,
  range: zoom,
  open: (row) => shown.step === format.HOUR && shown.slots[row] && zoom(shown.slots[row].start, shown.slots[row].end),
  out: () => state.zoom ? go({zoom: null}) : draw(),
});
const keys = new Keys({choose: (key) => go({keys: [key]}), compare, fail: refused}, () => state);

options(byId("zone"), ["UTC", Intl.DateTimeFormat().resolvedOptions().timeZone, state.zone], (zone) => zone.replaceAll("_", " "));
options(byId("stat"), [...STATS, state.stat]);
options(byId("week-stat"), [...STATS, state.week]);
listen();
start();
setInterval(refresh, REFRESH_MS);
document.addEventListener("visibilitychange", refresh); // a tab that is looked at again is not to be old
