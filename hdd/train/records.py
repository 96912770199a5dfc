"""Recorded runs: a JSON file each, with everything needed to know where a number comes from.

`python -m hdd.train.records keep FOLDER NAME` takes over what `python -m hdd.train --out FOLDER`
has written; `python -m hdd.train.records evaluate NAME` measures its recorded weights again.
"""

import datetime
import difflib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torchvision
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from hdd.arguments import check_integers, checked, shown
from hdd.command import OneLineParser, fail
from hdd.dataset.image_tensors import BatchLoader
from hdd.dataset.loading import load
from hdd.device.utils import as_device
from hdd.files import expanded, write_atomically
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.cnn.timm_twin import timm_twin
from hdd.models.networks import build_again
from hdd.train.classification_utils import evaluate

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "resources" / "runs"
CHECKPOINTS = RUNS.parent / "checkpoints"


@checked
def provenance(device: str | torch.device) -> dict[str, Any]:
    """Return where, when and by which code a figure was made."""
    kind = as_device(device).type
    name = f"{kind}, {platform.machine()}"
    if kind == "cpu":
        name += f", {torch.backends.cpu.get_cpu_capability()}"
        if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):  # matrix products obey it
            name += f", oneDNN up to {limit}"
    return {
        "device": torch.cuda.get_device_name(device) if kind == "cuda" else name,
        "processor": _processor_name(),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "code": code_version(),
        "date": datetime.date.today().isoformat(),
    }


def _processor_name() -> str | None:
    """Return the processor's model name, or None where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)
        return found and found[1]
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string")
    return platform.processor() or None


def code_version() -> dict[str, Any] | None:
    """Return the commit of this package, and whether it and the experiments are as committed.

    None for a package that is not in a git checkout of its own, such as an installed one.
    """
    if not (ROOT / ".git").exists():
        return None
    git = ("git", "--no-optional-locks", "-C", str(ROOT), "-c", "safe.directory=*")
    changed = _output(*git, "status", "-s", "--", "hdd", "resources/experiments")
    commit = _output(*git, "rev-parse", "HEAD")
    return commit and {"commit": commit, "clean": changed == ""}


def _output(*command: str) -> str | None:
    """Return what a command prints, or None if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@checked
def save_run(name: str, content: dict[str, Any], device: str | torch.device) -> Path:
    """Write `resources/runs/<name>.json`: `content` plus its `provenance`.

    An existing record is replaced only once the new one is complete.

    Raises:
        ValueError: `name` is no plain name, or NaN or infinity in `content`.
        TypeError: something in `content` that JSON does not hold.
    """
    _check_plain_name(name)
    for key, value in content.items():
        try:
            to_json({key: value})
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(
                f"content[{key!r}]={shown(value)} cannot be recorded ({error}). Fix: finite "
                "numbers, texts, lists and dicts; tensor.tolist(); None for what is not known."
            ) from error
    path = RUNS / f"{name}.json"
    write_atomically(path, to_json({**content, **provenance(device)}))
    return path


def _check_plain_name(name: str) -> None:
    if not re.fullmatch(r"\w[\w.-]*", name):  # not "" or "..", which are the folders themselves
        raise ValueError(f"name={name!r} must be a plain file name. Fix: for example my_run.")


def to_json(record: dict[str, Any]) -> bytes:
    """Return the text of a record."""
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


@checked
def load_run(name: str) -> dict[str, Any]:
    """Return the record `resources/runs/<name>.json`.

    Raises:
        FileNotFoundError: no such record; the message lists those that exist.
        ValueError: the file is damaged.
    """
    return _converted(_existing(RUNS, name, ".json"), _record_in)


def _record_in(text: bytes) -> dict[str, Any]:
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}, where a record is a dict")
    return record


def _run_in(text: bytes) -> dict[str, Any]:
    record = _record_in(text)
    if not isinstance(record.get("recipe"), dict):
        raise ValueError("it has no recipe, as a training's has")
    return record


@checked
def values_at(record: Mapping[str, Any], path: Sequence[str | int]) -> list:
    """Return the value of each seed that `path` leads to in a record; "*" is all of a list.

    Raises:
        ValueError: a key of `path` that is not there.
    """
    return _values(record, path)


def _values(node: Any, path: Sequence[str | int]) -> list:
    for i, key in enumerate(path):
        if key == "*" and isinstance(node, list | tuple):
            return [value for item in node for value in _values(item, path[i + 1 :])]
        try:
            node = node["values" if key == "mean" else key]  # the seeds of a mean stand beside it
        except (IndexError, KeyError, TypeError) as error:
            raise ValueError(
                f"path={list(path)} leads nowhere at {key!r}: what is there is {shown(node)}. "
                "Fix: a key of that, or for a list '*'."
            ) from error
    return node if isinstance(node, list) else [node]


@checked
def load_runs(prefix: str) -> list[dict[str, Any]]:
    """Return the records whose names are `prefix` and a number, such as the seeds of one recipe.

    Raises:
        FileNotFoundError: there is none; the message lists the records that exist.
    """
    names = {path.stem for path in RUNS.glob("*.json")}  # no glob of a prefix, which may hold "*"
    runs = [name for name in names if re.fullmatch(re.escape(prefix) + "[0-9]+", name)]
    if not runs:
        known = _nearest(prefix, {name.rstrip("0123456789") for name in names})
        message = f"prefix={shown(prefix)} begins no numbered run. Fix: one of {known}."
        raise FileNotFoundError(message)
    return [load_run(name) for name in sorted(runs, key=lambda name: int(name[len(prefix) :]))]


@checked
def mean_and_range(values: Sequence[float]) -> str:
    """Return "mean (smallest–largest)" of what several seeds gave, with one decimal each.

    Where all round to the same number, that number stands alone.
    """
    values = list(map(float, values))
    if not values:
        raise ValueError("values=[] has no mean. Fix: one value or more.")
    mean, low, high = (f"{f(values):.1f}" for f in (statistics.mean, min, max))
    return mean if low == high else f"{mean} ({low}–{high})"


@checked
def load_weights(name: str) -> dict[str, Tensor]:
    """Return the recorded weights `resources/checkpoints/<name>.safetensors` as float32.

    Raises:
        FileNotFoundError: no such weights; the message lists those that exist.
        ValueError: a file that holds no weights; the message names it.
    """
    return _read_weights(_existing(CHECKPOINTS, name, ".safetensors"))[0]


@checked
def load_net(name: str, epoch: int | None = None) -> nn.Module:
    """Return the network of a recorded run, with its last weights or those after an epoch.

    It is built as its saved weights say. Snapshots hold the stem and the token mixing; whatever
    else a network of an `epoch` has is random.

    Raises:
        FileNotFoundError: no such weights; the message lists those that exist.
        ValueError: a file that holds no weights, or does not say of which network.
    """
    if epoch is not None:
        check_integers(0, 9999, epoch=epoch)
        name = f"{name}/epoch_{epoch:04d}"
    path = _existing(CHECKPOINTS, name, ".safetensors")
    weights, metadata = _read_weights(path)
    try:
        net = build_again(metadata)
        net.load_state_dict(weights, strict=epoch is None)
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        fix = "" if "Fix:" in reason else ". Fix: the weights of a network of this project"
        raise ValueError(f"{path} cannot be loaded: {reason}{fix}.") from error
    return net.eval()


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """Return the tensors of a safetensors file as float32, and its metadata."""
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key).float() for key in file.keys()}, file.metadata()  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} holds no weights ({error}). Fix: get the file anew, for example by "
            f"`git checkout {path.name}`; a pointer of Git LFS or a page of HTML is no weights."
        ) from error


def _nearest(name: str, known: set[str]) -> list[str]:
    if len(known) <= 10:
        return sorted(known)
    return [*difflib.get_close_matches(name, sorted(known), 10, cutoff=0), "..."]


def _existing(folder: Path, name: str, suffix: str) -> Path:
    path = folder / f"{name}{suffix}"
    if not os.path.exists(path):  # False, too, for a name that no file can have
        known = _nearest(name, {p.stem for p in path.parent.glob(f"*{suffix}")})
        raise FileNotFoundError(f"name={shown(name)} is not in {folder.name}. Fix: one of {known}.")
    return path


@checked
def keep_run(
    folder: str | Path,
    name: str,
    *,
    weights: bool,
    snapshots: set[int] | None = None,
    replace: bool = False,
) -> None:
    """Copy a finished run's record to `RUNS` and, if wanted, weights to `CHECKPOINTS`.

    `snapshots` are the epochs to keep; without, all go with the weights.
    Weights and snapshots are kept as float16, half the size; `reevaluate` says what that changes.
    Everything is read before anything is written, and the record is written last; `replace`
    leaves nothing of an earlier run of that name.

    Raises:
        FileNotFoundError: no finished run in `folder`, or none with weights, if those are wanted.
        FileExistsError: `name` is taken, and `replace` is not set.
        ValueError: `name` is no plain name, a file is damaged, or the run has no snapshot of one of
            the epochs.
    """
    _check_plain_name(name)
    folder = expanded(folder, "folder")
    record, kept = RUNS / f"{name}.json", CHECKPOINTS / name
    earlier = {*kept.glob("*.safetensors"), CHECKPOINTS / f"{name}.safetensors", record}
    earlier = {path for path in earlier if path.exists()}
    if earlier and not replace:
        raise FileExistsError(f"There is a run {name!r}. Fix: another name, or replace=True.")
    source = folder / "history.json"
    if not source.exists():
        raise FileNotFoundError(f"No finished run in {folder}. Fix: the folder of one.")
    contents = _converted(source, lambda text: to_json(_run_in(text)))
    files = _float16_files(folder, kept, weights, snapshots)
    for path, content in files.items():
        write_atomically(path, content)
    for path in earlier - {*files, record}:
        path.unlink()
    write_atomically(record, contents)


def _float16_files(
    folder: Path, kept: Path, weights: bool, snapshots: set[int] | None
) -> dict[Path, bytes]:
    """Return what to write where: the chosen weights as float16."""
    sources, last = {}, folder / "weights.safetensors"
    if weights and not last.exists():
        raise FileNotFoundError(f"There is no {last}. Fix: keep this run without `weights`.")
    if weights:
        sources[kept.with_name(f"{kept.name}.safetensors")] = last
    found = {}
    for path in sorted((folder / "snapshots").glob("*.safetensors")):
        if not (number := re.fullmatch(r"epoch_(\d+)", path.stem)):  # such as "epoch_0001 (1)"
            raise ValueError(f"{path} is no snapshot of an epoch. Fix: move it elsewhere.")
        found[int(number[1])] = path
    if missing := sorted(set(snapshots or ()) - set(found)):
        raise ValueError(
            f"snapshots={missing[0]} is not in {folder}. Fix: of the epochs {sorted(found)}."
        )
    wanted = (found if weights else ()) if snapshots is None else snapshots
    sources |= {kept / path.name: path for epoch, path in found.items() if epoch in wanted}
    return {target: _converted(source, _as_float16) for target, source in sources.items()}


def _as_float16(content: bytes) -> bytes:
    weights = safetensors.torch.load(content)
    halves = {k: t.half() if t.is_floating_point() else t for k, t in weights.items()}
    return safetensors.torch.save(halves, _metadata(content))


def _metadata(content: bytes) -> dict[str, str] | None:
    """Return the metadata of a safetensors file's bytes, which begin with a header in JSON."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__")


def _converted(path: Path, convert: Callable[[bytes], Any]) -> Any:
    """Return what `convert` makes of a file, or raise ValueError with the file's name."""
    try:
        return convert(path.read_bytes())
    except (ValueError, SafetensorError) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Fix: the file once more, from where it came."
        ) from error


def reevaluate(name: str, data_root: str | Path) -> dict[str, float]:
    """Return the recorded test accuracy and that of the weights in float32.

    Measured in our network and, where it is a Mixer, in timm's as well.
    """
    record, net = load_run(name), load_net(name)
    _, test = load(record["recipe"]["dataset"], data_root)
    accuracies = {"recorded": record["test_accuracy"]}
    networks = {"hdd": net}
    if isinstance(net, MLPMixer) and "kind" not in net.arguments:  # timm has no other token mixers
        networks["timm"] = timm_twin(net)
    for kind, network in networks.items():
        accuracies[kind] = evaluate(network, BatchLoader(test, 500), "cpu")[1]
    return accuracies


def main(argv: list[str] | None = None) -> int:
    """Keep a run, or evaluate one again; return 0, or 2 after a one-line error."""
    parser = OneLineParser(prog="python -m hdd.train.records", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    keep = actions.add_parser("keep", help="take over a finished run")
    keep.add_argument("folder", type=Path)
    keep.add_argument("name")
    keep.add_argument("--weights", action="store_true", help="the weights and snapshots too")
    keep.add_argument("--snapshots", nargs="*", type=int, help="epochs of the snapshots to keep")
    keep.add_argument("--replace", action="store_true", help="whatever NAME holds already")
    again = actions.add_parser("evaluate", help="test accuracy of recorded weights, measured again")
    again.add_argument("name")
    again.add_argument("--data-root", type=Path, default=Path("dataset"))
    options = parser.parse_args(argv)
    try:
        if options.action == "keep":
            epochs = None if options.snapshots is None else set(options.snapshots)
            kept = {"weights": options.weights, "snapshots": epochs, "replace": options.replace}
            keep_run(options.folder, options.name, **kept)
        else:
            for kind, accuracy in reevaluate(options.name, options.data_root).items():
                print(f"{kind:10s}{accuracy:.4f}")
    except Exception as error:
        return fail(keep if options.action == "keep" else again, error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
