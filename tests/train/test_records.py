"""Keeping recorded runs: nothing that is there may get lost."""

import dataclasses
import fnmatch
import functools
import importlib.util
import json
import re
import shlex
import subprocess

import pytest
import torch
from safetensors.torch import load_file, save_file

from hdd.dataset.image_tensors import ImageTensors
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter
from hdd.train import records
from hdd.train.__main__ import build_parser, recipe_of
from hdd.train.recipe import BASELINES, Recipe

SHAPES = {"cifar10": (50_000, 3, 32, 32), "fashion_mnist_mini": (10_000, 1, 28, 28)}
RECORDS = {path.stem: records.load_run(path.stem) for path in sorted(records.RUNS.glob("*.json"))}
TRAINED = {name: record for name, record in RECORDS.items() if "recipe" in record}


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
    with pytest.raises(FileExistsError, match=r"'x'.*Fix: another name, or replace=True"):
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
        ("history.json", b"[]"),
        ("history.json", b"{}"),
        ("snapshots/epoch_0001 (1).safetensors", b"what a second download is called"),
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


def test_what_a_run_does_not_have_is_not_kept(kept, run):
    before = files(kept)
    with pytest.raises(ValueError, match=r"snapshots=77 is not in .*Fix: of the epochs \[0, 1\]"):
        records.keep_run(run, "x", weights=False, snapshots={1, 77})
    (run / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"There is no .*weights\.safetensors\. Fix: "):
        records.keep_run(run, "x", weights=True)
    assert files(kept) == before
    records.keep_run(str(run), "x", weights=False, snapshots={1})
    assert "checkpoints/x/epoch_0001.safetensors" in files(kept)


def test_kept_weights_are_half_as_large(kept, run):
    records.keep_run(run, "x", weights=True)
    assert load_file(kept / "checkpoints" / "x.safetensors")["w"].dtype == torch.float16


def test_a_record_of_no_training_is_named(capsys):
    assert records.main(["evaluate", "speed"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'speed'" in line
    assert "Fix: one of ['cifar10_patch16_seed0'" in line


@functools.cache
def parameters(recipe):
    """Return the number of parameters of a recipe's network, which is not computed."""
    _, *shape = SHAPES[recipe.dataset]
    images = torch.empty(0, *shape, dtype=torch.uint8)
    data = ImageTensors(
        images,
        torch.empty(0, dtype=torch.long),
        tuple("abcdefghij"),
        (0.5,) * images.shape[1],
        (0.5,) * images.shape[1],
    )
    with torch.device("meta"):
        return count_trainable_parameter(recipe.network(data))


PARSER = build_parser()


@pytest.mark.parametrize("name", TRAINED)
def test_a_record_is_what_ran(name):
    record = TRAINED[name]
    recipe = Recipe(**record["recipe"])
    assert recipe.as_dict() == record["recipe"]
    assert record["command"].startswith("python -m hdd.train ")
    assert recipe_of(PARSER.parse_args(shlex.split(record["command"])[3:])) == recipe
    assert {"device", "versions", "date", "precision", "macs"} <= set(record)
    assert {len(values) for values in record["history"].values()} == {recipe.epochs}
    assert name.endswith((f"seed{recipe.seed}", "60_epochs"))
    images = SHAPES[recipe.dataset][0]
    steps = -(-(images - 10 * round(images / 10 * recipe.validation)) // recipe.batch_size)
    rates = [
        recipe.lr * recipe.share_of_peak(epoch * steps, steps) for epoch in range(recipe.epochs)
    ]
    assert record["history"]["learning_rate"] == pytest.approx(rates, rel=1e-6, abs=1e-12)
    assert max(rates) == recipe.lr
    if recipe.model in BASELINES:
        pytest.importorskip("timm")
    assert parameters(dataclasses.replace(recipe, seed=0)) == record["parameters"]


def test_recorded_weights_fit_their_network():
    for path in records.CHECKPOINTS.glob("*.safetensors"):
        recipe, weights = Recipe(**TRAINED[path.stem]["recipe"]), records.load_weights(path.stem)
        net = MLPMixer(patch_size=recipe.patch_size, dim=recipe.dim, depth=recipe.depth)
        net.load_state_dict(weights)
        assert all(tensor.isfinite().all() for tensor in weights.values()), path


def test_records_stay_small():
    folders = (records.RUNS, records.CHECKPOINTS)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20 * 2**20


def migration():
    path = records.ROOT / "resources" / "migrate_records.py"
    spec = importlib.util.spec_from_file_location("migrate_records", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


OLD = {"dataset": "cifar10", "model": "mixer", "patch_size": 8, "dim": 128, "depth": 8}
OLD |= {"expansion_factor_token": 0.5, "epochs": 12, "batch_size": 256, "optimizer": "adam"}
OLD |= {"lr": 0.003, "weight_decay": 0.1, "adam_lr": 0.001, "schedule": "document"}
OLD |= {"warmup_epochs": 1.0, "label_smoothing": 0.1, "auto_augment": True, "crop_padding": 4}
OLD |= {"cutmix": 0.0, "weight_average": 0.0, "validation": 0.1, "seed": 1, "precision": "auto"}


@pytest.mark.parametrize(
    ("model", "what", "command"),
    [
        (
            "mixer",
            {"dim": 128, "depth": 8, "patch_size": 8, "expansion_factor_token": 0.5},
            "--model mixer --patch-size 8 --optimizer adam --lr 0.001 "
            "--schedule cosine-by-epoch --cutmix 0 --no-auto-augment --out x",
        ),
        (
            "cnn",
            {"dim": 32, "depth": 2},
            "--model cnn --optimizer adam --lr 0.001 --schedule cosine-by-epoch "
            "--cutmix 0 --no-auto-augment --out x",
        ),
    ],
)
def test_migration_keeps_what_acted(model, what, command):
    old_command = f"python -m hdd.train --model {model} --patch-size 8 --optimizer adam --lr 0.003 "
    old_command += "--schedule document --cutmix 0 --no-auto-augment --out x"
    old = {"command": old_command, "recipe": OLD | {"model": model}, "test_accuracy": 0.5}
    new = migration().migrated(old)
    sizes = ("dim", "depth", "patch_size", "expansion_factor_token")
    idle = {"weight_decay", "adam_lr", "warmup_epochs", *sizes}
    kept = {name: value for name, value in old["recipe"].items() if name not in idle}
    assert new["recipe"] == kept | {"lr": 0.001, "schedule": "cosine-by-epoch"} | what
    assert new["command"] == "python -m hdd.train " + command
    assert new["test_accuracy"] == 0.5
    assert migration().migrated(new) == new


def test_the_index_has_a_line_for_every_record():
    text = (records.RUNS / "README.md").read_text(encoding="utf-8")
    families = re.findall(r"^\| `([^`]+)` \|.*\| (\d+) \| [^|]+ \|$", text, re.MULTILINE)
    assert len(families) > 20
    members = {family: fnmatch.filter(RECORDS, family) for family, _ in families}
    assert {family: int(n) for family, n in families} == {f: len(m) for f, m in members.items()}
    assert sorted(name for family in members.values() for name in family) == list(RECORDS)


class TestProvenance:
    def test_names_machine_and_versions(self):
        found = records.provenance("cpu")
        assert found["threads"] == torch.get_num_threads()
        assert found["device"].startswith("cpu")
        assert found["versions"]["torch"] == torch.__version__
        assert found["processor"] is None or found["processor"].strip()

    def test_names_a_limit_of_the_matrix_products(self, monkeypatch):
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16")
        assert records.provenance("cpu")["device"].endswith(", oneDNN up to AVX512_CORE_BF16")

    @pytest.fixture
    def checkout(self, tmp_path, monkeypatch):
        """Return the folder of a commit that has a package `hdd`."""
        (tmp_path / "hdd").mkdir()
        (tmp_path / "hdd" / "a.py").write_text("a = 1")
        (tmp_path / "note.txt").write_text("one")
        git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run([*git, *command], check=True)
        monkeypatch.setattr(records, "ROOT", tmp_path)
        return tmp_path

    def test_names_the_commit_and_whether_the_package_is_its(self, checkout):
        version = records.code_version()
        assert re.fullmatch("[0-9a-f]{40}", version["commit"])
        (checkout / "note.txt").write_text("two")  # no code that a record depends on
        assert records.code_version() == version == {"commit": version["commit"], "clean": True}
        (checkout / "resources" / "experiments").mkdir(parents=True)
        for name in ("hdd/b.py", "resources/experiments/b.py"):
            (checkout / name).write_text("b = 1")
            assert records.code_version() == {"commit": version["commit"], "clean": False}
            (checkout / name).unlink()

    def test_a_package_without_checkout_has_none(self, checkout, monkeypatch):
        monkeypatch.setattr(records, "ROOT", checkout / "hdd")  # inside another one's checkout
        assert records.code_version() is None

    def test_a_machine_without_git_has_none(self, checkout, monkeypatch):
        monkeypatch.setenv("PATH", "")
        assert records.code_version() is None


def test_mean_and_range():
    assert records.mean_and_range([1.0, 2.0, 4.5]) == "2.5 (1.0–4.5)"
    assert records.mean_and_range([100.0, 99.99, 100.0]) == "100.0"


def test_a_record_comes_back_with_its_origin(kept):
    content = {"accuracy": [0.5, 0.75], "note": "词元"}
    assert records.save_run("small", content, "cpu") == kept / "runs" / "small.json"
    assert records.load_run("small") == content | records.provenance("cpu")


def test_a_record_is_replaced_only_when_complete(kept):
    records.save_run("small", {"accuracy": 1}, "cpu")
    with pytest.raises(TypeError):
        records.save_run("small", {"accuracy": object()}, "cpu")
    assert records.load_run("small")["accuracy"] == 1
    records.save_run("small", {"accuracy": 2}, "cpu")
    assert records.load_run("small")["accuracy"] == 2
    assert [path.name for path in (kept / "runs").iterdir()] == ["small.json"]


@pytest.mark.parametrize(
    ("value", "kind"), [(float("nan"), ValueError), (torch.tensor(1), TypeError)]
)
def test_what_json_does_not_hold_is_named(kept, value, kind):
    with pytest.raises(kind, match=r"content\['b'\]=.* cannot be recorded .*Fix: finite numbers"):
        records.save_run("small", {"a": 1, "b": value}, "cpu")
    assert not files(kept / "runs")


@pytest.mark.parametrize("name", ["../evil", "a/b", ""])
def test_a_record_stays_in_its_folder(kept, name):
    before = files(kept.parent)
    with pytest.raises(ValueError, match="must be a plain file name"):
        records.save_run(name, {"a": 1}, "cpu")
    assert files(kept.parent) == before


@pytest.mark.parametrize("prefix", ["/etc", "a**", "[", "../runs/a", "x" * 5000])
def test_a_prefix_is_no_pattern(kept, prefix):
    records.save_run("a1", {}, "cpu")
    with pytest.raises(FileNotFoundError, match=r"prefix=.* begins no numbered run\. Fix: one of"):
        records.load_runs(prefix)


def test_runs_come_in_the_order_of_their_numbers(kept):
    for name in ("a10", "a2", "a01", "a", "a3b", "a²", "ba1"):
        records.save_run(name, {"name": name}, "cpu")
    assert [record["name"] for record in records.load_runs("a")] == ["a01", "a2", "a10"]


def test_a_missing_record_names_those_that_exist(kept):
    records.save_run("one", {}, "cpu")
    records.save_run("two", {}, "cpu")
    with pytest.raises(FileNotFoundError, match=r"'three'.*Fix:.*'one', 'two'"):
        records.load_run("three")


@pytest.mark.parametrize("content", [b"[]", b"null", b"{", b""])
def test_a_damaged_record_is_named(kept, content):
    (kept / "runs" / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.* is damaged.*Fix: "):
        records.load_run("x")


def test_damaged_weights_are_named(kept):
    with pytest.raises(ValueError, match=r"mine\.safetensors holds no weights.*Fix: "):
        records.load_weights("mine")


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (None, "do not say which network"),
        ('{"dim', "Unterminated"),
        ("[1]", "mapping"),
        ('{"dimm": 3}', "'dimm'"),
        ('{"dim": 8, "depth": 1}', "Missing key"),
    ],
)
def test_weights_of_another_network_are_named_in_one_line(kept, metadata, says):
    about = None if metadata is None else {"arguments": metadata}
    save_file({"a": torch.zeros(2)}, kept / "checkpoints" / "other.safetensors", metadata=about)
    match = rf"other\.safetensors cannot be loaded: .*{says}"
    with pytest.raises(ValueError, match=match) as error:
        records.load_net("other")
    assert str(error.value).count("Fix: ") == 1
    assert "\n" not in str(error.value)


def test_a_prefix_without_runs_lists_those_there_are():
    with pytest.raises(
        FileNotFoundError, match=r"prefix='cifar10_patch'.*Fix: .*cifar10_patch4_seed"
    ):
        records.load_runs("cifar10_patch")


def test_values_at_gives_the_seeds_of_a_mean_and_those_of_a_list():
    record = {"runs": [[1, 2], [3, 4]], "found": {"mean": 2, "values": [1.5, 2.5]}}
    assert records.values_at(record, ["runs", "*", 1]) == [2, 4]
    assert records.values_at(record, ["found", "mean"]) == [1.5, 2.5]
    assert records.values_at(record, ["found", "values"]) == [1.5, 2.5]


@pytest.mark.parametrize("path", [["x"], ["runs", 9], ["runs", "a"], ["n", "*"], ["n", "mean"]])
def test_a_path_that_leads_nowhere_is_named(path):
    with pytest.raises(ValueError, match=r"path=\[.*leads nowhere at .*Fix: a key of that"):
        records.values_at({"runs": [[1, 2]], "n": 3}, path)
