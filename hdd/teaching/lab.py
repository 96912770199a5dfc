"""JupyterLab on this project: `run.py lab`.

A cloned notebook is not trusted: JupyterLab strips its scripts, and the language buttons with them.
So the shipped notebooks that git says are unchanged are signed first. And what JupyterLab adds to a
notebook when it saves (versions, the kernel's full name) is taken out again: opening and saving
leaves git clean.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyterlab.labapp import main as start

from hdd.teaching.execute import NOTEBOOKS, sign, strip_volatile_metadata

HOOK = f"--FileContentsManager.pre_save_hook={__name__}.before_saving"


def unchanged(folder: Path) -> list[Path]:
    """Return the notebooks of a folder that are exactly as committed; none without git."""
    git = ["git", "-c", "safe.directory=*", "-C", str(folder)]
    try:
        tracked = _names([*git, "ls-files", "-z", "--", "."])
        touched = _names([*git, "diff", "--name-only", "--relative", "-z", "HEAD", "--", "."])
    except (OSError, subprocess.CalledProcessError):
        return []
    return sorted(folder / name for name in tracked - touched if name.endswith(".ipynb"))


def _names(command: list[str]) -> set[str]:
    done = subprocess.run(command, capture_output=True, check=True)
    return set(filter(None, done.stdout.decode().split("\0")))


def before_saving(model: dict[str, Any], path: str, contents_manager: Any, **_: Any) -> None:
    """Strip what JupyterLab adds to a notebook of the series; leave other files alone."""
    file = Path(contents_manager.root_dir, path)
    if model["type"] == "notebook" and file.parent.resolve() == NOTEBOOKS.resolve():
        notebook = nbformat.from_dict(model["content"])
        strip_volatile_metadata(notebook)
        model["content"] = notebook


if __name__ == "__main__":
    sign(unchanged(NOTEBOOKS))
    sys.exit(start([*sys.argv[1:], HOOK]))
