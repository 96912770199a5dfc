"""Copies of the notebooks that install the course by themselves, for Colab: `run.py colab`.

A notebook that Colab opens from a repository comes alone, without `hdd` and without resources. Its
copy begins with a cell that fetches both. Its address stands in one place, pyproject.toml:

    [project.urls]
    Repository = "https://github.com/somebody/some-repository"
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from hdd.command import OneLineParser, fail
from hdd.files import write_atomically
from hdd.teaching.execute import NOTEBOOKS, ROOT, find_notebooks, read_notebook

TARGET = ROOT / "colab"
CELL = """\
# 取来课程，安装 hdd / fetch the course and install hdd
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("hdd") is None:
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{address}", "course"], check=True)
    packages = ["--editable", "course", {packages}]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *packages], check=True)
    sys.path.insert(0, os.path.abspath("course"))
    os.chdir("course/notebooks")
"""
# What notebooks import beside `hdd` and what it needs; the rest of the extra `dev` is Jupyter.
PACKAGES = ("einops", "timm")
# A line of the section, as TOML may write it; Python 3.10 has no tomllib to read it with.
ADDRESS = re.compile(
    r"""^\[[ ]*project\.urls[ ]*\].*\n  # the section, up to the next one
    (?:(?!\[).*\n)*?
    [ \t]*(["']?)Repository\1[ \t]*=[ \t]*(["'])(?P<address>[^"'\s]+?)/?\2""",
    re.MULTILINE | re.VERBOSE,
)


def repository(project: Path = ROOT) -> str:
    """Return the repository's address.

    Raises:
        ValueError: pyproject.toml does not say.
    """
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    found = ADDRESS.search(text)
    if not found:
        raise ValueError(
            "pyproject.toml does not say where the repository is. Fix: write "
            '[project.urls] and Repository = "https://..." into it.'
        )
    return found["address"]


def self_installing(notebook: nbformat.NotebookNode, address: str) -> nbformat.NotebookNode:
    """Return a copy whose first code cell fetches and installs the course from `address`."""
    copy = nbformat.from_dict(notebook)
    # The explorer's frame leads to a file that Colab does not serve.
    copy.cells = [cell for cell in copy.cells if "explorer" not in cell.metadata.get("tags", [])]
    source = CELL.format(address=address, packages=", ".join(f'"{name}"' for name in PACKAGES))
    first = next(i for i, cell in enumerate(copy.cells) if cell.cell_type == "code")
    cell = new_code_cell(source, id="fetch-course", metadata={"tags": ["colab"]})
    copy.cells = [*copy.cells[:first], cell, *copy.cells[first:]]
    return copy


def link(address: str, name: str) -> str:
    """Return the address at which Colab opens a copy that lies in the repository."""
    place = re.sub(r"^https://github\.com/", "", address).removesuffix(".git")
    return f"https://colab.research.google.com/github/{place}/blob/main/{TARGET.name}/{name}"


def main(argv: list[str] | None = None) -> int:
    """Write the copies and print their links; return 0, or 2 after an error in one line."""
    parser = OneLineParser.of("colab", __doc__, "such as 02 04, or paths; default: all")
    options = parser.parse_args(argv)
    try:
        address, paths = repository(), find_notebooks(options.names)
        notebooks = [read_notebook(path) for path in paths]
    except (OSError, ValueError) as error:
        return fail(parser, error)
    for path, notebook in zip(paths, notebooks, strict=True):
        copy = self_installing(notebook, address)
        write_atomically(TARGET / path.name, (nbformat.writes(copy) + "\n").encode())
        print(link(address, path.name) if path.parent == NOTEBOOKS else TARGET / path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
