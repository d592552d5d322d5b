# SPDX-License-Identifier: Apache-2.0
"""What people need who see little, use no mouse, or have a page read to them: checks of a page as it stands in the browser, after
the success criteria of WCAG 2.2 that a program can decide."""
import json

# Each gives a list of what is wrong. Contrast is that of WCAG 1.4.3, of every text that is seen, against what lies below it.
CHECKS = r"""
(() => {
  const seen = (e) => e.checkVisibility({opacityProperty: true, visibilityProperty: true}) && e.getClientRects().length > 0
    && !e.closest(".sr, .skip:not(:focus)");
  const name = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.className ? "." + String(e.className).replaceAll(" ", ".") : "");
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (css) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
  const below = (e) => e === null ? [255, 255, 255] : over(rgba(getComputedStyle(e).backgroundColor), below(e.parentElement));
  const light = (rgb) => { const [r, g, b] = rgb.map((c) => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const faults = {contrast: [], headings: [], landmarks: [], targets: [], tables: [], ids: [], images: [], page: [], width: []};

  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || !seen(e) || e.closest(":disabled, script, noscript, option"))
      continue;
    const style = getComputedStyle(e), px = parseFloat(style.fontSize);
    if (px === 0)
      continue;
    const back = below(e), ratio = contrast(over(rgba(style.color), back), back);
    if (ratio < (px >= 24 || (px >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
      faults.contrast.push(`${name(e)} "${walker.currentNode.data.trim().slice(0, 30)}" ${ratio.toFixed(2)}`);
  }

  let level = 0;
  const headings = [...document.querySelectorAll("h1, h2, h3, h4")].filter((e) => e.checkVisibility());
  for (const e of headings) {
    const own = Number(e.tagName[1]);
    if (own > level + 1 || e.textContent.trim() === "")
      faults.headings.push(`${name(e)} after h${level}`);
    level = own;
  }
  if (headings.filter(({tagName}) => tagName === "H1").length !== 1)
    faults.headings.push("there is not one h1");
  for (const landmark of ["header", "nav[aria-label]", "main"])
    if (document.querySelectorAll(landmark).length !== 1)
      faults.landmarks.push(landmark);
  for (const e of document.querySelectorAll("section"))
    if (!document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim())
      faults.landmarks.push(`${name(e)} has no name`);
  for (const e of document.querySelectorAll("button, select, input, summary, a[href]")) {
    const {width, height} = e.getBoundingClientRect();
    if (seen(e) && !e.closest("p, th") && (width < 24 || height < 24) && e.type !== "checkbox" && e.tagName !== "SUMMARY")
      faults.targets.push(`${name(e)} ${width}×${height}`);
  }
  for (const e of document.querySelectorAll("table"))
    if (!e.caption?.textContent.trim() || [...e.querySelectorAll("th")].some((th) => !th.scope))
      faults.tables.push(name(e));
  const ids = [...document.querySelectorAll("[id]")].map(({id}) => id);
  faults.ids = ids.filter((id, i) => ids.indexOf(id) !== i);
  for (const e of document.querySelectorAll("[aria-controls], [aria-describedby], [aria-labelledby], label[for]"))
    for (const attribute of ["aria-controls", "aria-describedby", "aria-labelledby", "for"])
      for (const id of (e.getAttribute(attribute) ?? "").split(" ").filter(Boolean))
        if (!ids.includes(id))
          faults.ids.push(`${name(e)} ${attribute}=${id}`);
  faults.images = [...document.images].filter((e) => !e.hasAttribute("alt")).map(name);
  if (!document.documentElement.lang || !document.title || !document.querySelector("meta[name=viewport]"))
    faults.page.push("lang, title or viewport");
  if (document.documentElement.scrollWidth > innerWidth)
    faults.width.push(`${document.documentElement.scrollWidth} > ${innerWidth}`);
  return faults;
})()
"""
NAMED = {"button", "link", "textbox", "searchbox", "combobox", "checkbox", "Date", "group", "region", "navigation", "listbox",
         "table", "grid"}
UNNAMED_IS_FINE = {"group", "region"}  # where nothing takes the focus


def faults(page):
    """{check: [what is wrong]} of those checks that found something."""
    found = {check: list_ for check, list_ in page.eval(CHECKS).items() if list_}
    nameless = []
    for node in page.call("Accessibility.getFullAXTree")["nodes"]:
        role = node.get("role", {}).get("value")
        focusable = any(p["name"] == "focusable" and p["value"].get("value") for p in node.get("properties", []))
        if node.get("ignored") or not (focusable or role in NAMED - UNNAMED_IS_FINE) or role in ("RootWebArea", "main"):
            continue
        if not node.get("name", {}).get("value", "").strip():
            nameless.append(json.dumps({"role": role, "id": node.get("backendDOMNodeId")}))
    if nameless:
        found["names"] = nameless
    return found


def walk(page, most=400):
    """Tab through the page; (how many stops, those at which no outline is to be seen)."""
    page.eval("document.activeElement.blur(), scrollTo(0, 0)")
    stops, blind = [], []
    for _ in range(most):
        page.press("Tab")
        stop = page.eval("(e => e === document.body ? null : {name: e.id || e.textContent.trim().slice(0, 30) || e.getAttribute('aria-label'),"
                         " outline: getComputedStyle(e).outlineStyle !== 'none' || e.id === 'main'})(document.activeElement)")
        if stop is None:
            break
        stops.append(stop["name"])
        if not stop["outline"]:
            blind.append(stop["name"])
    return stops, blind
