"""Exercises of notebook 04, training."""

import math

import torch

from hdd.teaching.exercises.diagnosis import Wrong, call, close, number
from hdd.teaching.exercises.exercise import Exercise
from hdd.train.schedule import warmup_cosine


# ---------------------------------------------------------------------------------- targets
def _test_smooth(answer):
    labels, classes, epsilon = torch.randint(7, (5,)), 7, 0.2
    rest = epsilon / classes
    plain = torch.nn.functional.one_hot(labels, classes).float()  # (B, K)
    without = torch.where(plain > 0, 1 - epsilon, epsilon / (classes - 1))
    close(
        call(answer, labels, classes, epsilon),
        (1 - epsilon) * plain + rest,
        axes="B K",
        mistakes={
            "ε 没有平分：每个类别只得 ε/K | ε is not shared: each class gets ε/K": (1 - epsilon)
            * plain
            + epsilon,
            "没有平滑：这是普通目标 | not smoothed: this is the plain target": plain,
            "ε 要平分给所有 K 个类别，正确的那个也有一份 | ε is shared by all K classes, the right one"
            " included": without,
            "正确类别也要有一份 ε/K，所以是 1 − ε + ε/K | the right class has its share of ε/K, too:"
            " 1 − ε + ε/K": torch.where(plain > 0, 1 - epsilon, rest),
            "每一行加起来应当是 1：正确类别要先减去 ε | every row should add up to 1: the right class"
            " gives ε away first": plain + rest,
        },
    )


# --------------------------------------------------------------------------------- schedule
def _rates(answer, epochs, warmup, peak):
    return torch.tensor([number(call(answer, e, epochs, warmup, peak)) for e in range(epochs)])


def _right_rates(epochs, warmup, peak):
    ramp = [peak * (e + 1) / warmup for e in range(warmup)]
    return ramp + [peak * warmup_cosine(e, epochs - warmup) for e in range(epochs - warmup)]


def _done(epochs, warmup):
    return torch.arange(epochs - warmup) / (epochs - warmup)


def _test_learning_rate(answer):
    if number(call(answer, 0, 10, 4, 2.0)) == 0:
        raise Wrong(
            "第一轮的学习率是 0，白白浪费一轮 | the first epoch has learning rate 0 and is wasted"
        )
    for epochs, warmup, peak in ((12, 4, 2.0), (9, 1, 3.0)):
        right = torch.tensor(_right_rates(epochs, warmup, peak))
        late = [peak * (1 + math.cos(math.pi * e / epochs)) / 2 for e in range(epochs - warmup)]
        early = [peak * (1 + math.cos(math.pi * e / epochs)) / 2 for e in range(warmup, epochs)]
        ramp = right[:warmup]
        slow = torch.cat([ramp * warmup / (warmup + 1), right[warmup:]])
        close(
            _rates(answer, epochs, warmup, peak),
            right,
            axes="epoch",
            mistakes={
                "余弦走不到头：它只有 epochs − warmup 轮 | the cosine does not arrive: it has only"
                " epochs − warmup epochs": torch.cat([ramp, torch.tensor(late)]),
                "余弦要从预热结束时开始数：用 epoch − warmup | the cosine is counted from the end of the"
                " warm-up: epoch − warmup": torch.cat([ramp, torch.tensor(early)]),
                "预热的最后一轮应当达到峰值：除以 warmup | the last warm-up epoch should have the peak:"
                " divide by warmup": slow,
                "余弦还要除以 2：1 + cos 从 2 降到 0 | halve the cosine: 1 + cos falls from 2 to 0": (
                    torch.cat([ramp, 2 * right[warmup:]])
                ),
                "预热之后应当按余弦下降，不是按直线 | after the warm-up it should fall along a cosine, not"
                " a straight line": torch.cat([ramp, peak * (1 - _done(epochs, warmup))]),
                "没有乘以峰值 | the peak is missing": right / peak,
            },
        )


# ------------------------------------------------------------------------------------- Muon
def _test_orthogonal(answer):
    for shape in ((4, 7), (6, 3), (5, 5)):
        u, _, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
        # No small ones: with them other right ways to compute this are less exact.
        sigma = (0.5 + 2 * torch.rand(min(shape))).sort(descending=True).values
        gradient = u @ sigma.diag() @ vh
        result = call(answer, gradient)
        mistakes = {
            "只把每一行的长度变成了 1 | each row only got length 1": torch.nn.functional.normalize(
                gradient, dim=1
            ),
            "又得到了原来的矩阵：奇异值没有换成 1 | this is the matrix itself again: its singular"
            " values were not replaced by 1": gradient,
            "只除以了一个数：奇异值之间的比例没有变 | only divided by a number: the ratios of the"
            " singular values are the same": gradient / gradient.norm(),
            "只除以了一个数：最大的奇异值是 1，其余的不是 | only divided by a number: the largest"
            " singular value is 1, the others are not": gradient / sigma[0],
        }
        close(result, u @ vh, tolerance=1e-3, axes="out in", mistakes=mistakes)


# --------------------------------------------------------------------------------- selection
def _noisy(epochs, images):
    """Return (E, N) zeros and ones in which no two epochs have equally many ones."""
    counts = torch.randperm(images - 2)[:epochs] + 1
    return torch.stack([(torch.randperm(images) < n).float() for n in counts])


def _test_honest(answer):
    choose, judge = _noisy(6, 30), _noisy(6, 41)
    best = int(choose.mean(1).argmax())
    # Else some mistakes could not be told apart.
    while int(judge.mean(1).argmax()) == best or judge[best].mean() == judge.mean():
        judge = _noisy(6, 41)
    close(
        call(answer, choose, judge),
        judge[best].mean(),
        mistakes={
            "这是挑选时的准确率，偏高：应当在 judge 上测量 | this is the accuracy that was used for"
            " choosing, which is too high: measure on judge": choose[best].mean(),
            "在 judge 上又挑了一次最好的 | the best was chosen on judge, once more": judge.mean(
                1
            ).max(),
            "这是轮次的编号，不是准确率 | this is the number of the epoch, not an accuracy": best,
            "挑了最差的一轮 | the worst epoch was chosen": judge[choose.mean(1).argmin()].mean(),
            "这是最后一轮：应当挑 choose 上最好的 | this is the last epoch: take the best on choose": (
                judge[-1].mean()
            ),
            "对所有轮取了平均 | averaged over all epochs": judge.mean(),
        },
    )


EXERCISES = [
    Exercise(
        id="04.1",
        title="对一个矩阵做正交化 | make a matrix orthogonal",
        name="orthogonal",
        stub='''
def orthogonal(gradient):
    """Return U @ V^T of a matrix U diag(sigma) V^T: all singular values become 1."""
    return ...  # 在这里写 / your code here
''',
        test=_test_orthogonal,
        hints=(
            "`torch.linalg.svd(gradient, full_matrices=False)` 返回三样东西：U、σ 和 V 的转置。"
            " | `torch.linalg.svd(gradient, full_matrices=False)` returns three things: U, σ and V"
            " transposed.",
            "把 σ 换成 1，就是在乘积里不写它。 | Replacing σ by 1 means leaving it out of the product.",
            "第三样已经是转置过的，直接和第一样相乘。 | The third is transposed already: multiply"
            " it with the first as it is.",
        ),
        solution='''
def orthogonal(gradient):
    """Return U @ V^T of a matrix U diag(sigma) V^T: all singular values become 1."""
    u, sigma, vh = torch.linalg.svd(gradient, full_matrices=False)
    return u @ vh
''',
        wrong={
            "put together again": (
                "def orthogonal(gradient):\n"
                "    u, sigma, vh = torch.linalg.svd(gradient, full_matrices=False)\n"
                "    return u * sigma @ vh",
                "又得到了原来的矩阵",
                "the matrix itself again",
            ),
            "only scaled": (
                "def orthogonal(gradient):\n    return gradient / gradient.norm()",
                "只除以了一个数",
                "only divided by a number",
            ),
            "divided by the largest": (
                "def orthogonal(gradient):\n"
                "    return gradient / torch.linalg.matrix_norm(gradient, 2)",
                "最大的奇异值是 1",
                "largest singular value is 1",
            ),
            "transposed once more": (
                "def orthogonal(gradient):\n"
                "    u, sigma, vh = torch.linalg.svd(gradient, full_matrices=False)\n"
                "    return u @ vh.T",
                "第 3 行出错",
                "line 3 raises an error",
            ),
            "no return": (
                "def orthogonal(gradient):\n"
                "    u, sigma, vh = torch.linalg.svd(gradient, full_matrices=False)\n"
                "    u @ vh",
                "忘了写 `return`",
                "is a `return` missing",
            ),
        },
        note="行数不超过列数时，也可以写成 (GGᵀ)^(−1/2) G，否则写成 G (GᵀG)^(−1/2)。问学生：为什么优化器"
        "不用奇异值分解？（慢，而且在 GPU 上难以并行。） | With no more rows than columns (GGᵀ)^(−1/2) G"
        " is right, too, otherwise G (GᵀG)^(−1/2). Ask why the optimizer avoids the singular value"
        " decomposition: it is slow, and hard to run in parallel on a GPU.",
    ),
    Exercise(
        id="04.2",
        title="平滑后的目标 | the smoothed target",
        name="smooth",
        stub='''
def smooth(labels, classes, epsilon):
    """Return smoothed targets (B, K) for labels (B,), with K = classes."""
    return ...  # 在这里写 / your code here
''',
        test=_test_smooth,
        hints=(
            "先写出 ε = 0 的目标：`functional.one_hot(labels, classes)`。 | Begin with the target for"
            " ε = 0: `functional.one_hot(labels, classes)`.",
            "把它乘以 1 − ε，再给每个类别加上同样的一份。 | Multiply it by 1 − ε, then give every class"
            " the same share.",
            "每一份有多大？所有类别的份加起来恰好是 ε。 | How large is a share? Those of all"
            " classes add up to ε.",
        ),
        solution='''
def smooth(labels, classes, epsilon):
    """Return smoothed targets (B, K) for labels (B,), with K = classes."""
    return (1 - epsilon) * functional.one_hot(labels, classes) + epsilon / classes
''',
        wrong={
            "plain": (
                "def smooth(labels, classes, epsilon):\n"
                "    return functional.one_hot(labels, classes)",
                "没有平滑",
                "not smoothed",
            ),
            "shared by the wrong classes only": (
                "def smooth(labels, classes, epsilon):\n"
                "    hot = functional.one_hot(labels, classes)\n"
                "    return hot * (1 - epsilon) + (1 - hot) * epsilon / (classes - 1)",
                "平分给所有 K 个类别",
                "shared by all K classes",
            ),
            "right class without its share": (
                "def smooth(labels, classes, epsilon):\n"
                "    hot = functional.one_hot(labels, classes)\n"
                "    return hot * (1 - epsilon) + (1 - hot) * epsilon / classes",
                "正确类别也要有一份",
                "has its share",
            ),
            "nothing taken away": (
                "def smooth(labels, classes, epsilon):\n"
                "    return functional.one_hot(labels, classes) + epsilon / classes",
                "加起来应当是 1",
                "add up to 1",
            ),
        },
        note="有的论文把 ε 只分给错误的 K − 1 类；PyTorch 分给全部 K 类。 | Some papers share ε among the"
        " K − 1 wrong classes; PyTorch shares it among all K.",
    ),
    Exercise(
        id="04.3",
        title="预热加余弦 | warm-up and cosine",
        name="learning_rate",
        stub='''
def learning_rate(epoch, epochs, warmup, peak):
    """Return the learning rate of `epoch` = 0, 1, ..., epochs - 1: linear warm-up, then cosine."""
    return ...  # 在这里写 / your code here
''',
        test=_test_learning_rate,
        given="import math",
        hints=(
            "分两种情况：`epoch < warmup` 和其余。 | Two cases: `epoch < warmup`, and the others.",
            "预热：第 0 轮已经是峰值的 1/warmup，第 warmup − 1 轮是峰值。 | Warm-up: epoch 0 has 1/warmup"
            " of the peak already, epoch warmup − 1 has the peak.",
            "余弦走完的比例是 `ratio = (epoch - warmup) / (epochs - warmup)`。它从 0 到 1 时，`math.cos(math.pi"
            " * ratio)` 从 1 降到 −1；把它换成从峰值降到 0。 | The part of the cosine that is"
            " done is `ratio = (epoch - warmup) / (epochs - warmup)`. As it goes from 0 to 1,"
            " `math.cos(math.pi * ratio)` falls from 1 to −1; make that a fall from the peak to"
            " 0.",
        ),
        solution='''
def learning_rate(epoch, epochs, warmup, peak):
    """Return the learning rate of `epoch` = 0, 1, ..., epochs - 1: linear warm-up, then cosine."""
    if epoch < warmup:
        return peak * (epoch + 1) / warmup
    ratio = (epoch - warmup) / (epochs - warmup)
    return peak * (1 + math.cos(math.pi * ratio)) / 2
''',
        wrong={
            "starts at zero": (
                "def learning_rate(epoch, epochs, warmup, peak):\n"
                "    if epoch < warmup:\n"
                "        return peak * epoch / warmup\n"
                "    ratio = (epoch - warmup) / (epochs - warmup)\n"
                "    return peak * (1 + math.cos(math.pi * ratio)) / 2",
                "第一轮的学习率是 0",
                "learning rate 0",
            ),
            "cosine too long": (
                "def learning_rate(epoch, epochs, warmup, peak):\n"
                "    if epoch < warmup:\n"
                "        return peak * (epoch + 1) / warmup\n"
                "    return peak * (1 + math.cos(math.pi * (epoch - warmup) / epochs)) / 2",
                "余弦走不到头",
                "does not arrive",
            ),
            "cosine begun too early": (
                "def learning_rate(epoch, epochs, warmup, peak):\n"
                "    if epoch < warmup:\n"
                "        return peak * (epoch + 1) / warmup\n"
                "    return peak * (1 + math.cos(math.pi * epoch / epochs)) / 2",
                "用 epoch − warmup",
                "counted from the end",
            ),
            "no peak": (
                "def learning_rate(epoch, epochs, warmup, peak):\n"
                "    if epoch < warmup:\n"
                "        return (epoch + 1) / warmup\n"
                "    ratio = (epoch - warmup) / (epochs - warmup)\n"
                "    return (1 + math.cos(math.pi * ratio)) / 2",
                "没有乘以峰值",
                "the peak is missing",
            ),
        },
        note="真正的训练常常按步而不是按轮调整学习率；公式相同。 | Real training often changes the rate"
        " by step instead of by epoch; the formula is the same.",
    ),
    Exercise(
        id="04.4",
        title="诚实地报告最好的一轮 | an honest report of the best epoch",
        name="honest",
        stub='''
def honest(choose, judge):
    """Choose the best epoch on `choose` (E, N); return its accuracy on `judge` (E, M).

    Both hold 1 where the network of that epoch is right about that image, else 0.
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_honest,
        hints=(
            "准确率是一行的平均值：`choose.mean(1)` 有 E 个数。 | An accuracy is the mean of a row:"
            " `choose.mean(1)` has E numbers.",
            "`argmax` 给出最好一轮的编号。 | `argmax` gives the number of the best epoch.",
            "用这个编号去取 `judge` 的那一行，再取平均。 | Take that row of `judge`, and its mean.",
        ),
        solution='''
def honest(choose, judge):
    """Choose the best epoch on `choose` (E, N); return its accuracy on `judge` (E, M).

    Both hold 1 where the network of that epoch is right about that image, else 0.
    """
    best = choose.mean(1).argmax()
    return judge[best].mean()
''',
        wrong={
            "accuracy of the choice": (
                "def honest(choose, judge):\n    return choose.mean(1).max()",
                "挑选时的准确率",
                "used for choosing",
            ),
            "chosen twice": (
                "def honest(choose, judge):\n    return judge.mean(1).max()",
                "又挑了一次",
                "once more",
            ),
            "an index": (
                "def honest(choose, judge):\n    return choose.mean(1).argmax()",
                "轮次的编号",
                "number of the epoch",
            ),
            "all epochs": (
                "def honest(choose, judge):\n    return judge.mean()",
                "对所有轮取了平均",
                "averaged over all epochs",
            ),
        },
        note="让学生先猜，再用模拟的答案试一试：平均回到 87%，偏差消失了。 | Let the students guess first,"
        " then try it on simulated answers: the mean is back at 87%, and the bias is gone.",
    ),
]
