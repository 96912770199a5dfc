"""The pages of the site in one language: lessons, home, glossary, claims, the instructor's."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from nbconvert.exporters import TemplateExporter
from nbconvert.filters import Highlight2HTML

from hdd.teaching.execute import ROOT
from hdd.teaching.exercises.exercise import exercises
from hdd.teaching.glossary import load_glossary
from hdd.teaching.site.assets import RESOURCES, SOURCES, html_language, load_words
from hdd.teaching.site.course import Lesson, in_language, said
from hdd.teaching.site.markup import Foreign, Terms, inline, markdown, plain

ESSENTIAL = {"00", "01", "02", "03", "04", "05", "08", "09", "17"}
VERDICTS, CERTAINTY = "✓◐✗?", ("certain", "tentative", "unknown")
PAGES = ("index", "claims", "glossary", "instructor")
HEADING = re.compile(r'<h([1-3]) id="([^"]+)">(.*?)</h\1>', re.S)
# A row of the table of claims: number and claim, verdict, certainty, where it is tested.
ROW = re.compile(r"^\| (\d+) · (.*) \| ([✓◐✗?].*) \| (.*) \| (.*) \|$", re.M)


@dataclass
class Site:
    """What is being built in one language; collects files to copy and links that lead nowhere.

    That for students has no page for the instructor, and its lessons come without solutions.
    """

    lessons: list[Lesson]
    language: str
    students: bool = False
    files: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.words = load_words(self.language)
        self.pages = PAGES[:-1] if self.students else PAGES
        if self.students:
            self.words["check"] = self.words["check_students"]
        self.terms = load_glossary()
        self.by_stem = {lesson.stem: lesson for lesson in self.lessons}
        (self.other,) = {"zh", "en"} - {self.language}
        self.explorer = f"../explorer.html?lang={self.language}"
        self.exporter = TemplateExporter(
            template_name="course",
            extra_template_basedirs=[str(SOURCES)],
            extra_template_paths=[str(SOURCES)],
            file_extension=".html",
        )
        self.highlight = Highlight2HTML(pygments_lexer="ipython3")
        for name, use in (("highlight_code", self.highlight), ("code_block", code_block)):
            self.exporter.register_filter(name, use)

    def resolve(self, url: str, lesson: Lesson) -> str | None:
        """Return where a link of a notebook leads from its page; None if it leads nowhere."""
        place, _, anchor = unquote(url).partition("#")
        if re.match(r"[a-z]+:", url):
            return url
        if not place or place.endswith(".ipynb"):
            return self._section(place, anchor.removeprefix("cell-id="), lesson)
        if place.endswith("resources/explorer.html"):
            return self.explorer
        file = (ROOT / "notebooks" / place).resolve()
        if not file.is_file() or not file.is_relative_to(ROOT):
            self.lost.append(f"{lesson.stem}: {url}")
            return None
        self.files.add(file.relative_to(ROOT).as_posix())
        return f"../files/{file.relative_to(ROOT).as_posix()}"

    def _section(self, place: str, cell: str, lesson: Lesson) -> str | None:
        if place == "glossary.ipynb":
            return "glossary.html"
        target = self.by_stem.get(Path(place).stem) if place else lesson
        if target is None or (cell and cell not in target.anchors):
            self.lost.append(f"{lesson.stem}: {place}#{cell}")
            return None
        anchor = f"#{target.anchors[cell]}" if cell else ""
        return (f"{target.stem}.html" if place else "") + anchor

    def body(self, lesson: Lesson) -> str:
        """Return a lesson's cells as HTML."""
        self.exporter.register_filter("cell_text", lambda cell: self._text(cell, lesson))
        notebook = in_language(lesson.notebook, self.language)
        body, _ = self.exporter.from_notebook_node(notebook, {"words": self.words})
        return Terms(self.terms, self.language, lesson.number)(body)

    def _text(self, cell: Any, lesson: Lesson) -> str:
        anchor = lesson.anchors[cell.id]
        page, headings = markdown(cell.source, lambda url: self.resolve(url, lesson), anchor)
        place = "" if headings else f' id="{html.escape(anchor)}"'
        if self.explorer in page:
            page += (
                f'<details class="explorer"><summary>{self.words["explorer_here"]}</summary>'
                f'<iframe src="{self.explorer}" title="{self.words["explorer"]}" loading="lazy">'
                "</iframe></details>"
            )
        return f'<div class="cell text"{place}>{page}</div>'

    def fill(self, template: str, **values: Any) -> str:
        """Return a template of resources/site, filled."""
        common = {"language": self.language, "other": self.other, "words": self.words}
        common |= {"explorer": self.explorer, "html_lang": html_language(self.language)}
        common |= {"other_lang": html_language(self.other), "more_pages": self.pages[1:]}
        page = self.exporter.environment.get_template(template).render(**common, **values)
        whole = template in ("layout.html.j2", "deck.html.j2", "handout.html.j2")
        return Foreign(self.language)(page) if whole else page

    def page(self, name: str, title: str, body: str, **values: Any) -> str:
        """Return a whole page around its body."""
        headings = [found for found in HEADING.findall(body) if found[0] != "1"]
        contents = [(level, anchor, without_links(text)) for level, anchor, text in headings]
        if name not in self.by_stem:  # long pages need no third level at the side
            contents = [line for line in contents if line[0] == "2"]
        description = values.pop("description", self.words["intro"])
        return self.fill(
            "layout.html.j2",
            **{"name": name, "title": title, "body": body, "contents": contents},
            **{"is_lesson": name in self.by_stem},
            **{"lessons": list(self.cards()), "description": description, **values},
        )

    def cards(self) -> Iterator[dict[str, Any]]:
        """Yield what lists of lessons show of each."""
        for lesson in self.lessons:
            cover = f"{lesson.stem}{'' if self.language == 'zh' else '.en'}.png"
            known = (RESOURCES / "covers" / cover).exists()
            yield {
                "stem": lesson.stem,
                "number": lesson.number,
                "title": inline(lesson.title(self.language)),
                "question": inline(lesson.question(self.language)),
                "essential": lesson.number in ESSENTIAL,
                "minutes": lesson.minutes,
                "cover": f"../assets/covers/{cover}" if known else "",
            }

    # ------------------------------------------------------------------------------ the pages
    def lesson(self, place: int) -> tuple[str, str]:
        """Return the page of a lesson, and its body for the index."""
        lesson, cards = self.lessons[place], list(self.cards())
        body = self.body(lesson)
        around = {
            "before": cards[place - 1] if place else None,
            "after": cards[place + 1] if place + 1 < len(cards) else None,
            "description": plain(cards[place]["question"]),
        }
        return self.page(lesson.stem, cards[place]["title"], body, **around), body

    def index(self) -> str:
        """Return the home page's body."""
        return self.fill("home.html.j2", lessons=list(self.cards()))

    def glossary(self) -> str:
        """Return the glossary's body: a list for each lesson that defines terms."""
        groups: dict[str, dict[str, Any]] = {}
        titles = {card["number"]: card for card in self.cards()}
        for number, term in enumerate(self.terms):
            card = titles.get(term.first, {"title": term.first, "stem": ""})
            group = groups.setdefault(term.first, {**card, "number": term.first, "terms": []})
            zh = self.language == "zh"
            group["terms"].append(
                {
                    "index": number,
                    "name": term.zh if zh else term.en,
                    "other": term.en if zh else term.zh,
                    "symbol": term.symbol,
                    "sentence": inline(term.sentence_zh if zh else term.sentence_en),
                }
            )
        return self.fill("glossary.html.j2", groups=list(groups.values()))

    def claims(self) -> str:
        """Return the claims' body: the table in the lesson of the verdicts, with the evidence."""
        known = {c["claim"]: c for c in json.loads((RESOURCES / "claims.json").read_text("utf-8"))}
        groups: dict[str, dict[str, Any]] = {sure: {"claims": []} for sure in CERTAINTY}
        for lesson in self.lessons:
            cells = in_language(lesson.notebook, self.language).cells
            rows = [row for cell in cells for row in ROW.findall(cell.source)]
            for number, *row, sure, tested in rows if len(rows) == len(known) else ():
                group = groups[known[int(number)]["certainty"]]
                group["title"] = inline(sure[:1].upper() + sure[1:])
                claim = self._claim(known[int(number)], row, tested, lesson)
                group["claims"].append({"number": number, **claim})
        marks = [one["verdict"] for one in known.values()]
        words = [self.words[name] for name in ("holds", "partly", "fails", "undecided")]
        tally = [(m, w, marks.count(m)) for m, w in zip(VERDICTS, words, strict=True)]
        return self.fill("claims.html.j2", groups=list(groups.values()), tally=tally)

    def _claim(self, known: dict[str, Any], row: list[str], tested: str, lesson: Lesson) -> dict:
        """Return what the page shows of one claim; evidence and findings are in `known`."""
        links, _ = markdown(tested, lambda url: self._from_claims(url, lesson), "")
        return {
            "text": inline(row[0]),
            "verdict": inline(row[1]),
            "kind": VERDICTS.index(known["verdict"]) + 1,
            "evidence": inline(said(known["evidence"], self.language)),
            "tested": re.sub(r"^<p[^>]*>|</p>$", "", links.strip()),
            "found": inline(said(known["found"], self.language)) if "found" in known else "",
        }

    def _from_claims(self, url: str, lesson: Lesson) -> str | None:
        target = self.resolve(url, lesson)
        return f"{lesson.stem}.html{target}" if target and target.startswith("#") else target

    def instructor(self) -> str:
        """Return the instructor's body, from resources/teaching/ and the exercises."""
        lessons = []
        for lesson, card in zip(self.lessons, self.cards(), strict=True):
            plan = lesson.plan
            sections = [self._section_plan(lesson, one) for one in plan.get("sections", [])]
            aims = [inline(said(aim, self.language)) for aim in plan.get("aims", [])]
            known = list(self._exercises(lesson))
            lessons.append({**card, "aims": aims, "sections": sections, "exercises": known})
        return self.fill("instructor.html.j2", lessons=lessons)

    def _section_plan(self, lesson: Lesson, section: dict[str, Any]) -> dict[str, Any]:
        told = {
            name: inline(said(section[name], self.language))
            for name in ("say", "board")
            if section.get(name)
        }
        wrong = [inline(said(one, self.language)) for one in section.get("wrong_answers", [])]
        anchor = lesson.anchors[f"zh-{section['cell']}"]
        title = section_title(lesson, section["cell"], self.language)
        common = {"anchor": anchor, "title": title, "minutes": section["minutes"]}
        return {**common, **told, "wrong_answers": wrong, "poll": poll(section, self.language)}

    def _exercises(self, lesson: Lesson) -> Iterator[dict[str, str]]:
        try:
            known = exercises(lesson.number)
        except ModuleNotFoundError:
            return
        for one in known:
            texts = {"title": one.title, "note": one.note}
            told = {name: inline(said(text, self.language)) for name, text in texts.items()}
            code = code_block(self.highlight(one.solution.strip()))
            yield {"id": one.id, **told, "solution": code}


def section_title(lesson: Lesson, cell: str, language: str) -> str:
    """Return the heading of a section as HTML."""
    (source,) = (c.source for c in lesson.notebook.cells if c.id == f"{language}-{cell}")
    found = re.search(r"^#+ (.*)$", source, flags=re.M)
    return inline(found[1]) if found else cell


def poll(section: dict[str, Any], language: str) -> dict[str, Any] | None:
    """Return a section's poll as HTML, with the letter of its answer; None if there is none."""
    one = section.get("poll")
    if not one:
        return None
    return {
        "question": inline(said(one["question"], language)),
        "options": [inline(said(option, language)) for option in one["options"]],
        "letter": "ABCDEFGH"[one["answer"] - 1],
        "why": inline(said(one.get("why", ""), language)),
    }


def code_block(page: str) -> str:
    """Return highlighted code whose language is said: identifiers are English."""
    return re.sub(r"^\s*<div class=\"highlight[^>]*>", '<div class="highlight" lang="en">', page)


def without_links(page: str) -> str:
    """Return inline HTML without its links."""
    return re.sub(r"</?a\b[^>]*>", "", page)
