"""One recorded run: build what a Recipe says, train, survive interruptions, evaluate once."""

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from hdd.arguments import check_range, checked
from hdd.dataset.image_tensors import BatchLoader, ImageTensors, split_validation
from hdd.dataset.loading import load
from hdd.device.utils import get_amp_dtype
from hdd.models.cnn.fast_step import PROOF_IMAGES, FastStep
from hdd.train.classification_utils import evaluate, predict, train_one_epoch
from hdd.train.processes import Shard, first_alone, mean_over_processes, processes, rank
from hdd.train.recipe import Recipe

ORDER, AUGMENTATION = 1, 2  # of the images of an epoch: two streams of random numbers


class Run:
    """The state of one run: call `train_epoch` until `epoch` is `recipe.epochs`."""

    @checked
    def __init__(self, recipe: Recipe, device: torch.device, data_root: str | Path) -> None:
        self.recipe, self.device = recipe, device
        self.epoch, self.history = 0, {}
        self.begun = False  # an epoch, and not ended
        with first_alone():
            train, self.test = (part.to(device) for part in load(recipe.dataset, data_root))
        self.train_data, self.val_data = _split(train, recipe)
        recipe.check_images(len(self.train_data))
        self.net = recipe.network(train).to(device)
        _check_normalisation(self.net)
        self.amp_dtype = _precision(recipe.precision, get_amp_dtype(device))
        few = self.train_data.normalize(self.train_data.images[:PROOF_IMAGES])
        self.step = FastStep(self.net, few, self.amp_dtype, print if rank() == 0 else _silent)
        self.optimizer = recipe.build_optimizer(self.net)
        self.scheduler = recipe.build_scheduler(self.optimizer, len(self._loader()))
        self.average = average_of(self.net, recipe.weight_average)

    @property
    def result(self) -> nn.Module:
        """The network to evaluate and keep: the averaged weights, if the recipe averages."""
        return self.net if self.average is None else self.average.module

    def _loader(self) -> Shard:
        """Return the loader of the current epoch, whose order depends on seed and epoch alone."""
        recipe = self.recipe
        loader = BatchLoader(
            self.train_data,
            recipe.batch_size,
            shuffle=True,
            augment=recipe.augmentation(),
            mix=recipe.mix(len(self.train_data.class_names)),
            seed=_epoch_seed(recipe.seed, self.epoch, ORDER),
        )
        return Shard(loader, rank(), processes())

    def train_epoch(self) -> dict[str, float | str]:
        """Train for one epoch, evaluate, and return the epoch's metrics.

        Losses are means per image, accuracies shares; `learning_rate` is that of the first step,
        `train_time` in seconds without the evaluation, `step` "plain" or "fused".

        Raises:
            ValueError: an epoch before this one was interrupted.
            FloatingPointError: a loss that is not finite.
        """
        self._check_whole()
        self.begun = True
        metrics = self._one_pass()
        if self.val_data is not None:
            metrics["val_loss"], metrics["val_accuracy"] = self.evaluate(self.val_data)
            _check_finite("validation loss", metrics["val_loss"], self.epoch + 1)
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(value)
        self.epoch, self.begun = self.epoch + 1, False
        return metrics

    def _one_pass(self) -> dict[str, float | str]:
        """Train on every image once; return the metrics of that."""
        # Seeded anew for each epoch: a resumed run draws what an uninterrupted one would have.
        torch.manual_seed(_epoch_seed(self.recipe.seed, self.epoch, AUGMENTATION))
        criterion = nn.CrossEntropyLoss(label_smoothing=self.recipe.label_smoothing)
        rate, start = self.optimizer.param_groups[0]["lr"], time.perf_counter()
        step, amp_dtype = self.step.choose()
        loss, accuracy = train_one_epoch(
            DistributedDataParallel(step) if distributed.is_initialized() else step,
            criterion,
            self._loader(),
            self.device,
            self.optimizer,
            amp_dtype,
            self.epoch + 1,
            self._after_step,
        )
        loss, accuracy = mean_over_processes(loss, accuracy)
        metrics = {"train_loss": loss, "train_accuracy": accuracy, "learning_rate": float(rate)}
        metrics["train_time"] = time.perf_counter() - start
        return metrics | {"step": "plain" if step is self.net else "fused"}

    def _check_whole(self) -> None:
        """Raise ValueError if weights and schedule are those of a part of an epoch."""
        if self.begun:
            raise ValueError(
                f"Epoch {self.epoch + 1} was interrupted: weights and schedule are somewhere "
                "within it, where no run can go on. Fix: a new Run, or load_state_dict() of a "
                "checkpoint that was saved before."
            )

    def finish(self) -> "Run":
        """Train the epochs that are left; return the run itself."""
        while self.epoch < self.recipe.epochs:
            self.train_epoch()
        return self

    def _after_step(self) -> None:
        self.scheduler.step()
        if self.average is not None:
            self.average.update_parameters(self.net)

    def evaluate(self, data: ImageTensors) -> tuple[float, float]:
        """Return (cross-entropy, accuracy) of the resulting network."""
        return evaluate(self.result, BatchLoader(data, 500), self.device, self.amp_dtype)

    def test_metrics(self) -> dict[str, Any]:
        """Return loss and accuracy on the test images, over all and by class, in float32.

        A class of which there is no test image is left out.
        """
        logits, labels = predict(self.result, BatchLoader(self.test, 500), self.device)
        _check_finite("test loss", functional.cross_entropy(logits, labels).item(), self.epoch)
        right = logits.argmax(1) == labels
        by_class = {n: right[labels == k].double() for k, n in enumerate(self.test.class_names)}
        return {
            "test_images": len(labels),
            "test_loss": functional.cross_entropy(logits, labels).item(),
            "test_accuracy": right.double().mean().item(),
            "test_accuracy_by_class": {
                name: answers.mean().item() for name, answers in by_class.items() if len(answers)
            },
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on; ValueError within an epoch."""
        self._check_whole()
        return {
            "recipe": dataclasses.asdict(self.recipe),
            "epoch": self.epoch,
            "precision": str(self.amp_dtype),
            "history": self.history,
            "net": self.net.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken; recipe and precision must be the same."""
        self.net.load_state_dict(state["net"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.history = state["epoch"], state["history"]
        self.begun = False


def _split(train: ImageTensors, recipe: Recipe) -> tuple[ImageTensors, ImageTensors | None]:
    """Return (train, validation), or all of it and None."""
    if not recipe.validation:
        return train, None
    try:
        return split_validation(train, recipe.validation, recipe.seed)
    except ValueError as error:
        raise ValueError(f"validation={recipe.validation}: {error}") from error


def _silent(text: str) -> None:
    """Say nothing: one of several processes speaks for all."""


@checked
def average_of(net: nn.Module, decay: float) -> AveragedModel | None:
    """Return an exponential average of the weights, or None for decay 0.

    Over the first steps the decay grows from a tenth of `decay` to all of it (much as in
    TensorFlow's moving average), so that the random start is soon forgotten.
    """
    check_range(0, 1, decay=decay)
    if not decay:
        return None

    @torch.no_grad()
    def blend(averages: list[Tensor], values: list[Tensor], updates: Tensor | int) -> None:
        keep = decay * (1 + int(updates)) / (10 + int(updates))
        torch._foreach_lerp_(averages, values, 1 - keep)

    for part in net.modules():
        for name, value in list(vars(part).items()):
            if isinstance(value, Tensor) and not value.is_leaf:  # a pruned weight: computed anew
                setattr(part, name, value.detach())  # in each forward; only so can it be copied
    return AveragedModel(net, multi_avg_fn=blend)


def _precision(wanted: str, native: torch.dtype) -> torch.dtype:
    if wanted == "bfloat16" and native != torch.bfloat16:
        raise ValueError(
            f"precision='bfloat16' is not native here ({native} is), it would be emulated. "
            "Fix: precision='auto'."
        )
    return native if wanted == "auto" else getattr(torch, wanted)


def _check_normalisation(net: nn.Module) -> None:
    batch_norm = nn.modules.batchnorm._BatchNorm
    if processes() > 1 and any(isinstance(module, batch_norm) for module in net.modules()):
        raise ValueError(
            f"{type(net).__name__} normalises over the batch, of which each process has a part: "
            f"{processes()} processes would not train what one does. Fix: one process, or "
            "model='mixer'."
        )


def _check_finite(name: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(f"{name} is {value} after epoch {epoch}. Fix: a smaller `lr`.")


def _epoch_seed(seed: int, epoch: int, stream: int) -> int:
    """Return a seed of its own for each stream: from one seed, two generators draw the same."""
    return seed * 1_000_003 + 2 * epoch + stream
