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


def _tokens(axes, x: float, tokens: int, name: str) -> None:
    """Draw a column of numbered tokens at x, one below the other."""
    for i in range(tokens):
        axes.add_patch(Circle((x, i + 0.5), 0.34, fc="#E8F1F8", ec=TOKEN, lw=1.5))
        axes.text(x, i + 0.5, str(i), ha="center", va="center")
    axes.text(x, -0.45, name, ha="center", va="center")


@checked
def plot_routing(source: Tensor, x: Tensor) -> Figure:
    """Draw a routing of a few tokens as arrows, as a matrix P, and what P does to values x (S,)."""
    tokens = len(source)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), width_ratios=[1, 1.75])
    figure.suptitle("每个箭头对应 P 中的一个 1 | Every arrow is a 1 in P")
    for t, s in enumerate(source.tolist()):
        arrow(left, (0, s + 0.5), (3, t + 0.5), TOKEN, head=13, gap=14)
    _tokens(left, 0, tokens, "输入 | input")
    _tokens(left, 3, tokens, "输出 | output")
    paper(left, (-0.8, 3.8), (-0.8, tokens + 0.2))
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


def _frames(axes, left: float, top: float, width: float, height: float, down: bool) -> None:
    """Frame each two neighbouring rows (`down`) or columns of a table; a colour a pair."""
    count = int(height if down else width) // 2
    for k in range(count):
        place = (left, top + 2 * k) if down else (left + 2 * k, top)
        size = (width, 2) if down else (2, height)
        axes.add_patch(Rectangle(place, *size, fill=False, ec=PAIR_COLORS[k], lw=2.6, zorder=3))


@checked
def plot_by_hand(first: Tensor, second: Tensor, x: Tensor) -> Figure:
    """Draw values x (S,) on their way through W1, GELU and W2, opposite units framed as pairs.

    Args:
        first: W1 (2 S, S); rows 0 and 1 are a pair, rows 2 and 3, and so on.
        second: W2 (S, 2 S), its columns in the same order.
        x: a value for each token, (S,).
    """
    units, tokens = first.shape
    first, second = first + 0.0, second + 0.0  # no −0
    figure, axes = plt.subplots(figsize=(9, 3.9))
    z = first @ x
    h = functional.gelu(z)
    middle = (units - tokens) / 2
    parts = [
        (x[:, None], middle, "$x$", None),
        (first, 0.0, "$W_1$", _signed(first)),
        (z[:, None], 0.0, "$z=W_1x$", None),
        (h[:, None], 0.0, r"$h=\mathrm{GELU}(z)$", None),
        (second, middle, "$W_2$", _signed(second)),
        ((second @ h)[:, None], middle, "$W_2h$", None),
    ]
    left, gap, places = 0.0, 1.2, []
    for values, top, name, fill in parts:
        draw_table(axes, values, left, top, fill)
        axes.text(left + values.shape[1] / 2, top - 0.55, name, ha="center", va="center")
        places.append(left)
        left += values.shape[1] + gap
        if name != "$W_2h$":
            axes.text(left - gap / 2, units / 2, "→", ha="center", va="center", fontsize=14)
    for text in axes.texts:
        if "." in text.get_text():  # "−0.16" has to fit into a square
            text.set_fontsize(9)
    _frames(axes, places[1], 0, tokens, units, down=True)
    _frames(axes, places[4], middle, units, tokens, down=False)
    paper(axes, (-0.3, left - gap + 0.3), (-1.0, units + 0.2))
    axes.set_title("手写的答案：每条通路一对反相单元 | By hand: an opposite pair for every path")
    return figure


@checked
def plot_hand_and_trained(rows: Sequence[tuple[str, Tensor, Tensor]]) -> Figure:
    """Draw W1, W2 and their product for two solutions, with the numbers of the product.

    Args:
        rows: (name, W1 (D_S, S), W2 (S, D_S)) of each; units in the order of their pairs.
    """
    figure, axes = plt.subplots(figsize=(7.6, 6.1))
    units, tokens = rows[0][1].shape
    second_at, product_at = tokens + 3.0, tokens + units + 6.0
    places = ["输入词元 | input token", "输出词元 | output token", "单元 | unit"]
    for k, (name, first, second) in enumerate(rows):
        top = k * (units + 4)
        middle = top + (units - tokens) / 2
        axes.text(-1.6, top - 1.5, name, ha="left", va="center", fontsize=13)
        product = second @ first
        weights = _weights(axes, first, (0, top), 1.0, "$W_1$", places[2], places[0])
        _weights(axes, second, (second_at, middle), 1.0, "$W_2$", places[1], places[2])
        _weights(axes, product, (product_at, middle), 2.0, "$W_2W_1$", places[1], places[0])
        _frames(axes, 0, top, tokens, units, down=True)
        _frames(axes, second_at, middle, units, tokens, down=False)
        _entries(axes, product, (product_at, middle))
    paper(axes, (-2, product_at + tokens + 0.3), (-2.2, len(rows) * (units + 4) - 2))
    bar = {"shrink": 0.4, "aspect": 16, "ticks": (-1, 0, 1), "pad": 0.01}
    figure.colorbar(weights, ax=axes, label="$W_1$、$W_2$ 的权重 | weights of $W_1$, $W_2$", **bar)
    figure.suptitle("单元不同，路由相同 | Different units, the same routing")
    return figure


def _weights(axes, values: Tensor, corner: tuple, limit: float, name: str, down: str, across: str):
    """Draw a matrix as unit squares with its name, indices and what its rows and columns are.

    Returns the image, for a colour bar; its colours go from -limit to limit.
    """
    (rows, columns), (left, top) = values.shape, corner
    look = {"ha": "center", "va": "center"}
    for i in range(rows):
        axes.text(left - 0.4, top + i + 0.5, str(i), color=OTHER, **look)
    for j in range(columns):
        axes.text(left + j + 0.5, top + rows + 0.45, str(j), color=OTHER, **look)
    axes.text(left + columns / 2, top - 0.6, name, **look)
    axes.text(left + columns / 2, top + rows + 1.2, across, **look)
    axes.text(left - 1.1, top + rows / 2, down, rotation=90, **look)
    extent = (left, left + columns, top + rows, top)
    return axes.imshow(values.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit, extent=extent)


def _entries(axes, values: Tensor, corner: tuple) -> None:
    """Write the numbers of a matrix with entries up to about 2 onto its picture."""
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            color = "white" if abs(value) > 1.2 else "black"
            text = f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−")
            place = corner[0] + j + 0.5, corner[1] + i + 0.5
            axes.text(*place, text, ha="center", va="center", color=color)


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
def plot_pairs(maps: Tensor, pairs: Sequence[tuple[int, int]], cosine: Tensor) -> Figure:
    """Draw pairs of units as two maps in one frame, their cosine below.

    Args:
        maps: (D_S, h, w), rows of W1 on the grid.
        pairs: eight pairs of units, the most opposite first.
        cosine: of every two units, (D_S, D_S).
    """
    h, w = maps.shape[1:]
    figure, panels = plt.subplots(2, 4, figsize=(9, 3.3), squeeze=False)
    limit = float(maps.abs().quantile(0.99))
    for axes, (i, j) in zip(panels.flat, pairs, strict=True):
        both = torch.full((h, 2 * w + 1), torch.nan)
        both[:, :w], both[:, w + 1 :] = maps[i], maps[j]
        image = axes.imshow(both.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit)
        axes.axvline(w, color=OTHER, lw=1.5)
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set(visible=True, color=PAIR_COLORS[0], linewidth=2.5)
        value = f"{cosine[i, j]:.2f}".replace("-0.00", "0.00").replace("-", "−")
        axes.set_xlabel(f"余弦 {value} | cosine {value}")
    figure.colorbar(image, ax=panels, label="权重 | weight", shrink=0.8, aspect=16)
    zh, en = "同框的两个单元：红蓝大致互换", "Two units per frame: red and blue change places"
    figure.suptitle(f"{zh} | {en}")
    return figure


@checked
def plot_grid_routing(
    axes: plt.Axes, source: Tensor, grid: tuple[int, int], strong: int | None = None
) -> None:
    """Draw a routing on a grid of tokens as arrows from each source to its output token.

    If most arrows are equal, the routing is a shift, and those that go around the edge are pale.

    Args:
        axes: where.
        source: of each output token, (S,).
        grid: (h, w).
        strong: how many output tokens, from the first, have an arrow that is not pale; None: all.
    """
    h, w = grid
    for i in range(h):
        for j in range(w):
            axes.add_patch(Rectangle((j, i), 1, 1, fc="#F2F2F2", ec="white", zorder=-1))
    around = _around(source, w)
    for t, s in enumerate(source.tolist()):
        start, end = ((k % w + 0.5, k // w + 0.5) for k in (s, t))
        pale = bool(around[t]) or (strong is not None and t >= strong)
        look = ("#C9D6DF", 0) if pale else (TOKEN, 1)
        if s == t:
            axes.plot(*end, "o", color=TOKEN, markersize=4)
        else:
            arrow(axes, start, end, look[0], head=13, width=0.9, gap=1, bend=0.15, zorder=look[1])
    paper(axes, (-0.1, w + 0.1), (-0.1, h + 0.1))


def _around(source: Tensor, w: int) -> Tensor:
    """Return which arrows of a shift go around the edge (S,); of another routing none does."""
    target = torch.arange(len(source))
    steps = torch.stack([target % w - source % w, target // w - source // w], dim=1)  # (S, 2)
    usual = steps.mode(dim=0).values
    straight = (steps == usual).all(dim=1)
    return ~straight & (straight.double().mean() > 0.5)
