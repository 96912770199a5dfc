"""Run notebooks in place, so that what is committed is what the code gives: `run.py execute`.

Volatile metadata (timestamps, versions, widget states) is stripped: a second run changes nothing
but timings and accuracies. The figure of the cell tagged `cover` is saved as
`resources/covers/<notebook>.png`, which the README shows.

Whatever this machine's settings are, the kernel is the Python that runs this, and figures are drawn
by the notebook's own backend.
"""

import base64
import os
import sys
import time
from pathlib import Path

import nbformat
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat.reader import NotJSONError

from hdd.files import write_atomically

ROOT = Path(__file__).parents[2]
NOTEBOOKS, COVERS = ROOT / "notebooks", ROOT / "resources" / "covers"
# Reading a bar's remains is no use to anyone, and they would change with every run. Servers and
# editors set a backend (Agg, say) that draws nothing into a notebook.
ENVIRONMENT = {"TQDM_DISABLE": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
FAILURES = (CellExecutionError, DeadKernelError, NotJSONError, nbformat.ValidationError, OSError)


class ThisPython(AsyncKernelManager):
    """Starts the Python that runs this, even where another kernel is named python3."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**get_kernel_dict())


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
    """Return the notebooks meant by `names`; all of the series for an empty list.

    Args:
        names: each a path of a notebook, or what names of the series start with, such as 04.

    Raises:
        FileNotFoundError: a name that no notebook starts with, and no file has.
    """
    known = sorted(NOTEBOOKS.glob("*.ipynb"))
    found = []
    for name in names:
        path, stem = Path(name), Path(name).name.removesuffix(".ipynb")
        started = [other for other in known if stem and other.stem.startswith(stem)]
        elsewhere = path.suffix == ".ipynb" and path.is_file()
        if elsewhere and path.resolve().parent != NOTEBOOKS.resolve():
            found.append(path)
        elif started and (path.parent in (Path(), Path("notebooks")) or elsewhere):
            found += started
        else:
            existing = ", ".join(path.stem for path in known)
            raise FileNotFoundError(
                f"No notebook starts with {name!r}. Fix: a path, or one of {existing}."
            )
    return sorted(set(found)) if names else known


def execute(path: Path) -> None:
    """Run one notebook from top to bottom and replace the file only if every cell succeeded."""
    notebook = _read(path)
    NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=ThisPython,
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=os.environ | ENVIRONMENT)
    strip_volatile_metadata(notebook)
    # As bytes: on Windows, text would get other line ends.
    write_atomically(path, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())
    if path.resolve().parent == NOTEBOOKS.resolve():
        _save_cover(notebook, COVERS / f"{path.stem}.png")


def _read(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # of JSON that is no notebook
        raise NotJSONError(f"{path} is no notebook. Fix: get it again.") from error


def _save_cover(notebook: nbformat.NotebookNode, target: Path) -> None:
    covers = [cell for cell in notebook.cells if "cover" in cell.metadata.get("tags", [])]
    outputs = [output.get("data", {}) for cell in covers for output in cell.outputs]
    for picture in [data["image/png"] for data in outputs if "image/png" in data][:1]:
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(base64.b64decode(picture))


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
        except FAILURES as error:
            print(f"{path.name} failed and was left as it was:\n{error}")
            return 1
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
