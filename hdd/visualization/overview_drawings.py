"""The drawing of notebook 00: one token of a small table is changed, and both mixings follow."""

from collections.abc import Callable

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from hdd.arguments import checked, shown
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import paper
from hdd.visualization.style import CHANNEL, LIGHT, OTHER, STEM, TOKEN

STEP = 4.6  # from one table to the next, in cells
UNCHANGED = "#E6E6E6"


@checked
def plot_one_change(
    table: Tensor,
    changed: Tensor,
    channel_mixing: Callable[[Tensor], Tensor],
    token_mixing: Callable[[Tensor], Tensor],
) -> Figure:
    """Draw a table, what each mixing makes of it, and below the same for a changed table.

    Cells that differ between above and below are coloured below.

    Args:
        table: (S, C), integers, few of them.
        changed: the same with other numbers in some places.
        channel_mixing: (S, C) -> (S, C).
        token_mixing: (S, C) -> (S, C).
    """
    figure, axes = plt.subplots(figsize=(8.4, 5.2))
    columns = [
        ("输入的表 | input table", STEM, lambda x: x),
        ("词元混合之后 | after token mixing", TOKEN, token_mixing),
        ("通道混合之后 | after channel mixing", CHANNEL, channel_mixing),
    ]
    below = len(table) + 0.9
    for index, (name, color, mixing) in enumerate(columns):
        left = index * STEP
        first, second = mixing(table), mixing(changed)
        differs = (first != second).tolist()
        draw_table(axes, first, left, 0.0)
        fill = LIGHT[color]
        draw_table(axes, second, left, below, lambda i, j, d=differs, f=fill: f if d[i][j] else "")
        axes.text(left + 1, -0.5, name, color=color, ha="center", va="center", fontsize=12)
    _name_rows(axes, len(table), below)
    paper(axes, (-4.2, 2 * STEP + 3.2), (-1.0, below + len(table) + 0.2))
    return figure


def _name_rows(axes: plt.Axes, tokens: int, below: float) -> None:
    """Number the rows, and say what the upper and the lower tables are."""
    for top, name in ((0.0, "原来 | before"), (below, "改动词元 1 | token 1 changed")):
        axes.text(-1.9, top + tokens / 2, name, ha="right", va="center", fontsize=12)
        for row in range(tokens):
            label = f"词元 {row} | token {row}"
            axes.text(-0.2, top + row + 0.5, label, ha="right", va="center", color=OTHER)


@checked
def plot_spread(changes: dict[str, Tensor], shades: str) -> Figure:
    """Draw how much each entry of several tables (S, C) changed, with the number of changed rows.

    Args:
        changes: absolute differences by name, "中文 | English".
        shades: a colour map; entries that did not change at all are light grey instead.
    """
    colors = plt.get_cmap(shades).with_extremes(bad=UNCHANGED)
    figure, panels = plt.subplots(1, len(changes), figsize=(9, 4), sharey=True)
    for axes, (name, change) in zip(panels, changes.items(), strict=True):
        axes.imshow(change.where(change > 0, torch.nan), cmap=colors, vmin=0)
        rows = int((change > 0).any(dim=1).sum())
        zh, en = name.split(" | ")
        axes.set_title(
            f"{zh}\n变化的行：{rows} / {len(change)} | {en}\nrows changed: {rows} of {len(change)}",
            fontsize=11,
        )
        axes.set(xlabel="通道 | channel")
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("词元 | token")
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
