"""One recorded run: build what a Recipe says, train, survive interruptions, evaluate once."""

import dataclasses
import io
import math
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from hdd.dataset.image_tensors import BatchLoader, ImageTensors, load, split_validation
from hdd.device.utils import get_amp_dtype
from hdd.files import write_atomically
from hdd.train.classification_utils import evaluate, predict, train_one_epoch
from hdd.train.fused import FusedMixer, is_plain_mixer
from hdd.train.recipe import Recipe

CHECKPOINT, WEIGHTS, HISTORY = "checkpoint.pt", "weights.safetensors", "history.json"
PARTS = {"recipe", "net", "average", "optimizer", "scheduler", "epoch", "history"}


class Shard:
    """This process's part of every batch of `loader`.

    Every process draws the same whole batch, augmentation included, and keeps its own images: so
    the global batch is what one process would have seen. Of the last batch, up to processes - 1
    images are left out, so that all parts are equally large.
    """

    def __init__(self, loader: BatchLoader, rank: int, processes: int) -> None:
        if loader.batch_size % processes:
            raise ValueError(
                f"batch_size={loader.batch_size} does not divide among {processes} processes. "
                f"Fix: --batch-size {processes * max(1, loader.batch_size // processes)}."
            )
        self.loader, self.rank, self.processes = loader, rank, processes

    def __len__(self) -> int:
        rest = len(self.loader.data) % self.loader.batch_size
        return len(self.loader) - (0 < rest < self.processes)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            each = len(images) // self.processes
            part = slice(self.rank * each, (self.rank + 1) * each)
            if each:
                yield images[part], labels[part]


class Run:
    """The state of one run: call `train_epoch` until `epoch` is `recipe.epochs`.

    Args:
        recipe: every knob.
        device: where to compute.
        data_root: folder of the data sets.
    """

    def __init__(self, recipe: Recipe, device: torch.device, data_root: str | Path) -> None:
        self.recipe, self.device = recipe, device
        self.epoch, self.history = 0, {}
        train, self.test = load(recipe.dataset, data_root)
        self.train_data, self.val_data = _split(train, recipe)
        self.net = recipe.network(train).to(device)
        _check_normalisation(self.net)
        self.amp_dtype = _precision(recipe.precision, get_amp_dtype(device))
        self.step_net = self._step_net()
        self.optimizer = recipe.build_optimizer(self.net)
        self.scheduler = recipe.build_scheduler(self.optimizer, len(self._loader()))
        self.average = average_of(self.net, recipe.weight_average)

    @property
    def result(self) -> nn.Module:
        """The network to evaluate and keep: the averaged weights, if the recipe averages."""
        return self.net if self.average is None else self.average.module

    def _step_net(self) -> nn.Module:
        """Return what computes the loss of a step: the network, fused and shared out if it can."""
        fused = self.device.type == "cpu" and is_plain_mixer(self.net)
        net = FusedMixer(self.net, self.amp_dtype) if fused else self.net
        return DistributedDataParallel(net) if distributed.is_initialized() else net

    def _loader(self) -> Shard:
        """Return the loader of the current epoch, whose order depends on seed and epoch alone."""
        recipe = self.recipe
        loader = BatchLoader(
            self.train_data,
            recipe.batch_size,
            shuffle=True,
            augment=recipe.augmentation(),
            mix=recipe.mix(len(self.train_data.class_names)),
            seed=_epoch_seed(recipe.seed, self.epoch),
        )
        return Shard(loader, rank(), processes())

    def train_epoch(self) -> dict[str, float]:
        """Train for one epoch, evaluate, and return the epoch's figures."""
        # Seeded anew for each epoch: a resumed run draws what an uninterrupted one would have.
        torch.manual_seed(_epoch_seed(self.recipe.seed, self.epoch))
        criterion = nn.CrossEntropyLoss(label_smoothing=self.recipe.label_smoothing)
        rate, start = self.optimizer.param_groups[0]["lr"], time.perf_counter()
        loss, accuracy = train_one_epoch(
            self.step_net,
            criterion,
            self._loader(),
            self.device,
            self.optimizer,
            self._step_dtype(),
            self.epoch + 1,
            self._after_step,
        )
        loss, accuracy = _mean_over_processes(loss, accuracy)
        figures = {"train_loss": loss, "train_accuracy": accuracy, "learning_rate": float(rate)}
        figures["train_time"] = time.perf_counter() - start
        if self.val_data is not None:
            figures["val_loss"], figures["val_accuracy"] = self.evaluate(self.val_data)
            _check_finite("validation loss", figures["val_loss"], self.epoch + 1)
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        self.epoch += 1
        return figures

    def _step_dtype(self) -> torch.dtype | None:
        """Return the dtype of autocast; the fused step casts by itself."""
        inner = getattr(self.step_net, "module", self.step_net)
        return None if isinstance(inner, FusedMixer) else self.amp_dtype

    def _after_step(self) -> None:
        self.scheduler.step()
        if self.average is not None:
            self.average.update_parameters(self.net)

    def evaluate(self, data: ImageTensors) -> tuple[float, float]:
        """Return (cross-entropy, accuracy) of the resulting network."""
        return evaluate(self.result, BatchLoader(data, 500), self.device, self.amp_dtype)

    def test_figures(self) -> dict[str, Any]:
        """Return loss and accuracy on the test images, over all and by class, in float32."""
        logits, labels = predict(self.result, BatchLoader(self.test, 500), self.device)
        _check_finite("test loss", functional.cross_entropy(logits, labels).item(), self.epoch)
        right = logits.argmax(1) == labels
        by_class = [right[labels == k].double().mean().item() for k in range(logits.shape[1])]
        return {
            "test_images": len(labels),
            "test_loss": functional.cross_entropy(logits, labels).item(),
            "test_accuracy": right.double().mean().item(),
            "test_accuracy_by_class": dict(zip(self.test.class_names, by_class, strict=True)),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on."""
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


def _split(train: ImageTensors, recipe: Recipe) -> tuple[ImageTensors, ImageTensors | None]:
    """Return (train, validation), or all of it and None."""
    if not recipe.validation:
        return train, None
    return split_validation(train, recipe.validation, recipe.seed)


def average_of(net: nn.Module, decay: float) -> AveragedModel | None:
    """Return an exponential average of the weights, or None for decay 0.

    The decay grows from a tenth to `decay` over the first steps (as in TensorFlow's moving
    average), so that the random start is soon forgotten.
    """
    if not decay:
        return None

    @torch.no_grad()
    def blend(averages: list[Tensor], values: list[Tensor], updates: Tensor | int) -> None:
        keep = min(decay, (1 + int(updates)) / (10 + int(updates)))
        torch._foreach_lerp_(averages, values, 1 - keep)

    return AveragedModel(net, multi_avg_fn=blend)


def _precision(wanted: str, native: torch.dtype) -> torch.dtype:
    if wanted == "bfloat16" and native != torch.bfloat16:
        raise ValueError(
            f"precision='bfloat16' is not native here ({native} is), it would be emulated. "
            "Fix: --precision auto."
        )
    return native if wanted == "auto" else getattr(torch, wanted)


def _check_normalisation(net: nn.Module) -> None:
    batch_norm = nn.modules.batchnorm._BatchNorm
    if processes() > 1 and any(isinstance(module, batch_norm) for module in net.modules()):
        raise ValueError(
            f"{type(net).__name__} normalises over the batch, of which each process has a part: "
            f"{processes()} processes would not train what one does. Fix: one process, or "
            "--model mixer."
        )


def _check_finite(name: str, value: float, epoch: int) -> None:
    if not math.isfinite(value):
        raise FloatingPointError(
            f"{name} is {value} after epoch {epoch}. Fix: a smaller --lr or --adam-lr."
        )


def _epoch_seed(seed: int, epoch: int) -> int:
    return seed * 1_000_003 + epoch


def rank() -> int:
    """Return the number of this process; 0 writes the files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """Return how many processes share the batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _mean_over_processes(*values: float) -> list[float]:
    """Return the means over the processes, whose parts of the batches are equally large."""
    if processes() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    if distributed.get_backend() == "nccl":
        total = total.cuda()
    distributed.all_reduce(total)
    return (total / processes()).tolist()


def save_weights(path: Path, net: nn.Module, names: list[str] | None = None) -> None:
    """Write the network's weights, or those called `names`, as safetensors."""
    state = {k: v.cpu().contiguous() for k, v in net.state_dict().items()}
    write_atomically(path, safetensors.torch.save({k: state[k] for k in names or state}))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write what `read_checkpoint` reads."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def read_checkpoint(path: Path, recipe: Recipe) -> dict[str, Any]:
    """Return the state that an earlier run left.

    Raises:
        OSError: the file cannot be read.
        ValueError: a damaged file, or one of another recipe.
    """
    content = path.read_bytes()  # an OSError here, such as no permission, is no damage
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # torch.load checks no checksums
            if broken := archive.testzip():
                raise zipfile.BadZipFile(broken)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if missing := PARTS - set(state):
            raise KeyError(*missing)
        saved = dict(state["recipe"])
    except Exception as error:  # many kinds of damage, many kinds of exceptions
        raise damaged(path, error) from error
    wanted = dataclasses.asdict(recipe)
    other = sorted(name for name in wanted if saved.get(name) != wanted[name])
    if other:
        listing = ", ".join(f"{name}={saved.get(name)!r}" for name in other)
        raise ValueError(
            f"{path} was made with {listing}. Fix: the same options, or another --out."
        )
    return state


def damaged(path: Path, error: Exception) -> ValueError:
    """Return what to raise for a checkpoint that cannot be used."""
    return ValueError(
        f"Checkpoint {path} is damaged ({type(error).__name__}). "
        "Fix: start again in another folder with --out; this one is left as it is."
    )
