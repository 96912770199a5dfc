"""How far recorded token-mixing weights are from chance, if chance relabels the grid.

    python resources/experiments/joint_null.py

Writes resources/runs/joint_null.json: for each recorded network and block the smoothness of the
units and the translation-equivariant share of W2 W1, each beside 100 relabellings of the grid
common to reading and writing, and the part of the share that is identity and constant alone.
"""

import statistics
import sys
from typing import Any

import torch

from hdd.command import described, run
from hdd.models import learned_weights as tm
from hdd.train.intervals import summary
from hdd.train.records import load_net, save_run

DRAWS = 100
NETWORKS = {  # record, epoch, seeds; the grid of tokens is in the result
    "Fashion-MNIST, patch 4, Adam": ("units_fashion_adam_seed", 8, (0, 1, 2)),
    "Fashion-MNIST, patch 4, Muon": ("units_fashion_muon_seed", 8, (0, 1, 2)),
    "Fashion-MNIST, patch 4, Muon, AutoAugment": ("units_fashion_augmented_seed", 8, (0, 1, 2)),
    "Fashion-MNIST, patch 4, Muon, 32 epochs": ("units_fashion_long_seed", 32, (0, 1, 2)),
    "CIFAR-10, patch 8, Adam": ("ladder_2_schedule_seed", 12, (0, 1, 2)),
    "CIFAR-10, patch 8, Muon": ("cifar10_patch8_seed", 12, (0, 1, 2)),
    "CIFAR-10, patch 16, Muon": ("cifar10_patch16_seed", 12, (0,)),
    "CIFAR-10, patch 4, Muon": ("cifar10_patch4_seed", 12, (0, 1)),
    "CIFAR-10, patch 2, Muon": ("cifar10_patch2_seed", None, (0,)),
    "CIFAR-10, patch 4, 60 epochs": ("cifar10_patch4_60_epochs", None, ("",)),
}


def excess_diagonal(matrix: torch.Tensor) -> float:
    """Return the share of a matrix's energy by which its mean diagonal differs from the rest."""
    matrix, size = matrix.double(), len(matrix)
    others = (matrix.sum() - matrix.trace()) / (size * (size - 1))
    excess = size * (matrix.diagonal().mean() - others).square()
    return float(excess / matrix.square().sum())


def block_figures(net: torch.nn.Module, layer: int) -> dict[str, float]:
    """Return the statistics of one block."""
    found = tm.structure(net, layer, DRAWS)
    smooth, share = found["autocorrelation"], found["equivariant share"]
    product = tm.effective_mixing(net, layer)
    trivial = tm.trivial_share(product)
    return {
        "smoothness": smooth.value,
        "smoothness_z": smooth.z,
        "share": share.value,
        "share_null": share.null_mean,
        "share_above_null": share.above,
        "share_z": share.z,
        "identity_and_constant": trivial,
        "identity_beyond_constant": excess_diagonal(product),
        "share_without_identity_and_constant": share.value - trivial,
        "opposite_rather_than_equal_z": found["opposite rather than equal"].z,
    }


def means(blocks: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each statistic over the blocks of a network."""
    mean = {name: statistics.mean(block[name] for block in blocks) for name in blocks[0]}
    z = [block["opposite_rather_than_equal_z"] for block in blocks]
    return mean | {"opposite_rather_than_equal_combined_z": tm.combined_z(z)}


def measured(prefix: str, epoch: int | None, seeds: tuple) -> dict[str, Any]:
    """Return the figures of one kind of network over its seeds, and of each block."""
    nets = [load_net(f"{prefix}{seed}", epoch) for seed in seeds]
    blocks = [[block_figures(net, i) for i in range(len(net.blocks))] for net in nets]
    by_seed = [means(of_net) for of_net in blocks]
    over = {name: summary([one[name] for one in by_seed], 4) for name in by_seed[0]}
    rounded = [[{k: round(v, 4) for k, v in b.items()} for b in of_net] for of_net in blocks]
    grid = tm.token_mixing(nets[0], 0).grid
    return {"grid": grid, "seeds": seeds, "over_blocks": over, "blocks": rounded}


def main() -> None:
    """Measure all networks and write the record."""
    torch.set_num_threads(1)
    content: dict[str, Any] = {
        "command": "python resources/experiments/joint_null.py",
        "settings": {"draws": DRAWS, "null": "one relabelling of the grid for W1 and W2"},
        "largest_morans_i": {
            f"{side} x {side}": round(tm.morans_range((side, side))[1], 4) for side in (4, 7, 8, 16)
        },
        "networks": {},
    }
    for name, of in NETWORKS.items():
        content["networks"][name] = measured(*of)
        over = content["networks"][name]["over_blocks"]
        print(name, {k: over[k]["mean"] for k in ("share", "share_above_null", "smoothness")})
    save_run("joint_null", content, "cpu")


if __name__ == "__main__":
    sys.exit(run(main, described()))
