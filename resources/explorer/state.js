/* What the page knows: the reader's choices, the network's answers; and how both reach the views. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const TEXTS = JSON.parse(document.getElementById("texts").textContent);
const CLASSES = 10;
const FIRST_IMAGE = 7;
const DEPTH = DATA.manifest.filter(([name]) => name.endsWith("token_norm.bias")).length;
const LAST = DEPTH + 1; // the stage after the final LayerNorm

function decode(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

const SUPPLIED = decode(document.getElementById("images").textContent.trim());

function suppliedImage(index) {
  const size = IMAGE * IMAGE * 3;
  return SUPPLIED.slice(index * size, (index + 1) * size);
}

const state = {
  language: "zh",
  supplied: FIRST_IMAGE, // index of the image, or null for the reader's own
  original: suppliedImage(FIRST_IMAGE),
  changes: noChanges(),
  settings: untouched(DEPTH),
  tool: "look", // look | swap | move | dark
  held: null, // the patch that waits for its second click
  unreadable: null, // the name of a file that was no image, until the reader does something else
  stage: 0, // table shown: 0 the stem's, b after block b, LAST after the last norm
  difference: false, // show the table, or how far it is from the untouched one
  token: 27,
  channel: 41,
  unit: { kind: "token", block: 0, unit: 0 },
  tab: "token",
  alone: false, // dependence of one block alone, not from the image on
  epoch: DATA.epochs.length - 1,
};

const answers = {
  trace: null, // of the image and network as they are now
  base: null, // of the untouched image in the untouched network
  logits: DATA.images[FIRST_IMAGE].logits, // from the cache until the network has answered
  baseLogits: DATA.images[FIRST_IMAGE].logits,
  ms: null,
  weights: null,
  mixer: null, // for small sums in the page
  dependence: null, // {id, block: null or the block alone, rows: [patch] -> values}
  failure: null, // why the worker gave up, in words
};

/** Return a text in the reader's language, with {name} replaced by values. */
function t(key, values = {}) {
  const text = TEXTS[state.language][key];
  if (text === undefined) throw new Error(`no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function className(k) {
  return t("classes").split(" ")[k];
}

function percent(p, digits = 1) {
  return `${(100 * p).toFixed(digits)}\u00a0%`; // number and sign stay on one line
}

function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "−");
}

/** Return a new element: h("p", {class: "note"}, "text", child). Functions become listeners. */
function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const views = []; // functions that bring a part of the page up to date
let drawing = false;

/** Bring every view up to date before the next frame. */
function render() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawNow();
  });
}

function drawNow() {
  chooseRamp();
  for (const view of views) view();
}

/** Change the state and show it. What the network sees is computed again if it has changed. */
function set(changes) {
  Object.assign(state, { unreadable: null }, changes);
  const keys = Object.keys(changes);
  if (keys.some((key) => ["original", "changes", "settings"].includes(key))) requestRun();
  if (keys.includes("original") && state.supplied !== null) {
    answers.logits = answers.baseLogits = DATA.images[state.supplied].logits;
  }
  requestDependence();
  render();
}

function setSettings(change) {
  set({ settings: { ...state.settings, ...change } });
}

function currentImage() {
  return compose(state.original, state.changes, DATA.statistics.mean);
}

function isNetworkUntouched({ depth, tokenOff, channelOff, silenced } = state.settings) {
  return depth === DEPTH && !tokenOff.includes(true) && !channelOff.includes(true) && !silenced.length;
}

function isUntouched() {
  return isNetworkUntouched() && isUnchanged(state.changes);
}

/* ---- the worker: one run under way, the newest waiting one next, all others forgotten ---- */

const worker = new Worker(
  URL.createObjectURL(new Blob([document.getElementById("worker").textContent], { type: "text/javascript" })),
);
let running = false;
let wanted = false;
let baseOf = null; // the original that answers.base belongs to
let lastRun = 0;
const settled = []; // who waits until no run is under way

function requestRun() {
  wanted = true;
  if (!running && answers.weights) sendRun();
}

function sendRun() {
  running = true;
  wanted = false;
  lastRun += 1;
  const original = baseOf === state.original ? null : state.original;
  baseOf = state.original;
  worker.postMessage({ kind: "stop" }); // a dependence of what is no longer shown
  worker.postMessage({ kind: "run", id: lastRun, rgb: currentImage(), settings: state.settings, original });
}

/** Resolve once the network has answered the newest question. */
function whenSettled() {
  return new Promise((resolve) => {
    if (!running && !wanted && answers.trace) resolve();
    else settled.push(resolve);
  });
}

function receiveResult({ trace, base, ms }) {
  running = false;
  if (base) {
    answers.base = base;
    answers.baseLogits = base.logits;
  }
  answers.trace = trace;
  answers.logits = trace.logits;
  answers.ms = ms;
  if (wanted) return sendRun();
  answers.dependence = null;
  requestDependence();
  render();
  settled.splice(0).forEach((resolve) => resolve());
}

function receiveReady({ weights }) {
  answers.weights = weights;
  answers.mixer = new Mixer(weights, DATA.manifest, DATA.statistics);
  sendRun();
}

worker.onmessage = ({ data }) => {
  if (data.kind === "ready") receiveReady(data);
  if (data.kind === "result") receiveResult(data);
  if (data.kind === "dependence") receiveDependence(data);
};
worker.onerror = (event) => {
  answers.failure = `${t("failed")} ${event.message}`;
  render();
};

/* ---- who depends on whom: asked for while its panel is open, patch by patch ---- */

let dependenceId = 0;

/** Ask for the dependences that the open panel shows, unless they are there or on their way. */
function requestDependence() {
  if (state.tab !== "depends" || !answers.trace || running) return;
  const block = state.alone && state.stage > 0 ? Math.min(state.stage, state.settings.depth) - 1 : null;
  if (answers.dependence && answers.dependence.block === block) return;
  dependenceId += 1;
  answers.dependence = { id: dependenceId, block, rows: [] };
  const { tables } = answers.trace;
  worker.postMessage({
    ...{ kind: "dependence", id: dependenceId, rgb: currentImage() },
    ...{ settings: state.settings, tables, block },
  });
}

function receiveDependence({ id, patch, values }) {
  if (!answers.dependence || answers.dependence.id !== id) return;
  answers.dependence.rows[patch] = values;
  render();
  if (patch === GRID * GRID - 1) settledDependence.splice(0).forEach((resolve) => resolve());
}

const settledDependence = [];

/** Resolve once all 64 patches have been tried. */
async function whenDependenceKnown() {
  await whenSettled();
  requestDependence();
  if (answers.dependence?.rows.length === GRID * GRID) return;
  await new Promise((resolve) => settledDependence.push(resolve));
}

/** Return how much output token `to` moves when patch `from` goes; undefined if not known yet. */
function dependence(to, from) {
  const values = answers.dependence?.rows[from];
  if (!values) return undefined;
  if (answers.dependence.block !== null) return values[to];
  return values[Math.min(state.stage, state.settings.depth) * GRID * GRID + to];
}

/** Return the table of the stage shown, or null: {values, base}. */
function shownTable(stage = state.stage) {
  const { trace, base } = answers;
  if (!trace) return null;
  const now = stage === LAST ? trace.normed : trace.tables[stage];
  const before = stage === LAST ? base.normed : base.tables[stage];
  return now ? { now, before } : null;
}
