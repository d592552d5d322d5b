// SPDX-License-Identifier: Apache-2.0
// A chart over a time and, below it, how many samples there were; both by dygraphs. Where that is not installed there is only the table.

import {byId, element, fill} from "./dom.js";
import {HOUR, MINUTE, brief, clock, count} from "./format.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map((minutes) => minutes * MINUTE);
const LABEL_PX = 62;
const AXIS_PX = 58;
const AXIS_BELOW_PX = 26;
const COUNT_PX = 74;

export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const available = () => typeof window.Dygraph === "function";

// The page has a legend of its own, and that of dygraphs would need inline styles, which the page does not permit itself.
if (available())
  window.Dygraph.PLUGINS = window.Dygraph.PLUGINS.filter((plugin) => plugin !== window.Dygraph.Plugins.Legend);

/** Round times, counted from the beginning of the day, so that a zone of half an hour has round ones too. */
function ticks(origin, zone) {
  return (from, to, pixels) => {
    const step = STEPS.find((candidate) => (to - from) / candidate * LABEL_PX <= pixels) ?? STEPS.at(-1);
    const list = [];
    for (let v = origin + Math.ceil((from - origin) / step) * step; v <= to; v += step)
      list.push({v, label: clock(v, zone)});
    return list;
  };
}

/** Drag to choose a time; fingers scroll the page and tap. */
function interaction() {
  const {mousedown, dblclick, willDestroyContextMyself} = window.Dygraph.defaultInteractionModel;
  return {mousedown, dblclick, willDestroyContextMyself};
}

function common(model) {
  return {
    dateWindow: [model.from, model.to], xRangePad: 0, animatedZooms: false,
    gridLineColor: color("grid"), gridLineWidth: 1, axisLineColor: color("grid"), axisLineWidth: 1,
    xAxisHeight: AXIS_BELOW_PX, highlightCircleSize: 4, stepPlot: model.step === HOUR, drawGapEdgePoints: true, interactionModel: interaction(),
    axes: {x: {ticker: ticks(model.origin, model.zone), axisLabelWidth: LABEL_PX, drawGrid: false},
           y: {axisLabelFormatter: (value) => brief(value), axisLabelWidth: AXIS_PX, pixelsPerLabel: 38}},
  };
}

/** Bars over their slots, rounded off by nothing. */
function bars({drawingContext: context, points, dygraph}) {
  context.fillStyle = color("count");
  const bottom = dygraph.toDomYCoord(0);
  points.forEach((point, i) => {
    if (!point.yval || i + 1 >= points.length)
      return;
    const width = points[i + 1].canvasx - point.canvasx, gap = Math.min(2, width / 5);
    context.fillRect(point.canvasx + gap / 2, point.canvasy, Math.max(1, width - gap), bottom - point.canvasy);
  });
}

/**
 * model: {from, to, origin, step, zone, log, label,
 *         lines: [{label, color, values: [[low, middle, high] or null, for each slot]}], slots: [{start, count}],
 *         marks: [{time, value, label, open}]}
 * on: {select(index or null, byKeyboard), range(from, to), open(index), out()}
 */
export class Chart {
  constructor(on) {
    this.on = on;
    this.box = byId("chart");
    this.plot = byId("plot");
    this.counts = byId("counts");
    this.main = this.below = null;
    this.row = null;
    this.held = false; // by a mouse that may be dragging: it is not to be drawn anew then
    this.box.addEventListener("pointerdown", () => { this.held = true; });
    for (const end of ["pointerup", "pointercancel"])
      addEventListener(end, () => { this.held = false; });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => this.select(null, true));
    new ResizeObserver(() => { this.main?.resize(); this.below?.resize(); }).observe(this.box);
  }

  clear() {
    this.main?.destroy();
    this.below?.destroy();
    this.main = this.below = this.row = null;
    fill(byId("marks"));
  }

  show(model) {
    const kept = this.row;
    this.clear();
    this.model = model;
    this.box.setAttribute("aria-label", model.label);
    if (!available())
      return;
    const closed = [...model.slots.map(({start}) => start), model.to]; // a slot reaches to the next one, the last to the end
    const last = (list) => list[list.length - 1] ?? null;
    const rows = closed.map((x, i) => [x, ...model.lines.map(({values}) => (i < values.length ? values[i] : model.step === HOUR ? last(values) : null))]);
    this.main = new window.Dygraph(this.plot, rows, {
      ...common(model), labels: ["time", ...model.lines.map(({label}) => label)], colors: model.lines.map((line) => line.color),
      customBars: true, fillAlpha: 0.16, strokeWidth: 2, logscale: model.log,
      highlightCallback: (event, x, points, row) => this.select(row, false), unhighlightCallback: () => this.select(null, false),
      clickCallback: (event, x) => this.on.open(this.rowAt(x)), zoomCallback: (from, to) => this.zoomed(from, to),
      drawCallback: () => this.mark(),
    });
    this.below = new window.Dygraph(this.counts, closed.map((x, i) => [x, model.slots[i]?.count ?? 0]), {
      ...common(model), labels: ["time", "samples"], plotter: bars, strokeWidth: 0, highlightCircleSize: 0, includeZeroForY: true,
      valueRange: [0, null], includeZero: true, colors: [color("count")], interactionModel: {},
      axes: {x: {drawAxis: false, drawGrid: false}, y: {axisLabelFormatter: (value) => brief(value), axisLabelWidth: AXIS_PX, pixelsPerLabel: COUNT_PX / 3}},
    });
    this.mark(); // what was drawn by the constructor came too early
    if (kept !== null && kept < model.slots.length)
      this.select(kept, false);
  }

  /** Other marks on the same chart. */
  remark(marks) {
    if (this.model)
      this.model.marks = marks;
    this.mark();
  }

  /** Marks are buttons above the canvas, so that a finger, a key and a screen reader find them too. */
  mark() {
    if (!this.main)
      return;
    const area = this.main.getArea();
    fill(byId("marks"), ...this.model.marks.filter(({time}) => time >= this.model.from && time < this.model.to).map((mark) => {
      const button = element("button", {type: "button", class: "mark", "data-time": new Date(mark.time).toISOString(), "aria-label": mark.label,
        title: mark.label, onclick: mark.open});
      const [x, y] = this.main.toDomCoords(mark.time + (this.model.step === HOUR ? MINUTE / 2 : 0), mark.value);
      button.style.left = `${x}px`;
      button.style.top = `${Math.min(Math.max(y, area.y + 6), area.y + area.h)}px`;
      return button;
    }));
  }

  rowAt(x) {
    return this.model.slots.findLastIndex(({start}) => start <= x);
  }

  zoomed(from, to) {
    const step = this.model.step === HOUR ? MINUTE : this.model.step;
    const low = Math.max(this.model.from, Math.floor(from / step) * step), high = Math.min(this.model.to, Math.ceil(to / step) * step);
    if (high - low >= this.model.to - this.model.from)
      this.on.out();
    else
      this.on.range(low, high);
  }

  select(row, byKeyboard) {
    if (!this.main || row === this.row || (row !== null && row >= this.model.slots.length))
      return;
    this.row = row;
    if (row === null)
      this.main.clearSelection();
    else if (byKeyboard)
      this.main.setSelection(row);
    this.on.select(row, byKeyboard);
  }

  key(event) {
    if (!this.model || event.target !== this.box || event.ctrlKey || event.metaKey || event.altKey)
      return;
    const end = this.model.slots.length - 1, here = this.row;
    const to = {ArrowRight: here === null ? 0 : Math.min(end, here + 1), ArrowLeft: here === null ? end : Math.max(0, here - 1),
                Home: 0, End: end}[event.key];
    if (to !== undefined)
      this.select(to, true);
    else if (event.key === "Enter" && here !== null)
      this.on.open(here);
    else if (event.key === "Escape")
      this.on.out();
    else
      return;
    event.preventDefault();
  }
}

export const samples = (n) => `${count(n)} ${n === 1 ? "sample" : "samples"}`;
