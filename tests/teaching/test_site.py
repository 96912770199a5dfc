"""What pages and slides are made of; tests/browser/ opens them."""

import re

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hdd.teaching.exercises.exercise import exercises
from hdd.teaching.glossary import Term
from hdd.teaching.site import course, slides
from hdd.teaching.site.__main__ import withheld, write_pages
from hdd.teaching.site.assets import publish
from hdd.teaching.site.course import Lesson, in_language, load_plan
from hdd.teaching.site.markup import Foreign, Half, Terms, inline, markdown, plain, spoken
from hdd.teaching.site.pages import Site
from hdd.teaching.site.search import entries, readable

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PICTURE = f'<img src="data:image/png;base64,{PIXEL}" alt="a dot, 一个点" width="600">'


def text(language, name, source, kind="slide", **metadata):
    return new_markdown_cell(
        f'<span lang="{language}"></span>\n\n{source}',
        id=f"{language}-{name}",
        metadata={"tags": [language], "slideshow": {"slide_type": kind}, **metadata},
    )


def code(name, source, *pages, kind="subslide", tags=(), **metadata):
    outputs = [new_output("display_data", {"text/html": page}) for page in pages]
    metadata = {"tags": list(tags), "slideshow": {"slide_type": kind}, **metadata}
    return new_code_cell(source, id=name, outputs=outputs, metadata=metadata)


def both(zh, en):
    return f'<div lang="zh">{zh}</div><div lang="en">{en}</div>'


@pytest.fixture(scope="module")
def lessons():
    return course.load_course()


PLAN = {
    "notebook": "09_x",
    "aims": ["会做 | can do"],
    "sections": [
        {
            "cell": "one",
            "minutes": 7,
            "say": "先问 | ask first",
            "wrong_answers": ["不对 | no"],
            "poll": {
                "question": "选哪个？ | Which?",
                "options": ["甲 | this", "乙 | that"],
                "answer": 2,
                "why": "因为 | because",
            },
        }
    ],
}


@pytest.fixture
def lesson():
    cells = [
        text("zh", "start", "# 09 · 题目\n\n**问题**　为什么？"),
        text("en", "start", "# 09 · Title\n\n**Question.** Why?"),
        text("zh", "one", "## 1. 一\n\n" + "长" * 200, deck="## 一\n\n短"),
        text("en", "one", "## 1. One\n\n" + "long " * 200, deck="## One\n\nshort"),
        code("add", "x = 1  # 加一 / add one"),
        code("plot-one", "show(figure)", both(PICTURE, PICTURE), tags=["plot"]),
        text("zh", "see", "**读图**　" + "看" * 91),
        text("en", "see", "**What to see.** " + "see " * 61),
        code("check", 'check("09.1", x)', both("<b>…</b>", "<b>…</b>"), kind="skip"),
    ]
    return Lesson("09_x", new_notebook(cells=cells), PLAN)


def test_half_of_an_output():
    page = Half("en")(
        f"{both('<p>中</p>', '<p>E &amp; <b>F</b></p>')}<br><script>if (a < b) c</script>"
    )
    assert page == '<div lang="en"><p>E &amp; <b>F</b></p></div><br><script>if (a < b) c</script>'


@pytest.mark.parametrize(
    ("code", "zh", "en"),
    [
        ("f(x)  # 求和 / summed over", "f(x)  # 求和", "f(x)  # summed over"),
        ("# (全连接, 两种) / (fully, both)", "# (全连接, 两种)", "# (fully, both)"),
        ("y = a / b  # (B, S)", "y = a / b  # (B, S)", "y = a / b  # (B, S)"),
        ('c = "#ff0000"  # 红 / red', 'c = "#ff0000"  # 红', 'c = "#ff0000"  # red'),
        ('holds("小于 | less", a < b)', 'holds("小于", a < b)', 'holds("less", a < b)'),
        ('t(f"{n} 个 | {n:,} of")', 't(f"{n} 个")', 't(f"{n:,} of")'),
        (
            's(\n    "长，"\n    "短 | long, "\n    "short",\n)',
            's(\n    "长，"\n    "短",\n)',
            's(\n    "long, "\n    "short",\n)',
        ),
        ('s("左"\n  f" | left {n}")', 's("左")', 's(f"left {n}")'),
        ('s("左 | "\n  f"left {n}")', 's("左")', 's(f"left {n}")'),
        ('s("说\\"左\\" | say \\"left\\"")', 's("说\\"左\\"")', 's("say \\"left\\"")'),
        ('{"a | b": "中"}', '{"a | b": "中"}', '{"a | b": "中"}'),
        ('"""中 | e"""', '"""中 | e"""', '"""中 | e"""'),
    ],
)
def test_code_speaks_one_language_and_does_the_same(code, zh, en):
    assert [spoken(code, language) for language in ("zh", "en")] == [zh, en]
    for half in (zh, en):
        compile(half, "cell", "exec")


def test_words_of_the_other_language_are_marked():
    page = '<p>the term 词元</p><p lang="zh-Hans">中文</p><script>"中"</script>'
    assert Foreign("en")(page) == page.replace("词元", '<span lang="zh-Hans">词元</span>')
    assert Foreign("zh")(page) == page
    title = "Patches Are All You Need"
    page = f"<p>作者，{title}？2022；ResNet、ViT 和 Mixer</p><code>{title}</code>"
    assert Foreign("zh")(page) == page.replace(title, f'<span lang="en">{title}</span>', 1)


def test_first_uses_of_terms_are_linked():
    terms = [
        Term("词元", "token", "00", "。", "."),
        Term("词元混合", "token mixing", "00", "。", "."),
    ]
    link = '<a class="term" href="glossary.html#term-{}">{}</a>'
    page = Terms(terms, "en", "00")(
        "<h2>Token</h2><p>Tokens, <code>token</code> mix; token mixing</p>"
    )
    assert page == (
        f"<h2>Token</h2><p>{link.format(0, 'Token')}s, <code>token</code> mix; "
        f"{link.format(1, 'token mixing')}</p>"
    )
    page = Terms(terms, "zh", "00")("<p>词元混合和词元，词元</p>")
    assert page == f"<p>{link.format(1, '词元混合')}和{link.format(0, '词元')}，词元</p>"


def test_a_folder_keeps_what_others_have_put_there(tmp_path):
    def writes(**files):
        def build(folder):
            for name, text in files.items():
                (folder / name).mkdir(parents=True)
                (folder / name / "page").write_text(text)

        return build

    folder = tmp_path / "站点 site"
    publish(writes(a="1", b="1"), folder)
    (folder / "a" / "notes").write_text("mine")
    publish(writes(a="2"), folder)
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.glob("*/*")}
    assert found == {"a/page": "2", "a/notes": "mine"}
    assert not (folder / "b").exists()

    (folder / "c").mkdir()
    (folder / "c" / "page").write_text("mine")
    with pytest.raises(OSError, match=r"did not make.*c/page\. Fix"):
        publish(writes(a="3", c="3"), folder)
    assert (folder / "a" / "page").read_text() == "2"
    assert (folder / "c" / "page").read_text() == "mine"


def test_a_place_that_is_no_folder_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "slides").write_text("mine")
    monkeypatch.setattr(slides, "SLIDES", tmp_path / "slides")
    monkeypatch.setattr(slides, "load_course", list)
    assert slides.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Fix: " in line
    assert (tmp_path / "slides").read_text() == "mine"


def test_words_that_only_look_like_terms_are_left_alone():
    terms = [Term("轮", "epoch", "00", "。", "."), Term("参数", "compute", "05", "。", ".")]
    verb = "<p>compute the sum; this computes it; that can compute it</p>"
    assert Terms(terms, "en", "05")(verb) == verb
    noun = '<a class="term" href="glossary.html#term-1">compute</a>'
    assert Terms(terms, "en", "05")("<p>the compute</p>") == f"<p>the {noun}</p>"
    assert Terms(terms, "en", "04")("<p>the compute</p>") == "<p>the compute</p>"
    other = "<p>轮流；轮廓；超参数</p>"
    assert Terms(terms, "zh", "05")(other) == other
    assert "term-0" in Terms(terms, "zh", "05")("<p>训练 6 轮。</p>")


def test_a_word_of_another_sense_has_no_pop_up():
    terms = [
        Term("偏置", "bias", "01", "。", ".", other_sense={"en": ["04"]}),
        Term("选择偏差", "selection bias", "04", "。", "."),
    ]
    enters = "<p>Now bias enters the report; selection bias</p>"
    assert Terms(terms, "en", "04")(enters).count("term-0") == 0
    assert Terms(terms, "en", "04")(enters).count("term-1") == 1
    assert Terms(terms, "en", "05")(enters).count("term-0") == 1
    assert Terms(terms, "zh", "04")("<p>偏置</p>").count("term-0") == 1
    hint = "<details><summary>Hint</summary><p>the bias</p></details><p>a "
    page = Terms(terms, "en", "05")(hint + "bias</p>")
    assert page.startswith(hint + '<a class="term"')


def test_sessions_fit_into_90_minutes(lessons):
    """README's timetable and the lessons' minutes agree."""
    text = (course.ROOT / "README.md").read_text(encoding="utf-8")
    minutes = {lesson.number: lesson.minutes for lesson in lessons}
    rows = re.findall(r"^\| (?:Session \d|第 \d 次) \| ([\d, 、]+) \|", text, flags=re.M)
    assert len(rows) == 8
    assert [row for row in rows if sum(minutes[n] for n in re.findall(r"\d+", row)) > 90] == []


def test_a_notebook_and_its_plan_name_the_same_minutes(lessons):
    found = {}
    for lesson in lessons:
        zh, en = lesson.first_text("zh"), lesson.first_text("en")
        said = re.findall(r"讲授约? ?(\d+) 分钟", zh) + re.findall(r"(\d+) to teach", en)
        assert {int(one) for one in said} <= {lesson.minutes}, lesson.stem
        found[lesson.number] = len(said)
    assert [found[f"{number:02}"] for number in range(18)] == [2] * 18
    text = (course.ROOT / "README.md").read_text(encoding="utf-8")
    last = re.findall(
        r"^\| (?:最后|At the end) \| 17 \|.*?(\d+) (?:分钟|minutes)", text, flags=re.M
    )
    assert last == [str(lessons[-1].minutes)] * 2


def test_markdown_keeps_formulas_for_the_page_and_leaves_out_lost_links():
    source = (
        '<span lang="zh"></span>\n\n## A\n\n$a<b$ [x](x.ipynb) [y](https://y.org)\n\n'
        "$$c_1*d*$$\n\n## B"
    )
    page, headings = markdown(source, lambda url: url if ":" in url else None, "place")
    assert headings == 2
    assert '<h2 id="place">A</h2>' in page
    assert '<h2 id="place-2">B</h2>' in page
    assert '<span class="math">a&lt;b</span> x <a href="https://y.org">y</a>' in page
    assert '<span class="math display">c_1*d*</span>' in page


def test_a_short_text_is_no_list():
    for text in ("1. One", "2) Two", "- no", "# 5", "> 0", "+ x", "* y"):
        assert inline(text) == text.replace(">", "&gt;")
    assert inline("−1 and 1.5, **so**") == "−1 and 1.5, <strong>so</strong>"


def test_a_page_in_one_language(lesson):
    notebook = in_language(lesson.notebook, "zh")
    assert [cell.id for cell in notebook.cells if cell.cell_type == "markdown"] == [
        *("zh-start", "zh-one", "zh-see")
    ]
    assert lesson.anchors["en-one"] == lesson.anchors["zh-one"] == "one"
    site = Site([lesson], "zh")
    page, body = site.lesson(0)
    assert '<html lang="zh-Hans"' in page
    assert "add one" not in page
    assert 'id="one"' in body
    assert "long" not in page
    assert '<a id="switch" href="../en/09_x.html" lang="en"' in page
    assert site.lost == []


@pytest.mark.parametrize("language", ["zh", "en"])
def test_students_get_no_answers(lessons, tmp_path, language):
    few = [withheld(lesson) for lesson in lessons if lesson.number in ("02", "03")]
    (tmp_path / "assets").mkdir()
    write_pages(Site(few, language, students=True), tmp_path)
    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*/*")}
    assert "02_token_and_channel_mixing.html" in pages
    assert not [name for name, page in pages.items() if "instructor" in name + page]
    shown = " ".join(plain(page) for name, page in pages.items() if name.endswith("html"))
    assert "def mix_tokens(w, x):" in shown  # the stub
    for number in ("02", "03"):
        for one in exercises(number):
            assert " ".join(one.solution.split()) not in shown, one.id
    whole = Site([one for one in lessons if one.number == "02"], language)
    assert "matrix[offset == k].mean()" in plain(whole.lesson(0)[0])
    assert "matrix[offset == k].mean()" not in shown


def test_links_of_notebooks_become_links_of_pages(lesson):
    site = Site([lesson], "en")
    for link, place in {
        "09_x.ipynb#cell-id=en-one": "09_x.html#one",
        "#cell-id=en-see": "#see",
        "09_x.ipynb": "09_x.html",
        "glossary.ipynb": "glossary.html",
        "../resources/explorer.html": "../explorer.html?lang=en",
        "../README.md": "../files/README.md",
        "https://arxiv.org/abs/1": "https://arxiv.org/abs/1",
    }.items():
        assert site.resolve(link, lesson) == place
    assert site.files == {"README.md"}
    assert site.lost == []
    for link in ("98_none.ipynb", "09_x.ipynb#cell-id=none", "../none.md", "../../../etc/hosts"):
        assert site.resolve(link, lesson) is None
    assert len(site.lost) == 4


def test_entries_of_the_index():
    body = '<h1 id="a">T <b>b</b></h1><p>x &lt; y</p><h2 id="c">U</h2><p>z</p>'
    assert list(entries("09_x", "T", body)) == [
        ["09_x", "a", "T", "T b", "x < y"],
        ["09_x", "c", "T", "U", "z"],
    ]
    terms = '<h2 id="c">02</h2><div id="term-3"><dt>词元 <span>token</span></dt><dd>x</dd></div>'
    assert list(entries("glossary", "G", terms))[1][1:] == ["term-3", "G", "词元", "token x"]
    formula = r"\frac{H}{P}\cdot W_1 \to \mathrm{LN}(\sigma) &lt; D_{\text{in}}"
    assert readable(formula) == "H/P · W_1 → LN(σ) &lt; D_in"
    assert plain('<p>a <span class="math">x^2</span>b</p><script>c</script>') == "a b"


def test_slides_of_a_lesson(lesson):
    found = {language: slides.deck(Site([lesson], language), lesson) for language in ("zh", "en")}
    kinds = ["title", "text", "code", "poll", "figure", "text"]
    assert [slide.kind for slide in found["zh"]] == kinds
    assert [slide.kind for slide in found["en"]] == kinds
    title, section, shown, vote, figure, _ = found["en"]
    assert "7 min" in title.notes
    assert "can do" in title.notes
    assert "short" in section.page
    assert "long" not in section.page
    assert "ask first" in section.notes
    assert "no" in section.notes
    assert "add one" in shown.page
    assert "加一" not in shown.page
    assert "that" in vote.page
    assert "B. because" in vote.notes
    assert "because" not in vote.page
    assert figure.page.count("<img") == 1
    assert list(slides.mistakes(lesson, found["en"], "en")) == [
        "09_x en, cell en-see: 64 words (at most 60)."
    ]
    assert list(slides.mistakes(lesson, found["zh"], "zh")) == [
        "09_x zh, cell zh-see: 93 characters (at most 90)."
    ]


def test_a_poll_comes_before_what_gives_its_answer_away(lesson):
    cells = [cell for cell in lesson.notebook.cells if cell.id != "plot-one"]
    table = code("table", "show_table(x)", "<table></table>", tags=["table"])

    def kinds(cells):
        shortened = Lesson("09_x", new_notebook(cells=cells), PLAN)
        return [slide.kind for slide in slides.deck(Site([shortened], "zh"), shortened)]

    assert kinds(cells) == ["title", "text", "poll", "code", "text"]
    assert kinds([*cells[:5], table, *cells[5:]]) == [
        *("title", "text", "code", "poll", "results", "text")
    ]


@pytest.mark.parametrize(("before", "place"), [("add", 2), ("plot-one", 3), ("see", 4)])
def test_a_poll_stands_where_its_plan_says(lesson, before, place):
    (section,) = PLAN["sections"]
    plan = {**PLAN, "sections": [{**section, "poll": {**section["poll"], "before": before}}]}
    for language in ("zh", "en"):
        moved = Lesson("09_x", lesson.notebook, plan)
        found = slides.deck(Site([moved], language), moved)
        assert [slide.kind for slide in found].index("poll") == place


def test_a_place_that_a_section_does_not_have_is_named():
    part = [slides.Slide("text", "zh-one", ""), slides.Slide("figure", "plot-one", "")]
    with pytest.raises(ValueError, match=r"'check'.*\(zh-one, plot-one\)\. Fix"):
        slides.poll_place("check", part)


def test_what_a_slide_leaves_out_is_in_its_notes(lesson):
    cells = [*lesson.notebook.cells]
    cells[-3] = text("zh", "see", "**读图**　细说", kind="skip")
    cells[-1] = text("zh", "end", "## 小结\n\n很长", deck="## 小结\n\n短")
    silent = {"cell": "see", "minutes": 3, "say": "读图 | read it"}
    plan = {**PLAN, "sections": [*PLAN["sections"], silent]}
    changed = Lesson("09_x", new_notebook(cells=cells), PLAN)
    *_, figure, summary = slides.deck(Site([changed], "zh"), changed)
    assert (figure.kind, summary.kind) == ("figure", "text")
    assert plain(figure.notes) == "读图 细说"
    assert plain(summary.page) == "小结 短"
    assert plain(summary.notes) == "很长"
    without = Lesson("09_x", new_notebook(cells=cells[:-1]), plan)
    *_, figure = slides.deck(Site([without], "zh"), without)
    assert "<b>3 分钟</b></p><p>读图</p>" in figure.notes


def test_what_is_too_long_for_a_slide():
    assert slides.text_mistake("<li>a</li>" * 5, "en") == "5 bullets (at most 4)"
    site = Site([], "en")
    long = new_code_cell("\n".join(["x = 1"] * 13), id="long")
    assert slides.code_slide(site, long).wrong == "13 lines of code (at most 12)"
    wide = new_code_cell("x" * 100, id="wide")
    assert "font-size: 19px" in slides.code_slide(site, wide).page
    assert slides.code_slide(site, wide).wrong == "code of 19 px (at least 20)"
    short = nbformat.from_dict(long)
    short.source = "x = 1"
    assert slides.code_slide(site, short).wrong == ""


def test_few_words_have_larger_letters():
    def size(words):
        return slides.text_size(f"<h2>A</h2><ul>{f'<li>{words}</li>' * 4}</ul>")

    assert [size("word " * count) for count in (4, 9, 20)] == [48, 42, 0]
    assert [size("字" * count) for count in (12, 23, 40)] == [48, 42, 0]
    assert slides.text_size("<table><tr><td>1</td></tr></table>") == 0


def test_too_many_slides(lesson):
    many = [slides.Slide("text", "zh-one", "") for _ in range(26)]
    assert list(slides.mistakes(lesson, many, "zh")) == ["09_x zh: 26 slides. Rule: 25 or fewer."]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notebook": "08_y"}, r"'08_y'. Fix: 09_x"),
        ({"cell": "none"}, "no cell zh-none. Fix"),
        ({"minutes": 46}, "46 minutes in all. Rule: 45"),
        ({"blackboard": "x"}, r"\['blackboard'\]. Fix: the fields are"),
        ({"poll": {**PLAN["sections"][0]["poll"], "answer": 3}}, "count from 1"),
    ],
)
def test_a_plan_that_cannot_be_taught_is_refused(tmp_path, monkeypatch, lesson, change, message):
    plan = {**PLAN, "sections": [dict(PLAN["sections"][0])]}
    (plan if "notebook" in change else plan["sections"][0]).update(change)
    (tmp_path / "09.yml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    monkeypatch.setattr(course, "PLANS", tmp_path)
    with pytest.raises(ValueError, match=message):
        load_plan("09_x", lesson.notebook)


def test_plans_of_the_course_can_be_taught(lessons):
    for lesson in lessons:
        if lesson.plan:
            polls = [one for one in lesson.plan["sections"] if one.get("poll")]
            assert len(polls) >= 2, lesson.stem
            assert all(len(one["poll"]["options"]) >= 3 for one in polls), lesson.stem
            assert lesson.plan["aims"], lesson.stem


def test_a_figure_whose_text_would_be_too_small_on_a_slide():
    tall = "iVBORw0KGgoAAAANSUhEUgAAAyAAAAMg"  # the beginning of a PNG of 800 × 800
    picture = f'<img src="data:image/png;base64,{tall}" alt="" width="800" data-text="16.0">'
    assert "text of 13.7 px in a figure of 800 × 800" in slides.figure_mistake(picture)
    assert slides.figure_mistake(picture.replace("16.0", "19.0")) == ""
    assert slides.figure_mistake(PICTURE) == ""
