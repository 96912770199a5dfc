"""Every knob of a recorded training run, with the reason for its value, and what it builds.

A knob acts, or it is refused. Where the usual value depends on the model, the optimizer or the
schedule, the default is None: a new recipe replaces it by the value that acts, and leaves None
where there is nothing to act on.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, get_args

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from hdd.arguments import shown
from hdd.data_util.batch_augmentation import BatchAugmentation, CutMix
from hdd.dataset.image_tensors import ImageTensors
from hdd.dataset.loading import NAMES
from hdd.models.baselines import SIZES, build_baseline
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.token_mixers import MIXER_KINDS, build_mixer
from hdd.train.muon import MuonAdamW
from hdd.train.schedule import WARMUP_EPOCHS, cosine_by_epoch, warmup_cosine

BASELINES = ("vit", "cnn")
CHOICES = {
    "dataset": NAMES,
    "model": ("mixer", *BASELINES, *MIXER_KINDS),
    "optimizer": ("muon", "adam", "adamw"),
    "schedule": ("cosine", "cosine-by-epoch"),
    "precision": ("auto", "float32", "bfloat16"),
}
WITH_HEADS = ("vit", "attention", "hybrid")  # four attention heads share the channels
BELOW_ONE = math.nextafter(1.0, 0.0)
# Knobs that some choices leave without effect: which choice, and why.
IDLE = {
    "patch_size": ("model", "it has no patches"),
    "expansion_factor_token": ("model", "only model='mixer' has a token MLP of free width"),
    "weight_decay": ("optimizer", "it decays no weights, optimizer='adamw' does"),
    "adamw_lr": ("optimizer", "it is the rate of what Muon leaves to AdamW; here `lr` is the rate"),
    "warmup_epochs": ("schedule", f"its warm-up is {WARMUP_EPOCHS} epochs long"),
}


def _knob(default, unit: str, low: float = 0, high: float = 0, usual: str = ""):
    """Return a field with its text for `python -m hdd.train --help`, and the range of a number."""
    text = f"{unit} (default: {usual or default})"
    example = default if default is not None else usual.partition(";")[0]
    return field(
        default=default,
        metadata={"help": text, "low": low, "high": high, "example": example},
    )


def kind_of(knob: dataclasses.Field) -> type:
    """Return str, bool, int or float, also for a knob that may be None."""
    return get_args(knob.type)[0] if get_args(knob.type) else knob.type


@dataclass(frozen=True)
class Recipe:
    """What a run is made of; the defaults are those of the recorded run of 60 epochs on CIFAR-10.

    Raises:
        ValueError: a value of another type, outside its range, or without effect beside the
            others; the message names it, the rule and a fix.
    """

    dataset: str = _knob("cifar10", "data set")
    model: str = _knob("mixer", "mixer, a baseline from timm, or a Mixer with another token mixer")
    # The document's network: 1,099,146 parameters at patch 4.
    patch_size: int | None = _knob(
        None, "side of a patch in pixels; must divide the image", 1, 1024, "4; cnn: none"
    )
    # The baselines' usual sizes have about as many parameters.
    dim: int | None = _knob(
        None, "channels of a token, or of the CNN's first stage", 1, 65_536, "128; cnn: 32"
    )
    depth: int | None = _knob(
        None, "number of blocks, in each stage of the CNN", 1, 1000, "8; vit: 5, cnn: 2"
    )
    # The document's; notebook 06 asks what wider token mixing does to the learned units.
    expansion_factor_token: float | None = _knob(
        None, "hidden units of token mixing a token", 1e-12, 1000, "0.5; other than mixer: none"
    )
    epochs: int = _knob(60, "passes over the training images", 1, 1_000_000)
    # Half the document's: twice as many steps in the same number of epochs.
    batch_size: int = _knob(128, "images a step, over all processes", 1, 1_000_000)
    # In few epochs Muon gets much further than Adam on CIFAR-10; notebook 04 shows by how much.
    optimizer: str = _knob("muon", "muon (with AdamW beside it), adam, or adamw")
    lr: float | None = _knob(
        None, "peak learning rate of the optimizer", 1e-6, 1000, "0.002; adam, adamw: 0.001"
    )
    # Biases, gains and position embeddings never decay; neither do stem and head beside Muon.
    weight_decay: float | None = _knob(
        None, "of weight matrices, times the rate", 0, 10_000, "0.1; adamw: 0.05, adam: none"
    )
    adamw_lr: float | None = _knob(
        None, "peak rate of what Muon leaves to AdamW", 1e-6, 1000, "0.001; without muon: none"
    )
    # By step, so that the first one learns and the last one is at the end of the cosine.
    schedule: str = _knob("cosine", "by step, or the source document's by epoch with its faults")
    warmup_epochs: float | None = _knob(
        None,
        "epochs of linear warm-up, at most half of all",
        0,
        500_000,
        "1.0; cosine-by-epoch: none",
    )
    label_smoothing: float = _knob(0.1, "share of the target spread over all classes", 0, BELOW_ONE)
    auto_augment: bool = _knob(True, "AutoAugment's CIFAR-10 policy")
    crop_padding: int = _knob(4, "pixels that a crop moves an image by, at most", 0, 64)
    cutmix: float = _knob(0.25, "probability that an image gets a box of another", 0, 1)
    # About the last three epochs of steps; removes the noise of the last ones.
    weight_average: float = _knob(
        0.999,
        "decay per step of the averaged weights, less over the first steps; 0 for none",
        0,
        BELOW_ONE,
    )
    # Enough to see that a run goes well; choices were made with 0.1.
    validation: float = _knob(0.02, "share of the training images held out", 0, BELOW_ONE)
    seed: int = _knob(0, "of weights, split, order and augmentation", 0, 2**31)
    precision: str = _knob("auto", "of the network; auto: bfloat16 where it is native")

    def __post_init__(self) -> None:
        for knob in dataclasses.fields(self):
            if getattr(self, knob.name) is not None or knob.default is not None:
                self._set(knob.name, _checked(knob, getattr(self, knob.name)))
        usual = self._usual()
        for name, (choice, why) in IDLE.items():
            if name not in usual and getattr(self, name) is not None:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} has no effect with "
                    f"{choice}={getattr(self, choice)!r}: {why}. Fix: leave `{name}` out."
                )
        for name, value in usual.items():
            if getattr(self, name) is None:
                self._set(name, value)
        self._check_sizes()
        self._check_together()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # frozen only from here on

    def _usual(self) -> dict[str, Any]:
        """Return the usual values of those optional knobs that act here."""
        dim, depth = SIZES[self.model] if self.model in BASELINES else (128, 8)
        usual = {"dim": dim, "depth": depth, "lr": 1e-3}
        if self.model != "cnn":
            usual["patch_size"] = 4
        if self.model == "mixer":
            usual["expansion_factor_token"] = 0.5
        if self.optimizer == "muon":
            usual |= {"lr": 2e-3, "weight_decay": 0.1, "adamw_lr": 1e-3}
        if self.optimizer == "adamw":
            usual["weight_decay"] = 0.05
        if self.schedule == "cosine":
            usual["warmup_epochs"] = min(1.0, self.epochs / 2)
        return usual

    def _check_sizes(self) -> None:
        if self.dim == 1 and self.model != "cnn":
            raise ValueError(
                "dim=1 leaves the norms one channel, and they make a zero of it: nothing of the "
                "images gets through. Fix: dim=2 or more."
            )
        if self.model in WITH_HEADS and self.dim % 4:
            raise ValueError(
                f"dim={self.dim} does not divide among the four attention heads of "
                f"model={self.model!r}. Fix: dim={self.dim + -self.dim % 4}."
            )
        if self.model == "hybrid" and self.depth == 1:
            raise ValueError(
                "depth=1 has no second block, where model='hybrid' has its attention. "
                "Fix: depth=2 or more, or model='token-mlp'."
            )

    def _check_together(self) -> None:
        """Refuse values that are right by themselves, and wrong beside each other."""
        if self.optimizer == "muon" and self.model == "cnn":
            raise ValueError(
                "optimizer='muon' takes matrices only, and model='cnn' has convolutions. "
                "Fix: optimizer='adam'."
            )
        if (self.warmup_epochs or 0) > self.epochs / 2:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} is more than half of epochs={self.epochs}. "
                f"Fix: warmup_epochs={self.epochs / 2} or less."
            )
        if self.schedule == "cosine-by-epoch" and self.epochs <= WARMUP_EPOCHS:
            raise ValueError(
                f"epochs={self.epochs} ends before schedule={self.schedule!r} reaches its peak, "
                f"after {WARMUP_EPOCHS} epochs. Fix: epochs={WARMUP_EPOCHS + 1}, or "
                "schedule='cosine'."
            )
        if self.cutmix and self.batch_size == 1:
            raise ValueError(
                f"cutmix={self.cutmix} takes boxes from other images of the batch, and "
                "batch_size=1 has none. Fix: cutmix=0."
            )

    def check_images(self, images: int) -> None:
        """Raise ValueError if a knob has no effect on a training with so many images."""
        if self.batch_size > images:
            raise ValueError(
                f"batch_size={self.batch_size} is more than the {images} training images that "
                f"validation={self.validation} leaves. Fix: batch_size={images} or less."
            )
        steps = -(-images // self.batch_size)
        if self.epochs * steps == 1:
            raise ValueError(
                f"batch_size={self.batch_size} takes all {images} training images, and epochs=1 "
                "is then one step: too few for a schedule or an average. Fix: epochs=2."
            )
        if 0 < (self.warmup_epochs or 0) * steps <= 0.5:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} is less than one of the {steps} steps that "
                f"batch_size={self.batch_size} makes of an epoch. "
                f"Fix: warmup_epochs=0, or {1 / steps:.2g} and more."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return what acts, for records: `Recipe(**recipe.as_dict()) == recipe`."""
        return {name: v for name, v in dataclasses.asdict(self).items() if v is not None}

    def augmentation(self) -> BatchAugmentation:
        """Return the augmentation of a whole batch of images."""
        return BatchAugmentation(auto_augment=self.auto_augment, padding=self.crop_padding)

    def mix(self, num_classes: int) -> CutMix | None:
        """Return CutMix for a batch and its labels, or None without."""
        return CutMix(self.cutmix, num_classes) if self.cutmix else None

    def network(self, data: ImageTensors) -> nn.Module:
        """Return the network for the images of `data`, with weights drawn from the seed."""
        torch.manual_seed(self.seed)
        shape, num_classes = tuple(data.images.shape[1:]), len(data.class_names)
        if self.model in BASELINES:
            sizes = {"width": self.dim, "depth": self.depth}
            return build_baseline(self.model, shape, self.patch_size, num_classes, **sizes)
        sizes = {
            "image_size": shape[1:],
            "channels": shape[0],
            "patch_size": self.patch_size,
            "dim": self.dim,
            "depth": self.depth,
            "num_classes": num_classes,
        }
        if self.model in MIXER_KINDS:
            return build_mixer(self.model, **sizes)
        tokens = (shape[1] // self.patch_size) * (shape[2] // self.patch_size)
        if tokens and tokens * self.expansion_factor_token < 1:
            least = math.ceil(10_000 / tokens) / 10_000
            raise ValueError(
                f"patch_size={self.patch_size} makes {tokens} token{'s' * (tokens > 1)} of an "
                f"image, and expansion_factor_token={self.expansion_factor_token} of them no "
                f"hidden unit. Fix: a smaller `patch_size`, or expansion_factor_token={least}."
            )
        return MLPMixer(**sizes, expansion_factor_token=self.expansion_factor_token)

    def build_optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """Return the optimizer of the network's parameters."""
        options = {"betas": (0.9, 0.99), "fused": True}
        if self.optimizer == "muon":
            return MuonAdamW(net, self.lr, self.weight_decay, self.adamw_lr)
        if self.optimizer == "adam":
            return torch.optim.Adam(net.parameters(), self.lr, **options)
        decaying, others = [], []
        for name, parameter in net.named_parameters():
            matrix = name.endswith("weight") and parameter.ndim > 1
            (decaying if matrix else others).append(parameter)
        groups = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, self.lr, weight_decay=self.weight_decay, **options)

    def build_scheduler(self, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LambdaLR:
        """Return the schedule; call its `step()` after every step of the optimizer."""
        return LambdaLR(optimizer, lambda step: self.share_of_peak(step, steps_per_epoch))

    def share_of_peak(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate at `step`, counted from 0, as a share of the peak."""
        if self.schedule == "cosine-by-epoch":
            return cosine_by_epoch(step // steps_per_epoch, self.epochs)
        total = self.epochs * steps_per_epoch
        warm = min(round(self.warmup_epochs * steps_per_epoch), total // 2)
        return warmup_cosine(step, total, warm)


def _checked(knob: dataclasses.Field, value: Any) -> Any:
    """Return a value of the knob's own type, or raise ValueError."""
    kind, low, high = kind_of(knob), knob.metadata["low"], knob.metadata["high"]
    if kind is str:
        choices = CHOICES[knob.name]
        right, rule = isinstance(value, str) and value in choices, f"one of {list(choices)}"
    elif kind is bool:
        right, rule = isinstance(value, bool), "True or False"
    else:
        number = isinstance(value, Integral if kind is int else Real)
        right = number and not isinstance(value, bool) and low <= value <= high  # NaN fails
        top = "below 1" if high == BELOW_ONE else f"to {high:,}"
        rule = f"a {'whole ' * (kind is int)}number from {low} {top}"
    if not right:
        fix = f"{knob.name}={knob.metadata['example']!r}".replace("'", "'" * (kind is str))
        raise ValueError(f"{knob.name}={shown(value)} must be {rule}. Fix: {fix}, for example.")
    return kind(value)
