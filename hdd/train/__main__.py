"""`python -m hdd.train`: one recorded run, from the command line.

Several processes: `torchrun --standalone --nproc-per-node=2 -m hdd.train ...`.
"""

import argparse
import dataclasses
import os
import shlex
import sys
from pathlib import Path

import torch
from torch import distributed

from hdd.command import EXPECTED, OneLineParser, fail
from hdd.device.utils import get_device
from hdd.files import write_atomically
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
from hdd.train.recipe import CHOICES, Recipe
from hdd.train.records import provenance, to_json
from hdd.train.run import Run

HEADER = "epoch   lr        train loss  acc     val loss  acc     seconds"


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m hdd.train",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for knob in dataclasses.fields(Recipe):
        flag = "--" + knob.name.replace("_", "-")
        options = {"default": knob.default, "help": knob.metadata["help"]}
        if knob.type is bool:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options |= {"type": knob.type, "choices": CHOICES.get(knob.name)}
        parser.add_argument(flag, **options)
    parser.add_argument(
        "--out",
        type=_folder,
        required=True,
        default=argparse.SUPPRESS,
        help="folder for what the run writes",
    )
    parser.add_argument("--data-root", type=Path, default=Path("dataset"), help="of the data sets")
    parser.add_argument("--device", default="cuda,mps,cpu", help="the first that exists")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument(
        "--snapshots",
        type=_epochs,
        default="0,1,2,4,8,16,32",
        help="epochs after which token mixing and stem are kept, beside the last",
    )
    return parser


def _folder(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError("the empty text names no folder")
    return Path(text).expanduser()


def _epochs(text: str) -> set[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} must be whole numbers, as in 0,1,2")
    return {int(part) for part in parts}


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code: 0, 2 after a one-line error, 130 after Ctrl-C."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        recipe = Recipe(**{f.name: getattr(options, f.name) for f in dataclasses.fields(Recipe)})
        device = _join_processes(options.device)
        _train(recipe, device, options, shlex.join(sys.argv[1:] if argv is None else argv))
    except EXPECTED as error:
        return fail(parser.prog, error)
    except KeyboardInterrupt:
        fix = "the same command with --resume goes on"
        print(f"{parser.prog}: interrupted. Fix: {fix}.", file=sys.stderr)
        return 130
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


def _join_processes(preferred: str) -> torch.device:
    """Return this process's device; under torchrun, meet the other processes first."""
    names = [name.strip() for name in preferred.split(",")]
    return meet(names) if "RANK" in os.environ else get_device(names)


def _train(recipe: Recipe, device: torch.device, options, arguments: str) -> None:
    out = options.out
    state = _earlier_state(out, options.resume, recipe)
    if state and state.get("epoch") == recipe.epochs and (out / HISTORY).exists():
        return _say(f"The run in {out} is finished; nothing was changed.")
    run = Run(recipe, device, options.data_root)
    if state:
        _go_on(run, state, out / CHECKPOINT)
    elif rank() == 0:
        _earlier_state(out, False, recipe)  # another run may have begun while the data was read
    _keep(run, out, options.snapshots)
    _say(f"{count_trainable_parameter(run.net):,} parameters, {device}, {run.amp_dtype}\n{HEADER}")
    while run.epoch < recipe.epochs:
        figures = run.train_epoch()
        _keep(run, out, options.snapshots)
        _say(_line(run.epoch, figures))
    if rank() == 0:
        record = _record(run, arguments)
        save_weights(out / WEIGHTS, run.result)
        write_atomically(out / HISTORY, to_json(record))
        _say(f"Test accuracy {record['test_accuracy']:.4f} (n = {record['test_images']:,}).")
        _say(f"Wrote {HISTORY}, {WEIGHTS} and {CHECKPOINT} to {out}.")


def _earlier_state(out: Path, resume: bool, recipe: Recipe) -> dict | None:
    """Return the state to go on from, or None for a fresh start; never overwrite a run."""
    held = [name for name in (CHECKPOINT, HISTORY, WEIGHTS) if (out / name).exists()]
    if not held:
        return None
    if CHECKPOINT not in held:
        raise FileExistsError(f"{out} holds {held}, but no {CHECKPOINT}. Fix: another --out.")
    if not resume:
        raise FileExistsError(f"{out} holds a run. Fix: --resume, or another --out.")
    return read_checkpoint(out / CHECKPOINT, recipe)


def _go_on(run: Run, state: dict, checkpoint: Path) -> None:
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
        raise damaged(checkpoint, error) from error  # an intact file, but of other content


def _keep(run: Run, out: Path, snapshots: set[int]) -> None:
    """Write the checkpoint and, at chosen epochs, the token mixing of the resulting network."""
    if rank() != 0:
        return
    names = [n for n in run.result.state_dict() if "token_mixing" in n or "embedding" in n]
    if names and (run.epoch in snapshots or run.epoch == run.recipe.epochs):
        path = out / "snapshots" / f"epoch_{run.epoch:04d}.safetensors"
        save_weights(path, run.result, names)
    save_checkpoint(out / CHECKPOINT, run.state_dict())


def _record(run: Run, arguments: str) -> dict:
    """Return what history.json holds."""
    return {
        "command": f"python -m hdd.train {arguments}",
        "recipe": dataclasses.asdict(run.recipe),
        "parameters": count_trainable_parameter(run.net),
        "macs": count_macs(run.net, tuple(run.test.images.shape[1:])),
        "precision": str(run.amp_dtype).removeprefix("torch."),
        "processes": processes(),
        **run.test_figures(),
        "history": run.history,
        **provenance(run.device),
    }


def _line(epoch: int, figures: dict[str, float]) -> str:
    val = ("val_loss", "val_accuracy")
    loss, accuracy = (f"{figures[name]:.4f}" if name in figures else "  -   " for name in val)
    return (
        f"{epoch:5d}  {figures['learning_rate']:.2e}  {figures['train_loss']:.4f}      "
        f"{figures['train_accuracy']:.4f}  {loss}    {accuracy}  {figures['train_time']:7.1f}"
    )


def _say(text: str) -> None:
    if rank() == 0:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
