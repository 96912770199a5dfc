"""Train recursive networks on 6 x 6 and 9 x 9 Sudoku and make the records 16_sudoku*.json.

    python resources/experiments/sudoku.py train token-mlp --seeds 0 1 2 --lr 0.005
    python resources/experiments/sudoku.py train token-mlp --seeds 0 1 2 --side 9
    python resources/experiments/sudoku.py unpack
    python resources/experiments/sudoku.py record
    python resources/experiments/sudoku.py keep 0

`train` leaves a file for each run in `runs/sudoku/` (not committed) and passes over those that are
there; `unpack` puts the runs of the records back there; `record` gathers all of them; `keep` takes
over the weights of a seed of the chosen recipe. Choices are made on validation puzzles; the test
puzzles are seen once a run, at its end.
"""

import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from hdd import command
from hdd.models.learned_weights import effective_mixing
from hdd.models.nn_utils import count_trainable_parameter
from hdd.tasks.recursive_mixer import KINDS, RecursiveNet, Training, rules, solved, train
from hdd.tasks.sudoku import (
    LEVELS,
    SIDE,
    Puzzles,
    difficulty,
    disguised,
    generate,
    rounds_of_singles,
    side_of,
)
from hdd.train.checkpoint import save_weights
from hdd.train.intervals import half_width
from hdd.train.records import CHECKPOINTS, RUNS, provenance, save_run

FOLDER = RUNS.parents[1] / "runs" / "sudoku"
POOL, VALIDATION, TEST = 4000, 250, 1000  # puzzles
RECURSIONS = 6  # in training
ANSWER, MOST = 8, 16  # recursions at test: when the answer is read, and how far it is watched
PASSED = 0.99


class Game(NamedTuple):
    """The puzzles of one side: how many cells are given in training, at test, in the harder test.

    `every`: steps from one look at the validation puzzles to the next; the rise takes some 60 with
    6 x 6, and longer with 9 x 9.
    """

    trained_on: tuple[int, ...]
    tested_on: tuple[int, ...]
    few: int
    every: int


GAMES = {
    6: Game((11, 12, 13, 14), (13, 14), 10, 10),  # fewer than at test, so that more are hard
    9: Game(tuple(range(36, 47)), tuple(range(36, 47)), 30, 25),
}


def puzzle_sets(side: int) -> dict[str, Puzzles]:
    """Return the puzzles of all runs, the same for every seed."""
    game = GAMES[side]
    return {
        "training": generate(POOL, "training", givens=game.trained_on, seed=100, side=side),
        "validation": generate(
            VALIDATION, "validation", givens=game.tested_on, seed=200, side=side
        ),
        "test": generate(TEST, "test", givens=game.tested_on, seed=300, side=side),
        "few givens": generate(TEST // 2, "test", givens=(game.few,), seed=400, side=side),
    }


def untrained(kind: str, recursions: int, side: int) -> RecursiveNet:
    """Return a network at its start; its token MLP is twice as wide as there are cells."""
    return RecursiveNet(kind, recursions=recursions, side=side, token_dim=2 * side * side)


def one_run(kind: str, how: Training, recursions: int, seed: int, sets: dict[str, Puzzles]) -> dict:
    """Train one network; return how it went and what it can do, and keep its weights."""
    torch.manual_seed(seed)
    validation = sets["validation"]
    side = side_of(validation.givens.shape[1])
    net, curve = untrained(kind, recursions, side), []

    def watch(step: int) -> None:
        if step % GAMES[side].every == 0 or step == how.steps:
            right = solved(net, validation, ANSWER)[-1]
            curve.append([step, share(right.all(dim=1)), share(right[validation.empty])])
            print(kind, seed, *curve[-1], flush=True)

    begin = time.process_time()
    losses = train(net, sets["training"], how, seed, watch)
    seconds = time.process_time() - begin
    save_weights(FOLDER / f"{name_of(kind, how, recursions, seed, side)}.safetensors", net)
    return {
        "side": side,
        "kind": kind,
        "seed": seed,
        "recursions": recursions,
        "training": how._asdict(),
        "parameters": count_trainable_parameter(net),
        "validation_puzzles_cells_by_step": curve,
        "loss_of_the_last_fifty_steps": statistics.mean(losses[-50:]),
        "cpu_seconds": seconds,
        **abilities(net, sets),
        "made": provenance("cpu"),  # a record gathers runs of several days and machines
    }


@torch.no_grad()
def abilities(net: RecursiveNet, sets: dict[str, Puzzles]) -> dict[str, Any]:
    """Return what a trained network solves of the test puzzles."""
    test, few = sets["test"], sets["few givens"]
    right = solved(net, test, MOST)
    done = right.all(dim=2)  # (recursions, N)
    after = ANSWER - 1
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(test.givens.shape[1], generator=generator)
    half = test[: TEST // 2]
    moved = Puzzles(*(field[:, order] for field in half))
    after_move = solved(net, moved, ANSWER)[-1]
    on_few = solved(net, few, MOST).all(dim=2)
    found = {
        "test_puzzles": share(done[after]),
        "test_cells": share(right[after][test.empty]),
        "test_puzzles_by_recursion": done.float().mean(dim=1).tolist(),
        "test_puzzles_by_rounds": by_group(done[after], rounds_of_singles(test.givens)),
        "recursions_needed_by_rounds": needed(done, rounds_of_singles(test.givens)),
        "few_givens_by_recursion": on_few.float().mean(dim=1).tolist(),
        "few_givens_by_level": by_level(on_few[after], few),
        "disguised_puzzles": share(solved(net, disguised(half, generator), ANSWER)[-1].all(dim=1)),
        "relabelled_cells_puzzles": share(after_move.all(dim=1)),
        "relabelled_cells_cells": share(after_move[moved.empty]),
    }
    return found | ({"rules": rules_by_block(net)} if net.kind == "token-mlp" else {})


def by_level(done: Tensor, puzzles: Puzzles) -> dict[str, list[float]]:
    """Return share and number of solved puzzles by what a person needs for them."""
    groups = by_group(done, difficulty(puzzles.givens))
    return {LEVELS[int(level)]: value for level, value in groups.items()}


def rules_by_block(net: RecursiveNet) -> list[dict[str, float]]:
    """Return the rules that each block's W2 W1 shows, beside their joint null."""
    result = []
    for layer in range(len(net.blocks)):
        found = rules(effective_mixing(net, layer))
        nulls = {"null": found.null, "signed_null": found.signed_null}
        chance = {
            f"{name}_{what}": float(value)
            for name, null in nulls.items()
            for what, value in (("mean", null.mean()), ("sd", null.std()), ("largest", null.max()))
        }
        areas = {"auc": found.auc, "signed_auc": found.signed_auc, "draws": len(found.null)}
        signs = {"mean_on_peers": found.peers, "mean_on_others": found.others}
        result.append(areas | chance | signs)
    return result


def share(right: Tensor) -> float:
    """Return the mean of a mask."""
    return right.double().mean().item()


def by_group(right: Tensor, group: Tensor) -> dict[str, list[float]]:
    """Return for each group its share and number of right ones."""
    numbers = group.unique().tolist()
    return {str(n): [share(right[group == n]), int((group == n).sum())] for n in numbers}


def needed(done: Tensor, rounds: Tensor) -> dict[str, float]:
    """Return for puzzles that take so many rounds the mean recursion that first solves them."""
    ever = done.any(dim=0)
    first = done.long().argmax(dim=0) + 1
    groups = {n: first[ever & (rounds == n)] for n in rounds.unique().tolist()}
    return {str(n): float(some.double().mean()) for n, some in groups.items() if len(some)}


def name_of(kind: str, how: Training, recursions: int, seed: int, side: int = SIDE) -> str:
    """Return the name of a run's files."""
    board = "" if side == SIDE else f"{side}x{side}_"
    rates = f"{how.optimizer}_{how.lr:g}_{how.adamw_lr:g}_{how.weight_decay:g}"
    loss = f"r{recursions}_{how.reveal:g}_{how.emphasis:g}"
    return f"{board}{kind}_{rates}_{how.steps}x{how.batch}_{loss}_seed{seed}"


def wilson(successes: float, n: int) -> list[float]:
    """Return the 95 % interval of a share (Wilson, 1927)."""
    z, p = 1.96, successes / n
    centre, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [(centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]


def mean_interval(values: list[float]) -> list[float] | None:
    """Return the 95 % interval of the mean of two seeds or more; None for one."""
    if len(values) < 2:
        return None
    mean, half = statistics.mean(values), half_width(values)
    return [mean - half, mean + half]


def summary(runs: list[dict]) -> dict[str, Any]:
    """Return what the seeds of one recipe say together."""
    passed = sum(run["test_puzzles"] >= PASSED for run in runs)
    values = [run["test_puzzles"] for run in runs]
    kind, seeds = runs[0]["kind"], " ".join(str(run["seed"]) for run in runs)
    given = " ".join(f"--{k.replace('_', '-')} {v}" for k, v in runs[0]["training"].items())
    command = f"python resources/experiments/sudoku.py train {kind} --seeds {seeds} {given}"
    side = runs[0].get("side", SIDE)  # the first runs did not say it
    return {
        "command": f"{command} --recursions {runs[0]['recursions']} --side {side}",
        "seeds": [run["seed"] for run in runs],
        "passed": passed,
        "share_passed_interval": wilson(passed, len(runs)),
        "test_puzzles": values,
        "mean_test_puzzles": statistics.mean(values),
        "mean_test_puzzles_interval": mean_interval(values),
        "share_passed_by_step": passed_by_step(runs),
        **rules_over_seeds(runs),
        "runs": runs,
    }


def rules_over_seeds(runs: list[dict]) -> dict[str, Any]:
    """Return the areas of the better block, by seed, with the interval of their mean."""
    if "rules" not in runs[0]:
        return {}
    found = {}
    for name in ("auc", "signed_auc"):
        best = [max(block[name] for block in run["rules"]) for run in runs]
        found |= {f"{name}_of_the_better_block": best, f"{name}_interval": mean_interval(best)}
    return found


def passed_by_step(runs: list[dict]) -> list[list[float]]:
    """Return [step, share of the seeds that solve 99 % of the validation puzzles]."""
    curves = [run["validation_puzzles_cells_by_step"] for run in runs]
    steps = [step for step, *_ in curves[0]]
    return [
        [step, statistics.mean(curve[i][1] >= PASSED for curve in curves)]
        for i, step in enumerate(steps)
    ]


def unpack() -> None:
    """Put the runs of the records back, each into a file: `record` then adds new ones to them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for record in sorted(RUNS.glob("16_sudoku*.json")):
        content = json.loads(record.read_text(encoding="utf-8"))
        written = {key: content[key] for key in provenance("cpu") if key in content}
        for run in (run for recipe in content.get("recipes", ()) for run in recipe["runs"]):
            run.setdefault("made", written)  # the first runs did not say it themselves
            what = run["kind"], Training(**run["training"]), run["recursions"], run["seed"]
            path = FOLDER / f"{name_of(*what, run.get('side', SIDE))}.json"
            path.write_text(json.dumps(run, indent=1), encoding="utf-8")


def record() -> None:
    """Write one record for each kind of network: its recipes, each with all its seeds."""
    kinds: dict[tuple[int, str], dict[str, list[dict]]] = {}
    for path in sorted(FOLDER.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        weights, side = path.with_suffix(".safetensors"), run.get("side", SIDE)
        if "rules" in run and weights.exists():  # they may be older than this script
            run["rules"] = rules_by_block(trained(weights, side))
        recipes = kinds.setdefault((side, run["kind"]), {})
        recipes.setdefault(path.stem.rsplit("_seed", 1)[0], []).append(run)
    for (side, kind), recipes in kinds.items():
        game = GAMES[side]
        content = {
            "side": side,
            "test_n": TEST,
            "few_givens_n": TEST // 2,
            "validation_n": VALIDATION,
            "training_pool": POOL,
            "training_givens": game.trained_on,
            "test_givens": game.tested_on,
            "few_givens": game.few,
            "answer_after": ANSWER,
            "recipes": [summary(sorted(r, key=lambda run: run["seed"])) for r in recipes.values()],
        }
        board = "" if side == SIDE else side
        save_run(f"16_sudoku{board}_{kind}", content, "cpu")


WHOLE = {"unpack": unpack, "record": record}  # actions on all runs


def keep(seed: int) -> None:
    """Copy the weights of the chosen recipe's run to resources/checkpoints; record an example."""
    weights = FOLDER / f"{name_of(KINDS[0], Training(), RECURSIONS, seed)}.safetensors"
    target = CHECKPOINTS / "16_sudoku" / f"token-mlp_seed{seed}.safetensors"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(weights.read_bytes())
    save_run("16_sudoku_example", {"weights": target.name, **time_course(trained(target))}, "cpu")


def trained(path: Path, side: int = SIDE) -> RecursiveNet:
    """Return the token-MLP network whose weights are in a file."""
    net = untrained(KINDS[0], RECURSIONS, side)
    net.load_state_dict(load_file(path))
    return net.eval()


@torch.no_grad()
def time_course(net: RecursiveNet) -> dict[str, Any]:
    """Return what the network thinks after each recursion of a test puzzle that takes long."""
    test = generate(TEST, "test", seed=300)
    rounds = rounds_of_singles(test.givens)
    chosen = int(rounds.argmax())
    answers = net(test.givens[chosen][None], ANSWER)[:, 0].softmax(dim=2)  # (ANSWER, 36, 6)
    certainty, digits = answers.max(dim=2)
    return {
        "rounds": int(rounds[chosen]),
        "givens": test.givens[chosen].tolist(),
        "solution": test.solutions[chosen].tolist(),
        "digits_by_recursion": digits.tolist(),
        "probability_by_recursion": [[round(p, 4) for p in row] for row in certainty.tolist()],
    }


def parser() -> command.OneLineParser:
    """Return the command line's parser."""
    parser = command.described()
    actions = parser.add_subparsers(dest="action", required=True)
    training = actions.add_parser("train")
    training.add_argument("kind", choices=KINDS)
    training.add_argument("--seeds", type=int, nargs="+", default=[0])
    training.add_argument("--recursions", type=int, default=RECURSIONS)
    training.add_argument("--side", type=int, default=SIDE, choices=tuple(GAMES))
    for name, value in Training()._asdict().items():
        option = f"--{name.replace('_', '-')}"
        training.add_argument(option, type=type(value), default=value)
    for name in WHOLE:
        actions.add_parser(name)
    keeping = actions.add_parser("keep")
    keeping.add_argument("seed", type=int)
    return parser


def main(action: str, **given: Any) -> None:
    """Train, record or keep, as asked."""
    if action in WHOLE:
        WHOLE[action]()
    elif action == "keep":
        keep(given["seed"])
    else:
        how = Training(**{name: given[name] for name in Training._fields})
        kind, recursions, side = given["kind"], given["recursions"], given["side"]
        FOLDER.mkdir(parents=True, exist_ok=True)
        sets = puzzle_sets(side)
        for seed in given["seeds"]:
            path = FOLDER / f"{name_of(kind, how, recursions, seed, side)}.json"
            if not path.exists():
                run = one_run(kind, how, recursions, seed, sets)
                path.write_text(json.dumps(run, indent=1), encoding="utf-8")
                print(path.stem, f"{run['test_puzzles']:.3f}", run.get("rules"), flush=True)


if __name__ == "__main__":
    sys.exit(command.run(main, parser()))
