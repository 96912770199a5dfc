"""Bring the records of trainings up to date: `python resources/migrate_records.py`.

Early recipes said `adam_lr` for `adamw_lr`, and accepted knobs that had no effect: with Adam, `lr`
and `weight_decay` (the rate was `adam_lr`); for the ViT and the ResNet, `dim`, `depth` and the
expansion, and for the ResNet the patch size; the expansion for other token mixers; the warm-up with
the document's schedule, which was called "document". Such knobs leave the record, what acted
instead takes their place, and the command is rewritten to say the same. Nothing else is touched,
and records that are right stay as they are: running this twice changes nothing.
"""

import json
import shlex
import sys
from typing import Any

from hdd.command import described
from hdd.files import write_atomically
from hdd.train.recipe import BASELINES, SIZES, Recipe
from hdd.train.records import RUNS, to_json

RENAMED = {"document": "cosine-by-epoch"}  # schedules that have another name now
RENAMED_KNOBS = {"adam_lr": "adamw_lr"}


def what_acted(old: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe of an early record as it was carried out."""
    recipe = dict(old)
    recipe["schedule"] = RENAMED.get(recipe["schedule"], recipe["schedule"])
    if recipe["optimizer"] == "adam":
        recipe["lr"] = recipe["adamw_lr"]
        del recipe["adamw_lr"], recipe["weight_decay"]
    if recipe["schedule"] == "cosine-by-epoch":
        del recipe["warmup_epochs"]
    if recipe["model"] != "mixer":
        del recipe["expansion_factor_token"]
    if recipe["model"] in BASELINES:
        recipe["dim"], recipe["depth"] = SIZES[recipe["model"]]
    if recipe["model"] == "cnn":
        del recipe["patch_size"]
    return recipe


def rewritten(command: str, recipe: dict[str, Any]) -> str:
    """Return `command` with each option at the recipe's value, without those that did not act."""
    words, options = shlex.split(command), []
    for word in words[3:]:  # after python -m hdd.train
        if word.startswith("--"):
            options.append([word])
        else:
            options[-1].append(word)
    kept = words[:3]
    for flag, *values in options:
        name = flag[2:].removeprefix("no-").replace("-", "_")
        if name not in Recipe.__dataclass_fields__:
            kept += [flag, *values]
        elif name in recipe:
            kept += [flag, *(_text(recipe[name], value) for value in values)]
    return shlex.join(kept)


def _text(value: Any, before: str) -> str:
    """Return `before` if it says `value`, else the text that does."""
    return before if type(value)(before) == value else str(value)


def migrated(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record of one training as it should be."""
    old = {RENAMED_KNOBS.get(name, name): value for name, value in record["recipe"].items()}
    try:
        recipe = Recipe(**old)
        command = record["command"]
    except ValueError:  # a knob that did nothing is refused today
        recipe = Recipe(**what_acted(old))
        command = rewritten(record["command"], recipe.as_dict())
    return record | {"command": command, "recipe": recipe.as_dict()}


def main() -> int:
    """Rewrite the records that need it; print their names."""
    described().parse_args()
    for path in sorted(RUNS.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if "recipe" in record and (new := migrated(record)) != record:
            write_atomically(path, to_json(new))
            print(path.stem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
