"""Axes as paper, and arrows on it: what drawings that are no plots share."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

Point = tuple[float, float]
EMPTY, EDGE = "#F2F2F2", "#999999"  # of cells


def paper(axes: Axes, width: Point, height: Point) -> None:
    """Turn axes into paper: equal units, y downwards, no frame."""
    axes.set(xlim=width, ylim=height[::-1], aspect="equal")
    axes.axis("off")


def arrow(
    axes: Axes,
    start: Point,
    end: Point,
    color: str = "black",
    *,
    head: float = 14,
    width: float = 2,
    gap: float = 2,
    bend: float = 0.0,
    **look,
) -> None:
    """Draw an arrow, `gap` points away from both ends; head and width are in points, too."""
    look |= {"color": color, "mutation_scale": head, "lw": width, "shrinkA": gap, "shrinkB": gap}
    curve = f"arc3,rad={bend}"
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", connectionstyle=curve, **look))
