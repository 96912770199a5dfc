"""Drawings of notebook 06: two images mixed with their targets, and noisy steps that calm down."""

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import check_shape, checked
from hdd.visualization.patches import show_image
from hdd.visualization.style import ACCENT, CHANNEL, STEM, TOKEN

SIZE = 11
CURVATURE = torch.tensor([0.3, 1.0])  # of the valley, along it and across
LAST = 20  # steps drawn in black: where a path stays, once it has arrived
SOFT = "#A6A6A6"  # lines that others are to stand out from
DESCENT = {"rate": 0.6, "noise": 0.7, "seed": 4}  # both paths meet the same noise


@checked
def plot_cutmix(
    images: Tensor, box: tuple[int, int, int, int], names: tuple[str, str], share: float
) -> Figure:
    """Draw two images and their mixture (3, C, H, W), the box, and the mixed target as bars."""
    figure, panels = plt.subplots(1, 4, figsize=(9, 3.2), width_ratios=[1, 1, 1, 1.1])
    figure.suptitle("贴上一块图像，目标按面积分配 | Paste a box, and share the target by area")
    titles = [*names, "混合后 | mixed"]
    for axes, image, title in zip(panels, images, titles, strict=False):
        show_image(axes, image)
        axes.set_title(title, fontsize=SIZE + 1)
    top, bottom, left, right = box
    for axes in panels[1:3]:
        corner, sides = (left - 0.5, top - 0.5), (right - left, bottom - top)
        axes.add_patch(Rectangle(corner, *sides, fill=False, ec=CHANNEL, lw=2.5))
    values = [1 - share, share]
    panels[3].barh([1, 0], values, color=[TOKEN, CHANNEL], height=0.55)
    for y, value in zip((1, 0), values, strict=True):
        panels[3].text(value + 0.03, y, f"{value:.2f}", va="center", fontsize=SIZE)
    panels[3].set_yticks([1, 0], labels=names, fontsize=SIZE)
    panels[3].set(xlim=(0, 1.3), xticks=[0, 0.5, 1])
    panels[3].set_box_aspect(0.9)  # as tall as the pictures
    panels[3].set_title("目标概率 | target probability", fontsize=SIZE + 1)
    return figure


@checked
def noisy_path(shares: Tensor, rate: float, noise: float, seed: int) -> Tensor:
    """Return the (T + 1, 2) places of a descent in the valley with noise on every gradient.

    `shares` (T,) are the learning rates as a share of `rate`.
    """
    check_shape("(T,)", shares=shares)
    generator = torch.Generator().manual_seed(seed)
    places = [torch.tensor([-4.2, 1.5])]
    for share in shares:
        gradient = CURVATURE * places[-1] + noise * torch.randn(2, generator=generator)
        places.append(places[-1] - rate * share * gradient)
    return torch.stack(places)


@checked
def averaged(path: Tensor, decay: float) -> Tensor:
    """Return the moving averages (T, 2) of a path (T, 2)."""
    check_shape("(T, 2)", path=path)
    averages = [path[0]]
    for place in path[1:]:
        averages.append(decay * averages[-1] + (1 - decay) * place)
    return torch.stack(averages)


@checked
def plot_paths(shares: Tensor) -> Figure:
    """Draw a noisy descent with a constant rate and its average, and one whose rate falls.

    Args:
        shares: the falling rates as a share of the constant one, (T,).
    """
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), sharex=True, sharey=True)
    constant = noisy_path(torch.ones(len(shares)), **DESCENT)
    falling = noisy_path(shares, **DESCENT)
    for axes, path in zip(panels, (constant, falling), strict=True):
        _draw_valley(axes)
        axes.plot(*path[: -LAST + 1].T, color=SOFT, lw=1, label="先前的步 | earlier steps")
        label = f"最后 {LAST} 步 | last {LAST} steps"
        axes.plot(*path[-LAST:].T, color="black", lw=1.6, label=label)
        axes.plot(*path[-1], "o", color="black", markersize=8, mec="white", zorder=6)
    average = averaged(constant, 0.9)
    panels[0].plot(*average.T, color=STEM, lw=3, label="滑动平均 | moving average")
    panels[0].plot(*average[-1], "o", color=STEM, markersize=9, mec="white", zorder=6)
    panels[0].set_title("学习率不变 | constant learning rate")
    panels[1].set_title("学习率沿余弦降到零 | rate falls to zero along a cosine")
    handles = dict(zip(*panels[0].get_legend_handles_labels()[::-1], strict=True))
    end = Line2D([], [], marker="o", color="black", ls="none", label="终点 | end")
    figure.legend(handles=[*handles.values(), end], loc="outside lower center", ncols=5)
    zh, en = (
        "取平均，或把步长降到零，都停在最低点附近",
        "Averaging and falling steps both end near the minimum",
    )
    figure.suptitle(f"{zh} | {en}")
    return figure


def _draw_valley(axes: plt.Axes) -> None:
    """Draw level lines of the loss, and its lowest point."""
    x, y = torch.meshgrid(torch.linspace(-5, 4, 80), torch.linspace(-3, 2.4, 60), indexing="xy")
    loss = CURVATURE[0] * x**2 + CURVATURE[1] * y**2
    grid = (values.numpy() for values in (x, y, loss))  # Matplotlib 3.8 takes no tensors here
    axes.contour(*grid, levels=[0.05, 0.3, 0.8, 1.6, 2.6, 4], colors="lightgray", linewidths=1.2)
    star = {"color": ACCENT, "markersize": 12, "mec": "white", "zorder": 7, "ls": "none"}
    axes.plot(0, 0, "*", label="最低点 | minimum", **star)
    axes.set(xticks=[], yticks=[], xlim=(-4.5, 2.3), ylim=(-1.9, 1.9))
    axes.set_xlabel("一个权重 | one weight", fontsize=SIZE)
    axes.set_ylabel("另一个权重 | another weight", fontsize=SIZE)
