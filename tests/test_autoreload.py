import json
import os
import shutil
import sys
from pathlib import Path

import own_process
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import hdd

IMPORT = """
import os
import sys
from pathlib import Path
sys.path.insert(0, "")
os.environ["TQDM_DISABLE"] = "1"
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


TRAIN = """
from hdd.train.recipe import Recipe
from hdd.train.run import Run
sizes = {"dataset": "fashion_mnist_mini", "patch_size": 7, "dim": 24, "depth": 2, "epochs": 9}
run = Run(Recipe(**sizes, batch_size=50, cutmix=0, auto_augment=False), torch.device("cpu"), "")
run.train_data, run.val_data = run.train_data.subset(torch.arange(200)), None  # enough to see it
"""
EPOCH = "run.train_epoch(); print(run.history['step'])"
SWAP = """
path = Path(sys.modules["hdd.models.cnn.mlp_mixer"].__file__)
assert path.is_relative_to(Path.cwd()), path
halves = (
    "        y = self.token_norm(x).transpose(1, 2)  # (B, C, S)\\n"
    "        x = x + self.token_mixing(y).transpose(1, 2)  # (B, S, C)\\n"
)
channel = "        x = x + self.channel_mixing(self.channel_norm(x))  # (B, S, C)\\n"
text = path.read_text(encoding="utf-8")
assert text.count(halves) == text.count(channel) == 1
text = text.replace(channel, "").replace(halves, channel + halves)
text += "PARTS = (Mlp, MixerBlock)\\n"  # what cannot be patched: the module is made anew
path.write_text(text, encoding="utf-8")
"""
# A network made after one edit follows the next one, too.
LOGITS = (
    "net = run.recipe.network(run.train_data); print(net(torch.zeros(1, 1, 28, 28)).mean() > 50)"
)
LOUDER = """
path.write_text(text.replace("self.head(x.mean(dim=1))", "100 + self.head(x.mean(dim=1))"))
"""


def play(folder, sources):
    """Run sources as the cells of a notebook, in this process; write down what each printed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "hdd"]:
        del sys.modules[name]  # the folder's own copy is meant
    os.chdir(folder)
    shell, printed = InteractiveShell.instance(), []
    for source in sources:
        with capture_output() as captured:
            shell.run_cell(source).raise_error()
        printed.append(captured.stdout)
    Path("printed.json").write_text(json.dumps(printed), encoding="utf-8")
    return 0


def test_the_next_cell_and_the_next_epoch_see_an_edit(tmp_path):
    shutil.copytree(
        Path(hdd.__file__).parent, tmp_path / "hdd", ignore=shutil.ignore_patterns("__pycache__")
    )
    (tmp_path / "resources").symlink_to(Path(hdd.__file__).parents[1] / "resources")
    cells = (IMPORT, CALL, EDIT, CALL, TRAIN, EPOCH, SWAP, EPOCH, EPOCH, LOGITS, LOUDER, LOGITS)
    log = tmp_path / "log"
    process = own_process.start(
        play, tmp_path, cells, log=log, IPYTHONDIR=str(tmp_path / "ipython")
    )
    process.join(120)
    assert process.exitcode == 0, log.read_text(encoding="utf-8")
    printed = json.loads((tmp_path / "printed.json").read_text(encoding="utf-8"))
    _, before, _, after, _, first, _, second, third, quiet, _, loud = printed
    assert (before, after) == ("16\n", "1000016\n")
    assert first == "['fused']\n"
    told, steps = second.splitlines()
    assert "not the fused one: the " in told
    assert "differs" in told
    assert steps == "['fused', 'plain']"
    assert third == "['fused', 'plain', 'plain']\n"  # said once
    assert (quiet, loud) == ("tensor(False)\n", "tensor(True)\n")
