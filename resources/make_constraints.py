"""Write constraints.txt: the versions in the environment that runs this, after all tests passed.

A version that wants a newer Python than the project does applies there only; an older Python takes
what fits it. No addresses: where packages come from is for pip's settings to say.
"""

import re
from importlib import metadata
from pathlib import Path

from hdd.command import described

TARGET = Path(__file__).parents[1] / "constraints.txt"
OURS = {"hdd-mlp-mixer", "pip", "setuptools"}
HEAD = """\
# The versions with which all tests and notebooks have passed: `python3 run.py --tested ...`.
# Made by resources/make_constraints.py; pyproject.toml has the bounds.
"""


def line(distribution: metadata.Distribution) -> str:
    """Return `name==version`, with a marker where an allowed Python is too old for it."""
    version = distribution.version.partition("+")[0]  # a CPU build counts as the same version
    pinned = f"{distribution.metadata['Name'].lower().replace('_', '-')}=={version}"
    floor = re.search(
        r">=\s*(3\.\d+(?:\.\d+)?)", distribution.metadata.get("Requires-Python") or ""
    )
    if floor and int(floor[1].split(".")[1]) > 10:
        return f'{pinned} ; python_full_version >= "{floor[1]}"'
    return pinned


if __name__ == "__main__":
    described().parse_args()
    lines = {line(found) for found in metadata.distributions()}
    kept = sorted(text for text in lines if text.partition("==")[0] not in OURS)
    TARGET.write_text(HEAD + "\n".join(kept) + "\n", encoding="utf-8", newline="\n")
