"""Does a look-up carry over to keys never seen? It depends on how many were seen in training.

    python resources/experiments/look_up_keys.py

Writes resources/runs/look_up_keys.json: accuracy with the keys of training and with new ones, for
three token mixings of `hdd.tasks.sharing` and pools of 15 to 960 keys. A key is a code of 15 bits;
the match may stand anywhere, in training and at test (Tong and Pehlevan, arXiv 2405.15618, vary
the number of tasks in the same way).
"""

import itertools
import statistics
import sys

import torch
from jobs import finished, start
from look_up_ladder import BATCH, LR, SEEDS, STEPS, keep
from torch import Tensor

from hdd.tasks.look_up import KEYS, look_up, look_up_accuracy, look_up_loss
from hdd.tasks.sharing import PLACES, ladder_net
from hdd.tasks.token_net import learn
from hdd.train.intervals import summary

KINDS = ("weights per place", "shared, question marked", "attention")
POOLS, NEW = (15, 60, 240, 960), 960  # keys in training, and others at test


def codes(numbers: Tensor) -> Tensor:
    """Return a key of KEYS bits, -1 or 1, for each of `numbers` (N,)."""
    return 2.0 * (numbers[:, None] >> torch.arange(KEYS) & 1) - 1  # (N, KEYS)


def train(kind: str, pool: int, seed: int) -> list[float]:
    """Train with a pool of keys; return the accuracy in % with them, and with new ones."""
    generator, places = torch.Generator().manual_seed(seed), torch.arange(1, PLACES)
    keys = codes(torch.randperm(2**KEYS, generator=generator)[: pool + NEW])
    old, new = keys[:pool], keys[pool:]
    net = ladder_net(kind, positions=False, seed=seed)
    learn(net, lambda: look_up(BATCH, places, generator, old), look_up_loss, STEPS, LR)
    shares = [statistics.mean(look_up_accuracy(net, places, seed, some)) for some in (old, new)]
    return [round(100 * share, 2) for share in shares]


def main() -> None:
    """Train all networks and write the record."""
    jobs = [(kind, pool, seed) for seed, kind, pool in itertools.product(SEEDS, KINDS, POOLS)]
    results = finished("look_up_keys", jobs, train)
    if results is None:
        return
    accuracy: dict[str, dict] = {kind: {} for kind in KINDS}
    for kind, pool in itertools.product(KINDS, POOLS):
        runs = [results[kind, pool, seed] for seed in SEEDS]
        old, new = (summary([run[part] for run in runs]) for part in (0, 1))
        accuracy[kind][str(pool)] = {"old": old, "new": new}
    keep("look_up_keys", accuracy, new=NEW)


if __name__ == "__main__":
    sys.exit(start(main))
