"""Make the Chinese font of the figures from Noto Sans CJK SC; needs fontTools and the full font.

    python resources/fonts/make_font.py FONT

The subset has the 3,755 characters of GB 2312's first level, every character that the project uses
beyond them, Chinese punctuation, and Latin and Greek letters, arrows and signs: a label that mixes
text and formula takes its whole text from one font. Debian has the full font: `fonts-noto-cjk`.
"""

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection

from hdd.command import described, run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TARGET = HERE / "NotoSansSC-subset.otf"
NAME = "Noto Sans CJK SC"
# Latin, Greek, punctuation, superscripts, arrows, operators, shapes and ticks; full-width forms.
RANGES = [(0x20, 0x180), (0x370, 0x400), (0x2010, 0x2090), (0x2190, 0x2200), (0x2200, 0x2300)]
RANGES += [(0x25A0, 0x2600), (0x2700, 0x2720), (0x3000, 0x3018), (0xFF01, 0xFF5F)]
WRITTEN = ("*.py", "*.ipynb", "*.md", "*.yml")


def common():
    """Return the characters of GB 2312's first level, letters of other scripts, and signs."""
    rows = [bytes([row, cell]) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF)]
    letters = "".join(code.decode("gb2312", errors="ignore") for code in rows)
    signs = {chr(code) for first, end in RANGES for code in range(first, end)}
    return set(letters) | signs


def used():
    """Return the Chinese characters that the project's files contain."""
    files = [path for folder in ("hdd", "notebooks", "resources") for path in written(folder)]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    return {letter for letter in text if "\u3400" <= letter <= "\u9fff"}


def written(folder):
    """Return the files with text below a folder of the project."""
    return [path for kind in WRITTEN for path in (ROOT / folder).rglob(kind)]


def main(source):
    """Write the subset beside this file."""
    collection = TTCollection(source)
    (font,) = (f for f in collection if f["name"].getDebugName(1) == NAME)
    options = subset.Options()
    options.layout_features, options.hinting = [], False
    options.name_IDs, options.notdef_outline = ["*"], True
    options.drop_tables += ["GPOS", "GSUB", "vhea", "vmtx", "VORG", "BASE"]
    maker = subset.Subsetter(options)
    maker.populate(unicodes=sorted(map(ord, common() | used())))
    maker.subset(font)
    for record in font["name"].names:  # a name of its own: the full font may be installed too
        if record.nameID in (1, 3, 4, 6, 16):
            record.string = "Noto Sans SC Subset" if record.nameID != 6 else "NotoSansSC-Subset"
    font.save(TARGET)
    print(f"{TARGET.name}: {len(font.getBestCmap())} characters, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    command = described()
    command.add_argument("source", metavar="FONT", help="the full font")
    sys.exit(run(main, command))
