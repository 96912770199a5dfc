"""Exercises of notebook 03, build MLP-Mixer: three classes, three wirings to repair, a formula."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter
from hdd.teaching.exercises.diagnosis import (
    Unanswered,
    Wrong,
    build,
    call,
    close,
    copy_parameters,
    every_parameter_learns,
    numbers,
)
from hdd.teaching.exercises.exercise import Exercise

Results = dict[str, Tensor]
Part = Callable[[Tensor], Tensor]


def _with_random_parameters(module: nn.Module) -> nn.Module:
    """Fill a module with random numbers: fresh LayerNorms are all alike, and would hide mistakes."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5)
    return module.eval()


# ----------------------------------------------------------------------------------- Mlp
def _test_mlp(answer):
    from timm.layers import Mlp

    theirs, x = _with_random_parameters(Mlp(6, 10)), torch.randn(2, 7, 6)
    mine = build(answer, 6, 10)
    copy_parameters(theirs, mine)
    hidden = theirs.fc1(x)
    mistakes = {
        "两个线性层之间没有 GELU | there is no GELU between the linear layers": theirs.fc2(hidden),
        "这是 ReLU，不是 GELU | this is ReLU, not GELU": theirs.fc2(hidden.relu()),
        "这是 SiLU，不是 GELU | this is SiLU, not GELU": theirs.fc2(nn.functional.silu(hidden)),
        "多加了输入：残差连接属于 Mixer 块 | the input is added: the residual connection belongs to the"
        " block": x + theirs(x),
        "第二个线性层之后又用了一次 GELU | GELU is applied after the second linear layer, too": (
            nn.functional.gelu(theirs(x))
        ),
        "GELU 用在了输入上，应当在两个线性层之间 | GELU acts on the input; it belongs between the"
        " linear layers": theirs.fc2(theirs.fc1(nn.functional.gelu(x))),
        "这是 tanh 近似；这里需要精确的 GELU | this is the tanh approximation; the exact GELU is"
        " needed here": theirs.fc2(nn.functional.gelu(hidden, approximate="tanh")),
    }
    close(call(mine, x), theirs(x), tolerance=1e-5, axes="B rows features", mistakes=mistakes)
    every_parameter_learns(mine, x)


# ------------------------------------------------------------------------------ MixerBlock
def _wirings(norm1: Part, tokens: Part, norm2: Part, channels: Part, x: Tensor) -> Results:
    """Return what a block with a known mistake computes, by the mistake's diagnosis."""

    def turned(z: Tensor) -> Tensor:
        return tokens(z.transpose(1, 2)).transpose(1, 2)  # (B, S, C)

    mixed = turned(norm1(x))
    y, scrambled = x + mixed, x + tokens(norm1(x).transpose(1, 2)).reshape(x.shape)
    first = x + channels(norm2(x))
    return {
        "第二个残差连接加的是块的输入，而不是前一半的输出 | the second residual connection adds the"
        " block's input, not the output of the first half": x + channels(norm2(y)),
        "两半用了同一个层归一化 | both halves use the same LayerNorm": y + channels(norm1(y)),
        "转置之后用 `reshape` 变回来：形状对，数值的位置全乱了 | a `reshape` turns the table back: the"
        " shape is right, but the values are scrambled": scrambled + channels(norm2(scrambled)),
        "词元混合没有残差连接 | token mixing has no residual connection": mixed
        + channels(norm2(mixed)),
        "通道混合没有残差连接 | channel mixing has no residual connection": channels(norm2(y)),
        "两半都没有残差连接 | neither half has a residual connection": channels(norm2(mixed)),
        "词元混合之前没有层归一化 | there is no LayerNorm before token mixing": x
        + turned(x)
        + channels(norm2(x + turned(x))),
        "通道混合之前没有层归一化 | there is no LayerNorm before channel mixing": y + channels(y),
        "次序反了：词元混合在前 | the order is wrong: token mixing comes first": first
        + turned(norm1(first)),
        "混合的输出应当加到输入上，而不是减去 | what mixing computes is added to the input, not"
        " subtracted": x - mixed + channels(norm2(x - mixed)),
        "层归一化在残差之后（post-norm）；它应当在混合之前 | the norms stand after the residual"
        " (post-norm); they belong before the mixing": norm2(
            norm1(x + turned(x)) + channels(norm1(x + turned(x)))
        ),
        "第二半作用在块的输入上，而不是前一半的输出上 | the second half works on the block's input,"
        " not on the output of the first half": y + channels(norm2(x)),
    }


def _timm_block(eps: float = 1e-6):
    """Return timm's block for 6 tokens of 8 channels, hidden widths 4 and 24."""
    from functools import partial

    from timm.models.mlp_mixer import MixerBlock

    return MixerBlock(8, 6, (0.5, 3.0), norm_layer=partial(nn.LayerNorm, eps=eps)).eval()


def _parts(block: nn.Module) -> tuple[Part, Part, Part, Part]:
    return block.norm1, block.mlp_tokens, block.norm2, block.mlp_channels


def _test_mixer_block(answer):
    theirs, x = _with_random_parameters(_timm_block()), torch.randn(2, 6, 8)  # (B, S, C)
    mine = build(answer, 6, 8, 4, 24)
    copy_parameters(theirs, mine)
    other_eps = _timm_block(eps=1e-5)
    copy_parameters(theirs, other_eps)
    for z in (x, 1e-3 * x):  # only small tokens show the eps clearly
        known = {
            "LayerNorm 的 `eps` 是默认的 1e-5，这里需要 1e-6 | the `eps` of LayerNorm is the default,"
            " 1e-5; 1e-6 is needed here": other_eps(z)
        }
        known |= _wirings(*_parts(theirs), z)
        close(call(mine, z), theirs(z), axes="B S C", mistakes=known)
    every_parameter_learns(mine, x)


# -------------------------------------------------------------------------------- MLPMixer
def _timm_mixer():
    """Return timm's network for images (2, 12, 12) in patches of 3: 16 tokens, hidden 8 and 40."""
    from timm.models.mlp_mixer import MlpMixer

    sizes = {"img_size": 12, "in_chans": 2, "patch_size": 3, "num_blocks": 2, "embed_dim": 10}
    return MlpMixer(num_classes=5, **sizes, mlp_ratio=(0.85, 4.0))


def _readouts(net: nn.Module, images: Tensor) -> Results:
    """Return what a network with a known mistake around its blocks computes."""
    maps = net.stem.proj(images)  # (B, C, h, w)
    tokens = maps.flatten(2).transpose(1, 2)  # (B, S, C)
    after = net.blocks(tokens)
    normed = net.norm(after)
    scrambled = maps.reshape(tokens.shape)
    return {
        "主干层的输出用 `reshape` 变成了表：通道和位置混在一起了，先展平、再转置 | the stem's output is"
        " turned into a table by `reshape`, which scrambles channels and positions: flatten, then"
        " transpose": net.head(net.norm(net.blocks(scrambled)).mean(1)),
        "最后的层归一化没有用上 | the final LayerNorm is not used": net.head(after.mean(1)),
        "先取了平均，后做层归一化；次序应当反过来 | the mean is taken before the final LayerNorm; it"
        " should be the other way round": net.head(net.norm(after.mean(1))),
        "对词元求了和，而不是平均 | summed over tokens instead of averaging": net.head(
            normed.sum(1)
        ),
        "取了最大值，而不是平均 | took the maximum instead of the mean": net.head(normed.amax(1)),
        "只用了一个词元，没有对所有词元取平均 | used one token instead of the mean of all": net.head(
            normed[:, 0]
        ),
        "Mixer 块没有用上 | the blocks are not used": net.head(net.norm(tokens).mean(1)),
    }


def _look_for_lost_blocks(net: nn.Module) -> None:
    for name, value in vars(net).items():
        if isinstance(value, list | tuple) and any(isinstance(v, nn.Module) for v in value):
            raise Wrong(
                f"`{name}` 是普通的列表，PyTorch 找不到里面的参数：用 `nn.Sequential` 或"
                f" `nn.ModuleList` | `{name}` is a plain list, so PyTorch does not find the"
                " parameters in it: use `nn.Sequential` or `nn.ModuleList`"
            )
    for module in net.modules():
        several = isinstance(module, nn.Sequential | nn.ModuleList)
        if several and len({id(child) for child in module}) < len(module):
            raise Wrong(
                "各层是同一个 Mixer 块，重复使用；每一层需要自己的参数 | one block is used again and"
                " again; each layer needs parameters of its own"
            )


def _test_mlp_mixer(answer):
    theirs, images = _with_random_parameters(_timm_mixer()), torch.randn(3, 2, 12, 12)
    mine = build(answer, 12, 2, 3, 10, 2, 5)
    _look_for_lost_blocks(mine)
    copy_parameters(theirs, mine)
    close(call(mine, images), theirs(images), axes="B K", mistakes=_readouts(theirs, images))
    every_parameter_learns(mine, images)


# --------------------------------------------------------------------- wirings to repair
class _Parts(nn.Module):
    """The parts of a block under the names of the notebook."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.token_norm, self.token_mixing, self.channel_norm, self.channel_mixing = _parts(block)


def _repaired(broken: str) -> Callable[[Any], None]:
    """Return a test that tells a repaired wiring from the broken one, with words of its diagnosis."""

    def test(answer: Any) -> None:
        theirs, x = _with_random_parameters(_timm_block()), torch.randn(2, 6, 8)  # (B, S, C)
        result, known = numbers(call(answer, _Parts(theirs), x)), _wirings(*_parts(theirs), x)
        same = numbers(next(value for diagnosis, value in known.items() if broken in diagnosis))
        if result.shape == same.shape and result.allclose(same, atol=1e-5):
            raise Unanswered(
                "还没有作答：输出与 timm 的仍然不同 | not answered yet: the output still differs from"
                " timm's"
            )
        close(result, theirs(x), axes="B S C", mistakes=known)

    return test


# ------------------------------------------------------------------------------- formula
def _test_count(answer):
    # No size equals another, or the 3 colours: else a wrong formula gives the right number.
    for p, c, layers, s, d_s, d_c, k in ((5, 11, 2, 9, 14, 17, 8), (4, 10, 6, 25, 7, 23, 5)):
        side = p * math.isqrt(s)
        sizes = {"image_size": side, "patch_size": p, "dim": c, "depth": layers, "num_classes": k}
        with torch.device("meta"):
            net = MLPMixer(**sizes, token_dim=d_s, channel_dim=d_c)
        right, block = count_trainable_parameter(net), count_trainable_parameter(net.blocks[0])
        mistakes = _miscounts(right, block, p, c, layers, s, d_s, d_c, k)
        close(call(answer, p, c, layers, s, d_s, d_c, k), right, mistakes=mistakes)


def _miscounts(right, block, p, c, layers, s, d_s, d_c, k):
    biases = c + layers * (d_s + s + d_c + c) + k
    return {
        "线性层的偏置没有算 | the biases of the linear layers are missing": right - biases,
        "每个 `Mlp` 有两个权重矩阵，只算了一个 | each `Mlp` has two weight matrices; one is missing": (
            right - layers * (s * d_s + c * d_c)
        ),
        "最后的层归一化没有算 | the final LayerNorm is missing": right - 2 * c,
        "每个 Mixer 块有两个层归一化，只算了一个 | each block has two LayerNorms; one is missing": (
            right - layers * 2 * c
        ),
        "层归一化的每个通道有两个参数：缩放和平移 | a LayerNorm has two parameters a channel,"
        " scale and shift": right - c - layers * 2 * c,
        "只算了一个 Mixer 块 | only one block is counted": right - (layers - 1) * block,
        "分类头没有算 | the head is missing": right - c * k - k,
        "主干层没有算 | the stem is missing": right - 3 * p * p * c - c,
        "彩色图像有三个颜色通道 | a colour image has three channels": right - 2 * p * p * c,
    }


# ------------------------------------------------------------------------- code of students
MLP_STUB = '''
class Mlp(nn.Module):
    """Linear, GELU, linear on the last axis: (..., features) -> (..., features)."""

    def __init__(self, features, hidden):
        super().__init__()
        self.fc1 = ...  # 在这里写 / your code here
        self.fc2 = ...

    def forward(self, x):
        return ...
'''
MLP = '''
class Mlp(nn.Module):
    """Linear, GELU, linear on the last axis: (..., features) -> (..., features)."""

    def __init__(self, features, hidden):
        super().__init__()
        self.fc1 = nn.Linear(features, hidden)
        self.fc2 = nn.Linear(hidden, features)

    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))
'''
BLOCK_STUB = '''
class MixerBlock(nn.Module):
    """Token mixing, then channel mixing: (B, S, C) -> (B, S, C)."""

    def __init__(self, tokens, dim, token_dim, channel_dim):
        super().__init__()
        self.token_norm = ...  # nn.LayerNorm(..., eps=1e-6)
        self.token_mixing = ...
        self.channel_norm = ...
        self.channel_mixing = ...

    def forward(self, x):
        return ...
'''
BLOCK = '''
class MixerBlock(nn.Module):
    """Token mixing, then channel mixing: (B, S, C) -> (B, S, C)."""

    def __init__(self, tokens, dim, token_dim, channel_dim):
        super().__init__()
        self.token_norm = nn.LayerNorm(dim, eps=1e-6)
        self.token_mixing = Mlp(tokens, token_dim)
        self.channel_norm = nn.LayerNorm(dim, eps=1e-6)
        self.channel_mixing = Mlp(dim, channel_dim)

    def forward(self, x):
        y = self.token_norm(x).transpose(1, 2)  # (B, C, S)
        x = x + self.token_mixing(y).transpose(1, 2)  # (B, S, C)
        return x + self.channel_mixing(self.channel_norm(x))  # (B, S, C)
'''
MIXER_STUB = '''
class MLPMixer(nn.Module):
    """(B, channels, H, W) -> (B, classes), with D_S = S // 2 and D_C = 4 * C."""

    def __init__(self, image_size, channels, patch_size, dim, depth, classes):
        super().__init__()
        self.patch_embedding = ...  # nn.Conv2d(...)
        self.blocks = ...  # nn.Sequential(...)
        self.norm = ...
        self.head = ...

    def forward(self, images):
        return ...
'''
MIXER = '''
class MLPMixer(nn.Module):
    """(B, channels, H, W) -> (B, classes), with D_S = S // 2 and D_C = 4 * C."""

    def __init__(self, image_size, channels, patch_size, dim, depth, classes):
        super().__init__()
        tokens = (image_size // patch_size) ** 2
        self.patch_embedding = nn.Conv2d(channels, dim, patch_size, stride=patch_size)
        self.blocks = nn.Sequential(
            *(MixerBlock(tokens, dim, tokens // 2, 4 * dim) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, images):
        x = self.patch_embedding(images).flatten(2).transpose(1, 2)  # (B, S, C)
        x = self.norm(self.blocks(x))  # (B, S, C)
        return self.head(x.mean(dim=1))  # (B, classes)
'''
BLOCK_A = '''
def block_a(block, x):
    """Compute a Mixer block from its parts: (B, S, C) -> (B, S, C)."""
    y = block.token_norm(x).transpose(1, 2)  # (B, C, S)
    y = x + block.token_mixing(y).transpose(1, 2)  # (B, S, C)
    return x + block.channel_mixing(block.channel_norm(y))  # (B, S, C)
'''
BLOCK_B = '''
def block_b(block, x):
    """Compute a Mixer block from its parts: (B, S, C) -> (B, S, C)."""
    y = block.token_norm(x).transpose(1, 2)  # (B, C, S)
    x = x + block.token_mixing(y).transpose(1, 2)  # (B, S, C)
    return x + block.channel_mixing(block.token_norm(x))  # (B, S, C)
'''
BLOCK_C = '''
def block_c(block, x):
    """Compute a Mixer block from its parts: (B, S, C) -> (B, S, C)."""
    y = block.token_norm(x).transpose(1, 2)  # (B, C, S)
    x = x + block.token_mixing(y).reshape(x.shape)  # (B, S, C)
    return x + block.channel_mixing(block.channel_norm(x))  # (B, S, C)
'''
RIGHT = '''
def {name}(block, x):
    """Compute a Mixer block from its parts: (B, S, C) -> (B, S, C)."""
    y = block.token_norm(x).transpose(1, 2)  # (B, C, S)
    x = x + block.token_mixing(y).transpose(1, 2)  # (B, S, C)
    return x + block.channel_mixing(block.channel_norm(x))  # (B, S, C)
'''


def _changed(code: str, *changes: tuple[str, str]) -> str:
    """Return code with some pieces replaced; each has to be there."""
    for old, new in changes:
        if old not in code:
            raise ValueError(f"{old!r} is not in the code.")
        code = code.replace(old, new)
    return code


def _wrong_wirings(name: str, *others: str) -> dict[str, tuple[str, str, str]]:
    """Return typical mistakes of a repair: those that put one mistake in the place of another."""
    right = RIGHT.format(name=name)
    known = {
        "no second residual": (
            _changed(right, ("return x + ", "return ")),
            "通道混合没有残差连接",
            "channel mixing has no residual connection",
        ),
        "no first residual": (
            _changed(right, ("x = x + ", "x = ")),
            "词元混合没有残差连接",
            "token mixing has no residual connection",
        ),
        "one norm": (
            _changed(right, ("block.channel_norm", "block.token_norm")),
            "两半用了同一个层归一化",
            "both halves use the same LayerNorm",
        ),
        "not turned back": (
            _changed(right, ("(y).transpose(1, 2)", "(y)")),
            "第 5 行出错",
            "line 5 raises an error",
        ),
        "no second norm": (
            _changed(right, ("block.channel_norm(x)", "x")),
            "通道混合之前没有层归一化",
            "no LayerNorm before channel mixing",
        ),
        "no return": (_changed(right, ("return ", "")), "忘了写 `return`", "is a `return` missing"),
    }
    return {key: known[key] for key in others}


REPAIR_NOTE = (
    "先让学生只读代码、不运行，说出哪里不对；再问：用新建的网络比较，能发现它吗？ | First let the students"
    " find the mistake by reading; then ask whether a comparison with a fresh network would show it."
)

EXERCISES = [
    Exercise(
        id="03.1",
        title="写出 Mlp | write Mlp",
        name="Mlp",
        stub=MLP_STUB,
        test=_test_mlp,
        hints=(
            "`nn.Linear(a, b)` 把最后一个维度从 a 变成 b。 | `nn.Linear(a, b)` turns a last axis of"
            " length a into one of length b.",
            "`fc1` 从 `features` 到 `hidden`，`fc2` 再变回来。 | `fc1` goes from `features` to"
            " `hidden`, `fc2` goes back.",
            "`forward` 依次做 `fc1`、`functional.gelu`、`fc2`。 | `forward` applies `fc1`,"
            " `functional.gelu` and `fc2` in turn.",
        ),
        solution=MLP,
        wrong={
            "no GELU": (
                _changed(MLP, ("functional.gelu(self.fc1(x))", "self.fc1(x)")),
                "两个线性层之间没有 GELU",
                "no GELU between",
            ),
            "ReLU": (_changed(MLP, ("functional.gelu", "torch.relu")), "这是 ReLU", "this is ReLU"),
            "hidden width ignored": (
                _changed(
                    MLP,
                    (
                        "(features, hidden)\n        self.fc2",
                        "(features, features)\n        self.fc2",
                    ),
                ),
                "参数 fc1.weight 的形状是",
                "parameter fc1.weight has shape",
            ),
            "no biases": (
                _changed(
                    MLP,
                    (
                        "(features, hidden)\n        self.fc2",
                        "(features, hidden, bias=False)\n        self.fc2",
                    ),
                ),
                "参数个数不对",
                "number of parameter tensors is wrong",
            ),
            "no return": (
                _changed(MLP, ("return self", "self")),
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="`nn.GELU()` 作为一个部件也可以：它没有参数。 | `nn.GELU()` as a part is fine, too: it has"
        " no parameters.",
    ),
    Exercise(
        id="03.2",
        title="写出 MixerBlock | write MixerBlock",
        name="MixerBlock",
        stub=BLOCK_STUB,
        test=_test_mixer_block,
        hints=(
            "照着第 3 节的图写：上半部分四步，下半部分两步，各加一次残差。 | Follow the drawing of section"
            " 3: four steps above, two below, a residual connection around each.",
            "两个层归一化都作用在通道上：`nn.LayerNorm(dim, eps=1e-6)`；词元混合的 `Mlp` 长度是 `tokens`。 |"
            " Both LayerNorms act on the channels: `nn.LayerNorm(dim, eps=1e-6)`; the `Mlp` of token"
            " mixing has `tokens` features.",
            "词元混合：`x = x + self.token_mixing(y).transpose(1, 2)`，其中 `y` 是归一化并转置过的 `x`。 |"
            " Token mixing: `x = x + self.token_mixing(y).transpose(1, 2)`, where `y` is `x`,"
            " normalised and transposed.",
        ),
        given=MLP,
        solution=BLOCK,
        wrong={
            "second residual from the input": (
                _changed(
                    BLOCK,
                    ("x = x + self.token", "z = x + self.token"),
                    ("self.channel_norm(x)", "self.channel_norm(z)"),
                ),
                "第二个残差连接加的是块的输入",
                "adds the block's input",
            ),
            "one norm for both": (
                _changed(BLOCK, ("self.channel_norm(x)", "self.token_norm(x)")),
                "两半用了同一个层归一化",
                "both halves use the same LayerNorm",
            ),
            "reshape": (
                _changed(BLOCK, ("(y).transpose(1, 2)", "(y).reshape(x.shape)")),
                "位置全乱了",
                "values are scrambled",
            ),
            "default eps": (
                _changed(BLOCK, (", eps=1e-6", "")),
                "是默认的 1e-5",
                "is the default, 1e-5",
            ),
            "norm over tokens": (
                _changed(
                    BLOCK,
                    ("self.token_norm = nn.LayerNorm(dim", "self.token_norm = nn.LayerNorm(tokens"),
                ),
                "参数 token_norm.weight 的形状是",
                "parameter token_norm.weight has shape",
            ),
            "no transpose": (
                _changed(BLOCK, ("self.token_norm(x).transpose(1, 2)", "self.token_norm(x)")),
                "出错",
                "raises an error",
            ),
        },
        note="请学生在每一行后面写出形状；写不出来的地方，就是会接错的地方。 | Have the students write the"
        " shape after every line; where they cannot, they will wire it wrongly.",
    ),
    Exercise(
        id="03.3",
        title="写出 MLPMixer | write MLPMixer",
        name="MLPMixer",
        stub=MIXER_STUB,
        test=_test_mlp_mixer,
        hints=(
            "主干层是卷积核和步长都等于 `patch_size` 的 `nn.Conv2d`（见 01 篇）。 | The stem is an"
            " `nn.Conv2d` whose kernel and stride are both `patch_size` (notebook 01).",
            "卷积的输出是 (B, C, h, w)：`.flatten(2)` 之后是 (B, C, S)，还要转置。 | The convolution gives"
            " (B, C, h, w); `.flatten(2)` makes it (B, C, S), which must then be transposed.",
            "然后依次：`self.blocks`、`self.norm`、`.mean(dim=1)`、`self.head`。 | Then in turn:"
            " `self.blocks`, `self.norm`, `.mean(dim=1)`, `self.head`.",
        ),
        given=MLP + BLOCK,
        solution=MIXER,
        wrong={
            "a plain list": (
                _changed(
                    MIXER,
                    ("nn.Sequential(\n            *(", "list(\n            ("),
                    (
                        "        x = self.norm(self.blocks(x))",
                        "        for block in self.blocks:\n            x = block(x)\n        x = self.norm(x)",
                    ),
                ),
                "`blocks` 是普通的列表",
                "`blocks` is a plain list",
            ),
            "one block again and again": (
                _changed(
                    MIXER,
                    (
                        "*(MixerBlock(tokens, dim, tokens // 2, 4 * dim) for _ in range(depth))",
                        "*[MixerBlock(tokens, dim, tokens // 2, 4 * dim)] * depth",
                    ),
                ),
                "每一层需要自己的参数",
                "each layer needs parameters of its own",
            ),
            "scrambled stem": (
                _changed(
                    MIXER,
                    (
                        ".flatten(2).transpose(1, 2)",
                        ".reshape(len(images), -1, self.head.in_features)",
                    ),
                ),
                "先展平、再转置",
                "flatten, then transpose",
            ),
            "a ModuleList is called": (
                _changed(
                    MIXER, ("nn.Sequential(\n            *(", "nn.ModuleList(\n            (")
                ),
                "Module [ModuleList] is missing",
                "raises an error",
            ),
            "mean before norm": (
                _changed(
                    MIXER,
                    ("self.norm(self.blocks(x))", "self.blocks(x)"),
                    ("self.head(x.mean(dim=1))", "self.head(self.norm(x.mean(dim=1)))"),
                ),
                "先取了平均",
                "the mean is taken before",
            ),
            "no mean": (
                _changed(MIXER, ("x.mean(dim=1)", "x")),
                "形状是 (3, 16, 5)",
                "the shape is (3, 16, 5)",
            ),
        },
        note="可以问：如果主干层之后忘了转置，哪一层先报错？如果 S = C 呢？ | You may ask: without the"
        " transpose after the stem, which layer fails first? And if S = C?",
    ),
    Exercise(
        id="03.4",
        title="修好 block_a | repair block_a",
        name="block_a",
        stub=BLOCK_A,
        test=_repaired("adds the block's input"),
        hints=(
            "对照第 3 节的图，逐个检查箭头从哪里来。 | Compare with the drawing of section 3: where does"
            " each arrow come from?",
            "看下半部分的残差连接：它的起点是哪一张表？ | Look at the residual connection of the lower"
            " half: at which table does it start?",
            "第 3 节的第二个公式从 X′ 出发，加的也是 X′。它在这段代码里叫什么？ | The second"
            " formula of section 3 starts from X′ and adds to X′. What is X′ called in this code?",
        ),
        solution=RIGHT.format(name="block_a"),
        wrong=_wrong_wirings(
            "block_a", "no second residual", "one norm", "no first residual", "no return"
        ),
        note=REPAIR_NOTE,
    ),
    Exercise(
        id="03.5",
        title="修好 block_b | repair block_b",
        name="block_b",
        stub=BLOCK_B,
        test=_repaired("use the same LayerNorm"),
        hints=(
            "一个 Mixer 块有四个部件。代码里每个部件各用了几次？ | A block has four parts. How often does"
            " the code use each?",
            "有一个部件用了两次，另一个一次也没有用。 | One part is used twice, another not at all.",
            "看最后一行：每种混合之前，应当是它自己的层归一化。 | Look at the last line: each"
            " mixing has a LayerNorm of its own in front.",
        ),
        solution=RIGHT.format(name="block_b"),
        wrong=_wrong_wirings(
            "block_b", "no second norm", "no second residual", "no first residual", "no return"
        ),
        note=REPAIR_NOTE,
    ),
    Exercise(
        id="03.6",
        title="修好 block_c | repair block_c",
        name="block_c",
        stub=BLOCK_C,
        test=_repaired("values are scrambled"),
        hints=(
            "写出每一步的形状，再想一想每个数还在不在原来的位置。 | Write down the shape of each step, and"
            " ask whether each number is still in its place.",
            "`reshape` 只改形状，不换位置：它按原来的次序重新分行（见 01 篇）。 | `reshape` changes the"
            " shape only: it cuts the same sequence into other rows (notebook 01).",
            "前一行交换了两个轴；混合以后，要把同样的两个轴换回来。 | The line before swaps two"
            " axes; after mixing, the same two have to be swapped back.",
        ),
        solution=RIGHT.format(name="block_c"),
        wrong=_wrong_wirings(
            "block_c", "not turned back", "no first residual", "one norm", "no return"
        ),
        note=REPAIR_NOTE,
    ),
    Exercise(
        id="03.7",
        title="整个网络的参数量 | the parameters of the whole network",
        name="count",
        stub='''
def count(p, c, layers, s, d_s, d_c, k):
    """Return the number of parameters of a Mixer for colour images."""
    return ...  # 在这里写 / your code here
''',
        test=_test_count,
        hints=(
            "带参数的有四个部分：主干层、L 个 Mixer 块、最后的层归一化、分类头；每个线性层都有偏置。 | Four parts have parameters:"
            " the stem, L blocks, the final LayerNorm and the head; every linear layer has biases.",
            "一个 Mixer 块的公式在第 5 节。主干层是 3P² → C 的线性层，分类头是 C → K 的线性层。 | Section"
            " 5 has the formula of a block. The stem is a linear layer 3P² → C, the head is one C → K.",
            "线性层 a → b 有 a·b 个权重和 b 个偏置；层归一化的 γ 和 β 各有 C 个数；Mixer 块要乘以"
            " L。 | A linear layer a → b has a·b weights and b biases; γ and β of a LayerNorm"
            " have C numbers each; blocks count L times.",
        ),
        solution='''
def count(p, c, layers, s, d_s, d_c, k):
    """Return the number of parameters of a Mixer for colour images."""
    token_mixing = 2 * s * d_s + d_s + s
    channel_mixing = 2 * c * d_c + d_c + c
    block = token_mixing + channel_mixing + 4 * c
    return (3 * p * p * c + c) + layers * block + 2 * c + (c * k + k)
''',
        wrong={
            "no biases": (
                "def count(p, c, layers, s, d_s, d_c, k):\n"
                "    block = 2 * s * d_s + 2 * c * d_c + 4 * c\n"
                "    return 3 * p * p * c + layers * block + 2 * c + c * k",
                "偏置没有算",
                "biases of the linear layers are missing",
            ),
            "no final norm": (
                "def count(p, c, layers, s, d_s, d_c, k):\n"
                "    block = 2 * s * d_s + d_s + s + 2 * c * d_c + d_c + c + 4 * c\n"
                "    return 3 * p * p * c + c + layers * block + c * k + k",
                "最后的层归一化没有算",
                "final LayerNorm is missing",
            ),
            "one norm a block": (
                "def count(p, c, layers, s, d_s, d_c, k):\n"
                "    block = 2 * s * d_s + d_s + s + 2 * c * d_c + d_c + c + 2 * c\n"
                "    return 3 * p * p * c + c + layers * block + 2 * c + c * k + k",
                "只算了一个",
                "one is missing",
            ),
            "one matrix an Mlp": (
                "def count(p, c, layers, s, d_s, d_c, k):\n"
                "    block = s * d_s + d_s + s + c * d_c + d_c + c + 4 * c\n"
                "    return 3 * p * p * c + c + layers * block + 2 * c + c * k + k",
                "有两个权重矩阵",
                "two weight matrices",
            ),
            "one colour": (
                "def count(p, c, layers, s, d_s, d_c, k):\n"
                "    block = 2 * s * d_s + d_s + s + 2 * c * d_c + d_c + c + 4 * c\n"
                "    return p * p * c + c + layers * block + 2 * c + c * k + k",
                "三个颜色通道",
                "three channels",
            ),
        },
        note="可以用论文的 B/16 检验：P = 16、C = 768、L = 12、S = 196、K = 1000。 | Try it on the paper's"
        " B/16: P = 16, C = 768, L = 12, S = 196, K = 1000.",
    ),
]
