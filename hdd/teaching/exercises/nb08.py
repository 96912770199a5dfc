"""Exercises of notebook 08, learned weights."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jacrev
from torch.nn import functional

from hdd.teaching.exercises.diagnosis import call, close
from hdd.teaching.exercises.exercise import Exercise


# ---------------------------------------------------------------------------- Moran's I
def _neighbours(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the products of neighbours across and down."""
    return values[:, 1:] * values[:, :-1], values[1:] * values[:-1]


def _mean_of(*parts: Tensor) -> Tensor:
    return torch.cat([part.flatten() for part in parts]).mean()


def _moran_mistakes(weights, centred):
    across, down = _neighbours(centred)
    variance = centred.square().mean()
    raw = _mean_of(*_neighbours(weights)) / weights.square().mean()
    around = [centred * centred.roll(1, dims=axis) for axis in (0, 1)]
    return {
        "先要减去整张图的平均值 | the mean of the map has to be taken off first": raw,
        "只算了左右相邻的两格 | only neighbours in a row are counted": across.mean() / variance,
        "只算了上下相邻的两格 | only neighbours in a column are counted": down.mean() / variance,
        "绕回了另一边：边上的格子没有那边的邻居 | it wraps around: at the edge there is no"
        " neighbour on that side": _mean_of(*around) / variance,
        "左右和上下的对数不同：把所有的对放在一起求平均 | there are more pairs in one direction"
        " than in the other: average over all pairs together": (across.mean() + down.mean())
        / 2
        / variance,
        "方差要除以格数，不是格数减 1：用 `d.square().mean()` | the variance divides by the number"
        " of cells, not by one less: use `d.square().mean()`": _mean_of(across, down)
        / centred.var(),
        "分子和分母都要求平均，不是求和 | numerator and denominator are means, not sums": (
            across.sum() + down.sum()
        )
        / centred.square().sum(),
        "还要除以方差 | divide by the variance": _mean_of(across, down),
        "除以的应当是方差，不是标准差 | divide by the variance, not by the standard"
        " deviation": _mean_of(across, down) / variance.sqrt(),
    }


def _test_morans_i(answer):
    walk = torch.randn(5, 7).cumsum(0)  # (h, w)
    weights = walk - walk.mean() + 2  # its mean is never close to 0
    centred = weights - weights.mean()
    close(
        call(answer, weights),
        _mean_of(*_neighbours(centred)) / centred.square().mean(),
        mistakes=_moran_mistakes(weights, centred),
    )


# ------------------------------------------------------------------------ the joint null
def _test_relabel(answer):
    matrix, order = torch.randn(6, 6), torch.tensor([2, 0, 1, 5, 3, 4])  # not its own inverse
    back = order.argsort()
    close(
        call(answer, matrix, order),
        matrix[order][:, order],
        axes="out in",
        mistakes={
            "只换了行：列也要用同一个次序 | only the rows are moved: the columns need the same"
            " order": matrix[order],
            "只换了列：行也要用同一个次序 | only the columns are moved: the rows need the same"
            " order": matrix[:, order],
            "行用了这个次序，列用了相反的次序，对角线散了 | the rows are moved by this order and the"
            " columns back by it: the diagonal is lost": matrix[order][:, back],
            "次序用反了：新的第 i 个词元是原来的第 order[i] 个 | the order is used the wrong way"
            " round: the new token i is the old token order[i]": matrix[back][:, back],
            "`matrix[order, order]` 只取出对角线 | `matrix[order, order]` only takes the"
            " diagonal": matrix[order, order],
        },
    )


# --------------------------------------------------------------------- finite differences
def _mixing(first: Tensor, second: Tensor) -> Callable[[Tensor], Tensor]:
    """Return token mixing of one channel, (S,) -> (S,)."""
    return lambda x: second @ functional.gelu(first @ x)


def _test_dependence(answer):
    first, second = torch.randn(9, 6, dtype=torch.float64), torch.randn(6, 9, dtype=torch.float64)
    x, out, mixing = torch.randn(6, dtype=torch.float64), 2, _mixing(first, second)
    jacobian = jacrev(mixing)(x)  # (S, S)
    close(
        call(answer, mixing, x, out),
        jacobian[out],
        tolerance=1e-3,
        axes="in",
        mistakes={
            "这是一列：一个输入改动时各个输出的变化 | this is a column: what one input does to all"
            " outputs": jacobian[:, out],
            "还要除以改动的大小 | divide by the size of the change": 1e-5 * jacobian[out],
            "改动没有还原，越积越多：每次都从 `x` 重新开始 | the changes pile up: start from `x` each"
            " time": jacobian[out].cumsum(0),
        },
    )


EXERCISES = [
    Exercise(
        id="08.1",
        title="莫兰指数 | Moran's I",
        name="morans_i",
        stub='''
def morans_i(weights):
    """Return Moran's I of one map of weights (h, w), not yet on its scale."""
    return ...  # 在这里写 / your code here
''',
        test=_test_morans_i,
        hints=(
            "先减去平均值：`d = weights - weights.mean()`。分母是 `d` 的平方的平均。 | First take off the"
            " mean: `d = weights - weights.mean()`. The denominator is the mean of the squares of `d`.",
            "左右相邻的乘积是 `d[:, 1:] * d[:, :-1]`；上下相邻的，把切片换到第一个下标上。 | The products of"
            " neighbours in a row are `d[:, 1:] * d[:, :-1]`; for those in a column, slice the first"
            " index.",
            "两种乘积的个数可能不同：用 `torch.cat` 把它们排成一列，再求平均。 | The two kinds may differ in"
            " number: put them in one row with `torch.cat`, then take the mean.",
        ),
        solution='''
def morans_i(weights):
    """Return Moran's I of one map of weights (h, w), not yet on its scale."""
    d = weights - weights.mean()  # (h, w)
    across, down = d[:, 1:] * d[:, :-1], d[1:] * d[:-1]
    products = torch.cat([across.flatten(), down.flatten()])
    return products.mean() / d.square().mean()
''',
        wrong={
            "mean not taken off": (
                "def morans_i(weights):\n"
                "    a, b = weights[:, 1:] * weights[:, :-1], weights[1:] * weights[:-1]\n"
                "    p = torch.cat([a.flatten(), b.flatten()])\n"
                "    return p.mean() / weights.square().mean()",
                "减去整张图的平均值",
                "taken off first",
            ),
            "rows only": (
                "def morans_i(weights):\n"
                "    d = weights - weights.mean()\n"
                "    return (d[:, 1:] * d[:, :-1]).mean() / d.square().mean()",
                "只算了左右相邻",
                "only neighbours in a row",
            ),
            "wrapping around": (
                "def morans_i(weights):\n"
                "    d = weights - weights.mean()\n"
                "    p = torch.cat([d * d.roll(1, 0), d * d.roll(1, 1)])\n"
                "    return p.mean() / d.square().mean()",
                "绕回了另一边",
                "wraps around",
            ),
            "not divided": (
                "def morans_i(weights):\n"
                "    d = weights - weights.mean()\n"
                "    a, b = d[:, 1:] * d[:, :-1], d[1:] * d[:-1]\n"
                "    return torch.cat([a.flatten(), b.flatten()]).mean()",
                "除以方差",
                "by the variance",
            ),
        },
        note="用四个词元一行的例子先手算：(1, 1, −1, −1) 得 1/3，(1, −1, 1, −1) 得 −1。 | Let them work out"
        " the rows of four tokens first: (1, 1, −1, −1) gives 1/3, (1, −1, 1, −1) gives −1.",
    ),
    Exercise(
        id="08.2",
        title="给词元重新编号 | relabelling the tokens",
        name="relabel",
        stub='''
def relabel(matrix, order):
    """Return a matrix (S, S) between tokens if the new token i is the old token order[i]."""
    return ...  # 在这里写 / your code here
''',
        test=_test_relabel,
        hints=(
            "行是输出词元，列是输入词元。编号变了，两者都要跟着变。 | Rows are output tokens, columns are"
            " input tokens. If the labels change, both have to follow.",
            "新矩阵在 (i, j) 处的元素，是原矩阵在 (order[i], order[j]) 处的元素。 | The new entry at (i, j) is"
            " the old entry at (order[i], order[j]).",
            "`matrix[order]` 只换了行；列是第二个下标。 | `matrix[order]` has changed the rows"
            " alone; the columns are the second index.",
        ),
        solution='''
def relabel(matrix, order):
    """Return a matrix (S, S) between tokens if the new token i is the old token order[i]."""
    return matrix[order][:, order]
''',
        wrong={
            "rows only": (
                "def relabel(matrix, order): return matrix[order]",
                "只换了行",
                "only the rows",
            ),
            "columns only": (
                "def relabel(matrix, order): return matrix[:, order]",
                "只换了列",
                "only the columns",
            ),
            "back and forth": (
                "def relabel(matrix, order): return matrix[order][:, order.argsort()]",
                "对角线散了",
                "the diagonal is lost",
            ),
            "the diagonal": (
                "def relabel(matrix, order): return matrix[order, order]",
                "只取出对角线",
                "only takes the diagonal",
            ),
        },
        note="追问：对角线、平均值、特征值，哪些会变？（都不变。） | Ask: which of diagonal, mean and eigenvalues"
        " change? (None.)",
    ),
    Exercise(
        id="08.3",
        title="用有限差分测量依赖关系 | dependence by finite differences",
        name="dependence",
        stub='''
def dependence(function, x, out, step=1e-5):
    """Return how fast output token `out` changes with each input token: (S,) for x (S,)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_dependence,
        hints=(
            "对每个输入词元做一次实验：复制 `x`，只改动这一个，看输出 `out` 变了多少。 | One experiment per input"
            " token: copy `x`, change this one alone, and see how far output `out` moves.",
            "导数约等于（改动后的输出 − 原来的输出）/ 改动的大小。 | The derivative is about (new output −"
            " old output) / size of the change.",
            "循环里写 `moved = x.clone(); moved[s] += step`，最后用 `torch.stack` 把结果排成一列。 | In the loop"
            " write `moved = x.clone(); moved[s] += step`; `torch.stack` collects the results.",
        ),
        solution='''
def dependence(function, x, out, step=1e-5):
    """Return how fast output token `out` changes with each input token: (S,) for x (S,)."""
    rates = []
    for s in range(len(x)):
        moved = x.clone()
        moved[s] += step
        rates.append((function(moved)[out] - function(x)[out]) / step)
    return torch.stack(rates)  # (S,)
''',
        wrong={
            "a column": (
                "def dependence(function, x, out, step=1e-5):\n"
                "    moved = x.clone()\n"
                "    moved[out] += step\n"
                "    return (function(moved) - function(x)) / step",
                "这是一列",
                "this is a column",
            ),
            "not divided": (
                "def dependence(function, x, out, step=1e-5):\n"
                "    rates = []\n"
                "    for s in range(len(x)):\n"
                "        moved = x.clone()\n"
                "        moved[s] += step\n"
                "        rates.append(function(moved)[out] - function(x)[out])\n"
                "    return torch.stack(rates)",
                "除以改动的大小",
                "divide by the size",
            ),
            "piling up": (
                "def dependence(function, x, out, step=1e-5):\n"
                "    rates, moved = [], x.clone()\n"
                "    for s in range(len(x)):\n"
                "        moved[s] += step\n"
                "        rates.append((function(moved)[out] - function(x)[out]) / step)\n"
                "    return torch.stack(rates)",
                "越积越多",
                "pile up",
            ),
            "changes the input": (
                "def dependence(function, x, out, step=1e-5):\n"
                "    before, rates = function(x)[out], []\n"
                "    for s in range(len(x)):\n"
                "        x[s] += step\n"
                "        rates.append((function(x)[out] - before) / step)\n"
                "    return torch.stack(rates)",
                "改动了输入",
                "changes its input",
            ),
        },
        note="也可以用 `torch.func.jacrev` 核对；问一问：为什么换一个输入 `x`，结果会变？（GELU。） |"
        " `torch.func.jacrev` checks it. Ask why another input `x` gives another result (the GELU).",
    ),
]
