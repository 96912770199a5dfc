import shutil
from pathlib import Path

from conftest import stdout_of

import hdd

IMPORT = """
import sys
from pathlib import Path
sys.path.insert(0, "")
%load_ext autoreload
%autoreload 2

import torch
from hdd.models.nn_utils import count_trainable_parameter
"""
CALL = "print(count_trainable_parameter(torch.nn.Linear(3, 4)))"
# As an editor does it; another length, so that no byte code of the old file passes for the new.
EDIT = """
path = Path(sys.modules["hdd.models.nn_utils"].__file__)
assert path.is_relative_to(Path.cwd()), path
text = path.read_text(encoding="utf-8")
assert text.count("    return sum(") == 1
path.write_text(text.replace("    return sum(", "    return 1_000_000 + sum("), encoding="utf-8")
"""


def test_the_next_cell_sees_an_edited_function(run_cells, tmp_path):
    shutil.copytree(
        Path(hdd.__file__).parent, tmp_path / "hdd", ignore=shutil.ignore_patterns("__pycache__")
    )
    _, before, _, after = run_cells(IMPORT, CALL, EDIT, CALL)
    assert stdout_of(before) == "16\n"
    assert stdout_of(after) == "1000016\n"
