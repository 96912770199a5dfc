"""Drawings for amounts of data: paired subsets, two meanings of "needs more", ways to learn."""

import math
import statistics
from collections.abc import Mapping, Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from hdd.arguments import checked
from hdd.visualization.paper import arrow, paper
from hdd.visualization.style import ACCENT, CYCLE, OTHER
from hdd.visualization.tuning_drawings import NETWORK_COLORS

SQUARE, IMAGES = 100, 9000  # images a square stands for; images to train on, without validation
# Shades of the squares up to this image: three nested sets, and validation.
SHADES = {100: "#0B5394", 1000: "#6FA8DC", IMAGES: "#CFE2F3", IMAGES + 1000: "#DDDDDD"}
PRETRAINED_COLOR = CYCLE[4]  # no network's colour
ARROW = {"head": 11, "width": 1.5, "gap": 0}
# What the features come from; Chinese and English.
PRETRAINED = "在五个旧类别上\n预训练的网络 | pre-trained on\nfive old classes"
RANDOM = "未训练的\n网络 | untrained\nnetwork"
# A way to the answer on new classes: what the features come from, and what is trained on them.
WAYS = {
    "微调 | fine-tuned": (True, True),
    "线性探测 | linear probe": (True, False),
    "从零训练：微调的对照 | from scratch: control for fine-tuning": (False, True),
    "随机特征：线性探测的对照 | random features: control for the probe": (False, False),
}


def plot_paired_subsets() -> Figure:
    """Draw two seeds' orders of the images to scale; all networks get the first of an order."""
    figure, panels = plt.subplots(1, 2, figsize=(9.4, 3.2))
    figure.suptitle(
        "每格 100 张图像：Mixer、ResNet、ViT 取同样的格子"
        " | A square is 100 images; Mixer, ResNet and ViT get the same squares"
    )
    for seed, axes in enumerate(panels):
        order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(seed)).tolist()
        first = [f"{image:,}" for image in order[:3]]
        zh, en = "、".join(first), ", ".join(first)
        axes.set_title(f"种子 {seed}：图像 {zh}…… | seed {seed}: images {en}, …", fontsize=12)
        for place in range((IMAGES + 1000) // SQUARE):
            shade = next(color for last, color in SHADES.items() if place * SQUARE < last)
            row, column = divmod(place, 10)
            row += 0.4 * (row == IMAGES // 1000)  # validation is no part of the order
            axes.add_patch(Rectangle((column, row), 0.92, 0.92, fc=shade, ec="none"))
        axes.text(-0.3, 0.46, "前 100 张 | first 100", ha="right", va="center")
        axes.text(10.2, 0.46, "前 1,000 张 | first 1,000", va="center")
        axes.plot([14.5, 14.7, 14.7, 14.5], [0, 0, 8.92, 8.92], color=OTHER, lw=1.2)
        axes.text(15, 4.46, "前\n9,000 张 | first\n9,000", va="center")
        same = "验证：1,000 张，\n各种子相同 | validation: 1,000,\nthe same for all seeds"
        axes.text(10.2, 9.86, same, va="center", fontsize=10, linespacing=1.0)
        paper(axes, (-3.9, 17.6), (-0.2, 10.6))
    return figure


@checked
def plot_need(
    accuracy: Mapping[str, Mapping], arrows: Sequence[tuple[float, float, float]]
) -> Figure:
    """Draw the two meanings of "needs more data": a distance to the right, and a slope.

    Args:
        accuracy: network -> images -> the record's `test`: `mean` and `values`, in %.
        arrows: (accuracy, images of the better network, images of the other) for each arrow.
    """
    figure, panels = plt.subplots(1, 2, figsize=(9.8, 4.3), sharey=True)
    figure.suptitle(
        "Mixer 要比 ResNet 用更多的图像（左）；斜率的差别测不出来（右；点：种子）"
        " | The Mixer takes more images than the ResNet (left); no difference of slopes is found"
        " (right; dots: seeds)"
    )
    for name, by_size in accuracy.items():
        images = [int(size) for size in by_size]
        means = [found["test"]["mean"] for found in by_size.values()]
        color = NETWORK_COLORS[name]
        for axes in panels:
            for count, found in zip(images, by_size.values(), strict=True):
                values = found["test"]["values"]
                axes.plot([count] * len(values), values, "o", color=color, alpha=0.5, ms=5)
        panels[0].plot(images, means, color=color, lw=1.6)
        label = f"{name}\n（未学完） | {name}\n(unfinished)" if name == "ViT" else name
        panels[0].text(10500, means[-1], label, color=color, va="center")
        _fitted(panels[1], images, means, color)
    _arrows(panels[0], arrows)
    _label_need(panels, images)
    return figure


def _arrows(axes: Axes, arrows: Sequence[tuple[float, float, float]]) -> None:
    """Draw level arrows, each with the ratio of its ends."""
    for goal, start, end in arrows:
        axes.annotate("", (end, goal), (start, goal), arrowprops={"arrowstyle": "<->"})
        if end < 3 * start:  # a short arrow has no room above
            place = (start * 0.88, goal, f"× {end / start:.1f}")
            axes.text(*place, ha="right", va="center")
        else:
            place = ((start * end) ** 0.5, goal + 0.5, f"× {end / start:.1f}")
            axes.text(*place, ha="center")


def _fitted(axes: Axes, images: Sequence[int], means: Sequence[float], color: str) -> None:
    """Draw the least-squares line on log10 of the images, with its slope at its end."""
    slope, start = statistics.linear_regression([math.log10(n) for n in images], means)
    ends = [images[0], images[-1]]
    heights = [start + slope * math.log10(n) for n in ends]
    axes.plot(ends, heights, "--", color=color, lw=2)
    axes.text(10500, heights[-1], f"+{slope:.1f}", color=color, va="center")


def _label_need(panels: Sequence[Axes], images: Sequence[int]) -> None:
    """Write titles and axes of both panels."""
    titles = (
        "同样的准确率，要多少倍的图像 | times the images for equal accuracy",
        "数据增至十倍，提高多少个百分点 | points for ten times the data",
    )
    for axes, title, end in zip(panels, titles, (60_000, 25_000), strict=True):
        axes.set(title=title, xscale="log", xlim=(80, end))
        axes.set_xlabel("训练图像数（对数刻度） | training images (logarithmic)")
        axes.set_xticks(images, [f"{count:,}" for count in images])
        axes.minorticks_off()
    panels[0].set_ylabel("测试准确率（%） | test accuracy, %")


def plot_ways() -> Figure:
    """Draw the four ways: which part is pre-trained, and which part learns the new classes."""
    figure, panels = plt.subplots(2, 2, figsize=(9, 4.1))
    figure.suptitle("从哪里开始，训练哪一部分 | Where to start, and what to train")
    for axes, (title, (pretrained, trained)) in zip(panels.flat, WAYS.items(), strict=True):
        start = PRETRAINED if pretrained else RANDOM
        _box(axes, 2.6, start, PRETRAINED_COLOR if pretrained else OTHER, frozen=not trained)
        kept = pretrained and trained  # fine-tuning keeps the pre-trained head
        head = "预训练的\n分类头 | pre-trained\nhead" if kept else "新分类头 | new head"
        _box(axes, 6.9, head, PRETRAINED_COLOR if kept else ACCENT, frozen=False)
        new = "新类别的\n50 张图像 | 50 images\nof new\nclasses"
        axes.text(-0.75, 0, new, ha="center", va="center", fontsize=11)
        arrow(axes, (0.3, 0), (0.85, 0), OTHER, **ARROW)
        arrow(axes, (4.4, 0), (5.15, 0), OTHER, **ARROW)
        word = "训练 | trained" if trained else "冻结 | frozen"
        axes.text(2.6, -0.95, word, ha="center", va="center", fontsize=12)
        axes.text(6.9, -0.95, "训练 | trained", ha="center", va="center", fontsize=12)
        axes.set(xlim=(-1.8, 8.7), ylim=(-1.3, 0.8))
        axes.set_title(title, fontsize=12.5)
        axes.axis("off")
    return figure


def _box(axes: Axes, x: float, text: str, color: str, *, frozen: bool) -> None:
    """Draw a part of a network; one that does not learn is grey and has a dashed edge."""
    look = {"fc": "#EEEEEE" if frozen else "white", "ec": color, "ls": "--" if frozen else "-"}
    shape = FancyBboxPatch((x - 1.65, -0.5), 3.3, 1.0, boxstyle="round,pad=0.05", lw=2.2, **look)
    axes.add_patch(shape)
    axes.text(x, 0, text, ha="center", va="center", fontsize=12)
