"""Training and evaluating a classifier: one epoch, one evaluation, the whole run."""

import math
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau

from hdd.device.utils import keep_freed_memory
from hdd.progress import progress

History = dict[str, list[float]]
Batches = Iterable[tuple[Tensor, Tensor]]


def _autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    lower = dtype is not None and dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if lower else None, enabled=lower)


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
    `on_step` is called after each step, for schedules by step and averages of weights. On a CPU,
    freed memory is kept for the next step: see `keep_freed_memory`.

    Raises:
        FloatingPointError: a loss that is not finite; the weights are those before that step.
        ValueError: an empty loader.
    """
    device = torch.device(device)
    if device.type == "cpu":
        keep_freed_memory()
    net.train()
    loss_sum, correct, count = 0.0, 0, 0
    for step, (images, labels) in enumerate(progress(loader, f"Epoch {epoch}"), start=1):
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        with _autocast(device, amp_dtype):
            logits = net(images)  # (B, K)
            loss = criteria(logits, labels)
        value = loss.item()
        if not math.isfinite(value):
            rates = ", ".join(f"{group['lr']:.3g}" for group in optimizer.param_groups)
            raise FloatingPointError(
                f"Loss {value} in epoch {epoch}, step {step}, at learning rate {rates}. "
                "Fix: a smaller learning rate, a longer warm-up, or look for bad images."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if on_step is not None:
            on_step()
        # A mean over batches would give the images of a smaller last batch more weight.
        loss_sum += value * len(labels)
        classes = labels if labels.ndim == 1 else labels.argmax(1)
        correct += int((logits.argmax(1) == classes).sum())
        count += len(labels)
    if not count:
        raise ValueError("The training loader is empty. Fix: give it at least one image.")
    return loss_sum / count, correct / count


@torch.no_grad()  # not inference_mode: what comes out may be used in a later training
def predict(
    net: nn.Module,
    loader: Batches,
    device: str | torch.device,
    amp_dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (logits (N, K), labels (N,)) of a whole loader, in evaluation mode, on the CPU."""
    device = torch.device(device)
    net.eval()
    logits, labels = [], []
    for images, targets in loader:
        with _autocast(device, amp_dtype):
            logits.append(net(images.to(device, non_blocking=True)).float().cpu())
        labels.append(targets.cpu())
    if not labels:
        raise ValueError("The loader is empty. Fix: give it at least one image.")
    return torch.cat(logits), torch.cat(labels)


def evaluate(
    net: nn.Module,
    loader: Batches,
    device: str | torch.device,
    amp_dtype: torch.dtype | None = None,
) -> tuple[float, float]:
    """Return (cross-entropy, accuracy) over a whole loader, each image counted once.

    The loss is the plain cross-entropy, without label smoothing, whatever the training used: only
    so can runs with different losses be compared.
    """
    logits, labels = predict(net, loader, device, amp_dtype)
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    return functional.cross_entropy(logits, labels).item(), accuracy


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
        on_epoch: called with (epoch from 1, that epoch's figures), for logging or snapshots.

    Returns:
        A list with one value an epoch for each of train_loss (what `criteria` says, in training
        mode), train_accuracy, val_loss (plain cross-entropy), val_accuracy, learning_rate (of the
        first parameter group) and train_time (seconds).

    Raises:
        ValueError: max_epochs or log_every below 1, or an empty loader.
        FloatingPointError: the loss is not finite; names epoch, step and learning rate.
    """
    for name, value in {"max_epochs": max_epochs, "log_every": log_every}.items():
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1. Fix: {name}=1.")
    net.to(device)
    history: History = {}
    for epoch in range(1, max_epochs + 1):
        rate, start = float(optimizer.param_groups[0]["lr"]), time.perf_counter()
        train_loss, train_accuracy = train_one_epoch(
            net, criteria, train_loader, device, optimizer, amp_dtype, epoch
        )
        train_time = time.perf_counter() - start
        val_loss, val_accuracy = evaluate(net, val_loader, device, amp_dtype)
        figures = {"train_loss": train_loss, "train_accuracy": train_accuracy}
        figures |= {"val_loss": val_loss, "val_accuracy": val_accuracy}
        figures |= {"learning_rate": rate, "train_time": train_time}
        for name, value in figures.items():
            history.setdefault(name, []).append(value)
        _step(scheduler, val_loss)
        if verbose and (epoch % log_every == 0 or epoch == max_epochs):
            print(_log_line(epoch, max_epochs, figures))
        if on_epoch is not None:
            on_epoch(epoch, figures)
    return history


def _step(scheduler, val_loss: float) -> None:
    if isinstance(scheduler, ReduceLROnPlateau) or getattr(scheduler, "needs_metrics", False):
        scheduler.step(val_loss)
    else:
        scheduler.step()


def _log_line(epoch: int, max_epochs: int, figures: dict[str, float]) -> str:
    """Return the line that the source document prints."""
    return (
        f"Epoch: {epoch}/{max_epochs} Train Loss: {figures['train_loss']:.4f} "
        f"Accuracy: {figures['train_accuracy']:.4f} Time: {figures['train_time']:.5f}  | "
        f"Val Loss: {figures['val_loss']:.4f} Accuracy: {figures['val_accuracy']:.4f}"
    )
