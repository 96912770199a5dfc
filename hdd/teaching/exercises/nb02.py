"""Exercises of notebook 02, token and channel mixing."""

import torch
from torch import Tensor

from hdd.teaching.exercises.diagnosis import Wrong, call, close
from hdd.teaching.exercises.exercise import Exercise


# ------------------------------------------------------------------------------- einsum
def _test_mix_tokens(answer):
    w, x = torch.randn(6, 6), torch.randn(2, 6, 5)  # (S, S), (B, S, C)
    close(
        call(answer, w, x),
        w @ x,
        axes="B S C",
        mistakes={
            "`w` 的两个下标反了：第一个是输出词元 | the indices of `w` are swapped: the first is the"
            " output token": w.T @ x,
            "多加了输入：这里只要混合，不要残差 | the input is added: only the mixing is asked for, no"
            " residual": x + w @ x,
            "对批也求和了 | summed over the batch, too": (w @ x).sum(0),
            "每个词元只乘了它在对角线上的权重：t 和 s 用了同一个字母 | each token is only multiplied"
            " by its weight on the diagonal: t and s share a letter": w.diagonal()[:, None] * x,
        },
    )


# --------------------------------------------------------------------------- projection
def _mean_over(matrix: Tensor, groups: Tensor) -> Tensor:
    """Return a matrix whose entries are the means over those with the same number in `groups`."""
    result = torch.zeros_like(matrix)
    for number in groups.unique():
        result[groups == number] = matrix[groups == number].mean()
    return result


def _test_project(answer):
    _test_project_size(answer, 5)
    _test_project_size(answer, 8)


def _test_project_size(answer, size: int) -> None:
    matrix, index = torch.randn(size, size), torch.arange(size)
    straight = index[None, :] - index[:, None]  # column minus row
    right = _mean_over(matrix, straight % size)
    close(
        call(answer, matrix),
        right,
        axes="out in",
        mistakes={
            "斜线到了边上没有绕回来：在环上，相隔的格数要对 S 取余 | the diagonals do not wrap around: on a"
            " ring, offsets count modulo S": _mean_over(matrix, straight),
            "取平均的是另一个方向的斜线：行号加列号相同，而不是相减相同 | the other diagonals are"
            " averaged: those with equal row plus column": _mean_over(
                matrix, (index[None, :] + index[:, None]) % size
            ),
            "所有元素都换成了总平均 | every entry is the mean of all entries": torch.full_like(
                matrix, float(matrix.mean())
            ),
            "把每组换成了它的和，而不是平均 | each group is replaced by its sum, not its mean": size
            * right,
        },
    )


# ---------------------------------------------------------------------------- Kronecker
def _test_as_one_matrix(answer):
    w, v = torch.randn(4, 4), torch.randn(3, 3)  # (S, S), (C, C)
    try:
        matrix = call(answer, w, v)
    except Wrong as error:
        if "view size" in str(error):  # torch.kron's own message helps nobody
            raise Wrong(
                "`torch.kron` 不接受转置后的视图：在 `.T` 后面加上 `.contiguous()`，数值不变"
                " | `torch.kron` does not take a transposed view: put `.contiguous()` after `.T`;"
                " the values stay the same"
            ) from None
        raise
    close(
        matrix,
        torch.kron(v.T.contiguous(), w),
        axes="out in",
        mistakes={
            "`v` 忘了转置 | `v` is not transposed": torch.kron(v, w),
            "两个因子的次序反了：这是按行排成向量时的矩阵 | the factors are in the other order: this"
            " is the matrix for a vector made row by row": torch.kron(w, v.T.contiguous()),
            "转置的应当是 `v`，不是 `w` | `v` has to be transposed, not `w`": torch.kron(
                v, w.T.contiguous()
            ),
        },
    )


def _test_weights(answer):
    table = 64 * 128
    close(
        answer,
        (table**2, 64**2 + 128**2),
        axes="numbers",
        mistakes={
            "第一个数不对：S·C 只是输入的个数，每个输入和每个输出之间都有一个权重 | the first number"
            " is wrong: S·C counts the inputs only, and every input has a weight for every output": (
                table,
                64**2 + 128**2,
            ),
            "第二个数不对：两个矩阵的权重应当相加 | the second number is wrong: the weights of the two"
            " matrices add up": (table**2, 64**2 * 128**2),
        },
    )


EXERCISES = [
    Exercise(
        id="02.1",
        title="用 einsum 写词元混合 | token mixing with einsum",
        name="mix_tokens",
        stub='''
def mix_tokens(w, x):
    """Mix the tokens of a batch: w (S, S), row "out"; x (B, S, C) -> (B, S, C)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_mix_tokens,
        hints=(
            "批也要有一个下标：它出现在 `x` 和结果里，不出现在 `w` 里。 | The batch needs an index, too;"
            " it appears in `x` and in the result, but not in `w`.",
            "给四个下标起名：批 b、输入词元 s、输出词元 t、通道 c。 | Name four indices: batch b, input"
            " token s, output token t, channel c.",
            "箭头左边是 `ts,bsc`；被求和的是 s，其余三个写在右边。 | To the left of the arrow is"
            " `ts,bsc`; s is summed over, and the other three go on the right.",
        ),
        solution='''
def mix_tokens(w, x):
    """Mix the tokens of a batch: w (S, S), row "out"; x (B, S, C) -> (B, S, C)."""
    return torch.einsum("ts,bsc->btc", w, x)
''',
        wrong={
            "weights the wrong way round": (
                'def mix_tokens(w, x):\n    return torch.einsum("st,bsc->btc", w, x)',
                "`w` 的两个下标反了",
                "the indices of `w` are swapped",
            ),
            "summed over the batch": (
                'def mix_tokens(w, x):\n    return torch.einsum("ts,bsc->tc", w, x)',
                "对批也求和了",
                "summed over the batch",
            ),
            "one letter for two indices": (
                'def mix_tokens(w, x):\n    return torch.einsum("ss,bsc->bsc", w, x)',
                "用了同一个字母",
                "share a letter",
            ),
            "transposed result": (
                'def mix_tokens(w, x):\n    return torch.einsum("ts,bsc->bct", w, x)',
                "S 与 C 两个轴互换了",
                "axes S and C are swapped",
            ),
            "no return": (
                'def mix_tokens(w, x):\n    torch.einsum("ts,bsc->btc", w, x)',
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="很多人写 `w @ x`，也对：可以请他们说出矩阵乘法对哪个下标求和。 | Many write `w @ x`,"
        " which is right, too: ask which index the matrix product sums over.",
    ),
    Exercise(
        id="02.2",
        title="投影到循环卷积 | projection onto circular convolutions",
        name="project",
        stub='''
def project(matrix):
    """Return the circular convolution closest to a matrix (S, S) between tokens on a ring."""
    return ...  # 在这里写 / your code here
''',
        test=_test_project,
        hints=(
            "先做 S = 3：哪些元素属于同一组？写出它们的（行，列）。 | First S = 3: which entries form a"
            " group? Write down their (row, column).",
            "第 i 行第 j 列相隔的格数是 (j − i) 对 S 取余。 | The offset of row i, column j is (j − i)"
            " modulo S.",
            "对每个格数 k 取出整组：`matrix[(j - i) % S == k]`，其中 i、j 是行号和列号的表；写回它们的"
            "平均值。 | For each offset k take the whole group: `matrix[(j - i) % S == k]`, with i and j"
            " as tables of row and column numbers, and write their mean back.",
        ),
        solution='''
def project(matrix):
    """Return the circular convolution closest to a matrix (S, S) between tokens on a ring."""
    index = torch.arange(len(matrix))
    offset = (index[None, :] - index[:, None]) % len(matrix)  # (S, S)
    result = torch.zeros_like(matrix)
    for k in range(len(matrix)):
        result[offset == k] = matrix[offset == k].mean()
    return result
''',
        wrong={
            "no wrapping around": (
                "def project(matrix):\n"
                "    index = torch.arange(len(matrix))\n"
                "    offset = index[None, :] - index[:, None]\n"
                "    result = torch.zeros_like(matrix)\n"
                "    for k in offset.unique():\n"
                "        result[offset == k] = matrix[offset == k].mean()\n"
                "    return result",
                "没有绕回来",
                "do not wrap around",
            ),
            "the other diagonals": (
                "def project(matrix):\n"
                "    index = torch.arange(len(matrix))\n"
                "    offset = (index[None, :] + index[:, None]) % len(matrix)\n"
                "    result = torch.zeros_like(matrix)\n"
                "    for k in range(len(matrix)):\n"
                "        result[offset == k] = matrix[offset == k].mean()\n"
                "    return result",
                "另一个方向的斜线",
                "the other diagonals",
            ),
            "sums instead of means": (
                "def project(matrix):\n"
                "    index = torch.arange(len(matrix))\n"
                "    offset = (index[None, :] - index[:, None]) % len(matrix)\n"
                "    result = torch.zeros_like(matrix)\n"
                "    for k in range(len(matrix)):\n"
                "        result[offset == k] = matrix[offset == k].sum()\n"
                "    return result",
                "它的和，而不是平均",
                "its sum, not its mean",
            ),
            "one mean for all": (
                "def project(matrix):\n    return torch.full_like(matrix, float(matrix.mean()))",
                "总平均",
                "the mean of all entries",
            ),
            "writes into the input": (
                "def project(matrix):\n"
                "    index = torch.arange(len(matrix))\n"
                "    offset = (index[None, :] - index[:, None]) % len(matrix)\n"
                "    for k in range(len(matrix)):\n"
                "        matrix[offset == k] = matrix[offset == k].mean()\n"
                "    return matrix",
                "改动了输入",
                "changes its input",
            ),
        },
        note="换一种写法：沿对角线平移 S 次再取平均，`sum(matrix.roll((k, k), (0, 1)) for k in range(S))"
        " / S`。它直接说出投影的含义：对所有平移取平均。 | Another way: roll along the diagonal S times"
        " and average, `sum(matrix.roll((k, k), (0, 1)) for k in range(S)) / S`. It says what the"
        " projection is: an average over all shifts.",
    ),
    Exercise(
        id="02.3",
        title="两种混合合成一个矩阵 | both mixings as one matrix",
        name="as_one_matrix",
        stub='''
def as_one_matrix(w, v):
    """Return K (S·C, S·C) with K @ vec(X) = vec(w @ X @ v); vec goes column by column."""
    return ...  # 在这里写 / your code here
''',
        test=_test_as_one_matrix,
        hints=(
            "用第 6 节的公式；`torch.kron` 计算克罗内克积。 | Use the formula of section 6; `torch.kron`"
            " computes a Kronecker product.",
            "分块看：K 的第 (d, c) 块是一个数乘以 `w`。是 `v` 的哪个数？ | Look at the blocks: block (d, c)"
            " of K is a number times `w`. Which number of `v`?",
            "这个数是 `v[c, d]`，所以第一个因子是 `v` 的转置。 | It is `v[c, d]`, so the first factor is"
            " `v` transposed.",
        ),
        solution='''
def as_one_matrix(w, v):
    """Return K (S·C, S·C) with K @ vec(X) = vec(w @ X @ v); vec goes column by column."""
    return torch.kron(v.T.contiguous(), w)
''',
        wrong={
            "v not transposed": (
                "def as_one_matrix(w, v):\n    return torch.kron(v, w)",
                "`v` 忘了转置",
                "`v` is not transposed",
            ),
            "row by row": (
                "def as_one_matrix(w, v):\n    return torch.kron(w, v.T.contiguous())",
                "两个因子的次序反了",
                "the factors are in the other order",
            ),
            "the wrong one transposed": (
                "def as_one_matrix(w, v):\n    return torch.kron(v, w.T.contiguous())",
                "转置的应当是 `v`",
                "`v` has to be transposed",
            ),
            "a transposed view": (
                "def as_one_matrix(w, v):\n    return torch.kron(v.T, w)",
                "加上 `.contiguous()`",
                "put `.contiguous()`",
            ),
            "an ordinary product": (
                "def as_one_matrix(w, v):\n    return v.T @ w",
                "出错",
                "raises an error",
            ),
        },
        note="可以先让学生在 3 × 2 的例子上写出第一列：输入里只有 X[0, 0] = 1 时输出是什么？ | Let the"
        " students first write down the first column for the 3 × 2 example: what comes out if only"
        " X[0, 0] is 1?",
    ),
    Exercise(
        id="02.4",
        title="省下多少权重 | how many weights are saved",
        name="weights",
        stub="weights = ...  # (全连接, 两种混合) / (fully connected, both mixings)",
        test=_test_weights,
        hints=(
            "表格一共有 S·C 个数，它们是全连接层的输入，也是输出。 | The table has S·C numbers: they are"
            " the inputs of the fully connected layer, and its outputs.",
            "全连接层的每对（输入，输出）之间有一个权重。 | A fully connected layer has one weight for"
            " each pair of an input and an output.",
            "两种混合各是一个方阵：边长为 S 和 C。 | Each mixing is a square matrix, of side S or C.",
        ),
        solution="weights = ((64 * 128) ** 2, 64**2 + 128**2)",
        wrong={
            "the table, not the pairs": (
                "weights = (64 * 128, 64**2 + 128**2)",
                "第一个数不对",
                "the first number is wrong",
            ),
            "multiplied": (
                "weights = ((64 * 128) ** 2, 64**2 * 128**2)",
                "应当相加",
                "add up",
            ),
            "one number": ("weights = 64**2 + 128**2", "只得到一个", "yours is one"),
            "other order": (
                "weights = (64**2 + 128**2, (64 * 128) ** 2)",
                "次序不对",
                "order is not",
            ),
        },
        note="真正的 Mixer 还有隐藏层，矩阵不是方阵；量级不变。 | A real Mixer has hidden layers and"
        " matrices that are not square; the orders of magnitude stay.",
    ),
]
