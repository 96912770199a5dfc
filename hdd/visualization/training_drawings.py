"""Drawings of notebook 04: what each part of the data is for, a step made orthogonal."""

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.paper import EDGE, EMPTY, arrow, paper
from hdd.visualization.style import ACCENT, OTHER, STEM, TOKEN

SIZE = 11
PARTS = [  # name, what it is for, colour
    ("训练集 | training set", "", OTHER),
    (
        "验证集 | validation set",
        "每轮之后：看进展、做选择（第 6 节）"
        " | after each epoch: for progress and choices (section 6)",
        STEM,
    ),
    (
        "测试集 | test set",
        "最后用一次：报告结果（第 7 节） | once, at the end: for the report (section 7)",
        ACCENT,
    ),
]
STEP = [  # one training step: what happens, where it is explained
    ("增强 | augment", "第 5 节 | section 5"),
    ("网络 | network", ""),
    ("损失 | loss", "第 2 节 | section 2"),
    ("梯度 | gradient", ""),
    ("Muon | Muon", "第 4 节 | section 4"),
    ("学习率 | rate", "第 3 节 | section 3"),
]


@checked
def plot_plan(sizes: tuple[int, int, int]) -> Figure:
    """Draw one training step and what the training, validation and test images are for.

    Args:
        sizes: the numbers of these images.
    """
    figure, axes = plt.subplots(figsize=(9.2, 3.1))
    for row, ((name, purpose, color), size) in enumerate(zip(PARTS, sizes, strict=True)):
        top = 1.0 + 1.8 * row
        _box(axes, 0, top, 3.3, name, f"{size:,}", color)
        arrow(axes, (3.3, top + 0.65), (3.9, top + 0.65), width=1.5)
        axes.text(4.2, top + 0.65, purpose, va="center", fontsize=SIZE)
    for index, (name, section) in enumerate(STEP):
        left = 3.9 + 2.45 * index
        _box(axes, left, 1.0, 1.85, name, section)
        if index:
            arrow(axes, (left - 0.6, 1.65), (left, 1.65), width=1.5)
    start, network = 3.9 + 2.45 * 5 + 0.92, 3.9 + 2.45 + 0.92
    axes.plot([start, start, network], [1.0, 0.45, 0.45], color="black", lw=1.5)
    arrow(axes, (network, 0.45), (network, 1.0), width=1.5)
    middle = (start + network) / 2
    axes.text(middle, 0.3, "更新权重 | update the weights", ha="center", fontsize=SIZE)
    paper(axes, (-0.1, 18.2), (-0.4, 6.0))
    return figure


def _box(axes, left: float, top: float, width: float, name: str, below: str, color="") -> None:
    """Draw a box, 1.3 high, with a name and a second line."""
    fill = {"fc": color, "alpha": 0.25} if color else {"fc": EMPTY}
    axes.add_patch(Rectangle((left, top), width, 1.3, ec="none", **fill))
    axes.add_patch(Rectangle((left, top), width, 1.3, fill=False, ec=color or EDGE, lw=1.5))
    middle, high, look = left + width / 2, 0.42 if below else 0.65, {"ha": "center", "va": "center"}
    axes.text(middle, top + high, name, color=color or "black", fontsize=SIZE, **look)
    axes.text(middle, top + 0.95, below, color="black" if color else OTHER, fontsize=SIZE, **look)


@checked
def plot_ellipses(gradient: Tensor) -> Figure:
    """Draw where the unit circle goes under a 2 x 2 gradient, and under its orthogonal version.

    Raises:
        ValueError: a matrix of another shape.
    """
    if gradient.shape != (2, 2):
        raise ValueError(f"gradient is {tuple(gradient.shape)}. Fix: a (2, 2) matrix.")
    u, _, vh = torch.linalg.svd(gradient)
    figure, panels = plt.subplots(1, 3, figsize=(9, 2.7), sharey=True, width_ratios=[1, 1.9, 1])
    turned, title = u @ vh, "$UV^{\\mathsf{T}}x$"
    parts = [("输入 $x$ | input $x$", torch.eye(2), "", 1.3)]
    parts += [("$Gx$ | $Gx$", gradient, "G", 2.47)]
    parts += [(f"{title} | {title}", turned, "UV^{\\mathsf{T}}", 1.3)]
    for axes, (name, matrix, symbol, width) in zip(panels, parts, strict=True):
        _draw_circle(axes, matrix, vh, symbol)
        axes.set(aspect="equal", xlim=(-width, width), ylim=(-1.8, 1.25))
        axes.set_title(name)
        axes.axis("off")
    return figure


def _draw_circle(axes: plt.Axes, matrix: Tensor, vh: Tensor, symbol: str) -> None:
    """Draw a circle's image, and those of the two directions (rows of `vh`) that G stretches."""
    angle = torch.linspace(0, 2 * torch.pi, 200)
    x, y = matrix @ torch.stack([angle.cos(), angle.sin()])
    axes.plot(x, y, color=OTHER, lw=1.2)
    for i, (direction, color) in enumerate(zip(vh, (TOKEN, ACCENT), strict=True), 1):
        tip = matrix @ direction
        look = {"arrowstyle": "-|>", "color": color, "lw": 2.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", tip.tolist(), (0, 0), arrowprops=look)
        name, length = f"${symbol}v_{i}$", f"{tip.norm():.2f}"
        text = f"{name}：长度 {length} | {name}: length {length}"
        axes.text(0, -0.98 - 0.32 * i, text, color=color, fontsize=SIZE, ha="center")
