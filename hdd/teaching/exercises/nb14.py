"""Exercises of notebook 14, another resolution."""

import torch
from torch import Tensor
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.teaching.exercises.diagnosis import call, close
from hdd.teaching.exercises.exercise import Exercise


# -------------------------------------------------------------------------------- parameters
def _test_parameters(answer):
    for side, patch, depth in ((24, 4, 3), (28, 7, 2), (28, 4, 2)):  # 36, 16 and 49 tokens
        net = MLPMixer(image_size=side, channels=1, patch_size=patch, dim=8, depth=depth)
        counts = [p.numel() for block in net.blocks for p in block.token_mixing.parameters()]
        tokens = (side // patch) ** 2
        hidden = tokens // 2
        close(
            call(answer, side, patch, depth),
            sum(counts),
            mistakes={
                "漏了偏置 | the biases are missing": 2 * depth * tokens * hidden,
                "一个 MLP 有两个权重矩阵 | an MLP has two weight matrices": sum(counts)
                - depth * tokens * hidden,
                "只算了一个 Mixer 块 | only one block was counted": sum(counts) // depth,
                "词元数应当是一行的图像块数的平方 | the number of tokens is the square of the patches"
                " in a row": depth * _mlp(side // patch),
                "词元数是奇数时，D_S 要向下取整 | for an odd number of tokens D_S is rounded down": depth
                * (tokens * tokens + 1.5 * tokens),
                "D_S 是词元数的一半 | D_S is half the number of tokens": depth
                * (2 * tokens * tokens + 2 * tokens),
            },
        )


def _mlp(tokens: int) -> int:
    hidden = tokens // 2
    return 2 * tokens * hidden + hidden + tokens


# ---------------------------------------------------------------------------------- stretched
def _maps(
    w1: Tensor, grid: tuple[int, int], factor: int, mode: str = "bilinear", **options: bool
) -> Tensor:
    images = w1.unflatten(1, grid)[:, None]
    return functional.interpolate(images, scale_factor=factor, mode=mode, **options).flatten(1)


def _test_stretched(answer):
    grid, factor = (2, 3), 3
    w1 = torch.randn(5, 6)  # (D_S, S)
    wide = _maps(w1, grid, factor)
    close(
        call(answer, w1, grid, factor),
        wide / factor**2,
        axes="D_S S·f²",
        mistakes={
            "没有归一化：读入的词元变多了，权重之和应当不变 | not normalised: there are more tokens to"
            " read, and the sum of the weights should stay": wide,
            "只除以了 factor：网格在两个方向上都变大了 | divided by factor only: the grid grows in two"
            " directions": wide / factor,
            "`align_corners=True` 把四角对齐了：用默认的 False | `align_corners=True` pins the corners:"
            " use the default, False": _maps(w1, grid, factor, align_corners=True) / factor**2,
            "乘了，应当除 | multiplied instead of divided": wide * factor**2,
            "用的是最近邻，不是双线性插值 | nearest neighbour instead of bilinear interpolation": _maps(
                w1, grid, factor, "nearest"
            )
            / factor**2,
            "网格的高和宽弄反了 | height and width of the grid are exchanged": _maps(
                w1, grid[::-1], factor
            )
            / factor**2,
        },
    )


# -------------------------------------------------------------------------------------- tiled
def _tiled(w1: Tensor, grid: tuple[int, int], factor: int, down_first: bool = False) -> Tensor:
    h, w = grid
    rows = []
    for first in range(factor):
        for second in range(factor):
            i, j = (second, first) if down_first else (first, second)
            large = torch.zeros(len(w1), factor * h, factor * w)
            large[:, i * h : (i + 1) * h, j * w : (j + 1) * w] = w1.view(-1, h, w)
            rows.append(large.flatten(1))
    return torch.cat(rows)


def _test_tiled(answer):
    grid, factor = (2, 3), 2
    w1 = torch.randn(5, 6)  # (D_S, S)
    close(
        call(answer, w1, grid, factor),
        _tiled(w1, grid, factor),
        axes="D_S·f² S·f²",
        mistakes={
            "词元按行编号，不是按小图编号：同一个小图的词元在一行里并不相连 | tokens are numbered row by"
            " row of the whole grid, not tile by tile: those of a tile are not neighbours": torch.kron(
                torch.eye(factor**2), w1
            ),
            "每个单元读了所有小图 | every unit reads all tiles": w1.unflatten(1, grid)
            .repeat(factor**2, factor, factor)
            .flatten(1),
            "小图的次序不对：先从左到右，再从上到下 | the tiles are in the wrong order: from left to"
            " right first, then down": _tiled(w1, grid, factor, down_first=True),
            "多除了一次：每个单元读的词元数没有变 | divided once too often: each unit reads as many"
            " tokens as before": _tiled(w1, grid, factor) / factor**2,
        },
    )


EXERCISES = [
    Exercise(
        id="14.1",
        title="有多少参数取决于词元数 | parameters that depend on the number of tokens",
        name="size_parameters",
        stub='''
def size_parameters(side, patch, depth):
    """Return the number of token-mixing parameters, with biases, for D_S = S // 2."""
    return ...  # 在这里写 / your code here
''',
        test=_test_parameters,
        hints=(
            "先算词元数：一行有 side // patch 个图像块。 | First the tokens: there are side // patch"
            " patches in a row.",
            "每个 Mixer 块有两层：W1 是 (D_S, S)，W2 是 (S, D_S)，各有一个偏置。 | Each block has two"
            " layers, W1 (D_S, S) and W2 (S, D_S), each with a bias.",
            "W1 和 W2 的权重一样多，都是 S·D_S 个；两个偏置分别有 D_S 和 S 个数。别忘了块数。 |"
            " W1 and W2 have S·D_S weights each; the biases have D_S and S numbers. Mind the"
            " number of blocks.",
        ),
        solution='''
def size_parameters(side, patch, depth):
    """Return the number of token-mixing parameters, with biases, for D_S = S // 2."""
    tokens = (side // patch) ** 2
    hidden = tokens // 2
    return depth * (2 * tokens * hidden + hidden + tokens)
''',
        wrong={
            "no biases": (
                "def size_parameters(side, patch, depth):\n"
                "    s = (side // patch) ** 2\n"
                "    return depth * 2 * s * (s // 2)",
                "漏了偏置",
                "the biases are missing",
            ),
            "one block": (
                "def size_parameters(side, patch, depth):\n"
                "    s = (side // patch) ** 2\n"
                "    return 2 * s * (s // 2) + s // 2 + s",
                "只算了一个 Mixer 块",
                "only one block",
            ),
            "not rounded down": (
                "def size_parameters(side, patch, depth):\n"
                "    s = (side // patch) ** 2\n"
                "    return depth * (s * s + s / 2 + s)",
                "要向下取整",
                "is rounded down",
            ),
            "tokens in a row": (
                "def size_parameters(side, patch, depth):\n"
                "    s = side // patch\n"
                "    return depth * (2 * s * (s // 2) + s // 2 + s)",
                "的平方",
                "the square of the patches",
            ),
        },
        note="追问：图像边长加倍，这个数变成几倍？（约 16 倍。） | Ask: by how much does it grow when the"
        " side of the image doubles? (About 16 times.)",
    ),
    Exercise(
        id="14.2",
        title="拉伸读入权重 | stretch what units read",
        name="stretched",
        given="from torch.nn import functional",
        stub='''
def stretched(w1, grid, factor):
    """Enlarge each row of w1 (D_S, h * w), a map on `grid` = (h, w), bilinearly by `factor`.

    Returns (D_S, h * w * factor**2), such that an input of equal tokens gives the same sums.
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_stretched,
        hints=(
            "把每一行折回网格：`w1.unflatten(1, grid)` 的形状是 (D_S, h, w)。 | Fold each row into its grid:"
            " `w1.unflatten(1, grid)` has shape (D_S, h, w).",
            '`functional.interpolate` 需要四个轴：用 `[:, None]` 补一个，`mode="bilinear"`。 |'
            ' `functional.interpolate` expects four axes: add one with `[:, None]`; `mode="bilinear"`.',
            "读入的词元变成 factor² 倍，所以最后除以 `factor**2`，再 `flatten(1)`。 | There are factor²"
            " times as many tokens to read: divide by `factor**2`, then `flatten(1)`.",
        ),
        solution='''
def stretched(w1, grid, factor):
    """Enlarge each row of w1 (D_S, h * w), a map on `grid` = (h, w), bilinearly by `factor`."""
    maps = w1.unflatten(1, grid)[:, None]  # (D_S, 1, h, w)
    large = functional.interpolate(maps, scale_factor=factor, mode="bilinear")
    return large.flatten(1) / factor**2  # (D_S, S * factor**2)
''',
        wrong={
            "not normalised": (
                "def stretched(w1, grid, factor):\n"
                "    maps = w1.unflatten(1, grid)[:, None]\n"
                "    return functional.interpolate(\n"
                "        maps, scale_factor=factor, mode='bilinear').flatten(1)",
                "没有归一化",
                "not normalised",
            ),
            "divided by the factor": (
                "def stretched(w1, grid, factor):\n"
                "    maps = w1.unflatten(1, grid)[:, None]\n"
                "    return functional.interpolate(\n"
                "        maps, scale_factor=factor, mode='bilinear').flatten(1) / factor",
                "只除以了 factor",
                "divided by factor only",
            ),
            "nearest": (
                "def stretched(w1, grid, factor):\n"
                "    maps = w1.unflatten(1, grid)[:, None]\n"
                "    return functional.interpolate(\n"
                "        maps, scale_factor=factor).flatten(1) / factor**2",
                "最近邻",
                "nearest neighbour",
            ),
            "grid the wrong way": (
                "def stretched(w1, grid, factor):\n"
                "    maps = w1.unflatten(1, grid[::-1])[:, None]\n"
                "    return functional.interpolate(\n"
                "        maps, scale_factor=factor, mode='bilinear').flatten(1) / factor**2",
                "高和宽弄反了",
                "height and width",
            ),
        },
        note="写出权重（W2）也要拉伸，但不除：每个词元仍由同样多的单元写出。 | What units write (W2) is"
        " stretched, too, but not divided: as many units as before write to each token.",
    ),
    Exercise(
        id="14.3",
        title="平铺读入权重 | tile what units read",
        name="tiled",
        stub='''
def tiled(w1, grid, factor):
    """Copy each unit of w1 (D_S, h * w) once for each of factor**2 tiles.

    Returns (D_S * factor**2, h * w * factor**2): first all units for the upper left tile, then for
    the tile to its right, and so on; a unit reads its own tile and nothing else. Tokens are
    numbered row by row of the whole large grid.
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_tiled,
        hints=(
            "对每个小图，先做一张全零的大图：`torch.zeros(len(w1), factor * h, factor * w)`。 | For each"
            " tile start with an empty large map: `torch.zeros(len(w1), factor * h, factor * w)`.",
            "把 `w1.view(-1, h, w)` 写进这个小图的行和列。 | Write `w1.view(-1, h, w)` into the rows and"
            " columns of this tile.",
            "小图 (i, j) 占第 `i*h:(i+1)*h` 行、第 `j*w:(j+1)*w` 列；最后 `flatten(1)` 并 `torch.cat`。 |"
            " Tile (i, j) has rows `i*h:(i+1)*h` and columns `j*w:(j+1)*w`; then `flatten(1)` and"
            " `torch.cat`.",
        ),
        solution='''
def tiled(w1, grid, factor):
    """Copy each unit of w1 (D_S, h * w) once for each of factor**2 tiles."""
    (h, w), rows = grid, []
    for i in range(factor):
        for j in range(factor):
            large = torch.zeros(len(w1), factor * h, factor * w)
            large[:, i * h : (i + 1) * h, j * w : (j + 1) * w] = w1.view(-1, h, w)
            rows.append(large.flatten(1))
    return torch.cat(rows)  # (D_S * factor**2, S * factor**2)
''',
        wrong={
            "numbered tile by tile": (
                "def tiled(w1, grid, factor):\n    return torch.kron(torch.eye(factor**2), w1)",
                "不是按小图编号",
                "not tile by tile",
            ),
            "every unit everywhere": (
                "def tiled(w1, grid, factor):\n"
                "    return w1.unflatten(1, grid).repeat(factor**2, factor, factor).flatten(1)",
                "读了所有小图",
                "reads all tiles",
            ),
            "order of the tiles": (
                "def tiled(w1, grid, factor):\n"
                "    (h, w), rows = grid, []\n"
                "    for j in range(factor):\n"
                "        for i in range(factor):\n"
                "            large = torch.zeros(len(w1), factor * h, factor * w)\n"
                "            large[:, i * h:(i + 1) * h, j * w:(j + 1) * w] = w1.view(-1, h, w)\n"
                "            rows.append(large.flatten(1))\n"
                "    return torch.cat(rows)",
                "小图的次序不对",
                "the tiles are in the wrong order",
            ),
        },
        note="`torch.kron` 给出的是词元按小图编号时的矩阵，看上去才是块对角的；真实的编号把它打散了。"
        " | `torch.kron` gives the matrix for tokens numbered tile by tile, which looks block-diagonal;"
        " the real numbering scatters it.",
    ),
]
