"""Exercises of notebook 02, token and channel mixing."""

import torch

from hdd.teaching.exercises.diagnosis import call, close
from hdd.teaching.exercises.exercise import Exercise


def _test_both_mixings(answer):
    w_token, w_channel = torch.randn(6, 6), torch.randn(5, 5)
    x = torch.randn(2, 6, 5)  # (B, S, C)
    result = call(answer, w_token, w_channel, x)
    close(
        result,
        w_token @ x @ w_channel.T,
        axes="B S C",
        mistakes={
            "少了通道混合 | channel mixing is missing": w_token @ x,
            "少了词元混合 | token mixing is missing": x @ w_channel.T,
            "`w_token` 的两个下标反了：第一个是输出词元 | the indices of `w_token` are swapped: the"
            " first is the output token": w_token.T @ x @ w_channel.T,
            "`w_channel` 的两个下标反了：第一个是输出通道 | the indices of `w_channel` are swapped:"
            " the first is the output channel": w_token @ x @ w_channel,
        },
    )


def _test_free_weights(answer):
    close(answer, (64, 64 * 64), tolerance=0.5, axes="numbers")


EXERCISES = [
    Exercise(
        id="02.1",
        title="一句 einsum 写出两种混合 | both mixings in one einsum",
        name="both_mixings",
        stub='''
def both_mixings(w_token, w_channel, x):
    """Return token mixing followed by channel mixing: (B, S, C)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_both_mixings,
        hints=(
            "一个 einsum 可以有三个输入，用逗号隔开。 | One einsum takes three operands, separated by"
            " commas.",
            "先给每个下标起名：输出词元、输入词元、输出通道、输入通道、批。 | First name the indices:"
            " output token, input token, output channel, input channel, batch.",
            "被求和的两个下标，在箭头右边不出现。 | The two indices that are summed over do not"
            " appear to the right of the arrow.",
        ),
        solution='''
def both_mixings(w_token, w_channel, x):
    """Return token mixing followed by channel mixing: (B, S, C)."""
    return torch.einsum("ts,dc,bsc->btd", w_token, w_channel, x)
''',
        wrong={
            "transposed result": (
                'def both_mixings(w, v, x):\n    return torch.einsum("ts,dc,bsc->bdt", w, v, x)',
                "S 与 C 两个轴互换了",
                "axes S and C are swapped",
            ),
            "token weights the wrong way round": (
                'def both_mixings(w, v, x):\n    return torch.einsum("st,dc,bsc->btd", w, v, x)',
                "`w_token` 的两个下标反了",
                "the indices of `w_token` are swapped",
            ),
            "no return": (
                'def both_mixings(w, v, x):\n    torch.einsum("ts,dc,bsc->btd", w, v, x)',
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="多数人先写出两个 einsum；可以请他们数一数各自的乘法次数。 | Most people write two einsums"
        " first; ask them to count the multiplications of either way.",
    ),
    Exercise(
        id="02.2",
        title="自由权重有多少 | how many free weights",
        name="free_weights",
        stub="free_weights = ...  # (循环卷积, W2·W1) / (circular convolution, W2·W1)",
        test=_test_free_weights,
        hints=(
            "循环卷积：两个位置之间的权重只取决于位移。 | In a circular convolution the weight between"
            " two places depends on the displacement alone.",
            "S 个位置排成一圈，有多少种不同的位移？ | S places on a ring: how many displacements?",
            "W2·W1 的行和列都是词元。 | The rows and the columns of W2·W1 are tokens.",
        ),
        solution="free_weights = (64, 64 * 64)",
        wrong={
            "one number": ("free_weights = 64", "只得到一个", "yours is one"),
            "other order": ("free_weights = (4096, 64)", "次序不对", "order is not"),
            "a text": ("free_weights = '64'", "需要数字或张量", "a number or a tensor"),
        },
        note="引出下一节的等变占比：S 维子空间在 S² 维里。 | Leads to the equivariant share: a space of"
        " S dimensions inside one of S².",
    ),
]
