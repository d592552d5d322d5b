// SPDX-License-Identifier: Apache-2.0
// The list of keys: found as you type, walked through with the arrow keys.

import * as api from "./api.js";
import {byId, element, fill, say} from "./dom.js";
import {KEYS_MAX, write} from "./state.js";

const PAUSE_MS = 120; // after a letter, before the server is asked

export class Keys {
  /** on: {choose(key), compare(key), fail(refusal)}; `state()` is what is looked at. */
  constructor(on, state) {
    this.on = on;
    this.state = state;
    this.input = byId("search");
    this.list = byId("keys");
    this.asked = 0;
    this.names = [];
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.load(), PAUSE_MS);
    });
    this.input.addEventListener("focus", () => this.unfold(true));
    this.input.addEventListener("keydown", (event) => this.typed(event));
    this.list.addEventListener("keydown", (event) => this.walked(event));
    byId("more").addEventListener("click", () => this.load(this.next));
    document.addEventListener("pointerdown", ({target}) => {
      if (!target.closest(".side"))
        this.unfold(false);
    });
  }

  /** On a narrow screen the list is only there while a key is looked for. */
  unfold(open) {
    document.body.classList.toggle("finding", open || this.state().keys.length === 0);
  }

  /** Ask for what the input says; returns the names of all that are listed. */
  async load(after = "") {
    const number = ++this.asked;
    let page;
    try {
      page = await api.keys(this.input.value, after);
    } catch (refusal) {
      if (number === this.asked)
        this.on.fail(refusal);
      return this.names;
    }
    if (number !== this.asked)
      return this.names;
    this.answered = true;
    this.names = after === "" ? page.keys : [...this.names, ...page.keys];
    this.next = page.next;
    byId("more").hidden = page.next === null;
    this.show();
    const n = this.names.length;
    say(byId("found"), n === 0 ? (this.input.value === "" ? "No key yet." : "No key matches.")
      : `${n}${page.next === null ? "" : " or more"} ${n === 1 && page.next === null ? "key" : "keys"}`);
    return this.names;
  }

  show() {
    const state = this.state();
    const elsewhere = this.input.value === "" ? state.keys.filter((key) => !this.names.includes(key)) : []; // further down, or unknown
    fill(this.list, ...[...elsewhere, ...this.names].map((key) => {
      const here = state.keys.includes(key), full = state.keys.length >= KEYS_MAX;
      const link = element("a", {href: write({...state, keys: [key]}), "aria-current": here ? "true" : null, title: key, onclick: (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey)
          return;
        event.preventDefault();
        this.on.choose(key);
      }}, key);
      const single = here && state.keys.length === 1;
      return element("li", {}, link, element("button", {type: "button", class: "compare", "aria-pressed": String(here),
        disabled: single || (!here && full), "aria-label": here ? `Compare without ${key}` : `Compare with ${key}`,
        title: here ? "Leave out of the comparison" : "Compare", onclick: () => this.on.compare(key)}, here ? "−" : "+"));
    }));
  }

  links() {
    return [...this.list.querySelectorAll("a")];
  }

  typed(event) {
    if (event.key === "ArrowDown" || event.key === "Enter") {
      const first = this.links()[0];
      event.preventDefault();
      if (event.key === "Enter")
        this.load().then(([key]) => key && this.on.choose(key));
      else
        first?.focus();
    } else if (event.key === "Escape") {
      this.unfold(false);
    }
  }

  walked(event) {
    const links = this.links(), at = links.indexOf(event.target);
    if (at < 0)
      return;
    const to = {ArrowDown: links[at + 1], ArrowUp: links[at - 1] ?? this.input, Home: links[0], End: links.at(-1), Escape: this.input}[event.key];
    if (to === undefined)
      return;
    event.preventDefault();
    to.focus();
  }
}
