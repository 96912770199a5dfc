"""Images as uint8 tensors in memory, and batches of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

AUGMENT_AT_ONCE = 2048  # images: enough to share the calls out, few enough to stay in the cache


@dataclass(frozen=True)
class ImageTensors:
    """One split of a data set.

    Attributes:
        images: uint8, (N, C, H, W).
        labels: int64, (N,), an index into `class_names`.
        class_names: one name a class.
        mean: of the training images, a value a channel, pixels scaled to [0, 1].
        std: likewise, the standard deviation.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, indices: Tensor) -> "ImageTensors":
        """Return the images at `indices`, with the same classes and statistics."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 `images` (B, C, H, W) as float32 with about zero mean and unit variance."""
        mean = torch.tensor(self.mean, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(-1, 1, 1)
        return (images.float() / 255 - mean) / std


class BatchLoader:
    """Iterate over (normalised images (B, C, H, W), labels (B,)), like a DataLoader.

    No worker processes and no PIL: a batch is an index into a tensor, which is faster on a few
    cores and cannot hang in a notebook. Each epoch is shuffled anew from `seed`.

    Args:
        data: the split to read.
        batch_size: images a batch; the last batch may be smaller.
        shuffle: whether to draw a new order every epoch.
        augment: a function of whole uint8 batches, (N, C, H, W) -> the same; it is given several
            batches at once.
        mix: a function of (uint8 batch, labels) after that, -> (batch, targets (B, K)): CutMix.
        draws: how many images to draw, with replacement, instead of passing over all of them once.
        seed: of the orders and draws.

    Raises:
        ValueError: batch_size or draws below 1, or draws from no images.
    """

    def __init__(
        self,
        data: ImageTensors,
        batch_size: int,
        *,
        shuffle: bool = False,
        augment: Callable[[Tensor], Tensor] | None = None,
        mix: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        draws: int | None = None,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size} must be at least 1. Fix: batch_size=1.")
        if draws is not None and (draws < 1 or not len(data)):
            raise ValueError(
                f"draws={draws} from {len(data)} images: both must be at least 1. "
                "Fix: draws=1 or more, and a data set with images."
            )
        self.data, self.batch_size, self.shuffle = data, batch_size, shuffle
        self.augment, self.mix, self.draws = augment, mix, draws
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-(self.draws or len(self.data)) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self._order()
        if not len(order):
            return  # split() would make one empty batch of it
        batches = max(1, AUGMENT_AT_ONCE // self.batch_size)
        for indices in order.split(batches * self.batch_size):
            images, labels = self.data.images[indices], self.data.labels[indices]
            if self.augment is not None:
                images = self.augment(images)  # (several batches, C, H, W)
            parts = zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)
            yield from (self._batch(*part) for part in parts)

    def _order(self) -> Tensor:
        """Return the numbers of the images of this pass."""
        n = len(self.data)
        if self.draws is not None:
            return torch.randint(n, (self.draws,), generator=self.generator)
        return torch.randperm(n, generator=self.generator) if self.shuffle else torch.arange(n)

    def _batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if self.mix is not None:
            images, labels = self.mix(images, labels)
        return self.data.normalize(images), labels


def split_validation(
    data: ImageTensors, fraction: float = 0.1, seed: int = 0
) -> tuple[ImageTensors, ImageTensors]:
    """Return (train, validation): `fraction` of each class is held out, the same for a seed.

    Raises:
        ValueError: if a class would be left without training or without validation images.
    """
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(data), dtype=torch.bool)
    for label in data.labels.unique():
        members = (data.labels == label).nonzero().flatten()
        count = round(len(members) * fraction) if 0 < fraction < 1 else 0
        if not 0 < count < len(members):
            raise ValueError(
                f"fraction={fraction} of class {data.class_names[label]!r} ({len(members)} images) "
                f"leaves one side empty. Fix: a fraction from {1 / len(members):.2g} up to, "
                "not including, 1, or more images; `--validation 0` holds nothing out."
            )
        order = torch.randperm(len(members), generator=generator)
        held_out[members[order[:count]]] = True
    return data.subset((~held_out).nonzero().flatten()), data.subset(held_out.nonzero().flatten())
