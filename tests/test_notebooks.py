"""Hygiene of the committed notebooks; that they run is nbmake's business."""

import base64
import io
import re
from urllib.parse import unquote

import nbformat
import pytest
from course_notebooks import CODE_OR_FORMULA, PATHS, ROOT, pairs, read
from PIL import Image

from hdd.teaching.exercises import hints_html
from hdd.teaching.exercises.exercise import exercises
from hdd.teaching.glossary import load_glossary
from hdd.teaching.show import PAGE_WIDTH
from hdd.teaching.site.markup import BILINGUAL, COMMENT

# What the glossary calls by another word; a block is a Mixer block, a patch 图像块.
UNWANTED = {
    "zh": "瞎猜|份额|附带数据|阶梯|输入层|输出层"
    "|(?<!图像)(?<!Mixer )(?<!残差)(?<!卷积)(?<![模分滑方色一])块(?!对角)",
    "en": r"\b(hears?|listens?|trainings|dearer|guessing blindly)\b",
}
CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
HAN = r"[\u3400-\u9fff]"
OUTSIDE = re.compile(r"https://[\w-]+(\.[\w-]+)+(/[^\s<>\"]*)?")  # a link to another place
ADDRESS = re.compile(r"\]\([^)]*\)|https?://\S+|<[^>]*>")
ENDINGS = {"zh": ["小结", "练习", "参考"], "en": ["Summary", "Exercises", "References"]}
# A folder of this or that machine; a path inside an address or after ~ is none.
MACHINE_PATH = re.compile(r"(?<![\w.~/])/(home|root|work|tmp|Users)/|[A-Z]:\\[A-Z]")


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return read(path)


@pytest.fixture
def texts(path):
    """Return (Chinese, English) sources."""
    return [(chinese.source, english.source) for chinese, english in pairs(path)]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def tags(cell):
    return cell.metadata.get("tags", [])


def printed(cell):
    """Return the text that a reader sees below a cell."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif "text/plain" in output.get("data", {}) and len(output.data) == 1:
            parts.append(output.data["text/plain"] + "\n")
    return "".join(parts)


def pictures(cell):
    """Return the base64 of a cell's pictures; of those in two languages the Chinese ones."""
    data = [output.get("data", {}) for output in cell.outputs]
    found = [item["image/png"] for item in data if "image/png" in item]
    for item in data:
        chinese = re.findall(r'<div lang="zh">(.*?)</div>', item.get("text/html", ""), flags=re.S)
        found += [page for part in chinese for page in re.findall(r"base64,([^\"]*)", part)]
    return found


def test_valid(notebook):
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_executed_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_each_half_of_a_comment_says_all(notebook):
    """Pages show one half of "# 中文 / English": names in quotes and numbers stand in both."""
    for cell in code_cells(notebook):
        comments = [found["comment"] or "" for found in BILINGUAL.finditer(cell.source)]
        for found in filter(None, map(COMMENT.fullmatch, comments)):
            zh, en = (sorted(re.findall(r'"[^"]*"|\d+', half)) for half in found.group(2, 3))
            assert zh == en, found[0]


def test_no_errors_and_no_stderr(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", output.get("evalue")
            assert output.get("name") != "stderr", output.text


def test_chinese_and_english_cells_alternate(notebook):
    languages = []
    for cell in notebook.cells:
        spoken = [tag for tag in tags(cell) if tag in ("zh", "en")]
        assert len(spoken) == (cell.cell_type == "markdown"), cell.source
        languages += spoken or ["code"]
    for index, language in enumerate(languages):
        if language == "zh":
            assert languages[index + 1] == "en", notebook.cells[index].source
        if language == "en":
            assert index, "the first cell is Chinese"
            assert languages[index - 1] == "zh", notebook.cells[index].source


def test_language_marks(notebook):
    for cell in markdown_cells(notebook):
        (language,) = (tag for tag in tags(cell) if tag in ("zh", "en"))
        mark = f'<span lang="{language}"></span>\n\n'
        assert cell.source.startswith(mark), cell.source
        assert cell.source[len(mark) :].strip(), f"{cell.id} is empty"
        assert cell.source.count("<span lang=") == 1, cell.source


OUTLINE = {
    "headings": r"^#+(?= )",
    "images": r"!\[[^\]]*\]\([^)]*\)|<img ",
    "links": r"(?<!!)\[[^\]]*\]\([^)]*\)",
    "fences": r"^```",
    "table rows": r"^\|",
    "displayed formulas": r"\$\$",
}


def test_both_languages_have_the_same_outline(texts):
    for chinese, english in texts:
        for name, pattern in OUTLINE.items():
            counts = [re.findall(pattern, text, flags=re.M) for text in (chinese, english)]
            if name != "headings":  # of those, the levels agree too
                counts = [len(found) for found in counts]
            assert counts[0] == counts[1], f"{name} in:\n{chinese}\n---\n{english}"


def test_links_of_both_languages_lead_to_the_same_places(texts):
    for pair in texts:
        places = [sorted(re.findall(r"\]\(([^)#\s]*)", text)) for text in pair]
        assert places[0] == places[1]


def test_code_cells_are_short_and_so_is_what_they_print(notebook):
    for cell in code_cells(notebook):
        assert len(cell.source.splitlines()) <= 25, cell.source
        assert len(printed(cell).splitlines()) <= 20, cell.source


def readable(cell):
    """Yield a cell's source and its outputs but for pictures, whose base64 is random text."""
    yield cell.source
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        for kind, content in output.get("data", {}).items():
            if not kind.startswith("image/") or kind == "image/svg+xml":
                yield re.sub(r"base64,[^\"]*", "", str(content))


def test_no_path_of_a_machine(notebook):
    for cell in notebook.cells:
        for text in readable(cell):
            found = MACHINE_PATH.search(text)
            assert found is None, text[max(0, found.start() - 60) :][:200]


def test_set_up_then_parameters_and_one_cover(notebook):
    set_up, parameters, *others = code_cells(notebook)
    assert "%load_ext autoreload\n%autoreload 2" in set_up.source
    assert "language_switch()" in set_up.source
    assert set_up.metadata.slideshow.slide_type == "notes"  # in a deck, too
    assert "parameters" in tags(parameters)
    assert not any("parameters" in tags(cell) for cell in others)
    assert sum("cover" in tags(cell) for cell in notebook.cells) == 1


def test_cover_is_the_picture_that_the_readme_shows(notebook, path):
    (cell,) = (cell for cell in notebook.cells if "cover" in tags(cell))
    cover = ROOT / "resources" / "covers" / f"{path.stem}.png"
    assert cover.read_bytes() == base64.b64decode(pictures(cell)[0])


def test_metadata_has_slide_types_and_nothing_volatile(notebook):
    known = {"slide", "subslide", "fragment", "skip", "notes", "-"}
    # JupyterLab adds the kernel's full name and the version of Python as soon as it saves.
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info.name == "python"
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags", "slideshow", "jupyter", "deck"}, cell.source
        assert cell.metadata.get("slideshow", {}).get("slide_type") in known, cell.source
        assert cell.metadata.get("jupyter") in (None, {"source_hidden": True}), cell.source


def test_answers_are_checked_in_a_folded_cell(notebook):
    checks = [cell for cell in code_cells(notebook) if "check(" in cell.source]
    assert checks
    assert all(cell.metadata.get("jupyter", {}).get("source_hidden") for cell in checks)


def test_figures_are_drawn_in_cells_whose_code_a_deck_can_leave_out(notebook):
    for cell in code_cells(notebook):
        drawn = re.search(r"^show(_frames|_drawing)?\(", cell.source, flags=re.M) is not None
        assert ("plot" in tags(cell)) == drawn, cell.source


def test_links_lead_somewhere(notebook, path):
    for cell in markdown_cells(notebook):
        text = CODE_OR_FORMULA.sub("", cell.source)
        targets = re.findall(r"\]\(([^)\s]+)", text) + re.findall(r'src="([^"]+)"', text)
        for target in targets:
            place = unquote(target.split("#")[0])
            if re.match(r"[a-z]+:", target):
                assert OUTSIDE.fullmatch(target), target
            elif place:
                assert (path.parent / place).exists(), target


def test_chinese_text_is_chinese(texts):
    for chinese, _ in texts:
        assert re.search(HAN, chinese), chinese
        text = ADDRESS.sub("", CODE_OR_FORMULA.sub("", chinese))
        found = re.search(HAN + r"[,;?]", text)
        assert found is None, f"{found[0]} in {text}"


def test_english_text_is_english(texts):
    for _, english in texts:
        text = CODE_OR_FORMULA.sub("", english)
        found = CJK.search(text)
        assert found is None, f"{found[0]} in {text}"
        assert re.search("[A-Za-z]{3}", text), english


def test_at_least_three_figures(notebook):
    assert sum(len(pictures(cell)) for cell in code_cells(notebook)) >= 3


def test_last_sections(texts):
    headings = {"zh": "", "en": ""}
    for pair in texts:
        for language, text in zip(headings, pair, strict=True):
            headings[language] += "\n".join(re.findall(r"^#+ .*", text, flags=re.M)) + "\n"
    for language, endings in ENDINGS.items():
        places = [headings[language].rfind(ending) for ending in endings]
        assert min(places) >= 0, f"{endings} are not all in:\n{headings[language]}"
        assert places == sorted(places), headings[language]


def test_figures_come_in_both_languages(notebook):
    for cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            assert not [kind for kind in data if kind.startswith("image/")], cell.source
            page = data.get("text/html", "")
            parts = [
                re.findall(rf'<div lang="{lang}">(.*?)</div>', page, flags=re.S) for lang in ENDINGS
            ]
            images = [sum(part.count("<img ") for part in half) for half in parts]
            assert images[0] == images[1], cell.source
            assert sum(images) == page.count("<img "), "use hdd.teaching.show"
            widths = [int(width) for width in re.findall(r'<img [^>]*width="(\d+)"', page)]
            assert max(widths, default=0) <= 1.2 * PAGE_WIDTH, cell.source


def test_nothing_is_cut_at_a_figures_edge(notebook):
    """A title that is wider than its figure has ink in the outermost pixels; nothing else does."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            for page in re.findall(r"base64,([^\"]*)", output.get("data", {}).get("text/html", "")):
                picture = Image.open(io.BytesIO(base64.b64decode(page))).convert("L")
                width, height = picture.size
                inside = picture.copy()
                inside.paste(255, (1, 1, width - 1, height - 1))  # leaves the edges
                assert inside.getextrema()[0] > 200, cell.source


def test_every_image_has_alt_text_in_its_language(notebook):
    for cell in notebook.cells:
        for text in readable(cell):
            for image in re.findall(r"<img [^>]*>", text):
                assert re.search(r'alt="[^"]{10,}"', image), image[:200]
    for cell in markdown_cells(notebook):
        for alt in re.findall(r"!\[([^\]]*)\]\(", cell.source):
            assert len(alt) >= 5, cell.source


def test_readable_within_a_class_hour(texts, path):
    english = " ".join(CODE_OR_FORMULA.sub(" ", text) for _, text in texts)
    words = re.findall(r"[A-Za-z][\w'’-]*", ADDRESS.sub(" ", english))
    assert len(words) <= 1800
    assert path.stat().st_size <= 1.2e6


def test_exercises_stand_in_the_notebook_as_they_are_defined(notebook, path):
    known = exercises(path.stem[:2])
    code = [one for one in known if re.search(r"^(def|class) ", one.stub, flags=re.M)]
    assert len(known) >= 3
    assert len(code) >= 2
    cells = [cell.source for cell in code_cells(notebook)]
    for one in known:
        assert any(one.stub.strip() in source for source in cells), one.id
        asked = f'check("{one.id}", {one.name})'
        assert any(asked in source for source in cells), asked
        assert any(f'hints("{one.id}")' in source for source in cells), one.id
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    shown = [output.get("data", {}).get("text/html") for output in outputs]
    for one in known:
        assert hints_html(one.id, solution=True) in shown, f"{one.id}: not the collection's hints"


def test_section_links_land_on_a_cell_of_the_same_language(notebook, path):
    for cell in markdown_cells(notebook):
        text = CODE_OR_FORMULA.sub("", cell.source)
        for file, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]*)\)", text):
            if re.match(r"[a-z]+:", file):
                continue
            assert anchor.startswith("cell-id="), (
                f"{anchor}: a heading's anchor fails in JupyterLab"
            )
            target = read(path.parent / (file or path.name))
            (found,) = (c for c in target.cells if c.id == anchor.removeprefix("cell-id="))
            spoken = [set(tags(one)) & {"zh", "en"} for one in (cell, found)]
            assert not spoken[1] or spoken[0] == spoken[1], cell.source


def test_terms_stand_in_the_notebook_that_defines_them(texts, path):
    chinese, english = ("\n".join(half) for half in zip(*texts, strict=True))
    for term in load_glossary():
        if term.first == path.stem[:2]:
            assert term.zh in chinese, term
            assert re.sub(r" \(.*\)", "", term.en).lower() in english.lower(), term


def test_one_word_means_one_thing(texts):
    for pair in texts:
        for text, unwanted in zip(pair, UNWANTED.values(), strict=True):
            found = re.search(f".*(?:{unwanted}).*", CODE_OR_FORMULA.sub("", text))
            assert found is None, found[0]


def test_the_bar_between_two_languages_has_a_space_on_both_sides(notebook):
    """Else the text is not split, and a reader of either language sees both."""
    for cell in code_cells(notebook):
        for text in re.findall(r'"[^"\n]*"', cell.source):
            assert not re.search(rf"{CJK.pattern}\||\|{CJK.pattern}", text), text
