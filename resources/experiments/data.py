"""How much data a Mixer needs beside others, when each trains for as long as it gains from it.

    python resources/experiments/data.py

Writes resources/runs/data_fashion_mnist_mini.json: test accuracy of networks of equal size on 100,
1,000 and 9,000 of the bundled images, with their slopes on the logarithm of the number of images.

At each size each network takes the best of two rates x two weight decays (seed 0, 1,000 validation
images), and is then trained with four more seeds. A seed draws one set of images for all networks,
and the smaller set is part of the larger one, so that differences are paired. Whether the steps are
enough is tried, too: with seed 0 at the chosen rate and decay, twice as many.
"""

import math
import statistics
import sys

import torch
from jobs import finished, save, start

from hdd.data_util.batch_augmentation import BatchAugmentation
from hdd.dataset.image_tensors import ImageTensors, split_validation
from hdd.dataset.loading import load
from hdd.models.baselines import build_network
from hdd.models.nn_utils import count_macs, count_trainable_parameter
from hdd.train.intervals import summary
from hdd.train.short_runs import accuracy, fit, random_batches

DATA, DIM, DEPTH, PATCH = "fashion_mnist_mini", 64, 3, 7
SEEDS = (0, 1, 2, 3, 4)
RATES = {"Mixer": (1e-3, 3e-3), "ViT": (1e-3, 3e-3), "ResNet": (3e-3, 1e-2)}
DECAYS = (0.05, 0.5)  # AdamW's usual small one, and ten times as much against overfitting
BATCH, SHIFT = 64, 2
STEPS = {100: 400, 1000: 1200, 9000: 3000}  # each image is seen 256, 77 and 21 times


def subset(data: ImageTensors, size: int, seed: int) -> ImageTensors:
    """Return `size` images of `data`, the first of an order that depends on the seed alone."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data.subset(order[:size])


def learn(
    size: int, seed: int, name: str, lr: float, decay: float, longer: int = 1
) -> dict[str, float]:
    """Train one network on `size` images for `longer` times STEPS; return accuracies in %."""
    train, test = load(DATA)
    part, validation = split_validation(train, 0.1, seed=0)
    part = subset(part, size, seed)
    net = build_network(name, (1, 28, 28), PATCH, dim=DIM, depth=DEPTH, seed=seed)
    augment = BatchAugmentation(auto_augment=False, padding=SHIFT)
    batches = random_batches(part, longer * STEPS[size], BATCH, augment=augment, seed=seed)
    fit(net, batches, lr, weight_decay=decay)
    seen = part.subset(torch.arange(min(size, 2000)))
    found = {"validation": validation, "test": test, "training": seen}
    return {key: round(100 * accuracy(net, data), 2) for key, data in found.items()}


def chosen(tried: dict[tuple, dict]) -> dict[tuple[int, str], tuple[float, float]]:
    """Return, by size and network, the rate and decay that are best in validation.

    Of equally good ones it is the larger rate, and then the larger decay.
    """
    best: dict[tuple[int, str], tuple[float, ...]] = {}
    for (size, _, name, *setting), found in tried.items():
        best[size, name] = max(best.get((size, name), ()), (found["validation"], *setting))
    return {where: (lr, decay) for where, (_, lr, decay) in best.items()}


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
        seed: [size for size in STEPS if all((size, seed, name) in test for name in RATES)]
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


def accuracies_of(results: dict[tuple, dict], best: dict[tuple[int, str], tuple]) -> dict:
    """Return, by network and size, what its seeds gave, and the Mixer's lead, paired by seed."""
    record: dict[str, dict] = {}
    for name in RATES:
        for size in STEPS:
            runs = {job[1]: found for job, found in results.items() if job[:3:2] == (size, name)}
            if not runs:
                continue
            row = {
                key: summary([run[key] for run in runs.values()]) for key in ("test", "training")
            }
            mixer = {job[1]: f for job, f in results.items() if job[:3:2] == (size, "Mixer")}
            if name != "Mixer" and set(mixer) & set(runs):
                lead = [mixer[seed]["test"] - runs[seed]["test"] for seed in mixer if seed in runs]
                row["mixer_lead"] = summary(lead)
            setting = dict(zip(("lr", "weight_decay"), best[size, name], strict=True))
            record.setdefault(name, {})[str(size)] = setting | row
    return record


def trained() -> tuple[dict[tuple, dict], ...] | None:
    """Tune and train at one size after the other; return what was tried, chosen, and trained on."""
    tried, results, twice = {}, {}, {}
    for size in STEPS:
        settings = [(name, lr, wd) for name in RATES for lr in RATES[name] for wd in DECAYS]
        found = finished("data_tuning", [(size, SEEDS[0], *one) for one in settings], learn)
        if found is None:
            return None
        best = [(name, *setting) for (_, name), setting in chosen(found).items()]
        more = finished("data", [(size, s, *one) for s in SEEDS[1:] for one in best], learn)
        longer = finished("data_twice", [(size, SEEDS[0], *one, 2) for one in best], learn)
        if more is None or longer is None:
            return None
        tried |= found
        results |= {job: found[job] for job in found if job[2:] in best} | more
        twice |= longer
    return tried, results, twice


def gains_of(twice: dict[tuple, dict], tried: dict[tuple, dict]) -> dict[str, dict]:
    """Return, by network and size, by how many points twice the steps raise validation and test."""
    record: dict[str, dict] = {}
    for job, found in twice.items():
        size, _, name, *_ = job
        once = tried[job[:5]]
        gain = {key: round(found[key] - once[key], 2) for key in ("validation", "test")}
        record.setdefault(name, {})[str(size)] = gain
    return record


def main() -> None:
    """Train what is missing and write the record."""
    done = trained()
    if done is None:
        return
    tried, results, twice = done
    sizes, found = compared(results)
    nets = {name: build_network(name, (1, 28, 28), PATCH, dim=DIM, depth=DEPTH) for name in RATES}
    content = {
        "command": "python resources/experiments/data.py",
        "settings": {
            **{"dim": DIM, "depth": DEPTH, "patch": PATCH, "batch": BATCH, "steps": STEPS},
            **{"shift": SHIFT, "mirror": True},
        },
        "parameters": {name: count_trainable_parameter(net) for name, net in nets.items()},
        "macs": {name: count_macs(net, (1, 28, 28)) for name, net in nets.items()},
        "tried": {"lr": RATES, "weight_decay": DECAYS},
        "validation_images": 1000,
        "test_images": 2000,
        "seeds": sorted({job[1] for job in results}),
        "tuning": [[*job, one["validation"]] for job, one in tried.items()],
        "accuracy": accuracies_of(results, chosen(tried)),
        "gain_of_twice_the_steps": gains_of(twice, tried),
        "slope_sizes": sizes,
        "slope_per_decade": slopes_of(found) if len(sizes) > 1 else {},
    }
    save(f"data_{DATA}", content)


if __name__ == "__main__":
    sys.exit(start(main))
