"""Drawings of notebook 06: mixed images, noisy steps, paired runs, pairs of changes."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import check_shape, checked
from hdd.visualization.patches import show_image
from hdd.visualization.style import ACCENT, CHANNEL, OTHER, STEM, TOKEN

SIZE = 11
CURVATURE = torch.tensor([0.3, 1.0])  # of the valley, along it and across
LAST = 20  # steps drawn in black: where a path stays, once it has arrived
FAMILY_COLORS = {"Mixer": TOKEN, "ConvMixer": "#E69F00", "ResNet": CHANNEL, "ViT": STEM}
RATE_TRIALS = 8  # a family's first trials: four rates with each optimizer
RING = {"marker": "o", "mfc": "none", "mec": "black", "ms": 13, "mew": 1.6, "ls": "none"}
HOLLOW = {"marker": "o", "mec": OTHER, "mfc": "white", "ls": "none"}
TRIAL_LOOKS = {
    "Muon": {"marker": "o", "color": OTHER},
    "AdamW": {"marker": "s", "ls": "--", "color": OTHER},
    "另一种衰减或形状 | other decay or shape": HOLLOW,
    "选中 | chosen": RING | {"ms": 10},
}
OFFSET = {"textcoords": "offset points", "va": "center"}
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
    ends = [
        Line2D([], [], marker="o", color=color, ls="none", label=label)
        for color, label in (
            ("black", "终点 | end"),
            (STEM, "滑动平均的终点 | end of the average"),
        )
    ]
    figure.legend(handles=[*handles.values(), *ends], loc="outside lower center", ncols=3)
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
    star = {"color": ACCENT, "markersize": 14, "mec": "white", "zorder": 7, "ls": "none"}
    axes.plot(0, 0, "*", label="最低点 | minimum", **star)
    axes.set(xticks=[], yticks=[], xlim=(-4.5, 2.3), ylim=(-1.9, 1.9))
    axes.set_xlabel("一个权重 | one weight", fontsize=SIZE)
    axes.set_ylabel("另一个权重 | another weight", fontsize=SIZE)


@checked
def plot_paired(before: Sequence[float], after: Sequence[float]) -> Figure:
    """Draw a line per seed from without to with CutMix (in %), and how all of them scatter."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=[1, 1.2])
    for a, b in zip(before, after, strict=True):
        left.plot([0, 1], [a, b], "o-", color=OTHER, lw=1.2)
    names = ["没有 CutMix | without CutMix", "有 CutMix | with CutMix"]
    left.set_xticks([0, 1], labels=names)
    left.set(xlim=(-0.4, 1.4), ylabel="验证准确率（%） | validation accuracy (%)")
    left.set_title("每条线是一个种子 | Each line is a seed")
    differences = [b - a for a, b in zip(before, after, strict=True)]
    rows = [differences, list(after), list(before)]
    for y, (values, color) in enumerate(zip(rows, (STEM, OTHER, OTHER), strict=True)):
        shifts = [value - mean(values) for value in values]
        right.plot(shifts, [y] * len(values), "o", color=color, alpha=0.8)
        look = {"ha": "center", "fontsize": SIZE, "bbox": {"fc": "white", "ec": "none", "pad": 1}}
        right.text(0, y + 0.24, f"s = {stdev(values):.1f}", color=color, **look)
    right.axvline(0, color="lightgray", lw=1, zorder=0)
    right.set_yticks([0, 1, 2], labels=["成对的差值 | paired difference", *names[::-1]])
    right.set(ylim=(-0.4, 2.6), xlabel="与平均值之差（百分点） | points from the mean")
    right.set_title("换种子时变化多少 | Scatter from seed to seed")
    lost = sum(difference < 0 for difference in differences)
    zh, en = "其余四项都在用：", "With the other four changes in use, "
    zh += f"加上 CutMix，{len(differences)} 个种子里有 {lost} 个下降"
    figure.suptitle(f"{zh} | {en}{lost} of {len(differences)} seeds lose by CutMix")
    return figure


class Pair(NamedTuple):
    """Two changes, each left out or used: what four recipes reach, seed by seed."""

    title: str
    ticks: tuple[str, str]  # without and with the first change
    lines: tuple[str, str]  # without and with the second
    values: Sequence[Sequence[Sequence[float]]]  # (2 lines, 2 ticks, n seeds), in percent
    colors: tuple[str, str]  # of the lines; a recipe keeps its colour from panel to panel


@checked
def plot_pairs(pairs: Sequence[Pair]) -> Figure:
    """Draw a panel for each pair: a line without and one with the second change, means labelled."""
    figure, panels = plt.subplots(1, len(pairs), figsize=(9, 4), sharey=True, squeeze=False)
    for axes, pair in zip(panels[0], pairs, strict=True):
        means = [[mean(seeds) for seeds in line] for line in pair.values]
        for i, (color, marker) in enumerate(zip(pair.colors, "os", strict=True)):
            axes.plot([0, 1], means[i], marker + "-", color=color, label=pair.lines[i])
            for x, seeds in enumerate(pair.values[i]):
                axes.plot(
                    [x + 0.03 * (2 * i - 1)] * len(seeds),
                    seeds,
                    marker,
                    color=color,
                    alpha=0.3,
                    ms=4,
                    mew=0,
                )
                above = means[i][x] >= means[1 - i][x]
                place = (1.05 if x else -0.05, means[i][x] + (0.2 if above else -0.2))
                style = {"ha": "left" if x else "right", "va": "bottom" if above else "top"}
                axes.text(*place, f"{means[i][x]:.1f}", color=color, fontsize=SIZE, **style)
        axes.set_xticks([0, 1], labels=pair.ticks, fontsize=SIZE)
        axes.set(xlim=(-0.35, 1.35), title=pair.title)
        one = {"marker": "o", "color": OTHER, "alpha": 0.4, "ms": 4, "mew": 0, "ls": "none"}
        axes.plot([], [], label="浅色小点：一个种子 | small and pale: one seed", **one)
        axes.legend(loc="upper left", fontsize=SIZE)
    panels[0, 0].set_ylabel("验证准确率（%） | validation accuracy (%)")
    panels[0, 0].margins(y=0.1)
    low, high = panels[0, 0].get_ylim()
    panels[0, 0].set_ylim(low, high + 0.32 * (high - low))  # room for the legends
    return figure


@checked
def plot_tuning(tuned: dict[str, Any], words: dict[str, str]) -> Figure:
    """Draw validation accuracy (%) by learning rate: a panel for each augmentation of the record.

    Rings in its colour mark the setting chosen for an optimizer; both panels span as many points.
    """
    figure, panels = plt.subplots(1, len(tuned), figsize=(9, 4), squeeze=False)
    ring = {"mfc": "none", "ms": 14, "mew": 2.2, "ls": "none", "zorder": 5}
    for axes, (augmentation, record) in zip(panels[0], tuned.items(), strict=True):
        for name, color in (("Muon", TOKEN), ("AdamW", CHANNEL)):
            trials = record[name.lower()]["trials"]
            for decay, style in ((0.1, "o-"), (1.0, "s--")):
                tried = [trial for trial in trials if trial["decay"] == decay]
                rates = [trial["lr"] for trial in tried]
                label = f"{name}，衰减 {decay:g} | {name}, decay {decay:g}"
                places = rates, [trial["validation"] for trial in tried]
                axes.plot(*places, style, color=color, lw=1.6, ms=5, label=label)
            best = max(trials, key=lambda trial: trial["validation"])
            axes.plot(best["lr"], best["validation"], "o", mec=color, **ring)
        axes.set(xscale="log", xlabel="学习率 | learning rate", title=words[augmentation])
        axes.set_xticks(rates, labels=[f"{rate:g}" for rate in rates])
        axes.minorticks_off()
        low, high = axes.get_ylim()
        axes.set_ylim((low + high) / 2 - 5.2, (low + high) / 2 + 5.2)
    panels[0, 0].set_ylabel("验证准确率（%） | validation accuracy (%)")
    axes.plot([], [], "o", mec=OTHER, label="选中 | chosen", **ring)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    zh, en = "在试过的设置里各取最佳，Muon 更高", "Each at the best setting tried, Muon is higher"
    figure.suptitle(f"{zh} | {en}")
    return figure


@checked
def plot_last_epochs(histories: Sequence[dict[str, Any]]) -> Figure:
    """Draw the losses of several seeds as shares of those at epoch 50, beside the learning rate."""
    first, middle, last = 40, 50, 60
    epochs = range(first, last + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), width_ratios=[1.6, 1], sharex=True)
    for key, color, label in (
        ("train_loss", OTHER, "训练损失 | training loss"),
        ("val_loss", STEM, "验证损失 | validation loss"),
    ):
        for losses in (history[key] for history in histories):
            percent = [100 * loss / losses[middle - 1] for loss in losses[first - 1 :]]
            left.plot(epochs, percent, color=color, lw=1.5)
        left.plot([], [], color=color, label=label)
    rates = histories[0]["learning_rate"]
    right.plot(epochs, [100 * rate / max(rates) for rate in rates[first - 1 :]], color="black")
    for axes in (left, right):
        axes.axvspan(middle, last, color="#E69F00", alpha=0.2, lw=0)
        axes.set(xlabel="训练轮数 | epoch", xticks=range(first, last + 1, 5))
    left.axhline(100, color="lightgray", lw=1, zorder=0)
    left.set_ylabel("占第 50 轮的百分比 | % of that at epoch 50")
    left.set_title(f"损失，{len(histories)} 个种子 | Losses, {len(histories)} seeds")
    left.legend(loc="lower left")
    right.set_ylim(0, None)
    right.set_title("学习率（占最大值的百分比） | Learning rate (% of its peak)")
    zh = "第 50 轮以后，训练损失还在降，验证损失几乎不变"
    en = "After epoch 50 the training loss falls, the validation loss hardly changes"
    figure.suptitle(f"{zh} | {en}")
    return figure


@checked
def plot_families(families: dict[str, Any]) -> Figure:
    """Draw each family's trials by learning rate, and its test accuracy (%) by operations."""
    row = list(families)
    figure, panels = plt.subplot_mosaic(
        [row, ["budgets"] * len(row)], figsize=(9, 5.7), height_ratios=[1, 1.2]
    )
    for name, family in families.items():
        panels[name].sharey(panels[row[0]])
        _draw_trials(panels[name], family["trials"], FAMILY_COLORS[name])
        panels[name].set_title(name, color=FAMILY_COLORS[name])
    for name in row[1:]:
        panels[name].tick_params(labelleft=False)
    panels[row[0]].set_ylabel("验证准确率（%） | validation accuracy (%)")
    _draw_budgets(panels["budgets"], families)
    if len(row) > 1:  # where there is room
        marks = [Line2D([], [], **look) for look in TRIAL_LOOKS.values()]
        place = {"loc": "lower right", "fontsize": SIZE - 1}
        legend = panels[row[1]].legend(marks, list(TRIAL_LOOKS), labelspacing=0.3, **place)
        legend.set_in_layout(False)  # it must not narrow its panel
    return figure


def _draw_trials(axes: plt.Axes, trials: list[dict], color: str) -> None:
    """Draw a line for each optimizer; hollow: other decays or another shape; a ring: the best."""
    for optimizer, look in (("muon", "o-"), ("adamw", "s--")):
        line = [t for t in trials[:RATE_TRIALS] if t["optimizer"] == optimizer]
        axes.plot([t["lr"] for t in line], [t["validation"] for t in line], look, color=color)
    for trial in trials[RATE_TRIALS:]:
        marker = "o" if trial["optimizer"] == "muon" else "s"
        axes.plot(trial["lr"], trial["validation"], marker, mec=color, mfc="white")
    best = max(trials, key=lambda trial: trial["validation"])
    axes.plot(best["lr"], best["validation"], **RING)
    axes.margins(y=0.1)  # for the ring
    axes.set(xscale="log", xlabel="学习率 | learning rate", xlim=(7e-4, 0.15))
    axes.set_xticks([0.001, 0.01, 0.1], labels=["0.001", "0.01", "0.1"])
    axes.minorticks_off()


def _draw_budgets(axes: plt.Axes, families: dict[str, Any]) -> None:
    """Draw test accuracies by operations, a dot a seed, and a line through a family's means."""
    look = {"textcoords": "offset points", "va": "center", "fontsize": SIZE}
    for name, family in families.items():
        color, means = FAMILY_COLORS[name], []
        millions = [one["macs"] / 1e6 for one in family["budgets"]]
        for x, one in zip(millions, family["budgets"], strict=True):
            values = one["test"]["values"]
            axes.plot([x] * len(values), values, "o", color=color, mew=0, alpha=0.7)
            means.append(mean(values))
        axes.plot(millions, means, color=color)
        axes.annotate(name, (millions[-1], means[-1]), (8, 0), color=color, **look)
    ticks = sorted({one["budget"] for family in families.values() for one in family["budgets"]})
    axes.set(xscale="log", xlim=(0.85 * ticks[0], 1.9 * ticks[-1]))
    axes.set_xticks(ticks, labels=map(str, ticks))
    axes.minorticks_off()
    axes.set_xlabel("每张图像的乘加次数（百万） | million MACs per image")
    axes.set_ylabel("测试准确率（%） | test accuracy (%)")
    axes.set_title(
        "选中的设置，三种大小：每个点是一个新种子 | The chosen at three sizes: a dot per new seed"
    )


@checked
def plot_compute(
    ours: Sequence[tuple[int, int, float, Sequence[float]]],
    others: Sequence[tuple[str, float, float, float | None]],
) -> Figure:
    """Draw test accuracy in % by training compute, Mixers beside published networks.

    Args:
        ours: patch size, epochs, PFLOP and the seeds' accuracies; 60 epochs have another recipe.
        others: name, PFLOP, accuracy, and its lead over our best, to be drawn, or None.
    """
    figure, axes = plt.subplots(figsize=(9, 4.8))
    _draw_ours(axes, ours)
    for name, x, y, lead in others:
        axes.plot(x, y, "D", color=CHANNEL, mfc="white", markersize=8)
        axes.annotate(name, (x, y), (0, 14), ha="center", color=CHANNEL, **OFFSET)
        if lead is not None:
            ends = {"arrowstyle": "<->", "color": "black"}
            axes.annotate("", (x, y - lead), (x, y), arrowprops=ends)
            axes.annotate(f"{lead:.1f}", (x, y - lead / 2), (5, 0), ha="left", **OFFSET)
    axes.plot([], [], "o-", color=TOKEN, label="我们的 Mixer | our Mixers")
    axes.plot([], [], "D", color=CHANNEL, mfc="white", label="别人的 CNN | CNNs of others")
    axes.set(xscale="log", xlabel="训练计算量（PFLOP） | training compute (PFLOP)", ylim=(58, 101))
    axes.set_xticks(ticks := [0.03, 0.1, 0.3, 1, 3], labels=map(str, ticks))
    axes.minorticks_off()
    axes.set(xlim=(0.008, 8), ylabel="测试准确率（%） | test accuracy (%)")
    axes.legend(loc="lower right")
    axes.set_title("计算量相近时，airbench 更准 | At similar compute, airbench is more accurate")
    return figure


def _draw_ours(axes: plt.Axes, ours: Sequence[tuple[int, int, float, Sequence[float]]]) -> None:
    """Draw a dot for each seed, and a line through the runs of one patch size and recipe."""
    box = {"fc": "white", "ec": "none", "alpha": 0.85, "pad": 0.5}  # over lines
    look = {"color": TOKEN, "fontsize": 10, "bbox": box}
    for patch in sorted({patch for patch, *_ in ours}, reverse=True):
        points = sorted((x, epochs, tests) for p, epochs, x, tests in ours if p == patch)
        line = [(x, mean(tests)) for x, epochs, tests in points if epochs < 60]
        axes.plot(*zip(*line, strict=True), color=TOKEN, lw=1.5)
        for x, epochs, tests in points:
            axes.plot([x] * len(tests), tests, "o", color=TOKEN, alpha=0.8)
            name = f"P = {patch}，{epochs} 轮 | P = {patch}, {epochs} epochs"
            if epochs == 60:
                name = f"P = {patch}，60 轮，另一种方案 | P = {patch}, 60 epochs, another recipe"
            # Beside the dots, clear of the line that leaves or enters them.
            place, side = ((-8, 8), "right") if (patch, epochs) == (8, 12) else ((8, -7), "left")
            axes.annotate(name, (x, mean(tests)), place, ha=side, **look, **OFFSET)
