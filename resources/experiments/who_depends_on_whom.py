"""The trained network: who depends on whom by the true derivative, and what shuffling costs it.

    python resources/experiments/who_depends_on_whom.py

Writes resources/runs/who_depends_on_whom.json: for each block, how far the derivative of the whole
block (norms, GELU, residual and channel mixing included) agrees with |W2 W1|, beside relabellings
of the grid; the derivative itself for one block. And resources/runs/shuffled_patches.json: accuracy
on the test images as they are, and with the patches of each in an order of its own.
"""

import sys

import torch
from jobs import DATA_ROOT
from torch import Tensor
from torch.nn import functional

from hdd.command import described, run
from hdd.dataset.image_tensors import BatchLoader
from hdd.dataset.loading import load
from hdd.models import learned_weights as tm
from hdd.train.classification_utils import evaluate
from hdd.train.records import load_net, save_run

NETWORK, IMAGES, DRAWS, SHOWN = "cifar10_patch4_60_epochs", 64, 100, 1
COMMAND = "python resources/experiments/who_depends_on_whom.py"


def correlation(first: Tensor, second: Tensor) -> float:
    """Return the correlation of two matrices (S, S), their diagonals left out."""
    off = ~torch.eye(len(first), dtype=torch.bool)
    return float(torch.corrcoef(torch.stack([first[off], second[off]]))[0, 1])


def agreement(derivative: Tensor, product: Tensor) -> dict[str, float]:
    """Return the correlation of the derivative with |W2 W1|, and the largest by relabelling."""
    generator, size = torch.Generator().manual_seed(0), len(product)
    orders = [torch.randperm(size, generator=generator) for _ in range(DRAWS)]
    chance = [abs(correlation(derivative, product[o][:, o])) for o in orders]
    value = correlation(derivative, product)
    return {"correlation": round(value, 3), "relabelled_at_most": round(max(chance), 3)}


def shuffled(images: Tensor, patch: int, generator: torch.Generator) -> Tensor:
    """Give each image (B, C, H, W) its own random order of patches."""
    cut = functional.unfold(images, patch, stride=patch)  # (B, C P P, S)
    order = torch.rand(len(cut), 1, cut.shape[2], generator=generator).argsort(-1)  # (B, 1, S)
    cut = cut.gather(2, order.expand_as(cut))  # (B, C P P, S)
    return functional.fold(cut, images.shape[-2:], patch, stride=patch)


def main() -> None:
    """Measure and write both records."""
    torch.set_num_threads(1)
    net = load_net(NETWORK)
    batches = list(BatchLoader(load("cifar10", DATA_ROOT)[1], 500))
    images = batches[0][0][:IMAGES]
    maps = [tm.listening(net, layer, images) for layer in range(len(net.blocks))]
    products = [tm.effective_mixing(net, layer).abs() for layer in range(len(net.blocks))]
    content = {"command": COMMAND, "network": NETWORK, "images": IMAGES, "draws": DRAWS}
    content["blocks"] = [agreement(*pair) for pair in zip(maps, products, strict=True)]
    content["shown_block"] = SHOWN + 1
    content["map"] = [[round(value, 3) for value in row] for row in maps[SHOWN].tolist()]
    save_run("who_depends_on_whom", content, "cpu")

    generator = torch.Generator().manual_seed(0)
    moved = [(shuffled(x, 4, generator), y) for x, y in batches]
    accuracy = [round(100 * evaluate(net, part, "cpu")[1], 2) for part in (batches, moved)]
    content = {"command": COMMAND, "network": NETWORK, "test_images": 10_000}
    save_run("shuffled_patches", content | {"accuracy": accuracy}, "cpu")
    print(accuracy)


if __name__ == "__main__":
    sys.exit(run(main, described()))
