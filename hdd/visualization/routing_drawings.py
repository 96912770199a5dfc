"""Drawings of routing tasks and of the weights that solve them: arrows, pairs of units, ranks."""

from collections.abc import Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor
from torch.nn import functional

from hdd.arguments import checked
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import arrow, paper
from hdd.visualization.style import ACCENT, OTHER, SIGNED, STEM, TOKEN

PAIR_COLORS = ["#E69F00", STEM, ACCENT, TOKEN]  # a frame for each pair of units
SOFT = {"red": "#F4B6A6", "blue": "#A9CDE6"}  # plus and minus


def _signed(values: Tensor):
    """Return a function that gives the soft colour of an entry's sign, for `draw_table`."""
    return lambda i, j: (
        SOFT["red"] if values[i, j] > 0 else SOFT["blue"] if values[i, j] < 0 else None
    )


def _tokens(
    axes, x: float, tokens: int, name: str, values: tuple[float, str, Tensor] | None = None
) -> None:
    """Draw numbered tokens at x, below each other; `values`: (distance, name, numbers (S,))."""
    for i in range(tokens):
        axes.add_patch(Circle((x, i + 0.5), 0.34, fc="#E8F1F8", ec=TOKEN, lw=1.5))
        axes.text(x, i + 0.5, str(i), ha="center", va="center")
    axes.text(x, -0.45, name, ha="center", va="center")
    if values:
        distance, title, numbers = values
        axes.text(x + distance, -0.45, title, ha="center", va="center", fontsize=13)
        for i, value in enumerate(numbers.tolist()):
            text = f"{value:.0f}".replace("-", "−")
            axes.text(x + distance, i + 0.5, text, ha="center", va="center", color=OTHER)


@checked
def plot_routing(source: Tensor, x: Tensor) -> Figure:
    """Draw a routing of a few tokens as arrows, as a matrix P, and what P does to values x (S,)."""
    tokens = len(source)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.9), width_ratios=[1.25, 1.75])
    figure.suptitle("每个箭头对应 P 中的一个 1 | Every arrow is a 1 in P")
    for t, s in enumerate(source.tolist()):
        arrow(left, (0, s + 0.5), (3, t + 0.5), TOKEN, head=13, gap=14)
    _tokens(left, 0, tokens, "输入 | input", (-0.9, "$x$", x))
    _tokens(left, 3, tokens, "输出 | output", (0.9, "$Px$", x[source]))
    paper(left, (-1.3, 4.3), (-0.8, tokens + 0.2))
    matrix = torch.eye(tokens)[source]
    draw_table(right, matrix, 0, 0, _signed(matrix))
    draw_table(right, x[:, None], tokens + 1.2, 0)
    draw_table(right, x[source][:, None], tokens + 3.6, 0)
    for place, name in ((tokens / 2, "$P$"), (tokens + 1.7, "$x$"), (tokens + 4.1, "$Px$")):
        right.text(place, -1.0, name, ha="center", va="center", fontsize=13)
    for place, sign in ((tokens + 0.6, "×"), (tokens + 2.9, "=")):
        right.text(place, tokens / 2, sign, ha="center", va="center", fontsize=14)
    for i in range(tokens):
        right.text(i + 0.5, -0.35, str(i), ha="center", va="center", color=OTHER)
        right.text(-0.35, i + 0.5, str(i), ha="center", va="center", color=OTHER)
    right.text(-1.0, tokens / 2, "输出 | output", rotation=90, ha="center", va="center")
    right.text(tokens / 2, tokens + 0.4, "输入 | input", ha="center", va="center")
    paper(right, (-1.4, tokens + 4.9), (-1.4, tokens + 0.8))
    return figure


@checked
def plot_gelu_pair(at: float) -> Figure:
    """Draw GELU(z), −GELU(−z) and their sum z, and the three values at one place."""
    z = torch.linspace(-3, 3, 301)
    both = functional.gelu(torch.tensor([at, -at], dtype=torch.float32)).tolist()
    parts = [both[0], -both[1]]
    figure, axes = plt.subplots(figsize=(8.6, 4))
    axes.axhline(0, color="#CCCCCC", lw=1)
    axes.axvline(at, color="#CCCCCC", lw=1, ls=":")
    plus, minus = functional.gelu(z).numpy(), -functional.gelu(-z).numpy()
    axes.plot(z.numpy(), plus, color=TOKEN, label=r"$\mathrm{GELU}(z)$")
    axes.plot(z.numpy(), minus, color=ACCENT, label=r"$-\mathrm{GELU}(-z)$")
    axes.plot(z.numpy(), z.numpy(), color="black", ls="--", label="两者之和：$z$ | their sum: $z$")
    for value, color, shift in (
        (parts[0], TOKEN, (10, 10)),
        (parts[1], ACCENT, (-48, 8)),
        (at, "black", (10, -16)),
    ):
        axes.plot(at, value, "o", color=color, markersize=8)
        text = f"{value:.2f}".replace("-", "−")
        axes.annotate(text, (at, value), shift, textcoords="offset points", color=color)
    axes.set(xlabel="$z$", xticks=range(-3, 4), xlim=(-3, 3), ylim=(-3, 3))
    axes.legend(loc="upper left")
    axes.set_title("一对反相单元合起来是一条直线 | An opposite pair adds up to a straight line")
    return figure


def _frames(axes, left: float, top: float, width: float, height: float, pairs) -> None:
    """Frame unit k and its opposite k + D_S/2 in one colour, for each k of `pairs`.

    Units are the rows of a table that is higher than wide (W1), else its columns (W2).
    """
    down, inset = height > width, 0.07  # neighbouring frames must not cover each other
    units = int(max(width, height))
    for k in pairs:
        for unit in (k, k + units // 2):
            place = (left, top + unit) if down else (left + unit, top)
            size = (width, 1) if down else (1, height)
            corner, size = [v + inset for v in place], [v - 2 * inset for v in size]
            look = {"fill": False, "ec": PAIR_COLORS[k % len(PAIR_COLORS)], "lw": 2.4, "zorder": 3}
            axes.add_patch(Rectangle(corner, *size, **look))


def _numbers(axes, left: float, top: float, count: int, down: bool) -> None:
    """Number the rows (`down`) of a table on its left, or its columns below the table's foot."""
    for i in range(count):
        place = (left - 0.35, top + i + 0.5) if down else (left + i + 0.5, top + 0.4)
        axes.text(*place, str(i), ha="center", va="center", color=OTHER)


@checked
def plot_by_hand(first: Tensor, second: Tensor, x: Tensor) -> Figure:
    """Draw values x (S,) on their way through W1, GELU and W2, opposite units framed alike.

    Args:
        first: W1 (2 S, S); rows k and k + S are a pair.
        second: W2 (S, 2 S), its columns in the same order.
        x: a value for each token, (S,).
    """
    units, tokens = first.shape
    first, second = first + 0.0, second + 0.0  # no −0
    figure, axes = plt.subplots(figsize=(9.4, 4.2))
    z = first @ x
    h = functional.gelu(z)
    middle = (units - tokens) / 2
    parts = [
        (x[:, None], middle, "$x$", None),
        (first, 0.0, "$W_1$", _signed(first)),
        (z[:, None], 0.0, "$z=W_1x$", None),
        (h[:, None], 0.0, r"$\mathrm{GELU}(z)$", None),
        (second, middle, "$W_2$", _signed(second)),
        ((second @ h)[:, None], middle, "$Px$", None),
    ]
    left, gap, places = 0.0, 1.5, []
    for values, top, name, fill in parts:
        draw_table(axes, values, left, top, fill)
        axes.text(left + values.shape[1] / 2, top - 0.55, name, ha="center", va="center")
        places.append(left)
        left += values.shape[1] + gap
        if name != "$Px$":
            axes.text(left - gap / 2 - 0.15, units / 2, "→", ha="center", va="center", fontsize=14)
    _finish_by_hand(axes, places, (units, tokens), left - gap)
    return figure


def _finish_by_hand(axes, places: list[float], shape: tuple[int, int], right: float) -> None:
    """Add frames, numbers, a title and the limits to the drawing of the answer by hand."""
    (units, tokens), middle = shape, (shape[0] - shape[1]) / 2
    for text in axes.texts:
        if "." in text.get_text():  # "−0.16" has to fit into a square
            text.set_fontsize(9)
    _frames(axes, places[1], 0, tokens, units, range(units // 2))
    _frames(axes, places[4], middle, units, tokens, range(units // 2))
    for place in (places[0], places[-1]):
        _numbers(axes, place, middle, tokens, down=True)
    _numbers(axes, places[1], 0, units, down=True)
    _numbers(axes, places[4], middle + tokens, units, down=False)
    axes.text(places[4] + units / 2, middle + tokens + 1.1, "单元 | unit", ha="center", va="center")
    names = [(places[1], units, "单元 | unit"), (places[0], middle + tokens, "输入 | input")]
    for place, foot, name in (*names, (places[-1], middle + tokens, "输出 | output")):
        axes.text(place - 0.1, foot + 0.45, name, ha="center" if foot < units else "right")
    paper(axes, (-0.7, right + 0.7), (-1.0, units + 0.7))
    axes.set_title("手写的答案：同色的两个单元反相 | By hand: units of one colour are opposite")


@checked
def plot_hand_and_trained(rows: Sequence[tuple[str, Tensor, Tensor, Tensor]]) -> Figure:
    """Draw W1, b1, W2 and the product of two solutions; opposite units are framed alike.

    Args:
        rows: (name, W1 (D_S, S), b1 (D_S,), W2 (S, D_S)) of each. Unit k is compared with unit
            k + D_S/2: they are a pair if the cosine of their rows is below −0.9.
    """
    figure, axes = plt.subplots(figsize=(8.6, 6))
    units, tokens = rows[0][1].shape
    bias_at, second_at, product_at = tokens + 0.8, tokens + 4.8, tokens + units + 7.6
    unit, token = "单元 | unit", "输入词元 | input token"
    for k, (name, first, bias, second) in enumerate(rows):
        top = k * (units + 3.3)
        middle = top + (units - tokens) / 2
        axes.text(second_at + units / 2, top - 0.6, name, ha="center", va="center", fontsize=13)
        weights = _weights(axes, first, (0, top), "$W_1$", unit, token)
        _weights(axes, bias[:, None], (bias_at, top), "$b_1$")
        _weights(axes, second, (second_at, middle), "$W_2$", "输出词元 | output token", unit)
        _product(axes, second @ first, (product_at, top + 0.4), (units - 0.8) / tokens)
        upper, lower = functional.normalize(first, dim=1).chunk(2)
        pairs = [i for i, cosine in enumerate((upper * lower).sum(dim=1)) if cosine < -0.9]
        _frames(axes, 0, top, tokens, units, pairs)
        _frames(axes, second_at, middle, units, tokens, pairs)
    foot = top + units
    paper(axes, (-2, product_at + units - 0.5), (-1.3, foot + 2.4))
    place = axes.inset_axes((second_at, foot + 0.3, units, 0.45), transform=axes.transData)
    figure.colorbar(weights, cax=place, orientation="horizontal", ticks=(-1, 0, 1))
    place.set_xlabel("$W_1$、$b_1$、$W_2$ 的值 | value in $W_1$, $b_1$, $W_2$", labelpad=3)
    figure.suptitle("单元不同，路由相同 | Different units, the same routing")
    return figure


def _weights(axes, values: Tensor, corner: tuple, name: str, down: str = "", across: str = ""):
    """Draw a matrix as unit squares with its name and, where they are named, rows and columns.

    Returns the image, for a colour bar; its colours go from −1 to 1.
    """
    (rows, columns), (left, top) = values.shape, corner
    look = {"ha": "center", "va": "center"}
    axes.text(left + columns / 2, top - 0.6, name, **look)
    if down:
        _numbers(axes, left, top, rows, down=True)
        axes.text(left - 1.15, top + rows / 2, down, rotation=90, **look)
    if across:
        _numbers(axes, left, top + rows, columns, down=False)
        axes.text(left + columns / 2, top + rows + 1.2, across, **look)
    axes.add_patch(Rectangle(corner, columns, rows, fill=False, ec="#AAAAAA", lw=0.8))
    extent = (left, left + columns, top + rows, top)
    return axes.imshow(values.numpy(), cmap=SIGNED, vmin=-1, vmax=1, extent=extent)


def _product(axes, values: Tensor, corner: tuple[float, float], side: float) -> None:
    """Draw W2 W1 as a table of numbers with squares of one side; the largest of a row is filled."""
    (left, top), tokens = corner, len(values)
    look = {"ha": "center", "va": "center"}
    axes.text(left + side * tokens / 2, top - 0.6, "$W_2W_1$", **look)
    for i, row in enumerate(values.tolist()):
        y = top + side * (i + 0.5)
        axes.text(left - 0.3, y, str(i), color=OTHER, **look)
        axes.text(left + side * (i + 0.5), top + side * tokens + 0.4, str(i), color=OTHER, **look)
        for j, value in enumerate(row):
            fill = SOFT["red"] if value == max(row) else "white"
            place = (left + side * j, top + side * i)
            axes.add_patch(Rectangle(place, side, side, fc=fill, ec="#888888", lw=0.8))
            text = f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−")
            axes.text(place[0] + side / 2, y, text, **look)
    name = "输入词元（红：该行最大的数） | input token (red: largest of its row)"
    axes.text(left + side * tokens / 2, top + side * tokens + 1.2, name, **look)
    rows = "输出词元 | output token"
    axes.text(left - 0.95, top + side * tokens / 2, rows, rotation=90, **look)


@checked
def plot_bottleneck(axes: plt.Axes, tokens: int, hidden: int) -> None:
    """Draw tokens → fewer hidden units → tokens: every output is made of the units' numbers."""
    middle = [(tokens - hidden) / 2 + k + 0.5 for k in range(hidden)]
    for i in range(tokens):
        for y in middle:
            axes.plot([0, 2, 4], [i + 0.5, y, i + 0.5], color="#AAAAAA", lw=1.2, zorder=0)
    _tokens(axes, 0, tokens, "输入 | input")
    _tokens(axes, 4, tokens, "输出 | output")
    for y in middle:
        axes.add_patch(Circle((2, y), 0.34, fc="#FBE3C0", ec="#E69F00", lw=1.5))
    axes.text(2, -0.45, f"$D_S={hidden}$", ha="center", va="center")
    axes.text(1, tokens + 0.35, "$W_1$", ha="center", va="center")
    axes.text(3, tokens + 0.35, "$W_2$", ha="center", va="center")
    paper(axes, (-0.7, 4.7), (-0.9, tokens + 0.7))


@checked
def plot_each_unit(
    axes: plt.Axes, columns: Sequence[Sequence[Tensor]], color: str, shift: float
) -> None:
    """Draw one dot for each unit, spread sideways, and a bar at each column's mean.

    Args:
        axes: where.
        columns: a column for each place 0, 1, ...: the values (D_S,) of several runs.
        color: of the dots.
        shift: of the columns to the right, so that two sets of columns stand side by side.
    """
    for place, runs in enumerate(columns):
        values = torch.cat(list(runs))
        steps = torch.arange(len(values)) * 0.618 % 1 - 0.5  # even, without a random number
        across = place + shift + 0.24 * steps
        axes.plot(across.numpy(), values.numpy(), "o", color=color, ms=3, mew=0, alpha=0.4)
        middle = float(values.mean())
        ends = [place + shift - 0.17, place + shift + 0.17]
        axes.plot(ends, [middle, middle], color="black", lw=2.2, zorder=3)


@checked
def plot_pairing(
    cosines: Sequence[dict[float, list[Tensor]]],
    biases: Sequence[dict[float, list[float]]],
    chance: dict[float, float],
) -> Figure:
    """Draw each unit's smallest cosine and each run's mean bias against the hidden width.

    Args:
        cosines: of a linear task and of its control: for each width in units of S, the smallest
            cosines (D_S,) of several runs.
        biases: likewise, the mean bias of each run.
        chance: for each width, the mean smallest cosine of random weights.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.4), width_ratios=[1.5, 1])
    kinds = ((TOKEN, -0.2, "平移（线性） | shift (linear)"),)
    kinds += ((ACCENT, 0.2, "对照：负值变成 0 | control: negative values to 0"),)
    left.axhspan(-1.1, -0.9, color="#FBE3C0", zorder=-1)
    left.text(-0.4, -1.0, "一对：低于 −0.9 | a pair: below −0.9", va="center")
    shares = [float((low < -0.9).double().mean()) for low in cosines[0][max(chance)]]
    part = f"{min(shares):.0%}–{max(shares):.0%}"
    look = {"ha": "center", "va": "center", "color": TOKEN}  # beside the dots that it counts
    left.text(len(chance) - 1.68, -1.0, f"{part}\n的单元 | {part}\nof units", **look)
    random = "随机权重：最小余弦的平均 | random: mean smallest cosine"
    left.plot(range(len(chance)), list(chance.values()), "--", color=OTHER, label=random)
    for (color, side, name), lows, means in zip(kinds, cosines, biases, strict=True):
        plot_each_unit(left, list(lows.values()), color, side)
        left.plot([], [], "o", color=color, label=name)
        for place, values in enumerate(means.values()):
            across = [place + side + 0.07 * k for k in range(len(values))]
            right.plot(across, values, "o", color=color, ms=5)
    left.plot([], [], color="black", label="单元的平均 | mean of the units")
    _finish_pairing(left, right, list(chance))
    return figure


def _finish_pairing(left: plt.Axes, right: plt.Axes, widths: list[float]) -> None:
    """Add titles, labels and limits to both panels of `plot_pairing`."""
    left.set_title("线性任务：从 2S 起移向 −1 | Linear task: towards −1 from 2S on")
    left.set(ylim=(-1.1, 0.85), xlim=(-0.5, len(widths) - 0.2))
    left.set_ylabel("单元的最小余弦 | a unit's smallest cosine")
    left.legend(loc="upper right", ncols=2, fontsize=10, columnspacing=1, handletextpad=0.4)
    right.axhline(0, color="#CCCCCC", lw=1, zorder=0)
    right.set(title="从 S 起，偏置减小 | From S on, biases fall", ylim=(-0.2, 1.4))
    right.set_ylabel("一次训练的平均偏置 | mean bias of a run")
    for axes in (left, right):
        names = ["S/2" if t == 0.5 else "S" if t == 1 else f"{t:g}S" for t in widths]
        axes.set_xticks(range(len(widths)), labels=names)
        axes.set_xlabel("隐藏宽度 $D_S$ | hidden width $D_S$")


@checked
def plot_pairs(maps: Tensor, pairs: Sequence[tuple[int, int]], cosine: Tensor) -> Figure:
    """Draw pairs of units as two maps in one frame, their cosine below.

    Args:
        maps: (D_S, h, w), rows of W1 on the grid.
        pairs: up to six pairs of units, the most opposite first.
        cosine: of every two units, (D_S, D_S).
    """
    h, w = maps.shape[1:]
    figure, panels = plt.subplots(2, 3, figsize=(9, 4.1), squeeze=False)
    limit = float(maps[torch.tensor(pairs).flatten()].abs().max())
    look = {"cmap": SIGNED, "vmin": -limit, "vmax": limit}
    for axes in panels.flat:
        paper(axes, (-0.5, 2 * w + 1.5), (-0.5, h + 0.5))
    for axes, (i, j) in zip(panels.flat, pairs, strict=False):
        for unit, left in ((i, 0), (j, w + 1)):
            extent = (left, left + w, h, 0)
            image = axes.imshow(maps[unit].numpy(), extent=extent, **look)
            axes.add_patch(Rectangle((left, 0), w, h, fill=False, ec=OTHER, lw=0.8))
        paper(axes, (-0.6, 2 * w + 1.6), (-0.6, h + 0.6))  # imshow has changed the limits
        frame = {"fill": False, "ec": PAIR_COLORS[0], "lw": 2.5}
        axes.add_patch(Rectangle((-0.45, -0.45), 2 * w + 1.9, h + 0.9, **frame))
        value = f"{cosine[i, j]:.2f}".replace("-0.00", "0.00").replace("-", "−")
        axes.set_title(f"余弦 {value} | cosine {value}", fontsize=11)
    figure.colorbar(image, ax=panels, label="权重 | weight", shrink=0.8, aspect=16)
    zh, en = (
        "同框的两个单元：图案相近，红蓝互换",
        "Two units per frame: similar patterns, red and blue swapped",
    )
    figure.suptitle(f"{zh} | {en}")
    return figure


@checked
def plot_grid_routing(
    axes: plt.Axes, source: Tensor, grid: tuple[int, int], drawn: int | None = None
) -> None:
    """Draw a routing on a grid of tokens as arrows from each source to its output token.

    If most arrows are equal, the routing is a shift, and those around the edge are left out. At
    the left of each row stands the number of its first token.

    Args:
        axes: where.
        source: of each output token, (S,).
        grid: (h, w).
        drawn: how many output tokens, from the first, have their arrow drawn; None: all.
    """
    h, w = grid
    for i in range(h):
        axes.text(-0.2, i + 0.5, str(i * w), ha="right", va="center", color=OTHER)
        for j in range(w):
            axes.add_patch(Rectangle((j, i), 1, 1, fc="#E4E4E4", ec="white", lw=1.2, zorder=-1))
    around = _around(source, w)
    for t, s in enumerate(source.tolist()):
        start, end = ((k % w + 0.5, k // w + 0.5) for k in (s, t))
        if s == t:
            axes.plot(*end, "o", color="black", markersize=5)
        elif not around[t] and (drawn is None or t < drawn):
            arrow(axes, start, end, head=11, width=1, gap=1, bend=0.15)
    paper(axes, (-0.9, w + 0.1), (-0.1, h + 0.1))


def _around(source: Tensor, w: int) -> Tensor:
    """Return which arrows of a shift go around the edge (S,); of another routing none does."""
    target = torch.arange(len(source))
    steps = torch.stack([target % w - source % w, target // w - source // w], dim=1)  # (S, 2)
    usual = steps.mode(dim=0).values
    straight = (steps == usual).all(dim=1)
    return ~straight & (straight.double().mean() > 0.5)
