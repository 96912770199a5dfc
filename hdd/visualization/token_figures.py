"""Pictures of what token mixing has learned; each has chance, or the truth, beside it."""

from collections.abc import Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor, nn

from hdd.models.learned_weights import (
    order_units,
    shuffled,
    smoothness,
    spatial_frequency,
    structure,
    token_mixing,
    unit_maps,
)
from hdd.visualization.style import AMOUNT, SIGNED

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


def plot_units(
    net: nn.Module, layers: Sequence[int], title: str = "", *, written: bool = False, most: int = 32
) -> Figure:
    """Draw learned units beside shuffled ones, a row for each layer, as in the paper's figure 5.

    Ordered by spatial frequency, opposite units side by side, from top left; a layer and its null
    share one symmetric colour scale.

    Args:
        net: an hdd or timm Mixer.
        layers: its blocks.
        title: of the figure.
        written: draw where each unit writes (W2's columns) instead of what it hears (W1's rows).
        most: units a panel; of a wider layer, pairs at equal distances in the order.
    """
    figure, axes = plt.subplots(
        len(layers), 2, figsize=(11, 2.35 * len(layers) + 0.5), squeeze=False
    )
    for row, layer in zip(axes, layers, strict=True):
        mixing = token_mixing(net, layer)
        null = shuffled(mixing, torch.Generator().manual_seed(0))
        limit = None
        for panel, kind, (first, second, grid) in zip(
            row, (_name(net, layer), "shuffled: chance"), (mixing, null), strict=True
        ):
            order = _spread(order_units(first.unflatten(1, grid)), most)
            maps = (second.T if written else first)[order].unflatten(1, grid)  # (most, h, w)
            limit = limit or float(maps.abs().quantile(0.99))
            image = show_maps(panel, maps, 8, limit)
            smooth = smoothness(maps).mean()
            panel.set_title(f"{kind}   autocorrelation {smooth:+.2f}", fontsize=10.5)
        figure.colorbar(image, ax=row, shrink=0.9, pad=0.01, label="weight")
    figure.suptitle(title)
    return figure


def _name(net: nn.Module, layer: int) -> str:
    return f"block {layer % len(net.blocks) + 1} of {len(net.blocks)}"


def _spread(order: Tensor, most: int) -> Tensor:
    """Return at most `most` units of an order, whole pairs, at equal distances."""
    if len(order) <= most:
        return order
    pairs = order[: len(order) // 2 * 2].view(-1, 2)  # (D/2, 2)
    chosen = torch.linspace(0, len(pairs) - 1, most // 2).round().long()
    return pairs[chosen].flatten()


def plot_listening(
    matrices: Sequence[Tensor],
    titles: Sequence[str],
    grid: tuple[int, int],
    title: str = "",
    cmap: str = SIGNED,
    label: str = "influence",
) -> Figure:
    """Draw matrices (S, S), row "out", as grids of grids: a small map for each output token.

    The map at place (r, c) says which input tokens the output token (r, c) hears. The diagonal,
    where the residual connection copies, does not set the colours. Two panels a row; `label` is
    that of the colour bars.
    """
    rows, columns = -(-len(matrices) // 2), min(2, len(matrices))
    figure, axes = plt.subplots(
        rows, columns, figsize=(5 * columns, 4.5 * rows + 0.4), squeeze=False
    )
    for panel, matrix, name in zip(axes.flat, matrices, titles, strict=False):
        others = matrix[~torch.eye(len(matrix), dtype=torch.bool)]
        limit = float(others.abs().quantile(0.995))
        image = show_maps(panel, matrix.unflatten(1, grid), grid[1], limit, cmap)
        panel.set_title(name, fontsize=10.5)
        panel.set_xlabel("place of the output token", fontsize=9)
        beyond = "both" if cmap == SIGNED else "max"
        figure.colorbar(image, ax=panel, shrink=0.8, pad=0.02, label=label, extend=beyond)
    for panel in axes.flat[len(matrices) :]:
        panel.axis("off")
    figure.suptitle(title)
    return figure


def plot_stem(filters: dict[str, Tensor], title: str = "", most: int = 16) -> Figure:
    """Draw stem filters (C, channels, P, P) as patches: the strongest, slow ones first.

    Each filter has its own scale: grey is zero, full colour its largest weight.

    Args:
        filters: by label, from `stem_filters`; four panels a row.
        title: of the figure.
        most: filters a panel.
    """
    rows, columns = -(-len(filters) // 4), min(4, len(filters))
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.7 * columns, 2.9 * rows + 0.4), squeeze=False
    )
    for panel, (label, weight) in zip(axes.flat, filters.items(), strict=False):
        strongest = weight[weight.flatten(1).norm(dim=1).argsort(descending=True)[:most]]
        frequency = torch.stack([spatial_frequency(one).mean() for one in strongest])
        chosen = strongest[frequency.argsort()]  # (most, channels, P, P)
        chosen = 0.5 + 0.5 * chosen / chosen.flatten(1).abs().amax(dim=1)[:, None, None, None]
        colors = [mosaic(chosen[:, c], 4) for c in range(chosen.shape[1])]
        picture = torch.stack(colors * (3 // len(colors)), dim=-1).nan_to_num(1.0)
        panel.imshow(picture.numpy())
        panel.set_title(label, fontsize=10.5)
    for panel in axes.flat:
        panel.axis("off")
    figure.suptitle(title)
    return figure


def plot_routings(
    truths: Sequence[Tensor], learned: Sequence[Tensor], titles: Sequence[str], title: str = ""
) -> Figure:
    """Draw true routings (S,) above learned matrices (S, S), row "out", column "in"."""
    columns = len(truths)
    figure, axes = plt.subplots(2, columns, figsize=(2.8 * columns, 6.1), squeeze=False)
    for truth, matrix, label, (above, below) in zip(truths, learned, titles, axes.T, strict=True):
        above.imshow(torch.eye(len(truth))[truth].numpy(), cmap=AMOUNT)
        limit = float(matrix.abs().max())
        image = below.imshow(matrix.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit)
        figure.colorbar(image, ax=below, location="bottom", shrink=0.8, pad=0.04)
        above.set(xticks=[], yticks=[], title=label)
        below.set(xticks=[], yticks=[], xlabel="input token")
    axes[0, 0].set_ylabel("the truth\noutput token")
    axes[1, 0].set_ylabel("read off the weights\noutput token")
    figure.suptitle(title)
    return figure


def plot_evolution(nets: dict[int, nn.Module], layer: int) -> list[Figure]:
    """Return a frame (Figure) for each epoch's network: the units of a layer, one colour scale.

    The units keep the places that they have in the last network, so that each can be followed.
    """
    last = unit_maps(nets[max(nets)], layer)  # (D_S, h, w)
    order, limit = order_units(last), float(last.abs().quantile(0.99))
    frames = []
    for epoch, net in nets.items():
        chance = structure(net, layer, 50)["autocorrelation"]
        figure, axes = plt.subplots(figsize=(6.4, 3.6))
        image = show_maps(axes, unit_maps(net, layer)[order], 8, limit)
        axes.set_title(
            f"epoch {epoch}, {_name(net, layer)}: autocorrelation {chance.value:+.2f} "
            f"(chance {chance.null_mean:+.2f} ± {2 * chance.null_sd:.2f}, 2 s)",
            fontsize=10,
        )
        figure.colorbar(image, ax=axes, shrink=0.9, pad=0.01, label="weight")
        frames.append(figure)
    return frames
