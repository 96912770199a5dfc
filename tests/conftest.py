import os
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# The networks of these tests are tiny: a second thread would only wait for the first, and where
# other programs keep the cores busy it waits long.
torch.set_num_threads(1)

# Kernels of tests and notebooks: this environment's, even where another is named python3, and with
# pictures, even where a server or an editor has chosen a backend without.
os.environ["JUPYTER_PATH"] = os.pathsep.join(
    [str(Path(sys.prefix, "share", "jupyter")), os.environ.get("JUPYTER_PATH", "")]
)
os.environ.pop("MPLBACKEND", None)


@pytest.fixture
def run_cells(tmp_path):
    """Run sources as the code cells of one notebook in a real kernel; return the executed cells."""

    def run(*sources):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        notebook = nbformat.v4.new_notebook(cells=cells)
        resources = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, kernel_name="python3", timeout=120, resources=resources).execute()
        return notebook.cells

    return run


class OneDevice(TorchDispatchMode):
    """Fails where a GPU would: if one operation is given tensors of two devices."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor) and t.ndim]
        devices = {t.device.type for t in tensors}
        assert len(devices) < 2 or "copy" in str(func), f"{func} on {devices}"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def one_device():
    return OneDevice()
