"""Exercises of notebook 00, the overview."""

import torch

from hdd.teaching.exercises.diagnosis import Wrong, call, close
from hdd.teaching.exercises.exercise import Exercise


# ------------------------------------------------------------------------------- tokens
def _test_number_of_tokens(answer):
    for height, width, patch_size in ((12, 20, 4), (30, 42, 6), (224, 160, 16)):
        across = width // patch_size
        close(
            call(answer, height, width, patch_size),
            height // patch_size * across,
            tolerance=1e-6,
            mistakes={
                "只除以了一次 P：高和宽都要除以 P | divided by P only once: both the height and the"
                " width are divided by it": height * across,
                "这是一个图像块的像素数 | this is the number of pixels of a patch": patch_size**2,
                "行数与列数应当相乘 | rows and columns of patches have to be multiplied": (
                    height // patch_size + across
                ),
                "图像不一定是正方形：高和宽都要用到 | images need not be square: use both the height"
                " and the width": across**2,
            },
        )


# ------------------------------------------------------------------------- rows that change
def _test_changed_rows(answer):
    x, row = torch.randn(6, 4), 2  # (S, C)
    weights = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])  # what rows 0 to 5 take from row 2
    w, some = torch.randn(6, 6), torch.tensor([1.0, 0.0, 1.0, 1.0])  # of a row only some change
    w[:, row] = weights
    _compare(answer, lambda t: some * (w @ t), x, row, weights)
    v = torch.randn(4, 4)
    _compare(answer, lambda t: torch.tanh(t @ v), x, row, torch.eye(6)[row])
    x = x.round()
    x[row] = 1  # what sets the row to 1 instead of adding 1 changes nothing
    _compare(answer, lambda t: w @ (t * torch.eye(4)[3]), x, row, weights)  # the last channel alone
    opposite = torch.tensor([1.0, -1.0, 0.0, 0.0]).expand(4, 4)  # changes that add up to 0
    _compare(answer, lambda t: t @ opposite, x, row, torch.eye(6)[row])


def _compare(answer, mixing, x, row, right):
    result = call(answer, mixing, x, row)
    shape = tuple(getattr(result, "shape", ()))
    if shape == (6, 4):
        raise Wrong(
            "得到的是每个元素有没有变：一行里只要有一个变了，这一行就算变了"
            " | this is whether each entry changed: a row has changed if any of its entries has"
        )
    if shape == (4,):
        raise Wrong(
            "得到的是哪些列（通道）变了 | this says which columns (channels) changed, not which rows"
        )
    opposite = {
        "正好相反：这是没有变的行 | the other way round: these are the rows that stay the same": 1
        - right
    }
    close(result, right, axes="S", mistakes=_confusions(mixing, x, row) | opposite)


def _confusions(mixing, x, row):
    """Return what a wrong comparison, or another change than adding 1 to the row, finds."""
    changed, one_channel, set_to_one = x.clone(), x.clone(), x.clone()
    changed[row] += 1
    one_channel[row, 0] += 1
    set_to_one[row] = 1
    before, after = mixing(x), mixing(changed)
    return {
        "比较的是混合后的表与输入的表：应当比较混合后的两张表，一张由原来的表得到，一张由改动过的表"
        "得到 | the mixed table is compared with the input: compare two mixed tables, one made of"
        " the table and one of the changed table": (after != x).any(dim=1),
        "比较的是两张输入的表：两张都要先混合 | the two input tables are compared: mix both"
        " first": (changed != x).any(dim=1),
        "要求一行里的元素全都变了：变了一个就算 | all entries of a row have to change here: one"
        " is enough": (after != before).all(dim=1),
        "只有第一个通道加了 1：整行都要加 | 1 was added to one channel only: add it to the whole"
        " row": (mixing(one_channel) != before).any(dim=1),
        "这一行被改成了 1，而不是加 1 | the row was set to 1 instead of adding 1": (
            mixing(set_to_one) != before
        ).any(dim=1),
        "各通道的变化相加时抵消了：只要有一个变了就算 | changes of opposite sign cancel when added"
        " up: one that changes is enough": (after - before).sum(dim=1) != 0,
    }


# ----------------------------------------------------------------------------- accuracy
def _test_accuracy(answer):
    for right in (4, 7):  # of nine
        labels = torch.randint(5, (9,))
        said = torch.where(torch.arange(9) < right, labels, (labels + 1) % 5)
        order = torch.randperm(9)
        logits = torch.rand(9, 5)
        logits[torch.arange(9), said] += 2
        close(
            call(answer, logits[order], labels[order]),
            right / 9,
            tolerance=1e-3,
            mistakes={
                "这是答对的张数：还要除以总张数 | this is how many are right: divide by the number of"
                " images": right,
                "这是答错的比例 | this is the share of wrong answers": 1 - right / 9,
                "除以了类别数，应当除以图像数 | divided by the number of classes, not of images": right
                / 5,
            },
        )


EXERCISES = [
    Exercise(
        id="00.1",
        title="有多少个词元 | how many tokens",
        name="number_of_tokens",
        stub='''
def number_of_tokens(height, width, patch_size):
    """Return S for an image of height x width pixels and square patches."""
    return ...  # 在这里写 / your code here
''',
        test=_test_number_of_tokens,
        hints=(
            "先数一数：宽 12 个像素，图像块宽 4 个像素，一行有几个图像块？ | Count first: with patches 4"
            " pixels wide, how many fit into a row of 12 pixels?",
            "图像块有 `height / patch_size` 行。列数也这样算。 | There are `height / patch_size` rows of"
            " patches; the columns work the same way.",
            "行数乘以列数；用整除 `//` 得到整数。 | Multiply rows by columns; `//` keeps whole numbers.",
        ),
        solution='''
def number_of_tokens(height, width, patch_size):
    """Return S for an image of height x width pixels and square patches."""
    return (height // patch_size) * (width // patch_size)
''',
        wrong={
            "divided once": (
                "def number_of_tokens(height, width, patch_size):\n"
                "    return height * width // patch_size",
                "只除以了一次 P",
                "divided by P only once",
            ),
            "pixels of a patch": (
                "def number_of_tokens(height, width, patch_size): return patch_size**2",
                "一个图像块的像素数",
                "pixels of a patch",
            ),
            "added": (
                "def number_of_tokens(height, width, patch_size):\n"
                "    return height // patch_size + width // patch_size",
                "应当相乘",
                "have to be multiplied",
            ),
            "square images only": (
                "def number_of_tokens(height, width, patch_size):\n"
                "    return (width // patch_size) ** 2",
                "不一定是正方形",
                "need not be square",
            ),
            "no return": (
                "def number_of_tokens(height, width, patch_size):\n"
                "    (height // patch_size) * (width // patch_size)",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="可以接着问：P 减半，S 变成几倍？（四倍，见 05 篇） | Go on to ask: what does halving P do to"
        " S? (Four times as many, see notebook 05.)",
    ),
    Exercise(
        id="00.2",
        title="哪些行变了 | which rows change",
        name="changed_rows",
        stub='''
def changed_rows(mixing, x, row):
    """Add 1 to one row of x (S, C); return which rows of mixing(x) change: bool (S,)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_changed_rows,
        hints=(
            "第 2 节的代码做的就是这件事：复制、改动、混合两次、比较。 | The code of section 2 does just"
            " this: copy, change, mix twice, compare.",
            "先 `changed = x.clone()`，再给 `changed[row]` 加 1；比较 `mixing(changed)` 与 `mixing(x)`。"
            " | First `changed = x.clone()`, then add 1 to `changed[row]`; compare `mixing(changed)`"
            " with `mixing(x)`.",
            "比较得到 (S, C) 个真假值；`.any(dim=1)` 对每一行说明是否有变化。 | The comparison gives (S,"
            " C) truth values; `.any(dim=1)` says for each row whether one of them is true.",
        ),
        solution='''
def changed_rows(mixing, x, row):
    """Add 1 to one row of x (S, C); return which rows of mixing(x) change: bool (S,)."""
    changed = x.clone()
    changed[row] += 1
    return (mixing(changed) != mixing(x)).any(dim=1)  # (S,)
''',
        wrong={
            "columns": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row] += 1\n"
                "    return (mixing(changed) != mixing(x)).any(dim=0)",
                "哪些列（通道）变了",
                "which columns (channels) changed",
            ),
            "single entries": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row] += 1\n"
                "    return mixing(changed) != mixing(x)",
                "每个元素有没有变",
                "whether each entry changed",
            ),
            "compared with the input": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row] += 1\n"
                "    return (mixing(changed) != x).any(dim=1)",
                "混合后的表与输入的表",
                "compared with the input",
            ),
            "nothing mixed": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row] += 1\n"
                "    return (changed != x).any(dim=1)",
                "两张都要先混合",
                "mix both first",
            ),
            "one channel alone": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row, 0] += 1\n"
                "    return (mixing(changed) != mixing(x)).any(dim=1)",
                "只有第一个通道加了 1",
                "to one channel only",
            ),
            "set to 1": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row] = 1\n"
                "    return (mixing(changed) != mixing(x)).any(dim=1)",
                "被改成了 1",
                "set to 1 instead",
            ),
            "differences added up": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x.clone()\n"
                "    changed[row] += 1\n"
                "    return (mixing(changed) - mixing(x)).sum(dim=1) != 0",
                "相加时抵消了",
                "cancel when added up",
            ),
            "changes its input": (
                "def changed_rows(mixing, x, row):\n"
                "    before = mixing(x)\n"
                "    x[row] += 1\n"
                "    return (mixing(x) != before).any(dim=1)",
                "改动了输入",
                "changes its input",
            ),
            "forgot to clone": (
                "def changed_rows(mixing, x, row):\n"
                "    changed = x\n"
                "    changed[row] += 1\n"
                "    return (mixing(changed) != mixing(x)).any(dim=1)",
                "改动了输入",
                "changes its input",
            ),
        },
        note="不写 `clone` 时，两张表是同一张，结果永远是“没有变”；检查会指出输入被改动了。 | Without"
        " `clone` both tables are the same one, and nothing ever changes; the check says that the"
        " input was modified.",
    ),
    Exercise(
        id="00.3",
        title="准确率 | accuracy",
        name="accuracy",
        stub='''
def accuracy(logits, labels):
    """Return the share of right answers: logits (N, K), one score per class; labels (N,)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_accuracy,
        hints=(
            "网络的回答是得分最高的类别。 | The network's answer is the class with the highest score.",
            "`logits.argmax(dim=1)` 给出每张图像的回答，形状是 (N,)。 | `logits.argmax(dim=1)` gives the"
            " answer for each image, of shape (N,).",
            "与 `labels` 比较得到真假值；转成浮点数再取平均。 | Compare with `labels`, turn the truth"
            " values into floats and take their mean.",
        ),
        solution='''
def accuracy(logits, labels):
    """Return the share of right answers: logits (N, K), one score per class; labels (N,)."""
    return (logits.argmax(dim=1) == labels).float().mean()
''',
        wrong={
            "a count": (
                "def accuracy(logits, labels):\n    return (logits.argmax(dim=1) == labels).sum()",
                "还要除以总张数",
                "divide by the number of images",
            ),
            "wrong answers": (
                "def accuracy(logits, labels):\n"
                "    return (logits.argmax(dim=1) != labels).float().mean()",
                "答错的比例",
                "share of wrong answers",
            ),
            "per class": (
                "def accuracy(logits, labels):\n"
                "    return (logits.argmax(dim=1) == labels).sum() / logits.shape[1]",
                "除以了类别数",
                "divided by the number of classes",
            ),
            "percent": (
                "def accuracy(logits, labels):\n"
                "    return 100 * (logits.argmax(dim=1) == labels).float().mean()",
                "百分数与小数",
                "percentage or fraction",
            ),
            "the axis of images": (
                "def accuracy(logits, labels):\n"
                "    return (logits.argmax(dim=0) == labels).float().mean()",
                "出错",
                "raises an error",
            ),
        },
        note="`dim=0` 会在 N ≠ K 时报错；N = K 时不报错，结果却是错的。 | `dim=0` raises an error if N ≠ K;"
        " with N = K it runs and is wrong.",
    ),
]
