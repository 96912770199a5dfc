/* The inspector: one tab each for a token, a channel, a block, a hidden unit, dependence, training. */

const TABS = ["token", "channel", "block", "unit", "depends", "training"];
const CHANNELS = 128;

function buildInspector() {
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": t("inspector") });
  const panel = h("div", { role: "tabpanel", id: "tab-panel", tabindex: "0" });
  for (const tab of TABS) {
    const button = h("button", { role: "tab", id: `tab-${tab}`, "aria-controls": "tab-panel" }, t(`tab_${tab}`));
    button.addEventListener("click", () => set({ tab }));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length];
      set({ tab: next });
      document.getElementById(`tab-${next}`).focus();
    });
    list.append(button);
  }
  document.getElementById("inspector").replaceChildren(list, panel);
  const builders = { token: tokenTab, channel: channelTab, block: blockTab, unit: unitTab, depends: dependsTab, training: trainingTab };
  let open = null;
  let update = null;
  return () => {
    for (const button of list.children) {
      const chosen = button.id === `tab-${state.tab}`;
      button.setAttribute("aria-selected", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
    if (!answers.trace) return;
    if (open !== state.tab) {
      open = state.tab;
      panel.setAttribute("aria-labelledby", `tab-${open}`);
      const built = builders[open]();
      panel.replaceChildren(...built.elements);
      update = built.update;
    }
    update();
  };
}

/** Return the row of a token, or the column of a channel, of a table. */
const rowOf = (table, token) => table.subarray(token * CHANNELS, (token + 1) * CHANNELS);
const columnOf = (table, channel) => Float32Array.from({ length: S }, (_, i) => table[i * CHANNELS + channel]);

function stepper(label, get, count, choose) {
  const input = h("input", { type: "number", min: 1, max: count });
  input.addEventListener("change", () => {
    const value = Math.min(count, Math.max(1, Math.round(Number(input.value)) || 1));
    choose(value - 1);
    render();
  });
  const element = h("label", { class: "stepper" }, label, " ", input, ` / ${count}`);
  element.update = () => {
    if (document.activeElement !== input) input.value = get() + 1;
  };
  return element;
}

/* ---- a token: where it comes from, its numbers, what each block adds to it */

function tokenTab() {
  const choice = stepper(t("token"), () => state.token, S, (token) => set({ token }));
  const from = h("p", {});
  const patch = new Board({ rows: PATCH, columns: PATCH, cell: 24, label: t("patchLabel") });
  const bars = channelsBoard(4.5, 84, t("rowLabel"));
  const barsText = h("figcaption", {});
  const added = new Board({ rows: 1, columns: 1, cell: 360, cellHeight: 96, label: t("addedLabel") });
  const addedText = h("figcaption", {});
  const elements = [
    h("div", { class: "row" }, choice, from),
    h("div", { class: "figures" }, figure(patch, t("patchCaption")), figure(added, addedText)),
    figure(bars, barsText),
  ];
  const update = () => {
    choice.update();
    const place = state.changes.places[state.token];
    from.textContent = state.changes.dark[state.token]
      ? t("fromDark", { name: tokenName(state.token) })
      : t("fromPatch", { name: tokenName(state.token), origin: place === state.token ? "" : t("fromElsewhere", { n: place + 1 }) });
    paintPatch(patch, currentImage());
    const table = shownTable();
    if (!table) return;
    const row = rowOf(table.now, state.token);
    const limit = largest(row);
    drawBars(bars, row, limit, state.channel, css("--channel"));
    bars.cursor = [0, state.channel];
    barsText.textContent = t("rowCaption", { stage: stageName(state.stage), limit: number(limit), c: state.channel + 1, value: number(row[state.channel], 3) });
    addedText.textContent = drawAdded(added);
  };
  return { elements, update };
}

function paintPatch(board, rgb) {
  const top = Math.floor(state.token / GRID) * PATCH;
  const left = (state.token % GRID) * PATCH;
  board.paint((r, c) => rgb.subarray(((top + r) * IMAGE + left + c) * 3, ((top + r) * IMAGE + left + c) * 3 + 3));
  board.lines("rgba(128,128,128,.5)");
}

/** Return the length of what token mixing, and channel mixing, add to the token, a pair a block. */
function addedTo(token) {
  const length = (after, before) => {
    let sum = 0;
    for (let p = token * CHANNELS; p < (token + 1) * CHANNELS; p++) sum += (after[p] - before[p]) ** 2;
    return Math.sqrt(sum);
  };
  const { blocks, tables } = answers.trace;
  return blocks.map(({ afterToken, after }, b) => [length(afterToken, tables[b]), length(after, afterToken)]);
}

/** Draw two bars a block, and return what they say in words. */
function drawAdded(board) {
  const { context, canvas } = board;
  const pairs = addedTo(state.token);
  const limit = largest(pairs.flat());
  const [width, ground] = [canvas.width / DEPTH, canvas.height - 40];
  context.fillStyle = css("--panel");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = "22px sans-serif";
  context.textAlign = "center";
  pairs.forEach((pair, b) => {
    pair.forEach((value, i) => {
      context.fillStyle = css(i ? "--channel" : "--token");
      const height = (value / limit) * (ground - 6);
      context.fillRect(b * width + 12 + i * (width / 2 - 12), ground - height, width / 2 - 14, height);
    });
    context.fillStyle = css("--text");
    context.fillText(String(b + 1), (b + 0.5) * width, canvas.height - 12);
  });
  const [token, channel] = pairs[Math.max(0, Math.min(state.stage, pairs.length) - 1)] ?? [0, 0];
  return t("addedCaption", { n: Math.max(1, Math.min(state.stage, pairs.length)), token: number(token), channel: number(channel) });
}

/* ---- a channel: its filter, its map at every stage, what it says about the classes */

function channelTab() {
  const choice = stepper(t("channel"), () => state.channel, CHANNELS, (channel) => set({ channel }));
  const filter = new Board({ rows: PATCH, columns: PATCH, cell: 24, label: t("filterLabel") });
  const map = placesBoard(18, t("mapLabel"));
  const mapText = h("figcaption", {});
  const stages = Array.from({ length: LAST + 1 }, (_, stage) => {
    const board = new Board({ rows: GRID, columns: GRID, cell: 6.5, label: stageName(stage) });
    return { board, element: h("button", { class: "stage", onclick: () => set({ stage }) }, board.canvas, stageName(stage)) };
  });
  const vote = h("p", {});
  const elements = [
    h("div", { class: "row" }, choice, h("span", { class: "small" }, t("channelText"))),
    h("div", { class: "figures" }, figure(filter, t("filterCaption")), figure(map, mapText), h("div", { class: "beside" }, vote)),
    h("div", { class: "stages plain" }, ...stages.map(({ element }) => element)),
  ];
  const update = () => {
    choice.update();
    paintFilter(filter, answers.weights["patch_embedding.weight"], state.channel);
    stages.forEach(({ board, element }, stage) => {
      element.setAttribute("aria-pressed", state.stage === stage);
      const table = shownTable(stage);
      element.disabled = !table;
      if (table) paintMap(board, columnOf(table.now, state.channel));
    });
    const table = shownTable();
    if (!table) return;
    const limit = paintMap(map, columnOf(table.now, state.channel));
    frameToken(map);
    mapText.textContent = t("mapCaption", { stage: stageName(state.stage), limit: number(limit) });
    vote.textContent = voteText();
  };
  return { elements, update };
}

/** Paint 64 signed numbers as an 8 x 8 map; return the colour scale's limit. */
function paintMap(board, values, limit = largest(values)) {
  board.paint((r, c) => signedColour(values[r * board.columns + c], limit));
  return limit;
}

/** Paint a filter of the stem: 4 x 4 weights in three colours, grey is zero. */
function paintFilter(board, weights, channel) {
  const size = 3 * PATCH * PATCH;
  const filter = weights.subarray(channel * size, (channel + 1) * size);
  const limit = largest(filter);
  board.paint((r, c) => [0, 1, 2].map((k) => 127.5 + (127.5 * filter[k * PATCH * PATCH + r * PATCH + c]) / limit));
}

function voteText() {
  const { pooled } = answers.trace;
  const head = answers.weights["head.weight"];
  const votes = Array.from({ length: CLASSES }, (_, k) => pooled[state.channel] * head[k * CHANNELS + state.channel]);
  const order = votes.map((_, k) => k).sort((a, b) => votes[b] - votes[a]);
  const say = (k) => `${className(k)} ${votes[k] > 0 ? "+" : ""}${number(votes[k])}`;
  return t("voteText", { mean: number(pooled[state.channel], 3), most: say(order[0]), least: say(order[CLASSES - 1]) });
}

/* ---- a block: its two halves in numbers, and all its hidden units */

/** Return the block that the stage shown belongs to. */
const shownBlock = () => Math.min(DEPTH, Math.max(1, state.stage)) - 1;

function blockTab() {
  const choice = stepper(t("block"), shownBlock, DEPTH, (block) => set({ stage: block + 1 }));
  const steps = h("ol", { class: "steps" });
  const pickUnit = (kind, columns) => (row, column) =>
    set({ unit: { kind, block: shownBlock(), unit: row * columns + column }, tab: "unit" });
  const token = unitsBoard(4, 8, t("tokenUnitsLabel"), pickUnit("token", 8));
  const channel = unitsBoard(16, 32, t("channelUnitsLabel"), pickUnit("channel", 32));
  const elements = [
    h("div", { class: "row" }, choice), steps,
    h("div", { class: "figures" }, figure(token, t("tokenUnitsCaption")), figure(channel, t("channelUnitsCaption"))),
  ];
  const update = () => {
    choice.update();
    const block = shownBlock();
    steps.replaceChildren(...blockSteps(block).map(([kind, text]) => h("li", { class: kind }, text)));
    paintUnits(token, answers.mixer.part(block, "token_mixing.fc1.weight"));
    token.lines(css("--panel"), 5);
    paintActivity(channel, answers.trace.blocks[block]?.channelHidden);
    [token, channel].forEach(frameCursor);
  };
  return { elements, update };
}

/** Return a board of hidden units, 304 pixels wide; arrow keys only move its cursor. */
function unitsBoard(rows, columns, label, pick) {
  const say = (row, column) => t("unitNumber", { n: row * columns + column + 1 });
  return new Board({ rows, columns, cell: 304 / columns, label, pick, say, follow: () => false });
}

/** Frame the cell under the cursor while the board has the focus. */
function frameCursor(board) {
  if (document.activeElement === board.canvas) board.frame(...board.cursor);
}

function blockSteps(block) {
  const size = (values) => number(Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length));
  const run = answers.trace.blocks[block];
  if (!run) return [["", t("blockUnused")]];
  const x = answers.trace.tables[block];
  const less = (a, b) => a.map((value, i) => value - b[i]);
  return [
    ["", t("blockIn", { size: size(x) })],
    ["token", run.tokenHidden ? t("blockToken", { size: size(less(run.afterToken, x)) }) : t("halfOff_token")],
    ["channel", run.channelHidden ? t("blockChannel", { size: size(less(run.after, run.afterToken)) }) : t("halfOff_channel")],
    ["", t("blockOut", { size: size(run.after) })],
  ];
}

/** Paint the maps of all token-mixing units of a block, W1's rows: (32, 64) as 4 x 8 maps. */
function paintUnits(board, weights) {
  const { columns, rows } = board;
  const value = (unit, place) => weights[unit * S + place];
  const limits = Array.from({ length: rows * columns }, (_, unit) => largest(weights.subarray(unit * S, (unit + 1) * S)));
  board.fill(
    cellCanvas(rows * GRID, columns * GRID, (r, c) => {
      const unit = Math.floor(r / GRID) * columns + Math.floor(c / GRID);
      return signedColour(value(unit, (r % GRID) * GRID + (c % GRID)), limits[unit]);
    }),
  );
}

/** Paint how strongly each channel-mixing unit answers, on average over the tokens. */
function paintActivity(board, hidden) {
  const units = board.rows * board.columns;
  const mean = new Float32Array(units);
  if (hidden) hidden.forEach((value, i) => (mean[i % units] += Math.abs(value) / S));
  const limit = largest(mean);
  board.paint((r, c) => amountColour(mean[r * board.columns + c], limit));
}

/* ---- a hidden unit: what it reads, how it answers, what it writes back */

function unitTab() {
  const kind = segmented(
    t("unitKind"),
    [["token", t("kind_token")], ["channel", t("kind_channel")]],
    () => state.unit.kind,
    (value) => set({ unit: { ...state.unit, kind: value, unit: 0 } }),
  );
  const block = stepper(t("block"), () => state.unit.block, DEPTH, (b) => set({ unit: { ...state.unit, block: b } }));
  const holder = h("div", {});
  const silence = h("button", { onclick: toggleSilence });
  const elements = [h("div", { class: "row" }, kind, block, h("span", { id: "unit-stepper" }), silence), holder];
  let built = null;
  const update = () => {
    const width = state.unit.kind === "token" ? 32 : 512;
    if (built?.kind !== state.unit.kind) {
      const choice = stepper(t("unit"), () => state.unit.unit, width, (unit) => set({ unit: { ...state.unit, unit } }));
      elements[0].querySelector("#unit-stepper").replaceChildren(choice);
      built = { kind: state.unit.kind, choice, parts: unitParts() };
      holder.replaceChildren(...built.parts.elements);
    }
    kind.update();
    block.update();
    built.choice.update();
    silence.textContent = t(isSilenced(state.unit) ? "unsilence" : "silence");
    built.parts.update();
  };
  return { elements, update };
}

const sameUnit = (a) => (b) => a.kind === b.kind && a.block === b.block && a.unit === b.unit;
const isSilenced = (unit) => state.settings.silenced.some(sameUnit(unit));

function toggleSilence() {
  const { silenced } = state.settings;
  const rest = silenced.filter((unit) => !sameUnit(state.unit)(unit));
  setSettings({ silenced: rest.length < silenced.length ? rest : [...silenced, { ...state.unit }] });
}

/** Return a board for numbers that belong to places (a map) or to channels (bars). */
function axisBoard(axis, label) {
  if (axis === "places") return placesBoard(17, label);
  return channelsBoard(1.9, 110, label); // two of them and a map fit into one row
}

function paintAxis(board, axis, values, colour) {
  const limit = largest(values);
  if (axis === "places") {
    paintMap(board, values, limit);
    frameToken(board);
  } else {
    drawBars(board, values, limit, state.channel, colour);
    board.cursor = [0, state.channel];
  }
  return number(limit);
}

/** A token unit reads and writes places and answers once a channel; a channel unit the reverse. */
function unitParts() {
  const { kind } = state.unit;
  const [weightAxis, answerAxis] = kind === "token" ? ["places", "channels"] : ["channels", "places"];
  const names = ["reads", "answers", "writes"];
  const axes = [weightAxis, answerAxis, weightAxis];
  const boards = names.map((name, i) => axisBoard(axes[i], t(`unit_${name}_${kind}`)));
  const captions = names.map(() => h("figcaption", {}));
  const sum = h("p", { class: "sum" });
  const elements = [
    h("div", { class: "figures unit" }, ...boards.map((board, i) => figure(board, captions[i], t(`unit_${names[i]}`)))),
    sum,
  ];
  const update = () => {
    const unit = unitNumbers();
    const values = [unit.reads, unit.answers, unit.writes];
    values.forEach((list, i) => {
      const limit = paintAxis(boards[i], axes[i], list, css(kind === "token" ? "--token" : "--channel"));
      captions[i].textContent = t(`unit_${names[i]}_${kind}`) + " " + t("upTo", { limit });
    });
    sum.textContent = unitSum(unit);
  };
  return { elements, update };
}

/** Return W1's row, the activations on this image, W2's column and the bias of the chosen unit. */
function unitNumbers() {
  const { kind, block, unit } = state.unit;
  const get = (name) => answers.mixer.part(block, `${kind}_mixing.${name}`);
  const first = get("fc1.weight");
  const width = get("fc1.bias").length;
  const size = first.length / width;
  const reads = first.slice(unit * size, (unit + 1) * size);
  const second = get("fc2.weight");
  const writes = Float32Array.from({ length: size }, (_, i) => second[i * width + unit]);
  const hidden = answers.trace.blocks[block]?.[`${kind}Hidden`];
  const count = kind === "token" ? CHANNELS : S;
  const values = Float32Array.from({ length: count }, (_, i) => (hidden ? hidden[i * width + unit] : 0));
  return { reads, writes, answers: values, bias: get("fc1.bias")[unit], active: Boolean(hidden) };
}

/** Return the unit's sum for the chosen channel (token unit) or token (channel unit), in words. */
function unitSum({ reads, writes, bias, active }) {
  const { kind, block } = state.unit;
  if (!active) return t("unitInactive");
  const { mixer, trace } = answers;
  const x = kind === "token" ? trace.tables[block] : trace.blocks[block].afterToken;
  const norm = layerNorm(x, mixer.part(block, `${kind}_norm.weight`), mixer.part(block, `${kind}_norm.bias`));
  const input = kind === "token" ? columnOf(norm, state.channel) : rowOf(norm, state.token);
  const z = bias + dot(reads, 0, input, 0, input.length);
  const at = kind === "token" ? state.token : state.channel;
  const answer = isSilenced(state.unit) ? 0 : gelu(z);
  return t(`unitSum_${kind}`, {
    ...{ token: state.token + 1, channel: state.channel + 1, dot: number(z - bias), bias: number(bias), z: number(z) },
    ...{ answer: number(answer, 3), weight: number(writes[at], 3), added: number(answer * writes[at], 4) },
  });
}

/* ---- who depends on whom */

function dependsTab() {
  const stage = h("select", { "aria-label": t("dependsStage") });
  stage.addEventListener("change", () => set({ stage: Number(stage.value) }));
  const mode = segmented(
    t("dependsMode"),
    [[false, t("fromImage")], [true, t("fromBlock")]],
    () => state.alone,
    (alone) => set({ alone, stage: alone ? Math.max(1, state.stage) : state.stage }),
  );
  const token = stepper(t("token"), () => state.token, S, (value) => set({ token: value }));
  const [inward, outward] = [placesBoard(26, t("inwardLabel")), placesBoard(26, t("outwardLabel"))];
  const [inText, outText] = [h("figcaption", {}), h("figcaption", {})];
  const definition = h("p", { class: "hint" });
  const measure = h("details", {}, h("summary", {}, t("howMeasured")), definition);
  const elements = [
    h("div", { class: "row" }, token, stage, mode),
    h("div", { class: "figures" }, figure(inward, inText, t("inward")), figure(outward, outText, t("outward")), h("div", { class: "beside" }, h("p", { class: "hint" }, t("brighter")), measure)),
  ];
  const update = () => {
    token.update();
    mode.update();
    const depth = state.settings.depth;
    const shown = Math.min(state.stage, depth);
    if (stage.children.length !== depth + 1)
      stage.replaceChildren(...Array.from({ length: depth + 1 }, (_, s) => h("option", { value: s }, s ? t("afterBlock", { n: s }) : t("beforeBlocks"))));
    stage.value = shown;
    definition.textContent = t(state.alone && shown ? "definitionBlock" : "definitionImage", { n: shown });
    const places = Array.from({ length: S }, (_, i) => i);
    inText.textContent = paintDependence(inward, places.map((i) => dependence(state.token, i)));
    outText.textContent = paintDependence(outward, places.map((i) => dependence(i, state.token)));
  };
  return { elements, update };
}

/** Paint 64 relative changes, grey where not known yet; return the caption.

    The token itself would drown the others: the colours reach up to the largest of the others. */
function paintDependence(board, values) {
  const known = values.filter((value) => value !== undefined);
  const limit = largest(values.filter((value, i) => value !== undefined && i !== state.token));
  board.paint((r, c) => {
    const value = values[r * GRID + c];
    return value === undefined ? [136, 136, 136] : amountColour(value, limit);
  });
  board.lines("rgba(255,255,255,.25)");
  frameToken(board);
  if (known.length < S) return t("pending", { n: known.length });
  const count = known.filter((value) => value > 0).length;
  const own = percent(values[state.token]);
  return t("dependsCaption", { n: count, own, limit: percent(limit) });
}

/* ---- the units through training */

const SNAPSHOTS = {};

/** Return {name: Float32Array} of a recorded epoch, unpacked when it is first asked for. */
function snapshot(index) {
  if (SNAPSHOTS[index]) return SNAPSHOTS[index];
  const bytes = new Int8Array(decode(document.getElementById("snapshots").textContent).buffer);
  let start = 0;
  DATA.epochs.forEach(({ tensors }, i) => {
    SNAPSHOTS[i] = {};
    for (const [name, [scale, shape]] of Object.entries(tensors)) {
      const size = shape.reduce((a, b) => a * b, 1);
      SNAPSHOTS[i][name] = Float32Array.from(bytes.subarray(start, start + size), (byte) => byte * scale);
      start += size;
    }
  });
  return SNAPSHOTS[index];
}

function trainingTab() {
  const slider = h("input", { type: "range", min: 0, max: DATA.epochs.length - 1, id: "epoch" });
  slider.addEventListener("input", () => set({ epoch: Number(slider.value) }));
  const said = h("output", { for: "epoch" });
  const block = stepper(t("block"), shownBlock, DEPTH, (b) => set({ stage: b + 1 }));
  const pick = (row, column) => set({ unit: { kind: "token", block: shownBlock(), unit: row * 8 + column }, tab: "unit" });
  const boards = ["reads", "writes"].map((name) => unitsBoard(4, 8, t(`${name}Caption`), pick));
  const alike = h("p", { class: "readout" });
  const elements = [
    h("div", { class: "row" }, h("label", { for: "epoch" }, t("epoch")), slider, said, block),
    h("div", { class: "figures" }, ...boards.map((b, i) => figure(b, t(i ? "writesCaption" : "readsCaption")))),
    ...[alike, h("p", { class: "hint" }, t("trainingText"))],
  ];
  const update = () => {
    slider.value = state.epoch;
    block.update();
    const { epoch, validation } = DATA.epochs[state.epoch];
    said.textContent = validation === null ? t("epochStart") : t("epochText", { n: epoch, p: percent(validation) });
    slider.setAttribute("aria-valuetext", said.textContent);
    const [reads, writes] = unitsAt(state.epoch, shownBlock());
    [reads, writes].forEach((weights, i) => {
      paintUnits(boards[i], weights);
      boards[i].lines(css("--panel"), 5);
      frameCursor(boards[i]);
    });
    alike.textContent = t("alike", { value: number(meanMoransI(reads)) });
  };
  return { elements, update };
}

/** Return W1's rows and W2's columns of a block at a recorded epoch, each (units, places). */
function unitsAt(index, block) {
  const tensors = snapshot(index);
  const get = (n) => tensors[`blocks.${block}.token_mixing.fc${n}.weight`];
  const second = get(2);
  return [get(1), transpose(second, S, second.length / S)];
}

/** Return how alike neighbouring weights are, Moran's I averaged over maps (units, 64). */
function meanMoransI(maps) {
  const units = maps.length / S;
  let total = 0;
  for (let unit = 0; unit < units; unit++) total += moransI(maps.subarray(unit * S, (unit + 1) * S)) / units;
  return total;
}

/** As in hdd.models.learned_weights: the mean product of neighbours over the mean square. */
function moransI(map) {
  const mean = map.reduce((a, b) => a + b, 0) / S;
  const centred = map.map((value) => value - mean);
  let products = 0;
  for (let i = 0; i < S; i++) {
    if (i % GRID < GRID - 1) products += centred[i] * centred[i + 1];
    if (i + GRID < S) products += centred[i] * centred[i + GRID];
  }
  const variance = centred.reduce((sum, value) => sum + value * value, 0) / S;
  return products / (2 * GRID * (GRID - 1)) / variance;
}
