"""Image data sets as uint8 tensors in memory, by name.

`fashion_mnist_mini` ships with the project (Xiao, Rasul, Vollgraf, 2017, arXiv 1708.07747; MIT
licence). `fashion_mnist` and `cifar10` come through torchvision, with its checksums, into `root`;
CIFAR-10 may also lie there as an image folder, `root/cifar10/{train,test}/<class>/*.png`. The
first load of a large set writes one cache file into `root`; later loads read only that.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import datasets

from hdd.files import write_atomically
from hdd.progress import progress

MINI_FILE = Path(__file__).parents[2] / "resources" / "data" / "fashion_mnist_mini.npz"
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
NAMES = ("fashion_mnist_mini", "fashion_mnist", "cifar10")
AUGMENT_AT_ONCE = 2048  # images: enough to share the calls out, few enough to stay in the cache
Split = tuple[Tensor, Tensor]  # images uint8 (N, C, H, W), labels int64 (N,)


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


def load(name: str, root: str | Path = "../dataset") -> tuple[ImageTensors, ImageTensors]:
    """Return (train, test) of the data set `name`.

    Args:
        name: "fashion_mnist_mini" (10,000 + 2,000 images, embedded), "fashion_mnist" or "cifar10".
        root: folder of the large data sets; the embedded one ignores it.

    Raises:
        ValueError: unknown name, unreadable image, wrong image size or classes.
        FileNotFoundError: a missing folder or file.
        ConnectionError: a download that failed; the message names the ways out.
    """
    if name not in NAMES:
        raise ValueError(f"Unknown data set {name!r}. Fix: one of {', '.join(map(repr, NAMES))}.")
    if name == "fashion_mnist_mini":
        return _with_statistics(*_read_mini(), FASHION_CLASSES)
    root = Path(root).expanduser()
    folder, cache = _source_folder(name, root), root / f"{name}.cache.pt"
    key = _fingerprint(folder)
    splits = _read_cache(cache, key)
    if splits is None and folder == root / "cifar10":
        splits = _read_cifar10_folder(folder)
        _write_cache(cache, key, splits)  # what changed during the reading is read again next time
    elif splits is None:
        splits = _fetch(name, root)
        _write_cache(cache, _fingerprint(folder), splits)
    return _with_statistics(*splits, CIFAR10_CLASSES if name == "cifar10" else FASHION_CLASSES)


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


def load_image_folder(
    folder: str | Path, image_size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Read `folder/<class>/*.png` (or another image format) as RGB.

    Args:
        folder: one sub-folder a class; classes are numbered in alphabetical order.
        image_size: (H, W) that every image must have; by default that of the first one.

    Returns:
        images uint8 (N, 3, H, W), labels int64 (N,), class names.

    Raises:
        FileNotFoundError: no such folder, no class folder in it, or an empty class.
        ValueError: an unreadable image or one of another size; the message names the file.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"No image folder {folder}. Fix: put <class>/*.png files there.")
    try:
        listing = datasets.ImageFolder(str(folder))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"Image folder {folder} has no classes, or a class without images ({error}). "
            "Fix: one sub-folder a class, each with at least one image."
        ) from error
    images = []
    for path, _ in progress(listing.samples, f"Reading {folder.name}"):
        images.append(_read_image(path, image_size))
        image_size = images[0].shape[:2]
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, W)
    return stacked, torch.tensor(listing.targets), tuple(listing.classes)


def _read_image(path: str, image_size: tuple[int, int] | None) -> np.ndarray:
    """Return one image file as uint8 (H, W, 3)."""
    try:
        with Image.open(path) as file:
            if file.mode.startswith(("I", "F")):
                raise ValueError(f"its mode {file.mode} has more than 8 bits, save it with 8")
            pixels = np.asarray(file.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(  # that is what Pillow raises for a broken file
            f"Cannot read image {path}: {error}. Fix: unpack or download this file again."
        ) from error
    if image_size is not None and pixels.shape[:2] != tuple(image_size):
        raise ValueError(
            f"Image {path} is {pixels.shape[0]}x{pixels.shape[1]} pixels, expected "
            f"{image_size[0]}x{image_size[1]} as all others. Fix: resize or remove it."
        )
    return pixels


def _read_mini() -> tuple[Split, Split]:
    if not MINI_FILE.exists():
        raise FileNotFoundError(
            f"The embedded data set {MINI_FILE} is missing. Fix: `git checkout resources/data` "
            "and `pip install -e .`, which keeps the package beside its resources."
        )
    with np.load(MINI_FILE) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files}
    images = [arrays[f"{part}_images"].unsqueeze(1) for part in ("train", "test")]  # (N, 1, 28, 28)
    labels = [arrays[f"{part}_labels"].long() for part in ("train", "test")]  # (N,)
    return (images[0], labels[0]), (images[1], labels[1])


def _source_folder(name: str, root: Path) -> Path:
    """Return where the files of a large data set are, or where torchvision would put them."""
    if name == "cifar10" and (root / "cifar10").is_dir():
        return root / "cifar10"
    return root / ("cifar-10-batches-py" if name == "cifar10" else "FashionMNIST/raw")


def _read_cifar10_folder(folder: Path) -> tuple[Split, Split]:
    splits = []
    for part in ("train", "test"):
        images, labels, classes = load_image_folder(folder / part, image_size=(32, 32))
        if classes != CIFAR10_CLASSES:
            wrong = sorted(set(classes) ^ set(CIFAR10_CLASSES))
            raise ValueError(
                f"{folder / part} does not hold the ten classes of CIFAR-10: missing or unknown "
                f"are {wrong}. Fix: exactly these folders: {', '.join(CIFAR10_CLASSES)}."
            )
        splits.append((images, labels))
    return splits[0], splits[1]


def _fetch(name: str, root: Path) -> tuple[Split, Split]:
    """Read a data set through torchvision, which downloads what is not there and checks it."""
    kind = datasets.CIFAR10 if name == "cifar10" else datasets.FashionMNIST
    try:
        parts = [kind(str(root), train=train, download=True) for train in (True, False)]
    except (AssertionError, OSError, RuntimeError, EOFError, ValueError) as error:
        reason = " ".join(str(error).split())
        by_hand = f"put the images into {root}/cifar10/{{train,test}}/<class>/*.png, or "
        raise ConnectionError(
            f"{name!r} is not in {root} and could not be downloaded ({reason}). Fix: connect to a "
            f"network and run this again (a damaged download in {root} must be deleted first), or "
            f"{by_hand if name == 'cifar10' else ''}use 'fashion_mnist_mini', which needs neither."
        ) from error
    return _as_split(parts[0]), _as_split(parts[1])


def _as_split(part: datasets.VisionDataset) -> Split:
    images = torch.as_tensor(part.data)
    images = images.permute(0, 3, 1, 2) if images.ndim == 4 else images.unsqueeze(1)
    return images.contiguous(), torch.as_tensor(part.targets)  # (N, C, H, W), (N,)


def _fingerprint(folder: Path) -> str:
    """Return a hash of the files below `folder`: their places, sizes and times of change."""
    entries = []
    for path, _, files in os.walk(folder, followlinks=True):  # as ImageFolder does
        for file in files:
            full = os.path.join(path, file)
            if not os.path.exists(full):
                continue  # a link to nowhere, such as an editor's lock
            stat = os.stat(full)
            entries.append((os.path.relpath(full, folder), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()


def _read_cache(cache: Path, key: str) -> tuple[Split, Split] | None:
    """Return the cached splits, or None if there are none or the files have changed since."""
    try:
        content = torch.load(cache, weights_only=True)
        return content["splits"] if content["key"] == key else None
    except Exception:  # a missing or damaged cache only costs reading the files again
        return None


def _write_cache(cache: Path, key: str, splits: tuple[Split, Split]) -> None:
    buffer = io.BytesIO()
    with contextlib.suppress(OSError):  # a read-only folder only costs time
        torch.save({"key": key, "splits": splits}, buffer)
        write_atomically(cache, buffer.getvalue())


def _with_statistics(
    train: Split, test: Split, class_names: tuple[str, ...]
) -> tuple[ImageTensors, ImageTensors]:
    """Wrap both splits with the mean and deviation of the training images."""
    # Counting the 256 grey levels is exact and far faster than a float copy of the images.
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in train[0].unbind(1):
        weight = torch.bincount(channel.flatten(), minlength=256) / channel.numel()
        mean.append(float((weight * levels).sum()))
        std.append(float((weight * (levels - mean[-1]) ** 2).sum().sqrt()))
    make = [ImageTensors(*split, class_names, tuple(mean), tuple(std)) for split in (train, test)]
    return make[0], make[1]
