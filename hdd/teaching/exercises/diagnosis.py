"""What is wrong with an answer, in words: the tests of the exercises are built from these.

A test calls helpers one after the other; the first that finds something raises `Wrong` with
"中文 | English". None of them shows the expected values.
"""

import linecache
import math
import os
import re
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

from hdd.models.cnn.timm_twin import timm_name
from hdd.teaching.language import SEPARATOR, split

# Where code is not the student's: the course's package and the libraries.
OTHERS = (
    f"{Path(__file__).parents[2]}{os.sep}",
    *(sysconfig.get_paths()[kind] for kind in ("stdlib", "purelib", "platlib")),
)


class Wrong(Exception):
    """An answer is not right; the message is "中文 | English"."""


class Unanswered(Wrong):
    """The student has not written anything yet."""


# ------------------------------------------------------------------------ the student's code
def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call the student's function, class or module with copies of tensors, lists and dicts.

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
    except (Exception, SystemExit) as error:
        line, number = _own_line(error)
        # PyTorch, too, raises this error, with a message: for a kind of number, for a ModuleList.
        unfinished = not str(error) or "raise NotImplementedError" in line
        if isinstance(error, NotImplementedError) and unfinished:
            raise Unanswered("还没有作答 | not answered yet") from None
        raise Wrong(_failure(error, line, number)) from None
    if result is ...:
        raise Unanswered("还没有作答 | not answered yet")
    if result is None:
        raise Wrong(
            "函数返回 None：是不是忘了写 `return`？（`print` 只显示，不返回）"
            " | the function returns None: is a `return` missing? (`print` shows, but returns"
            " nothing)"
        )
    for before, after in zip(args, copies, strict=True):
        if not _unchanged(before, after):
            raise Wrong("它改动了输入 | it changes its input in place")
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()  # gradients still reach the original
    if isinstance(value, list | tuple):
        return type(value)(_copy(part) for part in value)
    if isinstance(value, dict):
        return {name: _copy(part) for name, part in value.items()}
    return value


def _unchanged(before: Any, after: Any) -> bool:
    if type(before) is not type(after):
        return False
    if isinstance(before, Tensor):
        return torch.equal(before, after)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_unchanged, before, after))
    if isinstance(before, dict):
        pairs = (_unchanged(before[name], after[name]) for name in before if name in after)
        return list(before) == list(after) and all(pairs)
    return before is after or before == after


def _own_line(error: BaseException) -> tuple[str, int]:
    """Return the last line of the student's own code that an error went through, and its number.

    An empty line: there is none, for example because the arguments are wrong.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(OTHERS)
    ]
    if not frames:
        return "", 0
    last = frames[-1]
    return (last.line or linecache.getline(last.filename, last.lineno)).strip(), last.lineno


def _failure(error: BaseException, line: str, number: int) -> str:
    kind, text = type(error).__name__, _quoted(str(error).strip().split("\n")[0])
    if not number:
        return f"调用时出错：{kind}: {text} | calling it fails: {kind}: {text}"
    line = _quoted(line)
    return (
        f"第 {number} 行出错：`{line}` → {kind}: {text}"
        f" | line {number} raises an error: `{line}` → {kind}: {text}"
    )


def _quoted(text: str) -> str:
    """Return a student's text without what `split` would take for ours: bars and formulas."""
    return re.sub(r" *\| *", "|", text).replace("$", "＄")


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
    value, target = numbers(answer), numbers(expected)
    if value.numel() == target.numel() == 1:
        value = value.reshape(target.shape)
    if found := _recognized(value, target, tolerance, mistakes or {}):
        raise Wrong(found)
    names = axes.split() or [f"axis {i}" for i in range(target.ndim)]
    _same_shape(value, target, names, tolerance)
    if not value.isfinite().all() and target.isfinite().all():
        raise Wrong("结果里有 NaN 或无穷大 | the result contains NaN or infinity")
    if not _same(value, target, tolerance):
        verdict = _one_number if target.numel() == 1 else _many_numbers
        raise Wrong(verdict(value, target, tolerance, names))


def _recognized(
    value: Tensor, target: Tensor, tolerance: float, mistakes: Mapping[str, Any]
) -> str:
    """Return the diagnoses that fit; on a random input two mistakes can give the same number."""
    known = {diagnosis: numbers(result) for diagnosis, result in mistakes.items()}
    found = [
        split(diagnosis)
        for diagnosis, wrong in known.items()
        if _same(value, wrong, tolerance) and not _same(wrong, target, tolerance)
    ]
    joined = ("；或者：".join(zh for zh, _ in found), "; or: ".join(en for _, en in found))
    return SEPARATOR.join(joined) if found else ""


def numbers(value: Any) -> Tensor:
    """Return a number, array, tensor or nested list as a float64 tensor on the CPU.

    Raises:
        Unanswered: `...` or None, or a list or tuple with one of them inside.
        Wrong: it holds no numbers, or complex ones.
    """
    if value is ... or value is None:
        raise Unanswered("还没有作答 | not answered yet")
    if isinstance(value, list | tuple) and any(part is ... or part is None for part in value):
        raise Unanswered("有一部分还没有作答 | a part of it is not answered yet")
    try:
        return _real(_plain(value))
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(_no_numbers(value)) from None


def number(value: Any) -> float:
    """Return as a float what should be one number, in whatever form; else raise Wrong."""
    found = numbers(value)
    if found.numel() != 1:
        raise Wrong(_not_one(tuple(found.shape)))
    return float(found)


def _not_one(shape: tuple[int, ...]) -> str:
    return f"需要一个数，得到的形状是 {shape} | one number is needed, yours has shape {shape}"


def _no_numbers(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, list | tuple) and not value:
        return f"需要数字，得到的 {kind} 是空的 | numbers are needed, but the {kind} is empty"
    if isinstance(value, list | tuple):
        return (
            f"需要数字：{kind} 里的元素不是数，或者形状不一"
            f" | numbers are needed: what the {kind} holds is none, or differs in shape"
        )
    return f"需要数字或张量，得到的是 {kind} | a number or a tensor is needed, not {kind}"


def _plain(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().cpu().to_dense()
    if isinstance(value, list | tuple):
        parts = [_plain(part).to(torch.complex128) for part in value]
        if all(part.numel() == 1 for part in parts):  # 16 and [16] side by side
            parts = [part.reshape(()) for part in parts]
        return torch.stack(parts)
    if isinstance(value, str | bytes | set | dict):
        raise TypeError
    if isinstance(value, Fraction | Decimal):
        value = float(value)
    return torch.from_numpy(np.array(value, dtype=np.complex128))


def _real(value: Tensor) -> Tensor:
    if value.is_complex():
        if (value.imag.abs() > 1e-5).any():
            raise Wrong("结果里有复数 | the result has complex numbers in it")
        value = value.real
    return value.to(torch.float64)


def _same(value: Tensor, target: Tensor, tolerance: float) -> bool:
    return value.shape == target.shape and bool(
        torch.allclose(value, target, rtol=0, atol=tolerance, equal_nan=True)
    )


def _same_shape(value: Tensor, target: Tensor, names: Sequence[str], tolerance: float) -> None:
    if value.shape == target.shape:
        return
    yours, wanted = tuple(value.shape), tuple(target.shape)
    if target.numel() == 1:
        raise Wrong(_not_one(yours))
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
    if abs(t) > 1 and not t.is_integer() and v in (math.floor(t), round(t)):
        return "取成了整数：不要用 `//` 或 `round` | rounded to a whole number: do without `//`"
    if t and abs(v - t) <= 0.02 * abs(t):
        return _inexact(tolerance)
    if ratio > 10 or 0 < ratio < 0.1:
        return "数量级不对 | the order of magnitude is wrong"
    return f"还不对（允许的误差 {tolerance:g}） | not yet (tolerance {tolerance:g})"


def _inexact(tolerance: float) -> str:
    return (
        f"接近，但不够准确：允许的误差是 {tolerance:g} | close, but not exact enough: the"
        f" tolerance is {tolerance:g}"
    )


def _many_numbers(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    """Say how numbers of the right shape are wrong."""
    for verdict in (_constant, _sign, _factor, _swapped, _shifted, _reordered):
        message = verdict(value, target, tolerance, names)
        if message:
            return message
    return _first_wrong(value, target, tolerance, names)


def _first_wrong(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    off = (value - target).abs()
    place = tuple(int(i) for i in (off > tolerance).nonzero()[0])
    if target.ndim == 1 and len(target) <= 3:
        zh, en = _one_number(value[place], target[place], tolerance, names).split(" | ")
        return f"第 {place[0] + 1} 个数：{zh} | number {place[0] + 1}: {en}"
    share, largest = float((off > tolerance).double().mean()), float(off.max())
    named = ", ".join(names)
    return (
        f"形状正确，但 {share:.0%} 的数值不对，第一个在 ({named}) = {place}；最多差 {largest:.2g}"
        f"（允许的误差 {tolerance:g}）"
        f" | the shape is right, but {share:.0%} of the values are not, the first at ({named}) ="
        f" {place}; the largest difference is {largest:.2g} (tolerance {tolerance:g})"
    )


def _constant(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    """Recognise values that are all the same, or the same along an axis that was summed over."""
    if float(value.max() - value.min()) <= tolerance:
        return "所有数值都相同 | all values are the same"
    for axis in range(target.ndim):
        mine, right = (part.amax(axis) - part.amin(axis) for part in (value, target))
        if float(mine.max()) <= tolerance < float(right.max()):
            return (
                f"沿 {names[axis]} 轴的数值都相同：是不是对它求了和或平均？"
                f" | the values do not change along {names[axis]}: was it summed or averaged over?"
            )
    return ""


def _sign(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    if _same(value, -target, tolerance):
        return "符号反了 | the sign is wrong"
    if _same(value.abs(), target.abs(), tolerance):
        return "有些数值的符号不对 | some values have the wrong sign"
    return ""


def _factor(value: Tensor, target: Tensor, tolerance: float, names: Sequence[str]) -> str:
    few = target.ndim == 1 and len(target) <= 3  # the factor would tell the answer
    if few or not target.any():
        return ""
    ratio = float((value * target).sum() / target.square().sum())
    if ratio == 0 or not _same(value, ratio * target, tolerance * max(1.0, abs(ratio))):
        return ""
    if f"{ratio:.3g}" == "1":  # a factor of 1 would say that nothing is wrong
        return _inexact(tolerance)
    # Axes are named by letters, such as B and C_in; "numbers" or "epoch" are no sizes to divide by.
    sizes = {n: s for n, s in zip(names, target.shape, strict=True) if s > 1 and len(n) < 5}
    known = {name: float(size) for name, size in sizes.items()}
    known |= {f"√{name}": size**0.5 for name, size in sizes.items()}
    known |= {f"1/{name}": 1 / size for name, size in known.items()}
    near = [name for name, factor in known.items() if abs(ratio - factor) < 1e-3 * factor]
    zh, en = (
        (f"{ratio:.3g}（= {near[0]}）", f"{ratio:.3g} (= {near[0]})")
        if near
        else [f"{ratio:.3g}"] * 2
    )
    return f"处处差同一个倍数：{zh} | every value is off by the same factor: {en}"


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
        zh, en = "处处差同一个常数", "every value is off by the same constant"
        if target.ndim > 1:
            zh, en = (
                f"{zh}：是不是漏了（或多了）偏置？",
                f"{en}: is a bias missing, or one too many?",
            )
        return f"{zh} | {en}"
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
    """Give the student's module the parameters of another, in whatever order it defines its parts.

    Unless their names tell layers of equal shapes apart, these get equal values, in `source`, too.
    So compute what is expected afterwards, and then call `every_parameter_learns`: it alone notices
    one LayerNorm in the places of two.

    Raises:
        Wrong: the shapes differ; the message has those of the student's.
    """
    given, own = list(source.parameters()), list(target.named_parameters())
    _same_count(given, own)
    mine = _by_name(source, target)
    if mine is None:
        _make_alike(source)
        mine = _by_parts(source, target) or [parameter for _, parameter in own]
    if _shapes(given) != _shapes(mine):
        raise Wrong(_other_shape(given, own))
    with torch.no_grad():
        for parameter, copied in zip(given, mine, strict=True):
            copied.copy_(parameter)


def _same_count(given: Sequence[Tensor], own: Sequence[tuple[str, Tensor]]) -> None:
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


def _by_name(source: nn.Module, target: nn.Module) -> list[Tensor] | None:
    """Return the parameters of `target` in the order of `source`'s, if its parts are named alike.

    `source` is timm's, whose names differ from the course's in the known way. None: other names, or
    other shapes under these names.
    """
    own = {timm_name(name): parameter for name, parameter in target.named_parameters()}
    named = dict(source.named_parameters())
    mine = [own[name] for name in named if name in own]
    return mine if _shapes(mine) == _shapes(list(named.values())) else None


def _shapes(parameters: Sequence[Tensor]) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in parameters]


def _by_parts(source: nn.Module, target: nn.Module) -> list[Tensor] | None:
    """Return the parameters of `target` in the order of `source`'s: layer by layer, by shape."""
    layers = [
        [list(part.parameters(recurse=False)) for part in module.modules()]
        for module in (source, target)
    ]
    found, left = [], [layer for layer in layers[1] if layer]
    for layer in filter(None, layers[0]):
        same = next((other for other in left if _shapes(other) == _shapes(layer)), None)
        if same is None:
            return None
        left = [other for other in left if other is not same]
        found += same
    return found


def _make_alike(module: nn.Module) -> None:
    """Give the layers of a module that have equal shapes the values of the first of them."""
    firsts: dict[tuple[tuple[int, ...], ...], list[Tensor]] = {}
    for part in module.modules():
        layer = list(part.parameters(recurse=False))
        first = firsts.setdefault(tuple(_shapes(layer)), layer)
        with torch.no_grad():
            for parameter, copied in zip(first, layer, strict=True):
                copied.copy_(parameter)


def _other_shape(given: Sequence[Tensor], own: Sequence[tuple[str, Tensor]]) -> str:
    name, yours, wanted = next(
        (name, tuple(mine.shape), tuple(parameter.shape))
        for parameter, (name, mine) in zip(given, own, strict=True)
        if mine.shape != parameter.shape
    )
    return (
        f"参数 {name} 的形状是 {yours}，应当是 {wanted}"
        f" | parameter {name} has shape {yours}; it should be {wanted}"
    )


def every_parameter_learns(module: nn.Module, *inputs: Tensor) -> None:
    """Raise Wrong if some parameter gets no gradient."""
    module.zero_grad()
    differentiable(call(module, *inputs)).abs().square().sum().backward()
    idle = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]
    if idle:
        raise Wrong(
            f"参数 {', '.join(idle)} 没有梯度：forward 里用到它了吗？有没有 `detach`？"
            f" | no gradient reaches {', '.join(idle)}: is it used in forward? Is there a `detach`?"
        )


def differentiable(output: Any) -> Tensor:
    """Return a tensor that gradients can flow through; raise Wrong if they cannot."""
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise Wrong(
            "结果不可求导：是不是用了 `detach`、`item` 或 `no_grad`？ | the result has no gradient:"
            " is there a `detach`, `item` or `no_grad`?"
        )
    return output
