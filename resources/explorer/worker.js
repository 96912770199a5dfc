/* The worker: owns the network, so that the page never waits for it. Messages in:

   {kind: "start", weights (base64), wasm, manifest, statistics}  -> {kind: "ready", weights}
   {kind: "run", id, rgb, settings, original}               -> {kind: "result", id, trace, base, ms}
   {kind: "dependence", id, rgb, settings, tables, block}   -> {kind: "dependence", id, patch, values} × S
   {kind: "stop"}                                           ends a dependence

   A dependence goes patch by patch; whatever message arrives in between is answered first, and a
   newer dependence replaces the one under way. */

let mixer = null;
let dependenceJob = null;

function decodeBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function start({ weights, wasm, manifest, statistics }) {
  const unpacked = unpackHalf(decodeBase64(weights).buffer, manifest);
  mixer = new Mixer(unpacked, manifest, statistics, wasm);
  postMessage({ kind: "ready", weights: unpacked });
}

function run({ id, rgb, settings, original }) {
  const begin = performance.now();
  const trace = mixer.forward(rgb, settings);
  const ms = performance.now() - begin;
  const base = original ? mixer.forward(original, untouched(mixer.depth)) : null;
  postMessage({ kind: "result", id, trace, base, ms });
}

function stepDependence() {
  const job = dependenceJob;
  if (!job) return;
  const { rgb, settings, tables, block, patch } = job;
  const values =
    block === null
      ? mixer.dependence(rgb, settings, tables, patch)
      : mixer.dependenceInBlock(block, settings, tables, patch);
  postMessage({ kind: "dependence", id: job.id, patch, values });
  job.patch += 1;
  if (job.patch < mixer.tokens) setTimeout(stepDependence, 0);
  else dependenceJob = null;
}

onmessage = ({ data }) => {
  if (data.kind === "start") start(data);
  if (data.kind === "run") run(data);
  if (data.kind === "dependence") {
    const idle = dependenceJob === null;
    dependenceJob = { ...data, patch: 0 };
    if (idle) setTimeout(stepDependence, 0);
  }
  if (data.kind === "stop") dependenceJob = null;
};
