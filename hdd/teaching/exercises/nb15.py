"""Exercises of notebook 15, eight token mixers."""

import torch

from hdd.teaching.exercises.diagnosis import Wrong, call, close, numbers
from hdd.teaching.exercises.exercise import Exercise
from hdd.train.intervals import holm


# --------------------------------------------------------------------------------- gate
def _gated(value, gate, w, b):
    return value * (w @ gate + b[:, None])


def _test_gate(answer):
    x, w, b = torch.randn(2, 5, 6), torch.randn(5, 5), torch.randn(5)  # (B, S, 2C), (S, S), (S,)
    value, gate = x.chunk(2, dim=-1)  # (B, S, C) each
    right = _gated(value, gate, w, b)
    close(
        call(answer, x, w, b),
        right,
        axes="B S C",
        mistakes={
            "两半换了位置：混合的应当是后一半通道 | the halves are swapped: the second half of the"
            " channels is mixed": _gated(gate, value, w, b),
            "`w` 用反了：它的行对应输出词元 | `w` is the wrong way round: its rows are output"
            " tokens": _gated(value, gate, w.T, b),
            "门和值应当相乘，不是相加 | gate and value are multiplied, not added": value
            + (w @ gate + b[:, None]),
            "每隔一个通道取了一个：两半是前一半和后一半 | every second channel is taken: the halves are"
            " the first and the second": _gated(x[..., ::2], x[..., 1::2], w, b),
            "门不经过 sigmoid | the gate does not pass through a sigmoid": value
            * torch.sigmoid(w @ gate + b[:, None]),
            "漏了偏置 `b` | the bias `b` is missing": value * (w @ gate),
        },
    )


# --------------------------------------------------------------------- rows and columns
def _test_mix_axes(answer):
    grid = (3, 4)
    x, rows, columns = torch.randn(2, 12, 5), torch.randn(3, 3), torch.randn(4, 4)
    image = x.unflatten(1, grid)  # (B, h, w, C)
    right = torch.einsum("ih,jw,bhwc->bijc", rows, columns, image).flatten(1, 2)
    only = {
        "只混合了行的方向 | only the rows are mixed": torch.einsum("ih,bhwc->biwc", rows, image),
        "只混合了列的方向 | only the columns are mixed": torch.einsum(
            "jw,bhwc->bhjc", columns, image
        ),
        "混合了两次再相加；应当先混合行，再混合它的结果 | the two mixings are added; the second should"
        " work on what the first gives": torch.einsum("ih,bhwc->biwc", rows, image)
        + torch.einsum("jw,bhwc->bhjc", columns, image),
        "`columns` 用反了：它的行对应输出 | `columns` is the wrong way round: its rows are outputs": (
            torch.einsum("ih,wj,bhwc->bijc", rows, columns, image)
        ),
        "两个矩阵都用反了：它们的行对应输出 | both matrices are the wrong way round: their rows are"
        " outputs": torch.einsum("hi,wj,bhwc->bijc", rows, columns, image),
    }
    mistakes = {name: wrong.flatten(1, 2) for name, wrong in only.items()}
    close(call(answer, x, grid, rows, columns), right, axes="B S C", mistakes=mistakes)


# --------------------------------------------------------------------------------- Holm
def _test_corrected(answer):
    for values in ([0.2, 0.001, 0.012, 0.013, 0.9], [0.04, 0.01, 0.03]):
        count, found = len(values), numbers(call(answer, values))
        if (found > 1).any():
            raise Wrong("概率不能大于 1：用 `min` 截断 | a probability is at most 1: use `min`")
        order = sorted(range(count), key=values.__getitem__)
        plain = [0.0] * count
        for rank, index in enumerate(order):
            plain[index] = min(1.0, (count - rank) * values[index])
        close(
            found,
            holm(values),
            axes="values",
            mistakes={
                "全部乘了同一个 m：这是 Bonferroni 校正 | all are multiplied by the same m: that is"
                " Bonferroni's correction": [min(1.0, count * value) for value in values],
                "这是 Benjamini–Hochberg 的方法：它控制的是错误发现率 | that is Benjamini and Hochberg's"
                " method, which controls the rate of false discoveries": [
                    min(1.0, count * value / (order.index(index) + 1))
                    for index, value in enumerate(values)
                ],
                "校正后的值不能比排在它前面的小：取到目前为止的最大值 | a corrected value may not be"
                " smaller than one before it: take the largest so far": plain,
                "结果要按原来的次序返回，不是按大小 | return them in the order given, not sorted": sorted(
                    holm(values)
                ),
            },
        )


EXERCISES = [
    Exercise(
        id="15.1",
        title="空间门控 | a spatial gate",
        name="gate_tokens",
        stub='''
def gate_tokens(x, w, b):
    """Split x (B, S, 2C) in half; mix the second with w (S, S), b (S,); multiply: (B, S, C)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_gate,
        hints=(
            "`x.chunk(2, dim=-1)` 把通道分成两半。 | `x.chunk(2, dim=-1)` splits the channels in half.",
            "`w @ gate` 沿词元混合；偏置每个词元一个，要写成 `b[:, None]`。 | `w @ gate` mixes the tokens;"
            " there is one bias for each token, so write `b[:, None]`.",
            "另一半原样保留，与混合的结果逐个相乘。 | The other half stays as it is and is"
            " multiplied with what was mixed, number by number.",
        ),
        solution='''
def gate_tokens(x, w, b):
    """Split x (B, S, 2C) in half; mix the second with w (S, S), b (S,); multiply: (B, S, C)."""
    value, gate = x.chunk(2, dim=-1)  # (B, S, C) each
    return value * (w @ gate + b[:, None])
''',
        wrong={
            "halves swapped": (
                "def gate_tokens(x, w, b):\n    gate, value = x.chunk(2, dim=-1)\n"
                "    return value * (w @ gate + b[:, None])",
                "两半换了位置",
                "the halves are swapped",
            ),
            "no bias": (
                "def gate_tokens(x, w, b):\n    value, gate = x.chunk(2, dim=-1)\n"
                "    return value * (w @ gate)",
                "漏了偏置",
                "the bias `b` is missing",
            ),
            "added": (
                "def gate_tokens(x, w, b):\n    value, gate = x.chunk(2, dim=-1)\n"
                "    return value + (w @ gate + b[:, None])",
                "相乘，不是相加",
                "multiplied, not added",
            ),
            "tokens halved": (
                "def gate_tokens(x, w, b):\n    value, gate = x.chunk(2, dim=1)\n"
                "    return value * gate",
                "出错",
                "raises an error",
            ),
        },
        note="gMLP 在门之前还有一个归一化，前后各有一个通道上的线性层；这里只写核心。 | gMLP also has a"
        " norm before the gate and a linear layer over the channels before and after; this is its"
        " core.",
    ),
    Exercise(
        id="15.2",
        title="分别混合行和列 | rows and columns apart",
        name="mix_axes",
        stub='''
def mix_axes(x, grid, rows, columns):
    """Mix x (B, S, C) on its grid (h, w) by rows (h, h), then columns (w, w): (B, S, C)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_mix_axes,
        hints=(
            "先恢复网格：`x.unflatten(1, grid)`，形状 `(B, h, w, C)`。 | First restore the grid:"
            " `x.unflatten(1, grid)`, of shape `(B, h, w, C)`.",
            '行的方向：`einsum("ih,bhwc->biwc", rows, image)`；列的方向同理。 | Along the rows:'
            ' `einsum("ih,bhwc->biwc", rows, image)`; the columns likewise.',
            "最后用 `flatten(1, 2)` 变回 `(B, S, C)`。 | Finally `flatten(1, 2)` returns to"
            " `(B, S, C)`.",
        ),
        solution='''
def mix_axes(x, grid, rows, columns):
    """Mix x (B, S, C) on its grid (h, w) by rows (h, h), then columns (w, w): (B, S, C)."""
    image = x.unflatten(1, grid)  # (B, h, w, C)
    image = torch.einsum("ih,bhwc->biwc", rows, image)
    return torch.einsum("jw,bhwc->bhjc", columns, image).flatten(1, 2)  # (B, S, C)
''',
        wrong={
            "rows only": (
                "def mix_axes(x, grid, rows, columns):\n"
                '    return torch.einsum("ih,bhwc->biwc", rows, x.unflatten(1, grid)).flatten(1, 2)',
                "只混合了行的方向",
                "only the rows",
            ),
            "wrong way round": (
                "def mix_axes(x, grid, rows, columns):\n"
                '    y = torch.einsum("hi,wj,bhwc->bijc", rows, columns, x.unflatten(1, grid))\n'
                "    return y.flatten(1, 2)",
                "两个矩阵都用反了",
                "both matrices are the wrong way round",
            ),
            "not flattened": (
                "def mix_axes(x, grid, rows, columns):\n"
                '    return torch.einsum("ih,jw,bhwc->bijc", rows, columns, x.unflatten(1, grid))',
                "形状",
                "shape",
            ),
        },
        note="可以接着问：14 × 14 的网格上，这种混合有多少权重？S × S 的矩阵呢？（392 与 38,416） | A"
        " follow-up: how many weights does this have on a 14 × 14 grid, and an S × S matrix? (392"
        " and 38,416)",
    ),
    Exercise(
        id="15.3",
        title="Holm 校正 | Holm's correction",
        name="holm_corrected",
        stub='''
def holm_corrected(p_values):
    """Return the p-values corrected by Holm's method, in the order given."""
    return ...  # 在这里写 / your code here
''',
        test=_test_corrected,
        hints=(
            "先按大小排序，但要记住原来的位置：`sorted(range(m), key=lambda i: p_values[i])`。 | Sort, but"
            " remember the places: `sorted(range(m), key=lambda i: p_values[i])`.",
            "排第 k（从 0 数起）的乘以 m − k，最多为 1。 | The k-th (from 0) is multiplied by m − k, and is"
            " at most 1.",
            "依次遍历，记住到目前为止的最大值，把它写到原来的位置。 | Keep the largest value so far, and write"
            " it to the place in the list.",
        ),
        solution='''
def holm_corrected(p_values):
    """Return the p-values corrected by Holm's method, in the order given."""
    m, largest = len(p_values), 0.0
    result = [0.0] * m
    for k, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (m - k) * p_values[i]))
        result[i] = largest
    return result
''',
        wrong={
            "Bonferroni": (
                "def holm_corrected(p_values):\n"
                "    return [min(1.0, len(p_values) * p) for p in p_values]",
                "Bonferroni",
                "Bonferroni",
            ),
            "not capped": (
                "def holm_corrected(p_values):\n    return [len(p_values) * p for p in p_values]",
                "不能大于 1",
                "at most 1",
            ),
            "may fall": (
                "def holm_corrected(p_values):\n    m = len(p_values)\n    result = [0.0] * m\n"
                "    for k, i in enumerate(sorted(range(m), key=lambda i: p_values[i])):\n"
                "        result[i] = min(1.0, (m - k) * p_values[i])\n    return result",
                "到目前为止的最大值",
                "the largest so far",
            ),
            "sorted": (
                "def holm_corrected(p_values):\n    m, largest, result = len(p_values), 0.0, []\n"
                "    for k, p in enumerate(sorted(p_values)):\n"
                "        largest = max(largest, min(1.0, (m - k) * p))\n"
                "        result.append(largest)\n    return result",
                "按原来的次序",
                "in the order given",
            ),
        },
        note="Bonferroni 也控制同样的错误率，但更保守；Holm 在任何情况下都不比它差。 | Bonferroni's"
        " correction controls the same error rate but is stricter; Holm's is never worse.",
    ),
]
