"""Conclusions that check themselves, and the command that runs notebooks with other seeds."""

import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from hdd.teaching import execute, seeds
from hdd.teaching.conclusions import conclusions_in, holds


def test_what_is_printed_can_be_read_back(capsys):
    holds("拉伸高于分块：75 > 72 | stretched above block-diagonal: 75 > 72", 75 > 72)
    holds("Mixer 总是对 | Mixer always right", torch.tensor(0.97) == 1)
    text = capsys.readouterr().out
    assert text.splitlines() == [
        "✓ 成立：拉伸高于分块：75 > 72",
        "✓ holds: stretched above block-diagonal: 75 > 72",
        "✗ 这次不成立：Mixer 总是对",
        "✗ does not hold in this run: Mixer always right",
    ]
    assert conclusions_in(["loss 0.1\n", text]) == {
        "stretched above block-diagonal: 75 > 72": True,
        "Mixer always right": False,
    }


@pytest.mark.parametrize("name", ["", "  ", "two\nlines"])
def test_a_conclusion_is_one_line(name):
    with pytest.raises(ValueError, match="one line"):
        holds(name, True)


def test_a_conclusion_is_in_two_languages():
    with pytest.raises(ValueError, match=r"name='abc' is in one language\. Fix: "):
        holds("abc", True)


@pytest.mark.parametrize("verdict", [True, np.bool_(True), np.ones((1, 1)) > 0, torch.ones(1) > 0])
def test_a_verdict_is_true_or_false(verdict, capsys):
    holds("甲 | a", verdict)
    assert "✓ holds: a" in capsys.readouterr().out


@pytest.mark.parametrize("number", [float("nan"), 0, None, "yes", torch.tensor(1), np.ones(2) > 0])
def test_what_is_neither_true_nor_false_is_no_verdict(number, capsys):
    with pytest.raises(ValueError, match=r"condition=.* must be True or False.*Fix: a comparison"):
        holds("甲 | a", number)
    assert not capsys.readouterr().out


# Displays what `holds` displays, without a kernel that loads PyTorch for it.
SOURCE = """from IPython.display import display
for name, held in {"seed is odd": SEED % 2 == 1, "seed is positive": SEED > 0}.items():
    line = ("✓ holds: " if held else "✗ does not hold in this run: ") + name
    display({"text/html": "<p></p>", "text/plain": line}, raw=True)"""


def notebook(*sources):
    cells = [new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    return new_notebook(cells=cells)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(execute, "NOTEBOOKS", tmp_path)
    broken = notebook("SEED = 0", "if SEED == 7: raise RuntimeError('oh dear')")
    nbformat.write(broken, tmp_path / "05_broken.ipynb")
    nbformat.write(notebook("SEED = 0  # of all\nSTEPS = 3", SOURCE), tmp_path / "06_weights.ipynb")
    nbformat.write(notebook("SIZE = 3", "print(SIZE)"), tmp_path / "07_no_seed.ipynb")
    return tmp_path


def test_seeds_says_how_often_each_conclusion_holds_and_goes_on_after_a_failure(folder, capsys):
    before = (folder / "06_weights.ipynb").read_bytes()
    assert seeds.main(["7"]) == 1
    printed = capsys.readouterr().out
    assert "05_broken failed with seed 7" in printed
    assert "oh dear" in printed
    lines = printed.splitlines()
    assert "  1 of 1  06: seed is odd" in lines
    assert "  1 of 1  06: seed is positive" in lines
    assert (folder / "06_weights.ipynb").read_bytes() == before
    assert not any("07_no_seed" in line for line in lines)


def test_a_conclusion_that_fails_is_marked_with_its_seeds():
    assert seeds.table({"06: seed is odd": {7: True, 8: False, 10: False}}) == [
        "! 1 of 3  06: seed is odd   not with seed 8, 10"
    ]


def test_a_name_that_no_notebook_has(folder, capsys):
    assert seeds.main(["7", "--notebooks", "99"]) == 2
    assert "Fix: a path, or one of" in capsys.readouterr().err
