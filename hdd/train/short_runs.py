"""Short trainings of any network with one optimizer and one schedule: several notebooks, tasks."""

import math
from collections.abc import Callable, Iterable, Iterator, Sized

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from hdd.arguments import check_positive_integers, check_range, checked, shown
from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.device.utils import as_device
from hdd.train.classification_utils import evaluate, train_one_epoch
from hdd.train.schedule import warmup_cosine

Batch = tuple[Tensor, Tensor]


class FreshBatches:
    """An epoch of `steps` batches, each made by `draw()` when its turn comes."""

    @checked
    def __init__(self, draw: Callable[[], Batch], steps: int) -> None:
        check_positive_integers(steps=steps)
        self.draw, self.steps = draw, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        return (self.draw() for _ in range(self.steps))


@checked
def random_batches(
    data: ImageTensors,
    steps: int,
    batch_size: int,
    *,
    augment: Callable[[Tensor], Tensor] | None = None,
    mix: Callable[[Tensor, Tensor], Batch] | None = None,
    seed: int = 0,
) -> BatchLoader:
    """Return a loader of `steps` whole batches drawn with replacement.

    So ten images and ten thousand give a network equally many steps of equal size; augmentation
    and mixing are those of BatchLoader.

    Raises:
        ValueError: no images, or fewer than one step.
    """
    check_positive_integers(steps=steps, batch_size=batch_size)
    draws = steps * batch_size
    return BatchLoader(data, batch_size, augment=augment, mix=mix, draws=draws, seed=seed)


@checked
def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """Return a schedule that rises for a tenth of the steps and falls to 0 in half a cosine.

    Call its `step()` after each of the optimizer's `steps`.
    """
    return LambdaLR(optimizer, lambda step: warmup_cosine(step, steps, steps // 10))


@checked
def fit(
    net: nn.Module,
    batches: Iterable[Batch],
    lr: float,
    *,
    weight_decay: float = 0.05,
    criteria: Callable[[Tensor, Tensor], Tensor] | None = None,
    device: str | torch.device = "cpu",
) -> float:
    """Train `net` for one pass over `batches` with AdamW; return the mean training loss.

    Args:
        net: any network; without `criteria`, a classifier (B, C, H, W) -> (B, K).
        batches: a step each, with a length: a loader.
        lr: the highest rate, see `one_cycle`.
        weight_decay: of AdamW, for all parameters: a step shrinks each by its rate x decay.
        criteria: the loss, a function of outputs and labels; by default cross-entropy.
        device: where to compute.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    check_range(0, math.inf, lr=lr, weight_decay=weight_decay)
    if not isinstance(batches, Sized):
        raise ValueError(f"batches={shown(batches)} has no length. Fix: random_batches(...).")
    parameters = list(net.to(as_device(device)).parameters())
    if not parameters:
        raise ValueError(f"net={type(net).__name__} has no weights to train. Fix: net=MLPMixer().")
    optimizer = torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=True)
    rate = one_cycle(optimizer, len(batches))
    loss, _ = train_one_epoch(
        net, criteria or nn.CrossEntropyLoss(), batches, device, optimizer, on_step=rate.step
    )
    return loss


@checked
def accuracy(net: nn.Module, data: ImageTensors, device: str | torch.device = "cpu") -> float:
    """Return the share of `data` that `net` gets right."""
    return evaluate(net, BatchLoader(data, 500), device)[1]
