"""Muon or AdamW, both tuned alike: the same rates and decays, the same seeds, with intervals.

    python resources/experiments/optimizer.py

Writes resources/runs/optimizer.json. Bundled images, with light and with strong augmentation. Each
optimizer tries four rates with two decays; two seeds' validation accuracy chooses. Five other
seeds train with the choice, and only these are tested.
"""

import itertools
import statistics
import sys

import torch
from jobs import DATA_ROOT, finished, save, start

from hdd.train.intervals import summary
from hdd.train.recipe import Recipe
from hdd.train.run import Run

OPTIMIZERS = ("muon", "adamw")
RATES, DECAYS = (1e-3, 3e-3, 1e-2, 3e-2), (0.1, 1.0)
# Light: a pixel of shift and mirroring. Strong: what the recorded run of 60 epochs has.
AUGMENTATIONS = {
    "light": {"auto_augment": False, "crop_padding": 1, "cutmix": 0.0},
    "strong": {"auto_augment": True, "crop_padding": 4, "cutmix": 0.25},
}
TUNING, FINAL = (0, 1), (2, 3, 4, 5, 6)
SETTINGS = {
    "dataset": "fashion_mnist_mini",
    "patch_size": 7,
    "dim": 64,
    "depth": 4,
    "epochs": 6,
    "batch_size": 128,
    "weight_average": 0.0,
    "validation": 0.1,
}


def train(optimizer: str, augmentation: str, lr: float, decay: float, seed: int) -> Run:
    """Return a finished run; seed by seed, optimizers share start, split, order and crops."""
    choices = {"optimizer": optimizer, "lr": lr, "weight_decay": decay, "seed": seed}
    recipe = Recipe(**SETTINGS, **AUGMENTATIONS[augmentation], **choices)
    return Run(recipe, torch.device("cpu"), DATA_ROOT).finish()


def validated(*job) -> float:
    """Train; return the last epoch's validation accuracy in %. The test set is not looked at."""
    return round(100 * train(*job).history["val_accuracy"][-1], 2)


def tested(*job) -> float:
    """Train with what was chosen; return the test accuracy in %."""
    return round(100 * train(*job).test_metrics()["test_accuracy"], 2)


def chosen(augmentation: str) -> dict[str, dict] | None:
    """Try each optimizer's rates and decays; return what validation says, and the best of them."""
    choices = list(itertools.product(RATES, DECAYS))
    jobs = [(o, augmentation, *c, seed) for o in OPTIMIZERS for c in choices for seed in TUNING]
    trials = finished("optimizer_trials", jobs, validated)
    if trials is None:
        return None
    found = {}
    for o in OPTIMIZERS:
        means = {
            (lr, decay): statistics.mean(trials[o, augmentation, lr, decay, s] for s in TUNING)
            for lr, decay in choices
        }
        lr, decay = max(means, key=means.get)
        tried = [{"lr": c[0], "decay": c[1], "validation": round(means[c], 2)} for c in choices]
        found[o] = {"lr": lr, "decay": decay, "trials": tried}
    return found


def compared(augmentation: str) -> dict | None:
    """Return the choices, the test accuracy of five new seeds with them, and the difference."""
    found = chosen(augmentation)
    if found is None:
        return None
    best = {o: (o, augmentation, found[o]["lr"], found[o]["decay"]) for o in OPTIMIZERS}
    jobs = [(*best[o], seed) for seed in FINAL for o in OPTIMIZERS]
    results = finished("optimizer_finals", jobs, tested)
    if results is None:
        return None
    tests = {o: [results[(*best[o], seed)] for seed in FINAL] for o in OPTIMIZERS}
    by_optimizer = {o: found[o] | {"test": summary(tests[o])} for o in OPTIMIZERS}
    pairs = zip(tests["muon"], tests["adamw"], strict=True)
    return by_optimizer | {"muon_minus_adamw": summary([m - a for m, a in pairs])}


def main() -> None:
    """Compare under each augmentation and write the record of those that are complete."""
    results = {name: compared(name) for name in AUGMENTATIONS}
    if not any(results.values()):
        return
    content = {
        "command": "python resources/experiments/optimizer.py",
        "settings": SETTINGS | {"augmentations": AUGMENTATIONS},
        "seeds": {"tuning": TUNING, "final": FINAL},
        "validation_images": 1000,
        "test_images": 2000,
        "augmentation": {name: result for name, result in results.items() if result},
    }
    save("optimizer", content)


if __name__ == "__main__":
    sys.exit(start(main))
