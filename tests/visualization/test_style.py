import json
from pathlib import Path

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

from hdd.visualization.style import FONT, use_style

ROOT = Path(__file__).parents[2]


def code():
    """Yield the code of the package and of the notebooks."""
    for path in (ROOT / "hdd").rglob("*.py"):
        yield path.read_text(encoding="utf-8")
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield from ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_the_font_has_every_chinese_letter_that_a_figure_could_show():
    glyphs = FT2Font(str(FONT)).get_charmap()
    letters = set("".join(code()))
    missing = {x for x in letters if "\u3000" <= x <= "\u9fff" or x > "\uff00"} - set(
        map(chr, glyphs)
    )
    assert not missing, f"run resources/fonts/make_font.py: {missing}"
    assert len(glyphs) > 4000  # and those of sentences still to be written
    assert {"，", "。", "：", "A", "z", "0", "−", "×", "σ", "→", "“"} <= set(map(chr, glyphs))


def test_every_other_sign_is_in_one_of_the_two_fonts():
    dejavu = FT2Font(font_manager.findfont("DejaVu Sans")).get_charmap()
    glyphs = set(map(chr, {**FT2Font(str(FONT)).get_charmap(), **dejavu}))
    signs = {letter for letter in "".join(code()) if letter > "\xa0"}
    assert signs <= glyphs, signs - glyphs


def test_the_font_is_small_and_its_licence_is_beside_it():
    assert FONT.stat().st_size < 1.5e6
    licence = FONT.with_name("OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert FONT.name in licence


def test_use_style_registers_the_font_once():
    with mpl.rc_context():
        for _ in range(2):
            use_style()
        assert mpl.rcParams["axes.spines.top"] is False
        assert mpl.rcParams["figure.constrained_layout.use"] is True
        family = mpl.rcParams["font.family"]
        assert font_manager.findfont(family[0], fallback_to_default=False) == str(FONT)
    entries = [entry.fname for entry in font_manager.fontManager.ttflist]
    assert entries.count(str(FONT)) == 1
