"""Exercises of notebook 16, fixed places."""

import torch
from torch import nn

from hdd.tasks.sudoku import candidates, eliminate, generate, peers
from hdd.teaching.exercises.diagnosis import Wrong, call, close, number
from hdd.teaching.exercises.exercise import Exercise


# ---------------------------------------------------------------------------- elimination
def _test_strike_out(answer):
    puzzles = generate(6, "training", seed=int(torch.randint(1000, ())))
    possible, matrix = candidates(puzzles.givens), peers().float()  # (6, 36, 6), (36, 36)
    for _ in range(2):  # in the second round digits are struck out of cells that were filled in
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


# --------------------------------------------------------------------------- one recursion
def _test_recursion_step(answer):
    torch.manual_seed(int(torch.randint(1000, ())))
    blocks, norm = nn.Sequential(nn.Linear(5, 5), nn.Tanh()), nn.LayerNorm(5)
    nn.init.normal_(norm.weight)
    z, x = torch.randn(2, 6, 5), torch.randn(2, 6, 5)  # (B, S, C)
    with torch.no_grad():
        close(
            call(answer, z, x, blocks, norm),
            norm(blocks(z + x)),
            axes="B S C",
            mistakes={
                "x 加晚了：先加上它，再过 Mixer 块 | x is added too late: add it before the blocks": norm(
                    blocks(z) + x
                ),
                "忘了加上题目 x：走几次以后，网络就不记得题目了 | the puzzle x is not added: after a"
                " few calls the network has forgotten it": norm(blocks(z)),
                "状态 z 没有用上 | the state z is not used": norm(blocks(x)),
                "忘了归一化 | the norm is missing": blocks(z + x),
                "归一化放错了位置：先过 Mixer 块，再归一化 | the norm stands in the wrong place:"
                " blocks first, then the norm": blocks(norm(z + x)),
                "多加了一次残差 | one residual too many": z + norm(blocks(z + x)),
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
        tolerance=1e-4,
        mistakes={
            "比较的方向反了 | the comparison is the wrong way round": float(1 - right),
            "把第 i 个与第 i 个比了：要比较每一对 | entry i is compared with entry i: compare every"
            " pair": float((ours > others[:7]).double().mean()),
            "只比较了平均值：要数每一对 | the means are compared: count every pair instead": float(
                ours.mean() > others.mean()
            ),
        },
    )


# -------------------------------------------------------------------------------- peers
def _test_peers(answer):
    mistakes = {
        "有些格既同行（或同列）又同宫，数了两次 | some share a row (or column) and the box and"
        " are counted twice": 24,
        "这只是同一行的格 | these are only those in its row": 8,
        "一格的相关格不算自己 | a cell does not count itself among its peers": 21,
        "还有同宫的格子 | the box has further ones": 16,
    }
    close(answer, 20, tolerance=0.5, mistakes=mistakes)


EXERCISES = [
    Exercise(
        id="16.1",
        title="划掉数字就是词元混合 | striking out digits is token mixing",
        name="strike_out",
        stub='''
def strike_out(possible, A):
    """One round: possible (N, 36, 6) bool, A (36, 36) 0/1 -> what is still possible."""
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
    """One round: possible (N, 36, 6) bool, A (36, 36) 0/1 -> what is still possible."""
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
        title="递归的一步 | one step of the recursion",
        name="recursion_step",
        stub='''
def recursion_step(z, x, blocks, norm):
    """State z and puzzle x, (B, S, C) both -> the next state (B, S, C)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_recursion_step,
        hints=(
            "看上面的循环图：题目每一次都要加进来。"
            " | Look at the drawing of the loop: the puzzle is added every time.",
            "顺序是：相加，两个 Mixer 块，层归一化。"
            " | The order: add, two Mixer blocks, LayerNorm.",
            "层归一化在最外面，相加在最里面。 | LayerNorm is outermost, the sum innermost.",
        ),
        solution='''
def recursion_step(z, x, blocks, norm):
    """State z and puzzle x, (B, S, C) both -> the next state (B, S, C)."""
    return norm(blocks(z + x))
''',
        wrong={
            "no puzzle": (
                "def recursion_step(z, x, blocks, norm): return norm(blocks(z))",
                "忘了加上题目",
                "the puzzle x is not added",
            ),
            "no norm": (
                "def recursion_step(z, x, blocks, norm): return blocks(z + x)",
                "忘了归一化",
                "the norm is missing",
            ),
            "norm first": (
                "def recursion_step(z, x, blocks, norm): return blocks(norm(z + x))",
                "归一化放错了位置",
                "the norm stands in the wrong place",
            ),
        },
        note="追问：去掉 x 会怎样？ | ask: what happens without x?",
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
