"""Which recipe for the long run on CIFAR-10? One knob at a time, judged on validation images.

    python resources/experiments/recipes.py

Writes resources/runs/recipes.json; with `--so-far` it holds what is there. The recipe of the
recorded 60 epochs is tried at patch 8 for 24 epochs, an eleventh of its compute; every recipe has
the same start, the same 5,000 held-out images and the same order of images. The test images are
not looked at.
"""

import sys

import torch
from jobs import DATA_ROOT, finished, save, start

from hdd.train.recipe import Recipe
from hdd.train.run import Run

SETTINGS = {"patch_size": 8, "epochs": 24, "validation": 0.1, "seed": 0}
# Each changes one knob of Recipe's defaults, which are those of the recorded run.
RECIPES = {
    "as recorded": {},
    "weight decay 0.3": {"weight_decay": 0.3},
    "weight decay 1": {"weight_decay": 1.0},
    "no CutMix": {"cutmix": 0.0},
    "rate 0.004": {"lr": 4e-3},
    "no averaged weights": {"weight_average": 0.0},
    "AdamW's part at 0.003": {"adamw_lr": 3e-3},
    "CutMix 0.5": {"cutmix": 0.5},
    "no AutoAugment": {"auto_augment": False},
    "no label smoothing": {"label_smoothing": 0.0},
    "rate 0.001": {"lr": 1e-3},
    "weight decay 0.03": {"weight_decay": 0.03},
}


def validated(name: str) -> dict[str, float]:
    """Train; return the last epoch's validation accuracy in % and its two losses."""
    run = Run(Recipe(**SETTINGS, **RECIPES[name]), torch.device("cpu"), DATA_ROOT).finish()
    last = {key: values[-1] for key, values in run.history.items()}
    return {
        "validation_accuracy": round(100 * last["val_accuracy"], 2),
        "validation_loss": round(last["val_loss"], 4),
        "train_loss": round(last["train_loss"], 4),
    }


def main() -> None:
    """Try the recipes and write the record, the best first."""
    results = finished("recipes", [(name,) for name in RECIPES], validated, partial=True)
    if results is None:
        return
    tried = [{"recipe": name, **found} for (name,), found in results.items()]
    content = {
        "command": "python resources/experiments/recipes.py",
        "settings": SETTINGS,
        "changed": {name: RECIPES[name] for (name,) in results},
        "validation_images": 5000,
        "n": 1,
        "recipes": sorted(tried, key=lambda one: -one["validation_accuracy"]),
    }
    save("recipes", content)


if __name__ == "__main__":
    sys.exit(start(main))
