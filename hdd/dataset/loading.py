"""Where images come from: data sets by name, image folders, torchvision, a cache.

`fashion_mnist_mini` ships with the project (Xiao, Rasul, Vollgraf, 2017, arXiv 1708.07747; MIT
licence). `fashion_mnist` and `cifar10` come through torchvision, with its checksums, into `root`;
CIFAR-10 may also lie there as an image folder, `root/cifar10/{train,test}/<class>/*.png`. The
first load of a large set writes one cache file into `root`; later loads read only that.
"""

import contextlib
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import datasets

from hdd.dataset.image_tensors import ImageTensors
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
Split = tuple[Tensor, Tensor]  # images uint8 (N, C, H, W), labels int64 (N,)


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
