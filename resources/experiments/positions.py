"""What trained networks owe to positions: images moved, permuted, and at twice the resolution.

    python resources/experiments/positions.py

Writes resources/runs/positions_fashion_mnist_mini.json and positions_cifar10.json; with `--so-far`
they hold what is there, and each figure its n. Networks of equal size are tuned alike (three
learning rates on a tenth of the training images) and trained on all of them. One ResNet has strides
in its stages, the other has not; one Mixer sees its images moved by up to four pixels.

- Moved: tested on images moved with their outermost pixels repeated, and, as a control in which
  nothing is made up, on windows cut beside the middle on which these networks were trained.
- Permuted: each seed trains with permutations of its own; the networks trained on images as they
  are see ten permutations of patches.
- Resized: the Mixer's weights are moved to images enlarged twofold, and trained for 100 steps.
"""

import copy
import itertools
import statistics
import sys
from dataclasses import replace

import torch
from jobs import DATA_ROOT, finished, save, start
from torch import Tensor, nn
from torch.nn import functional

from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.dataset.loading import load
from hdd.models.baselines import STRIDES, build_network
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.models.resize_and_permute import block_diagonal, patch_order, reorder_pixels, stretched
from hdd.train.classification_utils import predict
from hdd.train.intervals import summary
from hdd.train.short_runs import accuracy, fit, random_batches

DIM, DEPTH, BATCH, TUNING_SEED = 64, 3, 64, 100
# Patches of whole images and of windows, a window's pixels a side, and steps.
SETTINGS = {
    "fashion_mnist_mini": {"patch": 7, "window_patch": 4, "window": 20, "steps": 300},
    "cifar10": {"patch": 4, "window_patch": 4, "window": 24, "steps": 2000},
}
SHAPES = {"fashion_mnist_mini": (1, 28, 28), "cifar10": (3, 32, 32)}
TESTED = {"fashion_mnist_mini": 2000, "cifar10": 10_000}
TUNING_STEPS = {"fashion_mnist_mini": 300, "cifar10": 1000}
MOVED = "Mixer, moved images"
NETWORKS = {
    "Mixer": ("Mixer", STRIDES),
    "ResNet, total stride 16": ("ResNet", STRIDES),
    "ResNet, total stride 2": ("ResNet", (2, 1, 1, 1, 1)),
    "flat MLP": ("flat MLP", STRIDES),
    MOVED: ("Mixer", STRIDES),
}
TUNED = [name for name in NETWORKS if name != MOVED]
PERMUTED = ("Mixer", "ResNet, total stride 16", "flat MLP")
ORDERS = ("patches permuted", "all pixels permuted")
RATES = {name: (3e-3, 1e-2, 3e-2) if "ResNet" in name else (1e-3, 3e-3, 1e-2) for name in TUNED}
SEEDS, FEWER = (0, 1, 2, 3, 4), (0, 1, 2)  # fewer where a training takes more than five minutes
SHIFTS = {"whole": (0, 1, 2, 4, 8), "window": (0, 1, 2, 4)}
PERMUTATIONS, STARTS, FINE_TUNING = 10, ("from scratch", "block-diagonal", "stretched"), 100
FINE_TUNING_RATES = (1e-3, 3e-3)


def moved(images: Tensor, down: int, right: int) -> Tensor:
    """Move images (B, C, H, W), the outermost pixels repeated."""
    rows = (torch.arange(images.shape[2]) - down).clamp(0, images.shape[2] - 1)
    columns = (torch.arange(images.shape[3]) - right).clamp(0, images.shape[3] - 1)
    return images[:, :, rows][:, :, :, columns]


def moved_at_random(images: Tensor) -> Tensor:
    """Move each image of (B, C, H, W) by up to four pixels down and across, as `moved` does."""
    b, _, h, w = images.shape
    down, right = torch.randint(-4, 5, (2, b, 1, 1))
    rows = (torch.arange(h)[:, None] - down).clamp(0, h - 1)  # (B, H, 1)
    columns = (torch.arange(w) - right).clamp(0, w - 1)  # (B, 1, W)
    return images[torch.arange(b)[:, None, None], :, rows, columns].movedim(-1, 1)


def window(images: Tensor, side: int, down: int = 0, right: int = 0) -> Tensor:
    """Cut `side` pixels from the middle of images, or from so many pixels beside it."""
    top, left = ((size - side) // 2 for size in images.shape[2:])
    return images[:, :, top - down :, left - right :][:, :, :side, :side]


def permutation(data: str, side: int, order: str, seed: int) -> Tensor:
    """Return the order of pixels (side * side,) that a seed has for one of ORDERS."""
    generator, size = torch.Generator().manual_seed(1000 + seed), SETTINGS[data]["patch"]
    if order == "all pixels permuted":
        return torch.randperm(side**2, generator=generator)
    grid = (side // size, side // size)
    orders = (torch.randperm(n, generator=generator) for n in (grid[0] ** 2, size**2))
    return patch_order(grid, size, *orders)


def built(data: str, name: str, part: str, shape: tuple[int, int, int], seed: int) -> nn.Module:
    """Return one of NETWORKS for images of this shape."""
    kind, strides = NETWORKS[name]
    size = SETTINGS[data]["window_patch" if part == "window" else "patch"]
    return build_network(kind, shape, size, dim=DIM, depth=DEPTH, seed=seed, strides=strides)


def trained(
    data: str, name: str, part: str, seed: int, lr: float, images: ImageTensors, steps: int
) -> nn.Module:
    """Return a network trained on `images`; its start and its batches depend on the seed alone."""
    net = built(data, name, part, tuple(images.images.shape[1:]), seed)
    augment = moved_at_random if name == MOVED else None
    fit(net, random_batches(images, steps, BATCH, augment=augment, seed=seed), lr)
    return net


def validated(data: str, name: str, lr: float) -> float:
    """Train on nine tenths of the training images; return the accuracy on the others in %."""
    images, _ = load(data, DATA_ROOT)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(TUNING_SEED))
    held_out, rest = order.tensor_split([len(images) // 10])
    images, held_out = images.subset(rest), images.subset(held_out)
    net = trained(data, name, "whole", TUNING_SEED, lr, images, TUNING_STEPS[data])
    return round(100 * accuracy(net, held_out), 2)


def answers(net: nn.Module, data: ImageTensors) -> Tensor:
    """Return the predicted class of each image."""
    return predict(net, BatchLoader(data, 500), "cpu")[0].argmax(1)


def shift_figures(net: nn.Module, test: ImageTensors, part: str, side: int) -> list[list[float]]:
    """Return (accuracy, predictions kept) in % for each shift, means over the four directions."""
    first, rows = None, []
    for by in SHIFTS[part]:
        both = []
        for way in {(by, 0), (-by, 0), (0, by), (0, -by)}:
            whole = part == "whole"
            images = moved(test.images, *way) if whole else window(test.images, side, *way)
            found = answers(net, replace(test, images=images))
            first = found if first is None else first
            pairs = ((found == other).double().mean() for other in (test.labels, first))
            both.append([100 * share.item() for share in pairs])
        rows.append([round(statistics.mean(one), 2) for one in zip(*both, strict=True)])
    return rows


def reordered(images: ImageTensors, data: str, order: str, seed: int) -> ImageTensors:
    """Return images with their pixels in the order that a seed has."""
    pixels = permutation(data, images.images.shape[2], order, seed)
    return replace(images, images=reorder_pixels(images.images, pixels))


def larger(data: ImageTensors) -> ImageTensors:
    """Return the images enlarged twofold."""
    images = functional.interpolate(data.images.float(), scale_factor=2, mode="bilinear")
    return replace(data, images=images.round().to(torch.uint8))


def resized(data: str, net: nn.Module, seed: int) -> dict[str, list[float]]:
    """Return accuracies in %, before fine-tuning and after it at each of FINE_TUNING_RATES."""
    train, test = load(data, DATA_ROOT)
    drawn = torch.randint(
        len(train), (FINE_TUNING * BATCH,), generator=torch.Generator().manual_seed(seed)
    )
    train, test = larger(train.subset(drawn)), larger(test)
    stranger = built(data, "Mixer", "whole", tuple(test.images.shape[1:]), seed + 1000)
    starts = {"from scratch": stranger}
    starts |= {"block-diagonal": block_diagonal(net, 2), "stretched": stretched(net, 2)}
    found = {name: [accuracy(begun, test)] for name, begun in starts.items()}
    for (name, begun), lr in itertools.product(starts.items(), FINE_TUNING_RATES):
        tuned = copy.deepcopy(begun)
        fit(tuned, random_batches(train, FINE_TUNING, BATCH, seed=seed), lr)
        found[name].append(accuracy(tuned, test))
    return {name: [round(100 * value, 2) for value in values] for name, values in found.items()}


def measure(data: str, part: str, name: str, seed: int, lr: float) -> dict:
    """Train one network; return its figures."""
    train, test = load(data, DATA_ROOT)
    side, steps = (SETTINGS[data][key] for key in ("window", "steps"))
    if part in ORDERS:
        train, test = (reordered(images, data, part, seed) for images in (train, test))
        net = trained(data, name, part, seed, lr, train, steps)
        return {"test": round(100 * accuracy(net, test), 2)}
    if part == "window":
        train = replace(train, images=window(train.images, side))
    net = trained(data, name, part, seed, lr, train, steps)
    result = {"shifts": shift_figures(net, test, part, side)}
    if part == "whole" and name in PERMUTED:
        versions = [reordered(test, data, ORDERS[0], seed) for seed in range(PERMUTATIONS)]
        result["permuted"] = [round(100 * accuracy(net, version), 2) for version in versions]
    if part == "whole" and name == "Mixer":
        result["resized"] = resized(data, net, seed)
    return result


def tuning(data: str) -> dict[str, dict[float, float]] | None:
    """Return validation accuracy by network and learning rate."""
    jobs = [(data, name, lr) for name in TUNED for lr in RATES[name]]
    found = finished("positions_tuning", jobs, validated)
    if found is None:
        return None
    return {name: {lr: found[data, name, lr] for lr in RATES[name]} for name in TUNED}


def jobs(data: str, best: dict[str, float]) -> list[tuple]:
    """Return what to train, seed by seed; the slowest network has fewer of them on CIFAR-10."""
    listed = []
    for seed in SEEDS:
        slow = data == "cifar10" and seed not in FEWER
        names = [name for name in NETWORKS if not (slow and name == "ResNet, total stride 2")]
        listed += [("whole", name, seed) for name in names]
        listed += [(order, name, seed) for order, name in itertools.product(ORDERS, PERMUTED)]
        listed += [("window", name, seed) for name in TUNED[:3] if name in names]
    return [(data, part, name, seed, best[name]) for part, name, seed in listed]


def of(results: dict[tuple, dict], part: str, name: str) -> list[dict]:
    """Return what the seeds have of one network."""
    return [found for job, found in results.items() if job[1:3] == (part, name)]


def shift_record(data: str, results: dict[tuple, dict]) -> dict:
    """Return, for whole images and windows, each network's accuracy and consistency by shift."""
    record: dict[str, dict] = {}
    channels, whole, _ = SHAPES[data]
    for part, shifts in SHIFTS.items():
        record[part] = {"pixels": shifts}
        side = SETTINGS[data]["window"] if part == "window" else whole
        for name in NETWORKS:
            runs = [found["shifts"] for found in of(results, part, name)]
            if not runs:  # none wanted, or none so far
                continue
            net = built(data, name, part, (channels, side, side), 0)
            record[part][name] = {
                "parameters": count_trainable_parameter(net),
                "macs": count_macs(net, (channels, side, side)),
                "accuracy": [summary([run[i][0] for run in runs]) for i in range(len(shifts))],
                "unchanged": [summary([run[i][1] for run in runs]) for i in range(len(shifts))],
            }
    return record


def permuted_record(results: dict[tuple, dict]) -> dict:
    """Return accuracy after training anew, and of networks that are only tested."""
    anew, tested = {}, {}
    for name in PERMUTED:
        whole = of(results, "whole", name)
        values = {"as they are": [run["shifts"][0][0] for run in whole]}
        values |= {order: [run["test"] for run in of(results, order, name)] for order in ORDERS}
        anew[name] = {order: summary(found) for order, found in values.items() if found}
        if whole:
            every = [value for run in whole for value in run["permuted"]]
            means = summary([statistics.mean(run["permuted"]) for run in whole])
            extremes = {"smallest": min(every), "largest": max(every)}
            tested[name] = {"mean_over_permutations": means, **extremes}
    return {"trained_anew": anew, "only_tested": tested}


def resized_record(results: dict[tuple, dict]) -> dict:
    """Return a Mixer's accuracy on enlarged images, by start, before and after fine-tuning."""
    runs = [found["resized"] for found in of(results, "whole", "Mixer")]
    record = {"steps": FINE_TUNING, "lr": FINE_TUNING_RATES}
    for name in STARTS if runs else ():
        before, *after = zip(*(run[name] for run in runs), strict=True)
        record[name] = {"before": summary(before), "after": [summary(one) for one in after]}
    return record


def recorded(data: str) -> None:
    """Tune and train what is missing for one data set, and write its record."""
    tried = tuning(data)
    if tried is None:
        return
    best = {name: max(found, key=found.get) for name, found in tried.items()}
    best[MOVED] = best["Mixer"]
    results = finished(f"positions_{data}", jobs(data, best), measure, partial=True)
    if results is None:
        return
    content = {
        "command": "python resources/experiments/positions.py",
        "settings": SETTINGS[data] | {"dim": DIM, "depth": DEPTH, "batch": BATCH},
        "tuning": {"seed": TUNING_SEED, "steps": TUNING_STEPS[data], "validation": tried},
        "lr": best,
        "test_images": TESTED[data],
        "shift": shift_record(data, results),
        "permutations": PERMUTATIONS,
        "permuted": permuted_record(results),
        "resized": resized_record(results),
    }
    save(f"positions_{data}", content)


def main() -> None:
    """Write both records."""
    for data in SETTINGS:
        recorded(data)


if __name__ == "__main__":
    sys.exit(start(main))
