"""Drawings of 6 x 6 Sudoku: a cell and its peers, the loop, a puzzle being solved, learned weights.

Digits are 0 ... 5 in the data, 6 is an empty cell; drawn are 1 ... 6 and nothing.
"""

import statistics
from collections.abc import Mapping, Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from torch import Tensor

from hdd.arguments import checked
from hdd.visualization.mixing_drawings import draw_table
from hdd.visualization.paper import arrow, paper
from hdd.visualization.style import ACCENT, CHANNEL, LIGHT, OTHER, SIGNED, STEM, TOKEN

SIDE, BOX = 6, (2, 3)
AGAIN = "同一组权重，再来一次（训练时共 6 次） | the same weights again (6 recursions in training)"
SEED = "#56B4E9"  # one of several seeds, behind their mean


def draw_grid(axes: Axes, shades: dict[int, str] | None = None) -> None:
    """Draw an empty grid of unit cells, its boxes in thick lines, some cells shaded.

    Args:
        axes: where; y points down afterwards.
        shades: the colour of a cell, by its number 0 ... 35.
    """
    for cell, color in (shades or {}).items():
        axes.add_patch(Rectangle((cell % SIDE, cell // SIDE), 1, 1, fc=color, ec="none"))
    for line in range(SIDE + 1):
        for draw, period in ((axes.axhline, BOX[0]), (axes.axvline, BOX[1])):
            thick = line % period == 0
            draw(line, color="black" if thick else "#BBBBBB", lw=2 if thick else 0.8, zorder=2)
    paper(axes, (-0.05, SIDE + 0.05), (-0.05, SIDE + 0.05))


def write(axes: Axes, cell: int, digit: int) -> None:
    """Write digit + 1 into a cell."""
    place = (cell % SIDE + 0.5, cell // SIDE + 0.52)
    axes.text(*place, digit + 1, ha="center", va="center", fontsize=15)


@checked
def plot_elimination(givens: Tensor, peers: Tensor, cell: int) -> Figure:
    """Draw a puzzle with one cell's peers, and the same step for a row of four cells as a product.

    Args:
        givens: the puzzle (36,).
        peers: which cells may not hold the same digit (36, 36), bool.
        cell: the one whose peers are shaded.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9), width_ratios=(1, 1.75))
    shades = dict.fromkeys(peers[cell].nonzero().flatten().tolist(), LIGHT[TOKEN])
    draw_grid(left, shades | {cell: LIGHT[CHANNEL]})
    for place, digit in enumerate(givens.tolist()):
        if digit < SIDE:
            write(left, place, digit)
    left.set_title("一格和它的 12 个相关格\n | A cell and its 12 peers\n")
    _row_of_four(right)
    return figure


def _row_of_four(axes: Axes) -> None:
    """Draw the row 3 _ 1 _ of four cells, and below it A, X and their product."""
    holds = torch.tensor([[0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])  # 3 _ 1 _
    others = 1 - torch.eye(4, dtype=torch.long)
    shade = [LIGHT[CHANNEL if cell == 1 else TOKEN] for cell in range(4)]  # as at the left
    fills = (  # A's row of cell 1, X's rows of its peers, and what comes of them
        lambda i, j: shade[j] if i == 1 else None,
        lambda i, j: None if i == 1 else shade[i],
        lambda i, j: shade[i] if i == 1 else None,
    )
    for place, digit in enumerate(("3", "", "1", "")):
        axes.add_patch(Rectangle((5.4 + place, -3.6), 1, 1, fc=shade[place], ec="black"))
        axes.text(5.9 + place, -3.1, digit, ha="center", va="center", fontsize=14)
    axes.text(5.2, -3.1, "四格一行 | a row of four", ha="right", va="center")
    names = ("$A$", "$X$", "$AX$")
    for index, (values, name) in enumerate(
        zip((others, holds, others @ holds), names, strict=True)
    ):
        top = 5.4 * index
        draw_table(axes, values, top, 0, fills[index])
        axes.text(top + 2, -0.45, name, ha="center", fontsize=14)
    for place, sign in ((4.7, "×"), (10.1, "=")):
        axes.text(place, 2, sign, ha="center", va="center", fontsize=16)
    for number in range(4):
        label = f"第 {number + 1} 格 | cell {number + 1}"
        axes.text(-0.2, number + 0.5, label, ha="right", va="center", color=OTHER)
        for start in (5.4, 10.8):
            axes.text(start + number + 0.5, 4.6, number + 1, ha="center", color=OTHER)
    axes.text(5.2, 4.6, "数字 | digit", ha="right", color=OTHER)
    paper(axes, (-2.2, 15.2), (-4, 5))
    axes.set_title("第二格不能填 1 和 3 | The second cell is not 1 or 3")


def plot_loop() -> Figure:
    """Draw the network that calls itself: the state goes round, the puzzle is added every time."""
    figure, axes = plt.subplots(figsize=(9.4, 3.2))
    mixing = "词元混合\n通道混合 | token mixing,\nchannel mixing"
    _loop_box(axes, 0.0, "题目的嵌入 | embedding", "$x$\n(36, 48)", STEM)
    _loop_box(axes, 3.7, "Mixer 块 1 | Mixer block 1", mixing, TOKEN)
    _loop_box(axes, 6.1, "Mixer 块 2 | Mixer block 2", mixing, TOKEN)
    _loop_box(axes, 8.5, "层归一化 | LayerNorm", "LN\n(36, 48)", OTHER)
    _loop_box(axes, 11.9, "分类头 | head", "36 × 6", CHANNEL)
    axes.add_patch(Circle((2.8, 0.85), 0.32, fc="white", ec="black", lw=2))
    axes.text(2.8, 0.85, "+", ha="center", va="center", fontsize=18)
    for start, end in ((2.0, 2.4), (3.15, 3.6), (5.7, 6.0), (8.1, 8.4), (10.5, 11.8)):
        arrow(axes, (start, 0.85), (end, 0.85), width=1.8)
    axes.plot([11.1, 11.1, 2.8, 2.8], [0.85, 2.3, 2.3, 1.8], color=ACCENT, lw=1.8, zorder=0)
    axes.plot(11.1, 0.85, "o", color=ACCENT, ms=6, zorder=4)
    arrow(axes, (2.8, 1.9), (2.8, 1.2), ACCENT, width=1.8, gap=0)
    axes.text(11.3, 1.6, "$z$", ha="left", va="center", color=ACCENT, fontsize=16)
    axes.text(6.95, 2.65, AGAIN, ha="center", va="center", color=ACCENT, fontsize=13)
    begin = "开始：$z=0$ | start: $z=0$"
    axes.text(2.6, 2.3, begin, ha="right", va="center", color=ACCENT, fontsize=13)
    parts = ((2.8, "$z+x$"), (6.9, r"$\mathrm{blocks}(z+x)$"))
    new = r"$z\leftarrow\mathrm{LN}(\mathrm{blocks}(z+x))$"
    for place, formula in (*parts, (10.6, new)):
        axes.text(place, -0.35, formula, ha="center", va="center", fontsize=13)
    axes.set(xlim=(-0.15, 14), ylim=(-0.7, 3.0), aspect="equal")
    axes.axis("off")
    zh = "每次递归：加上题目，再通过同样的层"
    en = "Every recursion adds the puzzle and uses the same layers"
    figure.suptitle(f"{zh} | {en}")
    return figure


def _loop_box(axes: Axes, left: float, name: str, content: str, color: str) -> None:
    """Draw a step of the loop, two units wide."""
    corner = (left, 0.05)
    axes.add_patch(FancyBboxPatch(corner, 1.9, 1.6, "round,pad=0.05", fc="white", ec=color, lw=2))
    axes.text(left + 0.95, 1.4, name, ha="center", va="center", fontsize=11)
    axes.text(left + 0.95, 0.6, content, ha="center", va="center", color=OTHER, fontsize=11)


@checked
def plot_course(
    givens: Tensor, solution: Tensor, digits: Tensor, certainty: Tensor, after: Sequence[int]
) -> Figure:
    """Draw what the network answers after some of its recursions; the surer, the darker.

    Args:
        givens: the puzzle (36,).
        solution: (36,).
        digits: the likeliest digit of each cell after each recursion (recursions, 36).
        certainty: its probability (recursions, 36).
        after: which recursions to draw, counted from 1.
    """
    figure, panels = plt.subplots(1, len(after), figsize=(9, 2.9))
    zh = "错误总体上越来越少（蓝：对；橙：错；圈：原先填对，这时又错）"
    en = "Fewer errors on the whole (blue: right; orange: wrong; circle: right before, wrong now)"
    figure.suptitle(f"{zh} | {en}")
    right = (digits == solution) & (givens == SIDE)  # (recursions, 36)
    before = torch.zeros_like(right[0])
    for axes, number in zip(panels, after, strict=True):
        draw_grid(axes)
        for cell in range(SIDE * SIDE):
            given = givens[cell] < SIDE
            digit = int(givens[cell] if given else digits[number - 1, cell])
            sure = None if given else float(certainty[number - 1, cell])
            _answer(axes, cell, digit, bool(right[number - 1, cell]), sure)
        for cell in (before & ~right[number - 1]).nonzero().flatten().tolist():
            place = (cell % SIDE + 0.5, cell // SIDE + 0.5)
            axes.add_patch(Circle(place, 0.44, fill=False, ec=ACCENT, lw=2.5, zorder=3))
        before = right[number - 1]
        times = "recursion" if number == 1 else "recursions"
        score = f"{int(before.sum())} / {int((givens == SIDE).sum())}"
        axes.set_title(f"递归 {number} 次：{score} | {number} {times}: {score}")
    return figure


def _answer(axes: Axes, cell: int, digit: int, right: bool, sure: float | None) -> None:
    """Write the digit of a cell: a given in black (`sure` is None), an answer in its colour."""
    if sure is None:
        write(axes, cell, digit)
        return
    look = {"color": TOKEN if right else CHANNEL, "alpha": max(0.6, sure), "size": 15}
    place = (cell % SIDE + 0.5, cell // SIDE + 0.52)
    axes.text(*place, digit + 1, ha="center", va="center", **look)


@checked
def plot_recursions(
    needed: Mapping[int, tuple[int, Sequence[float]]],
    solved: Mapping[str, Sequence[float]],
    trained: int,
) -> Figure:
    """Draw how many recursions puzzles need, and how many puzzles are solved after 1, 2, ...

    Args:
        needed: rounds of reasoning -> number of puzzles, each seed's mean number of recursions.
        solved: kind of puzzles, the easier one first -> share solved after 1, 2, ... recursions.
        trained: how many recursions the training had.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.1), width_ratios=(1, 1.3))
    _needed(left, needed)
    _solved(right, solved, trained)
    right.axvline(trained, color=OTHER, lw=1.2, ls=":")
    right.text(trained + 0.2, 3, f"训练时 {trained} 次 | {trained} in training", color=OTHER)
    right.set(xlabel="递归次数 | recursions", ylim=(0, 112), yticks=range(0, 101, 20))
    right.set_title("解对的题目，% | Puzzles solved, %")
    right.legend(loc="center right")
    return figure


def _solved(axes: Axes, solved: Mapping[str, Sequence[float]], trained: int) -> None:
    """Draw two curves in %, with the values after as many recursions as in training and at the end.

    The values of the upper curve stand above it, those of the lower one below.
    """
    looks = (("-", 1, "right", "bottom"), ("--", -1, "left", "top"))
    for (name, shares), (line, side, ha, va) in zip(solved.items(), looks, strict=True):
        percent, last = [100 * share for share in shares], len(shares)
        axes.plot(range(1, last + 1), percent, line, color=TOKEN, marker="o", ms=4, label=name)
        for number, gap, align in ((trained, 0.2, ha), (last, 0, "center")):
            place = (number - gap * side, percent[number - 1] + 2.5 * side)
            axes.text(*place, f"{percent[number - 1]:.1f}%", ha=align, va=va, color=TOKEN)


def _needed(axes: Axes, needed: Mapping[int, tuple[int, Sequence[float]]]) -> None:
    """Draw the recursions until puzzles are first right: dots for seeds, the mean in digits."""
    means = [statistics.mean(seeds) for _, seeds in needed.values()]
    for index, (rounds, (_, seeds)) in enumerate(needed.items()):
        label = None if index else "一个种子 | one seed"
        axes.plot([rounds] * len(seeds), seeds, "o", color=SEED, alpha=0.6, ms=5, label=label)
    axes.plot(list(needed), means, "o-", color=TOKEN, label="平均 | mean")
    for rounds, mean in zip(needed, means, strict=True):
        axes.text(rounds + 0.12, mean - 0.12, f"{mean:.1f}", va="top", color=TOKEN)
    ends = [min(needed), max(needed)]
    axes.plot(ends, ends, color=OTHER, ls=":", lw=1.2, label="每轮递归一次 | one recursion a round")
    ticks = [f"{rounds}\n({puzzles})" for rounds, (puzzles, _) in needed.items()]
    axes.set_xticks(list(needed), labels=ticks)
    axes.set_yticks(range(1, ends[1] + 1))
    axes.set_xlabel("推理轮数（题目数） | rounds of reasoning (number of puzzles)")
    axes.set_ylabel("递归次数 | recursions")
    axes.set_xlim(ends[0] - 0.4, ends[1] + 0.7)
    axes.set_title("首次全部答对时的递归次数 | Recursions until first right")
    axes.legend(loc="upper left")


@checked
def plot_transition(curves: dict[int, list], live: list) -> Figure:
    """Draw the share of validation puzzles solved, by step: recorded seeds thin, this run thick.

    Args:
        curves: for each seed a list of [step, share of puzzles, share of cells].
        live: the same for the run of this notebook.
    """
    figure, axes = plt.subplots(figsize=(9, 3.9))
    for index, curve in enumerate(curves.values()):
        steps, puzzles, _ = _in_percent(curve)
        name = f"记录的 {len(curves)} 个种子：整题 | {len(curves)} recorded seeds: puzzles"
        axes.plot(steps, puzzles, color=SEED, lw=1, label=None if index else name)
    steps, puzzles, cells = _in_percent(live)
    axes.plot(steps, puzzles, color=TOKEN, lw=3, label="这次运行：整题 | this run: puzzles")
    name = "这次运行：空格 | this run: empty cells"
    axes.plot(steps, cells, color=TOKEN, lw=2, ls=":", label=name)
    for share in (10, 90):
        label = "10%, 90%" if share < 50 else None
        axes.axhline(share, color=OTHER, lw=1, ls="--", label=label)
    axes.axhline(100 / SIDE, color=CHANNEL, lw=1, ls=":", label="猜一格：1/6 | a guess: 1/6")
    axes.set(xlabel="训练步数 | training step", ylabel="正确，% | right, %", ylim=(0, 104))
    axes.set_title("整题起步晚 | Whole puzzles start late")
    axes.legend(loc="center right")
    return figure


def _in_percent(curve: list) -> tuple[list[int], list[float], list[float]]:
    """Return the steps, and the shares of puzzles and cells in %."""
    steps, *shares = zip(*curve, strict=True)
    return steps, *([100 * share for share in one] for one in shares)


@checked
def plot_rules(matrices: Sequence[Tensor], peers: Tensor, cell: int, name: str) -> Figure:
    """Draw from where one cell takes, and the weights of all pairs, peers apart from others.

    Args:
        matrices: W2 W1 (36, 36) of each block, row "out"; the map shows the first.
        peers: (36, 36), bool.
        cell: whose row is drawn, without its own entry.
        name: of the network, the figure's title.
    """
    figure = plt.figure(figsize=(9, 4.6))
    grid = figure.add_gridspec(len(matrices), 2, width_ratios=(1, 1.35))
    left = figure.add_subplot(grid[:, 0])
    row = matrices[0][cell].clone()
    row[cell] = 0
    limit = float(row.abs().max())
    draw_grid(left)
    box = (0, SIDE, SIDE, 0)
    image = left.imshow(
        row.view(SIDE, SIDE), cmap=SIGNED, vmin=-limit, vmax=limit, extent=box, zorder=0
    )
    left.add_patch(Rectangle((cell % SIDE, cell // SIDE), 1, 1, fc="#BBBBBB", zorder=1))
    left.text(cell % SIDE + 0.5, cell // SIDE + 0.5, "●", ha="center", va="center")
    for place in peers[cell].nonzero().flatten().tolist():
        corner = (place % SIDE + 0.08, place // SIDE + 0.08)
        left.add_patch(Rectangle(corner, 0.84, 0.84, fill=False, ec="black", lw=1.6, zorder=3))
    figure.colorbar(image, ax=left, shrink=0.7).ax.set_title("$W_2W_1$", loc="left")
    left.set_title(
        "Mixer 块 1：● 从各格取多少\n（框：相关格）\n | Block 1: weights into ●\n(framed: peers)"
    )
    _draw_by_rule([figure.add_subplot(grid[row, 1]) for row in range(len(matrices))], matrices)
    figure.suptitle(name)
    return figure


def _draw_by_rule(panels: Sequence[Axes], matrices: Sequence[Tensor]) -> None:
    """Draw histograms of the weights of pairs of cells, by the rules that connect the two."""
    cells = torch.arange(SIDE * SIDE)
    line = _same(cells // SIDE) | _same(cells % SIDE)
    down, across = _same(cells // SIDE // BOX[0]), _same(cells % SIDE // BOX[1])
    box, aligned = down & across, down | across
    pairs = ~torch.eye(SIDE * SIDE, dtype=torch.bool)
    groups = {  # peers after the others, so that they show in front of them
        "其他格，宫错开 | others, boxes not aligned": (~line & ~aligned, "#BBBBBB"),
        "其他格，宫对齐 | others, boxes aligned": (~line & ~box & aligned, "#777777"),
        "只同宫 | same box only": (box & ~line, "#7ED6B6"),
        "只同行或同列 | same line only": (line & ~box, STEM),
        "同行或同列，且同宫 | same line and box": (line & box & pairs, "#00543D"),
    }
    for block, (axes, matrix) in enumerate(zip(panels, matrices, strict=True), start=1):
        edges = torch.linspace(float(matrix[pairs].min()), float(matrix[pairs].max()), 41)
        for label, (where, color) in groups.items():
            axes.hist(matrix[where], edges, color=color, label=label)
        axes.set_ylabel(f"Mixer 块 {block}\n元素个数 | block {block}:\nentries")
    axes.set_xlabel("$W_2W_1$ 的元素 | entry of $W_2W_1$")
    axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)


@checked
def plot_rivals(rows: Sequence[tuple[str, str, int, Sequence[float]]]) -> Figure:
    """Draw the share of puzzles solved by several networks: means as bars, seeds as dots.

    Args:
        rows: from the top, a network's name, its colour, its training steps, each seed's share.
    """
    figure, axes = plt.subplots(figsize=(9.4, 4.3))
    usual = min(steps for _, _, steps, _ in rows)
    for place, (_, color, steps, seeds) in enumerate(rows):
        mean = 100 * statistics.mean(seeds)
        # Runs that took longer are hollow: hatched in their colour on white.
        fill = {"fc": color, "alpha": 0.55} if steps == usual else {"fc": "white", "hatch": "///"}
        axes.barh(place, mean, 0.62, ec=color, **fill)
        spread = [place + 0.04 * (i - (len(seeds) - 1) / 2) for i in range(len(seeds))]
        dots = [100 * share for share in seeds]
        axes.plot(dots, spread, "o", color=color, mec="black", mew=0.6, ms=4)
        axes.text(max(dots) + 2, place, f"{mean:.1f}%", va="center")
    names = [_with_steps(name, steps) for name, _, steps, _ in rows]
    axes.set_yticks(range(len(rows)), labels=names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 113), xticks=range(0, 101, 20))
    axes.set_xlabel("%（点：各个种子） | % (dots: seeds)")
    axes.set_title("解对的测试题 | Test puzzles solved")
    return figure


def _with_steps(name: str, steps: int) -> str:
    """Return "中文 | English" with the number of training steps in both halves."""
    chinese, english = name.split(" | ")
    return f"{chinese}：{steps:,} 步 | {english}: {steps:,} steps"


def _same(group: Tensor) -> Tensor:
    return group[:, None] == group
