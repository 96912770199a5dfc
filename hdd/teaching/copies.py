"""Two copies of each notebook for a class, in copies/: `run.py copies`.

    copies/students/     the notebooks without solutions, also without those among the hints
    copies/instructors/  with solution and note for the lecturer after each exercise

Both come from the one place where an exercise is defined, `hdd/teaching/exercises/nbXX.py`.
Beside them stands the test of ten questions for before and after the course, made from
`resources/teaching/test.yml` in both languages; only the instructors' has the key.
"""

import re
import sys
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell

from hdd.command import OneLineParser, fail
from hdd.teaching.execute import ROOT, find_notebooks, read_notebook
from hdd.teaching.exercises import hints_html
from hdd.teaching.exercises.exercise import Exercise, exercises
from hdd.teaching.language import LANGUAGES, split

COPIES = ROOT / "copies"
TEST = ROOT / "resources" / "teaching" / "test.yml"
HINTS = re.compile(r'^hints\("(?P<number>\d\d\.\d+)"\)', flags=re.M)


def for_students(notebook: nbformat.NotebookNode, known: list[Exercise]) -> nbformat.NotebookNode:
    """Return a copy without solutions: not at the end of hints, nor where the notebook goes on."""
    copy = nbformat.from_dict(notebook)
    solutions = {one.solution.strip(): one for one in known}
    for cell in _code(copy):
        if one := solutions.get(cell.source.strip()):
            load = "from hdd.teaching.exercises import solved"
            cell.source = f'{load}\n\n{one.name} = solved("{one.id}")'
        pages = [output.get("data", {}) for output in cell.outputs]
        folded = [page for page in pages if "<details" in page.get("text/html", "")]
        for number, page in zip(HINTS.findall(cell.source), folded, strict=False):
            page["text/html"] = hints_html(number, solution=False)
        cell.source = HINTS.sub(r'hints("\g<number>", solution=False)', cell.source)
    return copy


def for_instructors(
    notebook: nbformat.NotebookNode, known: list[Exercise]
) -> nbformat.NotebookNode:
    """Return a copy in which a solution and a note follow each exercise's stub."""
    copy = nbformat.from_dict(notebook)
    cells = []
    for cell in copy.cells:
        cells.append(cell)
        for one in known:
            if cell.cell_type == "code" and one.stub.strip() in cell.source:
                cells += _solution(one)
    copy.cells = cells
    return copy


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _solution(one: Exercise) -> list[nbformat.NotebookNode]:
    """Return the note in both languages and the solution, which the check after it then judges."""
    notes, slide = split(one.note), {"slideshow": {"slide_type": "skip"}}
    headings = ("教师备注", "For the lecturer")
    key = one.id.replace(".", "-")
    cells = [
        new_markdown_cell(
            f'<span lang="{language}"></span>\n\n**{heading} ({one.id})** {note}',
            metadata={"tags": [language], **slide},
            id=f"note-{language}-{key}",
        )
        for language, heading, note in zip(LANGUAGES, headings, notes, strict=True)
    ]
    code = new_code_cell(one.solution.strip(), metadata=slide, id=f"solution-{key}")
    return [*cells, code]


def _deeper(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook with paths that lead from copies/students/ to the project."""

    def deeper(text: str) -> str:
        return re.sub(r"(?<![\w./])\.\./(?!\.)", "../../", text)

    for cell in notebook.cells:
        cell.source = deeper(cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:  # such as the frame of the explorer
                data["text/html"] = deeper(data["text/html"])
    return notebook


def test_page(questions: list[dict], index: int, key: bool) -> str:
    """Return the test as Markdown.

    Args:
        questions: of `resources/teaching/test.yml`.
        index: of the language in `LANGUAGES`.
        key: with each right answer and its reason after the question.
    """
    title, right = (("课程测验", "答案"), ("Course test", "Answer"))[index]
    lines = [f"# {title}", ""]
    for number, one in enumerate(questions, 1):
        lines += [f"**{number}.** {split(one['question'])[index]}", ""]
        letters = dict(enumerate("ABCDEF", 1))
        lines += [
            f"- {letters[place]}. {split(option)[index]}"
            for place, option in enumerate(one["options"], 1)
        ]
        if key:
            why = split(one["why"])[index]
            lines += ["", f"> **{right}: {letters[one['answer']]}** · {one['notebook']} · {why}"]
        lines.append("")
    return "\n".join(lines)


def _write_tests() -> None:
    questions = yaml.safe_load(TEST.read_text(encoding="utf-8"))
    for folder, key in (("students", False), ("instructors", True)):
        for index, language in enumerate(LANGUAGES):
            target = COPIES / folder / f"test.{language}.md"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(test_page(questions, index, key), encoding="utf-8")
    print(f"{len(questions)} questions for before and after, in test.zh.md and test.en.md")


def main(argv: list[str] | None = None) -> int:
    """Write the copies; return 0, or 2 after an error in one line."""
    parser = OneLineParser.of("copies", __doc__, "such as 02 04, or paths; default: all")
    options = parser.parse_args(argv)
    try:
        paths = find_notebooks(options.names)
        notebooks = [read_notebook(path) for path in paths]
    except (OSError, ValueError) as error:
        return fail(parser, error)
    for path, notebook in zip(paths, notebooks, strict=True):
        try:
            known = exercises(path.stem[:2])
        except ModuleNotFoundError:
            print(f"{path.name}: no exercises in the collection, no copies")
            continue
        made = {
            "students": for_students(notebook, known),
            "instructors": for_instructors(notebook, known),
        }
        for folder, copy in made.items():
            (COPIES / folder).mkdir(parents=True, exist_ok=True)
            nbformat.write(_deeper(copy), COPIES / folder / path.name)
        print(f"{path.name}: {len(known)} exercises, in {_short(COPIES)}/{', '.join(made)}")
    _write_tests()
    return 0


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
