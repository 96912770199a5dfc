"""Two languages in one notebook: the buttons, texts of the form "中文 | English", HTML outputs.

Every markdown cell of the series begins with `<span lang="zh"></span>` or `lang="en"`; what cells
print, draw or tabulate for the reader stands in elements with `lang`. The style rule that the
buttons bring hides the other language, in JupyterLab and in exported pages alike, without a network
or an extension. Where scripts do not run, both languages stand one after the other, and there is no
button. The browser remembers the choice for the next notebook.
"""

import html
import re
import sys

from IPython import get_ipython
from IPython.display import HTML, display

SEPARATOR = " | "
LANGUAGES = ("zh", "en")
_PIECES = re.compile(r"(\$[^$]*\$)")  # a separator inside a formula separates nothing

# The script puts the rule into the page's head: JupyterLab takes cells out of the page, together
# with their outputs, while they are scrolled out of sight. A button exists only where a script can
# make it, so that none is ever dead.
# JupyterLab guesses the heights of cells out of sight: after a link to a section the heading would
# slide away while the cells above it are drawn, if `overflow-anchor` did not keep it in its place;
# the small margin takes the last trace of the cell above out of sight: it cannot be the anchor.
_HTML = r"""<div class="course-lang" role="group" aria-label="语言 / Language">
<p class="course-lang-note">运行本单元格后，这里会出现切换语言的按钮。
/ Run this cell for buttons that choose the language.</p>
</div>
<script>
(() => {
  const RULES = `
%(rules)s
body:not([data-course-lang=both]) .course-lang-both { display: none; }
.course-lang:has(button) .course-lang-note { display: none; }
.jp-Notebook .jp-content-visibility-mode > .jp-Cell {
  overflow-anchor: auto; scroll-margin-top: -4px;
}
.course-lang button { font: inherit; margin: 0 .5em .3em 0; padding: .3em 1em; cursor: pointer;
  border: 1px solid #666; border-radius: 1em; background: #fff; color: #222; }
.course-lang button[aria-pressed=true] { background: #0072B2; border-color: #0072B2; color: #fff; }
.course-lang button:focus-visible { outline: 3px solid #E69F00; outline-offset: 2px; }
.reveal > .course-lang { position: absolute; top: .5em; right: .5em; z-index: 40; font-size: 14px; }
@media print { .course-lang { display: none; } }`;
  const NAMES = { zh: '中文', en: 'English', both: '双语 / Both' };
  let style = document.getElementById('course-lang-rules');
  if (!style) {
    style = document.createElement('style');
    style.id = 'course-lang-rules';
    document.head.append(style);
  }
  style.textContent = RULES;

  // JupyterLab draws cells when they come into sight: its notebooks have both languages.
  const inLab = () => document.querySelector('.jp-NotebookPanel, .notebook_app') !== null;
  const spoken = () => ['zh', 'en'].filter(
    (language) => inLab() || document.querySelector(`%(text)s span[lang=${language}]`));

  function speak(language) {
    document.body.dataset.courseLang = language;
    document.querySelectorAll('.course-lang button').forEach((button) =>
      button.setAttribute('aria-pressed', button.value === language));
  }
  function choose(event) {
    try { localStorage.setItem('course-lang', event.currentTarget.value); } catch (error) {}
    if (deck()) location.reload();
    speak(event.currentTarget.value);
    event.currentTarget.scrollIntoView({ block: 'nearest' });
  }
  // A deck would count hidden slides: those of the other language leave it before it starts.
  const deck = () => document.querySelector('.reveal .slides');
  function prune(hidden) {
    deck().querySelectorAll(`.jp-MarkdownCell:has(span[lang=${hidden}])`).forEach((cell) =>
      (cell.closest('.fragment') || cell).remove());
    for (const slides of ['section section', 'section'])
      deck().querySelectorAll(slides).forEach((slide) =>
        slide.querySelector('.jp-Cell') || slide.remove());
  }
  // Comments of the form "# 中文 / English"; the editors of JupyterLab draw their code themselves.
  function divide(comment) {
    const form = /^(#\s*)(.*[\u4e00-\u9fff].*?)( \/ )([^\u4e00-\u9fff]+)$/;
    const parts = comment.textContent.match(form);
    if (!parts || comment.children.length) return;
    comment.replaceChildren(parts[1]);
    for (const [place, language] of [[2, 'zh'], [3, 'both'], [4, 'en']]) {
      const part = document.createElement('span');
      if (language === 'both') part.className = 'course-lang-both';
      else part.lang = language;
      part.textContent = parts[place];
      comment.append(part);
    }
  }
  function start() {
    document.querySelectorAll('.highlight .c1').forEach(divide);
    const languages = spoken();
    const single = languages.length === 1;
    document.querySelectorAll('.course-lang').forEach((row) => {
      row.querySelectorAll('button').forEach((button) => button.remove());
      row.hidden = languages.length < 2; // none: an editor whose cells no rule here reaches
      for (const language of row.hidden ? [] : ['zh', 'en', 'both']) {
        const button = document.createElement('button');
        Object.assign(button, { type: 'button', value: language, onclick: choose });
        button.textContent = NAMES[language];
        button.onkeydown = (event) => { // JupyterLab would start editing the cell
          if (event.key === 'Enter' || event.key === ' ') event.stopPropagation();
        };
        row.append(button);
      }
    });
    let remembered = null;
    try { remembered = localStorage.getItem('course-lang'); } catch (error) {}
    const language = single ? languages[0] : NAMES[remembered] ? remembered : 'both';
    speak(language);
    if (deck()) {
      document.querySelectorAll('.course-lang').forEach((row) => deck().parentNode.append(row));
      if (language !== 'both') prune(language === 'zh' ? 'en' : 'zh');
    }
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
</script>"""
# Cells of text and outputs: in JupyterLab and pages made by it, in the classic Notebook and its.
_TEXT, _OUTPUT = ":is(.jp-MarkdownCell, .text_cell)", ":is(.jp-OutputArea, .output_area)"
_RULE = """body[data-course-lang={shown}] {text}:has(span[lang={hidden}]),
body[data-course-lang={shown}] .highlight [lang={hidden}],
body[data-course-lang={shown}] {output} [lang={hidden}] {{ display: none !important; }}"""


def language_switch() -> HTML:
    """Return the buttons 中文 / English / both for display at the top of a notebook."""
    cells = {"text": _TEXT, "output": _OUTPUT}
    rules = [_RULE.format(shown=a, hidden=b, **cells) for a, b in (LANGUAGES, LANGUAGES[::-1])]
    return HTML(_HTML % {"rules": "\n".join(rules), "text": _TEXT})


def split(text: str) -> tuple[str, str]:
    """Return the Chinese and the English part of "中文 | English"; a text without " | " twice.

    Raises:
        ValueError: more than one separator outside formulas.
    """
    pieces = _PIECES.split(text)
    parts = [""]
    for index, piece in enumerate(pieces):
        first, *others = [piece] if index % 2 else piece.split(SEPARATOR)
        parts[-1] += first
        parts += others
    if len(parts) > 2:
        raise ValueError(
            f"{text!r} has {len(parts) - 1} separators ' | '. Rule: one, between Chinese and"
            " English. Fix: write other bars without spaces, or inside $…$."
        )
    return (text, text) if len(parts) == 1 else (parts[0].strip(), parts[1].strip())


def both(text: str, name: str) -> tuple[str, str]:
    """Return the two parts of an argument `name` that must have both.

    Raises:
        ValueError: it is in one language, or has several separators.
    """
    chinese, english = split(text)
    if chinese == english or not (chinese and english):
        raise ValueError(f"{name}={text!r} is in one language. Fix: write '中文 | English'.")
    return chinese, english


def by_language(chinese: str, english: str, tag: str = "div") -> str:
    """Return HTML of which the switch shows one half; both arguments are HTML."""
    halves = zip(LANGUAGES, (chinese, english), strict=True)
    return "".join(f'<{tag} lang="{language}">{half}</{tag}>' for language, half in halves)


def to_html(text: str) -> str:
    """Return text as HTML: special characters escaped, `code` in backquotes set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def display_html(page: str, plain: str) -> None:
    """Display HTML in a notebook; on a console print `plain`, as far as its encoding goes."""
    if hasattr(get_ipython(), "kernel"):
        display({"text/html": page, "text/plain": plain}, raw=True)
    else:
        encoding = sys.stdout.encoding or "utf-8"
        print(plain.encode(encoding, "replace").decode(encoding))


def tell(mark: str, chinese: str, english: str) -> None:
    """Display a verdict in both languages."""
    color = {"✓": "#00704F", "✗": "#B33A00"}.get(mark, "#555555")
    lines = [f'<b style="color: {color}">{mark}</b> {to_html(t)}' for t in (chinese, english)]
    plain = f"{mark} {chinese}\n{mark} {english}"
    display_html(by_language(*lines), plain)
