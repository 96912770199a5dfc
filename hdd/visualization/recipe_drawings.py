"""Drawings of notebook 06: two images mixed with their targets, and noisy steps that calm down."""

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import check_shape, checked
from hdd.visualization.patches import show_image
from hdd.visualization.style import ACCENT, CHANNEL, OTHER, STEM, TOKEN

SIZE = 11
CURVATURE = torch.tensor([0.3, 1.0])  # of the valley, along it and across
DESCENT = {"rate": 0.6, "noise": 0.7, "seed": 4}  # both paths meet the same noise


@checked
def plot_cutmix(
    images: Tensor, box: tuple[int, int, int, int], names: tuple[str, str], share: float
) -> Figure:
    """Draw two images and their mixture (3, C, H, W), the box, and the mixed target as bars."""
    figure, panels = plt.subplots(1, 4, figsize=(9, 3.2), width_ratios=[1, 1, 1, 1.15])
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
    panels[3].set(xlim=(0, 1.15), xticks=[0, 0.5, 1])
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
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharex=True, sharey=True)
    constant = noisy_path(torch.ones(len(shares)), **DESCENT)
    falling = noisy_path(shares, **DESCENT)
    lines = [
        (panels[0], constant, OTHER, "权重 | weights"),
        (panels[0], averaged(constant, 0.9), STEM, "滑动平均 | moving average"),
        (panels[1], falling, OTHER, "权重 | weights"),
    ]
    for axes in panels:
        _draw_valley(axes)
    for axes, path, color, label in lines:
        axes.plot(*path.T, color=color, lw=1.2 if color != STEM else 3, label=label)
        axes.plot(*path[-1], "o", color=color, markersize=9, mec="white", zorder=6)
    panels[0].set_title("学习率不变 | constant learning rate")
    panels[1].set_title("学习率沿余弦降到零 | rate falls to zero along a cosine")
    for axes in panels:
        axes.legend(loc="lower left", fontsize=SIZE)
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
    star = {"color": ACCENT, "markersize": 15, "zorder": 5, "ls": "none"}
    axes.plot(0, 0, "*", label="最低点 | minimum", **star)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("一个权重 | one weight", fontsize=SIZE)
    axes.set_ylabel("另一个权重 | another weight", fontsize=SIZE)
