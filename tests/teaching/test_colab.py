import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hdd.teaching import colab, execute


def test_the_address_stands_in_pyproject(tmp_path):
    project = tmp_path / "pyproject.toml"
    project.write_text("[project]\nname = 'x'\n")
    with pytest.raises(ValueError, match=r"Fix: write \[project\.urls\]"):
        colab.repository(tmp_path)
    project.write_text('[project.urls]\nHomepage = "x"\nRepository = "https://github.com/a/b/"\n')
    assert colab.repository(tmp_path) == "https://github.com/a/b"


@pytest.mark.parametrize(
    "text",
    [
        '[project.urls]\nRepository="https://x/y"\n',
        "[project.urls]\nRepository = 'https://x/y'\n",
        '[project.urls] # where it is\n\n# Repository = "z"\nRepository = "https://x/y" # here\n',
        '[ project.urls ]\nHomepage = "z"\n  "Repository" = "https://x/y"',
    ],
)
def test_the_address_may_be_written_as_toml_allows(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'x'\n{text}")
    assert colab.repository(tmp_path) == "https://x/y"


def test_an_address_of_another_section_is_not_the_project_s(tmp_path):
    text = '[project.urls]\nHomepage = "x"\n\n[tool.x]\nRepository = "https://x/y"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ValueError, match=r"Fix: write \[project\.urls\]"):
        colab.repository(tmp_path)


@pytest.mark.parametrize("end", ["", ".git"])
def test_a_link_leads_to_the_copy(end):
    link = colab.link(f"https://github.com/a/b{end}", "00_x.ipynb")
    assert link == "https://colab.research.google.com/github/a/b/blob/main/colab/00_x.ipynb"


def test_the_cell_fetches_and_installs_only_where_hdd_is_missing(tmp_path, monkeypatch):
    before = new_notebook(cells=[new_markdown_cell("text"), new_code_cell("import hdd")])
    copy = colab.self_installing(before, "https://example.invalid/course")
    nbformat.validate(copy)
    assert [cell.cell_type for cell in copy.cells] == ["markdown", "code", "code"]
    assert len(before.cells) == 2
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    exec(copy.cells[1].source, {})
    assert commands == []  # hdd is here
    (tmp_path / "course" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "path", [])
    exec(copy.cells[1].source, {})
    clone, install = commands
    assert clone[-2:] == ["https://example.invalid/course", "course"]
    assert {"--editable", "course", "timm"} <= set(install)
    assert sys.path == [str(tmp_path / "course")]


def test_what_it_installs_is_what_notebooks_import():
    sources = [
        cell.source
        for path in execute.NOTEBOOKS.glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    ]
    code = "\n".join(sources)
    for package in colab.PACKAGES:
        assert re.search(rf"^(from|import) {package}\b", code, re.MULTILINE)


def test_copies_and_links(tmp_path, monkeypatch, capsys):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), notebooks / "00_x.ipynb")
    monkeypatch.setattr(colab, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(execute, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(colab, "TARGET", tmp_path / "colab")
    monkeypatch.setattr(colab, "repository", lambda: "https://github.com/a/b")
    assert colab.main([]) == 0
    assert "/colab/00_x.ipynb" in capsys.readouterr().out
    assert "github.com/a/b" in (tmp_path / "colab" / "00_x.ipynb").read_text()
    assert colab.main(["07"]) == 2
    assert "Fix:" in capsys.readouterr().err
