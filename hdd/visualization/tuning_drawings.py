"""Drawings for tuning: accuracy over a sweep of learning rates, and a block with parts missing."""

import statistics
from collections.abc import Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from hdd.arguments import checked
from hdd.visualization.paper import arrow
from hdd.visualization.style import CHANNEL, OTHER, STEM, TOKEN

NETWORK_COLORS = {"Mixer": TOKEN, "ResNet": CHANNEL, "ViT": STEM, "flat MLP": OTHER}
NAMES = {"flat MLP": "全连接 | flat MLP"}
CHANCE = 10.0  # % right by guessing among ten classes
NEAR = 2.0  # points below its best mean that a rate of the plateau may be
Sweep = Mapping[float, Sequence[float]]  # learning rate -> what each seed gave, in %


@checked
def plot_sweeps(panels: Mapping[str, Mapping[str, Sweep]]) -> Figure:
    """Draw sweeps side by side; below, the rates of each network's plateau on a thick bar.

    Args:
        panels: title -> network -> sweep.
    """
    figure, rows = plt.subplots(
        2, len(panels), figsize=(9, 4.8), height_ratios=[3, 1.1], sharex="col", squeeze=False
    )
    for (above, below), (title, sweeps) in zip(rows.T, panels.items(), strict=True):
        for row, (name, sweep) in enumerate(sweeps.items()):
            band = _curve(above, sweep, NETWORK_COLORS[name], NAMES.get(name, name))
            kept = plateau(sweep)
            look = {"color": NETWORK_COLORS[name], "lw": 4, "markersize": 8}
            below.plot(kept, [row] * len(kept), "o-", **look)  # a single rate is a dot
        below.set_yticks(range(len(sweeps)), [NAMES.get(name, name) for name in sweeps])
        below.set(ylim=(len(sweeps) - 0.4, -0.6), xlabel="学习率 | learning rate")
        below.set_title("平台 | plateau", fontsize=11)
        below.tick_params(axis="y", length=0)
        n = max(len(runs) for sweep in sweeps.values() for runs in sweep.values())
        above.set(xscale="log", ylim=(0, None), title=f"{title}，n = {n} | {title}, n = {n}")
        above.axhline(CHANCE, color="black", ls=":", lw=1)
        above.set_ylabel("验证准确率（%） | validation\naccuracy, %")
        look = {"ha": "right", "va": "top", "fontsize": 10}
        above.text(1.3e-1, CHANCE - 0.7, "随机猜测 | chance", **look)
    lines, labels = rows[0, 0].get_legend_handles_labels()
    labels.append("最小–最大 | min–max")
    figure.legend([*lines, band], labels, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _curve(axes: Axes, sweep: Sweep, color: str, label: str) -> PolyCollection:
    """Draw the mean over seeds, and a band from the smallest to the largest; return the band."""
    rates, runs = list(sweep), list(sweep.values())
    means = [statistics.mean(values) for values in runs]
    axes.plot(rates, means, "o-", color=color, label=label, markersize=4)
    low, high = [min(values) for values in runs], [max(values) for values in runs]
    return axes.fill_between(rates, low, high, color=color, alpha=0.2, lw=0)


@checked
def plateau(sweep: Sweep) -> list[float]:
    """Return the rates, rising, around the best one whose means are less than NEAR below it."""
    rates = sorted(sweep)
    means = [statistics.mean(sweep[rate]) for rate in rates]
    low = high = means.index(max(means))
    while low and means[low - 1] > max(means) - NEAR:
        low -= 1
    while high + 1 < len(means) and means[high + 1] > max(means) - NEAR:
        high += 1
    return rates[low : high + 1]


# --------------------------------------------------------------------------- parts of a block
def plot_parts() -> Figure:
    """Draw half a Mixer block four times: as it is, and without norm, residual, or both."""
    figure, panels = plt.subplots(2, 2, figsize=(9, 4.1))
    figure.suptitle(
        "半个 Mixer 块：图像之间的差别怎样通过"
        " | Half a Mixer block: what happens to differences between images"
    )
    titles = {
        (True, True): "原样 | as it is",
        (False, True): "去掉残差连接 | no residual",
        (True, False): "去掉层归一化 | no norm",
        (False, False): "两样都去掉 | neither",
    }
    for axes, ((residual, norm), title) in zip(panels.flat, titles.items(), strict=True):
        _half_block(axes, residual, norm)
        axes.set_title(title)
        axes.set(xlim=(-0.3, 7.6), ylim=(-0.95, 1.5), aspect="equal")
        axes.axis("off")
    return figure


def _half_block(axes: Axes, residual: bool, norm: bool) -> None:
    places, look = [(0.0, "$x$")], {"head": 11, "width": 1.5, "gap": 0}
    small = {"ha": "center", "va": "center", "color": OTHER, "fontsize": 10.5}
    if norm:
        _box(axes, 1.9, "层归一化 | norm", OTHER)
        axes.text(1.9, -0.72, "差别放大 | scales up", **small)
    _box(axes, 4.3, "混合 | mixing", TOKEN)
    axes.text(4.3, -0.72, "差别缩小 | shrinks", **small)
    places.append((7.1, "$y$"))
    for x, name in places:
        axes.text(x, 0, name, ha="center", va="center", fontsize=14)
    stops = [0.25, 1.1, 2.7, 3.5, 5.1, 6.8] if norm else [0.25, 3.5, 5.1, 6.8]
    if residual:
        axes.text(6.1, 0, "+", ha="center", va="center", fontsize=15)
        stops[-1:] = [5.85, 6.35, 6.8]
        over = [(0.55, 0), (0.55, 0.95), (6.1, 0.95)]
        axes.plot(*zip(*over, strict=True), color=OTHER, lw=1.5)
        axes.text(3.3, 1.22, "原来的差别直接通过 | the old difference passes", **small)
        arrow(axes, (6.1, 0.95), (6.1, 0.22), OTHER, **look)
    for start, end in zip(stops[::2], stops[1::2], strict=True):
        arrow(axes, (start, 0), (end, 0), OTHER, **look)


def _box(axes: Axes, x: float, text: str, color: str) -> None:
    style = "round,pad=0.05"
    box = FancyBboxPatch((x - 0.75, -0.4), 1.5, 0.8, boxstyle=style, fc="white", ec=color, lw=1.5)
    axes.add_patch(box)
    axes.text(x, 0, text, ha="center", va="center", color=color, fontsize=11)
