"""Token mixers as small drawings: how the second of four tokens comes about in each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from hdd.arguments import checked
from hdd.visualization.paper import arrow, paper
from hdd.visualization.style import ACCENT, OTHER, STEM, TOKEN

PALE = "#DDEBF5"
HIDDEN = "#E69F00"  # hidden units, as in routings
PALE_ACCENT = "#F7E3EE"  # of the half that is not mixed, likewise
TARGET = 1  # the output that is drawn: the second token
IN, OUT = 0.45, 3.1  # x of inputs and output
ABOVE = 0.24  # of a number over its arrow
BEND = 0.48  # of a gate's arrow around the mixed half
ON_ARROW = {
    **{"ha": "center", "va": "center", "fontsize": 10.5, "zorder": 2.5},
    "bbox": {"boxstyle": "round,pad=0.08", "fc": "white", "ec": "none"},
}


@dataclass
class Mixing:
    """What one panel shows.

    Attributes:
        title: "中文 | English".
        note: one or two lines under the drawing, likewise.
        weights: text at the arrow from each of the four inputs; "" for no arrow.
        output: the number that comes out.
        hidden: of an MLP, for each hidden unit: its number, the texts at the arrows from the
            inputs, the text at the arrow to the output.
        halves: of a gate: for each token the number of the half that is not mixed.
        total: of a gate: what mixing the other half gives, bias included.
        bias: of a gate: what is added to the mixed half, with its sign.
        from_content: whether the weights are computed from the tokens (dashed arrows).
    """

    title: str
    note: str
    weights: Sequence[str] = ()
    output: str = ""
    hidden: Sequence[tuple[str, Sequence[str], str]] = ()
    halves: Sequence[str] = ()
    total: str = ""
    bias: str = ""
    from_content: bool = False


@checked
def plot_mixers(tokens: Sequence[float], mixings: Sequence[Mixing]) -> Figure:
    """Draw several ways to mix the same four tokens, one panel each, side by side.

    Args:
        tokens: the four numbers of the inputs.
        mixings: what is drawn; without weights and hidden units, a stack of alternating blocks.
    """
    figure, panels = plt.subplots(1, len(mixings), figsize=(9, 4))
    for axes, mixing in zip(panels, mixings, strict=True):
        if mixing.halves:
            _draw_gate(axes, tokens, mixing)
        elif mixing.weights or mixing.hidden:
            _draw_inputs(axes, tokens)
            _draw_mixing(axes, mixing)
        else:
            _draw_stack(axes)
        paper(axes, (0, 3.6), (-0.15, 5.15))
        axes.set_title(mixing.title, fontsize=12)
        axes.text(1.8, 4.35, mixing.note, ha="center", va="top", fontsize=10.5)
    return figure


def _draw_inputs(axes, tokens: Sequence[float]) -> None:
    for index, token in enumerate(tokens):
        _circle(axes, IN, index + 0.5, f"{token:g}", PALE if index == TARGET else "white")


def _draw_mixing(axes, mixing: Mixing) -> None:
    target = (OUT, TARGET + 0.5)
    if mixing.hidden:
        _draw_hidden(axes, mixing, target)
    else:
        _draw_arrows(axes, mixing, target)
    _circle(axes, *target, mixing.output, PALE)


def _draw_gate(axes, tokens: Sequence[float], mixing: Mixing) -> None:
    """Draw tokens of two halves: one is mixed, the target's other one multiplies the result."""
    y = TARGET + 0.5
    for index, (token, half) in enumerate(zip(tokens, mixing.halves, strict=True)):
        parts = ((0.3, half, ACCENT, PALE_ACCENT), (0.92, f"{token:g}", TOKEN, PALE))
        for x, text, edge, pale in parts:
            fill = pale if index == TARGET else "white"
            axes.add_patch(
                Rectangle(
                    (x - 0.3, index + 0.2),
                    0.6,
                    0.6,
                    fc=fill,
                    ec=edge,
                    lw=1.4,
                    zorder=3,
                    clip_on=False,
                )
            )
            axes.text(x, index + 0.5, text, ha="center", va="center", fontsize=11, zorder=4)
        if mixing.weights[index]:
            _arrow(axes, (0.92, index + 0.5), (2.1, y), mixing.weights[index])
    _circle(axes, 2.1, y, mixing.total, "white", TOKEN)
    axes.text(2.25, y - 0.62, mixing.bias, ha="center", va="center", color=TOKEN, fontsize=11)
    _arrow(axes, (2.1, y), (OUT, y), "")
    arrow(axes, (0.3, y), (OUT, y), ACCENT, head=11, width=1.5, gap=15, bend=BEND)
    axes.text((0.3 + OUT) / 2, y + BEND / 2 * (OUT - 0.3), "×", **ON_ARROW)
    _circle(axes, OUT, y, mixing.output, PALE)


def _draw_arrows(axes, mixing: Mixing, target: tuple[float, float]) -> None:
    for index, text in enumerate(mixing.weights):
        if text:
            color = STEM if mixing.from_content else TOKEN
            _arrow(axes, (IN, index + 0.5), target, text, color, mixing.from_content)


def _draw_hidden(axes, mixing: Mixing, target: tuple[float, float]) -> None:
    for place, (value, weights, onward) in enumerate(mixing.hidden):
        at = (1.8, 1.0 + 2 * place)
        for index, text in enumerate(weights):
            if text:
                _arrow(axes, (IN, index + 0.5), at, text)
        _arrow(axes, at, target, onward)
        _circle(axes, *at, value, "white", HIDDEN)


def _draw_stack(axes) -> None:
    """Draw four blocks on top of each other, of two kinds in turn."""
    names = ["词元 MLP | token MLP", "注意力 | attention"] * 2
    for index, name in enumerate(reversed(names)):
        color = (STEM, TOKEN)[index % 2]
        axes.add_patch(Rectangle((0.35, index + 0.12), 2.9, 0.66, fc="white", ec=color, lw=1.8))
        axes.text(1.8, index + 0.45, name, ha="center", va="center", fontsize=10.5, color=color)
        if index < len(names) - 1:
            ends, head = [(1.8, index + 1.12), (1.8, index + 0.78)], {"mutation_scale": 10}
            axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", **head))


def _circle(axes, x: float, y: float, text: str, fill: str, edge: str = OTHER) -> None:
    axes.add_patch(Circle((x, y), 0.36, fc=fill, ec=edge, lw=1.4, zorder=3))
    axes.text(x, y, text, ha="center", va="center", fontsize=11, zorder=4)


def _arrow(axes, start, end, text: str, color: str = TOKEN, dashed: bool = False) -> None:
    """Draw an arrow between two circles, its text above it, so that a minus stays a minus."""
    style = (0, (4, 2)) if dashed else "-"
    arrow(axes, start, end, color, head=11, width=1.5, gap=15, linestyle=style)
    (x, y), (dx, dy) = start, (b - a for a, b in zip(start, end, strict=True))
    shift = ABOVE / math.hypot(dx, dy)
    if text:
        axes.text(x + 0.45 * dx + shift * dy, y + 0.45 * dy - shift * dx, text, **ON_ARROW)


# -------------------------------------------------------------------------------- differences
@checked
def plot_differences(
    names: Sequence[str], found: Sequence[dict[str, Any]], corrected: Sequence[float]
) -> Figure:
    """Draw 95 % intervals of differences, one a row, with p beside it, before and after correction.

    Args:
        names: of the pairs, "中文 | English".
        found: of each pair "mean", "interval" and "p", as `hdd.train.intervals.difference`
            returns them.
        corrected: p of each pair after the correction; below 0.05 the interval is drawn black.

    The intervals go with p before the correction.
    """
    figure, axes = plt.subplots(figsize=(9.2, 0.8 + 0.34 * len(names)))
    figure.set_layout_engine("constrained", w_pad=0.1)  # the last column keeps off the edge
    place = axes.get_yaxis_transform()  # x: 1 is the right edge
    for row, (one, p) in enumerate(zip(found, corrected, strict=True)):
        color, line = ("black", "-") if p < 0.05 else (OTHER, "--")
        axes.plot(one["interval"], [row, row], line, color=color, lw=2)
        axes.plot(one["mean"], row, "o", color=color)
        for x, text in ((1.08, f"{one['p']:.4f}"), (1.22, f"{p:.3f}")):
            axes.text(x, row, text, transform=place, ha="center", va="center", color=color)
    for x, text in ((1.08, "p"), (1.22, "校正后 | corrected")):
        axes.text(x, -0.9, text, transform=place, ha="center", va="center")
    axes.axvline(0, color=OTHER, lw=1)
    axes.set_yticks(range(len(names)), labels=list(names))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(
        "差值和 95% 区间（未校正），百分点 | difference, uncorrected 95% interval, points"
    )
    return figure
