"""Why do hidden units of a routing share a direction where there is no room for pairs?

    python resources/experiments/shared_direction.py

Writes resources/runs/shared_direction.json: the mean cosine between the rows of W1, and how much of
W2 meets a constant that all units add, for networks trained as they are, and with the hidden mean
over samples subtracted (notebook 07).
"""

import sys

import torch
from jobs import finished, save, start
from torch import Tensor
from torch.nn.functional import normalize

from hdd.tasks.routing import TokenMixingOnly, routing, train_routing
from hdd.train.intervals import summary

GRID, SEEDS, IMAGES = (6, 6), (0, 1, 2, 3, 4), 8
S = GRID[0] * GRID[1]
WIDTHS = {"S/2": S // 2, "S": S}
KINDS = ("as it is", "hidden mean subtracted")


class Centred(TokenMixingOnly):
    """The same MLP without what all samples and channels have in common."""

    def forward(self, x: Tensor) -> Tensor:
        mlp = self.token_mixing
        hidden = mlp.activation(mlp.fc1(x.transpose(1, 2)))  # (B, C, D_S)
        return mlp.fc2(hidden - hidden.mean((0, 1))).transpose(1, 2)


def train(width: str, kind: str, seed: int) -> list[float]:
    """Return the mean cosine of W1's rows, |W2 1|^2 / |W2|^2, and the last loss."""
    torch.manual_seed(seed)
    net = (TokenMixingOnly if kind == KINDS[0] else Centred)(S, WIDTHS[width])
    loss = train_routing(net, routing("shift", GRID), images=IMAGES, seed=seed)[-1]
    w1, w2 = (layer.weight.detach() for layer in (net.token_mixing.fc1, net.token_mixing.fc2))
    rows = normalize(w1, dim=1)
    different = ~torch.eye(len(rows), dtype=torch.bool)
    cosine = (rows @ rows.T)[different].mean().item()
    constant = (w2.sum(1).square().sum() / w2.square().sum()).item()
    return [round(value, 4) for value in (cosine, constant, loss)]


def main() -> None:
    """Train all networks and write the record."""
    results = finished(
        "shared_direction", [(w, k, s) for w in WIDTHS for k in KINDS for s in SEEDS], train
    )
    if results is None:
        return
    found: dict[str, dict] = {}
    for width in WIDTHS:
        for kind in KINDS:
            runs = [run for job, run in results.items() if job[:2] == (width, kind)]
            cosine, constant, loss = zip(*runs, strict=True)
            found.setdefault(width, {})[kind] = {
                "cosine": summary(cosine, 4),
                "constant_kept": summary(constant, 4),
                "loss": summary(loss, 4),
            }
    content = {
        "command": "python resources/experiments/shared_direction.py",
        "settings": {"grid": GRID, "images": IMAGES, "routing": "shift"},
        "seeds": SEEDS,
        "widths": found,
    }
    save("shared_direction", content)


if __name__ == "__main__":
    sys.exit(start(main))
