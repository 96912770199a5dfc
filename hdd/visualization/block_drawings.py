"""Drawings of what a Mixer block is made of: LayerNorm on one token, GELU, the flow of data."""

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.paper import EDGE, EMPTY, paper
from hdd.visualization.style import ACCENT, CHANNEL, LIGHT, OTHER, TOKEN

S, C = 3, 5  # the tables of the block's drawing
CELL, GAP, WIDE, MIDDLE, FORK = 0.27, 1.4, 1.75, 1.1, 0.15


@checked
def plot_layer_norm(token: Tensor, gain: Tensor, shift: Tensor) -> Figure:
    """Draw a token (C,) in the four stages of LayerNorm."""
    centred = token - token.mean()
    scaled = centred / centred.square().mean().sqrt()
    numbers = rf"$\mu={token.mean():g}$, $\sigma={centred.square().mean().sqrt():g}$"
    by, plus = (f"({', '.join(f'{number:g}' for number in part)})" for part in (gain, shift))
    last = rf"乘 $\gamma=${by}，\n加 $\beta=${plus} | times $\gamma=${by},\nplus $\beta=${plus}"
    stages = [
        (token, f"词元：{numbers} | token: {numbers}"),
        (centred, r"减去 $\mu$ | minus $\mu$"),
        (scaled, r"除以 $\sigma$ | divided by $\sigma$"),
        (scaled * gain + shift, last.replace(r"\n", "\n")),
    ]
    figure, panels = plt.subplots(1, 4, figsize=(9, 3.4), sharey=True)
    panels[0].set_ylabel("数值 | value")
    names = [str(index) for index in range(len(token))]
    for axes, (values, title) in zip(panels, stages, strict=True):
        axes.bar(names, values, 0.6, color=OTHER)
        axes.axhline(0, color="black", linewidth=0.8)
        for place, value in enumerate(values.tolist()):
            text = f"{value:.0f}" if abs(value - round(value)) < 1e-4 else f"{value:.2f}"
            above = 0.3 if value >= 0 else -0.3
            side = "bottom" if value >= 0 else "top"
            axes.text(place, value + above, text.replace("-", "−"), ha="center", va=side)
        axes.set(title=title, ylim=(-5, 11), xlabel="通道 | channel")
    return figure


def plot_gelu() -> Figure:
    """Draw Φ, the share of a number that GELU lets pass, and GELU itself beside ReLU."""
    figure, (share, curve) = plt.subplots(1, 2, figsize=(8.8, 3.4))
    x = torch.linspace(-3, 3, 301)
    phi = torch.special.ndtr(x)
    share.plot(x, phi, color=OTHER)
    share.set(title=r"$\Phi(x)$：通过的比例 | $\Phi(x)$: the share that passes", xlabel="$x$")
    curve.plot(x, x.relu(), color=OTHER, linestyle="--", label="ReLU: max(0, $x$)")
    curve.plot(x, x * phi, color=ACCENT, label=r"GELU: $x\cdot\Phi(x)$")
    for place in (-1.0, 1.0):
        value = place * float(torch.special.ndtr(torch.tensor(place)))
        curve.plot(place, value, "o", color=ACCENT)
        text = f"({place:.0f}, {value:.2f})".replace("-", "−")
        offset = (-18, -20) if place < 0 else (10, -10)
        curve.annotate(text, (place, value), xytext=offset, textcoords="offset points")
    curve.set(title="GELU 与 ReLU | GELU and ReLU", xlabel="$x$", ylim=(-0.7, 3.1))
    share.set_ylabel(r"$\Phi(x)$")
    curve.set_ylabel("输出 | output")
    curve.legend()
    for axes in (share, curve):
        axes.axhline(0, color="black", linewidth=0.8)
        axes.axvline(0, color="black", linewidth=0.8)
    return figure


# ------------------------------------------------------------------------------- the block
def plot_block() -> Figure:
    """Draw the table of an image on its way through a Mixer block, with shapes and residuals."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5), height_ratios=[3.5, 3.2])
    mlp = "Mlp\n${0}$ → $D_{0}$ → ${0}$"
    first = [(False, "$X$", ""), (False, "", _norm(1)), (True, "", "转置 | transpose")]
    first += [(True, "", mlp.format("S")), (False, "", "转置回来 | transpose\nback")]
    _residual(above, *_row(above, first, TOKEN), "$X'$")
    above.set_title("词元混合：一个通道，所有词元 | Token mixing: one channel, all tokens")
    second = [(False, "$X'$", ""), (False, "", _norm(2)), (False, "", mlp.format("C"))]
    _residual(below, *_row(below, second, CHANNEL), "$Y$")
    below.set_title("通道混合：一个词元，所有通道 | Channel mixing: one token, all channels")
    for axes, color, bottom in ((above, TOKEN, 2.4), (below, CHANNEL, 2.1)):
        axes.title.set_color(color)
        paper(axes, (-0.1, 15.1), (-1.1, bottom))
    return figure


def _norm(number: int) -> str:
    return f"层归一化 {number}\n（逐行） | Layer-\nNorm {number}\n(each row)"


def _row(axes, stages, color: str) -> tuple[float, float]:
    """Draw tables from left to right, each with (turned?, its name, the step that leads to it).

    Return where the first and the last of them end.
    """
    left, first = 0.0, None
    for index, (turned, name, step) in enumerate(stages):
        if step:
            gap = WIDE if "Mlp" in step or index == 1 else GAP  # the residual forks at the first
            _step(axes, left, left + gap, step, color if "Mlp" in step else "black", index)
            left += gap
        rows, columns = (C, S) if turned else (S, C)
        _table(axes, left, rows, columns, _mixed(stages, index), LIGHT[color], name)
        left += columns * CELL
        first = left if first is None else first
    return first, left


def _mixed(stages, index: int) -> bool:
    """Say whether the table at `index` goes into the Mlp or comes out of it."""
    return "Mlp" in stages[index][2] or (index + 1 < len(stages) and "Mlp" in stages[index + 1][2])


def _table(axes, left, rows, columns, marked, tint, name: str) -> None:
    top = MIDDLE - rows * CELL / 2
    for i in range(rows):
        for j in range(columns):
            face = tint if marked and i == 1 else EMPTY
            corner = (left + j * CELL, top + i * CELL)
            axes.add_patch(Rectangle(corner, CELL, CELL, fc=face, ec=EDGE, lw=0.8))
    shape = "(C, S)" if rows == C else "(S, C)"
    center = left + columns * CELL / 2
    axes.text(center, top + rows * CELL + 0.32, shape, ha="center", va="center", color=OTHER)
    axes.text(left + CELL, top - 0.32, name, ha="center", va="center", fontsize=13)


def _step(axes, start: float, end: float, name: str, color: str, index: int) -> None:
    arrow = {"arrowstyle": "->", "lw": 1.6, "color": color}
    axes.annotate("", (end - 0.08, MIDDLE), (start + 0.08, MIDDLE), arrowprops=arrow)
    center = (start + end + (1.5 * FORK if index == 1 else 0)) / 2
    axes.text(center, MIDDLE - 0.16, name, ha="center", va="bottom", color=color, fontsize=10.5)


def _residual(axes, start: float, end: float, name: str) -> None:
    """Draw the path around a half of the block, the sum, and the table that comes out."""
    plus, top, fork = end + 0.7, -0.45, start + FORK
    heights = [MIDDLE, top, top, MIDDLE - 0.25]
    axes.plot([fork, fork, plus, plus], heights, color="black", lw=1.6)
    axes.plot(fork, MIDDLE, "o", color="black", markersize=5)
    name_of_path = "残差连接 | residual connection"
    axes.text((fork + plus) / 2, top - 0.12, name_of_path, ha="center")
    line = {"arrowstyle": "->", "lw": 1.6}
    axes.annotate("", (plus - 0.25, MIDDLE), (end + 0.08, MIDDLE), arrowprops=line)
    axes.add_patch(Circle((plus, MIDDLE), 0.25, fc="white", ec="black", lw=1.6))
    axes.text(plus, MIDDLE, "+", ha="center", va="center", fontsize=14)
    after = plus + 0.85
    axes.annotate("", (after - 0.08, MIDDLE), (plus + 0.25, MIDDLE), arrowprops=line)
    _table(axes, after, S, C, False, EMPTY, name)
