"""One layer of attention and two Mixer blocks: which order carries a look-up to new places?

    python resources/experiments/look_up_blocks.py

Writes resources/runs/look_up_blocks.json: accuracy at places seen and not seen in training, with
the settings of `look_up_ladder.py`, with and without position embedding.
"""

import itertools
import sys

import torch
from jobs import finished, start
from look_up_ladder import POSITIONS, SEEDS, keep, trained
from timm.models.vision_transformer import Block as AttentionBlock
from torch import nn

from hdd.models.cnn.mlp_mixer import MixerBlock
from hdd.models.nn_utils import count_trainable_parameter
from hdd.tasks.look_up import KEYS, VALUES
from hdd.tasks.sharing import DIM, PLACES
from hdd.tasks.token_net import TokenNet
from hdd.train.intervals import summary

ORDERS = ("attention first", "attention last")


def network(order: str, positions: str, seed: int = 0) -> TokenNet:
    """Return two Mixer blocks with a block of attention in front or behind."""
    torch.manual_seed(seed)
    blocks: list[nn.Module] = [MixerBlock(PLACES, DIM, 2 * PLACES, 4 * DIM) for _ in range(2)]
    attention = AttentionBlock(DIM, num_heads=4, mlp_ratio=2)
    blocks = [attention, *blocks] if order == "attention first" else [*blocks, attention]
    places = PLACES if positions == "with positions" else 0
    return TokenNet(KEYS + VALUES, VALUES, DIM, blocks, places)


def train(order: str, positions: str, seed: int) -> list[float]:
    """Return what an order reaches at old and at new places."""
    return trained(network(order, positions, seed), seed)


def main() -> None:
    """Train both orders and write the record."""
    results = finished("look_up_blocks", list(itertools.product(ORDERS, POSITIONS, SEEDS)), train)
    if results is None:
        return
    accuracy: dict[str, dict] = {order: {} for order in ORDERS}
    for order, positions in itertools.product(ORDERS, POSITIONS):
        runs = [results[order, positions, seed] for seed in SEEDS]
        accuracy[order][positions] = {
            "parameters": count_trainable_parameter(network(order, positions)),
            "seen": summary([run[0] for run in runs]),
            "unseen": summary([run[1] for run in runs]),
        }
    keep("look_up_blocks", accuracy)


if __name__ == "__main__":
    sys.exit(start(main))
