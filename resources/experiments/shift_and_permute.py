"""What a shift and a permutation of patches do to trained networks, strides told apart.

    python resources/experiments/shift_and_permute.py

Writes resources/runs/shift_fashion_mnist_mini.json and permutations_fashion_mnist_mini.json; with
`--so-far` they hold what is there, and each figure its n. Networks of equal size are trained on the
bundled data as they are; one ResNet has strides in its stages, the other has not; one Mixer
sees its images moved by up to four pixels in each direction. Tested are images moved with their
outermost pixels repeated, and, as a control in which nothing is made up, windows of 20 pixels cut
from other places of the images than the middle on which these networks were trained. The same
networks see ten permutations of patches.
"""

import statistics
import sys
from dataclasses import replace

import torch
from jobs import finished, save, start
from torch import Tensor, nn

from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.dataset.loading import load
from hdd.models.baselines import STRIDES, build_network
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.models.resize_and_permute import patch_order, reorder_pixels
from hdd.train.classification_utils import predict
from hdd.train.intervals import summary
from hdd.train.short_runs import fit, random_batches

DATA, STEPS, DIM, DEPTH = "fashion_mnist_mini", 300, 64, 3
STRIDELESS = (2, 1, 1, 1, 1)
# Each network's best rate in a sweep of 200 steps, or one within 0.3 points of it; the ResNet's is
# the same with and without strides.
MOVED = "Mixer, moved images"
NETWORKS = {
    "Mixer": ("Mixer", STRIDES, 3e-3),
    "ResNet, total stride 16": ("ResNet", STRIDES, 1e-2),
    "ResNet, total stride 2": ("ResNet", STRIDELESS, 1e-2),
    "flat MLP": ("flat MLP", STRIDES, 3e-3),
    MOVED: ("Mixer", STRIDES, 3e-3),
}
PERMUTED = ("Mixer", "ResNet, total stride 16", "flat MLP")
SEEDS, MORE_SEEDS = (0, 1, 2), (3, 4)
PATCH = {"whole": 7, "window": 4}
SHIFTS = {"whole": (0, 1, 2, 4, 8), "window": (0, 1, 2, 4)}
WINDOW, PERMUTATIONS = 20, 10


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


def window(images: Tensor, down: int = 0, right: int = 0) -> Tensor:
    """Cut WINDOW pixels from the middle of images, or from so many pixels beside it."""
    top, left = ((size - WINDOW) // 2 for size in images.shape[2:])
    return images[:, :, top - down :, left - right :][:, :, :WINDOW, :WINDOW]


def built(name: str, setting: str, side: int, seed: int = 0) -> nn.Module:
    """Return one of NETWORKS for grey images with so many pixels a side."""
    kind, strides, _ = NETWORKS[name]
    shape, patch = (1, side, side), PATCH[setting]
    return build_network(kind, shape, patch, dim=DIM, depth=DEPTH, seed=seed, strides=strides)


def answers(net: nn.Module, data: ImageTensors) -> Tensor:
    """Return the predicted class of each image."""
    return predict(net, BatchLoader(data, 500), "cpu")[0].argmax(1)


def shift_figures(net: nn.Module, test: ImageTensors, setting: str) -> list[list[float]]:
    """Return (accuracy, predictions kept) in % for each shift, means over the four directions."""
    move = moved if setting == "whole" else window
    first, rows = None, []
    for by in SHIFTS[setting]:
        both = []
        for way in {(by, 0), (-by, 0), (0, by), (0, -by)}:
            found = answers(net, replace(test, images=move(test.images, *way)))
            first = found if first is None else first
            pairs = ((found == other).double().mean() for other in (test.labels, first))
            both.append([100 * share.item() for share in pairs])
        rows.append([round(statistics.mean(part), 2) for part in zip(*both, strict=True)])
    return rows


def permuted_accuracies(net: nn.Module, test: ImageTensors) -> list[float]:
    """Return the accuracy in % under PERMUTATIONS permutations of patches and pixels in them."""
    size, found = PATCH["whole"], []
    side = test.images.shape[2] // size
    for seed in range(PERMUTATIONS):
        generator = torch.Generator().manual_seed(1000 + seed)
        orders = (torch.randperm(n, generator=generator) for n in (side**2, size**2))
        images = reorder_pixels(test.images, patch_order((side, side), size, *orders))
        right = answers(net, replace(test, images=images)) == test.labels
        found.append(round(100 * right.double().mean().item(), 2))
    return found


def measure(seed: int, setting: str, name: str) -> dict[str, list]:
    """Train one network; return its figures."""
    train, test = load(DATA)
    if setting == "window":
        train = replace(train, images=window(train.images))
    net = built(name, setting, train.images.shape[2], seed)
    augment = moved_at_random if name == MOVED else None
    batches = random_batches(train, STEPS, 64, augment=augment, seed=seed)
    fit(net, batches, NETWORKS[name][2])
    result = {"shifts": shift_figures(net, test, setting)}
    if setting == "whole" and name != MOVED:
        result["permuted"] = permuted_accuracies(net, test)
    return result


def jobs() -> list[tuple]:
    """Return what to train, the most telling first."""
    unmoved = [name for name in NETWORKS if name != MOVED]
    listed = [(seed, "whole", name) for seed in SEEDS for name in unmoved]
    convolutional = [name for name in unmoved if name != "flat MLP"]
    listed += [(seed, "window", name) for seed in SEEDS for name in convolutional]
    listed += [(seed, "whole", name) for seed in MORE_SEEDS for name in PERMUTED]
    return listed + [(seed, "whole", MOVED) for seed in SEEDS]


def shift_record(results: dict[tuple, dict]) -> dict:
    """Return, for each setting and network, accuracy and consistency by shift."""
    record: dict[str, dict] = {}
    for setting, shifts in SHIFTS.items():
        record[setting] = {"pixels": shifts}
        for name in NETWORKS:
            keys = [(seed, setting, name) for seed in SEEDS]
            runs = [results[key]["shifts"] for key in keys if key in results]
            if not runs:  # none wanted, or none so far
                continue
            side = WINDOW if setting == "window" else 28
            net = built(name, setting, side)
            record[setting][name] = {
                "parameters": count_trainable_parameter(net),
                "macs": count_macs(net, (1, side, side)),
                "accuracy": [summary([run[i][0] for run in runs]) for i in range(len(shifts))],
                "unchanged": [summary([run[i][1] for run in runs]) for i in range(len(shifts))],
            }
    return record


def permutation_record(results: dict[tuple, dict]) -> dict:
    """Return accuracy under several permutations: each seed's mean is one value."""
    record = {}
    for name in PERMUTED:
        keys = [(seed, "whole", name) for seed in (*SEEDS, *MORE_SEEDS)]
        runs = [results[key] for key in keys if key in results]
        if not runs:
            continue
        every = [value for run in runs for value in run["permuted"]]
        record[name] = {
            "not_permuted": summary([run["shifts"][0][0] for run in runs]),
            "mean_over_permutations": summary([statistics.mean(run["permuted"]) for run in runs]),
            "smallest": min(every),
            "largest": max(every),
            "by_seed": [run["permuted"] for run in runs],
        }
    return record


def main() -> None:
    """Train what is missing and write both records."""
    results = finished("shift_and_permute", jobs(), measure, partial=True)
    if results is None:
        return
    about = {
        "command": "python resources/experiments/shift_and_permute.py",
        "settings": {
            "steps": STEPS,
            "batch": 64,
            "dim": DIM,
            "depth": DEPTH,
            "patch": PATCH,
            "window": WINDOW,
            "lr": {name: network[2] for name, network in NETWORKS.items()},
        },
        "test_images": 2000,
    }
    save(f"shift_{DATA}", about | {"seeds": SEEDS, **shift_record(results)})
    permutations = {"seeds": (*SEEDS, *MORE_SEEDS), "permutations": PERMUTATIONS}
    content = about | permutations | {"accuracy": permutation_record(results)}
    save(f"permutations_{DATA}", content)


if __name__ == "__main__":
    sys.exit(start(main))
