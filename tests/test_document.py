"""The notebook that this project grew from: its cells, unchanged but for two numbers, run."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
from fake_cifar10 import FakeCIFAR10
from torchvision import datasets

TESTS = Path(__file__).parent
DOCUMENT = TESTS / "data" / "mlp_mixer_seed.txt"
PRINTED = ("Use device:", "Files already", "#Parameter:")  # where a cell's output begins
SMALLER = {"max_epochs = 800\n": "max_epochs = 2\n", "num_workers=8,": "num_workers=1,"}


def code_cells():
    cells = re.split(r"^In \[\d+\]:\n", DOCUMENT.read_text(encoding="utf-8"), flags=re.M)[1:]
    output = re.compile("^(" + "|".join(map(re.escape, PRINTED)) + ")", flags=re.M)
    return [output.split(cell)[0].strip() for cell in cells]


def test_document_is_the_original():
    assert hashlib.sha256(DOCUMENT.read_bytes()).hexdigest() == (
        "ab2be3a764ce611a783e1b1a1b55e8aedc2e7a979fefa79e71295affb70e69c5"
    )
    assert len(code_cells()) == 3
    assert ["\n".join(code_cells()).count(number) for number in SMALLER] == [1, 2]


def test_cells_run_unchanged(shell, monkeypatch):
    monkeypatch.setattr(datasets, "CIFAR10", FakeCIFAR10)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)  # the document sets it
    cells = code_cells()
    for number, smaller in SMALLER.items():
        cells = [cell.replace(number, smaller) for cell in cells]
    device, _, training, look = (
        shell(cell).stdout for cell in (*cells, "import json; print(json.dumps(patch_4))")
    )
    assert device.startswith("Use device:")

    parameters, *rest = [line for line in training.splitlines() if not line.startswith("\r")]
    assert parameters == "#Parameter: 1099146"
    lines = [line.split("\r")[-1] for line in rest if "Val Loss" in line]
    form = (
        r"Epoch: (\d)/2 Train Loss: \d\.\d{4} Accuracy: 0\.\d{4} Time: \d+\.\d{5}  "
        r"\| Val Loss: \d\.\d{4} Accuracy: 0\.\d{4}"
    )
    assert [re.fullmatch(form, line)[1] for line in lines] == ["1", "2"]

    history = json.loads(look)
    for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy"):
        assert len(history[name]) == 2, name
    # The document's own run wasted its first epoch at learning rate 0.
    assert history["learning_rate"] == pytest.approx([2e-4, 4e-4])
