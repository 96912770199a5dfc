"""How much data a Mixer needs beside others, when each trains until validation stops improving.

    python resources/experiments/data.py

Writes resources/runs/data_fashion_mnist_mini.json: test accuracy of networks of equal size on 100,
1,000 and 9,000 of the bundled images, with their slopes on the logarithm of the number of images.

At each size each network takes the better of two rates (seed 0, 1,000 validation images), and is
then trained with two more seeds. A seed draws one set of images for all networks, and the smaller
set is part of the larger one, so that differences are paired. A training goes on until accuracy in
validation has not improved for PATIENCE looks; then it returns to its best weights with a rate
DROP times smaller, and goes on likewise until that gains nothing more.
"""

import copy
import math
import statistics
import sys

import torch
from jobs import finished, start
from torch import nn

from hdd.data_util.batch_augmentation import BatchAugmentation
from hdd.dataset.image_tensors import ImageTensors, split_validation
from hdd.dataset.loading import load
from hdd.models.baselines import build_network
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.train.classification_utils import train_one_epoch
from hdd.train.intervals import summary
from hdd.train.records import save_run
from hdd.train.short_runs import accuracy, random_batches

DATA, DIM, DEPTH, PATCH = "fashion_mnist_mini", 64, 3, 7
SIZES, SEEDS = (100, 1000, 9000), (0, 1, 2)
RATES = {"Mixer": (1e-3, 3e-3), "ViT": (1e-3, 3e-3), "ResNet": (3e-3, 1e-2)}
BATCH, DECAY, SHIFT = 64, 0.05, 2
LOOK, PATIENCE, DROP, MOST_STEPS = 50, 6, 10, 8000


def subset(data: ImageTensors, size: int, seed: int) -> ImageTensors:
    """Return `size` images of `data`, the first of an order that depends on the seed alone."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data.subset(order[:size])


def train_until_it_stops(
    net: nn.Module, data: ImageTensors, validation: ImageTensors, lr: float, seed: int
) -> tuple[float, int]:
    """Train `net` as this file's first lines say; return (best validation accuracy, steps).

    The network is left with its best weights.
    """
    augment = BatchAugmentation(auto_augment=False, padding=SHIFT)
    optimizer = torch.optim.AdamW(net.parameters(), lr, weight_decay=DECAY, fused=True)
    best, kept, waited, drops, steps = 0.0, copy.deepcopy(net.state_dict()), 0, 0, 0
    while drops < 2 and steps < MOST_STEPS:
        batches = random_batches(data, LOOK, BATCH, augment=augment, seed=1000 * seed + steps)
        train_one_epoch(net, nn.CrossEntropyLoss(), batches, "cpu", optimizer)
        steps += LOOK
        now = accuracy(net, validation)
        waited += 1
        if now > best:
            best, kept, waited = now, copy.deepcopy(net.state_dict()), 0
        if waited == PATIENCE:
            net.load_state_dict(kept)
            drops, waited = drops + 1, 0
            for group in optimizer.param_groups:
                group["lr"] /= DROP
    net.load_state_dict(kept)
    return best, steps


def learn(size: int, seed: int, name: str, lr: float) -> dict[str, float]:
    """Train one network on `size` images; return accuracies in %, and the steps it took."""
    train, test = load(DATA)
    part, validation = split_validation(train, 0.1, seed=0)
    part = subset(part, size, seed)
    net = build_network(name, (1, 28, 28), PATCH, dim=DIM, depth=DEPTH, seed=seed)
    best, steps = train_until_it_stops(net, part, validation, lr, seed)
    found = {"validation": best, "test": accuracy(net, test)}
    found["training"] = accuracy(net, part.subset(torch.arange(min(size, 2000))))
    return {key: round(100 * value, 2) for key, value in found.items()} | {"steps": steps}


def chosen_rates(tried: dict[tuple, dict]) -> dict[tuple[int, str], float]:
    """Return, by size and network, the rate with the best validation accuracy."""
    best: dict[tuple[int, str], tuple[float, float]] = {}
    for (size, _, name, lr), found in tried.items():
        best[size, name] = max(best.get((size, name), (0.0, 0.0)), (found["validation"], lr))
    return {where: lr for where, (_, lr) in best.items()}


def slope(by_size: dict[int, float]) -> float:
    """Return the least-squares slope of accuracy on log10 of the number of images."""
    x = [math.log10(size) for size in by_size]
    return statistics.linear_regression(x, list(by_size.values())).slope


def compared(results: dict[tuple, dict]) -> tuple[list[int], dict[str, dict[int, dict]]]:
    """Return the sizes that one seed or more has for all networks, and test accuracy on them.

    The accuracy is [network][seed][size], of those seeds alone that have all these sizes.
    """
    test = {job[:3]: found["test"] for job, found in results.items()}
    common = {
        seed: [size for size in SIZES if all((size, seed, name) in test for name in RATES)]
        for seed in SEEDS
    }
    sizes = max(common.values(), key=len)
    seeds = [seed for seed in SEEDS if common[seed] == sizes]
    by_network = {
        name: {seed: {size: test[size, seed, name] for size in sizes} for seed in seeds}
        for name in RATES
    }
    return sizes, by_network


def slopes_of(found: dict[str, dict[int, dict]]) -> dict[str, dict]:
    """Return each network's slope over seeds, and by how much the Mixer's is larger, paired."""
    slopes = {name: [slope(by_size) for by_size in of.values()] for name, of in found.items()}
    record = {name: summary(of) for name, of in slopes.items()}
    for other in ("ResNet", "ViT"):
        pairs = zip(slopes["Mixer"], slopes[other], strict=True)
        record[f"Mixer - {other}"] = summary([mixer - one for mixer, one in pairs])
    return record


def accuracies_of(results: dict[tuple, dict], rates: dict[tuple[int, str], float]) -> dict:
    """Return, by network and size, what its seeds gave, and the Mixer's lead, paired by seed."""
    record: dict[str, dict] = {}
    for name in RATES:
        for size in SIZES:
            runs = {job[1]: found for job, found in results.items() if job[:3:2] == (size, name)}
            if not runs:
                continue
            row = {
                key: summary([run[key] for run in runs.values()]) for key in ("test", "training")
            }
            row["steps"] = [run["steps"] for run in runs.values()]
            mixer = {job[1]: f for job, f in results.items() if job[:3:2] == (size, "Mixer")}
            if name != "Mixer" and set(mixer) & set(runs):
                lead = [mixer[seed]["test"] - runs[seed]["test"] for seed in mixer if seed in runs]
                row["mixer_lead"] = summary(lead)
            record.setdefault(name, {})[str(size)] = {"lr": rates[size, name], **row}
    return record


def trained() -> tuple[dict[tuple, dict], dict[tuple, dict]] | None:
    """Tune and train at one size after the other; return what was tried, and what was chosen."""
    tried, results = {}, {}
    for size in SIZES:
        tuning = [(size, SEEDS[0], name, lr) for name in RATES for lr in RATES[name]]
        found = finished("data_rates", tuning, learn)
        if found is None:
            return None
        rates = chosen_rates(found)
        wanted = [(size, s, name, lr) for s in SEEDS[1:] for (_, name), lr in rates.items()]
        more = finished("data", wanted, learn)
        if more is None:
            return None
        tried |= found
        results |= {job: found[job] for job in found if job[3] == rates[job[0], job[2]]} | more
    return tried, results


def main() -> None:
    """Train what is missing and write the record."""
    done = trained()
    if done is None:
        return
    tried, results = done
    rates = chosen_rates(tried)
    sizes, found = compared(results)
    nets = {name: build_network(name, (1, 28, 28), PATCH, dim=DIM, depth=DEPTH) for name in RATES}
    content = {
        "command": "python resources/experiments/data.py",
        "settings": {
            **{"dim": DIM, "depth": DEPTH, "patch": PATCH, "batch": BATCH, "decay": DECAY},
            **{"shift": SHIFT, "mirror": True, "look": LOOK, "patience": PATIENCE, "drop": DROP},
            "most_steps": MOST_STEPS,
        },
        "parameters": {name: count_trainable_parameter(net) for name, net in nets.items()},
        "macs": {name: count_macs(net, (1, 28, 28)) for name, net in nets.items()},
        "rates_tried": RATES,
        "validation_images": 1000,
        "test_images": 2000,
        "seeds": sorted({job[1] for job in results}),
        "tuning": [[*job, one["validation"]] for job, one in tried.items()],
        "accuracy": accuracies_of(results, rates),
        "slope_sizes": sizes,
        "slope_per_decade": slopes_of(found) if len(sizes) > 1 else {},
    }
    save_run(f"data_{DATA}", content, "cpu")


if __name__ == "__main__":
    sys.exit(start(main))
