"""Is the network of 60 epochs as sure as it is right? Temperature and mirrored images.

    python resources/experiments/calibration.py DATA_ROOT

Writes resources/runs/calibration.json. Takes the shipped weights and CIFAR-10; the temperature is
chosen on the validation images that this run held out, and the test images are looked at once.
"""

import sys

import torch
from jobs import DATA_ROOT
from torch import Tensor
from torch.nn import functional

from hdd.command import described, run
from hdd.dataset.image_tensors import BatchLoader, ImageTensors, split_validation
from hdd.dataset.loading import load
from hdd.train.classification_utils import predict
from hdd.train.records import load_net, load_run, save_run

RUN, BINS = "cifar10_patch4_60_epochs", 15
TEMPERATURES = [round(0.5 + 0.01 * i, 2) for i in range(101)]


def bins_of(logits: Tensor, labels: Tensor) -> list[dict[str, float]]:
    """Return number, mean confidence and accuracy of the images by confidence, in equal bins."""
    confidence, guess = logits.softmax(1).max(1)
    number = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    return [
        {
            "images": int((number == k).sum()),
            "confidence": confidence[number == k].mean().item(),
            "accuracy": (guess == labels)[number == k].double().mean().item(),
        }
        for k in number.unique().tolist()
    ]


def calibration(logits: Tensor, labels: Tensor, temperature: float) -> dict:
    """Return what can be said of probabilities at a temperature: loss, confidence, error, bins."""
    logits = logits / temperature
    bins = bins_of(logits, labels)
    gaps = [b["images"] * abs(b["confidence"] - b["accuracy"]) for b in bins]
    return {
        "temperature": temperature,
        "loss": functional.cross_entropy(logits, labels).item(),
        "mean_confidence": logits.softmax(1).max(1).values.mean().item(),
        "accuracy": (logits.argmax(1) == labels).double().mean().item(),
        "calibration_error": sum(gaps) / len(labels),
        "bins": bins,
    }


def mirrored(data: ImageTensors) -> ImageTensors:
    """Return the images with left and right exchanged."""
    return ImageTensors(data.images.flip(3), data.labels, data.class_names, data.mean, data.std)


def main(data_root: str) -> None:
    """Choose the temperature, test, and write the record."""
    torch.set_num_threads(1)
    net, recipe = load_net(RUN), load_run(RUN)["recipe"]
    train, test = load("cifar10", data_root)
    _, held_out = split_validation(train, recipe["validation"], recipe["seed"])
    logits, labels = predict(net, BatchLoader(held_out, 500), "cpu")
    losses = {t: functional.cross_entropy(logits / t, labels).item() for t in TEMPERATURES}
    chosen = min(losses, key=losses.get)
    plain, truth = predict(net, BatchLoader(test, 500), "cpu")
    both = (plain + predict(net, BatchLoader(mirrored(test), 500), "cpu")[0]) / 2
    before, after = plain.argmax(1) == truth, both.argmax(1) == truth
    content = {
        "command": "python resources/experiments/calibration.py DATA_ROOT",
        "run": RUN,
        "validation_images": len(held_out),
        "test_images": len(test),
        "plain": calibration(plain, truth, 1.0),
        "with_temperature": calibration(plain, truth, chosen),
        "mirrored_too": {
            "accuracy": after.double().mean().item(),
            "gained": int((after & ~before).sum()),
            "lost": int((before & ~after).sum()),
        },
    }
    save_run("calibration", content, "cpu")


if __name__ == "__main__":
    command = described()
    help_text = "the folder that holds cifar10; by default the repository's dataset"
    command.add_argument(
        "data_root", metavar="DATA_ROOT", nargs="?", default=DATA_ROOT, help=help_text
    )
    sys.exit(run(main, command))
