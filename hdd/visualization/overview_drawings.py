"""The drawings of notebook 00: a changed token and what follows; what a network answers."""

from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from hdd.arguments import checked, shown
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import paper
from hdd.visualization.patches import show_image
from hdd.visualization.style import ACCENT, CHANNEL, LIGHT, OTHER, STEM, TOKEN

STEP = 4.4  # from one table to the next, in cells
UNCHANGED = "#E6E6E6"


@checked
def plot_one_change(
    table: Tensor,
    changed: Tensor,
    channel_mixing: Callable[[Tensor], Tensor],
    token_mixing: Callable[[Tensor], Tensor],
) -> Figure:
    """Draw a table, what each mixing makes of it, and below the same for a changed table.

    The sums of the columns stand below the inputs, the rules of notebook 00 above the results.
    Cells that differ between above and below are coloured below.

    Args:
        table: (S, C), integers, few of them.
        changed: the same with other numbers in some places.
        channel_mixing: (S, C) -> (S, C).
        token_mixing: (S, C) -> (S, C).
    """
    figure, axes = plt.subplots(figsize=(8.6, 5.8))
    columns = [
        ("输入的表 | input table", "", STEM, lambda x: x),
        (
            "只做词元混合 | token mixing alone",
            "每个数 + 列和 | number + column sum",
            TOKEN,
            token_mixing,
        ),
        ("只做通道混合 | channel mixing alone", "$a+b,\\ a-b$", CHANNEL, channel_mixing),
    ]
    below = len(table) + 1.5
    for index, (name, rule, color, mixing) in enumerate(columns):
        left = index * STEP
        first, second = mixing(table), mixing(changed)
        differs = (first != second).tolist()
        draw_table(axes, first, left, 0.0)
        fill = LIGHT[color]
        draw_table(axes, second, left, below, lambda i, j, d=differs, f=fill: f if d[i][j] else "")
        middle = {"x": left + table.shape[1] / 2, "color": color, "ha": "center", "va": "center"}
        axes.text(y=-1.0, s=name, fontsize=12, **middle)
        axes.text(y=-0.42, s=rule, fontsize=11, **middle)
    for top, values in ((0.0, table), (below, changed)):
        _column_sums(axes, values, top + len(table) + 0.4)
    _name_rows(axes, len(table), below)
    paper(axes, (-4.0, 2 * STEP + 3.3), (-1.4, below + len(table) + 0.8))
    return figure


def _column_sums(axes: plt.Axes, table: Tensor, y: float) -> None:
    """Write the sum of each column below the table at the left edge."""
    axes.text(-0.2, y, "列和 | column sum", ha="right", va="center", color=TOKEN)
    for column, total in enumerate(table.sum(dim=0).tolist()):
        axes.text(column + 0.5, y, f"{total:g}", ha="center", va="center", color=TOKEN)


def _name_rows(axes: plt.Axes, tokens: int, below: float) -> None:
    """Number the rows, and say what the upper and the lower tables are."""
    names = ((0.0, "原来 | before"), (below, "词元 1\n改动后 | token 1\nchanged"))
    for top, name in names:
        axes.text(-1.9, top + tokens / 2, name, ha="right", va="center", fontsize=12)
        for row in range(tokens):
            label = f"词元 {row} | token {row}"
            axes.text(-0.2, top + row + 0.5, label, ha="right", va="center", color=OTHER)


@checked
def plot_spread(changes: dict[str, Tensor], shades: str, inks: Sequence[str] = ()) -> Figure:
    """Draw how much each entry of several tables (S, C) changed, with the number of changed rows.

    Args:
        changes: absolute differences by name, "中文 | English".
        shades: a colour map without grey; entries that did not change at all are light grey.
        inks: a colour for each title; black if there are none.
    """
    colors = plt.get_cmap(shades).with_extremes(bad=UNCHANGED)
    figure, panels = plt.subplots(1, len(changes), figsize=(9, 4), sharey=True)
    inks = inks or ["black"] * len(changes)
    for axes, (name, change), ink in zip(panels, changes.items(), inks, strict=True):
        picture = axes.imshow(change.where(change > 0, torch.nan), cmap=colors, vmin=0)
        rows = int((change > 0).any(dim=1).sum())
        zh, en = name.split(" | ")
        title = (
            f"{zh}\n变化的行：{rows} / {len(change)} | {en}\nrows changed: {rows} of {len(change)}"
        )
        axes.set_title(title, fontsize=11, color=ink)
        axes.set(xlabel="通道 | channel")
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("词元 | token")
    bar = figure.colorbar(picture, ax=panels, shrink=0.72, aspect=18, pad=0.015)
    bar.set_ticks([0, picture.norm.vmax], labels=["变化小 | small", "变化大 | large"])
    none = Patch(fc=UNCHANGED, ec=OTHER, lw=0.6, label="完全没变 | no change")
    figure.legend(handles=[none], loc="outside lower right", fontsize=10.5)
    return figure


@checked
def plot_result(
    history: Mapping[str, Sequence[float]],
    test_accuracy: float,
    images: Tensor,
    answers: Sequence[tuple[str, bool]],
) -> Figure:
    """Draw the learning curve with the test result and chance, and ten images with answers.

    Args:
        history: "train_accuracy" and "val_accuracy", a value for each epoch.
        test_accuracy: of the trained network.
        images: (10, C, H, W).
        answers: of `predictions`; images with a wrong one are framed.
    """
    figure = plt.figure(figsize=(9, 3.55))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.55])
    axes, epochs = left.subplots(), range(1, len(history["val_accuracy"]) + 1)
    axes.plot(epochs, history["train_accuracy"], "--", color=OTHER, label="训练集 | training")
    axes.plot(epochs, history["val_accuracy"], "-o", color="black", label="验证集 | validation")
    look = {"color": ACCENT, "ms": 11, "ls": "", "mec": "black", "zorder": 5}
    axes.plot(
        len(epochs),
        test_accuracy,
        "*",
        label=f"测试集 {test_accuracy:.1%} | test {test_accuracy:.1%}",
        **look,
    )
    axes.axhline(0.1, color=OTHER, ls=":", lw=1.5)
    axes.text(1, 0.13, "随机猜测 10% | chance 10%", color=OTHER)
    axes.set(xlabel="训练轮数 | epoch", ylabel="准确率 | accuracy", xticks=epochs, ylim=(0, 1))
    axes.set_title("学习曲线 | Learning curve")
    axes.legend(loc="center right", bbox_to_anchor=(1, 0.42))
    right.suptitle("对十张测试图像的回答 | The answers for ten test images", fontsize=12)
    panels = right.subplots(2, 5).flat
    for cell, image, (answer, is_right) in zip(panels, images, answers, strict=True):
        show_image(cell, image, answer)
        if not is_right:
            cell.spines[:].set(visible=True, color=ACCENT, linewidth=4)
    return figure


@checked
def predictions(logits: Tensor, labels: Tensor, names: list[str]) -> list[tuple[str, bool]]:
    """Return for each image what the network says, as "中文 | English", and whether it is right.

    A wrong answer has the right class in brackets below.

    Args:
        logits: (N, K).
        labels: (N,).
        names: K class names, "中文 | English" or one word for both.
    """
    if len(names) != logits.shape[-1]:
        raise ValueError(
            f"names={shown(names)} are {len(names)}, but there are {logits.shape[-1]} logits. "
            "Fix: a name for each class."
        )
    found = []
    for guess, truth in zip(logits.argmax(dim=1).tolist(), labels.tolist(), strict=True):
        said, right = ((names[i].split(" | ") * 2)[:2] for i in (guess, truth))
        if guess != truth:
            said = [f"{word}\n({other})" for word, other in zip(said, right, strict=True)]
        found.append((" | ".join(said), guess == truth))
    return found
