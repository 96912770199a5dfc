"""Pictures of images and of the patches they are cut into."""

from collections.abc import Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from hdd.visualization.style import STEM


def show_image(axes: plt.Axes, image: Tensor, title: str = "") -> None:
    """Draw one uint8 or float image (C, H, W), grey or RGB, without ticks."""
    picture = image.permute(1, 2, 0).squeeze(-1).numpy()  # (H, W, 3) or (H, W)
    limits = {"vmin": 0, "vmax": 255} if image.dtype == torch.uint8 else {}
    axes.imshow(picture, cmap="gray", **limits)
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def plot_images(
    images: Sequence[Tensor],
    titles: Sequence[str],
    columns: int = 8,
    title: str = "",
    row_labels: Sequence[str] = (),
) -> Figure:
    """Draw images (C, H, W) in rows of `columns`, each with its own title, or "".

    `row_labels` stand on the left of the rows.
    """
    rows, height = -(-len(images) // columns), 1.6 if any(titles[columns:]) else 1.38
    figure, _ = plt.subplots(rows, columns, figsize=(1.35 * columns, height * rows + 0.6))
    for axes in figure.axes:
        axes.axis("off")
    for axes, image, label in zip(figure.axes, images, titles, strict=False):
        axes.axis("on")
        show_image(axes, image, label)
    for axes, label in zip(figure.axes[::columns], row_labels, strict=False):
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9.5)
    figure.suptitle(title)
    return figure


def cut_patches(image: Tensor, patch_size: int) -> Tensor:
    """Return the patches of (C, H, W) in reading order: (S, C, P, P)."""
    rows = image.unfold(1, patch_size, patch_size)  # (C, H/P, W, P)
    grid = rows.unfold(2, patch_size, patch_size)  # (C, H/P, W/P, P, P)
    return grid.flatten(1, 2).transpose(0, 1)  # (S, C, P, P)


def plot_patch_sequence(image: Tensor, patch_size: int, title: str = "") -> Figure:
    """Draw an image (C, H, W) with its cutting lines, and its patches lined up in reading order."""
    patches = cut_patches(image, patch_size)  # (S, C, P, P)
    _, height, width = image.shape
    columns = 8
    figure = plt.figure(figsize=(11, 3.3))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 2.6])
    axes = left.subplots()
    show_image(axes, image, f"{height} x {width} pixels, cut every {patch_size}")
    for edge in range(0, width + 1, patch_size):
        axes.axvline(edge - 0.5, color=STEM, linewidth=1.2)
    for edge in range(0, height + 1, patch_size):
        axes.axhline(edge - 0.5, color=STEM, linewidth=1.2)
    cells = right.subplots(-(-len(patches) // columns), columns).flat
    for index, cell in enumerate(cells):
        if index < len(patches):
            show_image(cell, patches[index], f"token {index}" if len(patches) <= 16 else f"{index}")
        else:
            cell.axis("off")
    figure.suptitle(title)
    return figure
