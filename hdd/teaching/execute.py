"""Run notebooks in place, so that what is committed is what the code gives: `run.py execute`.

Volatile metadata (timestamps, versions, widget states) is stripped: a second run changes nothing
but timings and accuracies. The figure of the cell tagged `cover` is saved as
`resources/covers/<notebook>.png`, in English as `<notebook>.en.png`, which the README shows. The
notebook is signed, so that JupyterLab on this machine trusts its outputs at once.

Whatever this machine's settings are, the kernel is the Python that runs this, and figures are drawn
by the notebook's own backend.
"""

import base64
import contextlib
import os
import re
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
from nbformat.sign import NotebookNotary

from hdd.command import OneLineParser, fail
from hdd.files import write_atomically

ROOT = Path(__file__).parents[2]
NOTEBOOKS, COVERS = ROOT / "notebooks", ROOT / "resources" / "covers"
# Reading a bar's remains is no use to anyone, and they would change with every run. Servers and
# editors set a backend (Agg, say) that draws nothing into a notebook.
ENVIRONMENT = {"TQDM_DISABLE": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
KEPT = ("tags", "slideshow", "deck", "trusted")  # of a cell's metadata
# What nbformat raises for JSON of another kind.
NO_NOTEBOOK = (AttributeError, KeyError, TypeError, ValueError, nbformat.ValidationError)
UNREADABLE = (NotJSONError, OSError)
FAILURES = (CellExecutionError, DeadKernelError, nbformat.ValidationError)


class ThisPython(AsyncKernelManager):
    """Starts the Python that runs this, even where another kernel is named python3."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**get_kernel_dict())


def strip_volatile_metadata(notebook: nbformat.NotebookNode) -> None:
    """Keep names of kernel and language; of cells tags, slides and their texts, what is folded.

    Jupyter's mark `trusted` stays, too: it is needed for signing, and never written to a file.
    """
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        kept = {k: v for k, v in cell.metadata.items() if k in KEPT}
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


def run_cells(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook from top to bottom in `folder`; its outputs are in it afterwards."""
    NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=ThisPython,
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # recent kernels warn of every local connection
        resources={"metadata": {"path": str(folder)}},
    ).execute(env=os.environ | ENVIRONMENT)


def run_with_seed(path: Path, seed: int) -> nbformat.NotebookNode | None:
    """Return a notebook run with another SEED, or None if its `parameters` cell has no SEED."""
    notebook = read_notebook(path)
    changed = 0
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source, found = re.subn(r"^SEED = .*$", f"SEED = {seed}", cell.source, flags=re.M)
            changed += found
    if not changed:
        return None
    run_cells(notebook, path.parent)
    return notebook


def printed(notebook: nbformat.NotebookNode) -> list[str]:
    """Return all that the cells of a notebook have printed, or displayed with a text beside it."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = (o.get("text") or o.get("data", {}).get("text/plain") for o in outputs)
    return [text for text in texts if text]


def execute(path: Path) -> None:
    """Run one notebook from top to bottom and replace the file only if every cell succeeded."""
    notebook = read_notebook(path)
    run_cells(notebook, path.parent)
    strip_volatile_metadata(notebook)
    # As bytes: on Windows, text would get other line ends.
    write_atomically(path, (nbformat.writes(notebook).rstrip("\n") + "\n").encode())
    sign([path])
    if path.resolve().parent == NOTEBOOKS.resolve():
        _save_cover(notebook, COVERS / f"{path.stem}.png")


def sign(paths: list[Path]) -> None:
    """Make Jupyter on this machine trust notebooks as they stand now.

    Where Jupyter may not write its signatures, nothing is lost: it shows them as not trusted.
    """
    with contextlib.suppress(OSError):
        notary = NotebookNotary()
        for path in paths:
            notary.sign(nbformat.read(path, as_version=4))


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Return a notebook.

    Raises:
        NotJSONError: the file is none.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        len(notebook.cells)
    except NO_NOTEBOOK as error:
        raise NotJSONError(f"{path} is no notebook. Fix: get it again.") from error
    return notebook


def _save_cover(notebook: nbformat.NotebookNode, target: Path) -> None:
    covers = [cell for cell in notebook.cells if "cover" in cell.metadata.get("tags", [])]
    pages = [o.get("data", {}).get("text/html", "") for cell in covers for o in cell.outputs]
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]*)"', "".join(pages))
    for picture, ending in zip(pictures, (".png", ".en.png"), strict=False):
        target.parent.mkdir(exist_ok=True)
        target.with_suffix(ending).write_bytes(base64.b64decode(picture))


def main(argv: list[str] | None = None) -> int:
    """Run the notebooks in turn; return 0, 1 at the first failure, or 2 after a one-line error."""
    parser = OneLineParser.of("execute", __doc__, "such as 02 04, or paths; default: all")
    options = parser.parse_args(argv)
    try:
        paths = find_notebooks(options.names)
    except FileNotFoundError as error:
        return fail(parser, error)
    for path in paths:
        start = time.perf_counter()
        try:
            execute(path)
        except UNREADABLE as error:
            return fail(parser, error)
        except FAILURES as error:
            print(f"{path.name} failed and was left as it was:\n{error}")
            return 1
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
