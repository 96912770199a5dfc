"""The terms of the course, from `resources/glossary.yml`.

`python -m hdd.teaching.glossary` writes and runs `notebooks/glossary.ipynb`, the page made from it.
"""

import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hdd.command import OneLineParser, run
from hdd.teaching.execute import NOTEBOOKS, execute

PAGE = NOTEBOOKS / "glossary.ipynb"
FILE = Path(__file__).parents[2] / "resources" / "glossary.yml"
HEADS = {
    "zh": ("# 术语表", "| 中文 | 英文 | 符号 | 含义 | 首次出现 |"),
    "en": ("# Glossary", "| English | Chinese | Symbol | Meaning | First in |"),
}


@dataclass(frozen=True)
class Term:
    """A term: its names, a sentence in each language, and the notebook that defines it ("02").

    `other_sense` lists, for a language, the notebooks in which the word does not mean the term.
    """

    zh: str
    en: str
    first: str
    sentence_zh: str
    sentence_en: str
    symbol: str = ""
    other_sense: dict[str, list[str]] = field(default_factory=dict)


@cache
def load_glossary(file: Path = FILE) -> list[Term]:
    """Return the terms in the order of the course.

    Raises:
        ValueError: an entry lacks a field or has an unknown one.
    """
    entries = yaml.safe_load(file.read_text(encoding="utf-8"))
    terms = []
    for entry in entries:
        try:
            terms.append(Term(**entry))
        except TypeError as error:
            fields = ", ".join(Term.__dataclass_fields__)
            raise ValueError(f"{entry}: {error}. Fix: the fields are {fields}.") from None
    return sorted(terms, key=lambda term: term.first)


def glossary_page(terms: list[Term], language: str) -> str:
    """Return the glossary as Markdown in one language, "zh" or "en"; in the order of the course."""
    title, head = HEADS[language]
    rows = [title, "", head, "| --- | --- | --- | --- | --- |"]
    for term in sorted(terms, key=lambda term: (term.first, term.en.lower())):
        names = (term.zh, term.en) if language == "zh" else (term.en, term.zh)
        sentence = term.sentence_zh if language == "zh" else term.sentence_en
        rows.append("| " + " | ".join([*names, term.symbol, sentence, term.first]) + " |")
    return "\n".join(rows) + "\n"


def glossary_notebook(terms: list[Term]) -> nbformat.NotebookNode:
    """Return the page: a switch, then the table in Chinese and in English."""
    switch = "from hdd.teaching.language import language_switch\n\nlanguage_switch()"
    pages = [
        new_markdown_cell(
            f'<span lang="{language}"></span>\n\n{glossary_page(terms, language)}'.rstrip(),
            id=language,
            metadata={"tags": [language]},
        )
        for language in HEADS
    ]
    return new_notebook(cells=[new_code_cell(switch, id="switch"), *pages])


def main(argv: list[str] | None = None) -> int:
    """Write the page and run it; return 0, or 2 after a one-line error."""
    parser = OneLineParser(prog="python -m hdd.teaching.glossary", description=__doc__)
    return run(write_page, parser, argv)


def write_page() -> None:
    """Write the page of the glossary, with its outputs."""
    nbformat.write(glossary_notebook(load_glossary()), PAGE)
    execute(PAGE)


if __name__ == "__main__":
    sys.exit(main())
