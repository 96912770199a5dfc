"""Exercises of notebook 06, the recipe."""

import math
import statistics

import torch
from torch.nn import functional

from hdd.teaching.exercises.diagnosis import Wrong, call, close, number
from hdd.teaching.exercises.exercise import Exercise
from hdd.train.schedule import warmup_cosine


# ------------------------------------------------------------------------------- CutMix
def _batch():
    images = torch.rand(4, 3, 10, 8)  # (B, C_in, H, W)
    targets = functional.one_hot(torch.tensor([2, 0, 1, 4]), 5).float()  # (B, K)
    return images, targets, torch.tensor([2, 3, 1, 0]), (1, 6, 2, 5)


def _test_cutmix(answer):
    images, targets, partner, box = _batch()
    result = call(answer, images, targets, partner, box)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong(
            "要返回两样：混合后的图像和混合后的目标 | return two things: the mixed images and the"
            " mixed targets"
        )
    _compare_images(result[0], images, partner, box)
    _compare_targets(result[1], targets, partner, box)


def _compare_images(mixed, images, partner, box):
    top, bottom, left, right = box
    pasted, swapped, inside_out = images.clone(), images.clone(), images[partner]
    pasted[:, :, top:bottom, left:right] = images[partner][:, :, top:bottom, left:right]
    swapped[:, :, left:right, top:bottom] = images[partner][:, :, left:right, top:bottom]
    inside_out[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right]
    close(
        mixed,
        pasted,
        axes="B C_in H W",
        mistakes={
            "行和列反了：`box` 先给出行的范围 | rows and columns are swapped: `box` gives the rows"
            " first": swapped,
            "框内和框外反了：只有框内的像素来自另一张图像 | inside and outside are swapped: only the"
            " pixels inside the box come from the other image": inside_out,
        },
    )


def _compare_targets(mixed, targets, partner, box):
    top, bottom, left, right = box
    share = (bottom - top) * (right - left) / (10 * 8)
    other = targets[partner]
    close(
        mixed,
        (1 - share) * targets + share * other,
        axes="B K",
        mistakes={
            "目标没有混合 | the targets are not mixed": targets,
            "两个目标的权重反了：框越大，另一张图像的占比越大 | the two weights are swapped: the larger"
            " the box, the more the other image counts": share * targets + (1 - share) * other,
            "占比是面积之比，不是边长之比 | the share is a ratio of areas, not of sides": torch.lerp(
                targets, other, (bottom - top) / 10
            ),
            "两个目标各占一半了：占比取决于框的面积 | both targets count one half: the share depends on"
            " the area of the box": (targets + other) / 2,
        },
    )


# ---------------------------------------------------------------- moving average of weights
def _after_all(weights, keep):
    average = weights[0]
    for weight in weights[1:]:
        average = keep(average, weight)
    return average


def _test_moving_average(answer):
    weights, decay = list(torch.randn(6, 3, 4)), 0.8
    zero = torch.zeros_like(weights[0])
    swapped = _after_all(weights, lambda a, w: (1 - decay) * a + decay * w)
    close(
        call(answer, weights, decay),
        _after_all(weights, lambda a, w: decay * a + (1 - decay) * w),
        axes="out in",
        mistakes={
            "`decay` 和 `1 - decay` 反了：`decay` 是旧平均值的权重 | `decay` and `1 - decay` are"
            " swapped: `decay` is the weight of the old average": swapped,
            "新的权重没有乘以 `1 - decay` | the new weights are not multiplied by `1 - decay`": (
                _after_all(weights, lambda a, w: decay * a + w)
            ),
            "平均值从 0 开始了：应当从第一组权重开始 | the average starts from 0: start from the first"
            " weights": _after_all([zero, *weights], lambda a, w: decay * a + (1 - decay) * w),
            "这是普通的平均，没有用到 `decay` | this is the plain mean, without `decay`": sum(
                weights
            )
            / len(weights),
            "返回的是最后的权重，不是平均值 | these are the last weights, not the average": weights[
                -1
            ],
        },
    )


# ----------------------------------------------------------------------------- schedule
def _curve(function, total, warm):
    return torch.tensor([float(function(step, total, warm)) for step in range(total)])


def _cosine(done: float) -> float:
    return (1 + math.cos(math.pi * done)) / 2


def _test_schedule(answer):
    total, warm = 40, 7
    result = torch.tensor([number(call(answer, step, total, warm)) for step in range(total)])
    wrong_warm = _curve(lambda s, t, w: s / w if s < w else warmup_cosine(s, t, w), total, warm)
    late = _curve(lambda s, t, w: (s + 1) / (w + 1) if s < w else _cosine(s / t), total, warm)
    cut_off = _curve(
        lambda s, t, w: (s + 1) / (w + 1) if s < w else _cosine((s - w) / t), total, warm
    )
    close(
        result,
        _curve(warmup_cosine, total, warm),
        axes="step",
        mistakes={
            "第 0 步的学习率是 0，这一步什么也学不到：分子应为 `step + 1` | step 0 has learning rate 0"
            " and learns nothing: the numerator is `step + 1`": wrong_warm,
            "余弦从第 0 步就开始了：它应当在预热结束时开始 | the cosine starts at step 0: it should start"
            " when the warm-up ends": late,
            "余弦被截断了，最后到不了 0：它只有 `total - warm` 步 | the cosine is cut off before 0: it"
            " has only `total - warm` steps": cut_off,
            "没有预热 | there is no warm-up": _curve(lambda s, t, w: _cosine(s / t), total, warm),
        },
    )


# ---------------------------------------------------------------------- paired interval
def _interval(mean: float, half: float) -> tuple[float, float]:
    return mean - half, mean + half


def _interval_mistakes(a, b, quantile, differences):
    mean, spread = statistics.mean(differences), statistics.stdev(differences)
    unpaired = math.sqrt((statistics.variance(a) + statistics.variance(b)) / 6)
    low, high = _interval(mean, quantile * spread / math.sqrt(6))
    return {
        "差的方向反了：应当是 a − b | the difference has the wrong direction: it is a − b": (
            -high,
            -low,
        ),
        "这是平均值和半宽；要的是区间的两端 | these are mean and half width; both ends of the"
        " interval are wanted": (mean, quantile * spread / math.sqrt(6)),
        "没有除以 n 的平方根：这是单次差值的范围，不是平均值的 | the square root of n is missing: this"
        " is the range of single differences, not of their mean": _interval(
            mean, quantile * spread
        ),
        "除以了 n，而不是 n 的平方根 | divided by n, not by its square root": _interval(
            mean, quantile * spread / 6
        ),
        "没有配对：用的是两组各自的标准差 | not paired: the spreads of the two groups are used": (
            _interval(mean, quantile * unpaired)
        ),
        "标准差除以了 n，应当除以 n − 1：用 `statistics.stdev` | the standard deviation divides by n"
        " instead of n − 1: use `statistics.stdev`": _interval(
            mean, quantile * statistics.pstdev(differences) / math.sqrt(6)
        ),
    }


def _test_paired_interval(answer):
    shared = torch.randn(6) * 3
    a, b = ((shared + torch.randn(6) + shift).tolist() for shift in (84.0, 82.5))
    quantile, differences = 2.57, [x - y for x, y in zip(a, b, strict=True)]
    mean, spread = statistics.mean(differences), statistics.stdev(differences)
    close(
        call(answer, a, b, quantile),
        _interval(mean, quantile * spread / math.sqrt(6)),
        axes="ends",
        mistakes=_interval_mistakes(a, b, quantile, differences),
    )


# ------------------------------------------------------------------------ calibration error
def _weighted(images, gaps):
    return (images * gaps).sum().item() / images.sum().item()


def _test_calibration_error(answer):
    images = torch.tensor([40.0, 90.0, 250.0, 620.0])
    confidence, right = torch.tensor([[0.42, 0.58, 0.77, 0.94], [0.55, 0.49, 0.83, 0.97]])
    gaps = right - confidence
    close(
        call(answer, *(values.tolist() for values in (images, confidence, right))),
        _weighted(images, gaps.abs()),
        1e-4,
        mistakes={
            "每组算得一样重：应当按图像数加权 | every group counts the same: weight it by its number"
            " of images": gaps.abs().mean().item(),
            "过于自信与信心不足的组互相抵消了：先取绝对值，再平均 | groups that are too confident and"
            " too cautious cancel: take absolute values before the mean": _weighted(images, gaps),
            "没有除以图像总数 | not divided by the number of all images": (
                (images * gaps.abs()).sum().item()
            ),
        },
    )


EXERCISES = [
    Exercise(
        id="06.1",
        title="一批图像的 CutMix | CutMix of a batch",
        name="cutmix",
        stub='''
def cutmix(images, targets, partner, box):
    """Paste a box of images[partner] into images (B, C_in, H, W), and mix targets (B, K).

    partner (B,): the number of each image's other image; box: (top, bottom, left, right).
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_cutmix,
        hints=(
            "`images[partner]` 就是每张图像的另一张。先用 `clone()` 复制，再往里贴，这样不会改动输入。"
            " | `images[partner]` holds the other image of each. Copy with `clone()` before pasting,"
            " so that the input stays as it is.",
            "框是切片 `[:, :, top:bottom, left:right]`。占比是框的面积除以图像的面积。 | The box is the"
            " slice `[:, :, top:bottom, left:right]`. The share is its area over that of the image.",
            "目标是 `(1 - share) * targets + share * targets[partner]`；返回 `mixed, target`。 | The"
            " targets are `(1 - share) * targets + share * targets[partner]`; return `mixed, target`.",
        ),
        solution='''
def cutmix(images, targets, partner, box):
    """Paste a box of images[partner] into images (B, C_in, H, W), and mix targets (B, K).

    partner (B,): the number of each image's other image; box: (top, bottom, left, right).
    """
    top, bottom, left, right = box
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[partner][:, :, top:bottom, left:right]
    share = (bottom - top) * (right - left) / (images.shape[2] * images.shape[3])
    return mixed, (1 - share) * targets + share * targets[partner]
''',
        wrong={
            "targets left alone": (
                "def cutmix(images, targets, partner, box):\n"
                "    t, b, l, r = box\n"
                "    mixed = images.clone()\n"
                "    mixed[:, :, t:b, l:r] = images[partner][:, :, t:b, l:r]\n"
                "    return mixed, targets",
                "目标没有混合",
                "the targets are not mixed",
            ),
            "weights swapped": (
                "def cutmix(images, targets, partner, box):\n"
                "    t, b, l, r = box\n"
                "    mixed = images.clone()\n"
                "    mixed[:, :, t:b, l:r] = images[partner][:, :, t:b, l:r]\n"
                "    share = (b - t) * (r - l) / (images.shape[2] * images.shape[3])\n"
                "    return mixed, share * targets + (1 - share) * targets[partner]",
                "两个目标的权重反了",
                "the two weights are swapped",
            ),
            "images only": (
                "def cutmix(images, targets, partner, box):\n"
                "    t, b, l, r = box\n"
                "    mixed = images.clone()\n"
                "    mixed[:, :, t:b, l:r] = images[partner][:, :, t:b, l:r]\n"
                "    return mixed",
                "要返回两样",
                "return two things",
            ),
        },
        note=(
            "常见的错误是只混合图像：网络照样训练，只是在学错误的标签，没有任何报错。 | A common mistake"
            " is to mix only the images: the network trains without any error, on wrong labels."
        ),
    ),
    Exercise(
        id="06.2",
        title="权重的滑动平均 | a moving average of weights",
        name="moving_average",
        stub='''
def moving_average(weights, decay):
    """Average weights, a list of tensors (one per step), starting from the first of them."""
    return ...  # 在这里写 / your code here
''',
        test=_test_moving_average,
        hints=(
            "从 `weights[0]` 开始，对其余每一组更新一次平均值。 | Start from `weights[0]` and update the"
            " average once for each of the others.",
            "旧的平均值乘以 `decay`，新的权重乘以 `1 - decay`。 | The old average is multiplied by"
            " `decay`, the new weights by `1 - decay`.",
            "用 4、0、4、0 和 β = ½ 检查：依次应当得到 4、2、3、1.5。 | Check it with 4, 0, 4, 0"
            " and β = ½: the averages should be 4, 2, 3, 1.5.",
        ),
        solution='''
def moving_average(weights, decay):
    """Average weights, a list of tensors (one per step), starting from the first of them."""
    average = weights[0]
    for weight in weights[1:]:
        average = decay * average + (1 - decay) * weight
    return average
''',
        wrong={
            "decay swapped": (
                "def moving_average(weights, decay):\n"
                "    average = weights[0]\n"
                "    for weight in weights[1:]:\n"
                "        average = (1 - decay) * average + decay * weight\n"
                "    return average",
                "`decay` 和 `1 - decay` 反了",
                "`decay` and `1 - decay` are swapped",
            ),
            "starts from zero": (
                "def moving_average(weights, decay):\n"
                "    average = 0 * weights[0]\n"
                "    for weight in weights:\n"
                "        average = decay * average + (1 - decay) * weight\n"
                "    return average",
                "平均值从 0 开始了",
                "the average starts from 0",
            ),
            "plain mean": (
                "def moving_average(weights, decay):\n    return sum(weights) / len(weights)",
                "这是普通的平均",
                "this is the plain mean",
            ),
        },
        note=(
            "从第一组权重开始，是因为从 0 开始的平均值在最初几步太小；`average_of` 则让衰减率逐渐增大。"
            " | Starting from zero makes the average too small at first; `average_of` instead lets the"
            " decay grow."
        ),
    ),
    Exercise(
        id="06.3",
        title="成对差值的区间 | the interval of a paired difference",
        name="paired_interval",
        stub='''
def paired_interval(a, b, quantile):
    """Return both ends of the interval of the mean of a − b; entry i of both has seed i."""
    return ...  # 在这里写 / your code here
''',
        test=_test_paired_interval,
        hints=(
            "先求每个种子的差，再只用这些差。 | Take the difference of each seed first, and use nothing"
            " but these differences.",
            "`statistics.mean` 和 `statistics.stdev` 给出 $\\bar d$ 和 $s$。 | `statistics.mean` and"
            " `statistics.stdev` give $\\bar d$ and $s$.",
            "n 个差值的平均值，一般相差 `s / n ** 0.5`；区间的两端离平均值各有这个数的 `quantile` 倍。"
            " | A mean of n differences typically varies by `s / n ** 0.5`; both ends lie `quantile`"
            " times that from the mean.",
        ),
        solution='''
def paired_interval(a, b, quantile):
    """Return both ends of the interval of the mean of a − b; entry i of both has seed i."""
    d = [x - y for x, y in zip(a, b)]
    mean, half = statistics.mean(d), quantile * statistics.stdev(d) / len(d) ** 0.5
    return mean - half, mean + half
''',
        given="import statistics",
        wrong={
            "no root of n": (
                "def paired_interval(a, b, quantile):\n"
                "    d = [x - y for x, y in zip(a, b)]\n"
                "    mean, half = statistics.mean(d), quantile * statistics.stdev(d)\n"
                "    return mean - half, mean + half",
                "没有除以 n 的平方根",
                "the square root of n is missing",
            ),
            "not paired": (
                "def paired_interval(a, b, quantile):\n"
                "    mean = statistics.mean(a) - statistics.mean(b)\n"
                "    s = statistics.variance(a) + statistics.variance(b)\n"
                "    half = quantile * (s / len(a)) ** 0.5\n"
                "    return mean - half, mean + half",
                "没有配对",
                "not paired",
            ),
            "wrong direction": (
                "def paired_interval(a, b, quantile):\n"
                "    d = [y - x for x, y in zip(a, b)]\n"
                "    mean, half = statistics.mean(d), quantile * statistics.stdev(d) / len(d) ** 0.5\n"
                "    return mean - half, mean + half",
                "差的方向反了",
                "the difference has the wrong direction",
            ),
        },
        note=(
            "让学生比较同一组数的成对区间和不成对区间：种子之间的差异越大，差别越明显。 | Let students"
            " compare the paired and the unpaired interval of the same numbers: the more seeds differ,"
            " the larger the contrast."
        ),
    ),
    Exercise(
        id="06.4",
        title="预热与余弦 | warm-up and cosine",
        name="share_of_peak",
        stub='''
def share_of_peak(step, total, warm):
    """Return the learning rate at a step (from 0) as a share of its peak."""
    return ...  # 在这里写 / your code here
''',
        test=_test_schedule,
        hints=(
            "两种情形：`step < warm` 是预热，其余是余弦。 | Two cases: `step < warm` is the warm-up, the"
            " rest is the cosine.",
            "余弦走过的比例是 `(step - warm) / (total - warm)`。 | The part of the cosine that is done is"
            " `(step - warm) / (total - warm)`.",
            "`math.cos(math.pi * done)` 从 1 降到 −1，要换成从 1 降到 0。预热是 warm + 1 级相等的"
            "台阶，第 0 步已经在第一级上。 | `math.cos(math.pi * done)` falls from 1 to −1; make"
            " it fall from 1 to 0. The warm-up has warm + 1 equal stairs, and step 0 is on the"
            " first already.",
        ),
        solution='''
def share_of_peak(step, total, warm):
    """Return the learning rate at a step (from 0) as a share of its peak."""
    if step < warm:
        return (step + 1) / (warm + 1)
    done = (step - warm) / (total - warm)
    return (1 + math.cos(math.pi * done)) / 2
''',
        given="import math",
        wrong={
            "first step at zero": (
                "def share_of_peak(step, total, warm):\n"
                "    if step < warm:\n"
                "        return step / warm\n"
                "    done = (step - warm) / (total - warm)\n"
                "    return (1 + math.cos(math.pi * done)) / 2",
                "第 0 步的学习率是 0",
                "step 0 has learning rate 0",
            ),
            "cosine cut off": (
                "def share_of_peak(step, total, warm):\n"
                "    if step < warm:\n"
                "        return (step + 1) / (warm + 1)\n"
                "    return (1 + math.cos(math.pi * (step - warm) / total)) / 2",
                "余弦被截断了",
                "the cosine is cut off",
            ),
            "no warm-up": (
                "def share_of_peak(step, total, warm):\n"
                "    return (1 + math.cos(math.pi * step / total)) / 2",
                "没有预热",
                "there is no warm-up",
            ),
        },
        note=(
            "第 0 步学习率为 0 的错误真的出现过：04 篇第 8 节的 800 轮训练因此浪费了整个第一轮。 | The"
            " mistake of a first step at rate 0 is real: it wasted all of epoch 1 of the run of 800"
            " epochs in notebook 04, section 8."
        ),
    ),
    Exercise(
        id="06.5",
        title="校准误差 | the calibration error",
        name="calibration_error",
        stub='''
def calibration_error(images, confidence, right):
    """Return the calibration error; entry i of each list is group i's, shares from 0 to 1."""
    return ...  # 在这里写 / your code here
''',
        test=_test_calibration_error,
        hints=(
            "每一组先算差距：置信度与答对的比例相差多少，不管方向。 | First the gap of each group: how"
            " far confidence and share of right answers differ, whatever the direction.",
            "一组有多少张图像，它的差距就算多少次。 | The gap of a group counts as often as it has"
            " images.",
            "用正文的例子检查：100 张差 0.10，300 张差 0.04。总和是 22，还要除以 400。 | Check it with"
            " the example: 100 images with a gap of 0.10, 300 with 0.04. The sum is 22; it remains"
            " to divide by 400.",
        ),
        solution='''
def calibration_error(images, confidence, right):
    """Return the calibration error; entry i of each list is group i's, shares from 0 to 1."""
    gaps = [n * abs(c - r) for n, c, r in zip(images, confidence, right)]
    return sum(gaps) / sum(images)
''',
        wrong={
            "groups alike": (
                "def calibration_error(images, confidence, right):\n"
                "    gaps = [abs(c - r) for c, r in zip(confidence, right)]\n"
                "    return sum(gaps) / len(gaps)",
                "每组算得一样重",
                "every group counts the same",
            ),
            "no absolute value": (
                "def calibration_error(images, confidence, right):\n"
                "    gaps = [n * (r - c) for n, c, r in zip(images, confidence, right)]\n"
                "    return sum(gaps) / sum(images)",
                "互相抵消了",
                "cancel",
            ),
            "sum only": (
                "def calibration_error(images, confidence, right):\n"
                "    return sum(n * abs(c - r) for n, c, r in zip(images, confidence, right))",
                "没有除以图像总数",
                "not divided by the number of all images",
            ),
        },
        note=(
            "从天气预报讲起：预报说有 80% 的可能下雨，怎样检验？温度不改变答案，因为最大的得分仍然"
            "最大。 | Begin with a weather forecast: it says 80% rain, how would you check it? A"
            " temperature changes no answer, because the largest score stays the largest."
        ),
    ),
]
