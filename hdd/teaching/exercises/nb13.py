"""Exercises of notebook 13, shifts and permutations."""

import copy

import torch
from torch import Tensor, nn

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.resize_and_permute import patch_order, permuted_twin, reorder_pixels
from hdd.teaching.exercises.diagnosis import Wrong, call, close
from hdd.teaching.exercises.exercise import Exercise


# ------------------------------------------------------------------------------------- twin
def _test_twin(answer):
    order = torch.tensor([2, 0, 5, 1, 3, 4])
    net = MLPMixer(image_size=(8, 12), channels=1, patch_size=4, dim=8, depth=2, token_dim=5)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    net = net.eval()
    before = copy.deepcopy(net.state_dict())
    twin = call(answer, net, order)
    if any(not torch.equal(before[k], v) for k, v in net.state_dict().items()):
        raise Wrong(
            "原来的网络被改动了：先复制，再改副本 | the old network has changed: copy it first, then"
            " change the copy"
        )
    if not isinstance(twin, MLPMixer):
        raise Wrong(
            "需要返回一个 `MLPMixer`：`net` 的副本，权重换了位置 | return an `MLPMixer`: a copy of"
            " `net` with its weights moved"
        )
    for mine, right in zip(twin.blocks, _twin(net, order).blocks, strict=True):
        _compare_mixing(mine.token_mixing, right.token_mixing, order)
    images = torch.randn(3, 1, 8, 12)
    pixels = patch_order((2, 3), 4, order, torch.arange(16))
    close(twin(reorder_pixels(images, pixels)), net(images), axes="B K")


def _twin(net: MLPMixer, order: Tensor) -> MLPMixer:
    return permuted_twin(net, order, torch.arange(16))


def _compare_mixing(mine: nn.Module, right: nn.Module, order: Tensor) -> None:
    """Say which of the three weights of a token mixing have not followed the tokens."""
    parts = [
        ("W1 的列 | the columns of W1", mine.fc1.weight.T, right.fc1.weight.T),
        ("W2 的行 | the rows of W2", mine.fc2.weight, right.fc2.weight),
        ("W2 的偏置 | the bias of W2", mine.fc2.bias, right.fc2.bias),
    ]
    for name, got, wanted in parts:
        zh, en = name.split(" | ")
        back = torch.argsort(order)
        if got.shape != wanted.shape:
            raise Wrong(f"{zh}：形状变了 | {en}: the shape has changed")
        if torch.allclose(got, wanted):
            continue
        if torch.allclose(got, wanted[back][back]):
            raise Wrong(f"{zh}换反了：用了逆置换 | {en}: the inverse permutation was used")
        if torch.allclose(got, wanted[back]):
            raise Wrong(f"{zh}没有跟着词元换位置 | {en}: not permuted along with the tokens")
        raise Wrong(f"{zh}不对 | {en}: not right")


# ------------------------------------------------------------------------------ consistency
def _test_consistency(answer):
    before, after = torch.randn(2, 37, 5)  # (B, K); no two mistakes give equal shares of 37 and 5
    after.view(-1)[:9] = before.view(-1)[:9]
    same = (before.argmax(1) == after.argmax(1)).double().mean()
    close(
        call(answer, before, after),
        same,
        mistakes={
            "比较的是 logits 本身，而不是预测的类别 | the logits themselves are compared, not the"
            " predicted classes": (before == after).double().mean(),
            "argmax 取错了轴：类别在最后一个轴上 | argmax over the wrong axis: classes are on the last"
            " one": (before.argmax(0) == after.argmax(0)).double().mean(),
            "得到的是变了的占比 | this is the share that has changed": 1 - same,
            "得到的是个数，不是占比 | this is a number of images, not a share": 37 * same,
        },
    )


# ------------------------------------------------------------------------------ shift mixer
def _shifted(x: Tensor, sign: int = 1, swap: bool = False) -> Tensor:
    """Return what `shift_mix` should: groups from above, below, left and right."""
    rows, columns = (3, 2) if swap else (2, 3)
    parts = x.chunk(4, dim=1)
    steps = [(sign, rows), (-sign, rows), (sign, columns), (-sign, columns)]
    rolled = [part.roll(*step) for part, step in zip(parts, steps, strict=True)]
    return torch.cat(rolled, dim=1)


def _turned(x: Tensor) -> Tensor:
    """Return the groups that come from the left and right in front of those from above and below."""
    above, below, left, right = _shifted(x.roll(x.shape[1] // 2, 1)).chunk(4, dim=1)
    return torch.cat([left, right, above, below], dim=1)


def _test_shift_mix(answer):
    x = torch.randn(2, 8, 5, 7)  # (B, C, h, w)
    every_fourth = torch.empty_like(x)
    for group, step in enumerate([(1, 2), (-1, 2), (1, 3), (-1, 3)]):
        every_fourth[:, group::4] = x[:, group::4].roll(*step)
    close(
        call(answer, x),
        _shifted(x),
        axes="B C h w",
        mistakes={
            "方向反了：来自上方，是把通道向下移 | the directions are reversed: what comes from above has"
            " to be moved down": _shifted(x, sign=-1),
            "行和列弄反了：高是第 2 轴，宽是第 3 轴 | rows and columns are exchanged: height is axis 2,"
            " width is axis 3": _shifted(x, swap=True),
            "分组不对：每组是相邻的 C/4 个通道 | the groups are wrong: each is C/4 neighbouring"
            " channels": every_fourth,
            "每组只移动一格 | each group moves by one token only": _shifted(x, sign=2),
            "组的次序不对：依次来自上、下、左、右 | the groups are in the wrong order: from above, below,"
            " left, right": _turned(x),
            "所有通道都移向了同一方向 | all channels were moved the same way": x.roll(1, 2),
        },
    )


EXERCISES = [
    Exercise(
        id="13.1",
        title="置换以后的孪生网络 | the permuted twin",
        name="token_twin",
        given="import copy",
        stub='''
def token_twin(net, order):
    """Return a Mixer that does on images with patches in `order` what `net` does.

    `order[j]` is the old token that now stands at place j. `block.token_mixing.fc1` and `.fc2`
    of each block in `net.blocks` are Linear layers; `copy.deepcopy(net)` makes a copy.
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_twin,
        hints=(
            "只有词元混合的权重和位置有关；通道混合、层归一化和分类头都不用动。 | Only token mixing has"
            " weights tied to positions; channel mixing, LayerNorm and the head stay.",
            "`x[order]` 就是 $Px$；用 `order` 作下标，$W_1P^T$ 和 $PW_2$ 怎么写？ | `x[order]` is $Px$;"
            " how are $W_1P^T$ and $PW_2$ written with `order` as an index?",
            "`[:, order]` 调换各列，`[order]` 调换各行。读入词元的是 `fc1` 的列，写回词元的是 `fc2` "
            "的行；`fc2` 的偏置也是每个词元一个。 | `[:, order]` rearranges columns, `[order]`"
            " rows. The columns of `fc1` read tokens, the rows of `fc2` write them; the bias of"
            " `fc2` has a number for each token, too.",
        ),
        solution='''
def token_twin(net, order):
    """Return a Mixer that does on images with patches in `order` what `net` does."""
    twin = copy.deepcopy(net)
    for block in twin.blocks:
        first, second = block.token_mixing.fc1, block.token_mixing.fc2
        first.weight.data = first.weight.data[:, order]
        second.weight.data = second.weight.data[order]
        second.bias.data = second.bias.data[order]
    return twin
''',
        wrong={
            "bias forgotten": (
                "def token_twin(net, order):\n"
                "    twin = copy.deepcopy(net)\n"
                "    for block in twin.blocks:\n"
                "        first, second = block.token_mixing.fc1, block.token_mixing.fc2\n"
                "        first.weight.data = first.weight.data[:, order]\n"
                "        second.weight.data = second.weight.data[order]\n"
                "    return twin",
                "W2 的偏置没有跟着词元换位置",
                "the bias of W2: not permuted",
            ),
            "the inverse": (
                "def token_twin(net, order):\n"
                "    twin, back = copy.deepcopy(net), torch.argsort(order)\n"
                "    for block in twin.blocks:\n"
                "        first, second = block.token_mixing.fc1, block.token_mixing.fc2\n"
                "        first.weight.data = first.weight.data[:, back]\n"
                "        second.weight.data = second.weight.data[back]\n"
                "        second.bias.data = second.bias.data[back]\n"
                "    return twin",
                "用了逆置换",
                "the inverse permutation",
            ),
            "the old network changed": (
                "def token_twin(net, order):\n"
                "    for block in net.blocks:\n"
                "        block.token_mixing.fc1.weight.data = (\n"
                "            block.token_mixing.fc1.weight.data[:, order])\n"
                "    return net",
                "原来的网络被改动了",
                "the old network has changed",
            ),
            "in place": (
                "def token_twin(net, order):\n"
                "    twin = copy.deepcopy(net)\n"
                "    for block in twin.blocks:\n"
                "        first, second = block.token_mixing.fc1, block.token_mixing.fc2\n"
                "        first.weight[:] = first.weight[:, order]\n"
                "        second.weight[:] = second.weight[order]\n"
                "        second.bias[:] = second.bias[order]\n"
                "    return twin",
                "第 5 行出错",
                "used in an in-place operation",
            ),
            "nothing done": (
                "def token_twin(net, order): return copy.deepcopy(net)",
                "W1 的列没有跟着词元换位置",
                "the columns of W1: not permuted",
            ),
        },
        note="追问：换成置换图像块内的像素，要改哪一组权重？（主干层的卷积核。） | Ask next: if the pixels"
        " within the patches are permuted, which weights have to follow? (The stem's filters.)",
    ),
    Exercise(
        id="13.2",
        title="预测的一致率 | consistency of predictions",
        name="consistency",
        stub='''
def consistency(before, after):
    """Return the share (0 to 1) of images whose predicted class stays; logits (B, K) each."""
    return ...  # 在这里写 / your code here
''',
        test=_test_consistency,
        hints=(
            "这里不需要标签：预测错了、但平移后仍错成同一类，也算一致。 | No labels are needed: a wrong"
            " prediction that stays the same counts as consistent.",
            "预测的类别是 `logits.argmax(dim=1)`。 | The predicted class is `logits.argmax(dim=1)`.",
            "比较两次预测得到真假值；转成浮点数，平均值就是占比。 | Comparing the predictions"
            " gives truth values; turned into floats, their mean is the share.",
        ),
        solution='''
def consistency(before, after):
    """Return the share (0 to 1) of images whose predicted class stays; logits (B, K) each."""
    return (before.argmax(dim=1) == after.argmax(dim=1)).float().mean().item()
''',
        wrong={
            "logits compared": (
                "def consistency(before, after): return (before == after).float().mean()",
                "而不是预测的类别",
                "not the predicted classes",
            ),
            "wrong axis": (
                "def consistency(before, after):\n"
                "    return (before.argmax(0) == after.argmax(0)).float().mean()",
                "argmax 取错了轴",
                "argmax over the wrong axis",
            ),
            "a number of images": (
                "def consistency(before, after):\n"
                "    return (before.argmax(1) == after.argmax(1)).float().sum()",
                "不是占比",
                "not a share",
            ),
            "what has changed": (
                "def consistency(before, after):\n"
                "    return (before.argmax(1) != after.argmax(1)).float().mean()",
                "变了的占比",
                "the share that has changed",
            ),
        },
        note="问学生：准确率不变时，一致率可以低到多少？（很低：错的变对，对的变错。） | Ask: how low can"
        " consistency be while accuracy stays? (Low: wrong ones become right, right ones wrong.)",
    ),
    Exercise(
        id="13.3",
        title="平移混合 | a shift mixer",
        name="shift_mix",
        stub='''
def shift_mix(x):
    """Move four equal groups of channels by one token: (B, C, h, w) -> (B, C, h, w).

    Group 0 comes from above, 1 from below, 2 from the left, 3 from the right; the map wraps around.
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_shift_mix,
        hints=(
            "`x.chunk(4, dim=1)` 把通道分成相邻的四组。 | `x.chunk(4, dim=1)` cuts the channels into four"
            " groups of neighbours.",
            "“来自上方”就是把这组通道向下移一格：`roll(1, dims=2)`。 | “From above” means moving the group"
            " down by one: `roll(1, dims=2)`.",
            "来自下方则相反；左右两组沿最后一个轴移动。最后用 `torch.cat` 按原来的次序拼接。 |"
            " “From below” is the opposite; the groups from the left and right move along the"
            " last axis. Join them in the same order with `torch.cat`.",
        ),
        solution='''
def shift_mix(x):
    """Move four equal groups of channels by one token: (B, C, h, w) -> (B, C, h, w)."""
    up, down, left, right = x.chunk(4, dim=1)  # (B, C/4, h, w)
    parts = [up.roll(1, 2), down.roll(-1, 2), left.roll(1, 3), right.roll(-1, 3)]
    return torch.cat(parts, dim=1)
''',
        wrong={
            "reversed": (
                "def shift_mix(x):\n"
                "    a, b, c, d = x.chunk(4, dim=1)\n"
                "    return torch.cat(\n"
                "        [a.roll(-1, 2), b.roll(1, 2), c.roll(-1, 3), d.roll(1, 3)], dim=1)",
                "方向反了",
                "the directions are reversed",
            ),
            "rows and columns": (
                "def shift_mix(x):\n"
                "    a, b, c, d = x.chunk(4, dim=1)\n"
                "    return torch.cat(\n"
                "        [a.roll(1, 3), b.roll(-1, 3), c.roll(1, 2), d.roll(-1, 2)], dim=1)",
                "行和列弄反了",
                "rows and columns are exchanged",
            ),
            "every fourth channel": (
                "def shift_mix(x):\n"
                "    y = x.clone()\n"
                "    for g, s in enumerate([(1, 2), (-1, 2), (1, 3), (-1, 3)]):\n"
                "        y[:, g::4] = x[:, g::4].roll(*s)\n"
                "    return y",
                "分组不对",
                "the groups are wrong",
            ),
            "one way": (
                "def shift_mix(x): return x.roll(1, 2)",
                "同一方向",
                "the same way",
            ),
        },
        note="真正的网络在边上补零，而不是由对边补入；由对边补入的版本严格平移等变，便于检验。 | Real networks"
        " pad with zeros instead of wrapping around; the wrapped version is exactly equivariant, which"
        " makes it easy to check.",
    ),
]
