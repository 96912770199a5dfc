"""HTML in one language: Markdown with formulas and links, outputs, comments, glossary terms.

Formulas stay TeX inside elements of class `math`; the page's script hands them to KaTeX.
"""

import html
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Iterable
from html.parser import HTMLParser

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from hdd.teaching.glossary import Term
from hdd.teaching.language import LANGUAGES, SEPARATOR

HAN = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+")
MARK = re.compile(r'^<span lang="(?:zh|en)"></span>\s*')
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
# In code: docstrings, which stay; comments, some of them "# 中文 / English"; and texts, of which
# Python makes one where they stand one after the other, some of them "中文 | English".
STRING = r'[A-Za-z]{0,2}"(?:[^"\\\n]|\\.)*"'
BILINGUAL = re.compile(
    r'""".*?"""|(?P<comment>#[^\n]*)|' rf"(?P<texts>{STRING}(?:\s+{STRING})*)", re.S
)
COMMENT = re.compile(r"(#\s*)(.*[\u3400-\u9fff].*?) / ([^\u3400-\u9fff]+)")
SIZE = re.compile(r"(?<=\d) × (?=\d)")  # "32 × 32" stays on one line
# Paragraphs that begin like this are boxes.
BOXES = {
    "predict": ("先猜", "Predict"),
    "see": ("读图", "What to see"),
    "limits": ("可信到", "How far"),
    "turn": ("轮到你了", "Your turn", "练习 ", "Exercise "),
}
Resolve = Callable[[str], str | None]


class Rewriter(HTMLParser):
    """Copies HTML; subclasses change elements or text on the way."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self.open: list[tuple[str, str | None, frozenset[str]]] = []  # tag, language, classes

    def __call__(self, page: str) -> str:
        """Return the page, rewritten."""
        self.feed(page)
        self.close()
        return "".join(self.parts)

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            known = dict(attrs)
            classes = frozenset((known.get("class") or "").split())
            self.open.append((tag, known.get("lang"), classes))
        self.emit(self.get_starttag_text())

    def handle_startendtag(self, tag, attrs):
        self.emit(self.get_starttag_text())

    def handle_endtag(self, tag):
        self.emit(f"</{tag}>")
        if any(tag == name for name, *_ in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data):
        self.emit(self.text(data))

    def handle_entityref(self, name):
        self.emit(f"&{name};")

    def handle_charref(self, name):
        self.emit(f"&#{name};")

    def handle_decl(self, decl):
        self.emit(f"<!{decl}>")

    def emit(self, piece: str) -> None:
        """Take over a tag, a reference or text."""
        self.parts.append(piece)

    def text(self, data: str) -> str:
        """Return what replaces a piece of text."""
        return data

    def inside(self, tags: Iterable[str], classes: Iterable[str] = ()) -> bool:
        """Tell whether an open element has one of these tags or classes."""
        return any(tag in tags or not known.isdisjoint(classes) for tag, _, known in self.open)


class Half(Rewriter):
    """Leaves out what is in the other language."""

    def __init__(self, language: str) -> None:
        super().__init__()
        (self.other,) = set(LANGUAGES) - {language}

    def emit(self, piece):
        if all(language != self.other for _, language, _ in self.open):
            super().emit(piece)


def png_size(data: str) -> tuple[int, int]:
    """Return width and height of a PNG, given the beginning of its base64."""
    return struct.unpack(">II", b64decode(data[:32])[16:24])


class Foreign(Rewriter):
    """Marks Chinese where the page or the element around it is in English, and the reverse.

    Of English, four words or more in a row: names and terms are part of a Chinese sentence.
    """

    ENGLISH = re.compile(r"[A-Za-z][\w'’-]*(?:[,:?]? [A-Za-z][\w'’-]*){3,}", re.A)

    def __init__(self, language: str) -> None:
        super().__init__()
        self.language = language

    def text(self, data):
        spoken = [language for _, language, _ in self.open if language]
        chinese = (spoken or [self.language])[-1].startswith("zh")
        if self.inside(("script", "style", "title"), ("math",)):
            return data
        if chinese and self.inside(("code", "pre")):
            return data
        if chinese:
            return self.ENGLISH.sub(lambda found: f'<span lang="en">{found[0]}</span>', data)
        return HAN.sub(lambda found: f'<span lang="zh-Hans">{found[0]}</span>', data)


class Terms(Rewriter):
    """Makes the first use of each term of the glossary a link that a script turns into a pop-up.

    Only from the lesson on that defines it (before, the word is an everyday one), and not where
    the glossary says that it has another sense. Words that are verbs, too, are the term after an
    article or the like; a Chinese term of one letter is none inside another word. What opens
    after a click has no links: a reader may never see a first use there.
    """

    AVOID = (
        *("a", "h1", "h2", "h3", "h4", "code", "pre", "script", "style", "button", "details"),
        *("th", "caption", "output", "label"),
    )
    VERBS = ("compute", "index", "match", "norm", "rank", "reach")
    BEFORE_NOUNS = ("the", "a", "an", "of", "its", "more", "less", "equal", "every", "training")
    # "轮流", "轮到", "轮廓", "超参数" have other meanings than their parts.
    CHINESE_EDGES = ("(?<![A-Za-z超])", "(?![A-Za-z流到廓])")

    def __init__(self, terms: list[Term], language: str, lesson: str) -> None:
        super().__init__()
        self.left = {
            spelling(term, language): number
            for number, term in enumerate(terms)
            if term.first <= lesson and lesson not in term.other_sense.get(language, ())
        }
        before, after = (r"(?<![\w-])", r"(?=s?(?![\w-]))")
        if language == "zh":
            before, after = self.CHINESE_EDGES
        names = sorted(self.left, key=len, reverse=True)
        choice = "|".join(map(self._name, names)) or "(?!)"
        self.pattern = re.compile(f"{before}({choice}){after}", re.I)

    def _name(self, name: str) -> str:
        words = "|".join(rf"(?<=\b{word} )" for word in self.BEFORE_NOUNS)
        return f"(?:{words}){name}" if name in self.VERBS else re.escape(name)

    def text(self, data):
        if self.inside(self.AVOID, ("math", "note")):
            return data
        return self.pattern.sub(self._link, data)

    def _link(self, found: re.Match) -> str:
        number = self.left.pop(found[0].lower(), None)
        if number is None:
            return found[0]
        return f'<a class="term" href="glossary.html#term-{number}">{found[0]}</a>'


class Plain(Rewriter):
    """Keeps the text alone, without formulas and scripts."""

    def emit(self, piece):
        if not piece.startswith("<") and not self.inside(("script", "style"), ("math",)):
            self.parts.append(html.unescape(piece))


def spelling(term: Term, language: str) -> str:
    """Return a term as it stands in running text, in lower case, without what explains it."""
    return re.sub(r" \(.*\)", "", term.zh if language == "zh" else term.en).lower()


def plain(page: str) -> str:
    """Return the text of a piece of HTML, its white space joined."""
    return re.sub(r"\s+", " ", Plain()(page)).strip()


class Renderer(IPythonRenderer):
    """Markdown as the site's HTML: formulas marked, links led to pages, boxes, wide tables.

    Args:
        resolve: returns where a link leads from the page, or None if it leads nowhere.
        anchor: the id of the first heading; those after it get a number.
    """

    def __init__(self, resolve: Resolve, anchor: str) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.resolve, self.anchor, self.headings = resolve, anchor, 0

    def heading(self, text, level, **_):
        self.headings += 1
        name = self.anchor + (f"-{self.headings}" if self.headings > 1 else "")
        return f'<h{level} id="{html.escape(name)}">{text}</h{level}>\n'

    def link(self, text, url, title=None):
        target = self.resolve(url)
        return text if target is None else f'<a href="{html.escape(target)}">{text}</a>'

    def image(self, text, url, title=None):
        source = html.escape(self.resolve(url) or "")
        return f'<img src="{source}" alt="{html.escape(text)}">'

    def paragraph(self, text):
        for name, starts in BOXES.items():
            if text.startswith(tuple(f"<strong>{start}" for start in starts)):
                return f'<p class="box {name}">{text}</p>\n'
        return f"<p>{text}</p>\n"

    def table(self, text):
        return f'<div class="wide"><table>{text}</table></div>\n'

    def text(self, text):
        return super().text(SIZE.sub("\u00a0×\u00a0", text))

    def inline_math(self, body):
        return f'<span class="math">{self.escape_html(body)}</span>'

    def block_math(self, body):
        return f'<span class="math display">{self.escape_html(body)}</span>'

    def latex_environment(self, name, body):
        return self.block_math(rf"\begin{{{name}}}{body}\end{{{name}}}")


def markdown(source: str, resolve: Resolve, anchor: str) -> tuple[str, int]:
    """Return a cell's Markdown as HTML, and how many headings it has."""
    renderer = Renderer(resolve, anchor)
    return MarkdownWithMath(renderer).render(MARK.sub("", source)), renderer.headings


def inline(text: str) -> str:
    """Return a short text as HTML without a paragraph around it; its links are left out.

    A number or a sign at its beginning makes no list of it.
    """
    text = re.sub(r"^(\d+(?=[.)])|(?=[-+*#>] ))", r"\1\\", text)
    page, _ = markdown(text, lambda url: None, "")
    return re.sub(r"^<p[^>]*>|</p>$", "", page.strip())


def spoken(code: str, language: str) -> str:
    """Return code with one half of its comments and texts; what it does stays the same.

    Whatever takes a text "中文 | English" shows one in a single language to readers of both.
    """

    def half(found: re.Match) -> str:
        if found["comment"]:
            return COMMENT.sub(rf"\1\{2 + LANGUAGES.index(language)}", found[0])
        chinese, *english = (found["texts"] or "").split(SEPARATOR)
        if len(english) != 1 or not HAN.search(chinese):
            return found[0]
        return _first_half(chinese) if language == LANGUAGES[0] else _second_half(chinese, *english)

    return BILINGUAL.sub(half, code)


def _first_half(chinese: str) -> str:
    """End the text that the separator cuts; leave it out if it is empty."""
    return re.sub(r'\s+[A-Za-z]{0,2}""$', "", f'{chinese}"')


def _second_half(chinese: str, english: str) -> str:
    """Begin with the text that the separator cuts; leave it out if it is empty."""
    start = re.sub(rf"^(?:{STRING}\s+)*", "", chinese).split('"')[0]
    return re.sub(r'^[A-Za-z]{0,2}""\s+', "", f'{start}"{english}')
