/* A pad to draw on, with mouse, finger or keys. */

const INKS = ["#1a1a1a", "#ffffff", "#d7261e", "#e69f00", "#f0e442", "#4b8b2b", "#0072b2", "#8a5a33"];
const PAD = 256; // pixels a side

function openPad() {
  const dialog = document.getElementById("pad");
  const pen = { ink: INKS[0], width: 20, at: null, keys: [PAD / 2, PAD / 2] };
  const canvas = h("canvas", { width: PAD, height: PAD, tabindex: 0, role: "application", "aria-label": t("padLabel") });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#bcd7ea";
  context.fillRect(0, 0, PAD, PAD);
  listenToPen(canvas, context, pen);
  const show = () => useOwn(scaleDown(canvas, PAD, PAD));
  for (const event of ["pointerup", "keyup"]) canvas.addEventListener(event, show);
  dialog.replaceChildren(
    h("h2", { id: "pad-title" }, t("draw")),
    canvas,
    padControls(context, pen, show),
    h("p", { class: "hint" }, t("padHint")),
    h("button", { class: "primary", onclick: () => dialog.close() }, t("padDone")),
  );
  dialog.showModal();
  canvas.focus({ preventScroll: true });
  if (narrow()) bringIntoView("image"); // above the pad, so that each stroke is seen in patches
}

function padControls(context, pen, show) {
  const inks = segmented(t("ink"), INKS.map((ink, i) => [ink, t("inks").split(" ")[i]]), () => pen.ink, (ink) => {
    pen.ink = ink;
    inks.update();
  });
  inks.classList.add("inks");
  [...inks.children].forEach((button, i) => button.style.setProperty("--ink", INKS[i]));
  const widths = segmented(t("penWidth"), [8, 20, 48].map((w, i) => [w, t("widths").split(" ")[i]]), () => pen.width, (w) => {
    pen.width = Number(w);
    widths.update();
  });
  const flood = h("button", {}, t("padFill"));
  flood.addEventListener("click", () => {
    context.fillStyle = pen.ink;
    context.fillRect(0, 0, PAD, PAD);
    show();
  });
  return h("div", { class: "row" }, inks, widths, flood);
}

function listenToPen(canvas, context, pen) {
  const line = (from, to) => {
    Object.assign(context, { lineCap: "round", lineWidth: pen.width, strokeStyle: pen.ink });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0] + 0.01, to[1]); // a line of no length would leave no dot
    context.stroke();
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * PAD, ((event.clientY - box.top) / box.height) * PAD];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen.at = place(event);
    line(pen.at, pen.at);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pen.at) return;
    const to = place(event);
    line(pen.at, to);
    pen.at = to;
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (pen.at = null));
  const steps = { ArrowUp: [0, -8], ArrowDown: [0, 8], ArrowLeft: [-8, 0], ArrowRight: [8, 0] };
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    const inside = (value) => Math.max(0, Math.min(PAD, value));
    const to = step ? [inside(pen.keys[0] + step[0]), inside(pen.keys[1] + step[1])] : pen.keys;
    if (!step || !event.shiftKey) line(step ? pen.keys : to, to);
    pen.keys = to;
  });
}
