"""Drawings for amounts of data: paired subsets, and four ways to use a network on new classes."""

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from hdd.visualization.paper import arrow, paper
from hdd.visualization.style import ACCENT, CYCLE, OTHER

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
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.7))
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
            axes.add_patch(Rectangle((column, row), 0.92, 0.92, fc=shade, ec="none"))
        axes.text(-0.3, 0.46, "100", ha="right", va="center")
        axes.text(10.2, 0.46, "1,000", va="center")
        axes.plot([12.9, 13.1, 13.1, 12.9], [0, 0, 8.92, 8.92], color=OTHER, lw=1.2)
        axes.text(13.4, 4.46, "9,000", va="center")
        axes.text(10.2, 9.46, "1,000 张验证 | 1,000 to validate", va="center")
        paper(axes, (-1.6, 15.4), (-0.2, 10))
    return figure


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
