"""What makes token mixing local: crops, or more images?

    python resources/experiments/locality.py

Writes resources/runs/locality.json. A small Mixer sees equally many batches of CIFAR-10, drawn
from 5,000 or from all training images, as they are or moved by random crops; of each of its blocks
the smoothness of the units and the translation-equivariant share of W2 W1 are taken, beside 100
relabellings of the grid common to reading and writing. Within a seed all four have the same start,
and the small set is part of the large one.
"""

import statistics
import sys

import torch
from jobs import DATA_ROOT, finished, save, start

from hdd.data_util.batch_augmentation import BatchAugmentation
from hdd.dataset.image_tensors import BatchLoader
from hdd.dataset.loading import load
from hdd.device.utils import get_amp_dtype
from hdd.models import learned_weights as tm
from hdd.models.cnn.fast_step import PROOF_IMAGES, FastStep
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.train.classification_utils import evaluate, train_one_epoch
from hdd.train.intervals import summary
from hdd.train.muon import MuonAdamW
from hdd.train.short_runs import one_cycle, random_batches

SEEDS, IMAGES, PADDING = (0, 1, 2, 3, 4), (5_000, 50_000), (0, 4)
STEPS, BATCH, DRAWS = 1_000, 128, 100
SIZES = {"patch_size": 4, "dim": 64, "depth": 4}
OPTIMIZER = {"lr": 3e-3, "weight_decay": 0.1, "adamw_lr": 1e-3}


def train(seed: int, images: int, padding: int) -> list[list[float]]:
    """Train one network; return [[test accuracy in %], then a list of figures for each block]."""
    data, test = load("cifar10", DATA_ROOT)
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:images]
    torch.manual_seed(seed)
    net = MLPMixer(**SIZES)
    optimizer = MuonAdamW(net, *OPTIMIZER.values())
    batches = random_batches(
        data.subset(chosen),
        STEPS,
        BATCH,
        augment=BatchAugmentation(auto_augment=False, padding=padding),
        seed=seed,
    )
    rate, criterion = one_cycle(optimizer, STEPS), torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    dtype, device = get_amp_dtype(torch.device("cpu")), torch.device("cpu")
    step, dtype = FastStep(net, test.normalize(test.images[:PROOF_IMAGES]), dtype).choose()
    train_one_epoch(step, criterion, batches, device, optimizer, dtype, on_step=rate.step)
    accuracy = 100 * evaluate(net, BatchLoader(test, 500), device)[1]
    return [[round(accuracy, 2)], *(block_figures(net, i) for i in range(len(net.blocks)))]


def block_figures(net: torch.nn.Module, layer: int) -> list[float]:
    """Return smoothness, equivariant share, its mean under chance, identity and constant."""
    found = tm.structure(net, layer, DRAWS)
    smooth, share = found["autocorrelation"], found["equivariant share"]
    trivial = tm.trivial_share(tm.effective_mixing(net, layer))
    values = (smooth.value, smooth.z, share.value, share.null_mean, share.z, trivial)
    return [round(value, 4) for value in values]


def gathered(runs: list) -> dict:
    """Return what the record holds of one setting: summaries over its seeds, and all blocks."""
    smooth = [statistics.mean(block[0] for block in run[1:]) for run in runs]
    above = [statistics.mean(block[2] - block[3] for block in run[1:]) for run in runs]
    return {
        "accuracy": summary([run[0][0] for run in runs]),
        "smoothness": summary(smooth, 4),
        "share_above_null": summary(above, 4),
        "blocks": [run[1:] for run in runs],
    }


def main() -> None:
    """Train all networks and write the record."""
    jobs = [(s, i, p) for s in SEEDS for i in IMAGES for p in PADDING]
    results = finished("locality", jobs, train, partial=True)
    if results is None:
        return
    networks = {}
    for images in IMAGES:
        for padding in PADDING:
            runs = [run for job, run in results.items() if job[1:] == (images, padding)]
            if runs:
                networks[f"{images} images, {'crops' if padding else 'no crops'}"] = gathered(runs)
    content = {
        "command": "python resources/experiments/locality.py",
        "settings": {"steps": STEPS, "batch": BATCH, "draws": DRAWS, **SIZES, **OPTIMIZER},
        "columns": ["smoothness", "its z", "share", "share_null", "its z", "identity_and_constant"],
        "networks": networks,
    }
    save("locality", content)


if __name__ == "__main__":
    sys.exit(start(main))
