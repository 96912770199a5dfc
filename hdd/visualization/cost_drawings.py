"""Drawings of what mixing costs: products as squares to count, rooflines, bars of time, chains."""

import math
from collections.abc import Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hdd.arguments import checked
from hdd.visualization.paper import EDGE, arrow
from hdd.visualization.style import ACCENT, OTHER, TOKEN

COMPUTING = "#56B4E9"
Product = tuple[str, tuple[int, int], str, tuple[int, int], str]  # name, shape, name, shape, result


@checked
def plot_products(rows: dict[str, Sequence[Product]], colors: Sequence[str]) -> Figure:
    """Draw matrix products as tables of squares, each with its number of multiply-adds.

    Args:
        rows: by title ("中文 | English"), the products of one kind of mixing, drawn side by side:
            the name and the shape of both factors, and the name of the result.
        colors: of each row's results.
    """
    figure, panels = plt.subplots(len(rows), 1, figsize=(9, 2.4 * len(rows)))
    figure.set_layout_engine("constrained", h_pad=0.1)  # titles keep off the edge
    longest = 0.0
    for axes, (title, products), color in zip(panels, rows.items(), colors, strict=True):
        left = 0.0
        for product in products:
            end = _draw_product(axes, product, left, color)
            left = end + 1.9
        longest = max(longest, end)
        axes.set_title(title, color=color)
        axes.axis("off")
    for axes in panels:  # squares of one size in all rows, and room for the outermost lines
        axes.set(xlim=(-0.2, longest + 0.2), ylim=(6.3, -1.2), aspect="equal")
    return figure


def _draw_product(axes, product: Product, left: float, color: str) -> float:
    """Draw first · second = result from x = left on; return where it ends."""
    first_name, first, second_name, second, result = product
    shapes = [(first_name, first), (second_name, second), (result, (first[0], second[1]))]
    start = left
    for index, (name, (height, width)) in enumerate(shapes):
        for row in range(height):
            for column in range(width):
                place = (left + column, row)
                fill = color if index == 2 else "white"
                axes.add_patch(Rectangle(place, 1, 1, fc=fill, ec=EDGE, lw=0.8, alpha=0.75))
        axes.text(left + width / 2, -0.3, name, ha="center", va="bottom", fontsize=11)
        left += width
        if index < 2:
            axes.text(left + 0.45, 1.5, "·="[index], ha="center", va="center", fontsize=13)
            left += 0.9
    count = f"{first[0]} × {second[1]} × {first[1]} = {first[0] * second[1] * first[1]}"
    axes.text((start + left) / 2, 4.4, count, ha="center", va="top", fontsize=12)
    return left


@checked
def plot_roof(
    points: Mapping[str, tuple[float, float, str]], bandwidth: float, top: float, title: str
) -> Figure:
    """Draw a roofline: what memory allows, what the processor allows, and what was measured.

    Below each line a band reaches down to half of it.

    Args:
        points: by label ("中文 | English"), MACs per byte, billion MACs per second, and the color;
            a network in color is a square, plain operations are dots.
        bandwidth: of the memory, in GB/s: the slope.
        top: billion MACs per second of the processor: the flat line.
        title: as "中文 | English".
    """
    figure, axes = plt.subplots(figsize=(9, 5.2))
    bend, left, right = top / bandwidth, 0.0025, 2000.0
    _draw_bands(axes, (left, bend, right), bandwidth, top)
    for name, (intensity, speed, color) in points.items():
        axes.plot(intensity, speed, "s" if color == TOKEN else "o", ms=9, color=color)
        _label_point(axes, name, (intensity, speed, color), (bend, top))
    axes.set(xscale="log", yscale="log", xlim=(left, right))
    lowest = min(speed for _, speed, _ in points.values())
    axes.set_ylim(lowest / 4, top * 2.5)
    axes.legend(loc="lower right")
    memory = f"内存允许的：每秒 {bandwidth:.0f} GB | memory allows: {bandwidth:.0f} GB/s"
    axes.text(bend * 0.19, top * 0.22, memory, ha="right", color=OTHER)  # beside the slope
    processor = f"处理器允许的：{top:.0f} | the processor allows: {top:.0f}"
    axes.text(right / 1.1, top * 0.7, processor, color=OTHER, ha="right", va="center")
    axes.text(bend, top * 1.15, f"拐点：{bend:.1f} | bend: {bend:.1f}", color=OTHER, ha="right")
    axes.set_title(title)
    axes.set_xlabel(
        "算术强度：每字节的乘加次数（对数） | arithmetic intensity: MACs per byte (log scale)"
    )
    axes.set_ylabel("每秒十亿次乘加（对数） | billion MACs per second (log scale)")
    return figure


def _label_point(
    axes, name: str, point: tuple[float, float, str], corner: tuple[float, float]
) -> None:
    """Write what was measured where neither a line nor a band is in the way."""
    (intensity, speed, color), (bend, top) = point, corner
    share = speed / min(top, top * intensity / bend)
    zh, _, en = name.partition(" | ")
    sets = ("定出这条线", "sets the line") if math.isclose(share, 1) else [f"{share:.0%}"] * 2
    text = f"{zh}：{speed:.3g}（{sets[0]}） | {en or zh}: {speed:.3g} ({sets[1]})"
    height, place, side = speed, (24, -14), "left"
    if intensity > bend and color == OTHER:  # above the flat line
        height, place, side = top, (0, 9), "center"
    elif intensity > bend:
        place, side = (0, -22), "center"
    elif share > 0.5:  # left of the slope
        place, side = (-10, 6), "right"
    look = {"textcoords": "offset points", "color": color, "ha": side}
    axes.annotate(text, (intensity, height), place, **look)


def _draw_bands(axes, ends: tuple[float, float, float], bandwidth: float, top: float) -> None:
    """Draw the two lines of a roofline, and below each the band from half of it to all of it."""
    left, bend, right = ends
    axes.plot(ends, [bandwidth * left, top, top], color=EDGE, lw=1.5, zorder=0)
    slope = "达到斜线的一半：主要在等内存 | half of the slope or more: mostly waits for memory"
    flat = "达到平线的一半：主要在计算 | half of the flat line or more: mostly computes"
    for x, color, label in (((left, bend), OTHER, slope), ((bend, right), COMPUTING, flat)):
        line = [min(bandwidth * one, top) for one in x]
        half = [one / 2 for one in line]
        axes.fill_between(x, half, line, color=color, alpha=0.25, lw=0, zorder=0, label=label)


@checked
def plot_parts(
    totals: Mapping[str, float], parts: Mapping[str, Mapping[str, float]], title: str
) -> Figure:
    """Draw times as bars on one scale, each divided into kinds of operations.

    Args:
        totals: by name ("中文 | English"), in ms.
        parts: by the same names, the share of each kind; matrix products first.
        title: as "中文 | English".
    """
    figure, axes = plt.subplots(figsize=(9, 3.7))
    kinds = list(max(parts.values(), key=len))
    colors = dict(zip(kinds, (OTHER, COMPUTING, "#BBBBBB", ACCENT), strict=True))
    for place, (name, total) in enumerate(totals.items()):
        start = 0.0
        for kind, share in parts[name].items():
            width = share * total
            axes.barh(name, width, left=start, color=colors[kind], height=0.62)
            ink = "white" if kind == kinds[0] else "black"
            middle = {"ha": "center", "va": "center", "color": ink}
            if width > 0.06 * max(totals.values()):
                axes.text(start + width / 2, place, f"{width:.0f} ms", **middle)
            elif width:  # too narrow for its number, which stands above it
                axes.text(start + width / 2, place - 0.42, f"{width:.1f} ms", **middle)
            start += width
        axes.text(start, place, f" {start:.0f} ms", va="center")
    handles = [Rectangle((0, 0), 1, 1, color=color) for color in colors.values()]
    axes.legend(handles, kinds, ncols=4, loc="lower center", bbox_to_anchor=(0.4, -0.22))
    axes.set(xlim=(0, 1.12 * max(totals.values())), xticks=[])
    axes.invert_yaxis()
    axes.set_title(title, pad=16)  # above the number of a narrow part
    return figure


Chain = Sequence[str | None]  # names; None: an operation that is left out


@checked
def plot_chains(chains: Mapping[str, Chain], title: str) -> Figure:
    """Draw chains of operations below each other: data go through memory at each arrow.

    Args:
        chains: by name ("中文 | English"), all of one length; an operation whose name begins with
            a matrix, as "$W_1$ ·" does, is a product and filled.
        title: as "中文 | English".
    """
    figure, axes = plt.subplots(figsize=(9, 3.1))
    for row, (name, chain) in enumerate(chains.items()):
        top, before = 1.7 * row, None
        axes.text(0, top - 0.12, name, va="bottom", fontsize=11.5)
        for column, operation in enumerate(chain):
            if operation is None:
                continue
            left = 1.32 * column
            if before is not None:
                arrow(axes, (before, top + 0.45), (left, top + 0.45), OTHER, width=1.2, gap=0)
            _draw_operation(axes, left, top, operation)
            before = left + 1.08
        axes.set(xlim=(-0.05, 1.32 * len(chain) - 0.19), ylim=(top + 1.0, -0.5))
    axes.set_title(title)
    axes.axis("off")
    return figure


def _draw_operation(axes, left: float, top: float, name: str) -> None:
    """Draw one operation as a box; a matrix product is filled."""
    look = {"fc": "#D9D9D9", "ec": OTHER} if name.startswith("$") else {"fc": "white", "ec": ACCENT}
    axes.add_patch(Rectangle((left, top), 1.08, 0.9, lw=1.6, **look))
    middle = {"ha": "center", "va": "center", "linespacing": 1.5}
    axes.text(left + 0.54, top + 0.45, name, fontsize=10.5, **middle)
