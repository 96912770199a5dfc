"""Exercises of notebook 17, the verdicts: what a few seeds can say."""

import statistics

import torch

from hdd.teaching.exercises.diagnosis import call, close
from hdd.teaching.exercises.exercise import Exercise

T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
GIVEN = f"import statistics\nT95 = {T95!r}"


def _interval(values, quantile=None, spread=statistics.stdev, root=0.5):
    half = (quantile or T95[len(values) - 1]) * spread(values) / len(values) ** root
    return statistics.mean(values) - half, statistics.mean(values) + half


def _mistakes(values):
    return {
        "用了 1.96：种子这样少，要用 t 分布的分位数 | 1.96 is used: with so few seeds it takes the"
        " quantile of the t distribution": _interval(values, quantile=1.96),
        "自由度是 n − 1：用 `T95[n - 1]` | there are n − 1 degrees of freedom: use `T95[n - 1]`": (
            _interval(values, quantile=T95[len(values)])
        ),
        "除以了 n，而不是 n 的平方根 | divided by n, not by its square root": _interval(
            values, root=1
        ),
        "这是最小值和最大值，不是平均值的区间 | these are minimum and maximum, not an interval of the"
        " mean": (min(values), max(values)),
        "标准差要除以 n − 1，而不是 n：用 `statistics.stdev` | the standard deviation divides by"
        " n − 1, not by n: use `statistics.stdev`": _interval(values, spread=statistics.pstdev),
        "没有除以 n 的平方根：这是单次运行的波动，不是平均值的 | the square root of n is missing:"
        " this is the spread of one run, not of the mean": _interval(values, root=0),
    }


def _accuracies(n):
    return (70 + 2 * torch.randn(n, dtype=torch.float64)).tolist()


def _test_interval(answer):
    for n in (3, 5, 8):
        values = _accuracies(n)
        close(call(answer, values), _interval(values), axes="ends", mistakes=_mistakes(values))


def _unpaired(a, b):
    half = T95[len(a) - 1] * ((statistics.variance(a) + statistics.variance(b)) / len(a)) ** 0.5
    gap = statistics.mean(a) - statistics.mean(b)
    return gap - half, gap + half


def _test_paired(answer):
    for n in (3, 6):
        a, b = _accuracies(n), _accuracies(n)
        gaps = [x - y for x, y in zip(a, b, strict=True)]
        low, high = _interval(gaps)
        close(
            call(answer, a, b),
            (low, high),
            axes="ends",
            mistakes=_mistakes(gaps)
            | {
                "没有配对：用的是两组各自的标准差 | not paired: the spreads of the two groups are used": (
                    _unpaired(a, b)
                ),
                "减反了：要的是 a − b | subtracted the wrong way round: a − b is wanted": (
                    -high,
                    -low,
                ),
            },
        )


def _test_half_width(answer):
    low, high = _interval([74.6, 73.6, 74.3])
    close(
        answer,
        (high - low) / 2,
        tolerance=0.05,
        mistakes={
            "没有除以 n 的平方根 | the square root of n is missing": (high - low) / 2 * 3**0.5,
            "用了 1.96：种子这样少，要用 t 分布的分位数 | 1.96 is used: with so few seeds it takes the"
            " quantile of the t distribution": (high - low) / 2 * 1.96 / T95[2],
            "这是整个区间的宽度，问的是一半 | this is the whole width, half of it is asked for": high
            - low,
        },
    )


EXERCISES = [
    Exercise(
        id="17.1",
        title="平均值的 95% 置信区间 | the 95% confidence interval of a mean",
        name="interval",
        given=GIVEN,
        stub='''
def interval(values):
    """Return (low, high): the 95% interval of the mean of a few numbers."""
    return ...  # 在这里写 / your code here
''',
        test=_test_interval,
        hints=(
            "平均值 ± 某个数：先算标准差，再想平均值的波动比单次运行小多少。 | The mean plus or minus"
            " something: compute the standard deviation, then ask how much less the mean varies.",
            "n 个数的平均值，波动是单次运行的 1/√n。 | The mean of n numbers varies 1/√n as much as one"
            " run does.",
            "把标准误 s / √n 乘以 `T95[n - 1]`；`statistics.stdev` 给出 s。 | Multiply the"
            " standard error s / √n by `T95[n - 1]`; `statistics.stdev` gives s.",
        ),
        solution='''
def interval(values):
    """Return (low, high): the 95% interval of the mean of a few numbers."""
    n, mean = len(values), statistics.mean(values)
    half = T95[n - 1] * statistics.stdev(values) / n**0.5
    return mean - half, mean + half
''',
        wrong={
            "normal": (
                "def interval(v):\n    h = 1.96 * statistics.stdev(v) / len(v)**0.5\n"
                "    return statistics.mean(v) - h, statistics.mean(v) + h",
                "用了 1.96",
                "1.96 is used",
            ),
            "population": (
                "def interval(v):\n    h = T95[len(v) - 1] * statistics.pstdev(v) / len(v)**0.5\n"
                "    return statistics.mean(v) - h, statistics.mean(v) + h",
                "除以 n − 1",
                "divides by n − 1",
            ),
            "no root": (
                "def interval(v):\n    h = T95[len(v) - 1] * statistics.stdev(v)\n"
                "    return statistics.mean(v) - h, statistics.mean(v) + h",
                "没有除以 n 的平方根",
                "square root of n is missing",
            ),
            "no return": (
                "def interval(v): statistics.mean(v)",
                "忘了写 `return`",
                "a `return` missing",
            ),
        },
        note="三个种子时 t 分位数是 4.3，不是 2：最小值到最大值看起来很窄，其实不窄。 | With three seeds"
        " the t quantile is 4.3, not 2: a range from minimum to maximum looks tight and is not.",
    ),
    Exercise(
        id="17.2",
        title="成对比较 | a paired comparison",
        name="paired_interval",
        given=GIVEN,
        stub='''
def paired_interval(a, b):
    """Return the 95% interval of the mean of a - b; run i of both used the same seed and data."""
    return ...  # 在这里写 / your code here
''',
        test=_test_paired,
        hints=(
            "两个网络的第 i 次运行用了同样的种子和数据，所以先逐对相减。 | Run i of both networks had the"
            " same seed and data, so subtract pair by pair first.",
            "差值就是一组新的数，对它用上一题的公式。 | The differences are a new set of numbers: apply"
            " the formula of the previous exercise to them.",
            "`zip(a, b)` 把同一个种子的两个数配成一对。 | `zip(a, b)` pairs the two numbers of"
            " each seed.",
        ),
        solution='''
def paired_interval(a, b):
    """Return the 95% interval of the mean of a - b; run i of both used the same seed and data."""
    gaps = [x - y for x, y in zip(a, b)]
    n, mean = len(gaps), statistics.mean(gaps)
    half = T95[n - 1] * statistics.stdev(gaps) / n**0.5
    return mean - half, mean + half
''',
        wrong={
            "reversed": (
                "def paired_interval(a, b):\n    g = [y - x for x, y in zip(a, b)]\n"
                "    h = T95[len(g) - 1] * statistics.stdev(g) / len(g)**0.5\n"
                "    return statistics.mean(g) - h, statistics.mean(g) + h",
                "减反了",
                "the wrong way round",
            ),
            "normal": (
                "def paired_interval(a, b):\n    g = [x - y for x, y in zip(a, b)]\n"
                "    h = 1.96 * statistics.stdev(g) / len(g)**0.5\n"
                "    return statistics.mean(g) - h, statistics.mean(g) + h",
                "用了 1.96",
                "1.96 is used",
            ),
            "raises": (
                "def paired_interval(a, b):\n    return a - b",
                "第 2 行出错",
                "line 2 raises an error",
            ),
        },
        note="成对设计去掉了种子之间共同的波动，同样多的运行能分辨更小的差别。 | Pairing removes the"
        " variation that both share, so the same number of runs can tell smaller gaps apart.",
    ),
    Exercise(
        id="17.3",
        title="三个种子够不够？ | are three seeds enough?",
        name="half_width",
        stub="half_width = ...  # 一个数，单位是百分点 / a number, in points\n",
        test=_test_half_width,
        hints=(
            "用练习 17.1 的函数：区间上端减下端，再除以 2。 | Use your function from exercise 17.1:"
            " upper end minus lower end, divided by 2.",
            "不用函数也能验算：t · s / √n，n = 3。 | You can check it without the function: t · s"
            " / √n with n = 3.",
            "再判断：图像块边长 4 和 16 的准确率离它约 7 个和 14 个百分点，比半宽大得多还是小？"
            " | Then judge: patches of 4 and 16 are about 7 and 14 points away. How does that compare"
            " with the half width?",
        ),
        solution="half_width = 4.303 * 0.5132 / 3**0.5\n",
        wrong={
            "whole width": ("half_width = 2 * 4.303 * 0.5132 / 3**0.5", "整个区间", "whole width"),
            "range": ("half_width = 1.0", "", ""),
            "negative": ("half_width = -4.303 * 0.5132 / 3**0.5", "符号", "sign"),
        },
        note="答案约 1.3 个百分点，比最小值到最大值的一半（0.5）大得多；但与 7 和 14 个百分点相比很小，三个种子足以排出 12 轮时图像块边长 4、8、16 的次序（计算量相等时次序会变，见 05 篇）。"
        " | The answer is about 1.3 points, far more than half the range (0.5), yet small beside 7 and"
        " 14 points: three seeds rank patches of 4, 8 and 16 after 12 epochs (at equal compute the order changes, see 05).",
    ),
]
