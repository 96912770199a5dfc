"""Every page in a real browser, from file://: it loads, speaks one language, leads somewhere."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from hdd.teaching.execute import NOTEBOOKS
from hdd.teaching.exercises.exercise import exercises
from hdd.teaching.site.pages import PAGES

STEMS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
NAMES = [(language, name) for language in ("zh", "en") for name in (*STEMS, *PAGES)]
# Of axe's rules those that a change of colours can break.
OF_COLOURS = ("color-contrast", "link-in-text-block")
# Thousands of elements that look the same on every page: they are looked at on one.
ALIKE = (".katex", ".highlight")
# Marks that Markdown should have turned into something.
UNREAD = """[...document.querySelectorAll("main :is(p, li, td, th, h1, h2, h3)")].filter((one) =>
  [...one.childNodes].some((n) => n.nodeType === 3 && /\\*\\*|\\]\\(|\\$|<span/.test(n.data))
).map((one) => one.innerText.slice(0, 80))"""
# Full stops and commas at the beginning of a line, after a formula.
PARTED = """[...document.querySelectorAll(".keep")].filter((one) => {
  const mark = document.createRange(), formula = [...one.querySelectorAll(".base")].at(-1);
  mark.selectNodeContents(one.lastChild);
  const [a, b] = [mark, formula].map((part) => part.getBoundingClientRect());
  return a.width && a.top > b.bottom;
}).map((one) => one.textContent)"""
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (one) =>
    one.closest(".wide, .math.display, #side, [hidden], .skip, .katex");
  const wide = [...document.querySelectorAll("body *")].filter((one) =>
    one.getBoundingClientRect().right > width + 1 && one.checkVisibility() && !scrolls(one));
  return wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 120));
}"""


@cache
def ids(path):
    return set(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8")))


def looks(path):
    """Return what the colours on a page can depend on: its elements' names and classes.

    Classes of one or two letters are those of words of code, whose colours have a test.
    """
    found = re.findall(r'<(\w+)\b[^>]*?\sclass="([^"]*)"', path.read_text(encoding="utf-8"))
    return {(tag, name) for tag, name in found if len(name) > 2}


def check_links(page):
    """Every link leads to a file that is there, and to a part of it that is there."""
    links = page.evaluate("[...document.links].map((a) => [a.protocol, a.pathname, a.hash])")
    for place, anchor in {(link[1], link[2][1:]) for link in links if link[0] == "file:"}:
        file = Path(unquote(place))
        assert file.is_file(), place
        assert not anchor or unquote(anchor) in ids(file), f"{place}#{anchor}"


@pytest.mark.parametrize(("language", "name"), NAMES)
def test_page(site, window, language, name):
    path = site[0] / language / f"{name}.html"
    page = window.open(path)
    assert page.evaluate("document.documentElement.lang") == {"zh": "zh-Hans", "en": "en"}[language]
    assert page.title()
    assert window.foreign() == []
    assert page.evaluate("document.querySelectorAll('.katex-error').length") == 0
    assert page.evaluate("document.querySelectorAll('.math:not(:has(.katex))').length") == 0
    assert page.evaluate(UNREAD) == []
    assert page.evaluate("document.querySelectorAll(':is(h1, h2, h3) :is(ol, ul, p)').length") == 0
    check_links(page)
    # Colours take long, and English pages have those of the Chinese: see the next test.
    passed_over = () if language == "zh" else OF_COLOURS
    assert window.violations(theme="light", without=ALIKE, passed_over=passed_over) == []
    if language == "zh":
        assert window.violations(OF_COLOURS, theme="dark", without=ALIKE) == []
    assert window.wrong == []


@pytest.mark.parametrize("name", [*STEMS, *PAGES, *(f"{stem}-handout" for stem in STEMS)])
def test_english_pages_have_no_colours_of_their_own(site, name):
    zh, en = (looks(site[0] / language / f"{name}.html") for language in ("zh", "en"))
    assert en <= zh


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_and_formulas_are_accessible(site, window, theme):
    page = window.open(site[0] / "zh" / "02_token_and_channel_mixing.html")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert window.violations(theme=theme) == []
    marks = "[...document.querySelectorAll('.output b[style]')].map(b => getComputedStyle(b).color)"
    found = set(page.evaluate(marks))  # axe does not look at single letters
    assert found == {{"light": "rgb(0, 102, 75)", "dark": "rgb(95, 214, 177)"}[theme]}
    figure = "getComputedStyle(document.querySelector('.plot img')).filter"
    assert page.evaluate(figure) == {"light": "none", "dark": "brightness(0.82)"}[theme]


@pytest.mark.parametrize(("language", "name"), NAMES)
def test_page_on_a_phone(site, phone, language, name):
    page = phone.open(site[0] / language / f"{name}.html")
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(PARTED) == []
    assert phone.wrong == []


@pytest.mark.parametrize("name", STEMS)
def test_nothing_is_clipped_on_paper(site, paper, name):
    page = paper.open(site[0] / "zh" / f"{name}.html")
    assert page.evaluate(TOO_WIDE.replace(".wide, ", "")) == []
    cut = "[...document.querySelectorAll('pre')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
    assert page.evaluate(f"{cut}.length") == 0
    assert page.locator(".hints").count() >= 3
    assert page.locator(".hints:visible, .top:visible, #side:visible").count() == 0


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("stem", STEMS)
def test_a_hand_out_prints_on_two_sheets(site, lessons, window, stem, language):
    (lesson,) = (one for one in lessons if one.stem == stem)
    page = window.open(site[0] / language / f"{stem}-handout.html")
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) <= 2
    assert page.locator("header img").get_attribute("alt")
    polls = [one["poll"] for one in lesson.plan["sections"] if "poll" in one]
    assert page.locator(".votes li").count() == sum(len(one["options"]) for one in polls)
    assert page.locator(".tasks pre").count() == len(exercises(lesson.number))
    assert window.foreign() == []
    check_links(page)
    passed_over = () if language == "zh" else OF_COLOURS
    assert window.violations(without=ALIKE, passed_over=passed_over) == []
    assert window.wrong == []


def test_both_languages_have_the_same_places(site):
    for name in STEMS:
        zh, en = (ids(site[0] / language / f"{name}.html") for language in ("zh", "en"))
        assert zh == en


def test_the_start_page_leads_to_both_languages(site, window):
    page = window.open(site[0] / "index.html")
    assert window.violations() == []
    page.get_by_role("link", name="English").click()
    assert page.url.endswith("en/index.html")
    assert window.wrong == []


def press_switch(page):
    """Click where the switch is; playwright's own click would scroll the page first."""
    box = page.locator("#switch").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_the_switch_keeps_the_section(site, window):
    page = window.open(site[0] / "zh" / "02_token_and_channel_mixing.html")
    page.evaluate("document.getElementById('channel').scrollIntoView()")
    press_switch(page)
    page.wait_for_url("**/en/02_token_and_channel_mixing.html#channel")
    assert 0 < page.locator("#channel").bounding_box()["y"] < 200
    press_switch(page)
    page.wait_for_url("**/zh/02_token_and_channel_mixing.html#channel")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("index", "lessons"),
        ("claims", "head-10"),
        ("glossary", "term-40"),
        ("instructor", "plan-09-sharing"),
    ],
)
def test_every_kind_of_page_keeps_its_place(site, window, name, place):
    page = window.open(site[0] / "en" / f"{name}.html")
    page.evaluate("(place) => document.getElementById(place).scrollIntoView()", place)
    press_switch(page)
    page.wait_for_url(f"**/zh/{name}.html#{place}")
    assert page.locator(f"#{place}").is_visible()


def test_the_contents_follow_the_reader_to_the_end(site, window):
    page = window.open(site[0] / "zh" / "02_token_and_channel_mixing.html")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("#side .sections a").last
    page.wait_for_function("(one) => one.ariaCurrent", arg=last.element_handle())


SEARCHES = {
    "zh": {
        "词元混合": "02_",
        "学习率": "04_",
        "图像块": "01_",
        "交叉熵": "04_",
        "层归一化": "03_",
        "克罗内克积": "02_",
        "残差连接": "03_",
        "线性解码器": "05_",
        "einsum": "02_",
        "Muon 优化": "04_",
        "W_1": "07_",
    },
    "en": {
        "token mixing": "02_",
        "learning rate": "04_",
        "patches": "01_",
        "cross-entropy": "04_",
        "LayerNorm": "03_",
        "Kronecker": "02_",
        "residual": "03_",
        "linear decoder": "05_",
        "einsum": "02_",
        "validation accuracy": "04_",
        "convolu": "02_",
        "residuals": "03_",
        "accuracies": "06_",
        "D_S": "07_",
    },
}


@pytest.mark.parametrize("language", SEARCHES)
def test_search(site, window, language):
    page = window.open(site[0] / language / "index.html")
    for query, wanted in SEARCHES[language].items():
        page.fill("#query", query)
        page.wait_for_selector("#results a")
        found = page.evaluate("[...document.querySelectorAll('#results a')].map((a) => a.href)")
        assert any(f"/{language}/{wanted}" in link for link in found), query
        link = found[[f"/{wanted}" in one for one in found].index(True)]
        name, _, anchor = link.rpartition("/")[2].partition("#")
        assert anchor in ids(site[0] / language / name), link
    page.fill("#query", "qqqq")
    assert page.locator("#results a").count() == 0
    assert page.locator("#results").inner_text()
    page.fill("#query", "einsum")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"html#"))
    assert window.wrong == []


def test_a_term_explains_itself(site, window):
    page = window.open(site[0] / "en" / "02_token_and_channel_mixing.html")
    term = page.locator("a.term", has_text=re.compile("^tokens?$")).first
    term.focus()
    assert "The vector that stands for one patch" in page.locator("#pop-up").inner_text()
    assert term.get_attribute("aria-describedby") == "pop-up"
    page.keyboard.press("Escape")
    assert page.locator("#pop-up").is_hidden()
    used = page.locator("a.term").all_inner_texts()
    assert len({word.lower() for word in used}) == len(used), "only the first use"


def test_colours_are_remembered(site, light_window):
    page = light_window.open(site[0] / "en" / "index.html")
    color = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(color) == "rgb(255, 255, 255)"
    page.locator("#theme").click()
    dark = page.evaluate(color)
    page = light_window.open(site[0] / "en" / "glossary.html")
    assert page.evaluate(color) == dark != "rgb(255, 255, 255)"


def test_hints_open_one_by_one_and_drawing_code_is_folded(site, window):
    page = window.open(site[0] / "zh" / "02_token_and_channel_mixing.html")
    box = page.locator(".hints").first
    assert not box.locator("pre").first.is_visible()
    for name in ("02.1 提示 1", "提示 2", "提示 3", "参考答案"):
        box.get_by_text(name, exact=True).click()
    assert "torch.einsum" in box.locator("pre").first.inner_text()
    drawing = page.locator(".plot details.source")
    assert drawing.count() >= 3
    assert page.locator(".plot details[open]").count() == 0
    assert page.locator(".course-lang").count() == 0, "the notebook's buttons stay in the notebook"


def test_the_menu_of_a_phone_opens_and_closes(site, phone):
    page = phone.open(site[0] / "en" / "03_build_mlp_mixer.html")
    assert not page.locator("#side").is_visible()
    page.locator("#menu").tap()
    page.locator("#side .sections a").nth(1).tap()
    assert not page.locator("#side").is_visible()
    assert "#" in page.url


def test_a_tap_enlarges_a_figure_on_a_phone(site, phone):
    page = phone.open(site[0] / "zh" / "02_token_and_channel_mixing.html")
    figure = page.locator(".plot img").first
    figure.scroll_into_view_if_needed()
    assert figure.bounding_box()["width"] < 390
    figure.tap()
    assert figure.bounding_box()["width"] > 800
    assert page.evaluate(TOO_WIDE) == []
    figure.tap()
    assert figure.bounding_box()["width"] < 390


def test_links_lead_somewhere(site):
    assert site[1] == []
