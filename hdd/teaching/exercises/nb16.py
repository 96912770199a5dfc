"""Exercises of notebook 16, fixed places."""

import torch
from torch.nn import functional

from hdd.tasks.sudoku import candidates, eliminate, generate, peers
from hdd.teaching.exercises.diagnosis import Wrong, call, close, number
from hdd.teaching.exercises.exercise import Exercise


# ---------------------------------------------------------------------------- elimination
def _test_strike_out(answer):
    puzzles = generate(6, "training", seed=int(torch.randint(1000, ())))
    possible, matrix = candidates(puzzles.givens), peers().float()  # (6, 36, 6), (36, 36)
    for _ in range(2):  # in the second pass digits are struck out of cells that were filled in
        right = eliminate(possible, hidden=False)
        certain = (possible & (possible.sum(2, keepdim=True) == 1)).float()
        counts = matrix @ certain
        close(
            call(answer, possible, matrix),
            right.float(),
            axes="N cell digit",
            mistakes={
                "从不确定的格子也划掉了：只有一种可能的格子才算数 | cells that are not certain strike"
                " out, too: only those with one digit left count": (
                    possible & ~(matrix @ possible.float() > 0)
                ).float(),
                "什么也没有划掉 | nothing is struck out": possible.float(),
                "这是被禁止的数字，不是还剩下的 | these are the digits that are forbidden, not those"
                " that are left": (counts > 0).float(),
                "这是禁止的次数；要的是还有哪些数字可能 | these count how often a digit is forbidden;"
                " wanted is what is still possible": counts,
                "忘了保留已经划掉的：与 possible 取“并且” | what was struck out before comes back:"
                " combine with possible by “and”": (counts == 0).float(),
            },
        )
        possible = right


# ------------------------------------------------------------------------------ conflicts
def _test_conflicts(answer):
    matrix = peers().float()  # (36, 36)
    grid = generate(1, "training", seed=int(torch.randint(1000, ()))).solutions[0].long()  # (36,)
    wrong = grid.clone()
    wrong[torch.randperm(36)[:9]] = torch.randint(6, (9,))
    for digits in (grid, wrong, torch.randint(6, (36,))):
        X = functional.one_hot(digits, 6).float()  # (36, 6)
        taken = matrix @ X
        right = float((X * taken).sum()) / 2
        close(
            number(call(answer, X, matrix)),
            right,
            mistakes={
                "每一对数了两次：i 与 j、j 与 i 是同一对 | every pair is counted twice: i with j and j"
                " with i are the same": 2 * right,
                "这是所有的相关格对，不管数字是否相同：用 X 取出各格自己的数字 | these are all pairs of"
                " peers, whatever they hold: pick each cell's own digit with X": float(taken.sum())
                / 2,
                "数的是有冲突的格子，不是格子的对数 | these are the cells in conflict, not the pairs of"
                " cells": float(((X * taken).sum(1) > 0).sum()),
            },
        )


# ---------------------------------------------------------------------------------- area
def _test_auc(answer):
    ours, others = torch.randn(7) + 0.5, torch.randn(9)
    right = (ours[:, None] > others).double().mean()
    theirs = number(call(answer, ours, others))
    if theirs > 1:
        raise Wrong(
            "大于 1：数出的对数还要除以总对数 | above 1: divide the number of pairs in order by the"
            " number of all pairs"
        )
    close(
        theirs,
        float(right),
        mistakes={
            "比较的方向反了 | the comparison is the wrong way round": float(1 - right),
            "把第 i 个与第 i 个比了：要比较每一对 | entry i is compared with entry i: compare every"
            " pair": float((ours > others[:7]).double().mean()),
            "只比较了平均值：要数每一对 | the means are compared: count every pair instead": float(
                ours.mean() > others.mean()
            ),
        },
    )
    _look_for_ties(answer, ours)


def _look_for_ties(answer, ours):
    """Raise Wrong if equal numbers count as larger; half of them, as some definitions have it, may."""
    at_least = float((ours[:, None] >= ours).double().mean())
    if abs(number(call(answer, ours, ours)) - at_least) < 1e-4:
        raise Wrong("两个数相等时，前者并不更大 | of two equal numbers, the first is not larger")


# -------------------------------------------------------------------------------- peers
def _test_peers(answer):
    mistakes = {
        "有些格既同行（或同列）又同宫，数了两次 | some share a row (or column) and the box and"
        " are counted twice": 24,
        "这只是同一行的格 | these are only those in its row": 8,
        "一格的相关格不算自己 | a cell does not count itself among its peers": 21,
        "还有同宫的格子 | the box has further ones": 16,
    }
    close(answer, 20, mistakes=mistakes)


EXERCISES = [
    Exercise(
        id="16.1",
        title="用词元混合划掉数字 | striking out digits by token mixing",
        name="strike_out",
        stub='''
def strike_out(possible, A):
    """One elimination: possible (N, 36, 6) bool, A (36, 36) 0/1 -> what is still possible."""
    return ...  # 在这里写 / your code here
''',
        test=_test_strike_out,
        hints=(
            "先找出确定的格子：`possible.sum(2, keepdim=True) == 1`。"
            " | First find the cells that are certain: `possible.sum(2, keepdim=True) == 1`.",
            "`A @ certain.float()` 数出每格的每个数字被多少个相关格占用。"
            " | `A @ certain.float()` counts by how many peers each digit of each cell is taken.",
            "“确定”要同时满足两个条件：这个数字还可能，而且这一格只剩一种。计数为 0 的数字才留下。"
            " | “Certain” takes two conditions: the digit is possible, and the cell has one digit"
            " left. Only digits with a count of 0 stay.",
        ),
        solution='''
def strike_out(possible, A):
    """One elimination: possible (N, 36, 6) bool, A (36, 36) 0/1 -> what is still possible."""
    certain = possible & (possible.sum(2, keepdim=True) == 1)  # (N, 36, 6)
    return possible & (A @ certain.float() == 0)
''',
        wrong={
            "uncertain cells count": (
                "def strike_out(possible, A): return possible & (A @ possible.float() == 0)",
                "只有一种可能的格子才算数",
                "only those with one digit left count",
            ),
            "forgets what was struck out": (
                "def strike_out(possible, A):\n"
                "    certain = possible & (possible.sum(2, keepdim=True) == 1)\n"
                "    return A @ certain.float() == 0",
                "忘了保留已经划掉的",
                "what was struck out before comes back",
            ),
            "counts": (
                "def strike_out(possible, A):\n"
                "    certain = possible & (possible.sum(2, keepdim=True) == 1)\n"
                "    return A @ certain.float()",
                "这是禁止的次数",
                "these count how often",
            ),
        },
        note="板书：四格一行的例子，A 与 X 相乘 | board: the row of four cells, A times X",
    ),
    Exercise(
        id="16.2",
        title="不看答案，检查规则 | checking the rules without the solution",
        name="conflicts",
        stub='''
def conflicts(X, A):
    """Answer X (36, 6) 0/1, A (36, 36) 0/1 -> how many pairs of peers hold the same digit."""
    return ...  # 在这里写 / your code here
''',
        test=_test_conflicts,
        hints=(
            "`A @ X` 是第 1 节的乘积：每格的每个数字，被几个相关格占用？"
            " | `A @ X` is the product of section 1: by how many peers is each digit of each cell taken?",
            "只看每格自己的数字：逐元素乘以 `X`。"
            " | Only a cell's own digit matters: multiply by `X`, entry by entry.",
            "`X * (A @ X)` 里，同一对相关格出现几次？"
            " | How often does one pair of peers occur in `X * (A @ X)`?",
        ),
        solution='''
def conflicts(X, A):
    """Answer X (36, 6) 0/1, A (36, 36) 0/1 -> how many pairs of peers hold the same digit."""
    return (X * (A @ X)).sum() / 2
''',
        wrong={
            "twice": (
                "def conflicts(X, A): return (X * (A @ X)).sum()",
                "每一对数了两次",
                "every pair is counted twice",
            ),
            "all pairs": (
                "def conflicts(X, A): return (A @ X).sum() / 2",
                "不管数字是否相同",
                "whatever they hold",
            ),
            "cells": (
                "def conflicts(X, A): return ((X * (A @ X)).sum(1) > 0).sum()",
                "数的是有冲突的格子",
                "these are the cells in conflict",
            ),
        },
        note="追问：没有冲突，就一定是唯一的解吗？（还要与已知数一致）"
        " | ask: does no conflict mean the right solution? (it must also agree with the givens)",
    ),
    Exercise(
        id="16.3",
        title="曲线下面积 | the area under the curve",
        name="auc",
        stub='''
def auc(ours, others):
    """The share of pairs (one of ours, one of the others) in which ours is larger."""
    return ...  # 在这里写 / your code here
''',
        test=_test_auc,
        hints=(
            "不用循环：`ours[:, None]` 与 `others` 比较，得到一张表。"
            " | No loop is needed: compare `ours[:, None]` with `others` for a table of all pairs.",
            "表里每个元素是真或假；平均值就是比例。"
            " | Each entry is true or false; their mean is the share.",
            "真假值要先用 `.float()` 转成数，才能求平均。 | Truth values become numbers with"
            " `.float()`; only then can one take their mean.",
        ),
        solution='''
def auc(ours, others):
    """The share of pairs (one of ours, one of the others) in which ours is larger."""
    return (ours[:, None] > others).float().mean()
''',
        wrong={
            "reversed": (
                "def auc(ours, others): return (ours[:, None] < others).float().mean()",
                "比较的方向反了",
                "the wrong way round",
            ),
            "equal ones, too": (
                "def auc(ours, others): return (ours[:, None] >= others).float().mean()",
                "两个数相等时",
                "of two equal numbers",
            ),
            "sum": (
                "def auc(ours, others): return (ours[:, None] > others).float().sum()",
                "大于 1",
                "above 1",
            ),
            "means": (
                "def auc(ours, others): return float(ours.mean() > others.mean())",
                "只比较了平均值",
                "the means are compared",
            ),
        },
        note="0.5 是随机猜测的水平 | 0.5 is the level of chance",
    ),
    Exercise(
        id="16.4",
        title="9 × 9 数独的相关格 | peers in a 9 × 9 Sudoku",
        name="peers_of_nine",
        stub="peers_of_nine = ...  # 一格有多少个相关格？ / how many peers does a cell have?",
        test=_test_peers,
        hints=(
            "同行 8 个，同列 8 个，同宫 8 个；但有些被数了两次。"
            " | 8 in the row, 8 in the column, 8 in the box; but some are counted twice.",
            "宫里与它同行的有 2 个，同列的有 2 个。"
            " | Of the box, 2 share its row and 2 share its column.",
            "宫里与它同行或同列的格子，已经算在行和列的 8 个里，要减去。 | The cells of the box"
            " in its row or column are among the 8 of that row or column already: subtract them.",
        ),
        solution="peers_of_nine = 8 + 8 + 8 - 4",
        wrong={
            "counted twice": ("peers_of_nine = 24", "数了两次", "counted twice"),
            "itself": ("peers_of_nine = 21", "不算自己", "does not count itself"),
            "box forgotten": ("peers_of_nine = 16", "宫", "box"),
        },
        note="6 × 6 时：5 + 5 + 5 − 3 = 12 | for 6 × 6: 5 + 5 + 5 − 3 = 12",
    ),
]
