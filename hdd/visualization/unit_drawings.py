"""Drawings of notebook 08: a hidden unit at work, units with captions, a scale, sums of units."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import check_integers, checked
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import paper
from hdd.visualization.style import ACCENT, AMOUNT, OTHER, SIGNED, TOKEN
from hdd.visualization.token_figures import show_maps

PLUS, MINUS = "#F4B6A6", "#A9CCE6"  # as in SIGNED, pale enough for numbers
SHADES = ("white", "#FBE3DC", PLUS)  # of 0, 1 and 2


def painted_ship() -> Tensor:
    """Return a picture of a ship (3, 32, 32) in [0, 1], painted here: no image of a data set."""
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    picture = torch.tensor([0.62, 0.78, 0.92])[:, None, None] - 0.15 * (1 - rows / 32)
    hull = (rows >= 15) & (rows < 21)
    hull &= (columns >= 1 + 0.5 * (rows - 15)) & (columns < 18 - 0.4 * (rows - 15))
    parts = [
        (rows >= 20, (0.10, 0.28, 0.45)),
        (hull, (0.75, 0.20, 0.18)),
        ((rows >= 9) & (rows < 15) & (columns >= 5) & (columns < 14), (0.95, 0.95, 0.93)),
        ((rows >= 4) & (rows < 9) & (columns >= 7) & (columns < 10), (0.20, 0.20, 0.20)),
    ]
    for where, color in parts:
        picture[:, where] = torch.tensor(color)[:, None]
    return picture


def _map(axes: plt.Axes, values: Tensor, limit: float | None = None):
    """Draw one signed map (h, w) in colours from -limit to limit; return it, for a colour bar."""
    limit = limit or float(values.abs().max())
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(OTHER)
    return axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)


@checked
def plot_unit_at_work(
    picture: Tensor, channel: Tensor, read: Tensor, write: Tensor, z: float, a: float
) -> Figure:
    """Draw what one hidden unit does to one channel of a picture.

    Args:
        picture: (3, H, W) in [0, 1].
        channel: before its LayerNorm, (h, w).
        read: its row of W1, (h, w).
        write: its column of W2, (h, w).
        z: the weighted sum with the bias.
        a: GELU(z).
    """
    figure, axes = plt.subplots(1, 5, figsize=(9.6, 3))
    axes[0].imshow(picture.permute(1, 2, 0))
    axes[0].set(xticks=[], yticks=[])
    result, limit = channel + a * write, float(channel.abs().max())
    for axis, values in zip(axes[1:], (channel, read, write, result), strict=True):
        _map(axis, values, None if values is read or values is write else limit)
    titles = ["图像 | picture", "一个通道 $x$ | a channel $x$", "读取图 $r$ | reading map $r$"]
    titles += ["写入图 $w$ | writing map $w$", "$x + a\\,w$"]
    before, after = (f"{left_minus_right(one):.2f}" for one in (channel, result))
    means = "左均值 − 右均值\n= {0} | left mean − right mean\n= {0}".format
    labels = ["", means(before), f"$z = r·\\hat{{x}} + b$\n$= {z:.2f}$"]
    labels += [f"$a = $GELU$(z)$\n≈ {a:.2f}", means(after)]
    for axis, title, label in zip(axes, titles, labels, strict=True):
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(label.replace("-", "−"), fontsize=11)
    for axis, sign in zip(axes[1:], ("→", "·", "→", "→"), strict=True):
        size = 26 if sign == "·" else 15
        place = {"transform": axis.transAxes, "ha": "center", "va": "center"}
        axis.text(-0.12, 0.5, sign, fontsize=size, **place)
    return figure


@checked
def left_minus_right(values: Tensor) -> float:
    """Return the mean of the left half of a map (h, w) minus that of the right half."""
    half = values.shape[1] // 2
    return (values[:, :half].mean() - values[:, half:].mean()).item()


@checked
def plot_captioned_units(maps: Tensor, captions: Sequence[str], others: Tensor) -> Figure:
    """Draw eight maps with captions, and the same numbers in other places beside them.

    Args:
        maps: (8, h, w).
        captions: of two lines in each language: the unit, and what it shows.
        others: the same units' maps of chance, (8, h, w), whose captions are the first lines.
    """
    figure = plt.figure(figsize=(9, 3.7))
    left, right = figure.subfigures(1, 2, wspace=0.04)
    units = [" | ".join(f"{c.splitlines()[0]}\n " for c in one.split(" | ")) for one in captions]
    for part, values, names in ((left, maps, captions), (right, others, units)):
        axes = part.subplots(2, 4)
        for axis, one, name in zip(axes.flat, values, names, strict=True):
            _map(axis, one)
            axis.set_xlabel(name, fontsize=10.5)
    left.suptitle("读取图：看得出图案 | reading maps: patterns", color=TOKEN)
    right.suptitle("同样的数换了位置：看不出 | tokens rearranged: no patterns", color=OTHER)
    return figure


@checked
def plot_scale(maps: Sequence[Tensor], values: Sequence[float], names: Sequence[str]) -> Figure:
    """Draw maps (h, w) above the line of numbers from -1 to 1, each at its value."""
    figure, axes = plt.subplots(figsize=(9, 3.2))
    axes.set(xlim=(-1.2, 1.2), ylim=(0, 1.45), xticks=(-1, 0, 1), yticks=[])
    axes.set_xlabel("平滑度 | smoothness")
    axes.spines["left"].set_visible(False)
    size = 0.3
    for one, value, name in zip(maps, values, names, strict=True):
        inset = axes.inset_axes((value - size / 2, 0.42, size, 0.75), transform=axes.transData)
        _map(inset, one)
        inset.set_title(name, fontsize=10.5)
        axes.plot([value, value], [0, 0.36], color=TOKEN, lw=1.2)
        axes.text(value + 0.02, 0.18, f"{value:.2f}".replace("-", "−"), va="center")
    return figure


@checked
def plot_relabelling(matrix: Tensor, order: Tensor, titles: Sequence[str]) -> Figure:
    """Draw a matrix as it is, with rows and columns in another order, and with the rows alone.

    Rows and columns carry the tokens' old numbers; the diagonal is framed.

    Args:
        matrix: (S, S), row "out", of a few tokens; its entries are 0, 1 and 2.
        order: the old number of each new token, (S,).
        titles: of the three.
    """
    same, size = torch.arange(len(order)), len(order)
    figure, panels = plt.subplots(1, 3, figsize=(9, 4))
    title = "读取和写入一起换才公平 | A fair baseline moves reading and writing alike"
    figure.suptitle(title)
    figure.set_layout_engine("constrained", h_pad=0.12)  # the panels' titles have two lines
    orders = ((same, same), (order, order), (order, same))
    for axes, title, (rows, columns) in zip(panels, titles, orders, strict=True):
        shown = matrix[rows][:, columns]
        draw_table(axes, shown, fill=lambda i, j, values=shown: SHADES[int(values[i, j])])
        for k, labels in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
            axes.add_patch(Rectangle((k, k), 1, 1, fill=False, ec=TOKEN, lw=2.5, zorder=3))
            for place, token in zip(((-0.35, k + 0.5), (k + 0.5, -0.35)), labels, strict=True):
                color = OTHER if token == k else ACCENT
                axes.text(*place, str(token), ha="center", va="center", color=color)
        axes.text(-0.95, size / 2, "写入 | writing", rotation=90, ha="center", va="center")
        axes.text(size / 2, -0.95, "读取 | reading", ha="center", va="center")
        axes.set_title(title, fontsize=11)
        paper(axes, (-1.3, size + 0.1), (-1.4, size + 0.1))
    return figure


@checked
def plot_products(read: Tensor, write: Tensor, token: int) -> Figure:
    """Draw what three units read from four tokens, times what they write to one, and the sum.

    Args:
        read: whole numbers, (3, 4), a unit's reading map in each row.
        write: whole numbers, (3, 4), its writing map.
        token: the one that is written to, from 0.
    """
    check_integers(0, 3, token=token)
    own = write[:, token, None]  # (3, 1)
    products = own * read  # (3, 4)
    figure, axes = plt.subplots(figsize=(9, 3.7))

    def color(values: Tensor):
        return lambda i, j: PLUS if values[i, j] > 0 else MINUS if values[i, j] < 0 else None

    total = products.sum(0, keepdim=True)
    for values, left, top in ((read, 0, 0), (own, 5.6, 0), (products, 8.2, 0), (total, 8.2, 3.6)):
        draw_table(axes, values, left, top, color(values))
    axes.add_patch(Rectangle((8.2 + token, 3.6), 1, 1, fill=False, ec=ACCENT, lw=2.5))
    names = [(2, "三个单元读取 | the units read"), (6.1, "写入 | they write")]
    for x, name in [*names, (10.2, "乘积 | products")]:
        axes.text(x, -1.0, name, ha="center", fontsize=12)
    signs = [(4.8, 1.5, "逐行\n× | row\nby row\n×"), (7.4, 1.5, "="), (7.5, 4.1, "和 | sum")]
    for x, y, sign in signs:
        axes.text(x, y, sign, ha="center", va="center", fontsize=12)
    _number_products(axes, token)
    paper(axes, (-1.6, 12.5), (-1.5, 4.8))
    return figure


def _number_products(axes: plt.Axes, token: int) -> None:
    """Number the units and the tokens of `plot_products`, both from 0."""
    look = {"ha": "center", "va": "center", "color": OTHER}
    for unit in range(3):
        axes.text(-0.8, unit + 0.5, f"单元 {unit} | unit {unit}", **look)
    columns = [(5.6, token), *[(left + other, other) for left in (0, 8.2) for other in range(4)]]
    for left, other in columns:
        axes.text(left + 0.5, -0.35, f"词元 {other} | token\n{other}", **look)


@checked
def plot_growing_sum(
    rows: Sequence[Tensor], names: Sequence[str], place: tuple[int, int]
) -> Figure:
    """Draw one output token's maps (h, w), each on its own scale; its own place is framed."""
    figure, axes = plt.subplots(1, len(rows), figsize=(9, 2.1))
    for axis, one, name in zip(axes, rows, names, strict=True):
        _map(axis, one)
        axis.set_title(name, fontsize=11)
        corner = (place[1] - 0.5, place[0] - 0.5)
        axis.add_patch(Rectangle(corner, 1, 1, fill=False, ec=ACCENT, lw=2.5))
    return figure


@checked
def plot_dependence_grids(
    matrices: Sequence[Tensor],
    names: Sequence[str],
    grid: tuple[int, int],
    place: tuple[int, int],
) -> Figure:
    """Draw matrices (S, S), row "out", as grids of small maps, one at the place of each output.

    Matrices without a negative entry are amounts. The diagonal is left out. A pointed colour bar
    says that the largest numbers lie beyond its colours.

    Args:
        matrices: of the same tokens.
        names: of the matrices.
        grid: (h, w).
        place: (row, column) of the output token whose map is framed.
    """
    figure, axes = plt.subplots(1, len(matrices), figsize=(9, 4.3))
    (h, w), size = grid, len(matrices[0])
    for axis, matrix, name in zip(axes, matrices, names, strict=True):
        off = matrix[~torch.eye(size, dtype=torch.bool)].abs()
        signed = matrix.min() < 0
        others = matrix.clone().fill_diagonal_(torch.nan).unflatten(1, grid)
        limit = float(off.quantile(0.995))
        image = show_maps(axis, others, w, limit, SIGNED if signed else AMOUNT)
        label = "权重 | weight" if signed else "导数的大小 | size of the derivative"
        ends = {"extend": "both" if signed else "max"}
        look = {"location": "bottom", "shrink": 0.8, "aspect": 13}
        figure.colorbar(image, ax=axis, label=label, **ends, **look)
        corner = (place[1] * (w + 1) - 1, place[0] * (h + 1) - 1)
        axis.add_patch(Rectangle(corner, w + 1, h + 1, fill=False, ec=ACCENT, lw=2.5))
        axis.set_title(name, fontsize=11)
    return figure


@checked
def plot_unit_frame(
    maps: Tensor,
    names: Sequence[str],
    limit: float,
    curves: Mapping[str, tuple[Sequence[float], Sequence[bool], str]],
    now: int,
    title: str,
) -> tuple[Figure, plt.Axes]:
    """Draw eight maps at one moment of training, beside the course of some numbers.

    Args:
        maps: (8, h, w).
        names: of the maps.
        limit: the weight of the strongest colour; larger ones share it.
        curves: values at each moment, whether each is beyond chance, and a colour, by name.
        now: which moment.
        title: of the maps.

    Returns:
        the figure, and the axes of the curves, whose ticks are still to be named.
    """
    figure = plt.figure(figsize=(9, 3.7))
    left, right = figure.subfigures(1, 2, width_ratios=[1.1, 1], wspace=0.03)
    panels = left.subplots(2, 4)
    for axis, one, name in zip(panels.flat, maps, names, strict=True):
        image = _map(axis, one, limit)
        axis.set_xlabel(name, fontsize=10.5)
    look = {"location": "bottom", "shrink": 0.7, "aspect": 25, "extend": "both"}
    left.colorbar(image, ax=panels, label="权重 | weight", **look)
    left.suptitle(title, fontsize=12)
    axes = right.subplots()
    axes.axvline(now, color=OTHER, lw=6, alpha=0.25)
    for curve, (name, (values, beyond, color)) in enumerate(curves.items()):
        shift = 0.24 * (curve - (len(curves) - 1) / 2)  # so that no dot hides another one
        axes.plot([k + shift for k in range(len(values))], values, color=color, label=name)
        for moment, (value, filled) in enumerate(zip(values, beyond, strict=True)):
            face = color if filled else "white"
            axes.plot(moment + shift, value, "o", color=color, mfc=face, ms=7, zorder=3)
    for fill, name in (("black", "超出随机 | beyond chance"), ("white", "随机水平 | at chance")):
        axes.plot([], [], "o", color="black", mfc=fill, ms=7, label=name)
    axes.set(ylim=(-0.1, 1), xticks=range(len(values)))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)  # the mark passes below
    return figure, axes
