/* The guided tour: ten steps; each sets a scene, asks, and shows the answer with the real network.

   A step has `scene` (set before the question), `right` (index of the option, or a function of the
   values), and `reveal` (does it, and returns values for the text). Its texts are tour_<name>_ask,
   tour_<name>_options (parted by |) and tour_<name>_answer. */

const TOUR_IMAGE = FIRST_IMAGE;
const TOUR_TOKEN = 27;
// Of the 256 token-mixing units the one without which the right class loses most on this image.
const TOUR_UNIT = { kind: "token", block: 3, unit: 25 };
const everyBlock = (off) => Array(DEPTH).fill(off);

/** Set everything as it was, but for some settings and changes of the image. */
function scene(rest = {}, settings = {}, changes = {}) {
  const fresh = state.supplied === TOUR_IMAGE ? {} : { supplied: TOUR_IMAGE, original: suppliedImage(TOUR_IMAGE) };
  set({
    ...{ ...fresh, changes: { ...noChanges(), ...changes }, settings: { ...untouched(DEPTH), ...settings } },
    ...{ tool: "look", held: null, difference: false, alone: false, token: TOUR_TOKEN, ...rest },
  });
}

const shuffled = { places: shuffledOrder(S, 7), shuffled: true };
const SWAPPED = [TOUR_TOKEN, 4]; // a patch of the horse and one of the ground behind it
const swapped = { places: noChanges().places.map((p) => (SWAPPED.includes(p) ? SWAPPED[0] + SWAPPED[1] - p : p)) };
const noTokens = { tokenOff: everyBlock(true) };
const facts = { n: DATA.measured.test_images.toLocaleString("en"), before: percent(DATA.measured.untouched) };
const measured = (name) => percent(DATA.measured[name], 1);
/** Return which of the three ranges of the tour's options a measured accuracy falls into. */
const rangeOf = (name) => [0.75, 0.2, 0].findIndex((low) => DATA.measured[name] >= low);
const probabilities = () => softmax(answers.logits);

function topText() {
  const p = probabilities();
  const k = p.indexOf(Math.max(...p));
  return { k, p: percent(p[k], 0) };
}

/** Return how many patches the tour's token depends on at the stage shown. */
async function countDependences() {
  await whenDependenceKnown();
  return { n: answers.dependence.rows.filter((_, patch) => dependence(state.token, patch) > 0).length };
}

const TOUR_STEPS = [
  {
    ...{ name: "rows", right: 0, scene: () => scene({ stage: 0, tab: "token" }), show: "table-panel" },
    reveal: async () => {
      scene({ stage: 0, tab: "token", difference: true }, {}, swapped);
      await whenSettled();
      const { now, before } = shownTable();
      const rows = Array.from({ length: S }, (_, i) => i).filter((i) => rowOf(now, i).some((value, c) => value !== rowOf(before, i)[c]));
      return { n: rows.length, first: rows[0] + 1, second: rows[1] + 1 };
    },
  },
  {
    ...{ name: "stem", right: 0, scene: () => scene({ stage: 0, tab: "token" }), show: "inspector" },
    reveal: () => (set({ tab: "depends" }), countDependences()),
  },
  {
    ...{ name: "token", right: 2, scene: () => scene({ stage: 0, tab: "depends" }), show: "inspector" },
    reveal: () => (set({ stage: 1 }), countDependences()),
  },
  {
    ...{ name: "channel", right: 0, scene: () => scene({ stage: 1, tab: "depends" }), show: "inspector" },
    reveal: () => (set({ stage: DEPTH }), setSettings(noTokens), countDependences()),
  },
  {
    ...{ name: "noToken", right: rangeOf("no_token_mixing"), scene: () => scene({ stage: DEPTH, tab: "token" }), show: "network" },
    reveal: async () => {
      setSettings(noTokens);
      await whenSettled();
      return { ...topText(), before: measured("untouched"), after: measured("no_token_mixing") };
    },
  },
  {
    ...{ name: "noChannel", right: rangeOf("no_channel_mixing"), scene: () => scene({ stage: DEPTH, tab: "token" }), show: "network" },
    reveal: async () => {
      setSettings({ channelOff: everyBlock(true) });
      await whenSettled();
      return { ...topText(), before: measured("untouched"), after: measured("no_channel_mixing") };
    },
  },
  {
    ...{ name: "shuffle", right: 1, scene: () => scene({ stage: 0, tab: "token" }), show: "image" },
    reveal: async () => {
      scene({ stage: 0, tab: "token" }, {}, shuffled);
      await whenSettled();
      return { ...topText(), before: measured("untouched"), after: measured("shuffled") };
    },
  },
  {
    ...{ name: "order", right: 0, scene: () => scene({ stage: 0, tab: "token" }, noTokens), show: "result" },
    reveal: async () => {
      await whenSettled();
      const inOrder = probabilities();
      scene({ stage: 0, tab: "token" }, noTokens, shuffled);
      await whenSettled();
      const gap = Math.max(...probabilities().map((p, k) => Math.abs(p - inOrder[k])));
      return { gap: number(100 * gap, 4), ordered: measured("no_token_mixing"), shuffled: measured("shuffled_no_token_mixing") };
    },
  },
  {
    ...{ name: "unit", right: ({ points }) => (points < 2 ? 0 : points < 20 ? 1 : 2), show: "inspector" },
    scene: () => scene({ stage: 4, tab: "unit", unit: TOUR_UNIT }),
    reveal: async () => {
      await whenSettled();
      const [before, k] = [probabilities(), DATA.images[TOUR_IMAGE].label];
      setSettings({ silenced: [TOUR_UNIT] });
      await whenSettled();
      const after = probabilities();
      const points = Math.abs(100 * (after[k] - before[k]));
      return { points, k, before: percent(before[k]), after: percent(after[k]) };
    },
  },
  {
    ...{ name: "training", right: 1, scene: () => scene({ stage: 2, tab: "training", epoch: 0 }), show: "inspector" },
    reveal: async () => {
      const last = DATA.epochs.length - 1;
      for (let epoch = calm() ? last : 0; epoch <= last; epoch++) {
        set({ epoch });
        await new Promise((resolve) => setTimeout(resolve, 350));
      }
      const alike = (epoch) => number(meanMoransI(unitsAt(epoch, 1)[0]));
      return { p: percent(DATA.epochs[last].validation), start: alike(0), end: alike(last) };
    },
  },
];

const tour = { step: null, chosen: null, values: null, right: 0, guessed: [] };

function startTour() {
  Object.assign(tour, { guessed: [] });
  document.getElementById("tour").hidden = false;
  goToStep(0);
}

function endTour() {
  tour.step = null;
  document.getElementById("tour").hidden = true;
  document.body.classList.remove("touring");
  document.getElementById("start-tour").focus();
  render(); // what the tour kept back
}

function goToStep(step) {
  Object.assign(tour, { step, chosen: null, values: null });
  document.body.classList.add("touring");
  TOUR_STEPS[step]?.scene();
  drawTour();
  bringIntoView(TOUR_STEPS[step]?.show);
  document.querySelector("#tour h2").focus({ preventScroll: true });
}

/** Take a guess, do what was asked about, and show what came out. */
async function guess(choice) {
  const step = tour.step;
  const current = TOUR_STEPS[step];
  tour.chosen = choice;
  drawTour();
  bringIntoView(current.show);
  const values = await current.reveal();
  if (tour.step !== step) return; // the reader has gone on
  tour.values = values;
  tour.right = typeof current.right === "function" ? current.right(values) : current.right;
  tour.guessed[step] = choice === tour.right;
  drawTour();
  bringIntoView(current.show); // lines above it may have come or gone
  document.querySelector("#tour .answer").focus({ preventScroll: true });
}

/** Scroll what a step is about to the top: the tour's own card stands at the bottom. On a phone
    the inspector's tabs would take the room that its figures need. */
function bringIntoView(id) {
  const part = id === "inspector" && narrow() ? "tab-panel" : id;
  if (part) document.getElementById(part).scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const narrow = () => matchMedia("(max-width: 760px)").matches;

function drawTour() {
  if (tour.step === null) return;
  const element = document.getElementById("tour");
  const close = h("button", { class: "square", "aria-label": t("tourEnd"), title: t("tourEnd"), onclick: endTour }, "×");
  const heading = h("h2", { id: "tour-title", tabindex: "-1" });
  element.replaceChildren(h("div", { class: "row spread" }, heading, close));
  if (tour.step === TOUR_STEPS.length) {
    heading.textContent = t("tourSummary", { n: tour.guessed.filter(Boolean).length });
    const fallen = { noToken: measured("no_token_mixing"), noChannel: measured("no_channel_mixing") };
    const points = t("tourPoints", { ...facts, ...fallen }).split("|").map((text) => h("li", {}, text));
    return element.append(h("ul", {}, ...points), tourButtons());
  }
  const { name } = TOUR_STEPS[tour.step];
  heading.textContent = t("tourStep", { n: tour.step + 1, title: t(`tour_${name}_title`) });
  element.append(h("p", { class: "ask" }, t(`tour_${name}_ask`, facts)), tourOptions(name), tourAnswer(name), tourButtons());
}

function tourOptions(name) {
  const known = tour.values !== null;
  return h(
    ...["div", { class: "row options", role: "group", "aria-label": t("tourGuess") }],
    ...t(`tour_${name}_options`).split("|").map((text, i) => {
      const mark = known && i === tour.right ? "✓ " : known && i === tour.chosen ? "✗ " : "";
      const kind = known && i === tour.right ? "right" : "";
      return h("button", { class: kind, disabled: tour.chosen !== null, "aria-pressed": i === tour.chosen, onclick: () => guess(i) }, mark + text);
    }),
  );
}

function tourAnswer(name) {
  const answer = h("p", { class: "answer", tabindex: "-1" });
  if (tour.chosen !== null && tour.values === null) answer.textContent = t("tourWait");
  if (tour.values) {
    const verdict = tour.chosen === tour.right ? "tourRight" : "tourWrong";
    const values = { ...tour.values, name: className(tour.values.k) };
    answer.append(h("b", {}, t(verdict)), " ", t(`tour_${name}_answer`, values));
  }
  return answer;
}

function tourButtons() {
  const busy = tour.chosen !== null && tour.values === null; // what is being shown must not come late
  const back = h("button", { disabled: tour.step === 0 || busy, onclick: () => goToStep(tour.step - 1) }, t("tourBack"));
  const last = tour.step === TOUR_STEPS.length;
  const next = h("button", { class: "primary", disabled: !last && tour.values === null }, last ? t("tourClose") : t("tourNext"));
  next.addEventListener("click", () => (last ? endTour() : goToStep(tour.step + 1)));
  return h("div", { class: "row end" }, back, next);
}

/** Draw the tour anew in another language; nothing else changes it from outside. */
function buildTour() {
  document.getElementById("tour").lang = document.documentElement.lang;
  drawTour();
  return () => {};
}
