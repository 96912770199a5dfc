"""Exercises of notebook 10, tuning and parts."""

import random
import statistics

import torch
from torch import nn

from hdd.teaching.exercises.diagnosis import Wrong, build, call, close, copy_parameters
from hdd.teaching.exercises.exercise import Exercise

RATES = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]


# ------------------------------------------------------------------------------ plateau
def _test_plateau(answer):
    # The best mean is at 3e-3; the largest single value and a second hill are elsewhere.
    shift = random.uniform(-3, 3)
    means = [69.5, 60.0, 68.8, 70.0, 68.5, 66.0]
    spread = [0.2, 0.1, 3.0, 0.1, 0.4, 6.0]
    sweep = {
        rate: [mean + shift - width, mean + shift, mean + shift + width]
        for rate, mean, width in zip(RATES, means, spread, strict=True)
    }
    _one_plateau(answer, sweep, (1e-3, 1e-2))
    _one_plateau(answer, dict(reversed(sweep.items())), (1e-3, 1e-2))
    lonely = {1e-3: [50.0, 52.0], 1e-2: [70.0, 72.0], 1e-1: [60.0, 61.0]}
    _one_plateau(answer, lonely, (1e-2, 1e-2))
    # Three steps wide on each side, neither falling steadily nor steeply.
    means = [66.8, 68.3, 69.3, 68.9, 70.0, 69.1, 68.4, 68.6, 67.0]
    wide = {10 ** (step / 2 - 5): [mean + shift] for step, mean in enumerate(means)}
    inner = dict(list(wide.items())[1:-1])  # the same plateau, now up to both ends of the sweep
    for sweep in (wide, inner):
        _one_plateau(answer, sweep, (min(inner), max(inner)))


def _one_plateau(answer, sweep, expected):
    largest = max(max(values) for values in sweep.values())
    near_largest = [r for r, v in sweep.items() if statistics.mean(v) > largest - 2]
    best = max(statistics.mean(values) for values in sweep.values())
    anywhere = [r for r, v in sweep.items() if statistics.mean(v) > best - 2]
    mistakes = {
        "只看了最好的一档和它左右各一档：平台可以更宽 | only the best rate and one on each side of it"
        " were looked at: a plateau can be wider": _within_a_step(sweep, expected),
        "坏的一档后面又变好的学习率也算进去了：从最好的一档出发，遇到第一个不够好的就停"
        " | rates beyond a bad one are counted, too: start at the best rate and stop at the first"
        " that is not good enough": (min(anywhere), max(anywhere)),
        "次序反了：先小后大 | the order is wrong: first the smaller rate": expected[::-1],
    }
    if near_largest:
        mistakes[
            "与单次最好的结果相比了：应当与最好的平均值相比 | compared with the best single"
            " result: compare with the best mean"
        ] = (min(near_largest), max(near_largest))
    close(
        call(answer, sweep),
        expected,
        tolerance=1e-7,
        axes="ends",
        mistakes=_different(mistakes, expected),
    )


def _within_a_step(sweep, expected):
    """Return the ends of a plateau, none further than one rate from the best."""
    rates = sorted(sweep)
    place = rates.index(max(rates, key=lambda rate: statistics.mean(sweep[rate])))
    near = rates[max(0, place - 1) : place + 2]
    return max(near[0], expected[0]), min(near[-1], expected[1])


def _different(mistakes, expected):
    return {name: value for name, value in mistakes.items() if value != expected}


# ---------------------------------------------------------------------------- post-norm
class _PostNorm(nn.Module):
    def __init__(self, dim, mixing):
        super().__init__()
        self.norm, self.mixing = nn.LayerNorm(dim), mixing

    def forward(self, x):
        return self.norm(x + self.mixing(x))


def _other_orders(x, mixing, norm):
    return {
        "这是课程里的 Mixer 块：层归一化在混合之前（pre-norm） | this is the course's block:"
        " its norm stands before the mixing (pre-norm)": x + mixing(norm(x)),
        "残差加了两次：归一化之后不再加 | the residual is added twice: not again after the norm": x
        + norm(x + mixing(x)),
        "混合的输出应当加上，而不是减去 | what mixing computes is added, not subtracted": norm(
            x - mixing(x)
        ),
        "缺少残差连接 | the residual connection is missing": norm(mixing(x)),
        "层归一化只作用在混合的输出上；它应当作用在和上 | the norm acts on the output of the"
        " mixing alone; it should act on the sum": x + norm(mixing(x)),
        "缺少层归一化 | the norm is missing": x + mixing(x),
    }


def _test_post_norm(cls):
    dim = 6
    mixing = nn.Sequential(nn.Linear(dim, 5), nn.GELU(), nn.Linear(5, dim))
    theirs, right = build(cls, dim, mixing), _PostNorm(dim, mixing)
    x, norm = torch.randn(2, 4, dim), right.norm  # (B, S, C)
    call(theirs, x)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norms = [part for part in theirs.modules() if isinstance(part, nn.LayerNorm)]
    if len(norms) != 1:
        raise Wrong(
            "需要恰好一个 `nn.LayerNorm(dim)`，在 `__init__` 里建立 | exactly one"
            " `nn.LayerNorm(dim)` is needed, made in `__init__`"
        )
    copy_parameters(norm, norms[0])
    norm.eps = min(norms[0].eps, 1e-3)  # any small one is right
    with torch.no_grad():
        close(
            call(theirs, x),
            right(x),
            axes="B S C",
            mistakes=_other_orders(x, mixing, norm),
        )


# ------------------------------------------------------------------------------- blocks
def _test_blocks(answer):
    close(
        answer,
        5,
        axes="blocks",
        mistakes={
            "你数的是 MLP：一个 Mixer 块里有两个 | you counted MLPs: a block has two of them": 9,
            "再算一次：此时还没有小于百万分之一 | once more: it is not below one in a million yet": 4,
        },
    )


EXERCISES = [
    Exercise(
        id="10.1",
        title="找出平台 | find the plateau",
        name="plateau",
        stub='''
def plateau(sweep):
    """Return (smallest, largest) rate of the plateau of {rate: [accuracy of each seed, %]}."""
    return ...  # 在这里写 / your code here
''',
        test=_test_plateau,
        hints=(
            "先对每个学习率求各种子的平均值，再找出平均值最高的一档。 | First take the mean over seeds for"
            " each rate, and find the rate with the highest mean.",
            "把学习率从小到大排序：`rates = sorted(sweep)`。 | Sort the rates: `rates = sorted(sweep)`.",
            "用两个下标，从最好的一档出发，一个向左、一个向右，只要下一档比最高平均值低不到 2 就继续。 |"
            " Start two indices at the best rate; move one left and one right as long as the next mean"
            " is less than 2 below the highest.",
        ),
        solution='''
def plateau(sweep):
    """Return (smallest, largest) rate of the plateau of {rate: [accuracy of each seed, %]}."""
    rates = sorted(sweep)
    means = [sum(sweep[rate]) / len(sweep[rate]) for rate in rates]
    low = high = means.index(max(means))
    while low > 0 and means[low - 1] > max(means) - 2:
        low -= 1
    while high + 1 < len(rates) and means[high + 1] > max(means) - 2:
        high += 1
    return rates[low], rates[high]
''',
        wrong={
            "good rates anywhere": (
                "def plateau(sweep):\n"
                "    means = {rate: sum(v) / len(v) for rate, v in sweep.items()}\n"
                "    near = [rate for rate in means if means[rate] > max(means.values()) - 2]\n"
                "    return min(near), max(near)",
                "遇到第一个不够好的就停",
                "stop at the first",
            ),
            "the order of the dict": (
                "def plateau(sweep):\n"
                "    rates = sorted(sweep)\n"
                "    means = [sum(sweep[rate]) / len(sweep[rate]) for rate in rates]\n"
                "    low = high = means.index(max(means))\n"
                "    while low > 0 and means[low - 1] > max(means) - 2:\n"
                "        low -= 1\n"
                "    while high + 1 < len(rates) and means[high + 1] > max(means) - 2:\n"
                "        high += 1\n"
                "    return rates[high], rates[low]",
                "先小后大",
                "first the smaller rate",
            ),
            "one step": (
                "def plateau(sweep):\n"
                "    rates = sorted(sweep)\n"
                "    means = [sum(sweep[rate]) / len(sweep[rate]) for rate in rates]\n"
                "    low = high = means.index(max(means))\n"
                "    if low > 0 and means[low - 1] > max(means) - 2:\n"
                "        low -= 1\n"
                "    if high + 1 < len(rates) and means[high + 1] > max(means) - 2:\n"
                "        high += 1\n"
                "    return rates[low], rates[high]",
                "平台可以更宽",
                "a plateau can be wider",
            ),
            "no return": (
                "def plateau(sweep):\n    sorted(sweep)",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="可以追问：换成“与最好的一次相比”，平台会变宽还是变窄？为什么种子越少，平台越不可靠？ |"
        " Ask: measured from the best single run instead, does a plateau get wider or narrower? And why"
        " is it less reliable with fewer seeds?",
    ),
    Exercise(
        id="10.2",
        title="把层归一化移到后面 | move the norm to the end",
        name="PostNorm",
        stub='''
class PostNorm(nn.Module):
    """Half a block with its norm last: add the mixing to the input, then normalise the sum."""

    def __init__(self, dim, mixing):
        super().__init__()
        ...  # 在这里写 / your code here

    def forward(self, x):  # (B, S, C) -> (B, S, C)
        return ...
''',
        test=_test_post_norm,
        hints=(
            "在 `__init__` 里存下 `mixing`，并建立 `nn.LayerNorm(dim)`。 | In `__init__` keep `mixing` and"
            " make an `nn.LayerNorm(dim)`.",
            "残差连接仍是“输入加上混合的输出”，只是混合之前不再做层归一化。 | The residual is still input"
            " plus mixing; but no norm comes before the mixing.",
            "层归一化放在最外面，作用在整个和上，包括 x。 | The LayerNorm is outermost: it takes"
            " the whole sum, x included.",
        ),
        solution='''
class PostNorm(nn.Module):
    """Half a block with its norm last: add the mixing to the input, then normalise the sum."""

    def __init__(self, dim, mixing):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mixing = mixing

    def forward(self, x):  # (B, S, C) -> (B, S, C)
        return self.norm(x + self.mixing(x))
''',
        wrong={
            "norm first": (
                "class PostNorm(nn.Module):\n"
                "    def __init__(self, dim, mixing):\n"
                "        super().__init__()\n"
                "        self.norm, self.mixing = nn.LayerNorm(dim), mixing\n"
                "    def forward(self, x):\n"
                "        return x + self.mixing(self.norm(x))",
                "层归一化在混合之前",
                "stands before the mixing",
            ),
            "no residual": (
                "class PostNorm(nn.Module):\n"
                "    def __init__(self, dim, mixing):\n"
                "        super().__init__()\n"
                "        self.norm, self.mixing = nn.LayerNorm(dim), mixing\n"
                "    def forward(self, x):\n"
                "        return self.norm(self.mixing(x))",
                "缺少残差连接",
                "the residual connection is missing",
            ),
            "norm on the branch": (
                "class PostNorm(nn.Module):\n"
                "    def __init__(self, dim, mixing):\n"
                "        super().__init__()\n"
                "        self.norm, self.mixing = nn.LayerNorm(dim), mixing\n"
                "    def forward(self, x):\n"
                "        return x + self.norm(self.mixing(x))",
                "应当作用在和上",
                "should act on the sum",
            ),
            "no norm": (
                "class PostNorm(nn.Module):\n"
                "    def __init__(self, dim, mixing):\n"
                "        super().__init__()\n"
                "        self.mixing = mixing\n"
                "    def forward(self, x):\n"
                "        return x + self.mixing(x)",
                "恰好一个",
                "exactly one",
            ),
        },
        note="原始的 Transformer 用的就是这种次序（post-norm）；后来的网络大多把层归一化放在前面，因为这样"
        "残差通路上没有任何东西挡路，深的网络更容易训练。 | The original Transformer has this order"
        " (post-norm); most later networks put the norm first, which leaves the residual path free and"
        " makes deep networks easier to train.",
    ),
    Exercise(
        id="10.3",
        title="多少块之后只剩百万分之一 | after how many blocks a millionth is left",
        name="blocks",
        stub="blocks = ...  # 一个整数 / an integer",
        test=_test_blocks,
        hints=(
            "一个 Mixer 块里有两个 MLP，所以每过一块，差别变为原来的 1/25。 | A block has two MLPs, so each"
            " block leaves 1/25 of a difference.",
            "求最小的 k，使 25 的 k 次方大于一百万。 | Find the smallest k for which 25 to the power k"
            " exceeds one million.",
            "从 25² = 625 开始，一次一次乘以 25，数到超过一百万为止。 | Start from 25² = 625,"
            " multiply by 25 again and again, and count until you are past a million.",
        ),
        solution="blocks = 5",
        wrong={
            "MLPs, not blocks": ("blocks = 9", "你数的是 MLP", "you counted MLPs"),
            "one too few": ("blocks = 4", "还没有小于", "not below"),
            "a pair": ("blocks = (5, 10)", "一个", "one"),
        },
        note="接着问：单精度浮点数约有 7 位有效数字，这说明了什么？ | Then ask: a single-precision number has"
        " about seven digits; what follows?",
    ),
]
