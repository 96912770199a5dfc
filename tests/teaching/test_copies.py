import nbformat
import pytest
import torch
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hdd.teaching import copies
from hdd.teaching.execute import find_notebooks, read_notebook
from hdd.teaching.exercises import check, hints_html
from hdd.teaching.exercises.exercise import exercises, find

ONE, TWO = find("02.1"), find("02.4")


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """Make copies of a notebook with two exercises; return (students', instructors', printed)."""
    answers = new_code_cell(
        'check("02.1", mix_tokens)\nhints("02.1")\nhints("02.4")',
        outputs=[
            new_output("display_data", {"text/html": page})
            for page in (hints_html("02.1", solution=True), "<details>once a solution</details>")
        ],
        id="answers",
    )
    stubs = [new_code_cell(one.stub.strip(), id=f"stub-{one.id[-1]}") for one in (ONE, TWO)]
    text = new_markdown_cell("![a](../resources/a.png) [b](03_b.ipynb) a/../b", id="text")
    notebook = new_notebook(cells=[text, *stubs, answers])
    source = tmp_path / "notebooks" / "02_x.ipynb"
    source.parent.mkdir()
    nbformat.write(notebook, source)
    monkeypatch.setattr(copies, "find_notebooks", lambda names: [source])
    monkeypatch.setattr(copies, "COPIES", tmp_path / "copies")
    assert copies.main([]) == 0
    folders = [tmp_path / "copies" / name / source.name for name in ("students", "instructors")]
    return *(nbformat.read(path, as_version=4) for path in folders), capsys.readouterr().out


def test_students_get_no_solution_neither_in_code_nor_in_outputs(made):
    students, _, printed = made
    text = nbformat.writes(students)
    for solution in ("ts,bsc->btc", "64**2", "once a solution"):
        assert solution not in text
    assert "参考答案" not in text
    assert students.cells[-1].source.splitlines()[1:] == [
        'hints("02.1", solution=False)',
        'hints("02.4", solution=False)',
    ]
    for number in ("02.1", "02.4"):
        assert f"{number} 提示 1" in text
    assert "02_x.ipynb: 4 exercises" in printed


LESSONS = [path for path in find_notebooks([]) if path.stem != "glossary"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_cell_of_a_student_holds_a_solution(path):
    known = exercises(path.stem[:2])
    cells = [cell.source for cell in copies.for_students(read_notebook(path), known).cells]
    for one in known:
        assert not any(one.solution.strip() in cell for cell in cells), one.id


def test_students_go_on_with_what_a_solution_defines():
    reference = new_code_cell(find("03.2").solution.strip(), id="reference")
    (cell,) = copies.for_students(new_notebook(cells=[reference]), exercises("03")).cells
    names = {}
    exec(cell.source, names)
    assert names["MixerBlock"](16, 8, 4, 32)(torch.ones(1, 16, 8)).shape == (1, 16, 8)


def test_instructors_get_solution_and_note_after_each_stub(made):
    _, instructors, _ = made
    nbformat.validate(instructors)
    ids = [cell.id for cell in instructors.cells]
    assert ids == [
        *("text", "stub-1", "note-zh-02-1", "note-en-02-1", "solution-02-1"),
        *("stub-4", "note-zh-02-4", "note-en-02-4", "solution-02-4", "answers"),
    ]
    assert instructors.cells[4].source == ONE.solution.strip()
    assert "很多人写 `w @ x`" in instructors.cells[2].source
    assert instructors.cells[3].source.startswith('<span lang="en"></span>\n\n**For the lecturer')


def test_copies_lead_to_the_project_s_files(made):
    for copy in made[:2]:
        assert copy.cells[0].source == "![a](../../resources/a.png) [b](03_b.ipynb) a/../b"


def test_an_unknown_notebook_is_an_error(capsys):
    assert copies.main(["no_such"]) == 2
    assert "Fix:" in capsys.readouterr().err


def test_a_solution_in_an_instructor_s_copy_passes_the_check_below_it(made, capsys):
    names = {}
    exec("import torch\n" + made[1].cells[4].source, names)
    check("02.1", names["mix_tokens"])
    assert "correct" in capsys.readouterr().out


@pytest.mark.parametrize("language", ["zh", "en"])
def test_only_instructors_get_the_key_of_the_course_test(made, tmp_path, language):
    pages = [
        (tmp_path / "copies" / folder / f"test.{language}.md").read_text(encoding="utf-8")
        for folder in ("students", "instructors")
    ]
    key = {"zh": "答案: B", "en": "Answer: B"}[language]
    assert [key in page for page in pages] == [False, True]
    assert all(f"**{number}.** " in pages[0] for number in range(1, 11))
    assert "8 × 8 = 64" not in pages[0]


def test_every_question_of_the_course_test_can_be_answered():
    for one in yaml.safe_load(copies.TEST.read_text(encoding="utf-8")):
        assert 1 <= one["answer"] <= len(one["options"]), one["question"]
        assert find_notebooks([one["notebook"]])
        for text in (one["question"], one["why"], *one["options"]):
            assert " | " in text, text
