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
def _two_means(own: Tensor, other: Tensor, size: int) -> Tensor:
    """Return a matrix with `own` on the diagonal and `other` everywhere else."""
    return torch.eye(size) * (own - other) + other


def _test_average_relabelled(answer):
    size = 5  # 120 orders: few enough for an answer that tries them all
    matrix = torch.randn(size, size) + torch.linspace(1, 3, size).diag()
    own, rest = matrix.diagonal().mean(), matrix.sum() - matrix.trace()
    other = rest / (size * (size - 1))
    close(
        call(answer, matrix),
        _two_means(own, other, size),
        axes="out in",
        mistakes={
            "对角线的元素只和对角线的元素互换，要单独求平均 | entries of the diagonal only change places"
            " with each other: they have a mean of their own": matrix.mean().expand(size, size),
            "只换了行：列也要用同一个次序 | only the rows are moved: the columns need the same"
            " order": matrix.mean(dim=0).expand(size, size),
            "只换了列：行也要用同一个次序 | only the columns are moved: the rows need the same"
            " order": matrix.mean(dim=1, keepdim=True).expand(size, size),
            "对角线以外共有 S (S − 1) 个元素 | off the diagonal there are S (S − 1) entries": (
                _two_means(own, rest / size**2, size)
            ),
            "对角线以外的元素也要求平均 | the entries off the diagonal need their mean, too": (
                _two_means(own, torch.zeros(()), size)
            ),
            "对角线的元素也要求平均 | the entries of the diagonal need their mean, too": (
                _two_means(torch.zeros(()), other, size) + matrix.diagonal().diag()
            ),
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
        title="对所有编号求平均 | the mean over all relabellings",
        name="average_relabelled",
        stub='''
def average_relabelled(matrix):
    """Return the mean of a matrix (S, S) over all relabellings, rows and columns alike."""
    return ...  # 在这里写 / your code here
''',
        test=_test_average_relabelled,
        hints=(
            "先用 3 × 3 的矩阵和纸笔写出 6 种次序，或者用 `itertools.permutations(range(3))`。 | Start with a"
            " 3 × 3 matrix and its 6 orders, on paper or with `itertools.permutations(range(3))`.",
            "对角线上的元素，无论怎样编号都留在对角线上，而且在每一格出现的次数相同。 | Whatever the labels,"
            " an entry of the diagonal stays on the diagonal, in each of its places equally often.",
            "所以对角线处处是对角线的平均；其余的元素同样处处是它们的平均，它们的和是"
            " `matrix.sum() - matrix.trace()`。 | So the diagonal holds its mean everywhere; all other"
            " entries hold theirs, and their sum is `matrix.sum() - matrix.trace()`.",
        ),
        solution='''
def average_relabelled(matrix):
    """Return the mean of a matrix (S, S) over all relabellings, rows and columns alike."""
    size = len(matrix)
    others = (matrix.sum() - matrix.trace()) / (size * (size - 1))
    average = torch.full_like(matrix, others.item())
    return average.fill_diagonal_(matrix.diagonal().mean().item())
''',
        wrong={
            "one mean for all": (
                "def average_relabelled(matrix): return matrix.mean().expand(matrix.shape)",
                "要单独求平均",
                "a mean of their own",
            ),
            "rows only": (
                "def average_relabelled(matrix): return matrix.mean(dim=0).expand(matrix.shape)",
                "只换了行",
                "only the rows",
            ),
            "columns only": (
                "def average_relabelled(matrix):\n"
                "    return matrix.mean(dim=1, keepdim=True).expand(matrix.shape)",
                "只换了列",
                "only the columns",
            ),
            "the wrong number of entries": (
                "def average_relabelled(matrix):\n"
                "    rest = (matrix.sum() - matrix.trace()) / matrix.numel()\n"
                "    average = torch.full_like(matrix, rest.item())\n"
                "    return average.fill_diagonal_(matrix.diagonal().mean().item())",
                "S (S − 1)",
                "S (S − 1)",
            ),
            "the diagonal alone": (
                "def average_relabelled(matrix):\n"
                "    return matrix.diagonal().mean() * torch.eye(len(matrix))",
                "对角线以外的元素也要求平均",
                "off the diagonal need their mean",
            ),
            "the diagonal as it was": (
                "def average_relabelled(matrix):\n"
                "    rest = matrix - matrix.diagonal().diag()\n"
                "    mean = rest.sum() / (len(matrix) * (len(matrix) - 1))\n"
                "    return mean * (1 - torch.eye(len(matrix))) + matrix.diagonal().diag()",
                "对角线的元素也要求平均",
                "of the diagonal need their mean",
            ),
        },
        note="得到的矩阵是单位矩阵和常数矩阵的组合：它不含任何关于谁与谁相邻的信息。它的平方和占矩阵平方和的"
        "比例，就是第 4 节的灰柱。 | The result combines identity and constant matrix: it knows nothing of"
        " neighbours. Its share of the matrix's sum of squares is the grey bar of section 4.",
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
