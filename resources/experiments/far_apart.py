"""Is it distance that a Mixer lacks? Equal symbols along a diagonal, near and far.

    python resources/experiments/far_apart.py

Writes resources/runs/far_apart.json: accuracy in % at distances 1 to 5, for each network and seed.
"""

import sys

import torch
from jobs import finished, save, start
from timm.models.vision_transformer import Block as AttentionBlock
from torch import Tensor, nn
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MixerBlock
from hdd.tasks.diagonal import SIDE, diagonal_accuracy, diagonal_loss, equal_along_diagonal
from hdd.tasks.token_net import TokenNet, learn

SEEDS, STEPS, BATCH, LR = (0, 1, 2, 3, 4), 400, 64, 5e-3
BOARD = SIDE**2


class ConvBlock(nn.Module):
    """3 x 3 convolution with norm, GELU and residual connection on tokens (B, S, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(dim)
        self.conv, self.out = nn.Conv2d(dim, dim, 3, padding=1), nn.Conv2d(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        image = x.mT.unflatten(2, (SIDE, SIDE))  # (B, C, 6, 6)
        y = self.out(functional.gelu(self.conv(self.norm(image))))
        return x + y.flatten(2).mT  # (B, S, C)


NETWORKS = {  # about 26,600 parameters each: dim, blocks, whether positions are embedded
    "Mixer": (32, lambda: [MixerBlock(BOARD, 32, 36, 156) for _ in range(2)], 0),
    "ViT": (32, lambda: [AttentionBlock(32, 4, mlp_ratio=4) for _ in range(2)], BOARD),
    "CNN, 2 layers": (36, lambda: [ConvBlock(36) for _ in range(2)], 0),
    "CNN, 5 layers": (23, lambda: [ConvBlock(23) for _ in range(5)], 0),
}


def train(name: str, seed: int) -> list[float]:
    """Return the accuracy in % at each distance, after training on fresh boards."""
    torch.manual_seed(seed)
    dim, blocks, positions = NETWORKS[name]
    net = TokenNet(2, SIDE - 1, dim, blocks(), positions)
    generator = torch.Generator().manual_seed(seed)
    learn(net, lambda: equal_along_diagonal(BATCH, generator), diagonal_loss, STEPS, LR)
    return [round(100 * share, 2) for share in diagonal_accuracy(net, seed=seed)]


def main() -> None:
    """Train all networks and write the record."""
    results = finished("far_apart", [(n, s) for n in NETWORKS for s in SEEDS], train)
    if results is None:
        return
    content = {
        "command": "python resources/experiments/far_apart.py",
        "settings": {"steps": STEPS, "batch": BATCH, "lr": LR, "boards": 1000},
        "seeds": list(SEEDS),
        "diagonal": {  # by network, distance, seed
            name: [list(d) for d in zip(*(results[name, s] for s in SEEDS), strict=True)]
            for name in NETWORKS
        },
    }
    save("far_apart", content)


if __name__ == "__main__":
    sys.exit(start(main))
