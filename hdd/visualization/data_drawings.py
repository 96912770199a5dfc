"""Drawings for amounts of data: paired subsets, and four ways to use a network on new classes."""

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from hdd.visualization.style import ACCENT, OTHER, STEM
from hdd.visualization.tuning_drawings import NETWORK_COLORS

NESTED = {100: 4, 1000: 16, 9000: 56}  # images -> squares drawn for them; 8 more validate
SHADES = {4: "#0B5394", 16: "#6FA8DC", 56: "#CFE2F3", 64: "#DDDDDD"}
# A way to the answer on new classes: what the features come from, and what is trained on them.
WAYS = {
    "微调 | fine-tuned": (True, True),
    "线性探测 | linear probe": (True, False),
    "从零训练 | from scratch": (False, True),
    "随机特征 | random features": (False, False),
}


def plot_paired_subsets() -> Figure:
    """Draw two seeds' orders of the images; each network gets the same first ones of an order."""
    figure, axes = plt.subplots(figsize=(9, 4.1))
    zh, en = "同一个种子，三个网络用同样的图像", "One seed: the same images for all three networks"
    axes.set_title(f"{zh} | {en}")
    for row, seed in enumerate((0, 1)):
        top = 3.2 * row
        axes.text(-0.4, top + 1, f"种子 {seed} | seed {seed}", ha="right", va="center")
        for place in range(64):
            shade = next(color for count, color in SHADES.items() if place < count)
            corner = (place // 4 * 0.5, top + place % 4 * 0.5)
            axes.add_patch(Rectangle(corner, 0.46, 0.46, fc=shade, ec="none"))
        axes.text(7.5, top + 2.12, "验证 | validation", ha="center", va="top", fontsize=11)
        for size, count in NESTED.items():
            edge = count // 4 * 0.5 - 0.02
            axes.plot([edge, edge], [top - 0.1, top + 2.1], color=ACCENT, lw=2)
            axes.text(edge, top - 0.22, f"{size:,}", ha="center", va="bottom", color=ACCENT)
        for index, name in enumerate(("Mixer", "ResNet", "ViT")):
            place = (10.1, top + 0.15 + 0.8 * index)
            axes.text(*place, name, va="center", color=NETWORK_COLORS[name], fontsize=12)
            _arrow(axes, (8.15, top + 1), (9.9, place[1]), NETWORK_COLORS[name])
    axes.set(xlim=(-2.2, 11.6), ylim=(5.5, -0.9))
    axes.axis("off")
    return figure


def plot_ways() -> Figure:
    """Draw the four ways: which part is pre-trained, and which part learns the new classes."""
    figure, panels = plt.subplots(2, 2, figsize=(9, 4.1))
    figure.suptitle("从哪里开始，训练哪一部分 | Where to start, and what to train")
    for axes, (title, (pretrained, trained)) in zip(panels.flat, WAYS.items(), strict=True):
        start = "预训练 | pre-trained" if pretrained else "随机初值 | random start"
        _box(axes, 2.6, start, STEM if pretrained else OTHER, frozen=not trained)
        _box(axes, 6.9, "分类头 | head", ACCENT, frozen=False)
        _arrow(axes, (0.2, 0), (0.85, 0), OTHER)
        _arrow(axes, (4.4, 0), (5.15, 0), OTHER)
        word = "一起训练 | trained, too" if trained else "冻结 | frozen"
        axes.text(2.6, -0.95, word, ha="center", va="center", fontsize=11)
        axes.text(6.9, -0.95, "训练 | trained", ha="center", va="center", fontsize=11)
        axes.set(xlim=(0, 8.9), ylim=(-1.3, 0.8))
        axes.set_title(title)
        axes.axis("off")
    return figure


def _box(axes: Axes, x: float, text: str, color: str, *, frozen: bool) -> None:
    """Draw a part of a network; one that does not learn is grey and has a dashed edge."""
    look = {"fc": "#EEEEEE" if frozen else "white", "ec": color, "ls": "--" if frozen else "-"}
    shape = FancyBboxPatch((x - 1.65, -0.5), 3.3, 1.0, boxstyle="round,pad=0.05", lw=1.6, **look)
    axes.add_patch(shape)
    axes.text(x, 0, text, ha="center", va="center", color=color, fontsize=11)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 11, "color": color, "lw": 1.5}
    axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style))
