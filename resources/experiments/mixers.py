"""Eight token mixers on CIFAR-10 with 8 x 8 tokens, where local and global differ.

    python resources/experiments/mixers.py

Writes resources/runs/mixers_cifar10.json; with `--so-far` it holds what is there. The networks
have the same frame and as many parameters; four rates are tried with two seeds on validation
images, five other seeds train with the best, and only these see the test images.
"""

import itertools
import statistics
import sys

import torch
from jobs import DATA_ROOT, SHORT, finished, save, start

from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.models.token_mixers import MIXER_KINDS
from hdd.train.intervals import difference, holm, summary
from hdd.train.recipe import Recipe
from hdd.train.run import Run

RATES, TUNING, FINAL = (3e-3, 1e-2, 3e-2, 1e-1), (0, 1), (2, 3, 4, 5, 6)
TUNING_EPOCHS, EPOCHS = 3, 6
SETTINGS = SHORT | {"patch_size": 4, "dim": 48, "depth": 4}


def trained(kind: str, lr: float, seed: int, epochs: int) -> Run:
    """Return a finished run; seed by seed, mixers share split, order and crops."""
    recipe = Recipe(**SETTINGS, model=kind, lr=lr, seed=seed, epochs=epochs)
    return Run(recipe, torch.device("cpu"), DATA_ROOT).finish()


def validated(*job) -> float:
    """Train; return the last epoch's validation accuracy in %. The test set is not looked at."""
    return round(100 * trained(*job, TUNING_EPOCHS).history["val_accuracy"][-1], 2)


def tested(*job) -> dict[str, float]:
    """Train with the chosen rate; return accuracies in % and the network's sizes."""
    run = trained(*job, EPOCHS)
    return {
        "test": round(100 * run.test_metrics()["test_accuracy"], 2),
        "train": round(100 * run.history["train_accuracy"][-1], 2),
        "macs": count_macs(run.net, (3, 32, 32)),
        "parameters": count_trainable_parameter(run.net),
    }


def compared(kind: str, trials: dict[tuple, float]) -> dict | None:
    """Return what was tried for a mixer, its best rate, and what the seeds have with it."""
    tried = {lr: [trials[kind, lr, s] for s in TUNING if (kind, lr, s) in trials] for lr in RATES}
    if any(len(values) < len(TUNING) for values in tried.values()):
        return None
    means = {lr: round(statistics.mean(values), 2) for lr, values in tried.items()}
    best = max(means, key=means.get)
    found = finished("mixers", [(kind, best, s) for s in FINAL], tested, partial=True)
    if found is None:
        return None
    results = list(found.values())
    content = {"lr": best, "trials": [{"lr": lr, "validation": v} for lr, v in means.items()]}
    content |= {key: results[0][key] for key in ("macs", "parameters")}
    return content | {key: summary([one[key] for one in results]) for key in ("train", "test")}


def differences(mixers: dict[str, dict]) -> list[dict]:
    """Return the paired difference of every two mixers on the test images, with Holm's p."""
    tests = {kind: one["test"]["values"] for kind, one in mixers.items()}
    n = min(map(len, tests.values()))  # with --so-far, the seeds that all mixers have
    pairs = list(itertools.combinations(tests, 2)) if n > 1 else []
    found = [difference(tests[a][:n], tests[b][:n]) for a, b in pairs]
    corrected = holm([one["p"] for one in found])
    rows = zip(pairs, found, corrected, strict=True)
    return [{"pair": pair, "n": n, **one, "corrected_p": round(p, 5)} for pair, one, p in rows]


def main() -> None:
    """Tune, train, and write the record of what is there."""
    jobs = list(itertools.product(MIXER_KINDS, RATES, TUNING))
    trials = finished("mixer_trials", jobs, validated, partial=True) or {}
    found = {kind: compared(kind, trials) for kind in MIXER_KINDS}
    mixers = {kind: one for kind, one in found.items() if one}
    if not mixers:
        return
    content = {
        "command": "python resources/experiments/mixers.py",
        "settings": SETTINGS | {"epochs": EPOCHS, "tuning_epochs": TUNING_EPOCHS},
        "seeds": {"tuning": TUNING, "final": FINAL},
        "training_images": 45_000,
        "validation_images": 5000,
        "test_images": 10_000,
        "mixers": mixers,
        "differences": differences(mixers),
    }
    save("mixers_cifar10", content)


if __name__ == "__main__":
    sys.exit(start(main))
