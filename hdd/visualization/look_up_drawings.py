"""Drawings of the look-up: the task, a solution by hand, who shares which weights, the board."""

from collections.abc import Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import EDGE, EMPTY, arrow, paper
from hdd.visualization.style import ACCENT, CHANNEL, OTHER, STEM, TOKEN

SIZE = 11
QUESTION, MATCH = "#F3D9E7", "#BFE5D8"  # pale ACCENT, pale STEM
TINTS = ["#F5C55A", "#9AD0F0", "#E6E6E6", "#EBC4D9"]  # of four kinds of link
# Of the offsets −3 to 3: warm to the left, cool to the right.
OFFSETS = ["#E8A07E", "#F0BFA5", "#F8DECF", "#E6E6E6", "#D5E4F1", "#AFCBE4", "#89B2D7"]
NAMES = "ABC"  # of the three keys in the example of four tokens
_KEY, _SUM = r"$r(x_{jc}+x_{0c}-1)$", r"$\sum_j$"


@checked
def plot_task(x: Tensor, moved: Tensor) -> Figure:
    """Draw a look-up of four tokens and its table, and the same with the match at another place.

    Args:
        x: (4, 5): three channels for the key, two for the value, one-hot; token 0 asks.
        moved: the same tokens in another order.
    """
    figure, (strips, table) = plt.subplots(1, 2, figsize=(9, 4.3), width_ratios=[1.55, 1])
    figure.suptitle(
        "找到键相同的词元，回答它的值 | Find the token with the same key, answer with its value"
    )
    labels = ["训练：答案在位置 1 或 2 | training: answer at position 1 or 2"]
    labels.append("测试：答案在位置 3 | test: answer at position 3")
    for top, tokens, label in ((0.0, x, labels[0]), (3.9, moved, labels[1])):
        _strip(strips, tokens, top, label)
    paper(strips, (-0.1, 7.9), (-0.8, 6.8))
    names = ["A", "B", "C", "1", "2"]
    match = _match(x)
    shades = {0: QUESTION, match: MATCH}
    draw_table(table, x, 0, 0, lambda i, j: shades.get(i))
    for j, name in enumerate(names):
        table.text(j + 0.5, -0.3, name, ha="center", va="center", color=CHANNEL, fontsize=SIZE)
    for i in range(4):
        table.text(-0.35, i + 0.5, f"{i}", ha="center", va="center", color=OTHER, fontsize=SIZE)
    table.text(1.5, -0.95, "键 | key", ha="center", va="center", fontsize=SIZE)
    table.text(4, -0.95, "值 | value", ha="center", va="center", fontsize=SIZE)
    table.text(2.5, 4.7, "训练题的表 $X$ | table $X$ (training)", ha="center", fontsize=SIZE)
    paper(table, (-0.7, 5.2), (-1.4, 5.0))
    return figure


def _match(x: Tensor) -> int:
    """Return the place of the token that holds the key that token 0 asks for."""
    return 1 + int((x[1:, :3] @ x[0, :3]).argmax())


def _strip(axes, x: Tensor, top: float, label: str) -> None:
    """Draw four tokens side by side, with an arrow from the match to the question."""
    match = _match(x)
    axes.text(0, top - 0.45, label, va="center", color=OTHER, fontsize=SIZE)
    for place, token in enumerate(x):
        left, key = 2 * place, NAMES[int(token[:3].argmax())]
        value = "?" if place == 0 else f"{int(token[3:].argmax()) + 1}"
        color = {0: QUESTION, match: MATCH}.get(place, EMPTY)
        axes.add_patch(Rectangle((left, top), 1.7, 1, fc=color, ec=EDGE))
        text = f"{key} = {value}"
        axes.text(left + 0.85, top + 0.5, text, ha="center", va="center", fontsize=SIZE + 2)
        axes.text(left + 0.85, top + 1.25, f"{place}", ha="center", va="center", color=OTHER)
    arrow(axes, (2 * match + 0.85, top + 1.5), (0.85, top + 1.5), STEM, head=16, bend=-0.25)
    answer = int(x[match, 3:].argmax()) + 1
    text = f"词元 0 应回答 {answer} | token 0 should answer {answer}"
    below = top + 1.95 + 0.25 * match  # the wider the arrow, the deeper it hangs
    axes.text(match + 0.85, below, text, ha="center", va="center", color=STEM, fontsize=SIZE)


@checked
def plot_static_solution(x: Tensor, stages: list[Tensor]) -> Figure:
    """Draw the three steps by which fixed weights, the same at all places, look a value up.

    Args:
        x: the table (4, 5).
        stages: key bits shared with the question (3, 3), the match (3,), the values that pass
            (3, 2), their sum (2,), all of tokens 1 to 3.
    """
    both, match, passed, answer = stages
    figure, axes = plt.subplots(figsize=(9, 3.4))
    axes.set_title("静态权重也能按内容查找 | Static weights can look up by content")
    tables = [
        (x, 0.0, 0, "$X$", "", OTHER),
        (both, 6.9, 1, "① 词元混合\n键相同？ | ① token mixing\nsame key?", _KEY, TOKEN),
        (match[:, None], 11.6, 1, "匹配？ | match?", "$m_j$", CHANNEL),
        (passed, 14.3, 1, "放行 | value passes", "$r(v_j+m_j-1)$", CHANNEL),
        (answer[None], 18.0, 2, "③ 词元混合\n汇总 | ③ token mixing\ncollect", _SUM, TOKEN),
    ]
    look = {"ha": "center", "va": "center", "fontsize": SIZE + 1}
    for values, left, top, name, formula, color in tables:
        rows = {0: MATCH} if len(values) == 1 else {1 + int(match.argmax()) - top: MATCH}
        rows |= {0: QUESTION} if top == 0 else {}
        draw_table(axes, values, left, top, lambda i, j, rows=rows: rows.get(i))
        middle = left + values.shape[1] / 2
        axes.text(middle, -0.75 if "\n" in name else -0.4, name, color=color, **look)
        axes.text(middle, 4.65, formula, **look)
    axes.text(13.7, -1.15, "② 通道混合 | ② channel mixing", color=CHANNEL, **look)
    for left in (5.3, 10.2, 12.9, 16.6):
        arrow(axes, (left, 2.5), (left + 1.2, 2.5), OTHER, head=16)
    paper(axes, (-0.7, 20.5), (-1.6, 5.2))
    return figure


# --------------------------------------------------------------------------------- sharing
def plot_sharing() -> Figure:
    """Draw which weights between tokens are one and the same, for four token mixings."""
    tokens, place = 4, torch.arange(4)
    one_each = torch.arange(tokens**2).reshape(tokens, tokens)
    offset = place[None, :] - place[:, None] + tokens - 1
    shared = torch.full((tokens, tokens), 2)
    shared[:, 0], shared[0], shared[place, place] = 1, 3, 0
    panels = [
        ("每个位置一套 | per position", one_each, "16 个权重 | 16 weights"),
        ("每个位移一套 | per offset", offset, "7 个权重 | 7 weights"),
        ("所有位置共用 | shared by all", shared, "4 种联系 | 4 kinds of link"),
        ("注意力 | attention", None, "规则相同，数值不同 | one rule, values vary"),
    ]
    marks = [[str(k + 1) for k in range(tokens**2)], ["−3", "−2", "−1", "0", "1", "2", "3"]]
    marks += [list("abcd"), []]
    tints = [["white"] * tokens**2, OFFSETS, TINTS, []]
    figure, row = plt.subplots(1, 4, figsize=(9, 3.5))
    figure.suptitle(
        "从左到右，各个位置共用得越来越多：无、位移相同的权重、四种联系、一条规则"
        " | From left to right, positions share more: nothing, weights, links, one rule"
    )
    for index, (axes, (name, numbers, text)) in enumerate(zip(row, panels, strict=True)):
        _weights(axes, numbers, tokens, marks[index], tints[index])
        axes.set_title(name, fontsize=SIZE)
        axes.text(tokens / 2, tokens + 0.75, text, ha="center", va="center", fontsize=SIZE - 0.5)
        axes.text(tokens / 2, -0.3, "输入 | input", ha="center", va="center", color=OTHER)
        paper(axes, (-0.75, tokens + 0.4), (-0.6, tokens + 2.0))
    _explain(row, tokens)
    look = {"ha": "center", "va": "center", "rotation": 90, "color": OTHER}
    row[0].text(-0.4, tokens / 2, "输出 | output", **look)
    return figure


def _explain(row: Sequence[plt.Axes], tokens: int) -> None:
    """Write below the last two tables of `plot_sharing` what their marks mean."""
    meaning = "a 自己　b 来自词元 0\nc 经由平均　d 写到词元 0"
    meaning += " | a: itself; b: from token 0\nc: via mean; d: to token 0"
    rule = "对所有位置：查询·键，\n再经 softmax | at every position:\nquery·key, then softmax"
    look = {"ha": "center", "va": "top", "fontsize": 10, "linespacing": 1.3}
    for axes, text in zip(row[2:], (meaning, rule), strict=True):
        axes.text(tokens / 2, tokens + 1.15, text, **look)


def _weights(axes, numbers: Tensor | None, tokens: int, marks: list[str], tints) -> None:
    """Draw a square for each weight: equal numbers get one mark and tint, None one formula."""
    for i in range(tokens):
        for j in range(tokens):
            grey = 0.95 - 0.02 * (5 * (tokens * i + j) % 16)  # computed: no two alike
            color = str(grey) if numbers is None else tints[int(numbers[i, j])]
            axes.add_patch(Rectangle((j, i), 1, 1, fc=color, ec=EDGE, lw=0.8))
            text = "$q·k$" if numbers is None else marks[int(numbers[i, j])]
            axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=SIZE)


# ------------------------------------------------------------------------------- far apart
@checked
def plot_far(layers: Tensor, runs: dict[str, list[list[float]]]) -> Figure:
    """Draw a board with the layers that each square needs, and accuracy against distance.

    Args:
        layers: (side, side), how many 3 x 3 layers until the upper left corner depends on a square.
        runs: percent right by network, distance from 1 on, and seed.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), width_ratios=[1, 1.45])
    _board(left, layers)
    left.set_title("需要几层 3 × 3 卷积\n | Layers of 3 × 3\nconvolution needed")
    hollow = {"ms": 11, "mfc": "white", "mew": 2}  # so that the Mixer shows inside
    styles = [(TOKEN, "o-", {"zorder": 4}), (CHANNEL, "s--", hollow), (CHANNEL, "^-", {})]
    for (name, values), (color, style, look) in zip(runs.items(), styles, strict=True):
        distances = range(1, len(values) + 1)
        mean = [sum(seeds) / len(seeds) for seeds in values]
        right.plot(distances, mean, style, color=color, label=name, **look)
        low, high = [min(seeds) for seeds in values], [max(seeds) for seeds in values]
        right.fill_between(distances, low, high, color=color, alpha=0.25)
    right.axhline(50, color="black", linestyle=":", linewidth=1)
    right.text(1, 52, "随机猜测 | chance", fontsize=SIZE)
    right.set(xlabel="距离 $d$（5：左上角与右下角） | distance $d$ (5: opposite corners)")
    n = len(next(iter(runs.values()))[0])
    label = f"答对的百分比（n = {n}，从 40 起） | % right (n = {n}; from 40 on)"
    right.set(ylabel=label, ylim=(40, 104))
    right.set_xticks(list(distances))
    title = "两层卷积够不到远处，\n五层和 Mixer 够得到 | "
    right.set_title(title + "Two convolutions do not reach\nfar; five do, and so does a Mixer")
    right.legend(loc="center right", bbox_to_anchor=(1, 0.6), fontsize=SIZE)
    return figure


def _board(axes: plt.Axes, layers: Tensor) -> None:
    """Draw a square for each number of layers, and an arrow between opposite corners."""
    side = len(layers)
    shades = plt.get_cmap("Oranges")
    for i in range(side):
        for j in range(side):
            number = int(layers[i, j])
            color = "white" if number > 2 else shades(0.5 - 0.15 * number)
            axes.add_patch(Rectangle((j, i), 1, 1, fc=color, ec=EDGE))
            text = axes.text(j + 0.5, i + 0.5, f"{number}", ha="center", va="center")
            text.set(fontsize=SIZE, zorder=3)
    # Between the digits of the diagonal and those beside it.
    arrow(axes, (side - 0.25, side - 0.75), (0.75, 0.25), ACCENT, head=16, alpha=0.6)
    paper(axes, (-0.1, side + 0.1), (-0.1, side + 0.1))


# -------------------------------------------------------------------------------- the trap
def draw_slopes(axes: plt.Axes) -> None:
    """Draw the unit r(x + q - 1) of the solution by hand, for both entries of the question."""
    x = torch.linspace(0, 1, 101)
    for q, color in ((0, OTHER), (1, TOKEN)):
        label = f"提问：$q={q}$ | question: $q={q}$"
        axes.plot(x, (x + q - 1).relu(), color=color, lw=2.5, label=label)
    axes.set(xlabel="词元 $j$ 的 $x$ | $x$ of token $j$", ylabel="$r(x+q-1)$", ylim=(-0.08, 1.1))
    axes.set_title("同样的权重，不同的斜率\n | One set of weights,\ndifferent slopes")
    axes.legend(loc="upper left", fontsize=SIZE)
