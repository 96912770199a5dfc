/* Sets the formulas of a page or a deck. */
"use strict";
const SHORT = 24; // letters of TeX: fits into a line of a phone
const CLOSING = /^[,.;:!?)\]，。；：！？、）】”’》]+/;

/** Keep a mark that follows a formula on the formula's line. */
function keepMark(place) {
  const next = place.nextSibling;
  const mark = next?.nodeType === Node.TEXT_NODE ? CLOSING.exec(next.data)?.[0] : null;
  if (!mark) return;
  const together = document.createElement("span");
  together.className = "keep";
  place.replaceWith(together);
  together.append(place, mark);
  next.data = next.data.slice(mark.length);
}
for (const place of document.querySelectorAll(".math")) {
  const short = place.textContent.length <= SHORT;
  const displayMode = place.classList.contains("display");
  // The window of the speaker's notes has none of KaTeX's style: there browsers set MathML.
  const output = place.closest("aside.notes") ? "mathml" : "htmlAndMathml";
  katex.render(place.textContent, place, { displayMode, output, throwOnError: false, strict: false });
  if (short && !displayMode) keepMark(place);
}
