"""Exercises of notebook 07, tasks with a known answer."""

import torch
from torch import Tensor
from torch.nn import functional

from hdd.teaching.exercises.diagnosis import Wrong, call, close, numbers
from hdd.teaching.exercises.exercise import Exercise


# ------------------------------------------------------------------------ weights by hand
def _test_by_hand(answer):
    source = torch.tensor([3, 1, 0, 4, 0])  # token 1 stays, token 2 is taken by none
    w1, w2 = _two_matrices(call(answer, source), len(source))
    x = torch.randn(len(source), 3, dtype=torch.float64)  # (S, C)
    y = x[source]
    close(x + w2 @ functional.gelu(w1 @ x), y, axes="S C", mistakes=_by_hand_mistakes(x, source))
    _exactly(x + w2 @ (w1 @ x).relu(), y)


def _by_hand_mistakes(x: Tensor, source: Tensor) -> dict[str, Tensor]:
    """Return what known wrong matrices make of x (S, C), by their diagnosis."""
    y, gelu = x[source], functional.gelu
    change = y - x  # what token mixing has to add
    asked = torch.eye(len(source), dtype=torch.float64)[source]  # P
    return {
        "残差连接已经给出了 x：词元混合还要减掉这份副本 | the residual connection has given x"
        " already: token mixing has to subtract this copy": x + y,
        "每条通路只有一个单元，GELU 改变了负的值：再加上权重相反的一半 | each path has one unit"
        " only, and GELU changes negative values: add the half with opposite weights": (
            x + gelu(change)
        ),
        "只用了一个单元，也没有减掉残差连接的副本 | one unit only, and the copy of the residual"
        " connection is not subtracted": x + gelu(y),
        "两个单元的输出应当相减，而不是相加 | the outputs of the two units have to be subtracted,"
        " not added": x + gelu(change) + gelu(-change),
        "P 转置了：第 t 行的 1 应当在第 source[t] 列 | P is transposed: the 1 of row t belongs in"
        " column source[t]": asked.T @ x,
        "符号反了：要补上的是 Px − x | the sign is wrong: Px − x has to be added": x - change,
        "补上的是两倍：GELU(z) − GELU(−z) 已经等于 z | twice as much is added:"
        " GELU(z) − GELU(−z) is z already": x + 2 * change,
        "补上的只有一半：GELU(z) − GELU(−z) 已经等于 z | half as much is added:"
        " GELU(z) − GELU(−z) is z already": x + change / 2,
    }


def _exactly(with_relu: Tensor, y: Tensor) -> None:
    """Tell exact answers from close ones: tiny reading weights make the GELU nearly straight.

    Exact answers are differences f(z) - f(-z), and that is z for f = relu, too.
    """
    if (with_relu - y).abs().max() > 1e-4:
        raise Wrong(
            "只是接近，并不正好相等：读取的权重很小时，GELU 近似直线；要精确，每条通路用两个单元"
            " | close, but not exactly equal: with tiny reading weights the GELU is nearly straight;"
            " to be exact takes two units per path"
        )


def _two_matrices(result, tokens: int) -> tuple[Tensor, Tensor]:
    """Return the student's W1 (D_S, S) and W2 (S, D_S) in float64, or say what they are instead."""
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise Wrong("需要返回两个矩阵：`return w1, w2` | return two matrices: `return w1, w2`")
    if any(part is ... for part in result):
        call(lambda: ...)  # not answered yet
    w1, w2 = (numbers(part) for part in result)
    if w1.ndim != 2 or w2.ndim != 2 or w1.shape[1] != tokens or w2.shape != (tokens, len(w1)):
        shapes = f"{tuple(w1.shape)}, {tuple(w2.shape)}"
        raise Wrong(
            f"形状应当是 (D_S, S) 和 (S, D_S)，得到的是 {shapes}"
            f" | the shapes should be (D_S, S) and (S, D_S), but are {shapes}"
        )
    return w1, w2


# --------------------------------------------------------------------------------- widths
def _test_smallest_width(answer):
    shift = torch.eye(8).roll(1, dims=1)
    mirror = torch.eye(8).flip(1)
    mean = torch.full((8, 8), 1 / 8)  # exact: in float64, too, its rank is 1
    for matrix, residual in (
        (shift, False),
        (mean, False),
        (mirror, False),
        (mirror, True),
        (shift, True),
        (mean, True),
    ):
        _test_one_width(answer, matrix, residual)


def _test_one_width(answer, matrix: Tensor, residual: bool) -> None:
    def rank(m):
        return int(torch.linalg.matrix_rank(m))

    identity = torch.eye(len(matrix))
    right = rank(matrix - identity) if residual else rank(matrix)
    close(
        call(answer, matrix, residual),
        right,
        tolerance=0.1,
        mistakes={
            "带残差时，词元混合要实现的是 `matrix` 减去单位矩阵 | with a residual connection, token"
            " mixing has to do `matrix` minus the identity": rank(matrix),
            "没有残差时不用减单位矩阵 | without a residual connection, do not subtract the identity": (
                rank(matrix - identity)
            ),
            "这是词元数；所需的方向可能更少 | this is the number of tokens; fewer directions may do": (
                len(matrix)
            ),
        },
    )


# ---------------------------------------------------------------------------------- pairs
def _test_opposite_units(answer):
    generator = torch.Generator().manual_seed(int(torch.randint(1000, ())))
    w1 = torch.linalg.qr(torch.randn(12, 12, generator=generator))[0][:8]  # orthogonal rows
    w1 = w1 * torch.linspace(0.5, 3, 8)[:, None]  # of different lengths
    w1[5], w1[7] = -0.3 * w1[1], -2.0 * w1[4]  # two opposite pairs
    w1[6] = 1.5 * w1[0]  # an equal pair
    unit = functional.normalize(w1, dim=1)
    found = _as_pairs(call(answer, w1))
    _compare(
        found,
        _below(unit @ unit.T),
        {
            "先把每一行除以它的长度：点积还不是余弦 | divide each row by its length first: a dot product"
            " is not a cosine yet": _below(w1 @ w1.T),
            "这些是同相的单元：余弦应当接近 −1，而不是 +1 | these units are alike: the cosine should be"
            " near −1, not +1": _below(-unit @ unit.T),
            "余弦的绝对值大还不够：符号必须为负 | a large absolute value is not enough: the sign has to"
            " be negative": _below(-(unit @ unit.T).abs()),
        },
    )


def _below(similar: Tensor) -> set[tuple[int, int]]:
    """Return the pairs i < j of a symmetric matrix whose entry is below -0.9."""
    return {(i, j) for i, j in (similar < -0.9).nonzero().tolist() if i < j}


def _as_pairs(result) -> list[tuple[int, int]]:
    try:
        pairs = [tuple(int(k) for k in pair) for pair in result]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        pairs = [()]
    if any(len(pair) != 2 for pair in pairs):
        raise Wrong("需要一列成对的编号 (i, j) | a list of pairs of numbers (i, j) is needed")
    return pairs


def _compare(found: list, right: set, mistakes: dict[str, set]) -> None:
    if any(i == j for i, j in found):
        raise Wrong("一个单元和自己不成对 | a unit makes no pair with itself")
    if any((j, i) in found for i, j in found) or len(found) != len(set(found)):
        raise Wrong("每一对只列一次，取 i < j | list each pair once, with i < j")
    pairs = {tuple(sorted(pair)) for pair in found}
    for diagnosis, known in mistakes.items():
        if pairs == known != right:
            raise Wrong(diagnosis)
    missing, extra = len(right - pairs), len(pairs - right)
    if missing or extra:
        raise Wrong(
            f"漏掉了 {missing} 对，多出了 {extra} 对"
            f" | pairs that are missing: {missing}; that should not be there: {extra}"
        )


EXERCISES = [
    Exercise(
        id="07.1",
        title="带残差，手写两个矩阵 | two matrices by hand, with a residual connection",
        name="by_hand",
        stub='''
def by_hand(source):
    """Return W1 (D_S, S), W2 (S, D_S): x + W2 @ gelu(W1 @ x) must be x[source] exactly."""
    w1 = ...  # 在这里写 / your code here
    w2 = ...
    return w1, w2
''',
        test=_test_by_hand,
        hints=(
            "残差连接已经给出了 x，所以词元混合只需补上 Px − x。 | The residual connection gives x"
            " already, so token mixing only has to add Px − x.",
            "Px − x = (P − I)x 也是线性的，每个词元用两个单元就够：一个读 P − I 的一行，另一个读它的相反数。"
            " | Px − x = (P − I)x is linear, too; two units per token are enough: one reads a row of"
            " P − I, the other its negative.",
            "P 是 `torch.eye(S)[source]`，I 是 `torch.eye(S)`；两组单元用 `torch.cat` 上下叠起来。写回时，每个词元"
            "加上一个单元，减去另一个。 | P is `torch.eye(S)[source]` and I is `torch.eye(S)`; `torch.cat`"
            " stacks the two groups of units. When writing, each token adds one unit and subtracts the"
            " other.",
        ),
        solution='''
def by_hand(source):
    """Return W1 (D_S, S), W2 (S, D_S): x + W2 @ gelu(W1 @ x) must be x[source] exactly."""
    identity = torch.eye(len(source))
    change = identity[source] - identity  # P - I
    w1 = torch.cat([change, -change])
    w2 = torch.cat([identity, -identity], dim=1)
    return w1, w2
''',
        wrong={
            "as without a residual": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    p = identity[source]\n"
                "    return torch.cat([p, -p]), torch.cat([identity, -identity], dim=1)",
                "还要减掉这份副本",
                "subtract this copy",
            ),
            "one unit a path": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    return identity[source] - identity, identity",
                "每条通路只有一个单元",
                "one unit only",
            ),
            "one unit, as without a residual": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    return identity[source], identity",
                "只用了一个单元",
                "one unit only",
            ),
            "added": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    p = identity[source] - identity\n"
                "    return torch.cat([p, -p]), torch.cat([identity, identity], dim=1)",
                "应当相减",
                "have to be subtracted",
            ),
            "transposed": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    p = identity[source].T - identity\n"
                "    return torch.cat([p, -p]), torch.cat([identity, -identity], dim=1)",
                "P 转置了",
                "P is transposed",
            ),
            "stacked the wrong way": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    p = identity[source] - identity\n"
                "    return torch.cat([p, -p]), torch.cat([identity, -identity])",
                "形状应当是",
                "the shapes should be",
            ),
            "the other sign": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    p = identity - identity[source]\n"
                "    return torch.cat([p, -p]), torch.cat([identity, -identity], dim=1)",
                "符号反了",
                "the sign is wrong",
            ),
            "halved": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source))\n"
                "    p = identity[source] - identity\n"
                "    return torch.cat([p, -p]), torch.cat([identity, -identity], dim=1) / 2",
                "只有一半",
                "half as much",
            ),
            "one unit, tiny weights": (
                "def by_hand(source):\n"
                "    identity = torch.eye(len(source), dtype=torch.float64)\n"
                "    return 1e-6 * (identity[source] - identity), 2e6 * identity",
                "要精确，每条通路用两个单元",
                "to be exact takes two units per path",
            ),
        },
        note="追问：这里 W2W1 的对角线是多少？（没有词元留在原处时是 −2；第 6 节在训练得到的权重里也看到负的"
        "对角线。） | Ask: what stands on the diagonal of W2W1 here? (−2 if no token stays in place;"
        " section 6 finds a negative diagonal in trained weights, too.)",
    ),
    Exercise(
        id="07.2",
        title="最小的隐藏宽度 | the smallest hidden width",
        name="smallest_width",
        stub='''
def smallest_width(matrix, residual):
    """Return the smallest D_S that the rank limit allows for tokens -> matrix @ tokens."""
    return ...  # 在这里写 / your code here
''',
        test=_test_smallest_width,
        hints=(
            "没有残差时，需要的方向数就是 `matrix` 的秩。 | Without a residual connection, the number of"
            " directions needed is the rank of `matrix`.",
            "有残差时，输出等于输入加上词元混合，所以词元混合只需补上差额。 | With a residual connection"
            " the output is the input plus token mixing, so token mixing only adds the difference.",
            "秩用 `torch.linalg.matrix_rank` 求。残差连接自己已经做了单位矩阵的事：`matrix` 还剩"
            "下什么？ | `torch.linalg.matrix_rank` gives the rank. The residual connection does"
            " the identity's work by itself: what is left of `matrix`?",
        ),
        solution='''
def smallest_width(matrix, residual):
    """Return the smallest D_S that the rank limit allows for tokens -> matrix @ tokens."""
    if residual:
        matrix = matrix - torch.eye(len(matrix))
    return int(torch.linalg.matrix_rank(matrix))


# 6 × 6 的镜像，带残差：18；下半不动：9 / the mirror on 6 × 6 with a residual: 18; lower half stays: 9
''',
        wrong={
            "always the number of tokens": (
                "def smallest_width(matrix, residual):\n    return len(matrix)",
                "这是词元数",
                "number of tokens",
            ),
            "residual forgotten": (
                "def smallest_width(matrix, residual):\n"
                "    return torch.linalg.matrix_rank(matrix)",
                "减去单位矩阵",
                "minus the identity",
            ),
            "always subtracted": (
                "def smallest_width(matrix, residual):\n"
                "    return torch.linalg.matrix_rank(matrix - torch.eye(len(matrix)))",
                "没有残差时",
                "without a residual",
            ),
            "no return": (
                "def smallest_width(matrix, residual):\n    torch.linalg.matrix_rank(matrix)",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="带残差的镜像只需要一半：6 × 6 时 P − I 的秩是 18。D_S = S/2 在秩上恰好够，但不够让单元"
        "全部配对。 | With a residual connection the mirror needs only half: on 6 × 6, P − I has rank 18."
        " A hidden width of S/2 is just enough by rank, but not for pairs throughout.",
    ),
    Exercise(
        id="07.3",
        title="找出反相的单元 | find the opposite units",
        name="opposite_units",
        stub='''
def opposite_units(w1):
    """Return the pairs (i, j), i < j, of rows of w1 (D_S, S) whose cosine is below -0.9."""
    return ...  # 在这里写 / your code here
''',
        test=_test_opposite_units,
        hints=(
            "先把每一行除以它的长度：`w1 / w1.norm(dim=1, keepdim=True)`。 | First divide each row by its"
            " length: `w1 / w1.norm(dim=1, keepdim=True)`.",
            "这样得到 `u` 之后，`u @ u.T` 的第 i 行第 j 列就是两个单元的余弦。 | With `u` from that,"
            " row i, column j of `u @ u.T` is the cosine of the two units.",
            "`.nonzero().tolist()` 列出一个条件成立的所有位置；每一对会出现两次，只留一次。 |"
            " `.nonzero().tolist()` lists all places where a condition holds; each pair comes"
            " twice, so keep one.",
        ),
        solution='''
def opposite_units(w1):
    """Return the pairs (i, j), i < j, of rows of w1 (D_S, S) whose cosine is below -0.9."""
    u = w1 / w1.norm(dim=1, keepdim=True)
    cosine = u @ u.T  # (D_S, D_S)
    return [(i, j) for i, j in (cosine < -0.9).nonzero().tolist() if i < j]


# opposite_units(wide)：25 对 / 25 pairs
''',
        wrong={
            "dot products": (
                "def opposite_units(w1):\n"
                "    return [(i, j) for i, j in (w1 @ w1.T < -0.9).nonzero().tolist() if i < j]",
                "点积还不是余弦",
                "is not a cosine",
            ),
            "each pair twice": (
                "def opposite_units(w1):\n"
                "    u = w1 / w1.norm(dim=1, keepdim=True)\n"
                "    return (u @ u.T < -0.9).nonzero().tolist()",
                "每一对只列一次",
                "list each pair once",
            ),
            "equal units": (
                "def opposite_units(w1):\n"
                "    u = w1 / w1.norm(dim=1, keepdim=True)\n"
                "    return [(i, j) for i, j in (u @ u.T > 0.9).nonzero().tolist() if i < j]",
                "同相的单元",
                "these units are alike",
            ),
            "any sign": (
                "def opposite_units(w1):\n"
                "    u = w1 / w1.norm(dim=1, keepdim=True)\n"
                "    large = (u @ u.T).abs() > 0.9\n"
                "    return [(i, j) for i, j in large.nonzero().tolist() if i < j]",
                "符号必须为负",
                "has to be negative",
            ),
            "a matrix": (
                "def opposite_units(w1):\n"
                "    u = w1 / w1.norm(dim=1, keepdim=True)\n"
                "    return u @ u.T",
                "需要一列成对的编号",
                "a list of pairs",
            ),
        },
        note="在第 5 节宽度为 4S 的网络上试一试：`opposite_units(wide)`。 | Try it on the network of section 5"
        " with 4S units: `opposite_units(wide)`.",
    ),
]
