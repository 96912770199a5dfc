"""Drawings of notebook 04: three parts of the data, a smoothed target, a step made orthogonal."""

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.style import ACCENT, CHANNEL, OTHER, STEM, TOKEN

SIZE = 11
PARTS = [  # name, what it is for, colour
    ("训练集 | training set", "更新权重：每一轮都用 | updates the weights, every epoch", TOKEN),
    ("验证集 | validation set", "做选择：随时可用 | for choices, at any time", STEM),
    ("测试集 | test set", "报告结果：最后用一次 | for the report, once", CHANNEL),
]


@checked
def plot_parts(sizes: tuple[int, int, int]) -> Figure:
    """Draw what the training, validation and test images are for; `sizes` are their numbers.

    The widths of the boxes are not to scale, since the smallest part would have no room for words.
    """
    figure, axes = plt.subplots(figsize=(9, 1.9))
    left = 0.0
    for (name, purpose, color), size, width in zip(PARTS, sizes, (4.4, 3.2, 3.2), strict=True):
        axes.barh(0, width, left=left, height=1, color=color, alpha=0.25, ec=color, lw=1.5)
        middle = left + width / 2
        axes.text(middle, 0.12, name, ha="center", color=color, fontsize=SIZE + 2)
        axes.text(middle, -0.32, f"{size:,}", ha="center", fontsize=SIZE)
        axes.text(middle, -1.3, purpose, ha="center", fontsize=SIZE)
        left += width + (0.08 if name.startswith("训练") else 0.5)
    axes.annotate("", (7.68, 0.95), (0, 0.95), arrowprops={"arrowstyle": "<->", "color": OTHER})
    axes.text(3.84, 1.1, "训练部分 | training part", ha="center", color=OTHER, fontsize=SIZE)
    axes.set(xlim=(-0.1, left - 0.4), ylim=(-1.5, 1.5))
    axes.axis("off")
    return figure


@checked
def plot_targets(classes: int, epsilon: float) -> Figure:
    """Draw the target of an image of class 3, without and with label smoothing."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 2.7), sharey=True)
    for axes, smoothing in zip(panels, (0.0, epsilon), strict=True):
        target = torch.full((classes,), smoothing / classes)
        target[3] += 1 - smoothing
        axes.bar(range(classes), target, color=[STEM if k == 3 else OTHER for k in range(classes)])
        for k, value in enumerate(target.tolist()):
            axes.text(k, value + 0.02, f"{value:.2g}", ha="center", fontsize=SIZE - 1)
        axes.set(xlabel="类别 | class", xticks=range(classes), ylim=(0, 1.15))
    panels[0].set_ylabel("目标概率 | target")
    panels[0].set_title("普通目标（ε = 0） | Plain target (ε = 0)")
    panels[1].set_title(f"平滑后的目标（ε = {epsilon}） | Smoothed target (ε = {epsilon})")
    return figure


@checked
def plot_ellipses(gradient: Tensor) -> Figure:
    """Draw where the unit circle goes under a 2 x 2 gradient, and under its orthogonal version.

    Raises:
        ValueError: a matrix of another shape.
    """
    if gradient.shape != (2, 2):
        raise ValueError(f"gradient is {tuple(gradient.shape)}. Fix: a (2, 2) matrix.")
    u, _, vh = torch.linalg.svd(gradient)
    figure, panels = plt.subplots(1, 3, figsize=(9, 2.6), sharex=True, sharey=True)
    names = ["输入 | input", "经过 $G$ | after $G$", "经过 $UV^T$ | after $UV^T$"]
    matrices = [torch.eye(2), gradient, u @ vh]
    for axes, name, matrix in zip(panels, names, matrices, strict=True):
        _draw_circle(axes, matrix, vh)
        long, short = (matrix @ vh.T).norm(dim=0).tolist()
        zh, en = name.split(" | ") if " | " in name else (name, name)
        axes.set_title(
            f"{zh}\n长度 {long:.2f}、{short:.2f} | {en}\nlengths {long:.2f}, {short:.2f}"
        )
    return figure


def _draw_circle(axes: plt.Axes, matrix: Tensor, vh: Tensor) -> None:
    """Draw a circle's image, and those of the two directions (rows of `vh`) that G stretches."""
    angle = torch.linspace(0, 2 * torch.pi, 200)
    x, y = matrix @ torch.stack([angle.cos(), angle.sin()])
    axes.plot(x, y, color=OTHER, lw=1.2)
    for direction, color in zip(vh, (CHANNEL, ACCENT), strict=True):
        tip = (matrix @ direction).tolist()
        axes.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2.2})
    axes.set(aspect="equal", xlim=(-2.6, 2.6), ylim=(-1.6, 1.6))
    axes.axis("off")
