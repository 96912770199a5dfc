"""Exercises of notebook 12, cost."""

import torch
from torch.nn import functional

from hdd.teaching.exercises.diagnosis import Wrong, call, close, differentiable
from hdd.teaching.exercises.exercise import Exercise


# ---------------------------------------------------------------------------- operations
def _test_block_macs(answer):
    # In the first, no width follows from another number, as it does in the networks of the course.
    for s, c, d_s, d_c in ((5, 7, 11, 13), (64, 128, 32, 512), (196, 768, 384, 3072)):
        token, channel = 2 * s * d_s * c, 2 * s * c * d_c
        close(
            call(answer, s, c, d_s, d_c),
            token + channel,
            mistakes={
                "每个 MLP 有两个线性层，只数了一个 | each MLP has two linear layers; only one is"
                " counted": (token + channel) / 2,
                "词元混合对每个通道都要算一遍：还要乘以 C | token mixing is done for every channel:"
                " multiply by C, too": 2 * s * d_s + channel,
                "通道混合对每个词元都要算一遍：还要乘以 S | channel mixing is done for every token:"
                " multiply by S, too": token + 2 * c * d_c,
                "这是参数量，不是乘加次数 | these are the parameters, not the MACs": 2 * s * d_s
                + 2 * c * d_c,
                "偏置不算乘加 | biases are no MACs": token
                + channel
                + c * (d_s + s)
                + s * (d_c + c),
                "漏了词元混合 | token mixing is missing": channel,
                "漏了通道混合 | channel mixing is missing": token,
            },
        )


# ----------------------------------------------------------------------------- intensity
def _test_intensity(answer):
    for n, k, m, size in ((4, 3, 2, 4), (1024, 1024, 1024, 4), (64, 32, 8192, 2)):
        numbers = n * k + k * m + n * m
        right = n * k * m / (size * numbers)
        close(
            call(answer, n, k, m, size),
            right,
            mistakes={
                "还要除以每个数的字节数 | divide by the bytes of a number, too": n
                * k
                * m
                / numbers,
                "结果也要写回内存 | the result is written to memory, too": n
                * k
                * m
                / (size * (n * k + k * m)),
                "分子是乘加的次数 n·k·m，不是两倍 | the numerator is the number of MACs, n·k·m, not"
                " twice that": 2 * right,
                "比值反了：应当是乘加除以字节 | the ratio is upside down: MACs over bytes": 1
                / right,
            },
        )


# ------------------------------------------------------------------------------- folding
def _test_fold(answer):
    gain, shift = torch.randn(5), torch.randn(5)  # (C,)
    weight, bias = torch.randn(3, 5), torch.randn(3)  # (D, C), (D,)
    n = functional.layer_norm(torch.randn(7, 5), (5,))  # (S, C)
    right = functional.linear(gain * n + shift, weight, bias)

    def folded(*values):
        return functional.linear(n, *_weight_and_bias(call(answer, *values), weight, bias))

    close(
        folded(gain, shift, weight, bias),
        right,
        axes="S D",
        mistakes={
            "漏了平移 `shift` 带来的偏置 | the bias that `shift` makes is missing": functional.linear(
                gain * n, weight, bias
            ),
            "`gain` 没有乘进权重 | `gain` is not multiplied into the weights": functional.linear(
                n + shift, weight, bias
            ),
            "`shift` 不应再乘以 `gain` | `shift` is not multiplied by `gain`": functional.linear(
                gain * (n + shift), weight, bias
            ),
            "原来的偏置丢了 | the old bias is lost": right - bias,
        },
    )
    _compare_gradients(folded, n, (gain, shift, weight, bias))


def _weight_and_bias(result, *shaped):
    """Return W and b as tensors of these shapes, or say what a student's answer is instead."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("需要返回两样：权重和偏置 | return two things: weights and bias")
    for name, part, like in zip(("W", "b"), result, shaped, strict=True):
        if part is ...:
            call(lambda: ...)  # not answered yet
        if not isinstance(part, torch.Tensor):
            raise Wrong(
                f"{name} 要是张量：梯度要能经过它传回去 | {name} has to be a tensor: gradients should"
                " flow back through it"
            )
        if part.shape != like.shape:
            yours, wanted = tuple(part.shape), tuple(like.shape)
            raise Wrong(
                f"{name} 的形状是 {yours}，应当与原来的相同：{wanted} | {name} has shape {yours}; it"
                f" should have that of the old one, {wanted}"
            )
    return [part.to(like.dtype) for part, like in zip(result, shaped, strict=True)]


def _compare_gradients(folded, n, values) -> None:
    """Compare the gradients of the four parameters with those of the two operations apart."""
    found = [value.clone().requires_grad_() for value in values]
    differentiable(folded(*found)).square().sum().backward()
    wanted = [value.clone().requires_grad_() for value in values]
    gain, shift, weight, bias = wanted
    functional.linear(gain * n + shift, weight, bias).square().sum().backward()
    for name, mine, theirs in zip(("gain", "shift", "weight", "bias"), found, wanted, strict=True):
        none = torch.zeros_like(mine)
        diagnosis = (
            f"结果对，但 `{name}` 得不到梯度：不要用 `detach`、`.data` 或 `nn.Parameter` | the result is right, but"
            f" `{name}` gets no gradient: do without `detach`, `.data` and `nn.Parameter`"
        )
        close(none if mine.grad is None else mine.grad, theirs.grad, mistakes={diagnosis: none})


EXERCISES = [
    Exercise(
        id="12.1",
        title="一个 Mixer 块的乘加运算 | the multiply-adds of a block",
        name="block_macs",
        stub='''
def block_macs(s, c, d_s, d_c):
    """Return the MACs of one Mixer block for one image: its four linear layers."""
    return ...  # 在这里写 / your code here
''',
        test=_test_block_macs,
        hints=(
            "一次 (n, k) 乘 (k, m) 的矩阵乘法有 n·k·m 次乘加。 | A product of (n, k) and (k, m) has n·k·m"
            " MACs.",
            "词元混合的两层：(D_S, S)·(S, C) 和 (S, D_S)·(D_S, C)。 | The two layers of token mixing:"
            " (D_S, S)·(S, C) and (S, D_S)·(D_S, C).",
            "通道混合的两层：(S, C)·(C, D_C) 和 (S, D_C)·(D_C, C)。 | The two layers of channel"
            " mixing: (S, C)·(C, D_C) and (S, D_C)·(D_C, C).",
        ),
        solution='''
def block_macs(s, c, d_s, d_c):
    """Return the MACs of one Mixer block for one image: its four linear layers."""
    return 2 * s * d_s * c + 2 * s * c * d_c
''',
        wrong={
            "one layer each": (
                "def block_macs(s, c, d_s, d_c):\n    return s * d_s * c + s * c * d_c",
                "只数了一个",
                "only one is counted",
            ),
            "parameters": (
                "def block_macs(s, c, d_s, d_c):\n    return 2 * s * d_s + 2 * s * c * d_c",
                "还要乘以 C",
                "multiply by C",
            ),
            "no token mixing": (
                "def block_macs(s, c, d_s, d_c):\n    return 2 * s * c * d_c",
                "漏了词元混合",
                "token mixing is missing",
            ),
            "no return": (
                "def block_macs(s, c, d_s, d_c):\n    2 * s * d_s * c",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="代入 S = 64、C = 128、D_S = 32、D_C = 512：词元混合只占约 6%。 | With S = 64, C = 128, D_S ="
        " 32, D_C = 512, token mixing is about 6% of it.",
    ),
    Exercise(
        id="12.2",
        title="矩阵乘法的算术强度 | the arithmetic intensity of a product",
        name="intensity",
        stub='''
def intensity(n, k, m, size):
    """Return the MACs per byte of (n, k) times (k, m), if each number travels once: `size` bytes."""
    return ...  # 在这里写 / your code here
''',
        test=_test_intensity,
        hints=(
            "先数乘加：n·k·m。 | First count the MACs: n·k·m.",
            "再数字节：两个输入各读一遍，结果写一遍。 | Then the bytes: both inputs are read once, and the"
            " result is written once.",
            "经过内存的是三个矩阵：(n, k)、(k, m) 和结果 (n, m)，每个数 `size` 个字节。 | Three"
            " matrices travel: (n, k), (k, m) and the result (n, m), with `size` bytes a number.",
        ),
        solution='''
def intensity(n, k, m, size):
    """Return the MACs per byte of (n, k) times (k, m), if each number travels once: `size` bytes."""
    return n * k * m / (size * (n * k + k * m + n * m))


# (32, 64) · (64, m): 32·64·m / (4·(32·64 + 96·m)) → 2048 / 384 = 16/3 ≈ 5.3 (m → ∞)
# 高强度也有上限；与第 4 节图里的拐点比较 / a ceiling, too: compare it with the bend in section 4
''',
        wrong={
            "numbers, not bytes": (
                "def intensity(n, k, m, size):\n    return n * k * m / (n * k + k * m + n * m)",
                "字节数",
                "bytes of a number",
            ),
            "result not written": (
                "def intensity(n, k, m, size):\n    return n * k * m / (size * (n * k + k * m))",
                "写回内存",
                "written to memory",
            ),
            "upside down": (
                "def intensity(n, k, m, size):\n"
                "    return size * (n * k + k * m + n * m) / (n * k * m)",
                "比值反了",
                "upside down",
            ),
        },
        note="词元混合第一层的极限是 16/3 ≈ 5.3；n = k = m 时强度是 n / (3 · size)：矩阵越大越划算。 | The"
        " limit for token mixing's first layer is 16/3, about 5.3; for n = k = m it is n / (3 · size):"
        " the larger the matrix, the better.",
    ),
    Exercise(
        id="12.3",
        title="把归一化的参数并入线性层 | fold a norm's parameters into a layer",
        name="fold",
        stub='''
def fold(gain, shift, weight, bias):
    """Return (W, b) so that linear(n, W, b) equals linear(gain * n + shift, weight, bias)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_fold,
        hints=(
            "展开 `weight @ (gain * n + shift) + bias`，看哪些与 n 有关。 | Expand"
            " `weight @ (gain * n + shift) + bias`: what depends on n?",
            "`gain` 乘的是输入通道，即 `weight` 的列。 | `gain` multiplies the input channels: the columns"
            " of `weight`.",
            "与 n 无关的部分就是新的偏置：别忘了 `weight` 也乘在 `shift` 上。 | What does not"
            " depend on n is the new bias; `weight` multiplies `shift`, too.",
        ),
        solution='''
def fold(gain, shift, weight, bias):
    """Return (W, b) so that linear(n, W, b) equals linear(gain * n + shift, weight, bias)."""
    return weight * gain, weight @ shift + bias
''',
        wrong={
            "shift forgotten": (
                "def fold(gain, shift, weight, bias):\n    return weight * gain, bias",
                "漏了平移",
                "makes is missing",
            ),
            "gain forgotten": (
                "def fold(gain, shift, weight, bias):\n    return weight, weight @ shift + bias",
                "没有乘进权重",
                "not multiplied into",
            ),
            "bias lost": (
                "def fold(gain, shift, weight, bias):\n    return weight * gain, weight @ shift",
                "原来的偏置丢了",
                "the old bias is lost",
            ),
            "gain on the shift": (
                "def fold(gain, shift, weight, bias):\n"
                "    return weight * gain, weight @ (gain * shift) + bias",
                "不应再乘以",
                "is not multiplied by",
            ),
        },
        note="检查还比较四个参数的梯度：用 `.detach()` 写出的解答会被发现。 | The check compares the gradients"
        " of all four parameters: a solution with `.detach()` is found out.",
    ),
]
