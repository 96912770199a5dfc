"""`python -m hdd.train`: one recorded run, from the command line.

Several processes: `torchrun --nproc-per-node=2 -m hdd.train ...`.
"""

import argparse
import dataclasses
import json
import os
import shlex
import sys
from pathlib import Path

import torch
from torch import distributed

from hdd.device.utils import get_device, keep_freed_memory
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.train.engine import (
    CHECKPOINT,
    WEIGHTS,
    Run,
    RunError,
    processes,
    rank,
    read_checkpoint,
    save_weights,
    write_atomically,
)
from hdd.train.recipe import CHOICES, Recipe
from hdd.train.records import provenance

HEADER = "epoch   lr        train loss  acc     val loss  acc     seconds"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
    parser.add_argument("--out", type=Path, required=True, help="folder for what the run writes")
    parser.add_argument("--data-root", type=Path, default=Path("dataset"), help="of the data sets")
    parser.add_argument("--device", default="cuda,mps,cpu", help="the first that exists")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    parser.add_argument(
        "--snapshots", default="0,1,2,4,8,16,32", help="epochs whose token mixing is kept"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run; return the exit code: 0, or 2 after a one-line error."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        recipe = Recipe(**{f.name: getattr(options, f.name) for f in dataclasses.fields(Recipe)})
        device = _join_processes(options.device)
        snapshots = {int(epoch) for epoch in options.snapshots.split(",") if epoch}
        _train(recipe, device, options, snapshots, shlex.join(argv or sys.argv[1:]))
    except (RunError, ValueError, OSError, FloatingPointError) as error:
        print(f"{parser.prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
    return 0


def _join_processes(preferred: str) -> torch.device:
    """Return this process's device; under torchrun, meet the other processes first."""
    keep_freed_memory()
    device = get_device(preferred.split(","))
    if "RANK" not in os.environ:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def _train(recipe: Recipe, device, options, snapshots: set[int], arguments: str) -> None:
    out = options.out
    checkpoint = out / CHECKPOINT
    state = _open_folder(out, options.resume, recipe)
    run = Run(recipe, device, options.data_root)
    if state is not None:
        run.load_state_dict(state)
    _keep(run, out, snapshots)
    _say(f"{count_trainable_parameter(run.net):,} parameters, {device}, {run.amp_dtype}\n{HEADER}")
    while run.epoch < recipe.epochs:
        figures = run.train_epoch()
        _keep(run, out, snapshots)
        _say(_line(run.epoch, figures))
    if rank() == 0:
        save_weights(out / WEIGHTS, run.result)
        record = _record(run, arguments)
        text = json.dumps(record, indent=1) + "\n"
        write_atomically(out / "history.json", lambda path: path.write_text(text, "utf-8"))
        _say(f"Test accuracy {record['test_accuracy']:.4f} (n = {record['test_images']:,}).")
        _say(f"Wrote history.json, {WEIGHTS} and {checkpoint.name} to {out}.")


def _open_folder(out: Path, resume: bool, recipe: Recipe) -> dict | None:
    """Return the state to go on from, or None for a fresh start; never overwrite a run."""
    checkpoint = out / CHECKPOINT
    if checkpoint.exists():
        if not resume:
            raise RunError(f"{out} holds a run. Fix: --resume to go on, or another --out.")
        return read_checkpoint(checkpoint, recipe)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"Cannot make folder {out}: {error.strerror}. Fix: another --out."
        ) from error
    return None


def _keep(run: Run, out: Path, snapshots: set[int]) -> None:
    """Write the checkpoint and, at chosen epochs, the token mixing of the resulting network."""
    if rank() != 0:
        return
    if run.epoch in snapshots or run.epoch == run.recipe.epochs:
        folder = out / "snapshots"
        folder.mkdir(exist_ok=True)
        names = [n for n in run.result.state_dict() if "token_mixing" in n or "embedding" in n]
        if names:
            save_weights(folder / f"epoch_{run.epoch:04d}.safetensors", run.result, tuple(names))
    state = run.state_dict()
    write_atomically(out / CHECKPOINT, lambda path: torch.save(state, path))


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
