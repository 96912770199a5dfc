"""The committed notebooks as several tests read them: each file once."""

import re
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
VERDICTS = "17_verdicts"  # quotes all the others
CODE_OR_FORMULA = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$", flags=re.S)


@cache
def read(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def pairs(path):
    """Return (Chinese, English) cells."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "markdown"]
    return list(zip(cells[::2], cells[1::2], strict=True))
