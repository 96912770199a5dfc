"""Exercises of notebook 01, patches to tokens."""

import torch
from torch import Tensor
from torch.nn import functional

from hdd.teaching.exercises.diagnosis import call, close
from hdd.teaching.exercises.exercise import Exercise

H, W, P = 3, 4, 5  # patches down and across, and their side


def _split(images: Tensor) -> Tensor:
    """Return images (B, C_in, 15, 20) with both sides split: (B, C_in, h, p1, w, p2)."""
    return images.unflatten(2, (H, P)).unflatten(4, (W, P))


# --------------------------------------------------------------------------------- cutting
def _test_cut(answer):
    images = torch.randn(2, 3, H * P, W * P)  # (B, C_in, height, width)
    split = _split(images)

    def tables(*order):
        return split.permute(order).reshape(2, H * W, 3 * P * P)

    close(
        call(answer, images, P),
        tables(0, 2, 4, 1, 3, 5),
        axes="B S C_in·P·P",
        mistakes={
            "只用了 reshape：每一行是横着的一长条像素，不是方形 | reshape alone: each row is a strip"
            " of pixels, not a square": images.reshape(2, H * W, -1),
            "颜色通道的轴还在 h 和 w 前面：它属于图像块内部 | the axis of colour channels still stands"
            " before h and w: it belongs inside the patch": tables(0, 1, 2, 4, 3, 5),
            "图像块内的次序应当是（颜色通道, p1, p2），你的颜色通道在最后 | inside a patch the order"
            " should be (colour channel, p1, p2); yours has the colours last": tables(
                0, 2, 4, 3, 5, 1
            ),
            "图像块的次序是从上到下再从左到右：w 排在了 h 前面 | the patches run down the columns: w"
            " stands before h": tables(0, 4, 2, 1, 3, 5),
            "每个图像块都转置了：p2 排在了 p1 前面 | every patch is transposed: p2 stands before"
            " p1": tables(0, 2, 4, 1, 5, 3),
        },
    )


# ---------------------------------------------------------------------------- putting back
def _test_uncut(answer):
    images = torch.randn(2, 3, H * P, W * P)
    tables = _split(images).permute(0, 2, 4, 1, 3, 5).reshape(2, H * W, -1)  # (B, S, C_in·P·P)
    grid = tables.view(2, H, W, 3, P, P)

    def back(*order):
        return grid.permute(order).reshape(2, 3, H * P, W * P)

    close(
        call(answer, tables, (H, W), P),
        images,
        axes="B C_in height width",
        mistakes={
            "只用了 reshape，没有 permute | reshape alone, without permute": tables.reshape(
                2, 3, H * P, W * P
            ),
            "每个图像块都转置了：p2 应当紧跟在 w 后面 | every patch is transposed: p2 should follow"
            " right after w": back(0, 3, 1, 5, 2, 4),
            "h 和 w 相邻，p1 和 p2 相邻：要先交错成 h, p1, w, p2 | h stands next to w and p1 next to p2:"
            " they should alternate, h, p1, w, p2": back(0, 3, 1, 2, 4, 5),
        },
    )


# ------------------------------------------------------------------------------------ stem
def _test_stem(answer):
    images, kernel = torch.randn(2, 3, H * P, W * P), torch.randn(7, 3, P, P)
    bias = torch.randn(7)

    def tokens(kernel, bias=bias):
        return functional.conv2d(images, kernel, bias, stride=P).flatten(2).transpose(1, 2)

    strips = images.reshape(2, H * W, -1) @ kernel.flatten(1).T + bias
    close(
        call(answer, images, kernel, bias),
        tokens(kernel),
        tolerance=1e-3,
        axes="B S C",
        mistakes={
            "忘了加偏置 | the bias is missing": tokens(kernel, None),
            "卷积核的 p1 和 p2 反了 | p1 and p2 of the kernel are swapped": tokens(kernel.mT),
            "图像块切成了长条：先把 H 拆成 (h, p1)，把 W 拆成 (w, p2) | the patches are strips: first"
            " split H into (h, p1) and W into (w, p2)": strips,
            "通道与词元两个轴没有换过来 | tokens and channels have not changed places": tokens(
                kernel
            )
            .transpose(1, 2)
            .reshape(2, H * W, 7),
        },
    )


def _test_numbers(answer):
    tokens, stem = 14 * 21, 3 * 16 * 16 * 512 + 512
    close(
        answer,
        (tokens, stem),
        axes="numbers",
        mistakes={
            "第二个数少了偏置 | the second number lacks the biases": (tokens, stem - 512),
            "第二个数不对：彩色图像有三个颜色通道 | the second number is wrong: a colour image has three"
            " colour channels": (tokens, 16 * 16 * 512 + 512),
            "第二个数不对：所有图像块共用同一个线性层 | the second number is wrong: all patches share one"
            " linear layer": (tokens, tokens * stem),
            "第一个数不对：图像不是正方形 | the first number is wrong: the image is not square": (
                14 * 14,
                stem,
            ),
        },
    )


EXERCISES = [
    Exercise(
        id="01.1",
        title="切成图像块 | cutting into patches",
        name="cut",
        stub='''
def cut(images, patch):
    """Cut images (B, C_in, H, W) into tables (B, S, C_in·P·P), with P = patch."""
    return ...  # 在这里写 / your code here
''',
        test=_test_cut,
        hints=(
            "批和颜色通道不拆：第一次 reshape 以后有六个轴。 | Batch and colours are not split: after the"
            " first reshape there are six axes.",
            "六个轴是 (B, C_in, h, p1, w, p2)。前面留下批和图像块的轴，后面是图像块内部的轴。 | The six"
            " axes are (B, C_in, h, p1, w, p2). In front come the batch and the axes of the patches,"
            " behind them the axes inside a patch.",
            "排好的次序是 (B, h, w, C_in, p1, p2)：`permute` 的每个数是那个轴原来的编号。最后再"
            " reshape 一次。 | The order wanted is (B, h, w, C_in, p1, p2): each number of"
            " `permute` is the old place of that axis. Then reshape once more.",
        ),
        solution='''
def cut(images, patch):
    """Cut images (B, C_in, H, W) into tables (B, S, C_in·P·P), with P = patch."""
    b, c, height, width = images.shape
    h, w = height // patch, width // patch
    split = images.reshape(b, c, h, patch, w, patch)  # (B, C_in, h, p1, w, p2)
    moved = split.permute(0, 2, 4, 1, 3, 5)  # (B, h, w, C_in, p1, p2)
    return moved.reshape(b, h * w, c * patch * patch)  # (B, S, C_in·P·P)
''',
        wrong={
            "reshape alone": (
                "def cut(images, patch):\n"
                "    b, c, height, width = images.shape\n"
                "    return images.reshape(b, -1, c * patch * patch)",
                "只用了 reshape",
                "reshape alone",
            ),
            "colours stay in front": (
                "def cut(images, patch):\n"
                "    b, c, height, width = images.shape\n"
                "    h, w = height // patch, width // patch\n"
                "    split = images.reshape(b, c, h, patch, w, patch)\n"
                "    return split.permute(0, 1, 2, 4, 3, 5).reshape(b, h * w, -1)",
                "颜色通道的轴还在",
                "the axis of colour channels",
            ),
            "column by column": (
                "def cut(images, patch):\n"
                "    b, c, height, width = images.shape\n"
                "    h, w = height // patch, width // patch\n"
                "    split = images.reshape(b, c, h, patch, w, patch)\n"
                "    return split.permute(0, 4, 2, 1, 3, 5).reshape(b, h * w, -1)",
                "w 排在了 h 前面",
                "run down the columns",
            ),
            "colours last": (
                "def cut(images, patch):\n"
                "    b, c, height, width = images.shape\n"
                "    h, w = height // patch, width // patch\n"
                "    split = images.reshape(b, c, h, patch, w, patch)\n"
                "    return split.permute(0, 2, 4, 3, 5, 1).reshape(b, h * w, -1)",
                "颜色通道在最后",
                "the colours last",
            ),
            "no return": (
                "def cut(images, patch):\n    images.reshape(len(images), -1)",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="用 `unfold` 写的也对：检查只比较结果。可以追问：哪一步复制了内存？（permute 之后的 reshape。）"
        " | Answers with `unfold` pass, too: only the result is compared. Ask which step copies memory"
        " (the reshape after the permute).",
    ),
    Exercise(
        id="01.2",
        title="拼回图像 | putting the image together again",
        name="uncut",
        stub='''
def uncut(tables, grid, patch):
    """Undo `cut`: tables (B, S, C_in·P·P) -> images (B, C_in, H, W); grid = (h, w)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_uncut,
        hints=(
            "把 `cut` 的三步倒过来做。 | Do the three steps of `cut` in reverse.",
            "先拆成六个轴 (B, h, w, C_in, p1, p2)；C_in 可以由最后一个轴的长度算出。 | First split into six"
            " axes (B, h, w, C_in, p1, p2); the length of the last axis tells C_in.",
            "再排成 (B, C_in, h, p1, w, p2)；最后合并 h 与 p1、w 与 p2。 | Then order them (B,"
            " C_in, h, p1, w, p2), and merge h with p1 and w with p2.",
        ),
        solution='''
def uncut(tables, grid, patch):
    """Undo `cut`: tables (B, S, C_in·P·P) -> images (B, C_in, H, W); grid = (h, w)."""
    (b, _, numbers), (h, w) = tables.shape, grid
    c = numbers // patch**2
    split = tables.reshape(b, h, w, c, patch, patch)  # (B, h, w, C_in, p1, p2)
    moved = split.permute(0, 3, 1, 4, 2, 5)  # (B, C_in, h, p1, w, p2)
    return moved.reshape(b, c, h * patch, w * patch)  # (B, C_in, H, W)
''',
        wrong={
            "reshape alone": (
                "def uncut(tables, grid, patch):\n"
                "    h, w = grid\n"
                "    return tables.reshape(len(tables), -1, h * patch, w * patch)",
                "没有 permute",
                "without permute",
            ),
            "transposed patches": (
                "def uncut(tables, grid, patch):\n"
                "    h, w = grid\n"
                "    split = tables.reshape(len(tables), h, w, -1, patch, patch)\n"
                "    return split.permute(0, 3, 1, 5, 2, 4).reshape(\n"
                "        len(tables), -1, h * patch, w * patch)",
                "每个图像块都转置了",
                "every patch is transposed",
            ),
            "axes side by side": (
                "def uncut(tables, grid, patch):\n"
                "    h, w = grid\n"
                "    split = tables.reshape(len(tables), h, w, -1, patch, patch)\n"
                "    return split.permute(0, 3, 1, 2, 4, 5).reshape(\n"
                "        len(tables), -1, h * patch, w * patch)",
                "要先交错",
                "they should alternate",
            ),
            "one image instead of a batch": (
                "def uncut(tables, grid, patch):\n"
                "    h, w = grid\n"
                "    return tables.reshape(h * patch, w * patch, -1)",
                "形状是",
                "the shape is",
            ),
        },
        note="为什么要给出 grid？因为 12 个图像块可以是 3 × 4，也可以是 2 × 6：表里没有记下来。 | Why is grid"
        " an argument? Twelve patches could be 3 × 4 or 2 × 6: the table does not say.",
    ),
    Exercise(
        id="01.3",
        title="用 einsum 写主干层 | the stem with einsum",
        name="stem",
        stub='''
def stem(images, kernel, bias):
    """Images (B, C_in, H, W), kernel (C, C_in, P, P), bias (C,) -> tokens (B, S, C)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_stem,
        hints=(
            "先把图像拆成六个轴 (B, C_in, h, p1, w, p2)，不需要 permute。 | First split the images into six"
            " axes (B, C_in, h, p1, w, p2); there is no need to permute.",
            "给每个轴一个字母：图像 `bchpwq`，卷积核 `dcpq`。哪些字母应当留在结果里？ | Give each axis a"
            " letter: images `bchpwq`, kernel `dcpq`. Which letters should remain in the result?",
            "对 c、p、q 求和，它们两个张量都有，却不在箭头右边；留下 b、h、w、d。加上偏置以后，再把 h 与 w 合并。"
            " | Sum over c, p and q, which both have and the result lacks; b, h, w and d remain. Add the bias, then"
            " merge h and w.",
        ),
        solution='''
def stem(images, kernel, bias):
    """Images (B, C_in, H, W), kernel (C, C_in, P, P), bias (C,) -> tokens (B, S, C)."""
    (b, c, height, width), p = images.shape, kernel.shape[-1]
    split = images.reshape(b, c, height // p, p, width // p, p)  # (B, C_in, h, p1, w, p2)
    tokens = torch.einsum("bchpwq,dcpq->bhwd", split, kernel) + bias  # (B, h, w, C)
    return tokens.flatten(1, 2)  # (B, S, C)
''',
        wrong={
            "no bias": (
                "def stem(images, kernel, bias):\n"
                "    p = kernel.shape[-1]\n"
                "    split = images.unflatten(2, (-1, p)).unflatten(4, (-1, p))\n"
                '    return torch.einsum("bchpwq,dcpq->bhwd", split, kernel).flatten(1, 2)',
                "忘了加偏置",
                "the bias is missing",
            ),
            "p and q swapped": (
                "def stem(images, kernel, bias):\n"
                "    p = kernel.shape[-1]\n"
                "    split = images.unflatten(2, (-1, p)).unflatten(4, (-1, p))\n"
                '    return torch.einsum("bchpwq,dcqp->bhwd", split, kernel).flatten(1, 2) + bias',
                "p1 和 p2 反了",
                "p1 and p2 of the kernel",
            ),
            "strips": (
                "def stem(images, kernel, bias):\n"
                "    rows = images.reshape(len(images), -1, kernel[0].numel())\n"
                "    return rows @ kernel.flatten(1).T + bias",
                "切成了长条",
                "the patches are strips",
            ),
            "channels before tokens": (
                "def stem(images, kernel, bias):\n"
                "    p = kernel.shape[-1]\n"
                "    return functional.conv2d(images, kernel, bias, stride=p).flatten(2)",
                "S 与 C 两个轴互换了",
                "axes S and C are swapped",
            ),
            "conv reshaped": (
                "def stem(images, kernel, bias):\n"
                "    p = kernel.shape[-1]\n"
                "    maps = functional.conv2d(images, kernel, bias, stride=p)\n"
                "    return maps.reshape(len(images), -1, len(kernel))",
                "两个轴没有换过来",
                "have not changed places",
            ),
        },
        note="用 Conv2d 也能通过；请学生说出 einsum 对哪些字母求和（c、p、q），以及为什么不需要 permute。"
        " | Conv2d passes, too; ask which letters einsum sums over (c, p, q), and why no permute is needed.",
    ),
    Exercise(
        id="01.4",
        title="词元数与参数量 | tokens and parameters",
        name="numbers",
        stub="numbers = ...  # (词元数, 主干层的参数量) / (tokens, parameters of the stem)",
        test=_test_numbers,
        hints=(
            "网格有几行、几列？ | How many rows and columns does the grid have?",
            "每个通道的权重个数等于一个图像块里数的个数。 | Each channel has as many weights as a patch has"
            " numbers.",
            "主干层的参数量是 C_in·P·P·C + C，与图像大小无关。 | The stem has C_in·P·P·C + C parameters,"
            " whatever the image size.",
        ),
        solution="numbers = (14 * 21, 3 * 16 * 16 * 512 + 512)",
        wrong={
            "no biases": (
                "numbers = (14 * 21, 3 * 16 * 16 * 512)",
                "少了偏置",
                "lacks the biases",
            ),
            "one colour": (
                "numbers = (14 * 21, 16 * 16 * 512 + 512)",
                "三个颜色通道",
                "three colour channels",
            ),
            "a layer for each patch": (
                "numbers = (14 * 21, 14 * 21 * (3 * 16 * 16 * 512 + 512))",
                "共用同一个线性层",
                "share one linear layer",
            ),
            "square": (
                "numbers = (14 * 14, 3 * 16 * 16 * 512 + 512)",
                "不是正方形",
                "not square",
            ),
        },
        note="P = 16、C = 512 是论文的 Mixer-S/16；224 × 224 时有 196 个词元。 | P = 16 and C = 512 are"
        " those of the paper's Mixer-S/16, which has 196 tokens at 224 × 224.",
    ),
]
