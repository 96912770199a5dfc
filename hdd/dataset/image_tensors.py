"""Images as uint8 tensors in memory, and batches of them."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hdd.arguments import (
    MOST,
    check_indices,
    check_pixels,
    check_positive_integers,
    check_types,
    checked,
    shown,
)
from hdd.device.utils import as_device

# Images that are augmented together: enough to share the calls out, few enough for a CPU's cache.
AUGMENT_AT_ONCE = 2048
ON_A_GPU = 16_384  # which has no such cache, and for which each call is a wait


@dataclass(frozen=True)
class ImageTensors:
    """One split of a data set.

    Attributes:
        images: uint8, (N, C, H, W).
        labels: int64, (N,), an index into `class_names`.
        class_names: one name a class.
        mean: of the training images, a value a channel, pixels scaled to [0, 1].
        std: likewise, the standard deviation; see `channel_statistics`.

    Raises:
        ValueError: tensors of another kind or shape, or labels without a class name.
    """

    images: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        check_types(type(self), vars(self))
        # Lists and arrays fit, too; but what is kept is compared and looked up by its value.
        for name, kind in {"class_names": str, "mean": float, "std": float}.items():
            object.__setattr__(self, name, tuple(map(kind, getattr(self, name))))
        self._check_tensors()
        self._check_classes()

    def _check_tensors(self) -> None:
        """Raise ValueError unless images, labels and statistics are of one set."""
        images, labels = self.images, self.labels
        kinds = (images.dtype, images.ndim, labels.dtype, labels.shape)
        if kinds != (torch.uint8, 4, torch.int64, images.shape[:1]):
            raise ValueError(
                f"images are {images.dtype} {tuple(images.shape)}, labels {labels.dtype} "
                f"{tuple(labels.shape)}. Fix: uint8 images (N, C, H, W) with values from 0 to 255, "
                "and int64 labels (N,): labels.long(), for example."
            )
        channels = images.shape[1]
        if {len(self.mean), len(self.std)} != {channels} or min(self.std, default=1) <= 0:
            raise ValueError(
                f"mean={shown(self.mean)}, std={shown(self.std)} do not fit images of {channels} "
                "channels. Fix: mean, std = channel_statistics(images)."
            )

    def _check_classes(self) -> None:
        """Raise ValueError for a label without a name, where no GPU has to be waited for."""
        labels = self.labels
        if not len(labels) or labels.device.type != "cpu":
            return
        low, high = (int(value) for value in labels.aminmax())
        if low < 0 or high >= len(self.class_names):
            raise ValueError(
                f"labels go from {low} to {high}, but class_names has {len(self.class_names)} "
                "names. Fix: number the classes from 0, and give each one a name."
            )

    def __len__(self) -> int:
        return len(self.images)

    @checked
    def to(self, device: str | torch.device) -> "ImageTensors":
        """Return the same on `device`: batches are then cut, augmented and normalised there."""
        device = as_device(device)
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    @checked
    def subset(self, indices: Tensor) -> "ImageTensors":
        """Return the images at `indices` (or of a mask (N,)), with the same classes and statistics.

        Raises:
            ValueError: no whole numbers (N,), or one that is no image's.
        """
        if indices.dtype == torch.bool and indices.shape == self.labels.shape:
            indices = indices.nonzero().flatten()
        check_indices(len(self), indices=indices)
        indices = indices.to(self.images.device)
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    @checked
    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 `images` (B, C, H, W) as float32 with about zero mean and unit variance.

        Raises:
            ValueError: images of another kind, such as floats from 0 to 1, or of other channels.
        """
        if images.dtype != torch.uint8 or images.ndim < 3 or images.shape[-3] != len(self.mean):
            raise ValueError(
                f"images={images.dtype} {tuple(images.shape)} are no pixels of {len(self.mean)} "
                "channels. Fix: uint8 images (B, C, H, W) with values from 0 to 255."
            )
        mean, std = (_per_channel(values, images.device) for values in (self.mean, self.std))
        return images.float().div_(255).sub_(mean).div_(std)


@functools.lru_cache(maxsize=16)  # else every batch would copy the same six numbers to a GPU
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, device=device).view(-1, 1, 1)


@checked
def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and the standard deviation of each channel of uint8 images (N, C, H, W).

    Pixels are scaled to [0, 1]. A channel of one value gets deviation 1, not 0, so that one can
    divide by it.
    """
    check_pixels("(N, C, H, W)", images)
    # Counting the 256 grey levels is far faster than a float copy of the images. Their shares are
    # float32, off by 1e-8: in double, the means of some sets would have another last bit, and
    # recorded runs would not come out again.
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in images.unbind(1):
        weight = torch.bincount(channel.flatten(), minlength=256).cpu() / channel.numel()
        mean.append(float((weight * levels).sum()))
        std.append(float((weight * (levels - mean[-1]) ** 2).sum().sqrt()) or 1.0)
    return tuple(mean), tuple(std)


class BatchLoader:
    """Iterate over (normalised images (B, C, H, W), labels (B,)), like a DataLoader.

    No worker processes and no PIL: a batch is an index into a tensor, which is faster on a few
    cores and cannot hang in a notebook. Batches are where the data are, on the CPU or on a GPU;
    the order is the same on both. Each epoch is shuffled anew from `seed`.

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
        ValueError: batch_size or draws below 1, or draws from no images; while iterating, what
            augment or mix must not return.
    """

    data: ImageTensors
    batch_size: int

    @checked
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
        check_positive_integers(batch_size=batch_size)
        if draws is not None and (not 1 <= draws <= MOST or not len(data)):
            raise ValueError(
                f"draws={draws} from {len(data)} images: both must be at least 1. "
                "Fix: draws=1 or more, and a data set with images."
            )
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.augment = augment
        self.mix = mix
        self.draws = draws
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return -(-(self.draws or len(self.data)) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.data.images.device
        order = self._order().to(device)
        if not len(order):
            return  # split() would make one empty batch of it
        at_once = AUGMENT_AT_ONCE if device.type == "cpu" else ON_A_GPU
        batches = max(1, at_once // self.batch_size)
        for indices in order.split(batches * self.batch_size):
            images, labels = self.data.images[indices], self.data.labels[indices]
            if self.augment is not None:
                images = self.augment(images)  # (several batches, C, H, W)
                if not isinstance(images, Tensor) or len(images) != len(labels):
                    raise ValueError(
                        f"augment returned {shown(images)} for {len(labels)} images. "
                        "Fix: a function (N, C, H, W) -> the same."
                    )
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
            mixed = self.mix(images, labels)
            pair = isinstance(mixed, tuple | list) and len(mixed) == 2
            if not pair or not all(isinstance(part, Tensor) for part in mixed):
                raise ValueError(
                    f"mix returned {shown(mixed)}, and not a pair. "
                    "Fix: a function (images, labels) -> (images, targets)."
                )
            images, labels = mixed
        return self.data.normalize(images), labels


@checked
def split_validation(
    data: ImageTensors, fraction: float = 0.1, seed: int = 0
) -> tuple[ImageTensors, ImageTensors]:
    """Return (train, validation): `fraction` of each class is held out, the same for a seed.

    Raises:
        ValueError: if a class would be left without training or without validation images.
    """
    generator, labels = torch.Generator().manual_seed(seed), data.labels.cpu()
    held_out = torch.zeros(len(data), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        count = round(len(members) * fraction) if 0 < fraction < 1 else 0
        if not 0 < count < len(members):
            raise ValueError(
                f"fraction={fraction} of class {data.class_names[label]!r} ({len(members)} images) "
                f"leaves one side empty. Fix: a fraction from {1 / len(members):.2g} up to, "
                "not including, 1, or more images of this class."
            )
        order = torch.randperm(len(members), generator=generator)
        held_out[members[order[:count]]] = True
    return data.subset((~held_out).nonzero().flatten()), data.subset(held_out.nonzero().flatten())
