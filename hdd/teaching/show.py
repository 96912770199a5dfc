"""Figures and tables in the reader's language: drawn once, shown in Chinese and in English.

Write text as `"准确率 | accuracy"`; text without " | " (numbers, symbols) is the same in both. The
outputs are HTML of the kind that JupyterLab keeps even in a notebook that is not trusted.
"""

import base64
import hashlib
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image, ImageChops, UnidentifiedImageError

from hdd.arguments import check_choice, check_integers, checked, shown
from hdd.teaching.language import LANGUAGES, both, by_language, display_html, split, to_html

DPI = 110
COLORS, UNSEEN = 256, 12  # of a palette; levels of 255 by which its colours may be off
# A window 1280 px wide leaves an output about this width; text there is 10 pt or more.
PAGE_WIDTH, SMALLEST = 1000, 10.0
WIDEST = 1200  # in CSS pixels


@checked
def show(figure: Figure, alt: str) -> None:
    """Display a figure in both languages and close it.

    Args:
        figure: its titles, labels, ticks, legends and annotations may be "中文 | English".
        alt: what the picture shows, for readers who do not see it, as "中文 | English".

    Raises:
        ValueError: `alt` in one language only; text smaller than 10 pt on a page 1280 px wide.
    """
    smallest, alts = _check_size(figure), both(alt, "alt")
    images = [_image(page, text, smallest) for page, text in zip(_pages(figure), alts, strict=True)]
    plt.close(figure)
    display_html(by_language(*images), "\n".join(alts))


@checked
def show_drawing(chinese: str | Path, english: str | Path, alt: str) -> None:
    """Display a drawing of which there is a PNG in each language.

    Args:
        chinese: the file with the Chinese words.
        english: the file with the English ones.
        alt: what the drawing shows, as "中文 | English".

    Raises:
        ValueError: `alt` in one language only, or a file that is no picture.
        FileNotFoundError: there is no such file.
    """
    alts = both(alt, "alt")
    _check_picture("chinese", chinese)
    _check_picture("english", english)
    pages = [Path(file).read_bytes() for file in (chinese, english)]
    images = [_image(page, text) for page, text in zip(pages, alts, strict=True)]
    display_html(by_language(*images), "\n".join(alts))


@checked
def show_frames(figures: Sequence[Figure], labels: Sequence[object], alt: str) -> None:
    """Display figures behind a slider, in both languages, and close them.

    A page that runs no scripts shows the frames as a strip.

    Args:
        figures: the frames.
        labels: what each frame stands for, such as "第 3 轮 | epoch 3", or a number.
        alt: what the slider changes and what to see, as "中文 | English".
    """
    alts, names = both(alt, "alt"), [split(str(label)) for label in labels]
    if not 0 < len(figures) == len(names):
        many = f"{len(figures)} figures and {len(names)} labels"
        raise ValueError(f"There are {many}. Fix: at least one figure, and a label for each.")
    strips: list[str] = ["", ""]
    for figure, name in zip(figures, names, strict=True):
        smallest = _check_size(figure)
        for index, page in enumerate(_pages(figure)):
            text = f"{alts[index]}: {name[index]}"
            strips[index] += _image(page, text, smallest, "width: 24%")
        plt.close(figure)
    # The same frames give the same output: running a notebook twice changes nothing.
    key = f"frames-{hashlib.sha256(''.join(strips).encode()).hexdigest()[:10]}"
    boxes = [
        _FRAMES.format(strip=strip, label=html.escape(alts[index]), last=len(names) - 1)
        for index, strip in enumerate(strips)
    ]
    page = f'<div id="{key}">{by_language(*boxes)}</div>{_SLIDER.replace("KEY", key)}'
    display_html(page, "\n".join(alts))


@checked
def show_table(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]],
    caption: str,
    digits: int | str | Mapping[str, int | str] = 2,
) -> None:
    """Display a table in both languages.

    Args:
        rows: a DataFrame, or one dict a row. Headers, index and text cells may be "中文 | English".
            A default index is left out; the first column then names the rows.
        caption: as "中文 | English".
        digits: decimals of floats, or a format such as ".1%"; or a mapping from header to either.

    Raises:
        ValueError: no rows, a caption in one language only; decimals below 0, a format that does
            not suit its cells, or a header that the table does not have.
    """
    frame = pd.DataFrame(rows)
    if not len(frame.columns):
        raise ValueError("rows=[] makes no table. Fix: one row or more.")
    _check_digits(digits, [*frame.columns, frame.index.name])
    captions = both(caption, "caption")
    if isinstance(frame.index, pd.RangeIndex):
        frame = frame.set_index(frame.columns[0])
    tables, texts = [], []
    for index, title in enumerate(captions):
        head = [split(str(name or ""))[index] for name in (frame.index.name, *frame.columns)]
        body = [
            [split(_format(name, None, digits))[index]]
            + [split(_format(cell, column, digits))[index] for column, cell in row.items()]
            for name, row in zip(frame.index, frame.to_dict("records"), strict=True)
        ]
        numeric = [False] + [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
        tables.append(_table(title, head, body, numeric))
        texts.append(_plain(title, head, body))
    display_html(by_language(*tables), "\n\n".join(texts))


def _check_digits(digits: int | str | Mapping[str, int | str], headers: Sequence[object]) -> None:
    for header in digits if isinstance(digits, Mapping) else ():
        check_choice(headers, digits=header)
    for one in digits.values() if isinstance(digits, Mapping) else (digits,):
        if not isinstance(one, str):
            check_integers(0, 20, digits=one)


# ---------------------------------------------------------------------------------- figures
def _check_size(figure: Figure) -> float:
    """Return the smallest text's size in pixels; refuse what no one reads from the back."""
    shrunk, smallest = min(1.0, PAGE_WIDTH / (figure.get_figwidth() * DPI)), 100.0
    for artist in figure.findobj(Text):
        size = artist.get_fontsize() * DPI / 72 * shrunk * 72 / 96  # in CSS points
        if not artist.get_visible() or not artist.get_text().strip():
            continue
        smallest = min(smallest, artist.get_fontsize() * DPI / 72)
        if size < SMALLEST - 0.05:
            raise ValueError(
                f"The text {artist.get_text()!r} is {size:.1f} pt on a page 1280 px wide."
                f" Rule: {SMALLEST:.0f} pt or more. Fix: a larger font, or a figure at most"
                f" {PAGE_WIDTH / DPI:.0f} inches wide (this one: {figure.get_figwidth():.1f})."
            )
    return smallest


def _pages(figure: Figure) -> Iterator[bytes]:
    """Yield the figure as a PNG in Chinese and in English."""
    for index in range(len(LANGUAGES)):
        page = io.BytesIO()
        with _spoken(figure, index):
            figure.savefig(page, format="png", dpi=DPI)
        yield _small(Image.open(page).convert("RGB"))


def _small(picture: Image.Image) -> bytes:
    """Return a picture as a PNG, with a palette where that changes no colour visibly."""
    # By colours, not by pixels: few pixels of a colour bar must not mean few of its colours.
    few = picture.quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    off = ImageChops.difference(picture, few.convert("RGB")).getextrema()
    small = io.BytesIO()
    (few if max(high for _, high in off) <= UNSEEN else picture).save(small, "png", optimize=True)
    return small.getvalue()


def _check_picture(name: str, file: str | Path) -> None:
    if not Path(file).is_file():
        raise FileNotFoundError(f"{name}={str(file)!r} is no file. Fix: a PNG's path.")
    try:
        Image.open(file).close()
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}={str(file)!r} is no picture. Fix: a PNG's path.") from error


@contextmanager
def _spoken(figure: Figure, index: int) -> Iterator[None]:
    """Make the figure speak one language while it is drawn.

    Formatters set tick labels anew whenever a figure is drawn, so `Text.set_text` itself has to
    choose; texts that stand already are replaced, and put back afterwards.
    """
    texts = {artist: artist.get_text() for artist in figure.findobj(Text)}
    original = Text.set_text
    Text.set_text = lambda self, s: original(self, split(s)[index] if isinstance(s, str) else s)
    try:
        for artist, text in texts.items():
            artist.set_text(text)
        yield
    finally:
        Text.set_text = original
        for artist, text in texts.items():
            artist.set_text(text)


def _image(page: bytes, alt: str, smallest: float = 0, room: str = "max-width: 100%") -> str:
    """Return a picture as HTML, with its size, so that nothing below it moves once it is drawn.

    Slides ask for the size of its smallest text.
    """
    wide, high = Image.open(io.BytesIO(page)).size
    width = min(wide, WIDEST)  # a drawing may have more pixels than that, for sharp screens
    text = f' data-text="{smallest:.1f}"' if smallest else ""
    return (
        f'<img src="data:image/png;base64,{base64.b64encode(page).decode()}"'
        f' alt="{html.escape(alt)}" width="{width}" height="{round(width * high / wide)}"'
        f'{text} style="{room}; height: auto">'
    )


_FRAMES = """<div class="frames" style="display: flex; flex-wrap: wrap">{strip}</div>
<label class="control" style="display: none"><output></output>
<input type="range" min="0" max="{last}" value="0" aria-label="{label}"
 style="width: 60%; vertical-align: middle"></label>"""
# JupyterLab takes arrow keys for itself unless the slider keeps them.
_SLIDER = """<script>
(() => {
  const boxes = document.querySelectorAll('#KEY > div');
  const inputs = [...boxes].map((box) => box.querySelector('input'));
  function turn(value) {
    boxes.forEach((box, i) => {
      inputs[i].value = value;
      box.querySelectorAll('img').forEach((image, j) => {
        image.style.cssText = 'max-width: 100%; height: auto; display: '
          + (j == value ? 'block' : 'none');
        if (j == value) box.querySelector('output').textContent = image.alt.split(': ').pop();
      });
    });
  }
  boxes.forEach((box, i) => {
    box.querySelector('.control').style.display = 'block';
    inputs[i].oninput = () => turn(inputs[i].value);
    inputs[i].onkeydown = (event) => event.ctrlKey || event.metaKey || event.stopPropagation();
  });
  turn(0);
})();
</script>"""


# ----------------------------------------------------------------------------------- tables
def _format(cell: Any, column: str | None, digits: int | str | Mapping[str, int | str]) -> str:
    if isinstance(cell, str):
        return cell
    if cell is None or pd.isna(cell):
        return "–"
    if isinstance(digits, Mapping):
        digits = digits.get(column, 2)
    if isinstance(digits, str) and column is not None:
        try:
            return format(cell, digits)
        except (TypeError, ValueError) as error:
            said = f"digits={digits!r} does not format {shown(cell)} in {column!r}"
            raise ValueError(f"{said} ({error}). Fix: digits='.1%', say.") from error
    return format(cell, f",.{digits}f") if isinstance(cell, float) else format(cell, ",")


def _table(title: str, head: list[str], body: list[list[str]], numeric: list[bool]) -> str:
    """Return one language's table as HTML; numbers stand on the right."""
    sides = [f"text-align: {'right' if number else 'left'}" for number in numeric]
    columns = "".join(
        f'<th scope="col" style="{side}">{to_html(name)}</th>' if name else "<td></td>"
        for name, side in zip(head, sides, strict=True)
    )
    lines = []
    for row in body:
        cells = "".join(
            f'<td style="{side}">{to_html(cell)}</td>'
            for cell, side in zip(row[1:], sides[1:], strict=True)
        )
        lines.append(f'<tr><th scope="row" style="{sides[0]}">{to_html(row[0])}</th>{cells}</tr>')
    return (
        f"<table><caption>{to_html(title)}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _plain(title: str, head: list[str], body: list[list[str]]) -> str:
    return "\n".join([title, *("\t".join(row) for row in [head, *body])])
