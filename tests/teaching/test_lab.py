import subprocess
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from nbformat.v4 import new_code_cell, new_notebook, new_output

from hdd.teaching import lab


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "safe.directory=*"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def write(path, source):
    output = new_output("display_data", {"text/html": "<script></script>"})
    cell = new_code_cell(source, outputs=[output], execution_count=1, id="a")
    notebook = new_notebook(cells=[cell])
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A committed notebook in a repository of its own, and a place for signatures."""
    folder = tmp_path / "project" / "notebooks"
    folder.mkdir(parents=True)
    monkeypatch.setattr(lab, "NOTEBOOKS", folder)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    path = write(folder / "00_x.ipynb", "1")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "a")
    return path


def trusted(path):
    return NotebookNotary().check_signature(nbformat.read(path, as_version=4))


def test_only_notebooks_as_committed_are_signed(shipped):
    changed, new = shipped.with_name("01_y.ipynb"), shipped.with_name("02_z.ipynb")
    write(changed, "1")
    git(shipped.parent, "add", ".")
    git(shipped.parent, "commit", "-m", "b")
    write(changed, "import os  # from elsewhere")
    write(new, "import os  # from elsewhere")
    assert lab.unchanged(shipped.parent) == [shipped]
    lab.sign(lab.unchanged(shipped.parent))
    assert [trusted(path) for path in (shipped, changed, new)] == [True, False, False]


def test_without_git_nothing_is_trusted(tmp_path):
    write(tmp_path / "00_x.ipynb", "1")
    assert lab.unchanged(tmp_path) == []


def saved_by_jupyterlab(path, folder):
    """Return the model that JupyterLab sends when it saves a notebook that was only opened."""
    content = nbformat.read(path, as_version=4)
    content.metadata.kernelspec.display_name = "Python 3 (ipykernel)"
    content.metadata.language_info = {"name": "python", "version": "3.11.7"}
    content.cells[0].metadata["trusted"] = True
    content.cells[0].metadata["scrolled"] = True
    return {"type": "notebook", "content": content}, SimpleNamespace(root_dir=str(folder))


def test_opening_and_saving_leaves_the_file_as_it_was(shipped):
    before = shipped.read_bytes()
    model, manager = saved_by_jupyterlab(shipped, shipped.parents[1])
    lab.before_saving(model=model, path="notebooks/00_x.ipynb", contents_manager=manager)
    assert model["content"].cells[0].metadata == {"trusted": True}  # Jupyter signs by this mark
    nbformat.write(model["content"], shipped)
    assert shipped.read_bytes() == before


def test_notebooks_elsewhere_are_saved_as_they_are(shipped):
    model, manager = saved_by_jupyterlab(shipped, shipped.parents[1])
    lab.before_saving(model=model, path="mine/00_x.ipynb", contents_manager=manager)
    assert model["content"].cells[0].metadata["scrolled"]
