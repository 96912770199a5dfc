"""Run notebooks in place, so that what is committed is what the code gives: `run.py execute`.

Volatile metadata (timestamps, versions, widget states) is stripped: a second run changes nothing
but timings and accuracies. The figure of the cell tagged `cover` is saved as
`resources/covers/<notebook>.png`, in English as `<notebook>.en.png`, which the README shows. The
notebook is signed, so that JupyterLab on this machine trusts its outputs at once.
"""

import base64
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.reader import NotJSONError
from nbformat.sign import NotebookNotary

ROOT = Path(__file__).parents[2]
NOTEBOOKS, COVERS = ROOT / "notebooks", ROOT / "resources" / "covers"


def strip_volatile_metadata(notebook: nbformat.NotebookNode) -> None:
    """Keep names of kernel and language; of cells the tags, slide types and what is folded."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        kept = {k: v for k, v in cell.metadata.items() if k in ("tags", "slideshow")}
        cell.metadata = kept | ({"jupyter": {"source_hidden": True}} if folded else {})


def find_notebooks(names: list[str]) -> list[Path]:
    """Return the notebooks whose names start with one of `names`; all for an empty list.

    Raises:
        FileNotFoundError: a name that no notebook starts with.
    """
    known = sorted(NOTEBOOKS.glob("*.ipynb"))
    if not names:
        return known
    stems = [Path(name).stem for name in names]
    for stem in stems:
        if not stem or not any(path.stem.startswith(stem) for path in known):
            existing = ", ".join(path.stem for path in known)
            raise FileNotFoundError(f"No notebook starts with {stem!r}. Fix: one of {existing}.")
    return [path for path in known if path.stem.startswith(tuple(stems))]


def execute(path: Path) -> None:
    """Run one notebook from top to bottom and replace the file only if every cell succeeded."""
    notebook = nbformat.read(path, as_version=4)
    # Reading a bar's remains is no use to anyone, and they would change with every run.
    environment = os.environ | {"TQDM_DISABLE": "1"}
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=environment)
    strip_volatile_metadata(notebook)
    temporary = path.with_suffix(".tmp")
    nbformat.write(notebook, temporary)
    temporary.replace(path)
    NotebookNotary().sign(nbformat.read(path, as_version=4))
    _save_cover(notebook, COVERS / f"{path.stem}.png")


def _save_cover(notebook: nbformat.NotebookNode, target: Path) -> None:
    covers = [cell for cell in notebook.cells if "cover" in cell.metadata.get("tags", [])]
    outputs = [output.get("data", {}) for cell in covers for output in cell.outputs]
    pictures = [data["image/png"] for data in outputs if "image/png" in data][:1]
    for data in outputs:  # in two languages: Chinese, then English
        pictures += re.findall(
            r'<img src="data:image/png;base64,([^"]*)"', data.get("text/html", "")
        )
    for picture, ending in zip(pictures[:2], (".png", ".en.png"), strict=False):
        target.parent.mkdir(exist_ok=True)
        target.with_suffix(ending).write_bytes(base64.b64decode(picture))


def main(names: list[str]) -> int:
    """Run the notebooks in turn; return 0, 1 at the first failure, 2 for an unknown name."""
    try:
        paths = find_notebooks(names)
    except FileNotFoundError as error:
        print(error)
        return 2
    for path in paths:
        start = time.perf_counter()
        try:
            execute(path)
        except (CellExecutionError, DeadKernelError, NotJSONError) as error:
            print(f"{path.name} failed and was left as it was:\n{error}")
            return 1
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
