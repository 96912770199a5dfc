"""Exercises of notebook 05, patch size."""

import math
import statistics

import torch
from torch import Tensor

from hdd.teaching.exercises.diagnosis import call, close, number
from hdd.teaching.exercises.exercise import Exercise


# ------------------------------------------------------------------------- tokens of an object
def _box_mistakes(each):
    return {
        "只用了框的大小：位置不同，同样大的框碰到的图像块数也不同 | only the size of the box is"
        " used: a box of the same size touches more or fewer patches in another position": each(
            lambda t, le, h, w, p: math.ceil(h / p) * math.ceil(w / p)
        ),
        "框的最后一行是 `top + height - 1`，不是 `top + height`（列也一样） | the last row of the"
        " box is `top + height - 1`, not `top + height` (the same for columns)": each(
            lambda t, le, h, w, p: _span(t, h + 1, p) * _span(le, w + 1, p)
        ),
        "高和宽用反了：`height` 属于 `top`，`width` 属于 `left` | height and width are exchanged:"
        " `height` goes with `top`, `width` with `left`": each(
            lambda t, le, h, w, p: _span(t, w, p) * _span(le, h, p)
        ),
        "首尾两行所在的图像块都要算：差值还要加 1 | the first and the last patch both count: the"
        " difference needs another 1": each(
            lambda t, le, h, w, p: (_span(t, h, p) - 1) * (_span(le, w, p) - 1)
        ),
        "行数和列数应当相乘，而不是相加 | rows and columns of patches have to be multiplied, not"
        " added": each(lambda t, le, h, w, p: _span(t, h, p) + _span(le, w, p)),
    }


def _test_tokens_touched(answer):
    boxes = [(3, 5, 6, 4, 4), (0, 8, 8, 16, 4), (7, 2, 1, 9, 8), (4, 10, 12, 3, 4)]
    for patch in (4, 8, 16):  # fresh ones
        top, left = (int(n) for n in torch.randint(0, 32, (2,)))
        boxes.append((top, left, *(int(n) for n in torch.randint(1, 24, (2,))), patch))

    def each(rule):
        return [rule(*box) for box in boxes]

    close(
        [number(call(answer, *box)) for box in boxes],
        each(lambda t, le, h, w, p: _span(t, h, p) * _span(le, w, p)),
        axes="boxes",
        mistakes=_box_mistakes(each),
    )


def _span(start: int, length: int, patch: int) -> int:
    """Return how many patches `length` pixels from `start` on touch along one side."""
    return (start + length - 1) // patch - start // patch + 1


# ----------------------------------------------------------------------- numbers a patch needs
def _test_numbers_needed(answer):
    mixing = torch.randn(12, 12)
    patches = torch.randn(60, 12) * 0.75 ** torch.arange(12) @ mixing + torch.randn(12)  # (N, D)
    shares = (0.5, 0.8, 0.95, 0.99, 0.999)
    squares = torch.linalg.svdvals(patches).square()
    centred = torch.linalg.svdvals(patches - patches.mean(0)).square()
    right = [_needed(squares, share) for share in shares]
    close(
        [number(call(answer, patches, share)) for share in shares],
        right,
        axes="shares",
        mistakes={
            "能量是奇异值的平方，这里用了奇异值本身 | energy is the square of a singular value; the"
            " values themselves are used here": [_needed(squares.sqrt(), s) for s in shares],
            "从最小的奇异值加起了：`svdvals` 由大到小排列，应当从头加起 | the sum starts with the"
            " smallest: `svdvals` sorts downwards, so begin at the front": [
                _needed(squares.flip(0), share) for share in shares
            ],
            "少了一个：返回的是下标（从 0 数起），不是个数 | one too few: the index, which counts from"
            " 0, is returned instead of the number": [n - 1 for n in right],
            "先减去了平均值；主干层处理的是没有减平均值的图像块 | the mean is subtracted first; the"
            " question is about the patches as they are": [_needed(centred, s) for s in shares],
        },
    )


def _needed(energies: Tensor, share: float) -> int:
    return int((energies.cumsum(0) / energies.sum() < share).sum()) + 1


# -------------------------------------------------------------------------- mean and range
def _test_difference(answer):
    low, middle, high = (70 + 9 * torch.rand(3)).sort().values.tolist()
    worse, better = (66 + 9 * torch.rand(2)).sort().values.tolist()
    fine, coarse = [middle, low, high], [better, worse]  # pairs in order: never the extremes
    gap = statistics.mean(fine) - statistics.mean(coarse)
    right = (gap, min(fine) - max(coarse), max(fine) - min(coarse))
    close(
        call(answer, fine, coarse),
        right,
        axes="numbers",
        mistakes={
            "方向反了：应当是 `fine` 减 `coarse` | the wrong way round: it is `fine` minus"
            " `coarse`": (-gap, -right[2], -right[1]),
            "最小的差是 `fine` 中最低的减 `coarse` 中最高的；你减的是最低的 | the smallest difference"
            " is the lowest of `fine` minus the highest of `coarse`, not minus its lowest": (
                gap,
                min(fine) - min(coarse),
                max(fine) - max(coarse),
            ),
            "按次序配对了：种子之间没有对应关系，要比较每一对 | the runs are paired in order: they do"
            " not belong together, so compare every pair": _paired(gap, fine, coarse),
        },
    )


def _paired(gap: float, fine: list[float], coarse: list[float]) -> tuple[float, ...]:
    differences = [a - b for a, b in zip(fine, coarse, strict=False)]
    return gap, min(differences), max(differences)


# --------------------------------------------------------------------------------- the cost
def _test_cost(answer):
    tokens, hidden = 1024, 512  # P = 1
    token, channel = 2 * tokens * hidden * 128, 2 * tokens * 128 * 512
    close(
        answer,
        (tokens, token + channel),
        axes="numbers",
        mistakes={
            "这是 P = 2 时的数：现在 P = 1 | these are the numbers at P = 2; here P is 1": (
                256,
                2 * 256 * 128 * 128 + 2 * 256 * 128 * 512,
            ),
            "词元数不对：每条边有 32/P 个图像块，一共是它的平方 | the number of tokens is wrong: there"
            " are 32/P patches along a side, and the square of that in all": (32, token + channel),
            "通道混合要对每个词元做一遍 | channel mixing is done once for every token": (
                tokens,
                token + 2 * 128 * 512,
            ),
            "词元混合要对每个通道做一遍 | token mixing is done once for every channel": (
                tokens,
                2 * tokens * hidden + channel,
            ),
            "每个 MLP 有两层，这里只算了一层 | each MLP has two layers, and one of them is counted": (
                tokens,
                (token + channel) // 2,
            ),
        },
    )


EXERCISES = [
    Exercise(
        id="05.1",
        title="一个物体落在几个词元里 | how many tokens an object falls into",
        name="tokens_touched",
        stub='''
def tokens_touched(top, left, height, width, patch):
    """Return how many patches contain at least one pixel of a box (all sizes in pixels)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_tokens_touched,
        hints=(
            "行和列可以分开算，最后相乘。 | Rows and columns can be counted separately and multiplied at"
            " the end.",
            "第 r 行像素在第 `r // patch` 行图像块里。框的第一行是 `top`，最后一行呢？ | Pixel row r lies"
            " in patch row `r // patch`. The box begins at row `top`; which is its last row?",
            "框的最后一行像素是 `top + height - 1`。数从第一行图像块到最后一行，两头都算。 | The"
            " last pixel row of the box is `top + height - 1`. Count the patch rows from the"
            " first to the last, both included.",
        ),
        solution='''
def tokens_touched(top, left, height, width, patch):
    """Return how many patches contain at least one pixel of a box (all sizes in pixels)."""
    rows = (top + height - 1) // patch - top // patch + 1
    columns = (left + width - 1) // patch - left // patch + 1
    return rows * columns
''',
        wrong={
            "size only": (
                "def tokens_touched(top, left, height, width, patch):\n"
                "    return -(-height // patch) * -(-width // patch)",
                "只用了框的大小",
                "only the size of the box",
            ),
            "last row": (
                "def tokens_touched(top, left, height, width, patch):\n"
                "    rows = (top + height) // patch - top // patch + 1\n"
                "    return rows * ((left + width) // patch - left // patch + 1)",
                "最后一行是",
                "the last row of the box",
            ),
            "ends not counted": (
                "def tokens_touched(top, left, height, width, patch):\n"
                "    rows = (top + height - 1) // patch - top // patch\n"
                "    return rows * ((left + width - 1) // patch - left // patch)",
                "还要加 1",
                "needs another 1",
            ),
            "added": (
                "def tokens_touched(top, left, height, width, patch):\n"
                "    rows = (top + height - 1) // patch - top // patch + 1\n"
                "    return rows + (left + width - 1) // patch - left // patch + 1",
                "应当相乘",
                "have to be multiplied",
            ),
        },
        note="可以接着问：8 × 8 像素的物体，在图像块边长为 16 时最少、最多落在几个词元里？（1 和 4）"
        " | A follow-up: into how many tokens of 16 pixels does an object of 8 × 8 pixels fall, at"
        " least and at most? (1 and 4)",
    ),
    Exercise(
        id="05.2",
        title="一个图像块需要几个数 | how many numbers a patch needs",
        name="numbers_needed",
        stub='''
def numbers_needed(patches, share):
    """Return the fewest best directions that keep `share` of the energy of patches (N, D)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_numbers_needed,
        hints=(
            "不必画出图像：`torch.linalg.svdvals(patches)` 给出由大到小的奇异值。 | No image is needed:"
            " `torch.linalg.svdvals(patches)` gives the singular values in descending order.",
            "每个最佳方向留住的能量是它的奇异值的平方；前 k 个方向留住的是前 k 项之和（`cumsum`）。"
            " | Each best direction keeps the square of its singular value; the first k keep the sum of"
            " the first k squares (`cumsum`).",
            "数一数还不够的有几个：`(kept < share).sum()`，再加 1。 | Count the sums that are not enough"
            " yet, `(kept < share).sum()`, and add 1.",
        ),
        solution='''
def numbers_needed(patches, share):
    """Return the fewest best directions that keep `share` of the energy of patches (N, D)."""
    energy = torch.linalg.svdvals(patches).square()
    kept = energy.cumsum(0) / energy.sum()
    return int((kept < share).sum()) + 1
''',
        wrong={
            "not squared": (
                "def numbers_needed(patches, share):\n"
                "    values = torch.linalg.svdvals(patches)\n"
                "    return int((values.cumsum(0) / values.sum() < share).sum()) + 1",
                "奇异值的平方",
                "the square of a singular value",
            ),
            "index": (
                "def numbers_needed(patches, share):\n"
                "    energy = torch.linalg.svdvals(patches).square()\n"
                "    return int((energy.cumsum(0) / energy.sum() < share).sum())",
                "少了一个",
                "one too few",
            ),
            "smallest first": (
                "def numbers_needed(patches, share):\n"
                "    energy = torch.linalg.svdvals(patches).square().flip(0)\n"
                "    return int((energy.cumsum(0) / energy.sum() < share).sum()) + 1",
                "从最小的奇异值加起",
                "starts with the smallest",
            ),
            "no return": (
                "def numbers_needed(patches, share):\n"
                "    energy = torch.linalg.svdvals(patches).square()\n"
                "    int((energy.cumsum(0) / energy.sum() < share).sum()) + 1",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="写完后用 `numbers_needed(cut(train.images[:500].float() / 255, 14), 0.95)` 试一试。"
        " | Afterwards try `numbers_needed(cut(train.images[:500].float() / 255, 14), 0.95)`.",
    ),
    Exercise(
        id="05.3",
        title="两组训练相差多少 | how far apart two groups of training runs are",
        name="difference",
        stub='''
def difference(fine, coarse):
    """Return the difference of means, and the smallest and largest of any pair: fine - coarse."""
    return ...  # 在这里写 / your code here
''',
        test=_test_difference,
        hints=(
            "返回三个数组成的元组：平均值之差，最小的差，最大的差。 | Return a tuple of three numbers: the"
            " difference of the means, the smallest and the largest difference.",
            "两组的训练次数可以不同，不能按次序配对。 | The groups may have different sizes, so the runs"
            " cannot be paired in order.",
            "最小的差：`min(fine) - max(coarse)`。最大的呢？ | The smallest is"
            " `min(fine) - max(coarse)`. And the largest?",
        ),
        solution='''
def difference(fine, coarse):
    """Return the difference of means, and the smallest and largest of any pair: fine - coarse."""
    gap = sum(fine) / len(fine) - sum(coarse) / len(coarse)
    return gap, min(fine) - max(coarse), max(fine) - min(coarse)
''',
        wrong={
            "the wrong way round": (
                "def difference(fine, coarse):\n"
                "    gap = sum(coarse) / len(coarse) - sum(fine) / len(fine)\n"
                "    return gap, min(coarse) - max(fine), max(coarse) - min(fine)",
                "方向反了",
                "the wrong way round",
            ),
            "lowest minus lowest": (
                "def difference(fine, coarse):\n"
                "    gap = sum(fine) / len(fine) - sum(coarse) / len(coarse)\n"
                "    return gap, min(fine) - min(coarse), max(fine) - max(coarse)",
                "你减的是最低的",
                "not minus its lowest",
            ),
            "paired": (
                "def difference(fine, coarse):\n"
                "    gap = sum(fine) / len(fine) - sum(coarse) / len(coarse)\n"
                "    pairs = [a - b for a, b in zip(fine, coarse)]\n"
                "    return gap, min(pairs), max(pairs)",
                "按次序配对",
                "paired in order",
            ),
            "means only": (
                "def difference(fine, coarse):\n"
                "    return sum(fine) / len(fine) - sum(coarse) / len(coarse)",
                "只得到一个",
                "yours is one",
            ),
        },
        note="两组完全分开也不等于有差别：如果没有差别，2 次对 3 次完全分开的概率是 2/10。 | Groups that"
        " do not overlap need not differ: without any difference, 2 runs and 3 runs are separated with"
        " probability 2/10.",
    ),
    Exercise(
        id="05.4",
        title="词元数和计算量 | tokens and compute",
        name="cost",
        stub="cost = ...  # (词元数, 一个 Mixer 块的乘加运算次数) / (tokens, MACs of one Mixer block)",
        test=_test_cost,
        hints=(
            "先算 S，再由 S 算 D_S。 | First compute S, then D_S from S.",
            "矩阵乘法 (m × k)(k × n) 需要 m·k·n 次乘加运算；词元混合有 C 列，通道混合有 S 行。 | A matrix"
            " product (m × k)(k × n) takes m·k·n MACs; token mixing has C columns, channel mixing S rows.",
            "两个 MLP 各有两层：2·S·D_S·C 和 2·S·C·D_C，相加。 | Both MLPs have two layers: 2·S·D_S·C and"
            " 2·S·C·D_C, added up.",
        ),
        solution="cost = (1024, 2 * 1024 * 512 * 128 + 2 * 1024 * 128 * 512)",
        wrong={
            "patch 2": (
                "cost = (256, 2 * 256 * 128 * 128 + 2 * 256 * 128 * 512)",
                "P = 2 时的数",
                "numbers at P = 2",
            ),
            "side, not area": (
                "cost = (32, 2 * 1024 * 512 * 128 + 2 * 1024 * 128 * 512)",
                "词元数不对",
                "number of tokens is wrong",
            ),
            "one layer each": (
                "cost = (1024, 1024 * 512 * 128 + 1024 * 128 * 512)",
                "只算了一层",
                "one of them is counted",
            ),
            "one channel": (
                "cost = (1024, 2 * 1024 * 512 + 2 * 1024 * 128 * 512)",
                "对每个通道做一遍",
                "once for every channel",
            ),
        },
        note="8 个 Mixer 块约 21 亿次，是 P = 2 的 6 倍多，不再是 4 倍：词元混合随 S 的平方增长，这时已与通道混合"
        "一样多。 | Eight blocks take about 2.1 billion, more than 6 times as many as at P = 2, no longer"
        " 4: token mixing grows with the square of S, and here needs as much as channel mixing.",
    ),
]
