"""Drawings for verdicts: the grid of all claims, bars over the seeds, and what is unknown."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hdd.arguments import checked
from hdd.visualization.style import CHANNEL, OTHER, STEM
from hdd.visualization.tuning_drawings import NETWORK_COLORS

SURE = {
    "certain": "确定 | certain",
    "tentative": "有迹象 | tentative",
    "unknown": "不知道（?） | unknown (?)",
}
HOLDS = {"✓": "成立 | holds", "◐": "部分 | partly", "✗": "不成立 | does not"}
COLORS = {"✓": STEM, "◐": "#E69F00", "✗": CHANNEL}
LEFT = (0, 4.3, 8.5, 11.9)  # edges of the columns
TOP = (0, 4.3, 9.6, 14.9)  # edges of the rows
# Training images of the data sets that the claims are about.
LARGE = {"ImageNet": 1.28e6, "ImageNet-21k": 1.4e7, "JFT": 3e8}
Bar = tuple[str, Sequence[float], str]  # label, accuracy of each seed in %, colour


@checked
def plot_grid(claims: Sequence[Mapping]) -> Figure:
    """Draw the claims of `claims.json` in a grid: a row a verdict, a column a certainty.

    Undecided claims (?) belong to no row: their column is one cell.
    """
    figure, axes = plt.subplots(figsize=(9.6, 4.9))
    for row, (mark, name) in enumerate(HOLDS.items()):
        zh, en = name.split(" | ")
        look = {"ha": "right", "va": "center"}
        axes.text(-0.15, (TOP[row] + TOP[row + 1]) / 2, f"{mark} {zh} | {mark} {en}", **look)
        for place, sure in enumerate(("certain", "tentative")):
            found = [c for c in claims if (c["verdict"], c["certainty"]) == (mark, sure)]
            _cell(axes, TOP[row : row + 2], place, COLORS[mark], found)
    _cell(axes, (TOP[0], TOP[-1]), 2, OTHER, [c for c in claims if c["verdict"] == "?"])
    for place, name in enumerate(SURE.values()):
        axes.text((LEFT[place] + LEFT[place + 1]) / 2, -0.35, name, ha="center")
    axes.set(xlim=(-1.5, LEFT[-1]), ylim=(TOP[-1], -1.2))
    axes.axis("off")
    certain = [one["verdict"] for one in claims if one["certainty"] == "certain"]
    yes, partly, no = (certain.count(mark) for mark in HOLDS)
    zh = f"{len(certain)} 条结论是确定的：{yes} 条成立，{partly} 条部分成立，{no} 条不成立"
    en = f"{len(certain)} verdicts are certain: {yes} claims hold, {partly} in part, {no} do not"
    axes.set_title(f"{zh} | {en}")
    return figure


def _cell(
    axes: Axes, edges: tuple[float, float], place: int, color: str, group: Sequence[Mapping]
) -> None:
    """Write the claims of a group into one cell of the grid, between two edges of its rows."""
    top, bottom = edges
    width, height = LEFT[place + 1] - LEFT[place], bottom - top
    look = {"fc": color, "alpha": 0.16, "ec": "none"}
    axes.add_patch(Rectangle((LEFT[place], top), width - 0.08, height - 0.15, **look))
    for line, one in enumerate(group):
        y = top + 0.65 + line
        axes.text(LEFT[place] + 0.32, y, one["claim"], ha="center", va="center", color=OTHER)
        axes.text(LEFT[place] + 0.6, y, one["name"], va="center", fontsize=10.5)
    if not group:
        middle = (LEFT[place] + width / 2, top + height / 2)
        axes.text(*middle, "无 | none", ha="center", va="center", color=OTHER)


@checked
def plot_bars(panels: Mapping[str, tuple[float, Sequence[Bar]]], title: str) -> Figure:
    """Draw means as bars and seeds as dots, panels side by side.

    Args:
        panels: title of a panel -> chance in %, its bars.
        title: of the figure.
    """
    widths = [max(2, len(rows)) for _, rows in panels.values()]
    size = {"figsize": (9.4, 4.2), "width_ratios": widths}
    figure, places = plt.subplots(1, len(panels), sharey=True, squeeze=False, **size)
    figure.suptitle(title)
    for axes, (name, (chance, rows)) in zip(places[0], panels.items(), strict=True):
        for place, (_, seeds, color) in enumerate(rows):
            _bar(axes, place, seeds, color, chance)
        axes.axhline(chance, color="black", ls="--", lw=1.2)
        axes.set_xticks(range(len(rows)), labels=[label for label, *_ in rows])
        middle, half = (len(rows) - 1) / 2, max(2, len(rows)) / 2
        axes.set(title=name, xlim=(middle - half, middle + half), ylim=(0, 115))
    places[0, 0].set_ylabel("准确率（%） | accuracy, %")
    key = "点：各个种子；虚线：随机猜测 | dots: seeds; dashed: chance"
    figure.supxlabel(key, color=OTHER, fontsize=11)
    return figure


def _bar(axes: Axes, place: int, seeds: Sequence[float], color: str, chance: float) -> None:
    """Draw one bar, its seeds, and its mean above both of them and above the line of chance."""
    mean = statistics.mean(seeds)
    axes.bar(place, mean, 0.7, color=color, alpha=0.55)
    spread = [place + 0.07 * (i - (len(seeds) - 1) / 2) for i in range(len(seeds))]
    axes.plot(spread, seeds, "o", color=color, mec="black", mew=0.6, ms=5)
    above = max(*seeds, chance if mean < chance else 0) + 3
    axes.text(place, above, f"{mean:.1f}", ha="center")


@checked
def plot_unknown(record: Mapping[str, Any]) -> Figure:
    """Draw accuracy against the number of images, and how far from there the claims begin.

    Args:
        record: of `resources/experiments/data.py`: accuracies with intervals, and slopes.
    """
    figure, axes = plt.subplots(figsize=(9.4, 3.9))
    for name, by_size in record["accuracy"].items():
        shift = {"Mixer": 0.92, "ResNet": 1.0, "ViT": 1.09}[name]  # keeps the intervals apart
        found = [one["test"] for one in by_size.values()]
        means = [one["mean"] for one in found]
        spread = [one["mean"] - one["interval"][0] for one in found]
        look = {"fmt": "o-", "color": NETWORK_COLORS[name], "capsize": 4}
        axes.errorbar([int(size) * shift for size in by_size], means, spread, **look)
        axes.text(1.6e4, means[-1], name, color=NETWORK_COLORS[name], va="center")
    between = record["slope_per_decade"]["Mixer - ResNet"]["interval"]
    low, high = (f"{end:.1f}".replace("-", "−") for end in between)
    zh = f"斜率，Mixer − ResNet：每十倍数据\n{low} 到 {high} 个百分点（95% 区间）"
    en = f"slope, Mixer − ResNet: {low} to {high}\npoints per tenfold data (95% interval)"
    axes.text(75, 93, f"{zh}\n | {en}", color=OTHER)
    _blank(axes)
    axes.set(xscale="log", xlim=(60, 1e9), ylim=(50, 100), xlabel="训练图像数 | training images")
    axes.set_ylabel("准确率（%） | accuracy, %")
    zh = "不知道：我们的线到 9,000 张为止，说法讲的是一百万张以上"
    en = "Unknown: our lines end at 9,000 images, the claims begin at a million"
    axes.set_title(f"{zh} | {en}")
    return figure


def _blank(axes: Axes) -> None:
    """Shade what was not measured, with the data sets that lie there."""
    axes.axvspan(1.25e4, 1e9, color="#EEEEEE", zorder=0)
    for name, images in LARGE.items():
        axes.axvline(images, color=OTHER, ls=":")
        axes.text(images, 52, name, ha="center", backgroundcolor="#EEEEEE")
    axes.text(2e5, 61, "没有测 | not measured here", ha="center", color=OTHER, fontsize=12)
