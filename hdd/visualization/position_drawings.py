"""Drawings of what is tied to positions: strides, permuted or resized weights, free mixers."""

import statistics
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import EDGE, EMPTY, arrow, paper
from hdd.visualization.style import ACCENT, LIGHT, OTHER, SIGNED, STEM, TOKEN

SAME, DIFFERENT = LIGHT[TOKEN], "#EBC4D9"
# Colours without a meaning elsewhere: one for each of a few tokens, or sources.
TINTS = ["#F5C55A", "#9AD0F0", "#A9D8C6", "#EBC4D9", "#BFBFBF"]
SIDE = 6  # tokens across the maps on which mixers are drawn
SHADES = plt.get_cmap("YlOrBr")(torch.linspace(0.1, 0.7, 9).tolist())  # of a window's tokens
STRIP = SIDE + 1.3  # top of the channels below such a map
P_LEFT = 17.4  # left edge of the permutation matrix, beside the mixing
WINDOW = {divmod(index, 3): to_hex(shade) for index, shade in enumerate(SHADES)}  # (i, j): colour


# ------------------------------------------------------------------------------------ strides
@checked
def plot_strides(signal: Tensor) -> Figure:
    """Draw means of neighbouring pairs, with stride 1 and 2, of a signal moved by 0, 1 and 2.

    Args:
        signal: (8,), its last two entries zero, so that nothing is moved out.
    """
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.4))
    figure.suptitle("步长 2：移动 1 格，输出的数就变了 | Stride 2: moved by 1, the numbers change")
    for by, axes in enumerate(panels):
        moved = signal.roll(by)
        rows = [moved[None], _pairs(moved, 1)[None], _pairs(moved, 2)[None]]
        fits = [_moved_along(signal, by, stride) for stride in (1, 2)]
        draw_table(axes, rows[0], fill=lambda i, j, row=moved: "#E6E6E6" if row[j] else None)
        _wide_row(axes, rows[1][0], 0.5, 2.0, 1, fits[0])
        _wide_row(axes, rows[2][0], 0.0, 4.0, 2, fits[1])
        axes.set_title(
            ("原来的信号 | original signal", "右移 1 格 | moved by 1", "右移 2 格 | moved by 2")[by]
        )
        paper(axes, (-0.1, 8.1), (-0.1, 5.1))
    for y, text in ((0.5, "输入 | input"), (2.5, "步长 1 | stride 1"), (4.5, "步长 2 | stride 2")):
        panels[0].text(-0.4, y, text, ha="right", va="center", fontsize=11.5)
    handles = [plt.Rectangle((0, 0), 1, 1, fc=color, ec=EDGE) for color in (SAME, DIFFERENT)]
    names = [
        "与原来的输出相同，只是移动了 | same output, moved along",
        "数值变了 | other numbers",
    ]
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=11.5)
    return figure


def _pairs(signal: Tensor, stride: int) -> Tensor:
    """Return the means of neighbouring pairs: (8,) -> (7,) or (4,)."""
    return signal.unfold(0, 2, stride).mean(1)


def _moved_along(signal: Tensor, by: int, stride: int) -> bool:
    """Return whether the output of the moved signal is the moved output."""
    first, then = _pairs(signal, stride), _pairs(signal.roll(by), stride)
    return any(torch.equal(then, first.roll(step)) for step in range(len(first)))


def _wide_row(axes, values: Tensor, left: float, top: float, width: int, same: bool) -> None:
    for j, value in enumerate(values.tolist()):
        color = (SAME if same else DIFFERENT) if value else "white"
        place = (left + j * width, top)
        axes.add_patch(Rectangle(place, width, 1, fc=color, ec=EDGE, lw=0.8))
        axes.text(place[0] + width / 2, top + 0.5, f"{value:g}", ha="center", va="center")


@checked
def plot_moved(images: Sequence[Tensor], names: Sequence[str], patch_size: int) -> Figure:
    """Show images (C, H, W) side by side, each below the same grid of patches."""
    figure, panels = plt.subplots(1, len(images), figsize=(9, 2.5))
    figure.suptitle("图像移动，图像块的格子不动 | The image moves, the grid of patches does not")
    for axes, image, name in zip(panels, images, names, strict=True):
        axes.imshow(image.movedim(0, -1), cmap="gray")
        for edge in range(0, image.shape[1] + 1, patch_size):
            axes.axhline(edge - 0.5, color=STEM, lw=1, clip_on=False)
            axes.axvline(edge - 0.5, color=STEM, lw=1, clip_on=False)
        axes.set(xticks=[], yticks=[], title=name)
        axes.spines[:].set_visible(False)  # the grid has edges of its own
    return figure


@checked
def plot_shift_curves(record: dict[str, Any], looks: dict[str, tuple[str, str, str]]) -> Figure:
    """Plot accuracy and consistency against the shift; a band spans all seeds.

    Args:
        record: "pixels", and for each network "accuracy" and "unchanged": summaries in %
            with the seeds' "values".
        looks: (label, colour, line style) of each network; those not in the record are left out.
    """
    figure, panels = plt.subplots(1, 2, figsize=(9.2, 4.2), sharey=True)
    names = ("测试准确率，% | test accuracy, %", "一致率，% | consistency, %")
    for axes, part, label_y in zip(panels, ("accuracy", "unchanged"), names, strict=True):
        for name, (label, color, line) in looks.items():
            if name in record:
                summaries = record[name][part]
                means = [found["mean"] for found in summaries]
                axes.plot(record["pixels"], means, line, marker="o", color=color, label=label)
                low, high = ([end(found["values"]) for found in summaries] for end in (min, max))
                axes.fill_between(record["pixels"], low, high, color=color, alpha=0.2, lw=0)
        axes.set(ylim=(0, 103), xlabel="平移的像素数 | shift in pixels", ylabel=label_y)
        axes.set_xticks(record["pixels"])
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, handlelength=2.6)
    return figure


# -------------------------------------------------------------------------------- permutation
@checked
def plot_permuted_mixing(x: Tensor, w1: Tensor, w2: Tensor, order: Tensor) -> Figure:
    """Draw W2 (W1 x), the matrix P, and the same with permuted tokens; a colour follows a token.

    Args:
        x: three tokens with one channel, (3, 1).
        w1: (2, 3).
        w2: (3, 2).
        order: a permutation of the three.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(9.4, 4.8))
    zh, en = (
        "权重跟着词元换位，结果只换次序",
        "Weights move with the tokens: only the order changes",
    )
    figure.suptitle(f"{zh} | {en}")
    first = torch.arange(3)
    for axes, places, marks in ((above, first, ("", "", "")), (below, order, ("P^T", "P", "P"))):
        _mixing(axes, x[places], w1[:, places], w2[places], [TINTS[k] for k in places], marks)
    permutation = torch.eye(3)[order]
    draw_table(below, permutation, P_LEFT, 0, lambda i, j: TINTS[j] if permutation[i, j] else None)
    below.text(P_LEFT + 1.5, -0.35, "$P$", ha="center", va="center", fontsize=13)
    above.set_title("原来的词元与权重 | tokens and weights as they were", loc="left")
    below.set_title(
        "词元换了位置，$W_1$ 的列和 $W_2$ 的行跟着换"
        " | tokens permuted; columns of $W_1$ and rows of $W_2$ follow",
        loc="left",
    )
    return figure


def _mixing(axes, x: Tensor, w1: Tensor, w2: Tensor, colors: list[str], marks) -> None:
    hidden = w1 @ x
    by_row, by_column = (lambda i, j: colors[i]), (lambda i, j: colors[j])
    parts = [  # matrix, colours, name, sign after it
        (w1, by_column, f"$W_1{marks[0]}$", "·"),
        (x, by_row, f"${marks[1]}x$", "="),
        (hidden, lambda i, j: "#E6E6E6", "$h$", ""),
        (w2, by_row, f"${marks[2]}W_2$", "·"),
        (hidden, lambda i, j: "#E6E6E6", "$h$", "="),
        (w2 @ hidden, by_row, f"${marks[1]}y$", ""),
    ]
    left = 0.0
    for values, fill, name, sign in parts:
        rows, columns = values.shape
        top = (3 - rows) / 2
        draw_table(axes, values, left, top, fill)
        axes.text(left + columns / 2, top - 0.35, name, ha="center", va="center", fontsize=13)
        left += columns + 1.0
        axes.text(left - 0.5, 1.5, sign, ha="center", va="center", fontsize=15)
        left += 0.0 if sign else 1.2
    paper(axes, (-0.3, P_LEFT + 3.2), (-0.8, 3.2))


@checked
def plot_permuted_bars(
    panels: dict[str, dict[str, list[list[float]]]],
    colors: dict[str, str],
    orders: Sequence[str],
) -> Figure:
    """Draw bars of mean accuracy in %, a panel for each data set, with a dot for each seed.

    Args:
        panels: by title and network, the seeds' accuracies under each of `orders`.
        colors: of the networks; their keys are labels.
        orders: of the pixels, from the darkest bar to the lightest.
    """
    figure, (several,) = plt.subplots(
        1, len(panels), figsize=(9.2, 4.3), sharey=True, squeeze=False
    )
    shades = (1, 0.6, 0.3)
    for axes, (title, networks) in zip(several, panels.items(), strict=True):
        for index, (results, color) in enumerate(
            zip(networks.values(), colors.values(), strict=True)
        ):
            for j, values in enumerate(results):
                mean, place = statistics.mean(values), index + 0.27 * (j - 1)
                axes.bar(place, mean, 0.25, color=color, alpha=shades[j])
                axes.plot([place] * len(values), values, "k.", markersize=4)
                axes.text(place, max(values) + 2, f"{mean:.0f}", ha="center")
        axes.set_xticks(range(len(colors)), labels=list(colors))
        axes.set(ylim=(0, 100), title=title)
        axes.set_ylabel("测试准确率，%（每点一个种子） | test accuracy, % (a dot per seed)")
    boxes = [  # one for each network, so that a shade is not taken for one of them
        tuple(plt.Rectangle((0, 0), 1, 1, fc=color, alpha=shade) for color in colors.values())
        for shade in shades
    ]
    handler = {tuple: HandlerTuple(ndivide=None, pad=0.2)}
    look = {"loc": "outside lower center", "ncols": 3, "handlelength": 3.5}
    figure.legend(boxes, list(orders), handler_map=handler, **look)
    return figure


@checked
def plot_resized(panels: dict[str, tuple[float, dict[str, tuple[dict, dict]]]]) -> Figure:
    """Draw accuracy in % before and after fine-tuning, a panel for each data set, dots for seeds.

    Args:
        panels: by title, the old network's accuracy on old images, and by start the summaries
            before and after.
    """
    figure, several = plt.subplots(1, len(panels), figsize=(9.2, 4.3), sharey=True, squeeze=False)
    labels = ("这次训练之前 | before this training", "这次训练之后 | after it")
    for axes, (title, (known, starts)) in zip(several[0], panels.items(), strict=True):
        axes.axhline(
            known, color="black", ls="--", label="原来的网络和图像 | old network and images"
        )
        axes.text(-0.48, known + 1.5, f"{known:.0f}")
        for i, both in enumerate(starts.values()):
            for k, one in enumerate(both):
                place, mean = i + 0.38 * k - 0.19, one["mean"]
                label = None if i else labels[k]
                axes.bar(place, mean, 0.36, color=(OTHER, TOKEN)[k], label=label)
                axes.plot([place] * one["n"], one["values"], ".", color="black", ms=5)
                axes.text(place, 1.5, f"{mean:.0f}", ha="center", color="white")
        axes.set_xticks(range(len(starts)), labels=list(starts))
        axes.set(ylim=(0, 100), title=title)
    several[0, 0].set_ylabel("测试准确率，%（每点一个种子） | test accuracy, % (a dot per seed)")
    figure.suptitle("训练前后都是拉伸最好 | Stretched is best, before this training and after it")
    figure.legend(*several[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


# -------------------------------------------------------------------- mixers without a size
def plot_three_mixers() -> Figure:
    """Draw from which tokens an output token takes which channels: shift, cycle and window."""
    figure, (shift, cycle, window) = plt.subplots(1, 3, figsize=(9.6, 4.8))
    figure.set_layout_engine("constrained", h_pad=0.15)  # titles of two lines keep off the edge
    steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
    four = [(*step, color) for step, color in zip(steps, TINTS[:4], strict=True)]
    _arrows(shift, four)
    _strip(shift, [color for *_, color in four for _ in range(3)])
    shift.set_title(
        "平移混合：每组通道\n来自一个方向 | shift: each group of\nchannels from one side"
    )
    three = [(0, -1, TINTS[2]), (0, 0, TINTS[4]), (0, 1, TINTS[3])]
    _arrows(cycle, three)
    _strip(cycle, [three[c % 3][2] for c in range(12)])
    cycle.set_title("循环混合：来源随通道\n轮流变化 | cycle: the source\ncycles with the channel")
    _windows(window)
    _strip(window, ["white"] * 12)
    _window_in_each_channel(window)
    window.set_title(
        "窗口混合：各窗口共用\n一个词元 MLP | window: one token MLP\nshared by all windows"
    )
    return figure


def _tokens(axes, tinted: dict[tuple[int, int], str]) -> None:
    for i in range(SIDE):
        for j in range(SIDE):
            axes.add_patch(Rectangle((j, i), 1, 1, fc=tinted.get((i, j), EMPTY), ec="white", lw=2))


def _arrows(axes, sources: list[tuple[int, int, str]]) -> None:
    """Draw a map, and arrows from the sources (down, right, colour) to an output token."""
    _tokens(axes, {(2 + down, 2 + right): color for down, right, color in sources})
    for down, right, _ in sources:
        if (down, right) == (0, 0):
            continue
        start = (2.5 + 0.95 * right, 2.5 + 0.95 * down)
        end = (2.5 + 0.2 * right, 2.5 + 0.2 * down)
        arrow(axes, start, end, head=17, zorder=4)
    axes.add_patch(Rectangle((2, 2), 1, 1, fill=False, ec="black", lw=2.5, zorder=5))


def _windows(axes) -> None:
    half = SIDE // 2
    _tokens(axes, WINDOW)
    for i in range(0, SIDE, half):
        for j in range(0, SIDE, half):
            axes.add_patch(Rectangle((j, i), half, half, fill=False, ec=OTHER, lw=2.5))
    axes.add_patch(Rectangle((2, 2), 1, 1, fill=False, ec="black", lw=2.5))
    dashed = {"fill": False, "ec": OTHER, "lw": 2.5, "ls": "--"}
    axes.add_patch(Rectangle((1, 1), half, half, **dashed))
    paper = {"fc": EMPTY, "ec": "none", "pad": 1}
    text = "下一个 Mixer 块 | next block"
    axes.text(2.5, 4.6, text, ha="center", va="center", fontsize=11, bbox=paper)


def _strip(axes, colors: list[str]) -> None:
    """Draw the output token's channels, each in the colour of the token it comes from."""
    width = SIDE / len(colors)
    for index, color in enumerate(colors):
        place = (index * width, STRIP)
        axes.add_patch(Rectangle(place, width, 0.8, fc=color, ec="white", lw=1))
    axes.text(
        SIDE / 2,
        SIDE + 0.75,
        "黑框词元的通道 | channels of the framed token",
        ha="center",
        va="center",
        fontsize=11,
    )
    paper(axes, (-0.4, SIDE + 0.4), (-0.2, SIDE + 2.3))


def _window_in_each_channel(axes) -> None:
    """Draw the window's tokens, small, in each channel of the strip: all of them are mixed."""
    channels = 12
    width, height = 0.84 * SIDE / channels / 3, 0.8 / 3
    for channel in range(channels):
        left = (channel + 0.08) * SIDE / channels
        for (i, j), color in WINDOW.items():
            place = (left + j * width, STRIP + i * height)
            axes.add_patch(Rectangle(place, width, height, fc=color, ec="none"))


# ------------------------------------------------------------------------- another resolution
def plot_weights_that_fit() -> Figure:
    """Draw W1 beside 2 x 2 tokens, and beside 4 x 4: which columns are missing."""
    figure, panels = plt.subplots(2, 1, figsize=(8.8, 4.8), height_ratios=[1, 1.4])
    figure.suptitle("网格变大，$W_1$ 就缺列 | A larger grid: $W_1$ lacks columns")
    known, titles = 2 * 2, []
    for axes, grid in zip(panels, (2, 4), strict=True):
        count = grid * grid
        _numbered(axes, grid, known)
        _matrix(axes, grid + 1.5, (grid - 2) / 2, count, known)
        paper(axes, (-0.2, 5.6 + 4 * known), (-0.9, grid + 0.2))
        titles.append(f"S = {grid} × {grid} = {count}")
    panels[0].set_title(
        f"{titles[0]}：$W_1$ 每个词元一列 | {titles[0]}: $W_1$ has one column for each token",
        loc="left",
    )
    panels[1].set_title(
        f"{titles[1]}：{3 * known} 列权重不存在 | {titles[1]}: {3 * known} columns do not exist",
        loc="left",
    )
    return figure


def _numbered(axes, grid: int, known: int) -> None:
    """Draw tokens, numbered row by row; those beyond `known` are empty."""
    for index in range(grid * grid):
        i, j = divmod(index, grid)
        color = SAME if index < known else "white"
        axes.add_patch(Rectangle((j, i), 1, 1, fc=color, ec=EDGE))
        axes.text(j + 0.5, i + 0.5, str(index), ha="center", va="center")


def _matrix(axes, left: float, top: float, columns: int, known: int) -> None:
    """Draw W1 (2, columns), of which the first `known` columns exist."""
    for j in range(columns):
        missing = j >= known
        for i in range(2):
            style = {"fc": "white", "ls": ":"} if missing else {"fc": SAME}
            axes.add_patch(Rectangle((left + j, top + i), 1, 1, ec=EDGE, **style))
            if missing:
                axes.text(
                    left + j + 0.5, top + i + 0.5, "?", ha="center", va="center", color=ACCENT
                )
        axes.text(left + j + 0.5, top - 0.35, str(j), ha="center", va="center")
    axes.text(left - 0.15, top + 1, "$W_1$", ha="right", va="center", fontsize=13)


def plot_tiled_matrix() -> Figure:
    """Draw W1 (8, 16) of four tiles of 2 x 2 tokens, two units each, in two numberings of tokens.

    A cell of W1 has the colour of the tile that its unit reads; zeros are white.
    """
    figure, panels = plt.subplots(2, 1, figsize=(8.8, 5.2))
    figure.suptitle(
        "同一个平铺后的 $W_1$（8 × 16），两种编号 | The same tiled $W_1$ (8 × 16) in two numberings"
    )
    by_tile = sorted(range(16), key=lambda place: (place // 8, place % 4 // 2))
    titles = (
        "逐行编号：同一张小图的列不连续 | numbered row by row: the columns of a tile are scattered",
        "按小图编号：$W_1$ 是块对角矩阵 | numbered tile by tile: $W_1$ is block-diagonal",
    )
    for axes, places, title in zip(panels, (range(16), by_tile), titles, strict=True):
        for number, place in enumerate(places):
            i, j = divmod(place, 4)
            tile = 2 * (i // 2) + j // 2
            _cell(axes, (j, i), 1, TINTS[tile], str(number))
            axes.text(6.5 + number, -0.4, str(number), ha="center", va="center")
            for row in range(8):
                color = TINTS[tile] if row // 2 == tile else "white"
                _cell(axes, (6 + number, row / 2), 0.5, color)
        axes.text(5.85, 2, "$W_1$", ha="right", va="center", fontsize=13)
        axes.set_title(title, loc="left")
        paper(axes, (-0.2, 22.2), (-0.8, 4.2))
    return figure


def _cell(axes, corner: tuple[float, float], height: float, color: str, text: str = "") -> None:
    x, y = corner
    axes.add_patch(Rectangle(corner, 1, height, fc=color, ec=EDGE))
    axes.text(x + 0.5, y + height / 2, text, ha="center", va="center")


@checked
def plot_moved_unit(old: Tensor, tiles: Tensor, wide: Tensor) -> Figure:
    """Draw what one hidden unit reads: before, in four tiled units, and stretched.

    Args:
        old: (h, w).
        tiles: (4, 2h, 2w).
        wide: (2h, 2w), before it is divided.
    """
    figure = plt.figure(figsize=(9.2, 4.4))
    figure.suptitle("边长放大到 2 倍：平铺或拉伸 | Twice the side: tile or stretch")
    # The old map is half as wide as the stretched one: a token has one size in both.
    spec = figure.add_gridspec(2, 4, width_ratios=[0.8, 0.95, 0.95, 1.6])
    panels = [figure.add_subplot(spec[:, 0])]
    panels += [figure.add_subplot(spec[i, j]) for i in range(2) for j in (1, 2)]
    panels.append(figure.add_subplot(spec[:, 3]))
    limit = float(old.abs().max())
    for axes, values in zip(panels, [old, *tiles, wide], strict=True):
        shown = axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
        axes.set(xticks=[], yticks=[], anchor="N")
        for spine in axes.spines.values():
            spine.set_visible(True)
    small, large = (f"{map_.shape[0]} × {map_.shape[1]}" for map_ in (old, wide))
    panels[0].set_title(f"原来的单元\n{small} | the old unit\n{small}")
    # Over the middle of both columns: a panel is 1 wide, the gap to the next about 0.4.
    panels[1].set_title(
        f"平铺：四个单元\n各 {large}（缩小） | tiled: four units, each\n{large} (drawn smaller)",
        x=1.19,
    )
    zh, en = (
        f"拉伸：一个单元，{large}\n（随后除以 4）",
        f"stretched: one unit, {large}\n(then divided by 4)",
    )
    panels[5].set_title(f"{zh} | {en}")
    scale = figure.colorbar(
        shown, ax=panels, location="bottom", shrink=0.4, aspect=30, panchor=False
    )
    scale.set_label("权重 | weight")
    return figure
