"""The course as pages and slides need it: notebooks, where links lead, how each is taught."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import nbformat
import yaml

from hdd.teaching.execute import NOTEBOOKS, ROOT
from hdd.teaching.language import LANGUAGES, split
from hdd.teaching.site.markup import MARK, Half, spoken

PLANS = ROOT / "resources" / "teaching"
SECTION = {"cell", "minutes", "say", "wrong_answers", "board", "poll"}
POLL = {"question", "options", "answer", "why", "before"}
LONGEST = 45  # minutes


@dataclass(frozen=True)
class Lesson:
    """A notebook with the plan of how to teach it ({} where there is none yet)."""

    stem: str
    notebook: nbformat.NotebookNode
    plan: dict[str, Any]

    @property
    def number(self) -> str:
        """Return "02" of "02_token_and_channel_mixing"."""
        return self.stem[:2]

    @property
    def minutes(self) -> int:
        """Return how long it takes to teach; 0 without a plan."""
        return sum(section["minutes"] for section in self.plan.get("sections", []))

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Return a cell's place in the page by its id; both languages of a cell have one place."""
        places, place = {}, ""
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                places[cell.id] = f"code-{cell.id}"
            elif "en" not in cell.metadata.get("tags", []):
                place = places[cell.id] = cell.id.removeprefix("zh-")
            else:
                places[cell.id] = place
        return places

    def first_text(self, language: str) -> str:
        """Return the source of the first cell in a language."""
        cells = [c for c in self.notebook.cells if language in c.metadata.get("tags", [])]
        return MARK.sub("", cells[0].source)

    def title(self, language: str) -> str:
        """Return the first heading, "02 · Token mixing …"."""
        return re.search(r"^# (.*)$", self.first_text(language), flags=re.M)[1].strip()

    def question(self, language: str) -> str:
        """Return the question that the notebook asks, as Markdown."""
        _, *paragraphs = re.split(r"\n\s*\n", self.first_text(language).strip())
        return re.sub(r"^\*\*[^*]*\*\*[\s:：]*", "", (paragraphs or [""])[0]).strip()


def load_course() -> list[Lesson]:
    """Return the lessons 00, 01, … in order."""
    lessons = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        lessons.append(Lesson(path.stem, notebook, load_plan(path.stem, notebook)))
    return lessons


def load_plan(stem: str, notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Return resources/teaching/XX.yml, checked; {} if there is none.

    Raises:
        ValueError: another notebook, an unknown field, a section without a cell, a poll whose
            answer is not among its options, or more minutes than a lesson has.
    """
    file = PLANS / f"{stem[:2]}.yml"
    if not file.exists():
        return {}
    plan = yaml.safe_load(file.read_text(encoding="utf-8"))
    wrong = list(_mistakes(plan, stem, {cell.id for cell in notebook.cells}))
    if wrong:
        raise ValueError(f"{file.name}: {'; '.join(wrong)}.")
    return plan


def _mistakes(plan: dict[str, Any], stem: str, cells: set[str]):
    """Yield what is wrong with a plan."""
    if plan.get("notebook") != stem:
        yield f"notebook is {plan.get('notebook')!r}. Fix: {stem}"
    for section in plan["sections"]:
        name = section.get("cell")
        if f"zh-{name}" not in cells:
            yield f"there is no cell zh-{name}. Fix: the id of a section's heading cell"
        if unknown := set(section) - SECTION:
            yield f"{name} has {sorted(unknown)}. Fix: the fields are {sorted(SECTION)}"
        poll = section.get("poll")
        if poll and not set(poll) <= POLL:
            yield f"the poll of {name} has {sorted(set(poll) - POLL)}. Fix: {sorted(POLL)}"
        if poll and not 1 <= poll["answer"] <= len(poll["options"]):
            yield f"the answer of {name}'s poll is none of its options. Fix: count from 1"
    if (minutes := sum(section["minutes"] for section in plan["sections"])) > LONGEST:
        yield f"{minutes} minutes in all. Rule: {LONGEST} or fewer. Fix: shorten or leave out"


def said(text: str, language: str) -> str:
    """Return one half of "中文 | English"."""
    return split(text)[LANGUAGES.index(language)]


def in_language(notebook: nbformat.NotebookNode, language: str) -> nbformat.NotebookNode:
    """Return a copy with the cells, outputs, comments and texts of one language.

    What only makes sense in a running notebook goes: the buttons, verdicts on empty answers, and
    the frame of the explorer, which the site shows itself.
    """
    (other,) = set(LANGUAGES) - {language}
    copy = nbformat.from_dict(notebook)
    left_out = {other, "explorer"}
    copy.cells = [cell for cell in copy.cells if not left_out & set(cell.metadata.get("tags", []))]
    for cell in copy.cells:
        if cell.cell_type == "code":
            is_check = re.search(r"^check\(", cell.source, flags=re.M) is not None
            cell.source = spoken(cell.source, language)
            cell.outputs = [
                _half(output, language) for output in cell.outputs if not _is_idle(output, is_check)
            ]
    return copy


def _is_idle(output: nbformat.NotebookNode, is_check: bool) -> bool:
    page = output.get("data", {}).get("text/html", "")
    return 'class="course-lang"' in page or (is_check and "<details" not in page)


def _half(output: nbformat.NotebookNode, language: str) -> nbformat.NotebookNode:
    if "text/html" in output.get("data", {}):
        output.data["text/html"] = _formulas(Half(language)(output.data["text/html"]))
    return output


def _formulas(page: str) -> str:
    """Mark the formulas in what a cell displays, such as hints, for the page's script."""
    pieces = re.split(r"(<[^>]*>)", page)
    return "".join(
        piece
        if piece.startswith("<")
        else re.sub(r"\$([^$]+)\$", r'<span class="math">\1</span>', piece)
        for piece in pieces
    )
