"""Files that pages and decks load from beside them: libraries, fonts, styles, scripts."""

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from hdd.teaching.execute import ROOT
from hdd.teaching.language import LANGUAGES
from hdd.teaching.site.course import said

RESOURCES = ROOT / "resources"
SOURCES, VENDOR = RESOURCES / "site", RESOURCES / "vendor"
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
    for source in (VENDOR / "katex" / "katex.min.js", FONT, *(_find(name) for name in names)):
        shutil.copyfile(source, folder / source.name)


def _find(name: str) -> Path:
    return next(path for path in (SOURCES / name, VENDOR / name) if path.exists())


def as_script(variable: str, content: Any) -> str:
    """Return JavaScript that sets a global variable: file:// lets a page load no JSON."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"window.{variable} = {text};\n"


def html_language(language: str) -> str:
    """Return what stands in `lang` attributes."""
    return "zh-Hans" if language == LANGUAGES[0] else "en"
