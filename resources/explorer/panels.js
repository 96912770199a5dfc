/* The panels: image, network, table, inspector, result. Each builds its elements once a language
   and brings them up to date when the state or the answers change. */

const S = GRID * GRID;

/** Return a row of buttons of which one is chosen; `chosen()` says which. */
function segmented(label, options, chosen, choose) {
  const group = h("div", { class: "segmented", role: "group", "aria-label": label });
  for (const [value, text] of options)
    group.append(h("button", { "data-value": String(value), onclick: () => choose(value) }, text));
  group.update = () => {
    for (const button of group.children)
      button.setAttribute("aria-pressed", button.dataset.value === String(chosen()));
  };
  group.update();
  return group;
}

/** Return a figure as wide as its board: a heading if there is one, the board, the caption. */
function figure(board, caption, heading = null) {
  const style = `width:${Math.max(130, board.columns * board.cell)}px`;
  const text = typeof caption === "string" ? h("figcaption", {}, caption) : caption;
  return h("figure", { style }, heading && h("h4", {}, heading), board.canvas, text);
}

function tokenName(token) {
  return t("tokenName", { n: token + 1, row: Math.floor(token / GRID) + 1, column: (token % GRID) + 1 });
}

function pickToken(row, column) {
  set({ token: row * GRID + column });
}

const sayToken = (row, column) => tokenName(row * GRID + column);
const sayChannel = (_, channel) => t("channelNumber", { n: channel + 1 });

/** Return a board of the 8 x 8 places. */
function placesBoard(cell, label) {
  return new Board({ rows: GRID, columns: GRID, cell, label, pick: pickToken, say: sayToken });
}

/** Return a board of 128 bars, one a channel. */
function channelsBoard(cell, cellHeight, label) {
  const pick = (_, channel) => set({ channel });
  return new Board({ rows: 1, columns: 128, cell, cellHeight, label, pick, say: sayChannel });
}

function frameToken(board, token = state.token) {
  board.cursor = [Math.floor(token / GRID), token % GRID];
  board.frame(...board.cursor);
}

/* ---------------------------------------------------------------- 1 image */

function buildImage() {
  const board = new Board({
    ...{ rows: GRID, columns: GRID, cell: 34, label: t("imageLabel"), pick: useTool, say: sayToken },
    follow: () => state.tool === "look",
  });
  const tools = segmented(
    t("tools"),
    ["look", "swap", "move", "dark"].map((tool) => [tool, t(`tool_${tool}`)]),
    () => state.tool,
    (tool) => set({ tool, held: null }),
  );
  const hint = h("p", { class: "hint", "aria-live": "polite" });
  const gallery = buildGallery();
  const shown = h("span", { class: "small" });
  const heading = h("h3", {}, t("chooseImage"), " ", shown);
  document.getElementById("image-body").replaceChildren(
    ...[board.canvas, tools, hint, buildShifts(), heading, gallery, buildOwn()],
  );
  return () => {
    board.fill(toCanvas(currentImage()));
    board.lines("rgba(0,0,0,.4)");
    const cursor = board.cursor;
    frameToken(board);
    if (state.tool !== "look") {
      board.cursor = cursor;
      board.frame(...cursor, 1, 1, "#ffffff");
    }
    if (state.held !== null) board.frame(Math.floor(state.held / GRID), state.held % GRID, 1, 1, "#56B4E9");
    tools.update();
    if (hint.textContent !== imageHint()) hint.textContent = imageHint();
    shown.textContent = state.supplied === null ? t("ownImage") : imageName(DATA.images[state.supplied]);
    gallery.update();
  };
}

function imageHint() {
  if (state.unreadable) return t("badFile", { name: state.unreadable });
  return t(state.held === null ? `hint_${state.tool}` : "hint_second");
}

/** Return what a supplied image shows, and where it comes from. */
function imageName(image) {
  return t("imageName", { name: image[state.language], source: t(image.source === "cifar10" ? "fromCifar" : "fromUs") });
}

/** What a click on a place does, with the tool that is chosen. */
function useTool(row, column) {
  const place = row * GRID + column;
  const places = [...state.changes.places];
  const dark = [...state.changes.dark];
  if (state.tool === "look") return pickToken(row, column);
  if (state.tool === "dark") dark[place] = !dark[place];
  else if (state.held === null) return set({ held: place, token: place });
  else if (state.tool === "swap") {
    [places[state.held], places[place]] = [places[place], places[state.held]];
    [dark[state.held], dark[place]] = [dark[place], dark[state.held]];
  } else if (state.held !== place) {
    [places[place], dark[place], dark[state.held]] = [places[state.held], dark[state.held], true];
  }
  set({ changes: { ...state.changes, places, dark }, held: null, token: place });
}

function shiftBy(right, down) {
  const limit = (value) => Math.max(-16, Math.min(16, value));
  const [x, y] = state.changes.shift;
  set({ changes: { ...state.changes, shift: [limit(x + right), limit(y + down)] } });
}

let shuffles = 0;

function shuffleAll() {
  shuffles += 1;
  set({ changes: { ...state.changes, places: shuffledOrder(S, shuffles), shuffled: true }, held: null });
}

function buildShifts() {
  const arrows = [["←", -1, 0, "left"], ["→", 1, 0, "right"], ["↑", 0, -1, "up"], ["↓", 0, 1, "down"]];
  return h(
    ...["div", { class: "row shifts" }],
    h("button", { onclick: shuffleAll }, t("shuffle")),
    h("span", { class: "small" }, t("shift")),
    ...arrows.map(([text, x, y, name]) =>
      h("button", { class: "square", "aria-label": t(`shift_${name}`), onclick: () => shiftBy(x, y) }, text),
    ),
  );
}

function chooseSupplied(index) {
  opened += 1; // a file that is still being read comes too late
  set({ supplied: index, original: suppliedImage(index), changes: noChanges(), held: null });
}

function buildGallery() {
  const gallery = h("div", { class: "gallery", role: "group", "aria-label": t("chooseImage") });
  DATA.images.forEach((image, i) => {
    const canvas = toCanvas(suppliedImage(i));
    canvas.setAttribute("aria-hidden", "true");
    const name = imageName(image);
    gallery.append(h("button", { "aria-label": name, title: name, onclick: () => chooseSupplied(i) }, canvas));
  });
  gallery.update = () =>
    [...gallery.children].forEach((button, i) => button.setAttribute("aria-pressed", state.supplied === i));
  return gallery;
}

let opened = 0; // files and supplied images chosen so far: of several the last counts

async function useFile(file) {
  if (!file) return;
  opened += 1;
  const turn = opened;
  const rgb = await readImageFile(file).catch(() => null);
  if (turn !== opened) return;
  if (rgb) useOwn(rgb);
  else set({ unreadable: file.name });
}

function useOwn(rgb) {
  set({ supplied: null, original: rgb, changes: noChanges(), held: null });
}

function buildOwn() {
  const input = h("input", { type: "file", accept: "image/*", class: "hidden", tabindex: "-1", "aria-label": t("openFile") });
  input.addEventListener("change", () => {
    useFile(input.files[0]);
    input.value = ""; // so that the same file can be opened again
  });
  return h(
    ...["div", { class: "row" }],
    h("button", { onclick: openPad }, t("draw")),
    h("button", { onclick: () => input.click() }, t("openFile")),
    input,
  );
}

/* ---------------------------------------------------------------- 2 network */

function buildPipeline() {
  const stages = Array.from({ length: LAST + 1 }, (_, stage) => buildStage(stage));
  const halves = ["token", "channel"].map((kind) =>
    h("button", { class: `half ${kind}`, role: "switch", onclick: () => switchAll(kind) }, t(`all_${kind}`)),
  );
  const depth = h("input", { type: "range", min: 0, max: DEPTH, id: "depth" });
  depth.addEventListener("input", () => setDepth(Number(depth.value)));
  const said = h("output", { for: "depth" });
  document.getElementById("pipeline").replaceChildren(
    h("div", { class: "stages" }, ...stages.map((stage) => stage.element)),
    h("p", { class: "small" }, t("networkHint")),
    h("div", { class: "row" }, ...halves, h("span", { class: "slider" }, h("label", { for: "depth" }, t("depth")), depth, said)),
  );
  return () => {
    stages.forEach((stage) => stage.update());
    ["token", "channel"].forEach((kind, i) => {
      const off = state.settings[`${kind}Off`];
      halves[i].setAttribute("aria-checked", !off.includes(true));
      halves[i].classList.toggle("partly", off.includes(true) && off.includes(false));
    });
    depth.value = state.settings.depth;
    said.textContent = state.settings.depth;
  };
}

function stageName(stage) {
  if (stage === 0) return t("stageStem");
  return stage === LAST ? t("stageMean") : t("stageBlock", { n: stage });
}

/** One card of the pipeline: a button with the table in small; a block's card has two switches. */
function buildStage(stage) {
  const board = new Board({ rows: S, columns: 128, cell: 0.5, label: stageName(stage) });
  board.canvas.setAttribute("aria-hidden", "true");
  const button = h("button", { class: "stage", onclick: () => set({ stage }) }, board.canvas, stageName(stage));
  const block = stage - 1;
  const isBlock = stage > 0 && stage < LAST;
  const halves = isBlock ? ["token", "channel"].map((kind) => halfSwitch(block, kind)) : [];
  const element = h("div", { class: "card" }, button, ...halves);
  let [painted, ramp] = [null, null]; // what the small table shows already
  const update = () => {
    const unused = isBlock && stage > state.settings.depth;
    element.classList.toggle("unused", unused);
    button.disabled = unused;
    button.setAttribute("aria-pressed", state.stage === stage);
    halves.forEach((half) => half.update());
    const table = unused ? null : shownTable(stage);
    if (table && (painted !== table.now || ramp !== signedRamp)) {
      [painted, ramp] = [table.now, signedRamp];
      const limit = scaleOf(table.now);
      board.paint((r, c) => signedColour(table.now[r * 128 + c], limit));
    }
  };
  return { element, update };
}

function halfSwitch(block, kind) {
  const half = h("button", { class: `half ${kind}`, role: "switch", onclick: () => toggleHalf(block, kind) });
  half.append(t(`half_${kind}`));
  half.setAttribute("aria-label", t(`switch_${kind}`, { n: block + 1 }));
  half.title = t(`switch_${kind}`, { n: block + 1 });
  half.update = () => half.setAttribute("aria-checked", !state.settings[`${kind}Off`][block]);
  return half;
}

function toggleHalf(block, kind) {
  const off = [...state.settings[`${kind}Off`]];
  off[block] = !off[block];
  setSettings({ [`${kind}Off`]: off });
}

/** Switch all halves of a kind off; or on, if any is off. */
function switchAll(kind) {
  const off = !state.settings[`${kind}Off`].includes(true);
  setSettings({ [`${kind}Off`]: Array(DEPTH).fill(off) });
}

function setDepth(depth) {
  if (state.stage > depth && state.stage < LAST) state.stage = depth;
  setSettings({ depth });
}

/* ---------------------------------------------------------------- the table */

function buildTable() {
  const title = h("h3", {});
  const board = new Board({
    ...{ rows: S, columns: 128, cell: 5, cellHeight: 3, label: t("tableLabel") },
    pick: (token, channel) => set({ token, channel }),
    say: () => cellText(),
  });
  const mode = segmented(
    t("tableMode"),
    [[false, t("showValues")], [true, t("showDifference")]],
    () => state.difference,
    (difference) => set({ difference }),
  );
  const cell = h("p", { class: "readout" });
  const scale = h("p", { class: "scale" });
  const key = h(
    ...["ul", { class: "key" }],
    h("li", { class: "table" }, t("keyTable")),
    h("li", { class: "token" }, h("b", {}, t("keyColumn")), " ", t("keyColumnText")),
    h("li", { class: "channel" }, h("b", {}, t("keyRow")), " ", t("keyRowText")),
  );
  const mean = buildMean();
  document.getElementById("table-panel").replaceChildren(
    h("div", { class: "row spread" }, title, mode),
    h("div", { class: "table-view" }, h("div", {}, h("p", { class: "axis" }, t("axisColumns")), board.canvas, h("div", { class: "row spread" }, scale, cell)), key),
    mean.element,
  );
  return () => {
    mode.update();
    board.cursor = [state.token, state.channel];
    const table = shownTable();
    title.textContent = tableTitle(table);
    cell.textContent = table ? cellText() : t("tourWait");
    if (!table) return;
    mean.update();
    paintTable(board, table, scale);
  };
}

/** Return which table this is; and that it has not changed, where its changes are asked for. */
function tableTitle(table) {
  const title = state.stage === LAST ? t("tableNormed") : t("tableTitle", { stage: stageName(state.stage) });
  const same = state.difference && table?.now.every((value, i) => value === table.before[i]);
  return same ? title + t("tableSame") : title;
}

/** Say the chosen cell as the table shows it: its value, or how far it is from the untouched one. */
function cellText() {
  const table = shownTable();
  const at = state.token * 128 + state.channel;
  const value = table ? table.now[at] - (state.difference ? table.before[at] : 0) : 0;
  const key = state.difference ? "cellChange" : "cellText";
  return t(key, { token: state.token + 1, channel: state.channel + 1, value: number(value, 3) });
}

/** The way from the last table to the classes: shown with the last stage. */
function buildMean() {
  const bars = channelsBoard(5, 60, t("pooledLabel"));
  const [pooled, logits] = [h("p", { class: "small" }), h("p", { class: "small" })];
  const element = h("div", { class: "mean", hidden: true }, h("h4", {}, t("meanTitle")), bars.canvas, pooled, logits);
  const update = () => {
    element.hidden = state.stage !== LAST;
    if (element.hidden) return;
    const values = answers.trace.pooled;
    const limit = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    drawBars(bars, values, limit, state.channel, css("--stem"));
    bars.cursor = [0, state.channel];
    pooled.textContent = t("pooledText", { limit: number(limit), c: state.channel + 1, value: number(values[state.channel], 3) });
    const scores = Array.from(answers.logits, (value, k) => `${className(k)} ${number(value)}`);
    logits.textContent = t("logitsText", { logits: scores.join(" · ") });
  };
  return { element, update };
}

function paintTable(board, { now, before }, scale) {
  const shown = state.difference ? now.map((value, i) => value - before[i]) : now;
  const limit = state.difference ? scaleOf(before) : scaleOf(now);
  board.paint((r, c) => signedColour(shown[r * 128 + c], limit));
  board.frame(0, state.channel, S, 1, "#56B4E9");
  board.frame(state.token, 0, 1, 128, "#ff9d5c");
  const colours = [-1, -0.5, 0, 0.5, 1].map((part) => `rgb(${signedColour(part, 1).map(Math.round)})`);
  scale.replaceChildren(
    `−${limit.toFixed(1)}`,
    h("span", { class: "bar", style: `background:linear-gradient(90deg,${colours})` }),
    `+${limit.toFixed(1)}`,
  );
}

/* ---------------------------------------------------------------- 3 result */

function buildResult() {
  const headline = h("p", { class: "headline" });
  const before = h("p", { class: "before" });
  const bars = h("ol", { class: "bars" });
  const rows = Array.from({ length: CLASSES }, (_, k) => {
    const parts = { now: h("span", { class: "now" }), was: h("span", { class: "was" }), value: h("span", { class: "value" }) };
    bars.append(h("li", {}, h("span", { class: "name" }, className(k)), h("span", { class: "track" }, parts.now, parts.was), parts.value));
    return parts;
  });
  const changed = h("ul", { class: "changed" });
  const reset = h("button", { onclick: resetAll }, t("reset"));
  const time = h("p", { class: "hint" });
  document.getElementById("result-body").replaceChildren(
    ...[headline, before, bars, h("p", { class: "hint key-line" }, t("barsKey")), h("h3", {}, t("changedTitle")), changed, reset, time],
  );
  return () => {
    const [now, was] = [softmax(answers.logits), softmax(answers.baseLogits)];
    const best = (list) => list.indexOf(Math.max(...list));
    headline.textContent = t("now", { name: className(best(now)), p: percent(now[best(now)], 0) });
    before.textContent = t("was", { name: className(best(was)), p: percent(was[best(was)], 0) });
    rows.forEach((parts, k) => {
      parts.now.style.width = `${100 * now[k]}%`;
      parts.was.style.left = `${100 * was[k]}%`;
      parts.value.textContent = percent(now[k]);
      parts.value.closest("li").classList.toggle("best", k === best(now));
    });
    changed.replaceChildren(...changeList().map((text) => h("li", {}, text)));
    reset.disabled = isUntouched();
    const live = answers.ms === null ? t("fromCache") : t("live", { ms: answers.ms.toFixed(0) });
    time.textContent = answers.failure ?? live;
    const brief = [h("b", {}, headline.textContent), h("span", {}, before.textContent)];
    document.getElementById("strip").replaceChildren(...brief);
    announceResult(headline.textContent + " " + before.textContent);
  };
}

/** Return what is changed, one line each. */
function changeList() {
  const { places, dark, shift, shuffled } = state.changes;
  const { depth, tokenOff, channelOff, silenced } = state.settings;
  const count = (list) => list.filter(Boolean).length;
  const lines = [];
  const moved = places.filter((patch, p) => patch !== p && !dark[p]).length;
  if (moved) lines.push(t("changedPlaces", { n: moved }) + accuracyText(shuffled ? DATA.measured.shuffled : undefined));
  if (count(dark)) lines.push(t("changedDark", { n: count(dark) }));
  if (shift[0] || shift[1]) {
    const known = shift[1] ? undefined : DATA.measured.shifted[shift[0]];
    lines.push(t("changedShift", { where: shiftText(...shift) }) + accuracyText(known));
  }
  if (count(tokenOff)) lines.push(offText(tokenOff, "changedToken", "no_token_mixing"));
  if (count(channelOff)) lines.push(offText(channelOff, "changedChannel", "no_channel_mixing"));
  if (depth < DEPTH) lines.push(t("changedDepth", { n: depth }) + accuracyText(DATA.measured.first_blocks[depth]));
  if (silenced.length) lines.push(t("changedSilent", { n: silenced.length }));
  return lines.length ? lines : [t("changedNothing", { p: percent(DATA.measured.untouched) })];
}

/** Say how far the image is shifted, in words of direction. */
function shiftText(right, down) {
  const say = (n, more, less) => t(n > 0 ? `where_${more}` : `where_${less}`, { n: Math.abs(n) });
  const parts = [right && say(right, "right", "left"), down && say(down, "down", "up")];
  return parts.filter(Boolean).join(t("comma"));
}

/** Say in which blocks a mixing is off; of all blocks it is known what that does. */
function offText(off, some, all) {
  if (!off.includes(false)) return t(all) + accuracyText(DATA.measured[all]);
  const blocks = off.flatMap((isOff, b) => (isOff ? [b + 1] : []));
  return t(some, { blocks: blocks.join(t("comma")) });
}

/** Return what a change alone does to the test accuracy, if that has been measured. The tour asks
    for it before it says it itself. */
function accuracyText(accuracy) {
  return accuracy === undefined || tour.step !== null ? "" : t("changedAlone", { p: percent(accuracy), before: percent(DATA.measured.untouched) });
}

function resetAll() {
  set({ changes: noChanges(), settings: untouched(DEPTH), held: null });
}

let announced = "";
let announceTimer = 0;

/** Tell a screen reader, once things have been quiet for a while. */
function announce(text) {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => {
    document.getElementById("live").textContent = text;
  }, 400);
}

function announceResult(text) {
  if (text === announced) return;
  announced = text;
  announce(text);
}
