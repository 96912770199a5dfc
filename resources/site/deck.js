/* A deck: formulas first, then reveal.js; the switch leads to the same slide. */
"use strict";
for (const place of document.querySelectorAll(".math")) {
  const displayMode = place.classList.contains("display");
  katex.render(place.textContent, place, { displayMode, throwOnError: false, strict: false });
}
Reveal.initialize({
  width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
  hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
  scrollActivationWidth: null, plugins: [RevealNotes],
});
document.getElementById("switch").addEventListener("click", (event) => {
  event.currentTarget.hash = location.hash;
});
