// SPDX-License-Identifier: Apache-2.0
// Tables whose cells are coloured by what is in them: a heat map that can be read aloud. Arrow keys walk through it.

import {element, fill} from "./dom.js";

const LEVELS = 9;

/** 0 for nothing, 1 to LEVELS between the least and the most. */
export function level(value, low, high) {
  if (value === null || value === undefined || value <= 0 && low >= 0 && value < low)
    return 0;
  return high > low ? 1 + Math.round((LEVELS - 1) * Math.min(1, Math.max(0, (value - low) / (high - low)))) : Math.ceil(LEVELS / 2);
}

/** rows: [{name, cells: [{level, text, detail}]}]; `text` is read aloud, `detail` shown of the cell that is pointed at. */
export function grid(target, {caption, corner, columns, rows, hint}) {
  const readout = element("p", {class: "readout quiet small"}, hint);
  const body = rows.map(({name, cells}, y) => element("tr", {}, element("th", {scope: "row"}, name), ...cells.map((cell, x) =>
    element("td", {class: `l${cell.level}`, "data-x": x, "data-y": y}, element("span", {class: "sr"}, cell.text)))));
  const made = element("table", {class: "grid", tabindex: "0"}, element("caption", {class: "sr"}, `${caption} Arrow keys move from cell to cell.`),
    element("thead", {}, element("tr", {}, element("th", {scope: "col"}, element("span", {class: "sr"}, corner)),
      ...columns.map((text) => element("th", {scope: "col"}, text)))), element("tbody", {}, ...body));
  let active = null;
  const point = (x, y, aloud) => {
    const cell = made.querySelector(`td[data-x="${x}"][data-y="${y}"]`);
    if (!cell)
      return;
    active?.classList.remove("here");
    active = cell;
    cell.classList.add("here");
    readout.setAttribute("aria-live", aloud ? "polite" : "off");
    readout.textContent = rows[y].cells[x].detail;
  };
  const follow = ({target: node}) => {
    const cell = node.closest("td");
    if (cell)
      point(Number(cell.dataset.x), Number(cell.dataset.y), false);
  };
  made.addEventListener("pointerover", follow);
  made.addEventListener("click", follow);
  made.addEventListener("keydown", (event) => {
    const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (!move)
      return;
    event.preventDefault();
    const x = active ? Number(active.dataset.x) + move[0] : 0, y = active ? Number(active.dataset.y) + move[1] : 0;
    point(x, y, true);
  });
  fill(target, element("div", {class: "scroll"}, made), readout);
}
