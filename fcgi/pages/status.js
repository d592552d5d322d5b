// SPDX-License-Identifier: Apache-2.0
// How the service is, and what a person has to know of it.

import * as api from "./api.js";
import {byId, element, fill, say} from "./dom.js";
import {clockWithSeconds} from "./format.js";

/** A notice for each cause; null takes it away. Notices are said aloud when they come, and not again. */
const notices = new Map();
export function notice(cause, kind, title, text = "", ...more) {
  const words = title === null ? null : `${kind}\n${title}\n${text}`;
  if ((notices.get(cause)?.words ?? null) === words)
    return;
  if (words === null)
    notices.delete(cause);
  else
    notices.set(cause, {words, box: element("div", {class: `notice ${kind}`, "data-cause": cause}, element("strong", {}, title), element("p", {}, text), ...more)});
  fill(byId("notices"), ...[...notices.values()].map(({box}) => box));
}

function pill(kind, text) {
  const target = byId("health");
  target.className = `pill ${kind}`;
  say(target, text);
}

/** Look how things stand; true when anything was answered. */
export async function look() {
  let health;
  try {
    health = await api.health();
  } catch {
    pill("bad", "Unreachable");
    notice("health", null, null);
    notice("unreachable", "bad", "hourfold cannot be reached.", "What is shown is what was there before. It is tried again every few seconds.");
    return false;
  }
  notice("unreachable", null, null);
  const [first] = health.reasons, asOf = health.as_of ? Date.parse(health.as_of) : null;
  const behind = asOf === null ? "" : ` The figures hold all that was sent before ${clockWithSeconds(asOf, "UTC")} UTC.`;
  if (health.status === "ok")
    pill("good", "Up to date");
  else if (health.status === "degraded")
    pill("warn", "Degraded");
  else
    pill("bad", asOf === null ? "No data yet" : "Behind");
  if (!first || first.code === "no_store" || first.code === "never_committed")
    notice("health", null, null);
  else
    notice("health", health.status === "failing" ? "bad" : "warn",
      health.status === "failing" ? "The service is behind or failing." : "The service is degraded.",
      health.reasons.map(({message}) => message).join(" ") + behind);
  return true;
}
