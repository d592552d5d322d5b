/* SPDX-License-Identifier: Apache-2.0
   hourfold("checkout.latency", 12.5); see hourfold-collect(8) */
(() => {
const {src, dataset} = document.currentScript,
  url = dataset.collect || new URL("../collect", src).href,
  page = `${Date.now()}-${Math.random()}-`,
  most = 20, soon = 5; // samples, seconds
let queue = [], flying = [], made = 0, pause = soon, timer;

// The server's clock is right; a sample that comes late has its own time.
const text = batch => JSON.stringify(batch.map(({at, tries, ...sample}) =>
  ({...sample, ts: Date.now() - at > 6e4 ? at / 1e3 : undefined})));

const image = body => { new Image().src = url + "?data=" + encodeURIComponent(body); };

const keep = samples => { queue = [...queue, ...samples].slice(-500); };

const next = () => {
  if (queue[most - 1] && pause == soon) flush();
  else if (queue[0]) timer ||= setTimeout(flush, pause * 1e3 * (1 + Math.random()));
};

const flush = async () => {
  const batch = queue.splice(0, most), body = text(batch);
  let again = true;
  timer = clearTimeout(timer);
  flying.push(...batch);
  try {
    const {status} = await fetch(url, {method: "POST", body, keepalive: true});
    again = status > 499 || status == 429;
  } catch {
    image(body); // away or blocked; an id counts once
  }
  flying = flying.filter(s => !batch.includes(s));
  pause = again ? Math.min(pause * 2, 60) : soon;
  if (again) keep(batch.filter(s => ++s.tries < 10));
  next();
};

const early = window.hourfold?.q || [];
window.hourfold = (key, value) => {
  if (!key?.match?.(/^(?!collect$)[a-z\d][\w.:-]{0,199}$/i) || !Number.isFinite(value)) return;
  keep([{key, value, id: page + made++, at: Date.now(), tries: 0}]);
  next();
};
early.forEach(a => hourfold(...a));

addEventListener("visibilitychange", () => { while (document.hidden && queue[0]) flush(); });
addEventListener("pagehide", () => {
  keep(flying);
  while (queue[0]) {
    const body = text(queue.splice(0, most));
    navigator.sendBeacon?.(url, body) && pause == soon || image(body);
  }
});
})();
