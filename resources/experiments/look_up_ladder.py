"""Is it the static weights, or the weights for each place? A ladder of sharing on the look-up.

    python resources/experiments/look_up_ladder.py

Writes resources/runs/look_up_ladder.json: accuracy at places seen and not seen in training, for
each token mixing of `hdd.tasks.sharing`, with and without position embedding.
"""

import statistics
import sys
from collections.abc import Sequence

import torch
from jobs import finished, save, start

from hdd.models.nn_utils import count_trainable_parameter
from hdd.tasks.look_up import look_up, look_up_accuracy, look_up_loss
from hdd.tasks.sharing import LADDER, ladder_net
from hdd.tasks.token_net import TokenNet, learn
from hdd.train.intervals import summary

SEEDS = (7, 13, 23, 42, 101)
# After 500 steps the shared MLP of one seed in three has not learned yet.
STEPS, BATCH, LR = 1000, 128, 5e-3
SEEN, UNSEEN = torch.arange(1, 9), torch.arange(9, 16)
POSITIONS = ("no positions", "with positions")


def train(positions: str, seed: int, kind: str) -> list[float]:
    """Return what a rung of the ladder reaches, see `trained`."""
    return trained(ladder_net(kind, positions=positions == "with positions", seed=seed), seed)


def trained(net: TokenNet, seed: int) -> list[float]:
    """Train on look-ups at the seen places; return accuracy in % there, and at the others."""
    generator = torch.Generator().manual_seed(seed)
    learn(net, lambda: look_up(BATCH, SEEN, generator), look_up_loss, STEPS, LR)
    by_place = look_up_accuracy(net, torch.cat([SEEN, UNSEEN]), seed=seed)
    return [round(100 * statistics.mean(part), 2) for part in (by_place[:8], by_place[8:])]


def main() -> None:
    """Train all rungs of the ladder and write the record."""
    jobs = [(p, s, k) for s in SEEDS for p in POSITIONS for k in LADDER]
    results = finished("look_up_ladder", jobs, train, partial=True)
    if results is None:
        return
    accuracy: dict[str, dict] = {}
    for kind in LADDER:
        for positions in POSITIONS:
            runs = [run for job, run in results.items() if job[::2] == (positions, kind)]
            if not runs:
                continue
            net = ladder_net(kind, positions=positions == "with positions")
            accuracy.setdefault(kind, {})[positions] = {
                "parameters": count_trainable_parameter(net),
                "seen": summary([run[0] for run in runs]),
                "unseen": summary([run[1] for run in runs]),
            }
    seeds = sorted({seed for _, seed, _ in results}, key=SEEDS.index)
    keep("look_up_ladder", accuracy, seeds)


def keep(name: str, accuracy: dict, seeds: Sequence[int] = SEEDS, **more: int) -> None:
    """Write the record of look-ups trained with this script's settings, and `more` of them."""
    content = {
        "command": f"python resources/experiments/{name}.py",
        "settings": {"steps": STEPS, "batch": BATCH, "lr": LR, "test_per_place": 300, **more},
        "seeds": seeds,
        "guessing": 25.0,
        "accuracy": accuracy,
    }
    save(name, content)


if __name__ == "__main__":
    sys.exit(start(main))
