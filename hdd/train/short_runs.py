"""Short trainings of any classifier, with nothing but the network different: notebooks 07 to 09."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from hdd.dataset.image_tensors import BatchLoader, ImageTensors
from hdd.train.classification_utils import evaluate, train_one_epoch


def random_batches(
    data: ImageTensors,
    steps: int,
    batch_size: int,
    *,
    augment: Callable[[Tensor], Tensor] | None = None,
    mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    seed: int = 0,
) -> BatchLoader:
    """Return a loader of `steps` batches drawn with replacement.

    So ten images and ten thousand give a network equally many steps of equal size; augmentation
    and mixing are those of BatchLoader.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(data), (steps * batch_size,), generator=generator)
    return BatchLoader(data.subset(drawn), batch_size, augment=augment, mix=mix)


def fit(
    net: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    lr: float,
    *,
    weight_decay: float = 0.05,
    warmup: float = 0.1,
    device: str | torch.device = "cpu",
) -> float:
    """Train `net` on `batches` with AdamW; return the mean training loss.

    The rate rises for a tenth of the steps and falls to zero in half a cosine.

    Args:
        net: any classifier (B, C, H, W) -> (B, K).
        batches: has a length, the number of steps.
        lr: the highest rate.
        weight_decay: of AdamW.
        warmup: share of the steps in which the rate rises.
        device: where to compute.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    parameters = net.to(device).parameters()
    optimizer = torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=True)
    total = max(len(batches), 20)  # OneCycleLR divides by the length of the warm-up
    rate = OneCycleLR(optimizer, lr, total, pct_start=warmup, cycle_momentum=False)
    loss, _ = train_one_epoch(
        net, nn.CrossEntropyLoss(), batches, device, optimizer, on_step=rate.step
    )
    return loss


def accuracy(net: nn.Module, data: ImageTensors, device: str | torch.device = "cpu") -> float:
    """Return the share of `data` that `net` gets right."""
    return evaluate(net, BatchLoader(data, 500), device)[1]
