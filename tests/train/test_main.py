"""`python -m hdd.train` as a user meets it: files, interruptions, several processes, errors."""

import io
import json
import runpy
import shutil
import sys
import time

import own_process
import pytest
import torch
from safetensors.torch import load_file

from hdd.dataset.image_tensors import BatchLoader
from hdd.dataset.loading import load
from hdd.files import held
from hdd.models.cnn.mlp_mixer import MixerBlock, MLPMixer
from hdd.train import records
from hdd.train import run as engine
from hdd.train.__main__ import build_parser, main, recipe_of
from hdd.train.classification_utils import evaluate
from hdd.train.recipe import Recipe
from hdd.train.run import Run

SIZE = ["--patch-size", "14", "--dim", "16", "--depth", "1", "--batch-size", "64"]
SHORT = ["--lr", "3e-3", "--weight-average", "0.998", "--validation", "0.8", "--no-auto-augment"]
TINY = ["--dataset", "fashion_mnist_mini", *SIZE, *SHORT]


def arguments(out, *more, epochs=2):
    return [*TINY, "--epochs", str(epochs), "--out", str(out), *more]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished run of 4 epochs, made by the command."""
    out = tmp_path_factory.mktemp("run") / "out"
    said = {name: io.StringIO() for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch:  # as `python -m` does, without another Python
        patch.setattr(sys, "argv", ["hdd.train", *arguments(out, epochs=4)])
        for name, stream in said.items():
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as end:
            runpy.run_module("hdd.train", run_name="__main__", alter_sys=True)
    assert not end.value.code, said["stderr"].getvalue()
    return out, *(stream.getvalue() for stream in said.values())


def history(out):
    return json.loads((out / "history.json").read_text())


def test_a_run_leaves_its_record(finished):
    out, printed, errors = finished
    record = history(out)
    assert record["command"].startswith("python -m hdd.train --dataset fashion_mnist_mini")
    assert record["recipe"]["patch_size"] == 14
    assert record["recipe"]["weight_average"] == 0.998
    assert {"parameters", "macs", "precision", *records.provenance("cpu")} <= set(record)
    assert {len(values) for values in record["history"].values()} == {4}
    assert record["test_images"] == 2000
    by_class = record["test_accuracy_by_class"].values()
    assert sum(by_class) / 10 == pytest.approx(record["test_accuracy"])
    assert record["test_accuracy"] > 0.2  # chance is 0.1
    assert f"Test accuracy {record['test_accuracy']:.4f} (n = 2,000)." in printed
    assert errors == ""


def test_its_log_is_a_short_table(finished):
    lines = finished[1].splitlines()
    assert len(lines) == 2 + 4 + 2
    assert [line.split()[0] for line in lines[2:6]] == ["1", "2", "3", "4"]
    assert max(map(len, lines[:6])) < 80


def test_its_weights_are_those_it_tested(finished):
    out, *_ = finished
    net = MLPMixer(image_size=28, channels=1, patch_size=14, dim=16, depth=1)
    net.load_state_dict(load_file(out / "weights.safetensors"))
    _, accuracy = evaluate(net, BatchLoader(load("fashion_mnist_mini")[1], 200), "cpu")
    assert accuracy == pytest.approx(history(out)["test_accuracy"], abs=1e-9)


def test_snapshots_hold_the_token_mixing(finished):
    out, *_ = finished
    names = sorted(path.name for path in (out / "snapshots").iterdir())
    assert names == [f"epoch_{e:04d}.safetensors" for e in (0, 1, 2, 4)]
    first, last = (load_file(out / "snapshots" / name) for name in (names[0], names[-1]))
    assert first["blocks.0.token_mixing.fc1.weight"].shape == (2, 4)
    assert not torch.equal(*(s["patch_embedding.weight"] for s in (first, last)))
    final = load_file(out / "weights.safetensors")
    assert all(torch.equal(final[name], tensor) for name, tensor in last.items())


def test_killed_and_resumed_equals_uninterrupted(finished, tmp_path):
    out, more = tmp_path / "out", []
    for after in (1, 2):  # killed in the epoch after this one, at no special moment
        process = own_process.start(main, arguments(out, *more, epochs=4))
        while not (out / "snapshots" / f"epoch_{after:04d}.safetensors").exists():
            assert process.is_alive()
            time.sleep(0.01)
        time.sleep(0.03 * after)
        process.kill()
        process.join()
        assert not (out / "history.json").exists()
        (out / "checkpoint.pt.1234.tmp").write_bytes(b"half")  # as a process killed while writing
        more = ["--resume"]
    assert main(arguments(out, *more, epochs=4)) == 0
    assert not list(out.rglob("*.tmp"))
    assert history(out)["command"] == history(finished[0])["command"].replace(
        str(finished[0]), str(out)
    )
    ours, theirs = (load_file(folder / "weights.safetensors") for folder in (out, finished[0]))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for name in ("train_loss", "val_accuracy", "learning_rate"):
        assert history(out)["history"][name] == history(finished[0])["history"][name]


def test_two_processes_give_the_losses_of_one(finished, torchrun, tmp_path):
    out = tmp_path / "out"
    two = [own_process.start(main, arguments(out, epochs=4), **place) for place in torchrun(2)]
    for process in two:
        process.join(120)
        assert process.exitcode == 0
    one, two = history(finished[0]), history(out)
    assert two["processes"] == 2
    for name in ("train_loss", "val_loss"):
        assert two["history"][name] == pytest.approx(one["history"][name], abs=1e-3)


def test_a_kept_run_can_be_evaluated_again(finished, tmp_path, monkeypatch, capsys):
    pytest.importorskip("timm")
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(records, "CHECKPOINTS", tmp_path / "checkpoints")
    keep = ["keep", str(finished[0]), "tiny", "--weights"]
    assert records.main(keep) == 0
    assert records.main(keep) == 2
    assert "Fix: another name, or --replace" in capsys.readouterr().err
    assert records.load_run("tiny") == history(finished[0])
    assert len(list((tmp_path / "checkpoints" / "tiny").iterdir())) == 4
    assert records.main(["evaluate", "tiny"]) == 0
    figures = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert set(figures) == {"recorded", "hdd", "timm"}
    recorded = float(figures["recorded"])
    assert all(float(f) == pytest.approx(recorded, abs=1.5e-3) for f in figures.values())
    assert records.main([*keep, "--replace", "--snapshots", "4"]) == 0
    assert len(list((tmp_path / "checkpoints" / "tiny").iterdir())) == 1
    assert records.main(["evaluate", "other"]) == 2
    assert "Fix: one of ['tiny']" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["attention", "vit"])
def test_what_timm_has_no_twin_of_is_evaluated_too(model, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert main([*arguments(out, "--model", model, epochs=1), "--optimizer", "adamw"]) == 0
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(records, "CHECKPOINTS", tmp_path / "checkpoints")
    assert records.main(["keep", str(out), "tiny", "--weights"]) == 0
    capsys.readouterr()
    assert records.main(["evaluate", "tiny"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["recorded", "hdd"]


def error_of(capsys, *argv):
    """Return the one line that the command prints before it exits with 2."""
    try:
        code = main([str(a) for a in argv])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m hdd.train: error: ")
    return line


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            ["--epochs", "0"],
            "--epochs 0 must be a whole number from 1 to 1,000,000. Fix: --epochs 60, ",
        ),
        (["--epochs", "many"], "'many'"),
        (["--patch-size", "5"], "--patch-size 5"),
        (["--lr", "nan"], "--lr nan must be a number"),
        (["--lr", "2000"], "to 1,000. Fix: --lr 0.002"),
        (["--dataset", "imagenet"], "'imagenet'"),
        (["--weight-average", "1"], "--weight-average 1.0 must be a number from 0 below 1"),
        (["--optimizer", "adam", "--adamw-lr", "1"], "what Muon leaves to AdamW; here --lr is the"),
        (["--optimizer", "adamw", "--adamw-lr", "1"], "Fix: leave --adamw-lr out."),
        (["--model", "cnn"], "--patch-size 14 has no effect with --model cnn"),
        (["--snapshots", "1,x"], "'1,x'"),
        (["--snapshots", "1,-5"], "'1,-5'"),
        (["--snapshots", "1,3"], "--snapshots names epoch 3, and --epochs 2 ends before"),
        (["--device", "tpu, gpu"], "--device tpu, gpu: None of the preferred devices ['tpu', 'g"),
        (["--out", ""], "names no folder"),
        (["--out", "x" * 300], "Fix: another"),
        (["--validation", "0.00001"], "--validation 1e-05: "),
        (["--model", "vit", "--patch-size", "5"], "--patch-size 5"),
        (["--model", "vit", "--patch-size", "56"], "--patch-size 56"),
        (["--model", "vit", "--snapshots", "1"], "--snapshots has no effect with --model vit"),
        (["--resume"], "holds no checkpoint.pt to go on from. Fix: the --out of the run"),
        (["--seeds", "1"], "--seeds"),
    ],
)
def test_bad_option(capsys, tmp_path, more, says):
    out = tmp_path / "out"
    assert says in error_of(capsys, *arguments(out), *more)
    assert not out.exists()


def test_yardsticks_need_timm(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm.models.vision_transformer", None)
    line = error_of(capsys, *arguments(tmp_path / "out", "--model", "vit"))
    assert line.endswith("Fix: pip install timm.")


def test_a_fault_of_the_code_shows_its_line(capsys, tmp_path, monkeypatch):
    def forward(self, x):
        x = x + self.token_mixing(self.token_norm(x))  # without its two transposes
        return x + self.channel_mixing(self.channel_norm(x))

    monkeypatch.setattr(MixerBlock, "forward", forward)
    assert main(arguments(tmp_path / "out")) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "Traceback (most recent call last):" in lines
    assert any("# without its two transposes" in line for line in lines)
    assert lines[-1].startswith("python -m hdd.train: error: RuntimeError: ")
    assert "mat1 and mat2 shapes" in lines[-1]


def test_a_result_that_is_no_number_is_not_written(capsys, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(Run, "evaluate", lambda self, data: (float("nan"), 0.1))
    assert "validation loss is nan" in error_of(capsys, *arguments(out))
    assert not (out / "history.json").exists()
    assert torch.load(out / "checkpoint.pt")["epoch"] == 0


def test_ctrl_c_is_one_line_and_resumable(capsys, tmp_path, monkeypatch):
    def interrupt(self, *_):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Run, "train_epoch", interrupt)
        assert main([str(a) for a in arguments(out, epochs=1)]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("interrupted. Fix: the same command with --resume goes on.")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "__init__", interrupt)
        assert main([str(a) for a in arguments(tmp_path / "new", epochs=1)]) == 130
    assert capsys.readouterr().err.splitlines()[-1].endswith("interrupted.")  # nothing to resume
    assert main([str(a) for a in arguments(out, "--resume", epochs=1)]) == 0


def test_bfloat16_where_it_is_not_native(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "get_amp_dtype", lambda device: torch.float32)
    line = error_of(capsys, *arguments(tmp_path / "out", "--precision", "bfloat16"))
    assert "Fix: --precision auto" in line


def test_full_disk_keeps_what_was_there(capsys, tmp_path, finished, monkeypatch):
    out = copy_of(finished[0], tmp_path)
    (out / "history.json").unlink()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def full(self, content):
        with open(self, "wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    assert "No space left" in error_of(capsys, *arguments(out, "--resume", epochs=4))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def copy_of(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_a_run_without_its_checkpoint_is_not_overwritten(capsys, tmp_path, finished):
    out = copy_of(finished[0], tmp_path)
    (out / "checkpoint.pt").unlink()
    for more in ([], ["--resume"]):
        assert "no checkpoint.pt" in error_of(capsys, *arguments(out, *more, epochs=4))
    assert history(out) == history(finished[0])


def test_of_two_runs_at_once_the_second_stops(capsys, tmp_path, monkeypatch):
    class Late(Run):
        """Another run takes the folder while this one reads its data."""

        def __init__(self, *rest):
            super().__init__(*rest)
            (tmp_path / "checkpoint.pt").write_bytes(b"the other's")

    monkeypatch.setattr("hdd.train.__main__.Run", Late)
    assert main(arguments(tmp_path)) == 2
    assert "holds a run. Fix: --resume, or another --out." in capsys.readouterr().err
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the other's"]


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_folder_that_a_run_is_writing_into_is_left_alone(capsys, tmp_path, finished, more):
    """As when mpirun starts several, or somebody resumes a run that is still at work."""
    out = copy_of(finished[0], tmp_path)
    with held(out):
        line = error_of(capsys, *arguments(out, *more, epochs=4))
    assert "is in use by another process. Fix: wait" in line
    assert "torchrun" in line
    assert history(out) == history(finished[0])


def test_a_finished_run_stays_as_it_is(capsys, tmp_path, finished):
    out = copy_of(finished[0], tmp_path)
    (out / "thesis.tmp").write_bytes(b"precious")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert main([str(a) for a in arguments(out, "--resume", epochs=4)]) == 0
    assert "is finished" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


LEFT = ("checkpoint.pt.12.tmp", "history.json.3.tmp", "snapshots/epoch_0001.safetensors.9.tmp")
KEPT = ("notes/thesis.tmp", "mine.tmp", "checkpoint.pt.tmp", "snapshots/checkpoint.pt.12.tmp")


@pytest.mark.parametrize(("number", "tidied"), [(0, True), (1, False)])
def test_resuming_removes_what_a_killed_process_left_and_nothing_else(
    tmp_path, finished, monkeypatch, number, tidied
):
    out = copy_of(finished[0], tmp_path)
    (out / "history.json").unlink()
    folders = [out / "notes", out / "d.tmp", out / "weights.safetensors.7.tmp"]
    for path in folders:
        path.mkdir()
    for name in (*LEFT, *KEPT):
        (out / name).write_bytes(b"half")
    monkeypatch.setattr("hdd.train.__main__.rank", lambda: number)
    assert main(arguments(out, "--resume", epochs=4)) == 0
    assert all((out / name).exists() for name in KEPT)
    assert all(path.is_dir() for path in folders)
    assert {(out / name).exists() for name in LEFT} == {not tidied}


def test_a_home_folder_of_nobody_is_named(capsys):
    line = error_of(capsys, *TINY, "--out", "~nosuchuser/out")
    assert "argument --out: '~nosuchuser/out' is in nobody's home folder" in line


def test_another_precision_is_not_resumed(capsys, tmp_path, finished):
    out = copy_of(finished[0], tmp_path)
    state = torch.load(out / "checkpoint.pt") | {"precision": "torch.float16", "epoch": 3}
    torch.save(state, out / "checkpoint.pt")
    assert "began in torch.float16" in error_of(capsys, *arguments(out, "--resume", epochs=4))


def test_a_run_is_not_overwritten(capsys, tmp_path, finished):
    out = copy_of(finished[0], tmp_path)
    assert "--resume" in error_of(capsys, *arguments(out, epochs=4))
    assert history(out) == history(finished[0])


def test_other_recipe_is_not_resumed(capsys, finished):
    line = error_of(capsys, *arguments(finished[0], "--resume", "--seed", "3", epochs=4))
    assert "--seed 0" in line


def test_the_plain_command_is_the_run_of_60_epochs():
    record = records.load_run("cifar10_patch4_60_epochs")
    options = build_parser().parse_args(
        ["--dataset", "cifar10", "--patch-size", "4", "--epochs", "60", "--out", "x"]
    )
    assert recipe_of(options) == Recipe(**record["recipe"]) == Recipe()


@pytest.mark.parametrize("content", [b"", b"hello", {"recipe": 3}, {"recipe": {}}, [1], None])
def test_a_damaged_checkpoint_is_left_as_it_is(capsys, tmp_path, finished, content):
    out = copy_of(finished[0], tmp_path)
    path = out / "checkpoint.pt"
    if content is None:
        content = path.read_bytes()[:-1000]
    if content == {"recipe": {}}:
        content = {"recipe": history(out)["recipe"], "epoch": 1}
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    before = path.read_bytes()
    assert "damaged" in error_of(capsys, *arguments(out, "--resume", epochs=4))
    assert path.read_bytes() == before


def test_help_says_units_and_defaults(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "side of a patch in pixels; must divide the image (default: 4; cnn: none)" in text
    assert "--no-auto-augment" in text
    assert "default: None" not in text
