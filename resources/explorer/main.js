/* The start: language, colours, dropping files; then the worker is given its weights. */

const REMEMBERED = "course-lang"; // the course's notebooks remember the same choice

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    /* a private window remembers nothing */
  }
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Return the language asked for by ?lang=, by an earlier visit, or by the browser. */
function firstLanguage() {
  const asked = new URLSearchParams(location.search).get("lang") ?? recall(REMEMBERED);
  if (asked === "zh" || asked === "en") return asked;
  return (navigator.language ?? "zh").toLowerCase().startsWith("zh") ? "zh" : "en";
}

function setLanguage(language) {
  state.language = language;
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  document.title = t("pageTitle");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", button.dataset.language === language);
  const theme = document.getElementById("theme");
  theme.setAttribute("aria-label", t("theme"));
  theme.title = t("theme");
  const words = DATA.words[language].flatMap(([word, meaning]) => [h("dt", {}, word), h("dd", {}, meaning)]);
  document.getElementById("words").replaceChildren(...words);
  views.splice(0, views.length, buildImage(), buildPipeline(), buildTable(), buildInspector(), buildResult(), buildTour());
  render();
}

/** Speak the language that was clicked; a ?lang= in the address follows, or it would win again
    when the page is loaded anew. */
function chooseLanguage(language) {
  remember(REMEMBERED, language);
  const address = new URL(location.href);
  if (address.searchParams.has("lang")) {
    address.searchParams.set("lang", language);
    history.replaceState(null, "", address);
  }
  setLanguage(language);
}

function listenToHeader() {
  for (const button of document.querySelectorAll("[data-language]"))
    button.addEventListener("click", () => chooseLanguage(button.dataset.language));
  document.getElementById("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    render();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
  document.getElementById("start-tour").addEventListener("click", startTour);
}

/** Print in light colours whatever the screen shows: a dark picture eats ink. */
function listenToPrinter() {
  const root = document.documentElement;
  let shown = root.dataset.theme;
  addEventListener("beforeprint", () => {
    shown = root.dataset.theme;
    root.dataset.theme = "light";
    drawNow();
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = shown;
    render();
  });
}

function listenToDrops() {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    useFile(event.dataTransfer.files[0]);
  });
}

/** Give the worker the kernel and the weights, which come last in the page. */
function startWorker() {
  const text = (id) => document.getElementById(id).textContent;
  const { manifest, statistics } = DATA;
  worker.postMessage({ kind: "start", weights: text("weights"), wasm: decode(text("kernel")), manifest, statistics });
}

setLanguage(firstLanguage());
listenToHeader();
listenToDrops();
listenToPrinter();
addEventListener("DOMContentLoaded", () => setTimeout(startWorker, 0));
