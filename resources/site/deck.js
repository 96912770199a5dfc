/* A deck: reveal.js; the switch leads to the same slide. */
"use strict";
Reveal.initialize({
  width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
  hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
  controlsTutorial: false, scrollActivationWidth: null, plugins: [RevealNotes],
});
document.getElementById("switch").addEventListener("click", (event) => {
  event.currentTarget.hash = `/${Reveal.getIndices().h}`;
});
