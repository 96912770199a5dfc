"""Keeping recorded runs: nothing that is there may get lost."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from hdd.train import records


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Return the folder that stands in for `resources`, which holds somebody's weights."""
    folder = tmp_path / "resources"
    for name in ("runs", "checkpoints"):
        monkeypatch.setattr(records, name.upper(), folder / name)
        (folder / name).mkdir(parents=True)
    (folder / "checkpoints" / "mine.safetensors").write_bytes(b"mine")
    return folder


@pytest.fixture
def run(tmp_path):
    """Return the folder of a finished run: its weights are ones, a snapshot for each epoch."""
    folder = tmp_path / "run"
    (folder / "snapshots").mkdir(parents=True)
    (folder / "history.json").write_text(json.dumps({"recipe": {"model": "cnn"}}))
    save_file({"w": torch.ones(2)}, folder / "weights.safetensors")
    for epoch in (0, 1):
        save_file({"w": torch.ones(2)}, folder / "snapshots" / f"epoch_000{epoch}.safetensors")
    return folder


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["", ".", "..", "../evil", "a/b", ".hidden", "a\nb", "-x"])
@pytest.mark.parametrize("replace", [False, True])
def test_a_name_is_a_plain_one(kept, run, name, replace):
    before = files(kept)
    with pytest.raises(ValueError, match="must be a plain file name"):
        records.keep_run(run, name, weights=True, replace=replace)
    assert files(kept) == before


@pytest.mark.parametrize(
    "taken", ["runs/x.json", "checkpoints/x.safetensors", "checkpoints/x/epoch_0000.safetensors"]
)
def test_whatever_a_name_holds_is_kept(kept, run, taken):
    (kept / taken).parent.mkdir(exist_ok=True)
    (kept / taken).write_bytes(b"earlier")
    before = files(kept)
    with pytest.raises(FileExistsError, match=r"'x'.*Fix: another name, or --replace"):
        records.keep_run(run, "x", weights=True)
    assert files(kept) == before


def test_replacing_leaves_nothing_of_the_earlier_run(kept, run):
    records.keep_run(run, "x", weights=True)
    records.keep_run(run, "x", weights=False, snapshots={1}, replace=True)
    assert set(files(kept)) == {
        "runs/x.json",
        "checkpoints/mine.safetensors",
        "checkpoints/x/epoch_0001.safetensors",
    }
    records.keep_run(run, "x", weights=False, replace=True)
    assert set(files(kept)) == {"runs/x.json", "checkpoints/mine.safetensors"}


def test_a_full_disk_loses_nothing_of_the_earlier_run(kept, run, monkeypatch):
    records.keep_run(run, "x", weights=True)
    before = files(kept)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        records.keep_run(run, "x", weights=False, snapshots={1}, replace=True)
    assert files(kept) == before


@pytest.mark.parametrize(
    ("damaged", "content"),
    [
        ("history.json", b"{"),
        ("history.json", b"\xff"),
        ("history.json", b'{"a": NaN}'),
        ("weights.safetensors", b"no weights"),
        ("snapshots/epoch_0001.safetensors", b""),
    ],
)
def test_a_damaged_file_is_named(kept, run, capsys, damaged, content):
    (run / damaged).write_bytes(content)
    before = files(kept)
    assert records.main(["keep", str(run), "x", "--weights"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(run / damaged) in line
    assert "Fix: " in line
    assert files(kept) == before


def test_kept_weights_are_half_as_large(kept, run):
    records.keep_run(run, "x", weights=True)
    assert load_file(kept / "checkpoints" / "x.safetensors")["w"].dtype == torch.float16


def test_only_mixers_can_be_loaded(kept, run):
    records.keep_run(run, "x", weights=False)  # so it holds no weights: that is not the reason
    with pytest.raises(ValueError, match=r"x is a cnn.*only Mixers"):
        records.load_net("x")


def test_a_record_of_no_training_is_named(capsys):
    assert records.main(["evaluate", "speed"]) == 2
    assert "speed records no single training. Fix: " in capsys.readouterr().err
