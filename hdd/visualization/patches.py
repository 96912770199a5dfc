"""Pictures of images."""

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from hdd.arguments import check_shape, checked


@checked
def show_image(axes: plt.Axes, image: Tensor, title: str = "") -> None:
    """Draw one image (C, H, W), grey or RGB, without ticks: uint8, or float from 0 to 1.

    Black is 0 and white the largest value that there can be, so that images can be compared.
    """
    check_shape("(C, H, W)", image=image)
    picture = image.permute(1, 2, 0).squeeze(-1).numpy()  # (H, W, 3) or (H, W)
    white = 255 if image.dtype == torch.uint8 else 1
    axes.imshow(picture, cmap="gray", vmin=0, vmax=white)
    axes.set_title(title, fontsize=9)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
