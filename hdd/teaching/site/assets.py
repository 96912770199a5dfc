"""Files that pages and decks load from beside them: libraries, fonts, styles, scripts."""

import base64
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from hdd.files import check_writable
from hdd.teaching.execute import ROOT
from hdd.teaching.language import LANGUAGES
from hdd.teaching.site.course import said

RESOURCES = ROOT / "resources"
SOURCES, VENDOR = RESOURCES / "site", RESOURCES / "vendor"
MADE = ".made"  # in a folder of pages or slides: which files are ours
FONT = RESOURCES / "fonts" / "NotoSansSC-subset.otf"


def load_words(language: str) -> dict[str, str]:
    """Return the words around the course in one language, from resources/site/words.yml."""
    words = yaml.safe_load((SOURCES / "words.yml").read_text(encoding="utf-8"))
    return {name: said(text, language) for name, text in words.items()}


def katex_css() -> str:
    """Return KaTeX's style with its fonts inside: some browsers load no fonts from file://."""
    folder = VENDOR / "katex"
    style = (folder / "katex.min.css").read_text(encoding="utf-8")
    style = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("\w+"\)', "", style)

    def inside(found: re.Match) -> str:
        font = base64.b64encode((folder / found[1]).read_bytes()).decode()
        return f"url(data:font/woff2;base64,{font})"

    return re.sub(r"url\((fonts/[^)]*)\)", inside, style)


def copy_assets(folder: Path, *names: str) -> None:
    """Write what every page loads, and files of resources/site or vendor by their names."""
    folder.mkdir(parents=True)
    (folder / "katex.css").write_text(katex_css(), encoding="utf-8")
    shared = ("katex/katex.min.js", "common.css", "formulas.js")
    for source in (FONT, *(_find(name) for name in (*shared, *names))):
        shutil.copyfile(source, folder / source.name)


def _find(name: str) -> Path:
    return next(path for path in (SOURCES / name, VENDOR / name) if path.exists())


def publish(build: Callable[[Path], Any], folder: Path) -> Any:
    """Build beside, then put the result into `folder`; return what `build` returns.

    What an earlier call has put there goes (the list `.made` names it), everything else stays.

    Args:
        build: writes into an empty folder.
        folder: made as needed.

    Raises:
        OSError: a file that another hand has put where one of ours belongs, or a folder that
            cannot be written; what was there is untouched.
    """
    record = folder / MADE
    with tempfile.TemporaryDirectory() as place:
        made = Path(place) / "made"
        result = build(made)
        new = {file.relative_to(made).as_posix() for file in made.rglob("*") if file.is_file()}
        old = set(record.read_text(encoding="utf-8").splitlines()) if record.exists() else set()
        if foreign := sorted(name for name in new - old if (folder / name).exists()):
            names = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
            raise OSError(
                f"{folder} has files that this command did not make, and it would replace them: "
                f"{names}. Fix: move them elsewhere, or delete the folder."
            )
        check_writable(record)
        record.write_text("\n".join(sorted(old | new)), encoding="utf-8")  # if interrupted, too
        shutil.copytree(made, folder, dirs_exist_ok=True)
        for name in old - new:
            _remove(folder, name)
        record.write_text("\n".join(sorted(new)), encoding="utf-8")
    return result


def _remove(folder: Path, name: str) -> None:
    """Delete a file and the folders that it leaves empty."""
    place = folder / name
    place.unlink(missing_ok=True)
    while (place := place.parent) != folder and place.is_dir() and not any(place.iterdir()):
        place.rmdir()


def as_script(variable: str, content: Any) -> str:
    """Return JavaScript that sets a global variable: file:// lets a page load no JSON."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"window.{variable} = {text};\n"


def html_language(language: str) -> str:
    """Return what stands in `lang` attributes."""
    return "zh-Hans" if language == LANGUAGES[0] else "en"
