"""Pictures of images."""

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from hdd.arguments import check_shape, checked


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
