"""Training and evaluating a classifier: one epoch, one evaluation, the whole run."""

import itertools
import math
import operator
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau

from hdd.arguments import check_choice, check_positive_integers, checked, shown
from hdd.device.utils import as_device, keep_freed_memory
from hdd.models.cnn.fast_step import FastStep
from hdd.progress import progress

History = dict[str, list[float]]
Batches = Iterable[tuple[Tensor, Tensor]]


# Steps between two looks at what a GPU has computed: each look waits until it is done.
LOOK_EVERY = 20
PRECISIONS = (None, torch.float32, torch.bfloat16, torch.float16)  # autocast knows no others
UNSEEN = "Fix: a smaller `lr`, a longer warm-up, or look for bad images."


def _autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    lower = dtype is not None and dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if lower else None, enabled=lower)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Return `tensor` on `device`, without waiting where that is safe."""
    # From memory that is not pinned the copy could read what has been freed, as on Apple's GPUs.
    return tensor.to(device, non_blocking=device.type == "cuda" and tensor.is_pinned())


@checked
def train_one_epoch(
    net: nn.Module,
    criteria: Callable[[Tensor, Tensor], Tensor],
    loader: Batches,
    device: str | torch.device,
    optimizer: torch.optim.Optimizer,
    amp_dtype: torch.dtype | None = None,
    epoch: int = 1,
    on_step: Callable[[], None] | None = None,
) -> tuple[float, float]:
    """Train for one pass over `loader`; return (mean loss, accuracy), each image counted once.

    Labels are (B,), or targets (B, K) as CutMix makes them: then the largest one counts as right.
    For outputs of another shape than (B, K) the accuracy is NaN. `on_step` is called after each
    step, for schedules by step and averages of weights. On a CPU, freed memory is kept for the
    next step: see `keep_freed_memory`. A GPU computes ahead; its losses are read every LOOK_EVERY
    steps.

    Raises:
        FloatingPointError: a loss that is not finite. On a CPU the weights are those before that
            step; on a GPU the message says up to which step they went on.
        ValueError: an empty loader or one of other things than pairs, an optimizer of another
            network, nothing to train, outputs that are no tensor with a row an image, or labels
            that the network has no output for; labels that are on a GPU already are looked at in
            the first step only. A loss that is a class, and another `amp_dtype` than PRECISIONS.
    """
    device = as_device(device)
    _check_options(criteria, amp_dtype)
    _check_optimizer(net, optimizer)
    if device.type == "cpu":
        keep_freed_memory()
    net.train()
    tally = _Tally(epoch, optimizer, look_every=1 if device.type == "cpu" else LOOK_EVERY)
    for batch in progress(loader, f"Epoch {epoch}"):
        images, labels = _pair(batch)
        with _autocast(device, amp_dtype):
            logits = net(_moved(images, device))  # (B, K)
            if not tally.steps or labels.device.type == "cpu":
                _check_labels(logits, labels, criteria)
            labels = _moved(labels, device)
            loss = criteria(logits, labels)
        _check_loss(loss)
        tally.add(loss, logits, labels)
        if tally.bad_step:
            here = tally.bad_step == tally.steps
            cause = _cause(net, images, labels, criteria) if here else UNSEEN
            raise FloatingPointError(tally.message(cause, taken=tally.steps - 1))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if on_step is not None:
            on_step()
    return tally.means()


def _pair(batch: Any) -> tuple[Tensor, Tensor]:
    """Return (images, labels) if a batch is that."""
    pair = isinstance(batch, tuple | list) and len(batch) == 2
    if not pair or not all(isinstance(part, Tensor) and part.ndim for part in batch):
        raise ValueError(
            f"The loader yields {shown(batch)}, and not a pair of tensors (images, labels). "
            "Fix: loader=BatchLoader(data, 128), or a DataLoader of such pairs."
        )
    if len(batch[0]) != len(batch[1]):
        raise ValueError(
            f"The loader yields {len(batch[0])} images with {len(batch[1])} labels. "
            "Fix: a loader with one label an image."
        )
    return tuple(batch)


def _check_optimizer(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Raise ValueError if the optimizer changes nothing of `net`, as after making `net` anew."""
    own = {id(parameter) for parameter in net.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            f"The optimizer drives none of the parameters of net={type(net).__name__}. Fix: make "
            "the optimizer (and its scheduler) again after the network."
        )


def _check_options(criteria: Callable, amp_dtype: torch.dtype | None) -> None:
    check_choice(PRECISIONS, amp_dtype=amp_dtype)
    if isinstance(criteria, type):
        name = criteria.__name__
        raise ValueError(f"criteria={name} is a class. Fix: criteria={name}(), with brackets.")


def _check_outputs(logits: Any) -> None:
    if not isinstance(logits, Tensor) or not logits.ndim:
        raise ValueError(
            f"net returned {shown(logits)}, and not a tensor with a row for each image. "
            "Fix: a network (B, C, H, W) -> (B, K)."
        )


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.ndim:
        raise ValueError(
            f"criteria returned {shown(loss)}, and not one number. Fix: the loss of the whole "
            "batch, with reduction='mean'."
        )
    if not loss.requires_grad:
        raise ValueError(
            "The loss depends on no parameter of net that can be trained. Fix: "
            "net.requires_grad_(True), and no torch.no_grad() around the training."
        )


class _Tally:
    """Sums the losses and the right answers of an epoch, and finds losses that are not finite."""

    def __init__(self, epoch: int, optimizer: torch.optim.Optimizer, look_every: int) -> None:
        self.epoch, self.optimizer, self.look_every = epoch, optimizer, look_every
        self.loss_sum, self.right, self.count = 0.0, 0.0, 0
        self.steps = 0
        self.bad_step, self.bad_loss = 0, 0.0  # steps count from 1
        self.unread: list[tuple[Tensor, Tensor, int]] = []  # loss, right answers, images

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Take in a step's figures, and read them if it is time."""
        right = torch.full_like(loss, math.nan)
        if logits.ndim == 2:
            classes = labels if labels.ndim == 1 else labels.argmax(1)
            right = (logits.argmax(1) == classes).sum()
        self.unread.append((loss.detach(), right.detach(), len(labels)))
        self.steps += 1
        if len(self.unread) == self.look_every:
            self.read()

    def read(self) -> None:
        """Wait for the device, and add up what has not been read yet."""
        losses, rights = (
            torch.stack([figures[i] for figures in self.unread]).tolist() for i in (0, 1)
        )
        first = self.steps - len(self.unread) + 1
        for i, (loss, right) in enumerate(zip(losses, rights, strict=True)):
            if not math.isfinite(loss) and not self.bad_step:
                self.bad_step, self.bad_loss = first + i, loss
            # A mean over batches would give the images of a smaller last batch more weight.
            self.loss_sum += loss * self.unread[i][2]
            self.right += right
            self.count += self.unread[i][2]
        self.unread.clear()

    def message(self, cause: str, taken: int) -> str:
        """Return what to say about a loss that is not finite, after so many steps."""
        rates = ", ".join(f"{group['lr']:.3g}" for group in self.optimizer.param_groups)
        what = f"Loss {self.bad_loss} in epoch {self.epoch}, step {self.bad_step}"
        if taken >= self.bad_step:
            cause = f"The weights went on to step {taken} and are spoilt. {cause}"
        return f"{what}, at learning rate {rates}. {cause}"

    def means(self) -> tuple[float, float]:
        """Return (loss, accuracy) over all images of the epoch."""
        if self.unread:
            self.read()
        if self.bad_step:
            raise FloatingPointError(self.message(UNSEEN, taken=self.steps))
        if not self.count:
            raise ValueError("The training loader is empty. Fix: give it at least one image.")
        return self.loss_sum / self.count, self.right / self.count


def _ignored(criteria: Callable) -> int:
    return getattr(criteria, "ignore_index", -100)  # as cross-entropy's


def _check_labels(logits: Tensor, labels: Tensor, criteria: Callable) -> None:
    """Raise ValueError if logits (B, K) have no column for a label; else PyTorch's is a riddle."""
    _check_outputs(logits)
    outputs = logits.shape[-1]
    if logits.ndim != 2:
        return
    if isinstance(criteria, nn.CrossEntropyLoss) or criteria is functional.cross_entropy:
        _check_kind(logits, labels)
    if labels.shape == logits.shape:
        return
    if labels.ndim == 2:
        raise ValueError(
            f"Targets are for {labels.shape[1]} classes, but the network has {outputs} outputs. "
            f"Fix: build it with num_classes={labels.shape[1]}."
        )
    asked = labels[labels != _ignored(criteria)]
    low, high = (int(value) for value in asked.aminmax()) if len(asked) else (0, 0)
    if low < 0 or high >= outputs:
        where = f"up to {high}" if high >= outputs else f"down to {low}"
        fix = f"build it with num_classes={high + 1}, or " if low >= 0 else ""
        raise ValueError(
            f"Labels go {where}, but the network has {outputs} outputs, for the classes 0 to "
            f"{outputs - 1}. Fix: {fix}number the classes from 0."
        )


def _check_kind(logits: Tensor, labels: Tensor) -> None:
    """Raise ValueError for labels that cross-entropy does not take, or takes for something else."""
    numbers = labels.ndim == 1 and labels.dtype == torch.int64
    column = labels.shape[1:] == (1,) and logits.shape[1] > 1
    if numbers or (labels.ndim == 2 and labels.is_floating_point() and not column):
        return
    fix = "labels.float()" if labels.shape == logits.shape else "labels.flatten().long()"
    raise ValueError(
        f"labels={labels.dtype} {tuple(labels.shape)} must be int64 (B,), or floating targets "
        f"{tuple(logits.shape)}. Fix: {fix}."
    )


def _cause(net: nn.Module, images: Tensor, labels: Tensor, criteria: Callable) -> str:
    """Return what about this batch or the weights explains a loss that is not finite."""
    if not images.isfinite().all():
        return "The images of this step hold NaN or infinity. Fix: mend or leave out such images."
    if labels.is_floating_point() and not labels.isfinite().all():
        return "The targets of this step hold NaN or infinity. Fix: mend the targets."
    if labels.ndim == 1 and (labels == _ignored(criteria)).all():
        return f"All labels of this step are {_ignored(criteria)}, ignored. Fix: leave it out."
    if not all(parameter.isfinite().all() for parameter in net.parameters()):
        return "The weights were not finite before. Fix: a new network, a smaller `lr`."
    return "Fix: a smaller `lr` or a longer warm-up."


@checked
@torch.no_grad()  # not inference_mode: what comes out may be used in a later training
def predict(
    net: nn.Module,
    loader: Batches,
    device: str | torch.device,
    amp_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (logits (N, K), labels (N,)) of a whole loader, in evaluation mode, on the CPU.

    Raises:
        ValueError: an empty loader or one of other things than pairs, outputs that are no tensor
            with a row an image, or another `amp_dtype` than PRECISIONS.
    """
    device = as_device(device)
    check_choice(PRECISIONS, amp_dtype=amp_dtype)
    net.eval()
    logits, labels = [], []
    for images, targets in map(_pair, loader):
        with _autocast(device, amp_dtype):
            outputs = net(_moved(images, device))
        _check_outputs(outputs)
        logits.append(outputs.float())
        labels.append(targets)
    if not labels:
        raise ValueError("The loader is empty. Fix: give it at least one image.")
    return torch.cat(logits).cpu(), torch.cat(labels).cpu()  # one wait for a GPU, at the end


@checked
def evaluate(
    net: nn.Module,
    loader: Batches,
    device: str | torch.device,
    amp_dtype: torch.dtype | None = None,
) -> tuple[float, float]:
    """Return (cross-entropy, accuracy) over a whole loader, each image counted once.

    The loss is the plain cross-entropy, without label smoothing, whatever the training used: only
    so can runs with different losses be compared.

    Raises:
        ValueError: what `predict` refuses, labels that the network has no output for, and targets
            (N, K) of mixed images: of those no answer is right or wrong.
    """
    logits, labels = predict(net, loader, device, amp_dtype)
    _check_labels(logits, labels, functional.cross_entropy)
    if logits.ndim < 2 or labels.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(
            f"Outputs {tuple(logits.shape)} and labels {tuple(labels.shape)} must be (N, K) and "
            "(N,), a class an image. Fix: a loader without `mix`; CutMix is for the training."
        )
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    return functional.cross_entropy(logits, labels).item(), accuracy


@checked
def naive_train_classification_model(
    net: nn.Module,
    criteria: Callable[[Tensor, Tensor], Tensor],
    max_epochs: int,
    train_loader: Batches,
    val_loader: Batches,
    device: str | torch.device,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | ReduceLROnPlateau,
    verbose: bool = True,
    *,
    log_every: int = 1,
    amp_dtype: torch.dtype | None = None,
    fast_step: bool = False,
    on_epoch: Callable[[int, dict[str, float]], None] | None = None,
) -> History:
    """Train `net` and return its history; `scheduler` steps once an epoch.

    Args:
        net: the classifier, (B, C, H, W) -> (B, K).
        criteria: the training loss, a function of (logits (B, K), labels (B,)).
        max_epochs: passes over `train_loader`.
        train_loader: yields (images, labels); a DataLoader or our BatchLoader.
        val_loader: the same, for the evaluation after each epoch.
        device: where to compute.
        optimizer: of the net's parameters.
        scheduler: of the optimizer; a plateau scheduler is given the validation loss.
        verbose: whether to print a line an epoch.
        log_every: print every so many epochs, and always the last.
        amp_dtype: dtype for autocast (`get_amp_dtype`); None or float32 for none.
        fast_step: train an MLPMixer on the CPU with its fused step, if that finds the network's own
            loss and gradients before each epoch: see `hdd.models.cnn.fast_step`.
        on_epoch: called with (epoch from 1, that epoch's values), for logging or snapshots.

    Returns:
        A list with one value an epoch for each of train_loss (what `criteria` says, in training
        mode), train_accuracy, val_loss (plain cross-entropy), val_accuracy, learning_rate (of the
        first parameter group) and train_time (seconds).

    Raises:
        ValueError: max_epochs or log_every below 1, a scheduler of another optimizer, and what
            `train_one_epoch` refuses.
        FloatingPointError: the loss is not finite; names epoch, step and learning rate.
    """
    check_positive_integers(max_epochs=max_epochs, log_every=log_every)
    _check_options(criteria, amp_dtype)
    _check_loaders(train_loader=train_loader, val_loader=val_loader)
    net.to(as_device(device))
    steps = _Steps(net, train_loader, amp_dtype, fast_step)
    _check_scheduler(scheduler, optimizer)
    history: History = {}
    _say_if_it_goes_on(scheduler)
    for epoch in range(1, max_epochs + 1):
        rate, start = float(optimizer.param_groups[0]["lr"]), time.perf_counter()
        step, step_dtype, batches = steps.choose()
        train_loss, train_accuracy = train_one_epoch(
            step, criteria, batches, device, optimizer, step_dtype, epoch
        )
        train_time = time.perf_counter() - start
        val_loss, val_accuracy = evaluate(net, val_loader, device, amp_dtype)
        values = {"train_loss": train_loss, "train_accuracy": train_accuracy}
        values |= {"val_loss": val_loss, "val_accuracy": val_accuracy}
        values |= {"learning_rate": rate, "train_time": train_time}
        for name, value in values.items():
            history.setdefault(name, []).append(value)
        _step(scheduler, val_loss)
        if verbose and (epoch % log_every == 0 or epoch == max_epochs):
            print(_log_line(epoch, max_epochs, values))
        if on_epoch is not None:
            on_epoch(epoch, values)
    return history


def _say_if_it_goes_on(scheduler: torch.optim.lr_scheduler.LRScheduler | ReduceLROnPlateau) -> None:
    """Tell who runs the training cell twice that this is no new training."""
    if done := getattr(scheduler, "last_epoch", 0):
        print(
            f"The scheduler is {done} epochs on: this training continues. Fix, for a new one: run "
            "the cells that make the network, the optimizer and the scheduler again."
        )


def _check_scheduler(
    scheduler: torch.optim.lr_scheduler.LRScheduler, optimizer: torch.optim.Optimizer
) -> None:
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise ValueError(
            "The scheduler drives another optimizer than `optimizer`. Fix: make the scheduler "
            "again after the optimizer."
        )


def _check_loaders(**loaders: Batches) -> None:
    for name, loader in loaders.items():
        if operator.length_hint(loader, 1) == 0:  # else found out after an epoch of training
            raise ValueError(
                f"{name} is empty. Fix: give it at least one image; a DataLoader with "
                "drop_last=True needs a whole batch."
            )


class _Steps:
    """Says before each epoch what computes its logits, in which precision, on which batches."""

    def __init__(
        self, net: nn.Module, loader: Batches, amp_dtype: torch.dtype | None, fast: bool
    ) -> None:
        self.net, self.loader, self.amp_dtype = net, loader, amp_dtype
        self.fast, self.chooser = fast, None

    def choose(self) -> tuple[nn.Module, torch.dtype | None, Batches]:
        """Return the network or its fused step, the dtype of autocast, and the loader."""
        batches = self.loader
        if self.fast and self.chooser is None:
            batches = _Begun(batches)
            if batches.first:  # else `train_one_epoch` says that there is nothing
                images, _ = _pair(batches.first[0])
                self.chooser = FastStep(self.net, images, self.amp_dtype or torch.float32)
        chosen = self.chooser.choose() if self.chooser else (self.net, self.amp_dtype)
        return *chosen, batches


class _Begun:
    """A loader's next pass, whose first batch has been drawn, and is still to come.

    So the fused step's proof sees images of the training, and takes none away: not from a
    generator, and not from the random numbers of a loader.
    """

    def __init__(self, loader: Batches) -> None:
        self.loader, self.rest = loader, iter(loader)
        self.first = list(itertools.islice(self.rest, 1))

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while self.first:
            yield self.first.pop()
        yield from self.rest


def _step(scheduler, val_loss: float) -> None:
    if isinstance(scheduler, ReduceLROnPlateau) or getattr(scheduler, "needs_metrics", False):
        scheduler.step(val_loss)
    else:
        scheduler.step()


def _log_line(epoch: int, max_epochs: int, values: dict[str, float]) -> str:
    """Return the line that the source document prints."""
    return (
        f"Epoch: {epoch}/{max_epochs} Train Loss: {values['train_loss']:.4f} "
        f"Accuracy: {values['train_accuracy']:.4f} Time: {values['train_time']:.5f}  | "
        f"Val Loss: {values['val_loss']:.4f} Accuracy: {values['val_accuracy']:.4f}"
    )
