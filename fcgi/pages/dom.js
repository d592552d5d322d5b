// SPDX-License-Identifier: Apache-2.0
// Elements, in one way. No HTML is ever made from text.

export const byId = (id) => document.getElementById(id);

/** element("a", {href: "x", "aria-label": "y", onclick: f}, "text", otherElement) */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false)
      continue;
    if (key.startsWith("on"))
      made.addEventListener(key.slice(2), value);
    else
      made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

const nameOf = (held) => held.getAttribute("aria-label") ?? held.textContent;

/** Put `children` in the place of all that `parent` holds. What had the focus there hands it to its like. */
export function fill(parent, ...children) {
  const held = document.activeElement, inside = held !== parent && parent.contains(held), name = inside ? nameOf(held) : "";
  parent.replaceChildren(...children.filter((child) => child !== null));
  if (!inside)
    return;
  const alike = [...parent.querySelectorAll(held.tagName)];
  (alike.find((other) => nameOf(other) === name) ?? (alike.length === 1 ? alike[0] : null))?.focus({preventScroll: true});
}

/** Set a text only where it differs: a screen reader would say it again. */
export function say(target, text) {
  if (target.textContent !== text)
    target.textContent = text;
}

/** A table of rows of cells (elements or text) below a row of headings. */
export function table(caption, headings, rows) {
  return element("table", {},
    element("caption", {class: "sr"}, caption),
    element("thead", {}, element("tr", {}, ...headings.map((text) => element("th", {scope: "col"}, text)))),
    element("tbody", {}, ...rows.map(([first, ...cells]) =>
      element("tr", {}, element("th", {scope: "row"}, first), ...cells.map((cell) => element("td", {}, cell))))));
}
