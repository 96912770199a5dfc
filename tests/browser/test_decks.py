"""Every deck in a real browser: it loads, nothing overflows, text can be read from the back."""

import re

import pytest

from hdd.teaching.execute import NOTEBOOKS
from hdd.teaching.language import LANGUAGES
from hdd.teaching.site.markup import plain
from hdd.teaching.site.pages import Site
from hdd.teaching.site.slides import MOST, deck, mistakes

STEMS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
SMALLEST = 28  # pixels of text at a height of 700; that of figures is known when decks are built
# Looks at the slide that is shown: what reaches over its edges or out of its own box, small text.
MEASURE = """([smallest]) => {
  const slide = Reveal.getCurrentSlide(), wrong = [];
  const shown = [...slide.querySelectorAll("*")].filter((one) =>
    one.checkVisibility() && !one.closest("aside, script, .katex-mathml, .katex svg"));
  for (const one of shown) {
    const box = one.getBoundingClientRect();
    if (box.right > 1281 || box.bottom > 721 || box.left < -1 || box.top < -1)
      wrong.push(`over the edge: ${one.outerHTML.slice(0, 80)}`);
    if (one.matches("p, li, tr, pre") && box.bottom > 692 && box.left < 110)
      wrong.push(`over the slide's number: ${one.outerHTML.slice(0, 80)}`);
  }
  for (const one of slide.querySelectorAll("pre, .highlight, table"))
    if (one.scrollWidth > one.clientWidth + 1) wrong.push(`cut: ${one.outerHTML.slice(0, 80)}`);
  for (const one of slide.querySelectorAll("p, li, td, th, caption"))
    if (one.checkVisibility() && !one.closest("aside"))
      if (parseFloat(getComputedStyle(one).fontSize) < smallest)
        wrong.push(`small: ${one.outerHTML.slice(0, 80)}`);
  for (const image of slide.querySelectorAll("img")) {
    if (!image.checkVisibility()) continue;
    if (!image.alt) wrong.push("no alt");
  }
  return [wrong.slice(0, 3), slide.dataset.cell];
}"""

BEYOND_A_PHONE = """[...Reveal.getCurrentSlide().querySelectorAll("*")].filter((one) => {
  if (!one.checkVisibility() || one.closest("aside, .katex-mathml, .katex svg")) return false;
  const box = one.getBoundingClientRect();
  return box.left < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1;
}).map((one) => one.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("stem", STEMS)
def test_deck_keeps_its_limits(lessons, stem):
    (lesson,) = (one for one in lessons if one.stem == stem)
    both = [deck(Site(lessons, language), lesson) for language in LANGUAGES]
    places = [
        [(slide.kind, slide.cell.removeprefix(f"{language}-")) for slide in slides]
        for language, slides in zip(LANGUAGES, both, strict=True)
    ]
    assert len(both[0]) == len(both[1]) <= MOST
    assert [kind for kind, _ in places[0]] == [kind for kind, _ in places[1]]
    for language, slides in zip(LANGUAGES, both, strict=True):
        assert list(mistakes(lesson, slides, language)) == []
    assert all(
        one.get("poll") is None or any(s.kind == "poll" for s in both[0])
        for one in lesson.plan.get("sections", [])
    )


@pytest.mark.parametrize("stem", STEMS)
def test_slides_look_alike_in_all_decks(lessons, stem):
    (lesson,) = (one for one in lessons if one.stem == stem)
    for language in LANGUAGES:
        slides = deck(Site(lessons, language), lesson)
        assert plain(slides[0].page).startswith(f"{lesson.number} · ")
        assert slides[-1].kind != "poll"
        for slide in slides:  # a prediction is a box, no bullet
            assert not re.search(r"<li>(<strong>)?(先猜|Predict)", slide.page), slide.cell
            assert not re.search(r"(先猜|Predict)(?!一猜|ion| first\.</strong>)", slide.page), (
                slide.cell
            )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stem", STEMS)
def test_no_slide_overflows(decks, window, stem, language):
    page = window.open(decks / language / f"{stem}.html")
    page.wait_for_function("window.Reveal?.isReady()")
    assert page.evaluate("document.documentElement.lang") == {"zh": "zh-Hans", "en": "en"}[language]
    assert window.foreign() == []
    assert page.evaluate("document.querySelectorAll('.katex-error').length") == 0
    wrong = []
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate("(number) => Reveal.slide(number)", number)
        found, cell = page.evaluate(MEASURE, [SMALLEST * 720 / 700 - 0.9])
        wrong += [f"{number + 1}, cell {cell}: {one}" for one in found]
    assert wrong == []
    assert window.wrong == []


@pytest.mark.parametrize("stem", [STEMS[12], STEMS[15]])  # with the widest tables
def test_on_a_phone_text_can_be_read(decks, phone, stem):
    page = phone.open(decks / "en" / f"{stem}.html")
    page.wait_for_function("window.Reveal?.isReady()")
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        page.evaluate("(number) => Reveal.slide(number)", number)
        assert page.evaluate(BEYOND_A_PHONE) == [], number + 1
    assert 34 * page.evaluate("Reveal.getScale()") > 16
    assert phone.wrong == []


def test_the_switch_leads_to_the_same_slide(decks, window):
    page = window.open(decks / "zh" / f"{STEMS[1]}.html")
    page.wait_for_function("window.Reveal?.isReady()")
    page.evaluate("Reveal.slide(2)")
    page.locator("#switch").click()
    page.wait_for_url(f"**/en/{STEMS[1]}.html#/2")
    page.wait_for_function("window.Reveal?.isReady() && Reveal.getIndices().h === 2")
    assert window.wrong == []


def test_the_notes_open_beside_the_slides(decks, window):
    page = window.open(decks / "en" / f"{STEMS[1]}.html")
    page.wait_for_function("window.Reveal?.isReady()")
    with window.context.expect_page() as opened:
        page.keyboard.press("s")
    notes = opened.value
    notes.wait_for_selector("#current-slide iframe")
    notes.close()
    assert window.wrong == []


def test_formulas_of_notes_need_no_style(decks, window):
    page = window.open(decks / "en" / "12_cost.html")
    page.wait_for_function("window.Reveal?.isReady()")
    assert page.locator("aside.notes math").count() > 0
    assert page.locator("aside.notes .katex-html").count() == 0


@pytest.mark.parametrize("query", ["", "?print-pdf"])
def test_paper_has_a_slide_a_page(decks, window, query):
    deck_file = decks / "en" / f"{STEMS[1]}.html"
    page = window.open(deck_file)
    page.wait_for_function("window.Reveal?.isReady()")
    slides = page.evaluate("Reveal.getTotalSlides()")  # while it prints, reveal counts none
    page = window.open(deck_file, query)
    page.wait_for_function("window.Reveal?.isReady()")
    page.wait_for_function(
        "(n) => document.querySelectorAll('.pdf-page').length === n", arg=slides if query else 0
    )
    paper = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) == slides
