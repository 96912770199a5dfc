"""Drawings of what mixing costs: matrix products as squares to count, and trips to memory."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hdd.arguments import checked
from hdd.visualization.paper import EDGE, arrow
from hdd.visualization.style import ACCENT, OTHER, TOKEN

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
def plot_trips(steps: Sequence[str], fused: str) -> Figure:
    """Draw how often a table travels between memory and processor: step by step, and fused.

    Args:
        steps: names of the operations ("中文 | English"), each of which reads and writes it once.
        fused: name of the one operation that does all of them.
    """
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[len(steps), 1.6])
    figure.suptitle("示意：合成一步，少读写内存 | A sketch: fused, fewer trips to memory")
    for axes, names in zip(panels, (steps, [fused]), strict=True):
        width = 2.6 * len(names)
        axes.add_patch(Rectangle((0, 0), width, 0.8, fc="#EEEEEE", ec=EDGE))
        axes.text(width / 2, 0.4, "内存 | memory", ha="center", va="center", fontsize=11)
        for index, name in enumerate(names):
            _draw_trip(axes, 2.6 * index + 0.3, name)
        trips = 2 * len(names)
        axes.set_title(f"读写 {trips} 遍 | {trips} trips", color=OTHER)
        axes.set(xlim=(-0.2, width + 0.2), ylim=(3.4, -0.2))
        axes.axis("off")
    return figure


def _draw_trip(axes, left: float, name: str) -> None:
    """Draw one operation below the memory, an arrow from it and one back."""
    axes.add_patch(Rectangle((left, 2.2), 2.0, 0.9, fc="white", ec=TOKEN, lw=1.8))
    axes.text(left + 1.0, 2.65, name, ha="center", va="center", fontsize=11)
    ends = [
        ((left + 0.5, 0.8), (left + 0.5, 2.2), TOKEN),
        ((left + 1.5, 2.2), (left + 1.5, 0.8), ACCENT),
    ]
    for start, end, color in ends:
        arrow(axes, start, end, color, width=1)
    axes.text(left + 0.4, 1.5, "读 | read", ha="right", va="center", fontsize=10.5)
    axes.text(left + 1.6, 1.5, "写 | write", ha="left", va="center", fontsize=10.5)
