"""Experiments of many short trainings: each result is kept as soon as it is there.

A script calls `finished` with its jobs. Results go to `runs/experiments/` (not committed); a run
that is interrupted goes on where it stopped, and `--share 1/3` leaves jobs to other processes. Only
once all results are there is there anything to write a record from.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parents[2] / "runs" / "experiments"


def finished(name: str, jobs: Sequence[tuple], work: Callable[..., Any]) -> dict[tuple, Any] | None:
    """Return the result of every job, or None while other processes have some of them to do.

    Args:
        name: of the experiment; its results are in FOLDER.
        jobs: the arguments of `work`, numbers and strings.
        work: returns what JSON can hold.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", default="1/1", help="which part of the jobs, such as 1/3")
    part, parts = map(int, parser.parse_args().share.split("/"))
    torch.set_num_threads(1)  # so that a record does not depend on the machine's cores
    FOLDER.mkdir(parents=True, exist_ok=True)
    for job in jobs[part - 1 :: parts]:
        if job not in _results(name):
            result = work(*job)
            with (FOLDER / f"{name}.{part}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps([job, result]) + "\n")
            print(*job, result, flush=True)
    results = _results(name)
    missing = [job for job in jobs if job not in results]
    print(f"{len(missing)} of {len(jobs)} jobs are missing")
    return None if missing else {job: results[job] for job in jobs}


def _results(name: str) -> dict[tuple, Any]:
    lines = [
        json.loads(line)
        for path in sorted(FOLDER.glob(f"{name}.*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {tuple(job): result for job, result in lines}
