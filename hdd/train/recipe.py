"""Every knob of a recorded training run, with the reason for its value, and what it builds."""

import math
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from hdd.data_util.batch_augmentation import BatchAugmentation, CutMix
from hdd.dataset.image_tensors import ImageTensors
from hdd.dataset.loading import NAMES
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.token_mixers import KINDS, build
from hdd.train.muon import MuonAdamW

CHOICES = {
    "dataset": NAMES,
    "model": ("mixer", "vit", "cnn", *KINDS),
    "optimizer": ("muon", "adam"),
    "schedule": ("cosine", "document"),
    "precision": ("auto", "float32", "bfloat16"),
}


def _knob(default, unit: str):
    """Return a field whose `unit` becomes its text in `python -m hdd.train --help`."""
    return field(default=default, metadata={"help": unit})


@dataclass(frozen=True)
class Recipe:
    """What a run is made of; the defaults are those of the recorded run of 60 epochs on CIFAR-10.

    Raises:
        ValueError: a value outside its range; the message names it, the rule and a fix.
    """

    dataset: str = _knob("cifar10", "data set")
    model: str = _knob("mixer", "mixer, a baseline from timm, or a Mixer with another token mixer")
    # The document's network: 1,099,146 parameters at patch 4.
    patch_size: int = _knob(4, "side of a patch in pixels; must divide the image")
    dim: int = _knob(128, "channels of a token (mixer)")
    depth: int = _knob(8, "number of blocks (mixer)")
    # The document's; notebook 06 asks what wider token mixing does to the learned units.
    expansion_factor_token: float = _knob(0.5, "hidden units of token mixing a token (mixer)")
    epochs: int = _knob(60, "passes over the training images")
    # Half the document's: twice as many steps in the same number of epochs.
    batch_size: int = _knob(128, "images a step, over all processes")
    # In few epochs Muon gets much further than Adam; notebook 05 shows by how much.
    optimizer: str = _knob("muon", "muon (with AdamW beside it) or adam")
    lr: float = _knob(2e-3, "peak learning rate of Muon; Adam reads adam_lr")
    weight_decay: float = _knob(0.1, "of Muon's matrices; nothing else decays")
    adam_lr: float = _knob(1e-3, "peak learning rate of Adam, or of what Muon leaves to AdamW")
    # By step, so that the first one learns and the last one is at the end of the cosine.
    schedule: str = _knob("cosine", "cosine by step, or the document's by epoch with its faults")
    warmup_epochs: float = _knob(1.0, "epochs of linear warm-up, at most half of all")
    label_smoothing: float = _knob(0.1, "share of the target spread over all classes")
    auto_augment: bool = _knob(True, "AutoAugment's CIFAR-10 policy")
    crop_padding: int = _knob(4, "pixels that a crop moves an image by, at most")
    cutmix: float = _knob(0.25, "probability that an image gets a box of another")
    # About the last three epochs of steps; removes the noise of the last ones.
    weight_average: float = _knob(0.999, "decay per step of the averaged weights; 0 for none")
    # Enough to see that a run goes well; choices were made with 0.1.
    validation: float = _knob(0.02, "share of the training images held out")
    seed: int = _knob(0, "of weights, split, order and augmentation")
    precision: str = _knob("auto", "of the network; auto: bfloat16 where it is native")

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}. Fix: one of {list(choices)}.")
        for name in ("patch_size", "dim", "depth", "epochs", "batch_size"):
            self._check(name, 1, 1_000_000)
        for name in ("lr", "adam_lr", "expansion_factor_token"):
            self._check(name, 1e-12, 1000)
        for name in ("weight_decay", "warmup_epochs"):
            self._check(name, 0, 10_000)
        self._check("crop_padding", 0, 64)
        self._check("seed", 0, 2**31)
        for name in ("label_smoothing", "weight_average", "validation"):
            self._check(name, 0, math.nextafter(1.0, 0.0))
        self._check("cutmix", 0, 1)
        if self.optimizer == "muon" and self.model == "cnn":
            raise ValueError(
                "optimizer='muon' takes matrices only, and model='cnn' has convolutions. "
                "Fix: --optimizer adam."
            )

    def _check(self, name: str, low: float, high: float) -> None:
        value, knob = getattr(self, name), type(self).__dataclass_fields__[name]
        whole = knob.type is not int or (isinstance(value, int) and not isinstance(value, bool))
        if whole and low <= value <= high:  # NaN fails
            return
        kind = "a whole number from" if knob.type is int else "from"
        top = f"{high:,}" if isinstance(high, int) else "1, without 1 itself"
        flag = name.replace("_", "-")
        raise ValueError(
            f"{name}={value!r} must be {kind} {low} to {top}. "
            f"Fix: --{flag} {knob.default}, for example."
        )

    def augmentation(self) -> BatchAugmentation:
        """Return the augmentation of a whole batch of images."""
        return BatchAugmentation(auto_augment=self.auto_augment, padding=self.crop_padding)

    def mix(self, num_classes: int) -> CutMix | None:
        """Return CutMix for a batch and its labels, or None without."""
        return CutMix(self.cutmix, num_classes) if self.cutmix else None

    def network(self, data: ImageTensors) -> nn.Module:
        """Return the network for the images of `data`, with weights drawn from the seed."""
        torch.manual_seed(self.seed)
        channels, height, width = data.images.shape[1:]
        sizes = {"image_size": (height, width), "channels": channels, "dim": self.dim}
        sizes |= {"patch_size": self.patch_size, "depth": self.depth}
        if self.model in KINDS:
            return build(self.model, **sizes, num_classes=len(data.class_names))
        if self.model != "mixer":
            from hdd.models.baselines import build_baseline

            return build_baseline(self.model, (channels, height, width), self.patch_size)
        return MLPMixer(
            **sizes,
            expansion_factor_token=self.expansion_factor_token,
            num_classes=len(data.class_names),
        )

    def build_optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return the optimizer of the network's parameters."""
        if self.optimizer == "muon":
            return MuonAdamW(net, self.lr, self.weight_decay, self.adam_lr)
        return torch.optim.Adam(net.parameters(), self.adam_lr, betas=(0.9, 0.99), fused=True)

    def build_scheduler(self, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LambdaLR:
        """Return the schedule; call its `step()` after every step of the optimizer."""
        shape = self._cosine if self.schedule == "cosine" else self._document
        return LambdaLR(optimizer, lambda step: shape(step, steps_per_epoch))

    def _cosine(self, step: int, steps_per_epoch: int) -> float:
        """Rise in equal steps to 1, then half a cosine that reaches 0 after the last step."""
        total = self.epochs * steps_per_epoch
        warm = min(round(self.warmup_epochs * steps_per_epoch), total // 2)  # or it would not fall
        if step < warm:
            return (step + 1) / (warm + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))

    def _document(self, step: int, steps_per_epoch: int) -> float:
        """The document's: by epoch, the first of five at zero, a cosine that the end cuts off."""
        epoch = step // steps_per_epoch
        if epoch < 5:
            return epoch / 5
        return max(1e-3, 0.5 * (1 + math.cos(math.pi * (epoch - 5) / self.epochs)))
