import os
import sys
from pathlib import Path

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from traitlets.config import Config

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
def shell(monkeypatch):
    """Return a function that runs a cell in this process; its result has stdout and outputs."""
    for name in ("displayhook", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    config = Config({"HistoryManager": {"enabled": False}})
    one = InteractiveShell.instance(config=config)
    one.kernel = object()  # by which the package tells a notebook from a console
    one.restore_sys_module_state()  # workers of a DataLoader look for pytest's own __main__

    def run(source):
        with capture_output() as captured:
            one.run_cell(source).raise_error()
        return captured

    yield run
    InteractiveShell.clear_instance()


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
