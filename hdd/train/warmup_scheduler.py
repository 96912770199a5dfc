"""A linear learning-rate warm-up in front of any other scheduler."""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from hdd.arguments import check_integers, checked, shown


class GradualWarmupScheduler(LRScheduler):
    """Raise the learning rate linearly for `total_epoch` epochs, then follow `after_scheduler`.

    Epoch e = 0, 1, ... of the warm-up trains at base * multiplier * (e + 1) / total_epoch: the
    first one already learns, the last one runs at exactly base * multiplier. `after_scheduler`
    then starts from there at its own step 0, so that the hand-over has no jump. Call `step()`
    after each epoch. Idea: Goyal et al., 2017, arXiv 1706.02677, section 2.2.

    Args:
        optimizer: its groups' learning rates are the base.
        multiplier: the top of the ramp, in units of the base.
        total_epoch: length of the warm-up; 0 for none.
        after_scheduler: built on the same optimizer; None keeps base * multiplier.

    Raises:
        ValueError: multiplier not positive and finite, total_epoch negative or not whole, an
            after_scheduler of another optimizer, or one whose rates no multiplier reaches.
    """

    @checked
    def __init__(
        self,
        optimizer: Optimizer,
        multiplier: float = 1.0,
        total_epoch: int = 5,
        after_scheduler: LRScheduler | ReduceLROnPlateau | None = None,
    ) -> None:
        if not 0 < multiplier < float("inf"):
            raise ValueError(f"multiplier={multiplier} must be positive and finite. Fix: 1.0.")
        if not 0 <= total_epoch < float("inf") or int(total_epoch) != total_epoch:
            raise ValueError(
                f"total_epoch={total_epoch} must be a whole number >= 0. Fix: 5, or 0 for none."
            )
        if after_scheduler is not None and after_scheduler.optimizer is not optimizer:
            raise ValueError("after_scheduler drives another optimizer. Fix: build it on this one.")
        parts = list(_with_inner(after_scheduler))
        if multiplier != 1 and any(isinstance(part, OneCycleLR | CyclicLR) for part in parts):
            raise ValueError(
                f"multiplier={multiplier} does not reach a OneCycleLR or CyclicLR, whose rates are "
                "their own. Fix: multiplier=1.0, and the highest rate in that scheduler."
            )
        self.multiplier, self.total_epoch = multiplier, int(total_epoch)
        self.after_scheduler = after_scheduler
        # The top of the ramp is where the other scheduler starts.
        start = "initial_lr" if after_scheduler is None else "lr"
        peaks = [g.get(start, g["lr"]) * multiplier for g in optimizer.param_groups]
        for part in parts:
            if hasattr(part, "base_lrs"):
                part.base_lrs = [lr * multiplier for lr in part.base_lrs]
        self.peak_lrs = peaks
        super().__init__(optimizer)

    @property
    def needs_metrics(self) -> bool:
        """Whether `step` must be given the validation loss."""
        return isinstance(self.after_scheduler, ReduceLROnPlateau)

    def get_lr(self) -> list[float]:
        """Return the learning rates of the current epoch of the warm-up."""
        if self.last_epoch >= self.total_epoch:
            return list(self.peak_lrs)
        return [peak * ((self.last_epoch + 1) / self.total_epoch) for peak in self.peak_lrs]

    def step(self, epoch: int | None = None, metrics: float | None = None) -> None:
        """Move on by one epoch, or to `epoch`, counted from 0, as the original package's users do.

        Args:
            epoch: where to move on to. Before ReduceLROnPlateau, what is no whole number is taken
                for `metrics`, since that scheduler itself is called as `step(val_loss)`.
            metrics: what ReduceLROnPlateau looks at, after the warm-up.

        Raises:
            ValueError: an epoch that is over or not whole, or no metric for ReduceLROnPlateau.
        """
        if epoch is not None and not isinstance(epoch, Integral):
            if not self.needs_metrics:  # a share of an epoch, or a loss that nothing looks at
                raise ValueError(
                    f"epoch={shown(epoch)} must be a whole number. Fix: step() after each epoch."
                )
            epoch, metrics = None, epoch
        if metrics is not None and not isinstance(metrics, Real | Tensor):
            raise ValueError(f"metrics={shown(metrics)} must be a number. Fix: metrics=val_loss.")
        target = self.last_epoch + 1 if epoch is None else epoch
        check_integers(0, epoch=target)
        if target < self.last_epoch:
            raise ValueError(
                f"epoch={epoch} is over, this is epoch {self.last_epoch}. Fix: step() after each "
                "epoch, or a new scheduler for a new run."
            )
        while self.last_epoch < target:
            self._advance(metrics)

    def _advance(self, metrics: float | None) -> None:
        if self.last_epoch < self.total_epoch or self.after_scheduler is None:
            super().step()
            return
        if self.needs_metrics and metrics is None:
            raise ValueError(
                "ReduceLROnPlateau needs a metric. Fix: scheduler.step(metrics=val_loss)."
            )
        self.last_epoch += 1
        self.after_scheduler.step(*([metrics] if self.needs_metrics else []))
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return plain numbers, lists and dicts only; `after_scheduler`'s state is nested."""
        after = None if self.after_scheduler is None else self.after_scheduler.state_dict()
        return {
            "multiplier": self.multiplier,
            "total_epoch": self.total_epoch,
            "peak_lrs": list(self.peak_lrs),
            "last_epoch": self.last_epoch,
            "last_lrs": [float(lr) for lr in self._last_lr],
            "after_scheduler": after,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state, and the optimizer's learning rates with it."""
        if missing := {"multiplier", "total_epoch", "peak_lrs"} - set(state_dict):
            raise ValueError(
                f"state_dict lacks {sorted(missing)}: it is another scheduler's. Fix: what this "
                "kind of scheduler's own state_dict() returned."
            )
        after = state_dict["after_scheduler"]
        if (after is None) != (self.after_scheduler is None):
            raise ValueError(
                "The saved state and this scheduler differ in having an after_scheduler. "
                "Fix: build the scheduler as it was when it was saved."
            )
        self.multiplier, self.total_epoch = state_dict["multiplier"], state_dict["total_epoch"]
        self.peak_lrs, self.last_epoch = list(state_dict["peak_lrs"]), state_dict["last_epoch"]
        if self.after_scheduler is not None:
            self.after_scheduler.load_state_dict(after)
        self._last_lr = list(state_dict["last_lrs"])
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr


def _with_inner(scheduler: LRScheduler | None) -> Iterator[LRScheduler]:
    """Yield a scheduler and those that it is made of: SequentialLR, ChainedScheduler."""
    if scheduler is not None:
        yield scheduler
    for part in getattr(scheduler, "_schedulers", ()):
        yield from _with_inner(part)
