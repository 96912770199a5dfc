"""A sheet of paper a lesson: its question, drawing, terms, formulas, votes and exercises.

Made from what the lesson has anyway; answers and solutions are not on it.
"""

import re
from collections.abc import Iterator
from typing import Any

from hdd.teaching.exercises.exercise import exercises
from hdd.teaching.site.course import Lesson
from hdd.teaching.site.markup import MARK, Half, inline, spoken
from hdd.teaching.site.pages import Site, code_block, poll, section_title

FORMULA = re.compile(r"\$\$(.*?)\$\$", re.S)
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=[-*] )")
BOLD = re.compile(r"^(?:[-*] )?\*\*(.*?)\*\*")


def handout(site: Site, lesson: Lesson) -> str:
    """Return a lesson's hand-out as a page that prints on two sheets or fewer."""
    (card,) = (card for card in site.cards() if card["stem"] == lesson.stem)
    sections = lesson.plan.get("sections", [])
    votes = [
        {**one, "section": section_title(lesson, section["cell"], site.language)}
        for section in sections
        if (one := poll(section, site.language))
    ]
    terms = [term for term in site.terms if term.first == lesson.number]
    return site.fill(
        "handout.html.j2",
        **{"name": f"{lesson.stem}-handout", "lesson": card, "votes": votes, "terms": terms},
        alt=cover_alt(lesson, site.language),
        **{"formulas": list(formulas(site, lesson)), "tasks": tasks(site, lesson)},
    )


def cover_alt(lesson: Lesson, language: str) -> str:
    """Return what the picture on a lesson's cover shows, as HTML; "" where it has none."""
    for cell in lesson.notebook.cells:
        if "cover" in cell.metadata.get("tags", []):
            pages = (output.get("data", {}).get("text/html", "") for output in cell.outputs)
            found = re.search(r'<img [^>]*alt="([^"]*)"', Half(language)("".join(pages)))
            return found[1] if found else ""
    return ""


def texts(site: Site, lesson: Lesson) -> Iterator[str]:
    """Yield the sources of a lesson's texts in the site's language."""
    for cell in lesson.notebook.cells:
        if site.language in cell.metadata.get("tags", []):
            yield MARK.sub("", cell.source)


def formulas(site: Site, lesson: Lesson) -> Iterator[str]:
    """Yield the displayed formulas of a lesson as HTML."""
    for source in texts(site, lesson):
        yield from (inline(f"$${formula}$$") for formula in FORMULA.findall(source))


def tasks(site: Site, lesson: Lesson) -> list[dict[str, Any]]:
    """Return what a lesson asks for: a text each, with the stubs of the exercises that it names."""
    left, found = {one.id: one for one in exercises(lesson.number)}, []
    for source in texts(site, lesson):
        for paragraph in PARAGRAPH.split(source):
            bold = BOLD.match(paragraph)
            named = [number for number in left if bold and number in bold[1]]
            if named:
                stubs = [spoken(left.pop(number).stub.strip(), site.language) for number in named]
                code = [code_block(site.highlight(stub)) for stub in stubs]
                found.append({"text": inline(re.sub(r"^[-*] ", "", paragraph)), "code": code})
    return found
