"""Experiments of many short trainings: each result is kept as soon as it is there.

A script calls `finished` with its jobs. Results go to `runs/experiments/` (not committed); a run
that is interrupted goes on where it stopped, and `--share 1/3` leaves jobs to other processes.
`--so-far` does no job, and lets a script that can do so write its record from the results that are
there: the record says how many each figure rests on. It also says by which code and on which
machines they were trained, which may be others than those that write it.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from hdd.command import OneLineParser, described, run
from hdd.train.records import provenance, save_run

ROOT = Path(__file__).parents[2]
FOLDER, DATA_ROOT = ROOT / "runs" / "experiments", ROOT / "dataset"
TRAINED_BY: list[dict | None] = []  # code and machines behind what `finished` has returned
# Of trainings of a few epochs on CIFAR-10: light augmentation, choices on a tenth of the images.
SHORT = {
    "batch_size": 128,
    "adamw_lr": 3e-3,
    "auto_augment": False,
    "crop_padding": 2,
    "cutmix": 0.0,
    "weight_average": 0.0,
    "validation": 0.1,
}


def start(main: Callable[[], object]) -> int:
    """Read the options for `finished` before anything is computed; return the exit code."""
    return run(lambda **_: main(), shares())


def shares() -> OneLineParser:
    """Return the parser of the options for `finished`."""
    parser = described()
    parser.add_argument(
        "--share", type=_share, default=(1, 1), help="which part of the jobs, such as 1/3"
    )
    parser.add_argument("--so-far", action="store_true", help="do nothing, take what is there")
    return parser


def _share(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} must be a part of all, from 1/3 to 3/3")
    return int(match[1]), int(match[2])


def finished(
    name: str, jobs: Sequence[tuple], work: Callable[..., Any], partial: bool = False
) -> dict[tuple, Any] | None:
    """Do what is missing; return the results by job, or None while some are missing.

    Other processes may have some to do, see `--share`.

    Args:
        name: of the experiment; its results are in FOLDER.
        jobs: the arguments of `work`, numbers and strings.
        work: returns what JSON can hold.
        partial: with `--so-far`, return what is there, if it is but one result.
    """
    options = shares().parse_args()
    part, parts = options.share
    torch.set_num_threads(1)  # so that a record does not depend on the machine's cores
    FOLDER.mkdir(parents=True, exist_ok=True)
    for job in [] if options.so_far else jobs[part - 1 :: parts]:
        if job not in _read(name)[0]:
            origin, result = _origin(), work(*job)
            with (FOLDER / f"{name}.{part}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps([job, result, origin]) + "\n")
            print(*job, result, flush=True)
    results, origins = _read(name)
    for job in jobs:
        if job in results and origins[job] not in TRAINED_BY:
            TRAINED_BY.append(origins[job])
    missing = [job for job in jobs if job not in results]
    print(f"{len(missing)} of {len(jobs)} jobs are missing")
    there = {job: results[job] for job in jobs if job in results}
    if missing and not (partial and options.so_far and there):
        return None
    return there


def save(name: str, content: dict[str, Any]) -> None:
    """Write a record of results of `finished`, with the code and machines that trained them."""
    save_run(name, content | {"trained_by": TRAINED_BY}, "cpu")


def _origin() -> dict[str, Any]:
    """Return by which code and on which machine a result is made."""
    made = provenance("cpu")
    return {**(made["code"] or {}), "device": made["device"], "processor": made["processor"]}


def _read(name: str) -> tuple[dict[tuple, Any], dict[tuple, Any]]:
    """Return results by job, and where they come from by job."""
    results, origins = {}, {}
    for path in sorted(FOLDER.glob(f"{name}.*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                job, result, *origin = json.loads(line)
                results[tuple(job)] = result
                origins[tuple(job)] = origin[0] if origin else None
            except (TypeError, ValueError) as error:  # as after a kill in the middle of a line
                raise ValueError(
                    f"Line {number} of {path} is no result ({error}). Fix: delete this line; its "
                    "job is then done again."
                ) from error
    return results, origins
