"""Four small networks in a few hundred steps: learning rates, parts, equal steps, transfer.

    python resources/experiments/small_networks.py

Writes resources/runs/ learning_rates_* and equal_steps_* for the bundled images and CIFAR-10, and
parts_fashion_mnist_mini and transfer_fashion_mnist_mini; with `--so-far` they hold what is there.
Five seeds; networks of equal size see the same batches. Rates are judged on validation images, all
else on test images.
"""

import copy
import itertools
import sys
from collections.abc import Callable
from functools import partial

import torch
from jobs import DATA_ROOT, finished, save, start
from torch import Tensor, nn

from hdd.dataset.image_tensors import BatchLoader, ImageTensors, split_validation
from hdd.dataset.loading import load
from hdd.models.baselines import NETWORKS, build_network
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter
from hdd.train.classification_utils import evaluate
from hdd.train.intervals import summary
from hdd.train.short_runs import accuracy, fit, random_batches

BUNDLED, SEEDS, DIM, DEPTH, BATCH = "fashion_mnist_mini", (0, 1, 2, 3, 4), 64, 3, 64
PATCHES = {BUNDLED: 7, "cifar10": 8}
SHAPES = {BUNDLED: (1, 28, 28), "cifar10": (3, 32, 32)}
VALIDATED, TESTED = {BUNDLED: 1000, "cifar10": 5000}, {BUNDLED: 2000, "cifar10": 10_000}
RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
RATE_STEPS, PART_STEPS, EQUAL_STEPS, TRANSFER_STEPS = 200, 200, 1000, 300
IMAGES = {BUNDLED: (100, 500, 2000, 10_000), "cifar10": (500, 5000, 50_000)}
# On the plateaus of learning_rates_*, alike for both data sets.
USUAL = {"Mixer": 3e-3, "ResNet": 1e-2, "ViT": 3e-3, "flat MLP": 3e-3}
PARTS = ("as it is", "no residual", "no norm", "no residual, no norm", "dropout 0.1")
PART_RATES = RATES[2:]
OLD_CLASSES, NEW_CLASSES, SHOTS = (0, 2, 4, 6, 8), (1, 3, 5, 7, 9), 10
WAYS = ("fine-tuned", "from scratch", "linear probe", "random features")


def built(data: str, name: str, seed: int) -> nn.Module:
    """Return one of NETWORKS for the images of `data`."""
    return build_network(name, SHAPES[data], PATCHES[data], dim=DIM, depth=DEPTH, seed=seed)


def per_cent(net: nn.Module, data: ImageTensors) -> float:
    """Return the accuracy on `data` in %."""
    return round(100 * accuracy(net, data), 2)


def at_rate(data: str, name: str, lr: float, seed: int) -> float:
    """Return the accuracy on validation images after RATE_STEPS at one learning rate."""
    learn_from, validation = split_validation(load(data, DATA_ROOT)[0], 0.1, seed=0)
    net = built(data, name, seed)
    try:
        fit(net, random_batches(learn_from, RATE_STEPS, BATCH, seed=seed), lr)
    except FloatingPointError:  # diverged: it can only guess
        return 100 / len(learn_from.class_names)
    return per_cent(net, validation)


def equal_steps(data: str, name: str, size: int, seed: int) -> dict[str, float]:
    """Return accuracies after EQUAL_STEPS on `size` images, the first of the seed's order."""
    train, test = load(data, DATA_ROOT)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    subset = train.subset(order[:size])
    net = built(data, name, seed)
    fit(net, random_batches(subset, EQUAL_STEPS, BATCH, seed=seed), USUAL[name])
    seen = subset.subset(torch.arange(min(size, 2000)))
    return {"training": per_cent(net, seen), "test": per_cent(net, test)}


class WithoutResidual(nn.Module):
    """The two halves of a MixerBlock, each in place of its input: (B, S, C) -> (B, S, C)."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        x = self.block.token_mixing(self.block.token_norm(x).mT).mT
        return self.block.channel_mixing(self.block.channel_norm(x))


def without(part: str, seed: int) -> MLPMixer:
    """Return a Mixer of eight blocks that lacks what `part` of PARTS says, or has dropout."""
    torch.manual_seed(seed)
    sizes = {"image_size": 28, "channels": 1, "patch_size": 7, "dim": 32, "depth": 8}
    net = MLPMixer(**sizes, dropout=0.1 if "dropout" in part else 0.0)
    for i, block in enumerate(net.blocks):
        if "norm" in part:
            block.token_norm = block.channel_norm = nn.Identity()
        if "residual" in part:
            net.blocks[i] = WithoutResidual(block)
    return net


def ablated(part: str, lr: float, seed: int) -> dict[str, float | None]:
    """Return losses on training and test images and the test accuracy; no loss: it diverged."""
    train, test = load(BUNDLED)
    net = without(part, seed)
    try:
        fit(net, random_batches(train, PART_STEPS, BATCH, seed=seed), lr)
    except FloatingPointError:
        return {"training_loss": None, "test": 10.0}
    seen = BatchLoader(train.subset(torch.arange(2000)), 500)
    return {"training_loss": round(evaluate(net, seen, "cpu")[0], 4), "test": per_cent(net, test)}


def of_classes(data: ImageTensors, classes: tuple[int, ...]) -> ImageTensors:
    """Return the images of these classes."""
    return data.subset(torch.isin(data.labels, torch.tensor(classes)).nonzero().flatten())


def probed(net: nn.Module, shots: ImageTensors, test: ImageTensors) -> float:
    """Return the accuracy in % of a linear head on the features of `net`, which stays as it is."""
    body = copy.deepcopy(net).eval()
    setattr(body, "fc" if hasattr(body, "fc") else "head", nn.Identity())
    with torch.no_grad():
        x, y = (body(data.normalize(data.images)) for data in (shots, test))
    mean, deviation = x.mean(0), x.std(0) + 1e-3
    head = nn.Linear(x.shape[1], 10)
    optimizer = torch.optim.AdamW(head.parameters(), 1e-2, weight_decay=0.1)
    for _ in range(200):
        loss = nn.functional.cross_entropy(head((x - mean) / deviation), shots.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = head((y - mean) / deviation).argmax(1) == test.labels
    return round(100 * right.double().mean().item(), 2)


def transferred(name: str, seed: int) -> dict[str, float]:
    """Return the accuracy on new classes with ten images each, in each of WAYS."""
    train, test = load(BUNDLED)
    old, new, test = (
        of_classes(*which)
        for which in ((train, OLD_CLASSES), (train, NEW_CLASSES), (test, NEW_CLASSES))
    )
    order = torch.randperm(len(new), generator=torch.Generator().manual_seed(seed))
    labels = new.labels[order]
    shots = new.subset(torch.cat([order[labels == one][:SHOTS] for one in labels.unique()]))
    untrained = built(BUNDLED, name, seed)
    pretrained, scratch = copy.deepcopy(untrained), copy.deepcopy(untrained)
    fit(pretrained, random_batches(old, TRANSFER_STEPS, BATCH, seed=seed), USUAL[name])
    tuned = copy.deepcopy(pretrained)
    for net in (tuned, scratch):
        fit(net, random_batches(shots, TRANSFER_STEPS, BATCH, seed=seed), USUAL[name])
    found = [per_cent(net, test) for net in (tuned, scratch)]
    found += [probed(net, shots, test) for net in (pretrained, untrained)]
    return dict(zip(WAYS, found, strict=True))


def by_seed(values: list) -> dict:
    """Return the summary of what the seeds have; None stands for a training that diverged."""
    if None in values:
        return {"n": len(values), "mean": None, "interval": None, "values": values}
    return summary(values, 4 if max(values) < 10 else 2)


def gathered(name: str, jobs: list[tuple], work: Callable) -> dict | None:
    """Do the jobs, seeds last; return by job without seed what the seeds have."""
    every = [(*job, seed) for seed, job in itertools.product(SEEDS, jobs)]
    found = finished(name, every, work, partial=True)
    if found is None:
        return None
    runs: dict[tuple, list] = {}
    for job, result in found.items():
        runs.setdefault(job[:-1], []).append(result)
    return {
        job: {key: by_seed([one[key] for one in results]) for key in results[0]}
        if isinstance(results[0], dict)
        else by_seed(results)
        for job, results in runs.items()
    }


def nested(found: dict[tuple, dict]) -> dict:
    """Return {(a, b): c} as {a: {b: c}}."""
    tree: dict = {}
    for (first, *rest), value in found.items():
        tree.setdefault(first, {})[rest[0] if rest else None] = value
    return {key: sub.get(None, sub) for key, sub in tree.items()}


def keep(name: str, found: dict | None, settings: dict) -> None:
    """Write a record of what `gathered` returned."""
    if found is None:
        return
    about = {"command": "python resources/experiments/small_networks.py", "seeds": SEEDS}
    about["settings"] = {"batch": BATCH, **settings}
    save(name, about | {"results": nested(found)})


def recorded(data: str) -> None:
    """Write the two records of which there is one for each data set."""
    sizes = {"patch": PATCHES[data], "dim": DIM, "depth": DEPTH}
    sizes["parameters"] = {n: count_trainable_parameter(built(data, n, 0)) for n in NETWORKS}
    jobs = list(itertools.product(NETWORKS, RATES))
    found = gathered(f"learning_rates_{data}", jobs, partial(at_rate, data))
    settings = sizes | {"steps": RATE_STEPS, "validation_images": VALIDATED[data]}
    keep(f"learning_rates_{data}", found, settings)
    jobs = list(itertools.product(NETWORKS, IMAGES[data]))
    found = gathered(f"equal_steps_{data}", jobs, partial(equal_steps, data))
    settings = sizes | {"steps": EQUAL_STEPS, "lr": USUAL, "test_images": TESTED[data]}
    keep(f"equal_steps_{data}", found, settings)


def main() -> None:
    """Train what is missing and write what is there."""
    found = gathered("parts", list(itertools.product(PARTS, PART_RATES)), ablated)
    settings = {"patch": 7, "dim": 32, "depth": 8, "steps": PART_STEPS, "test_images": 2000}
    keep(f"parts_{BUNDLED}", found, settings | {"training_images_measured": 2000})
    found = gathered("transfer", [(name,) for name in NETWORKS if name != "flat MLP"], transferred)
    settings = {"patch": 7, "dim": DIM, "depth": DEPTH, "steps": TRANSFER_STEPS, "lr": USUAL}
    keep(f"transfer_{BUNDLED}", found, settings | {"images_a_class": SHOTS, "test_images": 1000})
    for data in PATCHES:
        recorded(data)


if __name__ == "__main__":
    sys.exit(start(main))
