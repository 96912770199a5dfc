"""Build the slides from the committed notebooks: `run.py slides`.

    slides/zh/NN_name.html, slides/en/NN_name.html, slides/assets/

A deck opens by double click, without a network; S opens the speaker's notes. Both languages have
the same slides. What authors write:

- **Slide types** (`metadata.slideshow.slide_type`): `slide` and `subslide` make a new slide,
  everything else (`skip`, `notes`, `-`) makes none. Both cells of a pair have the same type.
- **Text.** A markdown cell shows its own source, or, where that is too long, its text for the
  slide: `metadata.deck`, Markdown in the cell's language, a heading `## …` first. At most 60
  English words or 90 Chinese characters and 4 bullets. Links lead nowhere on a slide.
- **Figures.** A cell tagged `plot` shows its figure alone, as large as the slide (1240 × 684).
  Its smallest text must have 16 px there; the default 10.5 pt have if the figure is at most 6.2
  inches high.
- **Code.** Another code cell shows its code: at most 12 lines of 96 letters, at full width; then
  up to 6 printed lines. Tables that it makes have the next slide. Folded code, and a cell tagged
  `table`, shows its tables alone.
- **Polls and notes** come from `resources/teaching/NN.yml`: a poll has a slide of its own before
  the section's first figure or table, which would give its answer away (that is in the notes), or
  before the slide of the cell that its field `before` names, where earlier ones explain it;
  minutes, what to say, wrong answers and the board are the notes of the section's first slide,
  or, if it has none, of the last slide before it.
  What the notebook says at length is in the notes of the slide that has it in short, or of the
  figure, if the reading of it has no slide.
- **At most 25 slides.** What is too long is printed, and a test fails; nothing is made smaller.
"""

import math
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdd.command import OneLineParser, fail
from hdd.teaching.execute import ROOT
from hdd.teaching.language import LANGUAGES
from hdd.teaching.site.assets import copy_assets, publish
from hdd.teaching.site.course import Lesson, in_language, load_course, said
from hdd.teaching.site.markup import HAN, inline, markdown, plain, png_size
from hdd.teaching.site.pages import Site, code_block, poll, section_title

SLIDES = ROOT / "slides"
MOST, WORDS, CHARACTERS, BULLETS, CODE_LINES, PRINTED = 25, 60, 90, 4, 12, 6
FIGURE = (1240, 684)  # pixels of a slide that is 1280 wide
SMALLEST, DEFAULT_TEXT = 16, 10.5 * 110 / 72  # pixels of text in figures: on a slide, in a PNG
# Pixels: of letters, the largest that fit (else deck.css has 34); of the room that they have; of
# a heading's letters; beside and below a paragraph; around a box's.
TEXT_SIZES, ROOM, HEADING, BESIDE, BELOW, BOX = (48, 42, 38), (1150, 600), 52, 64, 36, 44
LETTER, CHINESE = 0.55, 1.0  # the width of a letter, as a share of its size
# Pixels; a letter is .603 of its size wide.
LARGEST_CODE, SMALLEST_CODE, CODE_WIDTH = 26, 20, 1160 / 0.603


@dataclass
class Slide:
    """One slide: its class in deck.css, the cell it comes from, HTML, the speaker's notes."""

    kind: str
    cell: str
    page: str
    notes: str = ""
    wrong: str = ""
    size: int = 0  # of its letters, in pixels; 0 for that of deck.css


def deck(site: Site, lesson: Lesson) -> list[Slide]:
    """Return a lesson's slides in the language of `site`."""
    plans = {f"{site.language}-{one['cell']}": one for one in lesson.plan.get("sections", [])}
    parts: list[tuple[dict[str, Any], list[Slide]]] = [({}, [])]  # each with its plan
    for cell in in_language(lesson.notebook, site.language).cells:
        new = list(cell_slides(site, cell)) if is_shown(cell) else []
        if cell.id in plans:
            parts.append((plans[cell.id], []))
        elif cell.cell_type == "markdown":
            at_length(cell, new or parts[-1][1][-1:])
        parts[-1][1].extend(new)
    add_plans(site, lesson, parts)
    slides = [slide for plan, part in parts for slide in with_poll(site, plan, part)]
    if slides:
        slides[0].kind = "title"
        slides[0].notes = title_notes(site, lesson) + slides[0].notes
    return slides


def add_plans(site: Site, lesson: Lesson, parts: list[tuple[dict[str, Any], list[Slide]]]) -> None:
    """Put each section's plan into the notes of its first slide, or of the last slide before."""
    last = None
    for plan, part in parts:
        if plan and part:
            part[0].notes = section_notes(site, plan) + part[0].notes
        elif plan and last:
            title = section_title(lesson, plan["cell"], site.language)
            last.notes += f"<hr><p><b>{title}</b></p>{section_notes(site, plan)}"
        last = part[-1] if part else last


def at_length(cell: Any, last: list[Slide]) -> None:
    """Put a cell's text into the notes of its own slide, or of the figure before it."""
    is_short = "deck" in cell.metadata
    is_reading = re.search(r"^\*\*(读|What to see)", cell.source, flags=re.M)
    for slide in last:
        if (slide.cell == cell.id and is_short) or (slide.kind != "text" and is_reading):
            text = re.sub(r"^#.*$", "", cell.source, flags=re.M)
            slide.notes += markdown(text, external, cell.id)[0]


def with_poll(site: Site, plan: dict[str, Any], part: list[Slide]) -> list[Slide]:
    """Return a section's slides with its poll, before what would give the answer away."""
    vote = poll_slides(site, plan)
    place = poll_place(plan["poll"].get("before"), part) if vote else 0
    return [*part[:place], *vote, *part[place:]]


def poll_place(before: str | None, part: list[Slide]) -> int:
    """Return how many of a section's slides come before its poll.

    Args:
        before: the id of a cell, without its language; None for the first figure or table.
        part: the section's slides.

    Raises:
        ValueError: that cell has no slide in this section.
    """
    if before is None:
        shows = (place for place, slide in enumerate(part) if slide.kind in ("figure", "results"))
        return next(shows, 1)
    for place, slide in enumerate(part):
        if slide.cell in (before, f"zh-{before}", f"en-{before}"):
            return place
    raise ValueError(
        f"before is {before!r}, a cell without a slide in the poll's section "
        f"({', '.join(slide.cell for slide in part)}). Fix: one of these, without its language."
    )


def is_shown(cell: Any) -> bool:
    """Tell whether a cell makes slides; `fragment` does, too, on a slide of its own."""
    return cell.metadata.get("slideshow", {}).get("slide_type") in ("slide", "subslide", "fragment")


def cell_slides(site: Site, cell: Any) -> Iterator[Slide]:
    """Yield the slides of one cell."""
    if cell.cell_type == "markdown":
        yield text_slide(site, cell)
        return
    pages = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    if "plot" in cell.metadata.get("tags", []):
        for page in pages:
            if "<img" in page:  # not the verdict of a conclusion
                yield Slide("figure", cell.id, page, wrong=figure_mistake(page))
        return
    folded = cell.metadata.get("jupyter", {}).get("source_hidden")
    if not folded and "table" not in cell.metadata.get("tags", []):
        yield code_slide(site, cell)
    for page in pages:
        if "<table" in page:
            yield Slide("results", cell.id, page)


def text_slide(site: Site, cell: Any) -> Slide:
    """Return the slide of a Markdown cell: its text for slides, or its source."""
    source = cell.metadata.get("deck") or cell.source
    page, _ = markdown(source, external, cell.id)
    wrong = text_mistake(page, site.language)
    return Slide("text", cell.id, page, wrong=wrong, size=text_size(page))


def text_size(page: str) -> int:
    """Return how large the letters of a text can be, in pixels; 0 for the least size."""
    fits = (size for size in TEXT_SIZES if text_height(page, size) <= ROOM[1])
    return 0 if "<table" in page else next(fits, 0)


def text_height(page: str, size: int) -> float:
    """Return about how high a slide's text is with letters of `size`, in pixels."""
    height = 0.0
    for piece in re.split(r"</(?:h\d|p|li)>|(?=<span class=\"math display)", page):
        text = re.sub(r"\\[A-Za-z]+|[{}^_]", "·", re.sub(r"<[^>]*>", "", piece)).strip()
        chinese = sum(map(len, HAN.findall(text)))
        width = CHINESE * chinese + LETTER * (len(text) - chinese)  # in letters' sizes
        if "math display" in piece:
            height += 3 * size
        elif re.search(r"<h\d", piece):
            height += math.ceil(width * HEADING / ROOM[0]) * 1.25 * HEADING + BELOW
        elif text:
            lines = math.ceil(width * size / (ROOM[0] - BESIDE))
            height += lines * 1.6 * size + BELOW + BOX * ('class="box' in piece)
    return height


def external(url: str) -> str | None:
    """Keep links that lead out of the course; a deck stands alone."""
    return url if re.match(r"https?:", url) else None


def text_mistake(page: str, language: str) -> str:
    """Return what is too long on a slide, or ""."""
    text, bullets = plain(page), page.count("<li>")
    if bullets > BULLETS:
        return f"{bullets} bullets (at most {BULLETS})"
    if language == "zh":
        letters = len("".join(HAN.findall(re.sub("[，。、；：？！“”（）《》　]", "", text))))
        return f"{letters} characters (at most {CHARACTERS})" if letters > CHARACTERS else ""
    words = len(re.findall(r"[A-Za-z][\w'’-]*", text))
    return f"{words} words (at most {WORDS})" if words > WORDS else ""


def code_slide(site: Site, cell: Any) -> Slide:
    """Return a slide of code, set as large as its longest line allows, with what it prints."""
    lines = cell.source.splitlines()
    widest = max(map(len, lines), default=1)
    size = min(LARGEST_CODE, int(CODE_WIDTH / widest))
    printed = "".join(o.text for o in cell.outputs if o.output_type == "stream").rstrip()
    page = f'<div style="font-size: {size}px">{code_block(site.highlight(cell.source))}</div>'
    if printed and printed.count("\n") < PRINTED:
        page += (
            f'<pre class="output" lang="en">{site.exporter.environment.filters["e"](printed)}</pre>'
        )
    long = f"{len(lines)} lines of code (at most {CODE_LINES})" if len(lines) > CODE_LINES else ""
    wide = f"code of {size} px (at least {SMALLEST_CODE})" if size < SMALLEST_CODE else ""
    return Slide("code", cell.id, page, wrong=long or wide)


def figure_mistake(page: str) -> str:
    """Return how small the text of a figure is on the slide, or "" if it is large enough.

    `show` notes the size of the smallest text; a picture without that note has the default one.
    """
    for image in re.findall(r"<img [^>]*>", page):
        width, height = png_size(re.search(r"base64,([^\"]{32})", image)[1])
        noted = re.search(r'data-text="([\d.]+)"', image)
        shown = int(re.search(r' width="(\d+)"', image)[1])
        text = float(noted[1]) if noted else DEFAULT_TEXT * width / shown
        text *= min(FIGURE[0] / width, FIGURE[1] / height)
        if text < SMALLEST - 0.2:
            return f"text of {text:.1f} px in a figure of {width} × {height} (at least {SMALLEST})"
    return ""


def poll_slides(site: Site, section: dict[str, Any]) -> list[Slide]:
    """Return the slide of a section's poll, if it has one."""
    one = poll(section, site.language)
    if not one:
        return []
    options = "".join(
        f"<li><b>{letter}</b><span>{option}</span></li>"
        for letter, option in zip("ABCDEFGH", one["options"], strict=False)
    )
    words = site.words
    page = f'<h2>{words["poll_title"]}</h2><p class="question">{one["question"]}</p>'
    notes = f"<p><b>{words['answer']}</b> {one['letter']}. {one['why']}</p>"
    cell = f"{site.language}-{section['cell']}"
    return [Slide("poll", cell, f"{page}<ol>{options}</ol>", notes)]


def section_notes(site: Site, section: dict[str, Any]) -> str:
    """Return the speaker's notes of a section."""

    def half(text: str) -> str:
        return inline(said(text, site.language))

    words = site.words
    notes = f"<p><b>{section['minutes']} {words['minutes']}</b></p><p>{half(section['say'])}</p>"
    if section.get("wrong_answers"):
        items = "".join(f"<li>{half(one)}</li>" for one in section["wrong_answers"])
        notes += f"<p><b>{words['wrong_answers']}</b></p><ul>{items}</ul>"
    if section.get("board"):
        notes += f"<p><b>{words['board']}</b> {half(section['board'])}</p>"
    return notes


def title_notes(site: Site, lesson: Lesson) -> str:
    """Return the notes of the first slide: minutes in all and the aims."""
    if not lesson.plan:
        return ""
    aims = "".join(f"<li>{inline(said(a, site.language))}</li>" for a in lesson.plan["aims"])
    words = site.words
    total = f"<p><b>{words['total']} {lesson.minutes} {words['minutes']}</b></p>"
    return f"{total}<p>{words['aims']}</p><ul>{aims}</ul>"


def mistakes(lesson: Lesson, slides: list[Slide], language: str) -> Iterator[str]:
    """Yield what is too long in a deck."""
    if len(slides) > MOST:
        yield f"{lesson.stem} {language}: {len(slides)} slides. Rule: {MOST} or fewer."
    for slide in slides:
        if slide.wrong:
            yield f"{lesson.stem} {language}, cell {slide.cell}: {slide.wrong}."


def build(folder: Path, lessons: list[Lesson]) -> list[str]:
    """Write the decks into an empty folder; return what is too long in them."""
    libraries = [f"reveal/{name}" for name in ("reveal.js", "reveal.css", "notes.js")]
    copy_assets(folder / "assets", "deck.css", "deck.js", *libraries)
    wrong: list[str] = []
    for language in LANGUAGES:
        site = Site(lessons, language)
        (folder / language).mkdir()
        for lesson in lessons:
            slides = deck(site, lesson)
            title = inline(lesson.title(language))
            page = site.fill("deck.html.j2", name=lesson.stem, title=title, slides=slides)
            (folder / language / f"{lesson.stem}.html").write_text(page, encoding="utf-8")
            wrong += mistakes(lesson, slides, language)
    return wrong


def main(argv: list[str] | None = None) -> int:
    """Build slides/; return 0, or 2 after a one-line error."""
    parser = OneLineParser.of("slides", __doc__)
    parser.parse_args(argv)
    start = time.perf_counter()
    try:
        lessons = load_course()
        wrong = publish(lambda folder: build(folder, lessons), SLIDES)
    except Exception as error:
        return fail(parser, error)
    for line in wrong:
        print(f"Too long for a slide: {line}")
    if wrong:
        print("Fix: a shorter text in the cell's metadata `deck`, or slide type `skip`.")
    print(f"{2 * len(lessons)} decks, {time.perf_counter() - start:.0f} s: in slides/zh, slides/en")
    return 0


if __name__ == "__main__":
    sys.exit(main())
