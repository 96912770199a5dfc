"""Image folders, `<folder>/<class>/*.png`, as people have them: your own images, or CIFAR-10's."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from hdd.arguments import check_integers, checked
from hdd.dataset.image_tensors import ImageTensors, channel_statistics
from hdd.files import expanded
from hdd.progress import progress

# What systems and network drives leave, beside hidden files.
CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir", "$RECYCLE.BIN", "lost+found")
# Pictures that Pillow may lack a decoder for: of telephones, cameras and drawing programs.
OTHER_PICTURES = {
    *(".heic", ".heif", ".avif", ".jxl", ".svg", ".psd", ".raw"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
}
PARTS = {"train", "training", "val", "valid", "validation", "test", "testing"}
# What Pillow raises for a broken file, and for one that it has no decoder for.
BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
BROKEN += (NotImplementedError, TypeError)  # by DDS and TIFF with headers of nonsense
OPAQUE, WITH_ALPHA = ("1", "L", "P", "RGB"), ("LA", "PA", "RGBA")  # Pillow's modes


@checked
def load_image_folder(
    folder: str | Path,
    image_size: tuple[int, int] | None = None,
    *,
    fit: bool = False,
    like: ImageTensors | None = None,
) -> ImageTensors:
    """Read `folder/<class>/*.png`, or other formats that Pillow opens, as RGB.

    Hidden files, what operating systems leave behind, and what is no picture are passed over. An
    image that 8-bit RGB cannot hold (16 bits, transparency, several frames), that Pillow cannot
    open (HEIC) or that belongs to no class is an error; a camera's rotation is applied.

    Args:
        folder: one sub-folder a class; classes are numbered in alphabetical order.
        image_size: (H, W) of every image; by default that of the first one.
        fit: whether to scale and cut each image to `image_size`, instead of demanding it.
        like: the training images, if these are others of the same classes: they must have its
            classes and size, and get its mean and deviation.

    Raises:
        FileNotFoundError: no such folder, no class folder in it, or an empty class.
        ValueError: an unreadable image, one of another size or of no class, other classes than
            `like`, a folder of parts (train, test) instead of classes, a link that leads back or
            nowhere; the message names the file. Or an `image_size` below 1.
    """
    folder = expanded(folder, "folder")
    for side in image_size or ():
        check_integers(1, 32_768, image_size=side)
    classes = _list_classes(folder)
    if like is not None:
        check_classes(folder, tuple(classes), like.class_names)
        image_size = like.images.shape[2:]
    if fit and image_size is None:
        raise ValueError("fit=True needs a size. Fix: image_size=(H, W), such as (64, 64).")
    files = [(path, label) for label, paths in enumerate(classes.values()) for path in paths]
    images = []
    for path, _ in progress(files, f"Reading {folder.name}"):
        images.append(_read_image(path, image_size, fit))
        image_size = images[0].shape[:2]
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()  # (N, 3, H, W)
    mean, std = (like.mean, like.std) if like is not None else channel_statistics(stacked)
    return ImageTensors(stacked, torch.tensor([k for _, k in files]), tuple(classes), mean, std)


def check_classes(folder: Path, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Raise ValueError unless both are the same classes in the same order."""
    if found != wanted:
        raise ValueError(
            f"{folder} does not hold the classes {', '.join(wanted)}: missing or unknown are "
            f"{sorted(set(found) ^ set(wanted))}. Fix: one sub-folder for each of these classes."
        )


def files_below(folder: str, above: tuple[str, ...] = ()) -> Iterator[os.DirEntry]:
    """Yield the files below `folder` and behind its links, without hidden ones and clutter.

    Raises:
        ValueError: a link that leads back into a folder around it, or nowhere.
    """
    here = os.path.realpath(folder)
    if here in above:
        raise ValueError(f"{folder} is a link back into its own folder. Fix: remove it.")
    with os.scandir(folder) as entries:
        entries = sorted(entries, key=lambda entry: entry.name)
    entries = [e for e in entries if not e.name.startswith(".") and e.name not in CLUTTER]
    for entry in entries:
        _check_link(entry)
    yield from (entry for entry in entries if entry.is_file())
    for entry in entries:
        if entry.is_dir():
            yield from files_below(entry.path, (*above, here))


def _check_link(path: os.DirEntry | Path) -> None:
    if path.is_symlink() and not os.path.exists(path):
        raise ValueError(
            f"{os.fspath(path)} is a link to {os.readlink(path)}, where nothing is. "
            "Fix: remove it, or bring back what it leads to."
        )


def _list_classes(folder: Path) -> dict[str, list[str]]:
    """Return the image files of each class, all in alphabetical order."""
    if not folder.is_dir():
        raise FileNotFoundError(f"No image folder {folder}. Fix: put <class>/*.png files there.")
    classes, lost = _sorted_out(folder)
    empty = [name for name, files in classes.items() if not files]
    if empty or not classes:
        raise FileNotFoundError(
            f"Image folder {folder} has {f'no images for class {empty}' if empty else 'no classes'}"
            ". Fix: one sub-folder a class, each with at least one image."
        )
    if len(classes) > 1 and set(map(str.lower, classes)) <= PARTS:
        raise ValueError(
            f"Image folder {folder} holds {', '.join(classes)}: parts of a data set, and not its "
            f"classes. Fix: folder={str(folder / next(iter(classes)))!r}, each part by itself."
        )
    if lost:
        raise ValueError(f"Image {lost[0]} is in no class. Fix: put it into a class's folder.")
    return classes


def _sorted_out(folder: Path) -> tuple[dict[str, list[str]], list[Path]]:
    """Return the image files of each class, and those that lie beside the classes."""
    Image.init()
    known = {end for end, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    formats = known | OTHER_PICTURES
    classes: dict[str, list[str]] = {}
    lost = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name in CLUTTER:
            continue
        _check_link(path)
        if path.is_dir():
            files = [entry.path for entry in files_below(str(path), (os.path.realpath(folder),))]
            classes[path.name] = [f for f in files if os.path.splitext(f)[1].lower() in formats]
        elif path.suffix.lower() in formats:
            lost.append(path)
    return classes, lost


def _read_image(path: str, image_size: tuple[int, int] | None, fit: bool) -> np.ndarray:
    """Return one image file as uint8 (H, W, 3)."""
    try:
        with Image.open(path) as file:
            changed = _what_rgb_would_lose(file)
            upright = ImageOps.exif_transpose(file).convert("RGB")
    except BROKEN as error:
        foreign = os.path.splitext(path)[1].lower() in OTHER_PICTURES
        huge = isinstance(error, Image.DecompressionBombError)
        fix = "save it as JPEG or PNG" if foreign else "unpack or download this file again"
        raise ValueError(
            f"Cannot read image {path}: {error}. Fix: {'make it smaller' if huge else fix}."
        ) from error
    if changed:
        raise ValueError(f"Image {path} {changed}. Fix: save it as 8-bit RGB or grey.")
    if fit:
        upright = ImageOps.fit(upright, (image_size[1], image_size[0]))
    pixels = np.asarray(upright)
    if image_size is not None and pixels.shape[:2] != tuple(image_size):
        raise ValueError(
            f"Image {path} is {pixels.shape[0]}x{pixels.shape[1]} pixels, expected "
            f"{image_size[0]}x{image_size[1]} as all others. Fix: resize or remove it, or read "
            "the folder with fit=True and an image_size."
        )
    return pixels


def _what_rgb_would_lose(file: Image.Image) -> str:
    """Return what `convert("RGB")` would change silently, or ""."""
    # Pillow cuts 16-bit colours to 8 as it decodes: only the decoder's name for them tells.
    # A tile is (decoder, box, offset, arguments), a plain tuple before Pillow 11.
    decoders = [(tile[0], tile[3]) for tile in file.tile]
    cut = any(
        ";16" in str(of) or (name.startswith("ppm") and of[-1] > 255) for name, of in decoders
    )
    if cut or file.mode.startswith(("I", "F")):
        return f"of mode {file.mode} has more than 8 bits a channel"
    if getattr(file, "n_frames", 1) > 1 and file.format != "MPO":  # a photograph with its preview
        return f"has {file.n_frames} frames"
    if file.mode not in (*OPAQUE, *WITH_ALPHA):
        return f"is {file.mode}, which has no exact RGB"
    transparent = file.mode in WITH_ALPHA or "transparency" in file.info
    if transparent and file.convert("RGBA").getchannel("A").getextrema()[0] < 255:
        return "is transparent in places"
    return ""
