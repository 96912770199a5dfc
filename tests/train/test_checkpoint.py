"""What a checkpoint may hold for `python -m hdd.train --resume`."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from hdd.train.__main__ import main
from hdd.train.checkpoint import CHECKPOINT, save_weights
from hdd.train.recipe import Recipe
from hdd.train.run import Run

SMALL = {"dataset": "fashion_mnist_mini", "patch_size": 14, "dim": 16, "depth": 1}
SMALL |= {"epochs": 1, "validation": 0.98}
COMMAND = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
RECIPE = Recipe(**SMALL)


@pytest.fixture(scope="module")
def state():
    """The state of a run that has not begun."""
    return Run(RECIPE, torch.device("cpu"), "dataset").state_dict()


@pytest.fixture
def resume(tmp_path, capsys, monkeypatch):
    """Return a function that resumes from a state: the exit code and what it said on stderr."""
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def run(state):
        torch.save(state, tmp_path / CHECKPOINT)
        code = main([*COMMAND, "--out", str(tmp_path), "--resume"])
        return code, capsys.readouterr().err

    return run


def expect_damaged(result):
    code, line = result
    assert code == 2
    assert "is damaged" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize("key", ["recipe", "net", "optimizer", "epoch"])
def test_a_part_is_missing(resume, state, key):
    expect_damaged(resume({name: value for name, value in state.items() if name != key}))


def test_another_optimizers_state(resume, state):
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    parts = [torch.optim.SGD([weight]).state_dict() for _ in state["optimizer"]["parts"]]
    expect_damaged(resume(state | {"optimizer": {"parts": parts}}))


def test_an_older_checkpoint_does_not_say_its_precision(resume, state):
    assert resume({k: v for k, v in state.items() if k != "precision"}) == (0, "")


def test_a_folder_in_the_checkpoints_place_is_not_damaged(tmp_path, capsys):
    (tmp_path / CHECKPOINT).mkdir()
    assert main([*COMMAND, "--out", str(tmp_path), "--resume"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Is a directory" in line
    assert "damaged" not in line


def test_weights_are_saved_by_name(tmp_path):
    net, path = nn.Linear(2, 2), tmp_path / "x.safetensors"
    for names, wanted in ((None, {"weight", "bias"}), (["bias"], {"bias"})):
        save_weights(str(path), net, names)
        assert set(load_file(path)) == wanted
    for names, shown in ((["weight", "gain"], "'gain'"), ([], "")):
        match = rf"names=\[{shown}\] are no weights of Linear\. Fix: "
        with pytest.raises(ValueError, match=match):
            save_weights(path, net, names)
    assert set(load_file(path)) == {"bias"}
