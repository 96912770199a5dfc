"""Short trainings of any classifier, the network alone being different: notebooks 08 and 09."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.train.classification_utils import evaluate, train_one_epoch
from hdd.train.muon import adamw_one_cycle


def random_batches(
    data: ImageTensors,
    steps: int,
    batch_size: int,
    *,
    augment: Callable[[Tensor], Tensor] | None = None,
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    seed: int = 0,
) -> BatchLoader:
    """Return a loader of `steps` whole batches drawn with replacement.

    So ten images and ten thousand give a network equally many steps of equal size; augmentation
    and mixing are those of BatchLoader.

    Raises:
        ValueError: no images, or fewer than one step.
    """
    draws = steps * batch_size
    return BatchLoader(data, batch_size, augment=augment, mix=mix, draws=draws, seed=seed)


def fit(
    net: nn.Module, batches: BatchLoader, lr: float, *, device: str | torch.device = "cpu"
) -> float:
    """Train `net` for one pass over `batches` with AdamW; return the mean training loss.

    Args:
        net: any classifier (B, C, H, W) -> (B, K).
        batches: a step each.
        lr: the highest rate, see `adamw_one_cycle`.
        device: where to compute.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    parameters = net.to(device).parameters()
    optimizer, rate = adamw_one_cycle(parameters, lr, len(batches), weight_decay=0.05)
    loss, _ = train_one_epoch(
        net, nn.CrossEntropyLoss(), batches, device, optimizer, on_step=rate.step
    )
    return loss


def accuracy(net: nn.Module, data: ImageTensors, device: str | torch.device = "cpu") -> float:
    """Return the share of `data` that `net` gets right."""
    return evaluate(net, BatchLoader(data, 500), device)[1]
