"""Pictures of images."""

from collections.abc import Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from hdd.arguments import check_positive_integers, check_shape, checked


@checked
def show_image(axes: plt.Axes, image: Tensor, title: str = "") -> None:
    """Draw one uint8 or float image (C, H, W), grey or RGB, without ticks."""
    check_shape("(C, H, W)", image=image)
    picture = image.permute(1, 2, 0).squeeze(-1).numpy()  # (H, W, 3) or (H, W)
    limits = {"vmin": 0, "vmax": 255} if image.dtype == torch.uint8 else {}
    axes.imshow(picture, cmap="gray", **limits)
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


@checked
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
    check_positive_integers(columns=columns)
    rows, height = -(-len(images) // columns), 1.6 if any(titles[columns:]) else 1.38
    figure, _ = plt.subplots(rows, columns, figsize=(1.35 * columns, height * rows + 0.6))
    for axes in figure.axes:
        axes.axis("off")
    for axes, image, label in zip(figure.axes, images, titles, strict=False):
        axes.axis("on")
        show_image(axes, image, label)
    for axes, label in zip(figure.axes[::columns], row_labels, strict=False):
        axes.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10.5)
    figure.suptitle(title)
    return figure
