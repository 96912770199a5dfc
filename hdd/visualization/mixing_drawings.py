"""Drawings of the two mixings: einsum, who depends on whom, attention, kernels, a ring, vec."""

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.paper import EDGE, EMPTY, arrow, paper
from hdd.visualization.style import ACCENT, CHANNEL, LIGHT, OTHER, SIGNED, STEM, TOKEN

BOTH = "#6A3D9A"  # both mixings in turn
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
def plot_einsum(x: Tensor, w: Tensor, v: Tensor) -> Figure:
    """Draw how one entry of each mixing comes about: W X above, X V below.

    Args:
        x: the table, (3, 2).
        w: token-mixing weights, (3, 3), row "out".
        v: channel-mixing weights, (2, 2), column "out".
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(8.6, 5.1))
    mixed, t, c = w @ x, 1, 0
    terms = [(w[t, s], x[s, c]) for s in range(3)]
    parts = [
        (w, "t", "s*", "$W$", lambda i, j: i == t),
        (x, "s*", "c", "$X$", lambda i, j: j == c),
        (mixed, "t", "c", "$Y$", lambda i, j: (i, j) == (t, c)),
    ]
    _products(above, parts, LIGHT[TOKEN], terms, mixed[t, c])
    above.set_title(_named("词元混合 | Token mixing", "$Y = WX$"), color=TOKEN)
    mixed, s, d = x @ v, 1, 1
    terms = [(x[s, c], v[c, d]) for c in range(2)]
    parts = [
        (x, "s", "c*", "$X$", lambda i, j: i == s),
        (v, "c*", "d", "$V$", lambda i, j: j == d),
        (mixed, "s", "d", "$Z$", lambda i, j: (i, j) == (s, d)),
    ]
    _products(below, parts, LIGHT[CHANNEL], terms, mixed[s, d])
    below.set_title(_named("通道混合 | Channel mixing", "$Z = XV$"), color=CHANNEL)
    return figure


def _named(name: str, formula: str, between: str = "    ") -> str:
    """Return "中文 formula | English formula"."""
    chinese, english = name.split(" | ")
    return f"{chinese}{between}{formula} | {english}{between}{formula}"


def _products(axes, parts, color: str, terms, total: Tensor) -> None:
    """Draw two matrices and their product in a row, what belongs together coloured."""
    left = 0.0
    for index, (values, down, across, name, chosen) in enumerate(parts):
        draw_table(axes, values, left, 0, lambda i, j, f=chosen: color if f(i, j) else None)
        _indices(axes, left, 0, values.shape, down, across, name)
        left += values.shape[1] + 0.75
        sign = ("×", "=", "")[index]
        axes.text(left - 0.1, 1.5, sign, ha="center", va="center", fontsize=SIZE + 6)
        left += 1.05
    sums = " + ".join(f"{a:.0f} × " + (f"{b:.0f}" if b >= 0 else f"({b:.0f})") for a, b in terms)
    text = f"{sums} = {total:.0f}".replace("-", "−")
    axes.text(11.8, 1.5, text, va="center", fontsize=13)
    paper(axes, (-0.8, 16.7), (-1.3, 3.1))


@checked
def plot_dependence(changes: dict[str, tuple[Tensor, Tensor]]) -> Figure:
    """Draw how far each output moves with each input; cells without any change are hatched.

    Args:
        changes: name: (between tokens, between channels), for token mixing, channel mixing, both.
    """
    figure, panels = plt.subplots(2, 3, figsize=(8.4, 6.3))
    looks = [("#D3E6F2", TOKEN), ("#FADCCB", CHANNEL), ("#E6DAEF", BOTH)]
    for (name, pair), column, shades in zip(changes.items(), panels.T, looks, strict=True):
        cmap = LinearSegmentedColormap.from_list("amount", [*shades, "black"])
        column[0].set_title(name, color=shades[1])
        for axes, change, (zh, en) in zip(column, pair, _AXES, strict=True):
            moved = change > 1e-6
            axes.patch.set(hatch="////", edgecolor="#CFCFCF")
            top = float(change[moved].quantile(0.99))  # one large value would leave the rest pale
            axes.imshow(change.where(moved, torch.nan), cmap=cmap, vmin=0, vmax=top)
            ends = [0, len(change) - 1]
            axes.set(xticks=ends, yticks=ends, xlabel=f"输入{zh} | input {en}")
    for axes, (zh, en) in zip(panels[:, 0], _AXES, strict=True):
        axes.set_ylabel(f"输出{zh} | output {en}")
    figure.supxlabel(
        "斜线：完全不变；颜色越深，变化越大（每幅图的色标不同）"
        " | hatched: no change at all; darker: a larger change (each panel has its own scale)",
        fontsize=SIZE,
    )
    return figure


_AXES = [("词元", "token"), ("通道", "channel")]


@checked
def plot_kernel(row: Tensor, side: int) -> Figure:
    """Draw a row of W1 (side², ), the kernel that it folds into, and how far kernels can slide."""
    figure = plt.figure(figsize=(8.8, 4.7))
    strip, low = figure.subfigures(2, 1, height_ratios=[1.25, 3.2], hspace=0.06)
    top, limit = strip.subplots(), float(row.abs().max())
    top.imshow(row[None, :], cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    starts = range(0, side * side, side)
    top.set(yticks=[], xticks=[start + side / 2 - 0.5 for start in starts])
    top.set_xticklabels([f"{i}" for i in range(side)])
    top.set_xlabel("段 | segment")
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
    axes.add_patch(Rectangle((0, 0), size, size, fc=OTHER, alpha=0.35, ec=OTHER, lw=2.5))
    if steps > 1:
        last = side - size
        for x, y in ((1, 0), (last, last)):
            axes.add_patch(Rectangle((x, y), size, size, fill=False, ec=OTHER, lw=1.8, ls="--"))
        axes.annotate("", (last, 1.5), (size + 1.2, 1.5), arrowprops={"arrowstyle": "->", "lw": 2})
    paper(axes, (-0.1, side + 0.1), (-0.1, side + 0.1))
    count, plural = steps * steps, "s" if steps > 1 else ""
    english = f"Kernel of {size} × {size}:\n{count} position{plural}"
    axes.set_title(f"{size} × {size} 的核：\n{count} 个位置 | {english}")


@checked
def plot_attention(images: Tensor, v: Tensor) -> Figure:
    """Draw an SE block, whose factors come from the image, above channel mixing with its fixed V.

    The factors are the sigmoid of the average: the block's own two layers are left out.

    Args:
        images: tables of images A and B, (2, S, C).
        v: channel-mixing weights, (C, C), column "out".
    """
    figure, panels = plt.subplots(2, 2, figsize=(9, 4.3))
    for image, name, (above, below) in zip(images, "AB", panels.T, strict=True):
        average = image.mean(dim=0, keepdim=True)
        factors = average.sigmoid()
        middle = [
            (average, 0.0, "各列的平均 | column means", "white"),
            (factors, 2.0, "", LIGHT[STEM]),
        ]
        _applied(above, image, middle, image * factors)
        arrow(above, (3.4, 1.0), (3.4, 2.0), head=10, width=1.5)
        above.text(3.6, 1.5, "sigmoid", va="center")
        above.text(4.15, 3.15, "系数 | factors", ha="center", va="top")
        above.text(5.75, 1.3, "×", ha="center", va="bottom", fontsize=SIZE + 5)
        above.set_title(f"SE 模块，图像 {name} | SE block, image {name}", color=STEM)
        _applied(below, image, [(v, 0.5, "$V$", LIGHT[CHANNEL])], image @ v)
        below.set_title(f"通道混合，图像 {name} | channel mixing, image {name}", color=CHANNEL)
    return figure


def _applied(axes, table: Tensor, middle, result: Tensor) -> None:
    """Draw a table, what is applied to it (values, top, name, colour), and the result."""
    draw_table(axes, table)
    for values, top, name, color in middle:
        draw_table(axes, values, 3.15, top, lambda i, j, color=color: color)
        axes.text(4.15, top - 0.1, name, ha="center", va="bottom")
    for left in (2.15, 5.3):
        arrow(axes, (left, 1.5), (left + 0.85, 1.5), head=12, width=1.5)
    draw_table(axes, result, 6.3)
    paper(axes, (-0.4, 8.7), (-0.6, 3.7))  # room between image A's result and image B


@checked
def plot_ring(matrix: Tensor, averaged: Tensor) -> Figure:
    """Draw three tokens on a ring, a matrix between them, and its means by offset, coloured."""
    figure, (ring, left, right) = plt.subplots(1, 3, figsize=(8.8, 3.4))
    angles = torch.tensor([90.0, -30.0, 210.0]).deg2rad()
    places = torch.stack([angles.cos(), angles.sin()], dim=1).tolist()
    for t, start in enumerate(places):  # t is the output token, t + offset the input token
        for offset in (1, 2):
            end = places[(t + offset) % 3]
            arrow(ring, start, end, OFFSETS[offset], head=16, width=2.5, gap=17, bend=0.15)
        ring.add_patch(Circle(start, 0.24, fc=OFFSETS[0], ec=EDGE, zorder=3))
        ring.text(*start, str(t), ha="center", va="center", fontsize=SIZE + 3, zorder=4)
    ring.set(xlim=(-1.6, 1.6), ylim=(-1.35, 1.5), aspect="equal")
    ring.axis("off")
    ring.set_title("从输出 $t$ 走到输入 $s$ | from output $t$ to input $s$")
    for axes, values, name in ((left, matrix, "$M$"), (right, averaged, r"$\bar{M}$")):
        draw_table(axes, values, fill=_by_offset)
        _indices(axes, 0, 0, (3, 3), "t", "s", name)
        paper(axes, (-0.6, 3.1), (-1.5, 3.1))
    _name_offsets(figure)
    return figure


def _name_offsets(figure: Figure) -> None:
    """Say below the panels which colour is which offset."""
    handles = [plt.Rectangle((0, 0), 1, 1, fc=color, ec=EDGE) for color in OFFSETS]
    names = [f"相隔 {k} 格 | offset {k}" for k in range(3)]
    figure.legend(handles, names, loc="outside lower center", ncols=3)


def _by_offset(row: int, column: int) -> str:
    """Return the colour of a place in a 3 x 3 matrix between tokens on a ring."""
    return OFFSETS[(column - row) % 3]


@checked
def plot_shares(steps: dict[str, tuple[Tensor, Tensor, float]]) -> Figure:
    """Draw matrices above their means by offset, and the ratio of their sums of squares.

    Args:
        steps: name: (matrix, means, the ratio of a random matrix), the matrices (3, 3).
    """
    figure, panels = plt.subplots(2, len(steps), figsize=(8.8, 5.6), squeeze=False)
    for (name, (*matrices, chance)), column in zip(steps.items(), panels.T, strict=True):
        squares = [matrix.square().sum().item() for matrix in matrices]
        for axes, matrix in zip(column, matrices, strict=True):
            draw_table(axes, matrix, fill=_by_offset)
            paper(axes, (-0.1, 3.1), (-0.1, 3.9))
        for axes, total in zip(column, squares, strict=True):
            text = f"平方和 {total:.1f} | sum of squares {total:.1f}"
            axes.text(1.5, 3.5, text, ha="center", va="center", fontsize=SIZE)
        share = f"{squares[1] / squares[0]:.2f}"
        zh, en = name.split(" | ")
        both = f"占比 {share}（随机 {chance:.2f}） | {en}\nshare {share} (random {chance:.2f})"
        column[0].set_title(f"{zh}\n{both}", linespacing=1.4)
    rows = ["矩阵 | matrix", "投影：\n同色取平均 | projection:\nmeans by colour"]
    for axes, name in zip(panels[:, 0], rows, strict=True):
        axes.text(-0.2, 1.5, name, rotation=90, ha="right", va="center", multialignment="center")
    _name_offsets(figure)
    return figure


@checked
def plot_kronecker(x: Tensor, w: Tensor, v: Tensor) -> Figure:
    """Draw vec(X) and the matrices of W X, X V and W X V that act on it, for X (3, 2)."""
    figure, panels = plt.subplots(1, 4, figsize=(9, 3), width_ratios=[1.4, 2, 2, 2])
    figure.set_layout_engine("constrained", h_pad=0.1)  # titles of two lines keep off the edge
    tokens, channels = x.shape
    first, size = panels[0], tokens * channels
    columns = ["#DDEFE8", "#A9D8C6"]  # channel 0, channel 1
    draw_table(first, x, 0, 1.5, lambda i, j: columns[j])
    draw_table(first, x.T.reshape(-1, 1), 4, 0, lambda i, j: columns[i // tokens])
    first.text(3, 3, "→", ha="center", va="center", fontsize=SIZE + 4)
    first.text(1, 1.0, "$X$", ha="center", fontsize=SIZE + 1)
    paper(first, (-0.2, 5.4), (-0.3, size + 0.3))
    first.set_title("vec($X$)")
    same, also, turned = torch.eye(tokens), torch.eye(channels), v.T.contiguous()
    parts = [
        (torch.kron(also, w), "词元混合 | token mixing", r"$I \otimes W$", TOKEN),
        (torch.kron(turned, same), "通道混合 | channel mixing", r"$V^T \otimes I$", CHANNEL),
        (torch.kron(turned, w), "两者 | both", r"$V^T \otimes W$", BOTH),
    ]
    for axes, (matrix, name, formula, color) in zip(panels[1:], parts, strict=True):
        tint = LIGHT.get(color, "#E3D5E8")
        zero = [tuple(place) for place in (matrix == 0).nonzero().tolist()]
        draw_table(axes, matrix, 0, 0, lambda i, j, m=matrix, t=tint: t if m[i, j] else EMPTY, zero)
        axes.plot([0, size], [tokens, tokens], [tokens, tokens], [0, size], color="black", lw=1.5)
        paper(axes, (-0.1, size + 0.1), (-0.1, size + 0.1))
        axes.set_title(_named(name, formula, "\n"), color=color, linespacing=1.4)
    return figure
