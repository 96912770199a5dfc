"""Recorded runs: a JSON file each, with everything needed to know where a number comes from.

`python -m hdd.train.records keep FOLDER NAME` takes over what `python -m hdd.train --out FOLDER`
has written; `python -m hdd.train.records evaluate NAME` measures its recorded weights again.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor

RUNS = Path(__file__).parents[2] / "resources" / "runs"
CHECKPOINTS = RUNS.parent / "checkpoints"


def _device_name(device: str | torch.device) -> str:
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{kind}, {torch.get_num_threads()} threads, {platform.machine()}"


def provenance(device: str | torch.device) -> dict[str, Any]:
    """Return where and when a figure was made: device, versions, date."""
    return {
        "device": _device_name(device),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "date": datetime.date.today().isoformat(),
    }


def save_run(name: str, content: dict[str, Any], device: str | torch.device) -> Path:
    """Write `resources/runs/<name>.json`: `content` plus device, versions and date.

    An existing record is replaced only once the new one is complete.
    """
    record = {**content, **provenance(device)}
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"{name}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    return path


def load_run(name: str) -> dict[str, Any]:
    """Return the record `resources/runs/<name>.json`.

    Raises:
        FileNotFoundError: no such record; the message lists those that exist.
    """
    path = RUNS / f"{name}.json"
    if not path.exists():
        known = sorted(p.stem for p in RUNS.glob("*.json"))
        raise FileNotFoundError(f"No recorded run {name!r}. Fix: one of {known}.")
    return json.loads(path.read_text(encoding="utf-8"))


def load_runs(prefix: str) -> list[dict[str, Any]]:
    """Return the records whose names are `prefix` and a number, such as the seeds of one recipe.

    Raises:
        FileNotFoundError: there is none; the message lists the records that exist.
    """
    names = [path.stem for path in RUNS.glob(f"{prefix}*.json")]
    numbers = sorted(int(n[len(prefix) :]) for n in names if n[len(prefix) :].isdigit())
    return [load_run(f"{prefix}{number}") for number in numbers] or [load_run(f"{prefix}0")]


def keep_run(folder: Path, name: str, *, weights: bool) -> None:
    """Copy a finished run's record to `RUNS` and, if wanted, its weights to `CHECKPOINTS`.

    Weights and snapshots are kept as float16: half the size, and no other prediction on more than
    one image in a thousand.

    Raises:
        FileNotFoundError: no finished run in `folder`.
    """
    source = folder / "history.json"
    if not source.exists():
        raise FileNotFoundError(f"No finished run in {folder}. Fix: python -m hdd.train --resume.")
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / f"{name}.json").write_text(source.read_text("utf-8"), "utf-8")
    if weights:
        _halve(folder / "weights.safetensors", CHECKPOINTS / f"{name}.safetensors")
        for path in sorted((folder / "snapshots").glob("*.safetensors")):
            _halve(path, CHECKPOINTS / name / path.name)


def _halve(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.half() for key, tensor in load_file(source).items()}, target)


def load_weights(name: str) -> dict[str, Tensor]:
    """Return the recorded weights `resources/checkpoints/<name>.safetensors` as float32.

    Raises:
        FileNotFoundError: no such weights; the message lists those that exist.
    """
    path = CHECKPOINTS / f"{name}.safetensors"
    if not path.exists():
        known = sorted(p.stem for p in CHECKPOINTS.glob("*.safetensors"))
        raise FileNotFoundError(f"No recorded weights {name!r}. Fix: one of {known}.")
    return {key: tensor.float() for key, tensor in load_file(path).items()}


def reevaluate(name: str, data_root: str | Path) -> dict[str, float]:
    """Return the test accuracy of the recorded weights in our network and, if there, in timm's."""
    from hdd.dataset.image_tensors import BatchLoader, load
    from hdd.models.cnn.mlp_mixer import MLPMixer
    from hdd.train.classification_utils import evaluate

    record, weights = load_run(name), load_weights(name)
    recipe = record["recipe"]
    _, test = load(recipe["dataset"], data_root)
    sizes = {key: recipe[key] for key in ("patch_size", "dim", "depth")}
    channels, *image_size = test.images.shape[1:]
    net = MLPMixer(image_size=tuple(image_size), channels=channels, **sizes)
    net.load_state_dict(weights)
    networks = {"recorded": None, "hdd": net, "timm": _timm_twin(net, recipe["patch_size"])}
    accuracies = {"recorded": record["test_accuracy"]}
    for kind, network in networks.items():
        if network is not None:
            accuracies[kind] = evaluate(network, BatchLoader(test, 500), "cpu")[1]
    return accuracies


def _timm_twin(net, patch_size: int):
    """Return timm's network with the same weights, or None without timm."""
    try:
        from timm.models.mlp_mixer import MlpMixer
    except ImportError:
        return None
    from hdd.models.cnn.timm_names import to_timm

    block = net.blocks[0]
    hidden = (block.token_mixing.fc1.out_features, block.channel_mixing.fc1.out_features)
    dim = net.head.in_features
    twin = MlpMixer(
        num_classes=net.head.out_features,
        in_chans=net.input_shape[0],
        img_size=net.input_shape[1:],
        patch_size=patch_size,
        num_blocks=len(net.blocks),
        embed_dim=dim,
        mlp_ratio=tuple(width / dim for width in hidden),
    )
    twin.load_state_dict(to_timm(net.state_dict()))
    return twin


def main(argv: list[str] | None = None) -> int:
    """Keep a run, or evaluate one again; return 0, or 2 after a one-line error."""
    parser = argparse.ArgumentParser(prog="python -m hdd.train.records", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    keep = actions.add_parser("keep", help="take over a finished run")
    keep.add_argument("folder", type=Path)
    keep.add_argument("name")
    keep.add_argument("--weights", action="store_true", help="the weights and snapshots too")
    again = actions.add_parser("evaluate", help="test accuracy of recorded weights, measured again")
    again.add_argument("name")
    again.add_argument("--data-root", type=Path, default=Path("dataset"))
    options = parser.parse_args(argv)
    try:
        if options.action == "keep":
            keep_run(options.folder, options.name, weights=options.weights)
        else:
            for kind, accuracy in reevaluate(options.name, options.data_root).items():
                print(f"{kind:10s}{accuracy:.4f}")
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
