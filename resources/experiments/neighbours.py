"""Do trained tokens depend on their neighbours alike in three seeds? The sixty-epoch networks.

    python resources/experiments/neighbours.py

Writes resources/runs/neighbours.json: for each seed and block, the mean distance of two tokens
weighted by their squared weight in W2 W1, and the mean weights of the token itself and of its four
neighbours (notebook 08). Seed 0 is the shipped checkpoint; the others' weights are those that
their recorded commands leave in `runs/`.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from hdd.command import described, run
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.learned_weights import effective_mixing
from hdd.train.records import load_net, save_run

NETWORK, SEEDS = "cifar10_patch4_60_epochs", (0, 1, 2)
COMMAND = "python resources/experiments/neighbours.py"
WEIGHTS = Path(__file__).parents[2] / "runs"


def trained(seed: int) -> nn.Module:
    """Return the network of one seed."""
    if seed == 0:
        return load_net(NETWORK)
    net = MLPMixer()
    net.load_state_dict(load_file(WEIGHTS / f"{NETWORK}_seed{seed}" / "weights.safetensors"))
    return net


def measured(net: nn.Module) -> list[dict[str, float]]:
    """Return for each block the mean distance, and the weights of itself and its neighbours."""
    places = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0))
    apart = torch.cdist(places, places)  # (S, S)
    found = []
    for layer in range(len(net.blocks)):
        matrix = effective_mixing(net, layer)  # (S, S)
        weights = matrix.square() * (apart > 0)
        values = {
            "mean_distance": (weights * apart).sum() / weights.sum(),
            "itself": matrix.diagonal().mean(),
            "neighbours": matrix[apart == 1].mean(),
        }
        found.append({name: round(value.item(), 4) for name, value in values.items()})
    return found


def main() -> None:
    """Measure all seeds and write the record."""
    torch.set_num_threads(1)
    blocks = {str(seed): measured(trained(seed)) for seed in SEEDS}
    save_run("neighbours", {"command": COMMAND, "seeds": SEEDS, "blocks": blocks}, "cpu")


if __name__ == "__main__":
    sys.exit(run(lambda **_: main(), described()))
