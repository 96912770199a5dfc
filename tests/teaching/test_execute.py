import base64
import json
import re
import shutil
import sys

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hdd.teaching import execute


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(execute, "COVERS", tmp_path / "covers")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))  # signatures go there
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


def test_executing_twice_gives_the_same_bytes_signed_and_covers(folder, capsys):
    pictures = [base64.b64encode(data).decode() for data in (b"Chinese", b"English")]
    page = "".join(f'<img src="data:image/png;base64,{data}">' for data in pictures)
    path = write(
        folder / "00_x.ipynb",
        new_markdown_cell("text", metadata={"tags": ["zh"], "deck": "短", "collapsed": True}),
        new_code_cell(
            "import os; print(os.environ['TQDM_DISABLE'], os.path.basename(os.getcwd()))",
            metadata={"execution": {"iopub.status.busy": "2020"}, "scrolled": True},
        ),
        new_code_cell(
            f"from IPython.display import HTML\nHTML({page!r})",
            metadata={"tags": ["cover"], "slideshow": {"slide_type": "slide"}},
        ),
    )
    assert not NotebookNotary().check_signature(nbformat.read(path, as_version=4))
    assert execute.main([]) == 0
    first = path.read_bytes()
    assert execute.main(["00"]) == 0
    assert path.read_bytes() == first
    assert capsys.readouterr().out.count("00_x.ipynb: ") == 2

    text, code, cover = nbformat.read(path, as_version=4).cells
    assert (code.execution_count, cover.execution_count) == (1, 2)
    assert code.outputs[0].text == "1 notebooks\n"
    assert text.metadata == {"tags": ["zh"], "deck": "短"}
    assert code.metadata == {}
    assert cover.metadata == {"tags": ["cover"], "slideshow": {"slide_type": "slide"}}
    for volatile in (b"iopub", b"widgets", b"3.8", b"scrolled"):
        assert volatile not in first
    covers = {file.name: file.read_bytes() for file in execute.COVERS.iterdir()}
    assert covers == {"00_x.png": b"Chinese", "00_x.en.png": b"English"}
    assert NotebookNotary().check_signature(nbformat.read(path, as_version=4))
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
    out = capsys.readouterr().err
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
    assert printed.strip() == f"{sys.executable} {tmp_path / 'share'}"
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 1}', "<html>"])
def test_a_file_that_is_no_notebook_is_named(folder, capsys, content):
    (folder / "00_x.ipynb").write_text(content)
    assert execute.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(r"execute: error: .*00_x\.ipynb is no notebook\. Fix: ", line)
    assert (folder / "00_x.ipynb").read_text() == content


def test_where_signatures_cannot_be_kept_nothing_fails(folder, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder / "file" / "jupyter"))
    path = write(folder / "00_x.ipynb", new_code_cell("1"))
    execute.sign([path])
    assert execute.read_notebook(path).cells
