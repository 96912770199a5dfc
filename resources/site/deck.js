/* A deck: reveal.js; the switch leads to the same slide. */
"use strict";
const upright = matchMedia("(max-width: 560px) and (orientation: portrait)"); // a phone
function size() {
  document.documentElement.classList.toggle("tall", upright.matches);
  return upright.matches ? { width: 720, height: 1280 } : { width: 1280, height: 720 };
}
Reveal.initialize({
  ...size(), margin: 0, minScale: 0.1, maxScale: 4, center: false,
  hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
  controlsTutorial: false, scrollActivationWidth: null, plugins: [RevealNotes],
});
upright.addEventListener("change", () => Reveal.configure(size()));
document.getElementById("switch").addEventListener("click", (event) => {
  event.currentTarget.hash = `/${Reveal.getIndices().h}`;
});
