"""Build the site from the committed notebooks: `run.py site`.

    site/index.html            the choice of language
    site/zh/, site/en/         a page and a hand-out to print a lesson; home, glossary, claims, the
                               instructor's page
    site/slides/               the slides of `run.py slides`, which the instructor's page links to
    site/assets/, site/files/  what pages load; files of the project that they link to

`run.py site --students` builds copies/students/site/, in which nothing gives the answers away: no
solutions, no page for the instructor, no slides, whose notes have the answers of polls.

Nothing is executed and nothing is loaded from a network: the pages open by double click. What
else lies in site/ stays.
"""

import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from hdd.command import OneLineParser, fail
from hdd.teaching.copies import COPIES, for_students
from hdd.teaching.execute import ROOT
from hdd.teaching.exercises.exercise import exercises
from hdd.teaching.explorer import PAGE as EXPLORER
from hdd.teaching.language import LANGUAGES
from hdd.teaching.site import slides
from hdd.teaching.site.assets import RESOURCES, as_script, copy_assets, load_words, publish
from hdd.teaching.site.course import Lesson, load_course
from hdd.teaching.site.handouts import handout
from hdd.teaching.site.pages import Site
from hdd.teaching.site.search import entries

SITE, FOR_STUDENTS = ROOT / "site", COPIES / "students" / "site"


def build(folder: Path, lessons: list[Lesson], students: bool = False) -> list[str]:
    """Write the site, or that for students, into an empty folder; return links to nowhere."""
    copy_assets(folder / "assets", "site.css", "site.js", "handout.css")
    shutil.copytree(RESOURCES / "covers", folder / "assets" / "covers")
    shutil.copyfile(RESOURCES / "mlp_mixer.png", folder / "assets" / "cover.png")
    shutil.copyfile(EXPLORER, folder / EXPLORER.name)
    if students:
        lessons = [withheld(lesson) for lesson in lessons]
    else:
        slides.build(folder / "slides", lessons)
    sites = [Site(lessons, language, students) for language in LANGUAGES]
    for site in sites:
        write_pages(site, folder)
        for file in site.files:
            (folder / "files" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, folder / "files" / file)
    words = {language: load_words(language) for language in LANGUAGES}
    start = sites[0].exporter.environment.get_template("start.html.j2").render(words=words)
    (folder / "index.html").write_text(start, encoding="utf-8")
    return sorted({lost for site in sites for lost in site.lost})


def withheld(lesson: Lesson) -> Lesson:
    """Return a lesson without the solutions of its exercises."""
    return replace(lesson, notebook=for_students(lesson.notebook, exercises(lesson.number)))


def write_pages(site: Site, folder: Path) -> None:
    """Write the pages of one language, its index and its terms."""
    place, index = folder / site.language, []
    place.mkdir(parents=True)
    for number, lesson in enumerate(site.lessons):
        page, body = site.lesson(number)
        (place / f"{lesson.stem}.html").write_text(page, encoding="utf-8")
        sheet = handout(site, lesson)
        (place / f"{lesson.stem}-handout.html").write_text(sheet, encoding="utf-8")
        index += entries(lesson.stem, lesson.title(site.language), body)
    for name in site.pages:
        title = site.words["home" if name == "index" else name]
        body = getattr(site, name)()
        (place / f"{name}.html").write_text(site.page(name, title, body), encoding="utf-8")
        index += [] if name == "index" else entries(name, title, body)
    zh = site.language == "zh"
    terms = [[t.zh if zh else t.en, t.sentence_zh if zh else t.sentence_en] for t in site.terms]
    for name, content in (("search", index), ("terms", terms)):
        file = folder / "assets" / f"{name}-{site.language}.js"
        file.write_text(as_script(f"COURSE_{name.upper()}", content), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Build the site; return 0, or 2 after a one-line error."""
    parser = OneLineParser.of("site", __doc__)
    parser.add_argument("--students", action="store_true", help="without answers and solutions")
    students = parser.parse_args(argv).students
    place = FOR_STUDENTS if students else SITE
    start = time.perf_counter()
    try:
        lessons = load_course()
        lost = publish(lambda folder: build(folder, lessons, students), place)
    except Exception as error:
        return fail(parser, error)
    for link in lost:
        print(f"A link leads nowhere and stands as text: {link}")
    size = sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) / 1e6
    shown = place.relative_to(ROOT) if place.is_relative_to(ROOT) else place
    print(f"{len(lessons)} lessons in two languages, {size:.0f} MB, ", end="")
    print(f"{time.perf_counter() - start:.0f} s: open {shown}/index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
