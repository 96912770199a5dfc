"""`python -m hdd.train`: one recorded run, from the command line.

Several processes: `torchrun --standalone --nproc-per-node=2 -m hdd.train ...`.
"""

import argparse
import contextlib
import dataclasses
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from hdd.command import OneLineParser, fail
from hdd.device.utils import get_device
from hdd.files import expanded, held, write_atomically
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.train.checkpoint import (
    CHECKPOINT,
    HISTORY,
    WEIGHTS,
    damaged,
    read_checkpoint,
    save_checkpoint,
    save_weights,
)
from hdd.train.processes import meet, processes, rank
from hdd.train.recipe import CHOICES, Recipe, kind_of
from hdd.train.records import provenance, to_json
from hdd.train.run import Run

HEADER = "epoch   lr        train loss  acc     val loss  acc     seconds"
SNAPSHOTS = "0,1,2,4,8,16,32"
# What `write_atomically` writes into beside the run's files: killed then, it leaves them behind.
UNFINISHED = re.compile(
    rf"({'|'.join(map(re.escape, (CHECKPOINT, WEIGHTS, HISTORY)))}|"
    r"snapshots/epoch_\d+\.safetensors)\.\d+\.tmp"
)


def build_parser() -> OneLineParser:
    """Return the parser; a knob that is not given is not in what it returns."""
    parser = OneLineParser(
        prog="python -m hdd.train",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_knobs(parser)
    parser.add_argument(
        "--out",
        type=_folder,
        required=True,
        default=argparse.SUPPRESS,
        help="folder for what the run writes",
    )
    parser.add_argument("--data-root", type=Path, default=Path("dataset"), help="of the large sets")
    parser.add_argument("--device", default="cuda,mps,cpu", help="the first that exists")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument(
        "--snapshots",
        type=_epochs,
        default=argparse.SUPPRESS,
        help="epochs after which token mixing and stem are kept, beside the last "
        f"(default: {SNAPSHOTS})",
    )
    return parser


def _add_knobs(parser: OneLineParser) -> None:
    """Add an option for each knob of a recipe."""
    for knob in dataclasses.fields(Recipe):
        flag = "--" + knob.name.replace("_", "-")
        options = {"default": argparse.SUPPRESS, "help": knob.metadata["help"]}
        if kind_of(knob) is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options |= {"type": kind_of(knob), "choices": CHOICES.get(knob.name)}
        parser.add_argument(flag, **options)


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe of the knobs that were given."""
    names = [knob.name for knob in dataclasses.fields(Recipe)]
    return Recipe(**{name: getattr(options, name) for name in names if hasattr(options, name)})


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("the empty text names no folder")
    try:
        return expanded(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is in nobody's home folder") from error


def _epochs(text: str) -> set[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers, as in 0,1,2")
    return {int(part) for part in parts}


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code: 0, 2 after a user's error, 1 after a fault, 130 after Ctrl-C."""
    parser = build_parser()
    argv = sys.argv[1:] if argv is None else argv
    options = parser.parse_args(argv)
    try:
        device = _join_processes(options.device)
        command = shlex.join(["python", "-m", "hdd.train", *(a for a in argv if a != "--resume")])
        if options.resume:
            _check_resumable(options.out)
        with held(options.out) if rank() == 0 else contextlib.nullcontext():
            _train(recipe_of(options), device, options, command)
    except Exception as error:
        return fail(parser, error)
    except KeyboardInterrupt:
        resumable = (options.out / CHECKPOINT).exists()
        fix = " Fix: the same command with --resume goes on." if resumable else ""
        print(f"{parser.prog}: interrupted.{fix}", file=sys.stderr)
        return 130
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


def _join_processes(preferred: str) -> torch.device:
    """Return this process's device; under torchrun, meet the other processes first."""
    names = [name.strip() for name in preferred.split(",")]
    if "RANK" in os.environ:
        return meet(names)
    try:
        return get_device(names)
    except ValueError as error:
        raise ValueError(f"--device {preferred}: {error}") from None


def _train(recipe: Recipe, device: torch.device, options: argparse.Namespace, command: str) -> None:
    out = options.out
    origin = provenance(device)  # now: an edit while the run goes on is not what ran
    state = read_checkpoint(out / CHECKPOINT, recipe) if options.resume else _check_free(out)
    if state and state.get("epoch") == recipe.epochs and (out / HISTORY).exists():
        return _print(f"The run in {out} is finished; nothing was changed.")
    run = Run(recipe, device, options.data_root)
    snapshots = _snapshots(run, options)
    if state:
        _restore(run, state, out)
    elif rank() == 0:
        _check_free(out)  # another run may have begun while the data was read
    _save(run, out, snapshots)
    count = f"{count_trainable_parameter(run.net):,} parameters"
    _print(f"{count}, {device}, {run.amp_dtype}\n{HEADER}")
    while run.epoch < recipe.epochs:
        metrics = run.train_epoch()
        _save(run, out, snapshots)
        _print(_line(run.epoch, metrics))
    if rank() == 0:
        record = _record(run, command) | origin
        save_weights(out / WEIGHTS, run.result)
        write_atomically(out / HISTORY, to_json(record))
        _print(f"Test accuracy {record['test_accuracy']:.4f} (n = {record['test_images']:,}).")
        _print(f"Wrote {HISTORY}, {WEIGHTS} and {CHECKPOINT} to {out}.")


def _check_free(out: Path) -> None:
    """Raise FileExistsError if the folder holds a run, or a part of one."""
    held = [name for name in (CHECKPOINT, HISTORY, WEIGHTS) if (out / name).exists()]
    if CHECKPOINT in held:
        raise FileExistsError(f"{out} holds a run. Fix: --resume, or another --out.")
    if held:
        raise FileExistsError(f"{out} holds {held}, but no {CHECKPOINT}. Fix: another --out.")


def _check_resumable(out: Path) -> None:
    if not (out / CHECKPOINT).exists():
        raise FileNotFoundError(
            f"{out} holds no {CHECKPOINT} to go on from. Fix: the --out of the run that was "
            "interrupted, or no --resume to start one."
        )


def _restore(run: Run, state: dict[str, Any], out: Path) -> None:
    """Go on from `state`, and tidy up after the process that was killed."""
    here = str(run.amp_dtype)
    began = state.get("precision", here)  # older checkpoints do not say
    if began != here:
        raise ValueError(
            f"This run began in {began}; here it would go on in {here}. "
            "Fix: resume it on a machine like the first, or another --out."
        )
    try:
        run.load_state_dict(state)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        # An intact file, but of other content.
        raise damaged(out / CHECKPOINT, error) from error
    if rank() == 0:  # it holds the folder
        for path in (*out.iterdir(), *(out / "snapshots").glob("*")):
            if UNFINISHED.fullmatch(path.relative_to(out).as_posix()) and path.is_file():
                path.unlink(missing_ok=True)


def _snapshot_names(run: Run) -> list[str]:
    return [n for n in run.result.state_dict() if "token_mixing" in n or "embedding" in n]


def _snapshots(run: Run, options: argparse.Namespace) -> set[int]:
    """Return the epochs whose token mixing and stem are kept."""
    if hasattr(options, "snapshots") and not _snapshot_names(run):
        raise ValueError(
            f"--snapshots has no effect with model={run.recipe.model!r}, which has no token "
            "mixing. Fix: leave --snapshots out."
        )
    chosen = getattr(options, "snapshots", None)
    if chosen and max(chosen) > run.recipe.epochs:
        raise ValueError(
            f"--snapshots names epoch {max(chosen)}, and epochs={run.recipe.epochs} ends before. "
            f"Fix: epochs up to {run.recipe.epochs}."
        )
    return _epochs(SNAPSHOTS) if chosen is None else chosen


def _save(run: Run, out: Path, snapshots: set[int]) -> None:
    """Write the checkpoint and, at chosen epochs, the token mixing of the resulting network."""
    if rank() != 0:
        return
    names = _snapshot_names(run)
    if names and (run.epoch in snapshots or run.epoch == run.recipe.epochs):
        path = out / "snapshots" / f"epoch_{run.epoch:04d}.safetensors"
        save_weights(path, run.result, names)
    save_checkpoint(out / CHECKPOINT, run.state_dict())


def _record(run: Run, command: str) -> dict[str, Any]:
    """Return what history.json holds, but for where and when it was made."""
    return {
        "command": command,
        "recipe": run.recipe.as_dict(),
        "parameters": count_trainable_parameter(run.net),
        "macs": count_macs(run.net, tuple(run.test.images.shape[1:])),
        "precision": str(run.amp_dtype).removeprefix("torch."),
        "processes": processes(),
        **run.test_metrics(),
        "history": run.history,
    }


def _line(epoch: int, metrics: dict[str, float | str]) -> str:
    val = ("val_loss", "val_accuracy")
    loss, accuracy = (f"{metrics[name]:.4f}" if name in metrics else "  -   " for name in val)
    return (
        f"{epoch:5d}  {metrics['learning_rate']:.2e}  {metrics['train_loss']:.4f}      "
        f"{metrics['train_accuracy']:.4f}  {loss}    {accuracy}  {metrics['train_time']:7.1f}"
    )


def _print(text: str) -> None:
    if rank() == 0:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
