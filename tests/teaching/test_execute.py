import base64
import json
import re
import shutil
import sys

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hdd.teaching import execute
from hdd.teaching.exercises import check
from hdd.teaching.language import language_switch


def test_language_switch_has_three_buttons_and_a_rule_for_each_language():
    html = language_switch().data
    assert re.findall(r'<button value="(\w+)"', html) == ["zh", "en", "both"]
    for label in ("中文", "English", "双语"):
        assert label in html
    for shown, hidden in (("zh", "en"), ("en", "zh")):
        rule = rf"body\[data-course-lang={shown}\] \.jp-MarkdownCell:has\(span\[lang={hidden}\]\)"
        assert re.search(rule + r" \{ display: none", html)
    assert "%(" not in html  # nothing left of the template
    assert "http" not in html  # works without a network


def test_every_button_says_what_it_chooses():
    html = language_switch().data
    assert len(re.findall(r'onclick="[^"]*this\.value[^"]*localStorage\.setItem[^"]*"', html)) == 3


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, "not answered"),
        (lambda: None, "not answered"),
        (41.75, "✓"),
        (lambda: torch.tensor(41.75), "✓"),
        (41.750001, "✓"),
        (41.76, "✗"),
        (float("nan"), "✗"),
        ([41.75], "wrong shape"),
        (torch.zeros(2, 2), "wrong shape"),
        ("a word", "✗"),
        (object(), "✗"),
    ],
)
@pytest.mark.parametrize("expected", [41.75, lambda: torch.tensor(41.75)])
def test_check_judges_without_giving_the_solution_away(capsys, answer, verdict, expected):
    check("Exercise 1", answer, expected)
    out = capsys.readouterr().out
    assert out.startswith("Exercise 1: ")
    assert out.count("\n") == 1
    assert verdict in out
    assert ("✓" in out) == (verdict == "✓")
    assert "41.75" not in out


def test_check_names_both_shapes(capsys):
    check("E", torch.zeros(3, 2), torch.zeros(2, 3))
    assert "(3, 2), (2, 3)" in capsys.readouterr().out


def test_check_tolerance(capsys):
    check("E", 1.05, 1.0, tolerance=0.1)
    check("E", 1.05, 1.0, tolerance=0.01)
    assert re.findall("[✓✗]", capsys.readouterr().out) == ["✓", "✗"]


PIXEL = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(execute, "COVERS", tmp_path / "covers")
    (tmp_path / "notebooks").mkdir()
    return tmp_path / "notebooks"


def write(path, *cells):
    path.parent.mkdir(exist_ok=True)
    notebook = new_notebook(cells=list(cells))
    notebook.metadata = {
        "widgets": {"state": 1},
        "language_info": {"name": "python", "version": "3.8"},
    }
    nbformat.write(notebook, path)
    return path


def test_executing_twice_gives_the_same_bytes(folder, capsys):
    path = write(
        folder / "00_x.ipynb",
        new_markdown_cell("text", metadata={"tags": ["zh"], "collapsed": True}),
        new_code_cell(
            "import os; print(os.environ['TQDM_DISABLE'], os.path.basename(os.getcwd()))",
            metadata={"execution": {"iopub.status.busy": "2020"}, "scrolled": True},
        ),
        new_code_cell(
            f"import base64\nfrom IPython.display import Image\nImage(base64.b64decode('{PIXEL}'))",
            metadata={"tags": ["cover"], "slideshow": {"slide_type": "slide"}},
        ),
    )
    assert execute.main([]) == 0
    first = path.read_bytes()
    assert execute.main(["00"]) == 0
    assert path.read_bytes() == first
    assert capsys.readouterr().out.count("00_x.ipynb: ") == 2

    text, code, cover = nbformat.read(path, as_version=4).cells
    assert (code.execution_count, cover.execution_count) == (1, 2)
    assert code.outputs[0].text == "1 notebooks\n"
    assert text.metadata == {"tags": ["zh"]}
    assert code.metadata == {}
    assert cover.metadata == {"tags": ["cover"], "slideshow": {"slide_type": "slide"}}
    for volatile in (b"iopub", b"widgets", b"3.8", b"scrolled"):
        assert volatile not in first
    assert (execute.COVERS / "00_x.png").read_bytes() == base64.b64decode(PIXEL)
    assert [file.name for file in folder.iterdir()] == ["00_x.ipynb"]


def test_a_failing_notebook_stays_as_it_was(folder, capsys):
    path = write(
        folder / "00_x.ipynb",
        new_code_cell("print(1)"),
        new_code_cell("raise RuntimeError('on purpose')"),
    )
    before = path.read_bytes()
    assert execute.main(["00_x"]) == 1
    assert path.read_bytes() == before
    out = capsys.readouterr().out
    assert "00_x.ipynb failed" in out
    assert "on purpose" in out
    assert [file.name for file in folder.iterdir()] == ["00_x.ipynb"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], ["00_x", "01_y", "10_z"]),
        (["00"], ["00_x"]),
        (["01_y"], ["01_y"]),
        (["notebooks/00_x.ipynb"], ["00_x"]),
        (["10", "00"], ["00_x", "10_z"]),
    ],
)
def test_names_resolve(folder, names, found):
    for stem in ("01_y", "00_x", "10_z"):
        write(folder / f"{stem}.ipynb")
    assert [path.stem for path in execute.find_notebooks(names)] == found


def test_unknown_name_lists_the_notebooks_and_runs_none(folder, capsys):
    write(folder / "00_x.ipynb", new_code_cell("1"))
    before = (folder / "00_x.ipynb").read_bytes()
    assert execute.main(["00", "07"]) == 2
    out = capsys.readouterr().out
    for fragment in ("'07'", "Fix:", "00_x"):
        assert fragment in out
    assert (folder / "00_x.ipynb").read_bytes() == before


def test_a_path_elsewhere_means_that_file(folder, tmp_path):
    write(folder / "00_x.ipynb")
    copy = write(tmp_path / "00_x.ipynb")
    assert execute.find_notebooks([str(copy)]) == [copy]
    assert execute.find_notebooks([str(folder / "00_x.ipynb")]) == [folder / "00_x.ipynb"]
    with pytest.raises(FileNotFoundError, match="Fix: a path"):
        execute.find_notebooks([str(tmp_path / "gone" / "00_x.ipynb")])


PICTURE = """
import os, sys
from matplotlib import pyplot as plt
plt.plot([1, 2])
plt.show()
print(sys.executable, os.environ["JUPYTER_PATH"])
"""


def test_a_foreign_kernel_and_backend_are_passed_over(folder, tmp_path, monkeypatch, capsys):
    kernel = tmp_path / "share" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": ["no-such-python"], "display_name": "Theirs", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    (folder / "matplotlibrc").write_text("backend: Agg\n")
    # Alone in a folder of its own, as somebody copied it.
    path = write(tmp_path / "alone" / "00_x.ipynb", new_code_cell(PICTURE))
    shutil.copy(folder / "matplotlibrc", path.parent)
    assert execute.main([str(path)]) == 0, capsys.readouterr().out
    (cell,) = nbformat.read(path, as_version=4).cells
    assert any("image/png" in output.get("data", {}) for output in cell.outputs)
    printed = "".join(output.get("text", "") for output in cell.outputs)
    assert printed.split() == [sys.executable, str(tmp_path / "share")]
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 1}', "<html>"])
def test_a_file_that_is_no_notebook_is_named(folder, capsys, content):
    (folder / "00_x.ipynb").write_text(content)
    assert execute.main([]) == 1
    assert "00_x.ipynb failed" in capsys.readouterr().out
    assert (folder / "00_x.ipynb").read_text() == content
