"""Drawings of the two mixings: the indices of einsum, a row of weights as a kernel, a ring, vec."""

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.paper import EDGE, EMPTY, arrow, paper
from hdd.visualization.style import ACCENT, CHANNEL, LIGHT, OTHER, SIGNED, STEM, TOKEN

OFFSETS = ["#D9D9D9", "#F5C55A", "#9AD0F0"]  # a ring's offsets 0, 1, 2
SIZE = 11


def draw_table(axes, values, left: float = 0.0, top: float = 0.0, fill=None, empty=()) -> None:
    """Draw a matrix as unit squares with numbers, downwards from (left, top).

    Args:
        axes: where; its y axis should point down.
        values: (rows, columns).
        left: x of the left edge.
        top: y of the upper edge.
        fill: function of (row, column) that returns a colour, or None for white.
        empty: pairs (row, column) that get no number.
    """
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            color = (fill(i, j) if fill else None) or "white"
            axes.add_patch(Rectangle((left + j, top + i), 1, 1, fc=color, ec=EDGE, lw=0.8))
            if (i, j) not in empty:
                text = f"{value:.0f}" if abs(value - round(value)) < 1e-6 else f"{value:.2f}"
                text = text.replace("-", "−")
                axes.text(left + j + 0.5, top + i + 0.5, text, ha="center", va="center")


def _indices(axes, left: float, top: float, shape, down: str, across: str, name: str) -> None:
    """Write a matrix's name above it and the letters of its indices at its sides.

    The index that is summed over is marked by a star and stands in the accent colour.
    """
    rows, columns = shape
    places = [(left - 0.35, top + rows / 2, down), (left + columns / 2, top - 0.35, across)]
    for x, y, letter in places:
        color = ACCENT if letter.endswith("*") else OTHER
        label = f"${letter.rstrip('*')}$"
        axes.text(x, y, label, color=color, ha="center", va="center", fontsize=SIZE + 4)
    axes.text(left + columns / 2, top - 0.95, name, ha="center", va="center", fontsize=SIZE + 1)


@checked
def plot_einsum(x: Tensor, w_token: Tensor, w_channel: Tensor) -> Figure:
    """Draw how one entry of each mixing comes about.

    Args:
        x: the table, (3, 2).
        w_token: (3, 3), row "out".
        w_channel: (2, 2), row "out".
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(8.6, 5.1))
    mixed, t, c = w_token @ x, 1, 0
    terms = [(w_token[t, s], x[s, c]) for s in range(3)]
    parts = [
        (w_token, "t", "s*", r"$W^{\mathrm{tok}}$", lambda i, j: i == t),
        (x, "s*", "c", "$X$", lambda i, j: j == c),
        (mixed, "t", "c", "$Y$", lambda i, j: (i, j) == (t, c)),
    ]
    _products(above, parts, LIGHT[TOKEN], terms, mixed[t, c])
    above.set_title(_named("词元混合 | Token mixing", r"$ts,\ sc \rightarrow tc$"), color=TOKEN)
    mixed, s, d = x @ w_channel.T, 1, 1
    terms = [(x[s, c], w_channel[d, c]) for c in range(2)]
    parts = [
        (x, "s", "c*", "$X$", lambda i, j: i == s),
        (w_channel, "d", "c*", r"$W^{\mathrm{ch}}$", lambda i, j: i == d),
        (mixed, "s", "d", "$Z$", lambda i, j: (i, j) == (s, d)),
    ]
    _products(below, parts, LIGHT[CHANNEL], terms, mixed[s, d])
    name = _named("通道混合 | Channel mixing", r"$sc,\ dc \rightarrow sd$")
    below.set_title(name, color=CHANNEL)
    return figure


def _named(name: str, formula: str, between: str = "    ") -> str:
    """Return "中文 formula | English formula"."""
    chinese, english = name.split(" | ")
    return f"{chinese}{between}{formula} | {english}{between}{formula}"


def _products(axes, parts, color: str, terms, total: Tensor) -> None:
    """Draw two matrices and their product in a row, what belongs together coloured."""
    left = 0.0
    for index, (values, down, across, name, chosen) in enumerate(parts):
        top = (3 - len(values)) / 2
        draw_table(axes, values, left, top, lambda i, j, f=chosen: color if f(i, j) else None)
        _indices(axes, left, top, values.shape, down, across, name)
        left += values.shape[1] + 0.9
        sign = ("", "→")[index] if index < 2 else ""
        axes.text(left - 0.1, 1.5, sign, ha="center", va="center", fontsize=SIZE + 6)
        left += 0.9
    sums = " + ".join(f"{a:.0f} × " + (f"{b:.0f}" if b >= 0 else f"({b:.0f})") for a, b in terms)
    text = f"{sums} = {total:.0f}".replace("-", "−")
    axes.text(11.3, 1.5, text, va="center", fontsize=13)
    paper(axes, (-0.8, 16.2), (-1.3, 3.1))


@checked
def plot_kernel(row: Tensor, side: int) -> Figure:
    """Draw a row of W1 (side², ), the kernel that it folds into, and how far kernels can slide."""
    figure = plt.figure(figsize=(8.8, 4.6))
    strip, low = figure.subfigures(2, 1, height_ratios=[1, 3.2], hspace=0.06)
    top, limit = strip.subplots(), float(row.abs().max())
    top.imshow(row[None, :], cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    starts = range(0, side * side, side)
    top.set(yticks=[], xticks=[start + side / 2 - 0.5 for start in starts])
    top.set_xticklabels([f"{i}" for i in range(side)])
    top.vlines([start - 0.5 for start in starts], -0.5, 0.5, color="black", lw=1.5)
    count = side * side
    top.set_title(
        f"$W_1$ 的一行：{count} 个权重，每 {side} 个一段"
        f" | A row of $W_1$: {count} weights, in segments of {side}"
    )
    kernel, small, large = low.subplots(1, 3)
    kernel.imshow(row.view(side, side), cmap=SIGNED, vmin=-limit, vmax=limit)
    kernel.set(xticks=[], yticks=range(side))
    kernel.set_ylabel("段 | segment")
    kernel.set_title(
        f"逐段叠起来：\n{side} × {side} 的卷积核 | Stacked:\na kernel of {side} × {side}"
    )
    for axes, size in ((small, 3), (large, side)):
        _slide(axes, side, size)
    return figure


def _slide(axes, side: int, size: int) -> None:
    """Draw a kernel on a map (side, side), and the places to which it can slide."""
    for i in range(side):
        for j in range(side):
            axes.add_patch(Rectangle((j, i), 1, 1, fc=EMPTY, ec="white"))
    steps = side - size + 1
    axes.add_patch(Rectangle((0, 0), size, size, fc=STEM, alpha=0.45, ec=STEM, lw=2.5))
    if steps > 1:
        last = side - size
        for x, y in ((1, 0), (last, last)):
            axes.add_patch(Rectangle((x, y), size, size, fill=False, ec=STEM, lw=1.8, ls="--"))
        axes.annotate("", (last, 1.5), (size + 1.2, 1.5), arrowprops={"arrowstyle": "->", "lw": 2})
    paper(axes, (-0.1, side + 0.1), (-0.1, side + 0.1))
    count, plural = steps * steps, "s" if steps > 1 else ""
    english = f"Kernel of {size} × {size}:\n{count} position{plural}"
    axes.set_title(f"{size} × {size} 的核：\n{count} 个位置 | {english}")


@checked
def plot_ring(matrix: Tensor, projected: Tensor) -> Figure:
    """Draw three tokens on a ring, a matrix between them and its projection, coloured by offset."""
    figure, (ring, left, right) = plt.subplots(1, 3, figsize=(8.8, 3.4))
    angles = torch.tensor([90.0, -30.0, 210.0]).deg2rad()
    places = torch.stack([angles.cos(), angles.sin()], dim=1).tolist()
    for i, start in enumerate(places):  # i is the output token, i + offset the input token
        for offset, bend in ((1, 0.15), (2, 0.15)):
            end = places[(i + offset) % 3]
            arrow(ring, end, start, OFFSETS[offset], head=16, width=2.5, gap=17, bend=bend)
        ring.add_patch(Circle(start, 0.24, fc=OFFSETS[0], ec=EDGE, zorder=3))
        ring.text(*start, str(i), ha="center", va="center", fontsize=SIZE + 3, zorder=4)
    ring.set(xlim=(-1.6, 1.6), ylim=(-1.35, 1.5), aspect="equal")
    ring.axis("off")
    ring.set_title("箭头：输入 → 输出 | arrow: input → output")
    for axes, values, name in ((left, matrix, "$M$"), (right, projected, "$P$")):
        draw_table(axes, values, fill=lambda i, j: OFFSETS[(j - i) % 3])
        _indices(axes, 0, 0, (3, 3), "i", "j", name)
        paper(axes, (-0.6, 3.1), (-1.5, 3.1))
    handles = [plt.Rectangle((0, 0), 1, 1, fc=color, ec=EDGE) for color in OFFSETS]
    names = [f"相隔 {k} 格 | offset {k}" for k in range(3)]
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


@checked
def plot_kronecker(x: Tensor, w: Tensor, v: Tensor) -> Figure:
    """Draw vec(X) and the matrices of W X, X V and W X V that act on it, for X (3, 2)."""
    figure, panels = plt.subplots(1, 4, figsize=(9, 2.9), width_ratios=[1.4, 2, 2, 2])
    tokens, channels = x.shape
    first, size = panels[0], tokens * channels
    columns = ["#DDEFE8", "#A9D8C6"]  # channel 0, channel 1
    draw_table(first, x, 0, 1.5, lambda i, j: columns[j])
    draw_table(first, x.T.reshape(-1, 1), 4, 0, lambda i, j: columns[i // tokens])
    first.text(3, 3, "→", ha="center", va="center", fontsize=SIZE + 4)
    first.text(1, 1.0, "$X$", ha="center", fontsize=SIZE + 1)
    paper(first, (-0.2, 5.4), (-0.3, size + 0.3))
    first.set_title(r"$\mathrm{vec}(X)$")
    same, also, turned = torch.eye(tokens), torch.eye(channels), v.T.contiguous()
    parts = [
        (torch.kron(also, w), "词元混合 | token mixing", r"$I \otimes W$", TOKEN),
        (torch.kron(turned, same), "通道混合 | channel mixing", r"$V^T \otimes I$", CHANNEL),
        (torch.kron(turned, w), "两者 | both", r"$V^T \otimes W$", "black"),
    ]
    for axes, (matrix, name, formula, color) in zip(panels[1:], parts, strict=True):
        tint = LIGHT.get(color, "#E3D5E8")
        zero = [tuple(place) for place in (matrix == 0).nonzero().tolist()]
        draw_table(axes, matrix, 0, 0, lambda i, j, m=matrix, t=tint: t if m[i, j] else EMPTY, zero)
        axes.plot([0, size], [tokens, tokens], [tokens, tokens], [0, size], color="black", lw=1.5)
        paper(axes, (-0.1, size + 0.1), (-0.1, size + 0.1))
        axes.set_title(_named(name, formula, "\n"), color=color, linespacing=1.4)
    return figure
