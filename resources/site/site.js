/* What a page does: the switch of language and colours, contents, search, pop-ups. */
"use strict";
const byId = (id) => document.getElementById(id);
const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const words = document.body.dataset;

// ----------------------------------------------------------------------------- language, colours
function remember(name, value) {
  try { localStorage.setItem(name, value); } catch (error) { /* private windows forget */ }
}
const headings = [...document.querySelectorAll("main h1[id], main h2[id], main h3[id], .cell[id], .terms > [id]")];

/** Return the part of the page that is being read: the last that begins near the top or above. */
function here() {
  const above = headings.filter((part) => part.getBoundingClientRect().top < 100);
  return scrollY < 80 ? null : above.at(-1);
}
byId("switch").addEventListener("click", (event) => {
  const part = here();
  event.currentTarget.hash = part ? part.id : "";
  remember("course-lang", language === "zh" ? "en" : "zh");
});
byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remember("course-theme", root.dataset.theme);
});

// ------------------------------------------------------------------------- contents, wide tables
byId("menu").addEventListener("click", () => {
  const open = byId("side").classList.toggle("open");
  byId("menu").setAttribute("aria-expanded", open);
  if (open) scrollTo(0, 0);
});
byId("side").addEventListener("click", (event) => {
  if (!event.target.closest("a")) return;
  byId("side").classList.remove("open");
  byId("menu").setAttribute("aria-expanded", false);
});
const lines = new Map(
  [...document.querySelectorAll("#side .sections a")].map((line) => [line.hash.slice(1), line]));
function follow() {
  const parts = headings.filter((one) => lines.has(encodeURIComponent(one.id)) || lines.has(one.id));
  const end = scrollY > 0 && innerHeight + scrollY >= document.documentElement.scrollHeight - 4;
  const part = end ? parts.at(-1) // the last may be too short to come to the top
    : parts.filter((one) => one.getBoundingClientRect().top < 120).at(-1);
  for (const [id, line] of lines)
    if (part && decodeURIComponent(id) === part.id) line.setAttribute("aria-current", "true");
    else line.removeAttribute("aria-current");
}
addEventListener("scroll", () => requestAnimationFrame(follow), { passive: true });
follow();
function measureTables() {
  for (const frame of document.querySelectorAll(".wide, .math.display")) {
    const wide = frame.scrollWidth > frame.clientWidth + 1;
    if (wide) {
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", frame.querySelector("caption")?.textContent ?? words.table);
    } else for (const name of ["tabindex", "role", "aria-label"]) frame.removeAttribute(name);
  }
}
addEventListener("resize", measureTables);
measureTables();
for (const image of document.querySelectorAll(".output.wide > img, .output.wide > [lang] > img"))
  image.addEventListener("click", () => { // on a phone: its whole width, or legible text
    if (innerWidth <= 560) image.closest(".wide").classList.toggle("large");
    measureTables();
  });

addEventListener("beforeprint", () => { // the instructor's copy has the solutions
  for (const one of document.querySelectorAll(".lesson details")) one.open = true;
});

// --------------------------------------------------------------------------------------- search
const HAN = /[\u3400-\u9fff]+/g;

/** Split a query: runs of Chinese characters, and words of other letters. */
function parts(query) {
  const text = query.toLowerCase();
  return [...(text.match(HAN) ?? []), ...(text.replace(HAN, " ").match(/[\p{L}\p{N}_.×'-]+/gu) ?? [])];
}

/** Return the singular of an English plural; other words stay. */
function singular(word) {
  return word.replace(/ies$/, "y").replace(/(ch|sh|x|ss)es$/, "$1").replace(/([^su'])s$/, "$1");
}

/** Return how well a text fits one part: whole 1, by pairs of characters less, not at all 0. */
function fit(text, part) {
  return wholly(text, part) || 0.8 * wholly(text, singular(part));
}
function wholly(text, part) {
  if (/^[\u3400-\u9fff]/.test(part)) {
    if (text.includes(part)) return 1;
    const pairs = Array.from({ length: part.length - 1 }, (_, i) => part.slice(i, i + 2));
    const share = pairs.filter((pair) => text.includes(pair)).length / (pairs.length || 1);
    return share >= 0.6 ? share / 2 : 0;
  }
  if (/^\p{L}$/u.test(part)) // a letter is a symbol: it stands alone
    return new RegExp(`(?<![\\p{L}\\p{N}_])${part}(?![\\p{L}\\p{N}_])`, "u").test(text) ? 1 : 0;
  const at = text.indexOf(part);
  if (at < 0) return 0;
  return /[\p{L}\p{N}]/u.test(text[at - 1] ?? " ") ? 0.3 : 1; // a word begins with it, or not
}

/** Return the entries that fit every part of the query, best first. */
function find(query) {
  const asked = parts(query);
  if (!asked.length) return [];
  const scored = [];
  for (const entry of window.COURSE_SEARCH) {
    const [, , title, heading, text] = entry.map((one) => one.toLowerCase());
    let score = 0;
    for (const part of asked) {
      const inText = fit(text, part);
      const best = 6 * fit(heading, part) + 2 * fit(title, part) + 2 * inText;
      if (!best) { score = 0; break; }
      score += best + (inText ? Math.min(text.split(part).length - 1, 5) * 0.4 : 0);
    }
    if (score) scored.push([score, entry]);
  }
  return scored.sort((a, b) => b[0] - a[0]).map(([, entry]) => entry);
}

/** Return a piece of the text around the first hit, with the hits marked. */
function snippet(text, asked) {
  const low = text.toLowerCase();
  const hits = asked.map((part) => low.indexOf(part)).filter((at) => at >= 0);
  const early = Math.max(0, Math.min(...hits, low.length) - 30);
  const start = language === "en" && early ? low.indexOf(" ", early) + 1 : early;
  const piece = text.slice(hits.length ? start : 0, (hits.length ? start : 0) + 110);
  const small = document.createElement("small");
  const cut = new RegExp(`(${asked.map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "i");
  piece.split(cut).forEach((bit, i) => {
    const node = i % 2 ? document.createElement("mark") : document.createTextNode("");
    node.textContent = bit;
    small.append(node);
  });
  return small;
}

function showResults() {
  const box = byId("results"), query = byId("query").value.trim();
  box.replaceChildren();
  box.hidden = !query || !window.COURSE_SEARCH;
  if (box.hidden) return;
  const found = find(query), asked = parts(query).flatMap((part) => [part, singular(part)]);
  const count = document.createElement("p");
  count.textContent = found.length ? `${found.length} ${words.found}` : words.nothing;
  box.append(count);
  for (const [page, anchor, title, heading, text] of found.slice(0, 20)) {
    const link = document.createElement("a");
    link.href = `${page}.html#${encodeURIComponent(anchor)}`;
    const name = document.createElement("strong");
    name.textContent = heading === title ? heading : `${heading} — ${title}`;
    link.append(name, snippet(text, asked));
    box.append(link);
  }
}
function loadIndex() {
  if (window.COURSE_SEARCH || byId("index")) return;
  const script = document.createElement("script"); // a script: file:// lets a page read no data
  Object.assign(script, { id: "index", src: `../assets/search-${language}.js`, onload: showResults });
  document.head.append(script);
}
byId("query").addEventListener("focus", loadIndex);
byId("query").addEventListener("input", () => { loadIndex(); showResults(); });
document.querySelector(".search").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("results").querySelector("a")?.click();
});
document.querySelector(".search").addEventListener("keydown", (event) => {
  const links = [...byId("results").querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === "ArrowUp") (at > 0 ? links[at - 1] : byId("query")).focus();
  else if (event.key === "Escape") { byId("results").hidden = true; byId("query").focus(); }
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search") || event.target.closest("#results a")) byId("results").hidden = true;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || /INPUT|TEXTAREA/.test(event.target.tagName)) return;
  event.preventDefault();
  byId("query").focus();
});

// --------------------------------------------------------------------------------------- pop-ups
const popUp = byId("pop-up");
let asking = null;
function explain(link) {
  const [name, sentence] = window.COURSE_TERMS[Number(link.hash.replace("#term-", ""))];
  const title = document.createElement("strong"), text = document.createElement("span");
  const more = document.createElement("a");
  title.textContent = name;
  text.textContent = sentence + " ";
  Object.assign(more, { href: link.href, textContent: words.glossary });
  popUp.replaceChildren(title, text, more);
  popUp.hidden = false;
  const box = link.getBoundingClientRect();
  const left = Math.min(box.left, document.documentElement.clientWidth - popUp.offsetWidth - 12);
  popUp.style.left = `${Math.max(12, left) + scrollX}px`;
  popUp.style.top = `${box.bottom + scrollY + 6}px`;
  if (asking) asking.removeAttribute("aria-describedby");
  link.setAttribute("aria-describedby", "pop-up");
  asking = link;
}
function hush() {
  popUp.hidden = true;
  if (asking) asking.removeAttribute("aria-describedby");
  asking = null;
}
for (const link of document.querySelectorAll("a.term")) {
  link.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && explain(link));
  link.addEventListener("focus", () => explain(link));
  link.addEventListener("blur", (event) => popUp.contains(event.relatedTarget) || hush());
  link.addEventListener("click", (event) => { // Enter follows the link
    if (event.detail) event.preventDefault();
    explain(link);
  });
}
document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse" && asking && !event.target.closest("a.term, #pop-up")
    && document.activeElement !== asking) hush();
});
document.addEventListener("click", (event) => event.target.closest("a.term, #pop-up") || hush());
document.addEventListener("keydown", (event) => event.key === "Escape" && hush());
