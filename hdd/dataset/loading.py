"""Data sets by name: the embedded one, image folders, torchvision, and a cache of them.

`fashion_mnist_mini` ships with the project (Xiao, Rasul, Vollgraf, 2017, arXiv 1708.07747; MIT
licence). `fashion_mnist` and `cifar10` come through torchvision, with its checksums, into `root`;
CIFAR-10 may also lie there as an image folder, `root/cifar10/{train,test}/<class>/*.png`. The
first load of a large set writes one cache file into `root`. Later loads read that, unless the
images have changed since; without the images and without a network the cache is enough.
"""

import contextlib
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision import datasets

from hdd.arguments import check_choice, checked
from hdd.dataset.image_folder import check_classes, files_below, load_image_folder
from hdd.dataset.image_tensors import ImageTensors, channel_statistics
from hdd.files import expanded, write_atomically

MINI_FILE = Path(__file__).parents[2] / "resources" / "data" / "fashion_mnist_mini.npz"
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
NAMES_IN_MINI = ("train_images", "train_labels", "test_images", "test_labels")
NAMES = ("fashion_mnist_mini", "fashion_mnist", "cifar10")
Split = tuple[Tensor, Tensor]  # images uint8 (N, C, H, W), labels int64 (N,)


@checked
def load(name: str, root: str | Path = "dataset") -> tuple[ImageTensors, ImageTensors]:
    """Return (train, test) of the data set `name`.

    Args:
        name: "fashion_mnist_mini" (10,000 + 2,000 images, embedded), "fashion_mnist" or "cifar10".
        root: folder of the large data sets; the embedded one ignores it.

    Raises:
        ValueError: unknown name, unreadable or damaged file, wrong image size or classes.
        FileNotFoundError: a missing folder or file.
        ConnectionError: a download that failed; the message names the ways out.
    """
    check_choice(NAMES, name=name)
    if name == "fashion_mnist_mini":
        return _with_statistics(*_read_mini(), FASHION_CLASSES)
    root = expanded(root, "root")
    source, cache = _source(name, root), root / f"{name}.cache.pt"
    key = _fingerprint(source)
    splits = _read_cache(cache, key)
    if splits is None and source == root / "cifar10":
        splits = _read_cifar10_folder(source)
        _write_cache(cache, key, splits)  # what changed during the reading is read again next time
    elif splits is None:
        splits = _fetch(name, source.parent if source and name == "cifar10" else root)
        _write_cache(cache, _fingerprint(_source(name, root)), splits)
    return _with_statistics(*splits, CIFAR10_CLASSES if name == "cifar10" else FASHION_CLASSES)


def _read_mini() -> tuple[Split, Split]:
    if not MINI_FILE.exists():
        raise FileNotFoundError(
            f"The embedded data set {MINI_FILE} is missing. Fix: `git checkout resources/data` "
            "and `pip install -e .`, which keeps the package beside its resources."
        )
    try:
        with np.load(MINI_FILE) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in NAMES_IN_MINI}
    except (AttributeError, EOFError, KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"The embedded data set {MINI_FILE} is damaged ({type(error).__name__}). "
            "Fix: `git checkout resources/data`; where it is a pointer of Git LFS, `git lfs pull`."
        ) from error
    images = [arrays[f"{part}_images"].unsqueeze(1) for part in ("train", "test")]  # (N, 1, 28, 28)
    labels = [arrays[f"{part}_labels"].long() for part in ("train", "test")]  # (N,)
    return (images[0], labels[0]), (images[1], labels[1])


def _source(name: str, root: Path) -> Path | None:
    """Return the folder in which the images of a large data set lie, or None."""
    places = [root / "FashionMNIST" / "raw"]
    if name == "cifar10":
        folder = root / "cifar10"
        if any((folder / part).is_dir() for part in ("train", "test")):
            return folder
        places = [place / "cifar-10-batches-py" for place in (root, folder)]  # torchvision's files
    return next((place for place in places if place.is_dir() and any(place.iterdir())), None)


def _read_cifar10_folder(folder: Path) -> tuple[Split, Split]:
    train = load_image_folder(folder / "train", image_size=(32, 32))
    check_classes(folder / "train", train.class_names, CIFAR10_CLASSES)
    test = load_image_folder(folder / "test", like=train)
    return (train.images, train.labels), (test.images, test.labels)


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


def _fingerprint(folder: Path | None) -> str | None:
    """Return a hash of the files below `folder`: their places, sizes and times of change."""
    if folder is None:
        return None
    entries = []
    for entry in files_below(str(folder)):
        stat = entry.stat()
        place = entry.path[len(str(folder)) + 1 :]  # relpath takes as long as the rest
        entries.append((place, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(sorted(entries)).encode()).hexdigest()


def _read_cache(cache: Path, key: str | None) -> tuple[Split, Split] | None:
    """Return the cached splits, or None if there are none or they are those of another `key`.

    Without images, `key` is None, and any cache will do.
    """
    try:
        content = torch.load(cache, weights_only=True)
        return content["splits"] if key in (None, content["key"]) else None
    except Exception:  # a missing or damaged cache only costs reading the files again
        return None


def _write_cache(cache: Path, key: str | None, splits: tuple[Split, Split]) -> None:
    buffer = io.BytesIO()
    with contextlib.suppress(OSError):  # a read-only folder only costs time
        torch.save({"key": key, "splits": splits}, buffer)
        write_atomically(cache, buffer.getvalue())


def _with_statistics(
    train: Split, test: Split, class_names: tuple[str, ...]
) -> tuple[ImageTensors, ImageTensors]:
    """Wrap both splits with the mean and deviation of the training images."""
    statistics = channel_statistics(train[0])
    make = [ImageTensors(*split, class_names, *statistics) for split in (train, test)]
    return make[0], make[1]
