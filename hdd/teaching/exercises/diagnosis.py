"""What is wrong with an answer, in words: the tests of the exercises are built from these.

A test calls helpers one after the other; the first that finds something raises `Wrong` with
"中文 | English". None of them shows the expected values.
"""

import linecache
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HERE = str(Path(__file__).parent)
LIBRARIES = tuple(sysconfig.get_paths()[kind] for kind in ("stdlib", "purelib", "platlib"))


class Wrong(Exception):
    """An answer is not right; the message is "中文 | English"."""


class Unanswered(Wrong):
    """The student has not written anything yet."""


# ------------------------------------------------------------------------ the student's code
def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call the student's function, class or module; every tensor is handed over as a copy.

    Raises:
        Unanswered: it returns `...`, as the stub does.
        Wrong: not callable, raises, changes its inputs, or returns nothing.
    """
    if function is ... or function is None:
        raise Unanswered("还没有作答 | not answered yet")
    if not callable(function):
        raise Wrong(
            "需要函数本身，而不是它的结果：写名字，不要加括号"
            " | the function itself is needed, not its result: give its name without parentheses"
        )
    copies = [_copy(value) for value in args]
    try:
        result = function(*copies, **{name: _copy(value) for name, value in kwargs.items()})
    except NotImplementedError as error:
        if "[ModuleList]" in str(error):  # called, though it only keeps modules
            raise Wrong(_own_line(error)) from None
        raise Unanswered("还没有作答 | not answered yet") from None
    except Exception as error:
        raise Wrong(_own_line(error)) from None
    if result is ...:
        raise Unanswered("还没有作答 | not answered yet")
    if result is None:
        raise Wrong(
            "函数返回 None：是不是忘了写 `return`？"
            " | the function returns None: is a `return` missing?"
        )
    for before, after in zip(args, copies, strict=True):
        if isinstance(before, Tensor) and not torch.equal(before, after):
            raise Wrong("它改动了输入张量 | it changes its input tensor in place")
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()  # gradients still reach the original
    return value


def _own_line(error: Exception) -> str:
    """Describe an error by the last line of the student's own code."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((HERE, *LIBRARIES))
    ]
    kind, text = type(error).__name__, str(error).replace(" | ", " / ").strip().split("\n")[0]
    if not frames:  # for example wrong arguments: the call itself fails
        return f"调用时出错：{kind}: {text} | calling it fails: {kind}: {text}"
    line = (frames[-1].line or linecache.getline(frames[-1].filename, frames[-1].lineno)).strip()
    line, number = line.replace(" | ", "|"), frames[-1].lineno
    return (
        f"第 {number} 行出错：`{line}` → {kind}: {text}"
        f" | line {number} raises an error: `{line}` → {kind}: {text}"
    )


# ----------------------------------------------------------------------------------- values
def close(
    answer: Any,
    expected: Any,
    tolerance: float = 1e-4,
    axes: str = "",
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """Compare an answer with what is expected.

    Args:
        answer: a number (int, float, Fraction, Decimal), an array, a tensor on any device, or lists
            of these; a list or tensor with one element counts as a number.
        expected: the same.
        tolerance: largest absolute difference that counts as equal; it is stated.
        axes: names of the axes, such as "B S C", for the messages.
        mistakes: known wrong results by their diagnosis, as "中文 | English".

    Raises:
        Wrong: with what differs.
    """
    value, target = _tensor(answer), _tensor(expected)
    if value.numel() == target.numel() == 1:
        value = value.reshape(target.shape)
    for diagnosis, result in (mistakes or {}).items():
        known = _tensor(result)
        if _same(value, known, tolerance) and not _same(known, target, tolerance):
            raise Wrong(diagnosis)
    names = axes.split() or [f"axis {i}" for i in range(target.ndim)]
    _same_shape(value, target, names, tolerance)
    if not value.isfinite().all() and target.isfinite().all():
        raise Wrong("结果里有 NaN 或无穷大 | the result contains NaN or infinity")
    if not _same(value, target, tolerance):
        verdict = _one_number if target.numel() == 1 else _many_numbers
        raise Wrong(verdict(value, target, tolerance, names))


def _tensor(value: Any) -> Tensor:
    """Return a number, array, tensor or nested list as a float64 tensor on the CPU."""
    if value is ... or value is None:
        raise Unanswered("还没有作答 | not answered yet")
    try:
        return torch.as_tensor(_plain(value)).to(torch.float64)
    except (TypeError, ValueError, RuntimeError):
        kind = type(value).__name__
        raise Wrong(
            f"需要数字或张量，得到的是 {kind} | a number or a tensor is needed, not {kind}"
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().cpu().to(torch.float64)
    if isinstance(value, Fraction | Decimal):
        return float(value)
    if isinstance(value, complex) and value.imag == 0:
        return value.real
    if isinstance(value, list | tuple):
        return torch.stack([torch.as_tensor(_plain(v)).to(torch.float64) for v in value])
    if isinstance(value, str | bytes | set | dict):
        raise TypeError
    return np.asarray(value, dtype=np.float64)


def _same(value: Tensor, target: Tensor, tolerance: float) -> bool:
    return value.shape == target.shape and bool(
        torch.allclose(value, target, rtol=0, atol=tolerance, equal_nan=True)
    )


def _same_shape(value: Tensor, target: Tensor, names: Sequence[str], tolerance: float) -> None:
    if value.shape == target.shape:
        return
    yours, wanted = tuple(value.shape), tuple(target.shape)
    if target.numel() == 1:
        raise Wrong(
            f"需要一个数，得到的形状是 {yours} | one number is needed, yours has shape {yours}"
        )
    if not yours:
        count = target.numel()
        raise Wrong(f"需要 {count} 个数，只得到一个 | {count} numbers are needed, yours is one")
    form = f"({', '.join(names)}) = {wanted}"
    zh, en = f"形状是 {yours}，应当是 {form}", f"the shape is {yours}; it should be {form}"
    for i, j in combinations(range(target.ndim), 2):
        if value.ndim == target.ndim and value.transpose(i, j).shape == target.shape:
            a, b = names[i], names[j]
            zh, en = zh + f"：{a} 与 {b} 两个轴互换了", en + f": axes {a} and {b} are swapped"
            break
    else:
        if value.squeeze().shape == target.squeeze().shape:
            zh, en = zh + "：长度为 1 的轴不对", en + ": an axis of length 1 is missing or extra"
    raise Wrong(f"{zh} | {en}")


def _one_number(value: Tensor, target: Tensor, tolerance: float, _: Sequence[str]) -> str:
    """Say how a number is wrong, yet not so exactly that the right one could be computed."""
    v, t = float(value), float(target)
    if abs(v + t) <= tolerance:
        return "符号反了 | the sign is wrong"
    ratio = v / t if t else 0.0
    if any(abs(ratio - f) < 1e-3 * f for f in (100, 0.01)):
        return "差 100 倍：百分数与小数弄混了？ | off by 100: percentage or fraction?"
    if any(abs(ratio - f) < 1e-3 * f for f in (2, 0.5, 3, 1 / 3, 4, 0.25)):
        return "差了一个简单的倍数 | off by a small factor: something is counted twice, or left out"
    if t and abs(v - t) <= 0.02 * abs(t):
        return (
            f"接近，但不够准确：允许的误差是 {tolerance:g} | close, but not exact enough: the"
            f" tolerance is {tolerance:g}"
        )
    if ratio > 10 or 0 < ratio < 0.1:
        return "数量级不对 | the order of magnitude is wrong"
    return f"还不对（允许的误差 {tolerance:g}） | not yet (tolerance {tolerance:g})"


def _many_numbers(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    """Say how numbers of the right shape are wrong."""
    for verdict in (_sign, _factor, _swapped, _shifted, _reordered):
        message = verdict(value, target, tolerance, names)
        if message:
            return message
    wrong = (value - target).abs() > tolerance
    place = tuple(int(i) for i in wrong.nonzero()[0])
    share, named = float(wrong.double().mean()), ", ".join(names)
    return (
        f"形状正确，但 {share:.0%} 的数值不对，第一个在 ({named}) = {place}"
        f"（允许的误差 {tolerance:g}）"
        f" | the shape is right, but {share:.0%} of the values are not, the first at ({named}) ="
        f" {place} (tolerance {tolerance:g})"
    )


def _sign(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    if _same(value, -target, tolerance):
        return "符号反了 | the sign is wrong"
    if _same(value.abs(), target.abs(), tolerance):
        return "有些数值的符号不对 | some values have the wrong sign"
    return ""


def _factor(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    if not target.any():
        return ""
    ratio = float((value * target).sum() / target.square().sum())
    if ratio == 0 or not _same(value, ratio * target, tolerance * max(1.0, abs(ratio))):
        return ""
    sizes = {n: s for n, s in zip(names, target.shape, strict=True) if s > 1 and " " not in n}
    known = {"2": 2.0, "3": 3.0, "4": 4.0, "100": 100.0}
    known |= {name: float(size) for name, size in sizes.items()}
    known |= {f"√{name}": size**0.5 for name, size in sizes.items()}
    known |= {f"1/{name}": 1 / size for name, size in known.items()}
    near = [name for name, factor in known.items() if abs(ratio - factor) < 1e-3 * factor]
    factor = next((name for name in near if not name[-1].isdigit()), (near or [f"{ratio:.3g}"])[0])
    return f"处处差同一个倍数：{factor} | every value is off by the same factor: {factor}"


def _swapped(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    for i, j in combinations(range(target.ndim), 2):
        turned = target.transpose(i, j)
        if _same(value, turned, tolerance):
            a, b = names[i], names[j]
            return f"转置了：{a} 与 {b} 两个轴互换了 | transposed: axes {a} and {b} are swapped"
    return ""


def _shifted(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    """Recognise a difference that is constant, or depends on a single axis: a bias."""
    gap = value - target
    if float(gap.max() - gap.min()) <= 2 * tolerance:
        return (
            "处处差同一个常数：是不是漏了（或多了）偏置？"
            " | every value is off by the same constant: is a bias missing, or one too many?"
        )
    for axis in range(target.ndim if target.ndim > 1 else 0):
        along = gap.movedim(axis, 0).flatten(1)  # (axis, the others)
        if float((along.max(1).values - along.min(1).values).max()) <= 2 * tolerance:
            return (
                f"差值只取决于 {names[axis]}：是不是漏了（或多了）偏置？"
                f" | the difference depends on {names[axis]} alone: is a bias missing, or extra?"
            )
    return ""


def _reordered(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    if _same(value.flatten().sort().values, target.flatten().sort().values, tolerance):
        return "数值都对，次序不对 | the values are right, but their order is not"
    return ""


# ---------------------------------------------------------------------------------- modules
def build(cls: Any, *args: Any, **kwargs: Any) -> nn.Module:
    """Return an object of the student's class; it has to be an nn.Module."""
    made = call(cls, *args, **kwargs)
    if not isinstance(made, nn.Module):
        raise Wrong("它不是 nn.Module | it is not an nn.Module")
    return made


def copy_parameters(source: nn.Module, target: nn.Module) -> None:
    """Give the student's module the parameters of another, in order.

    Raises:
        Wrong: the shapes differ; the message has those of the student's.
    """
    given, own = list(source.parameters()), list(target.named_parameters())
    if not own:
        raise Unanswered(
            "还没有作答：模块没有参数 | not answered yet: the module has no parameters"
        )
    if len(given) != len(own):
        listed = ", ".join(f"{name} {tuple(p.shape)}" for name, p in own)
        raise Wrong(
            f"参数个数不对，你的是：{listed} | the number of parameter tensors is wrong; yours:"
            f" {listed}"
        )
    for parameter, (name, mine) in zip(given, own, strict=True):
        if parameter.shape != mine.shape:
            yours, wanted = tuple(mine.shape), tuple(parameter.shape)
            raise Wrong(
                f"参数 {name} 的形状是 {yours}，应当是 {wanted}"
                f" | parameter {name} has shape {yours}; it should be {wanted}"
            )
    with torch.no_grad():
        for parameter, (_, mine) in zip(given, own, strict=True):
            mine.copy_(parameter)


def every_parameter_learns(module: nn.Module, *inputs: Tensor) -> None:
    """Raise Wrong if some parameter gets no gradient."""
    module.zero_grad()
    _differentiable(call(module, *inputs)).square().sum().backward()
    idle = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    if idle:
        raise Wrong(
            f"参数 {', '.join(idle)} 没有梯度：forward 里用到它了吗？ | {', '.join(idle)} gets no"
            " gradient: is it used in forward?"
        )


def _differentiable(output: Any) -> Tensor:
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise Wrong(
            "结果不可求导：是不是用了 `detach`、`item` 或 `no_grad`？ | the result has no gradient:"
            " is there a `detach`, `item` or `no_grad`?"
        )
    return output
