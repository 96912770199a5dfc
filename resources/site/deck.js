/* A deck: formulas first, then reveal.js; the switch leads to the same slide. */
"use strict";
// The speaker's window has no style for formulas: there they stay TeX.
for (const place of document.querySelectorAll(".slides section > :not(.notes) .math, section > .math")) {
  const displayMode = place.classList.contains("display");
  katex.render(place.textContent, place, { displayMode, throwOnError: false, strict: false });
}
Reveal.initialize({
  width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
  hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
  controlsTutorial: false, scrollActivationWidth: null, plugins: [RevealNotes],
});
document.getElementById("switch").addEventListener("click", (event) => {
  event.currentTarget.hash = `/${Reveal.getIndices().h}`;
});
