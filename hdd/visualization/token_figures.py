"""Small maps side by side in one picture."""

import torch
from matplotlib import pyplot as plt
from torch import Tensor

from hdd.visualization.style import SIGNED

GAP = "#BBBBBB"  # between maps; white would read as zero


def mosaic(maps: Tensor, columns: int) -> Tensor:
    """Return maps (D, h, w) side by side in rows of `columns`, a NaN between each two."""
    d, h, w = maps.shape
    rows = -(-d // columns)
    picture = torch.full((rows * (h + 1) - 1, columns * (w + 1) - 1), torch.nan)
    for index, one in enumerate(maps):
        top, left = index // columns * (h + 1), index % columns * (w + 1)
        picture[top : top + h, left : left + w] = one
    return picture


def show_maps(axes: plt.Axes, maps: Tensor, columns: int, limit: float, cmap: str = SIGNED):
    """Draw maps (D, h, w) as one picture; return it, for a colour bar.

    Args:
        axes: where.
        maps: signed ones around 0, or amounts from 0 on (`cmap=AMOUNT`).
        columns: maps in a row.
        limit: the value of the strongest colour.
        cmap: SIGNED or AMOUNT.
    """
    colors = plt.get_cmap(cmap).with_extremes(bad=GAP)
    low = -limit if cmap == SIGNED else 0.0
    image = axes.imshow(mosaic(maps, columns).numpy(), cmap=colors, vmin=low, vmax=limit)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return image
