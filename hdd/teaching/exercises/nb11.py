"""Exercises of notebook 11, data and transfer."""

import math
import statistics

import torch

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.teaching.exercises.diagnosis import Wrong, call, close, numbers
from hdd.teaching.exercises.exercise import Exercise


# ---------------------------------------------------------------------- paired subsets
def _test_paired_subsets(answer):
    sizes = (10, 40, 200)
    torch.manual_seed(1)
    first = _subsets(call(answer, 300, sizes, 3), sizes, 300)
    torch.manual_seed(2)
    again = _subsets(call(answer, 300, sizes, 3), sizes, 300)
    if any(not torch.equal(first[size], again[size]) for size in sizes):
        raise Wrong(
            "同一个种子两次得到的不同：每个网络都应当看到同样的图像。用自己的"
            " `torch.Generator().manual_seed(seed)` | the same seed gives two different results, but"
            " each network should see the same images. Use a generator of your own,"
            " `torch.Generator().manual_seed(seed)`"
        )
    for size, chosen in first.items():
        if len(set(chosen.tolist())) < size:
            raise Wrong(
                "有的图像被取了两次：应当不放回地抽取 | some images are drawn twice: draw without"
                " putting them back"
            )
    inside = [set(first[size].tolist()) for size in sizes]
    if not inside[0] <= inside[1] <= inside[2]:
        raise Wrong(
            "小的集合不在大的里面：两种大小应当取自同一个次序 | the small set is not part of the large"
            " one: take both from the same order"
        )
    other = _subsets(call(answer, 300, sizes, 4), sizes, 300)
    if torch.equal(first[10], other[10]):
        raise Wrong("换了种子，取到的还是同样的图像 | another seed still gives the same images")


def _subsets(found, sizes, total):
    """Return {size: numbers of images (size,)}, or say what a student's answer is instead."""
    if not isinstance(found, dict) or list(found) != list(sizes):
        raise Wrong(
            "应当返回一个字典，键是 `sizes` 里的大小，次序也相同 | return a dict whose keys are the"
            " sizes, in their order"
        )
    found = {size: numbers(chosen) for size, chosen in found.items()}
    for size, chosen in found.items():
        if chosen.shape != (size,):
            raise Wrong(
                f"大小 {size} 应当对应形状为 ({size},) 的编号张量 | size {size} should have a tensor of"
                f" numbers of shape ({size},)"
            )
        if (chosen != chosen.round()).any() or not ((chosen >= 0) & (chosen < total)).all():
            raise Wrong(
                "编号应当是 0 到 `total` − 1 的整数 | the numbers of the images should be whole, from 0"
                " to `total` − 1"
            )
    return found


# -------------------------------------------------------------------------------- slope
def _slope(x, y):
    return statistics.linear_regression(x, y).slope


def _test_slope(answer):
    sizes = [100, 1000, 9000]
    accuracies = (torch.tensor([60.0, 75.0, 86.0]) + 2 * torch.randn(4, 3)).tolist()
    slopes = [_slope([math.log10(size) for size in sizes], row) for row in accuracies]
    raw = [_slope(sizes, row) for row in accuracies]
    close(
        call(answer, sizes, accuracies, 3.182),
        _with_interval(slopes),
        tolerance=1e-3,
        axes="numbers",
        mistakes=_slope_mistakes(slopes, raw),
    )


def _with_interval(slopes):
    """Return mean and half width for four seeds."""
    return statistics.mean(slopes), 3.182 * statistics.stdev(slopes) / 2


def _slope_mistakes(slopes, raw):
    mean, half = _with_interval(slopes)
    return {
        "用了自然对数：应当以 10 为底，这样斜率就是“数据多十倍，准确率高多少” | natural logarithms:"
        " use base 10, so that the slope says what ten times the data bring": _with_interval(
            [slope / math.log(10) for slope in slopes]
        ),
        "没有取对数 | the logarithm is missing": _with_interval(raw),
        "这是区间的两端；要的是平均斜率和半宽 | these are the ends of the interval; mean slope and half"
        " width are wanted": (mean - half, mean + half),
        "半宽里缺少除以 √k（k 为种子数） | the half width lacks the division by √k (k seeds)": (
            mean,
            2 * half,
        ),
        "标准差应当除以 k − 1 | the standard deviation should divide by k − 1": (
            mean,
            3.182 * statistics.pstdev(slopes) / 2,
        ),
        "半宽里缺少 t | the half width lacks t": (mean, half / 3.182),
    }


# ------------------------------------------------------------------------- linear probe
def _test_linear_probe(answer):
    net = MLPMixer(image_size=8, channels=1, patch_size=4, dim=12, depth=1, num_classes=10)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    probe = call(answer, net, 5)
    if not isinstance(probe, MLPMixer):
        raise Wrong("应当返回网络本身 | return the network itself")
    if tuple(numbers(call(probe, torch.randn(2, 1, 8, 8))).shape) != (2, 5):
        raise Wrong(
            "输出应当是 (B, 5)：给 `net.head` 换一个输出 `classes` 个数的线性层 | the output should be"
            " (B, 5): give `net.head` a linear layer with `classes` outputs"
        )
    learns = {name for name, value in probe.named_parameters() if value.requires_grad}
    if not learns:
        raise Wrong(
            "新的分类头也被冻结了：先冻结，再换头 | the new head is frozen, too: freeze first, then"
            " replace it"
        )
    if learns != {"head.weight", "head.bias"}:
        raise Wrong(
            "除了分类头，还有参数会被训练：把其余参数的 `requires_grad` 设为 False | more than the head"
            " would be trained: set `requires_grad` of all other parameters to False"
        )
    for name, value in probe.state_dict().items():
        if not name.startswith("head") and not torch.equal(value, before[name]):
            raise Wrong("预训练的权重被改动了 | the pre-trained weights have been changed")


EXERCISES = [
    Exercise(
        id="11.1",
        title="成对的子集 | paired subsets",
        name="paired_subsets",
        stub='''
def paired_subsets(total, sizes, seed):
    """Return {size: numbers (size,) of images out of `total`}; smaller sets lie in larger ones."""
    return ...  # 在这里写 / your code here
''',
        test=_test_paired_subsets,
        hints=(
            "对每个种子只打乱一次，得到一个次序。 | For each seed, shuffle once: that gives an order.",
            "`torch.randperm(total, generator=g)` 给出 0 到 total − 1 的一个随机次序，其中 `g ="
            " torch.Generator().manual_seed(seed)`。 | `torch.randperm(total, generator=g)` returns a"
            " random order of 0 to total − 1, with `g = torch.Generator().manual_seed(seed)`.",
            "每个集合都从这个次序的开头取，小的自然就在大的里面。 | Take every set from the"
            " beginning of this order: the smaller ones then lie in the larger.",
        ),
        solution='''
def paired_subsets(total, sizes, seed):
    """Return {size: numbers (size,) of images out of `total`}; smaller sets lie in larger ones."""
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    return {size: order[:size] for size in sizes}
''',
        wrong={
            "a new order for each size": (
                "def paired_subsets(total, sizes, seed):\n"
                "    g = torch.Generator().manual_seed(seed)\n"
                "    return {n: torch.randperm(total, generator=g)[:n] for n in sizes}",
                "小的集合不在大的里面",
                "the small set is not part",
            ),
            "no seed": (
                "def paired_subsets(total, sizes, seed):\n"
                "    order = torch.randperm(total)\n"
                "    return {n: order[:n] for n in sizes}",
                "同一个种子两次得到的不同",
                "the same seed gives two different",
            ),
            "with replacement": (
                "def paired_subsets(total, sizes, seed):\n"
                "    g = torch.Generator().manual_seed(seed)\n"
                "    order = torch.randint(total, (total,), generator=g)\n"
                "    return {n: order[:n] for n in sizes}",
                "被取了两次",
                "drawn twice",
            ),
            "no shuffling": (
                "def paired_subsets(total, sizes, seed):\n"
                "    return {n: torch.arange(n) for n in sizes}",
                "还是同样的图像",
                "still gives the same images",
            ),
        },
        note="可以问：如果各网络看到的图像不同，五个种子的区间会怎样？ | Ask: if each network saw other"
        " images, what would become of the intervals of five seeds?",
    ),
    Exercise(
        id="11.2",
        title="对数据量的对数求斜率 | the slope on the logarithm of n",
        name="slope",
        stub='''
def slope(sizes, accuracies, t):
    """Return (mean slope on log10 of the sizes, half width of its 95 % interval).

    `accuracies` has a row for each seed and a number for each size; t is Student's quantile.
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_slope,
        hints=(
            "先对每个种子各求一个斜率，再对这些斜率求平均和标准差。 | First compute a slope for each"
            " seed; then take mean and standard deviation of these slopes.",
            "设 x = log10(大小)，最小二乘的斜率是 Σ(x − x̄)(y − ȳ) / Σ(x − x̄)²。 | With x = log10 of the"
            " sizes, the least-squares slope is Σ(x − x̄)(y − ȳ) / Σ(x − x̄)².",
            "半宽是 t · 标准差 / √(种子数)，标准差用 `.std()`（除以 k − 1）。 | The half width is t · standard"
            " deviation / √(number of seeds), with `.std()`, which divides by k − 1.",
        ),
        solution='''
def slope(sizes, accuracies, t):
    """Return (mean slope on log10 of the sizes, half width of its 95 % interval).

    `accuracies` has a row for each seed and a number for each size; t is Student's quantile.
    """
    x = torch.tensor(sizes, dtype=torch.float64).log10()  # (sizes,)
    y = torch.tensor(accuracies, dtype=torch.float64)  # (seeds, sizes)
    x = x - x.mean()
    slopes = (y * x).sum(1) / (x * x).sum()  # (seeds,)
    half = t * slopes.std() / len(slopes) ** 0.5
    return slopes.mean().item(), half.item()
''',
        wrong={
            "natural logarithm": (
                "def slope(sizes, accuracies, t):\n"
                "    x = torch.tensor(sizes, dtype=torch.float64).log()\n"
                "    y = torch.tensor(accuracies, dtype=torch.float64)\n"
                "    x = x - x.mean()\n"
                "    s = (y * x).sum(1) / (x * x).sum()\n"
                "    return s.mean().item(), (t * s.std() / len(s) ** 0.5).item()",
                "用了自然对数",
                "natural logarithms",
            ),
            "no logarithm": (
                "def slope(sizes, accuracies, t):\n"
                "    x = torch.tensor(sizes, dtype=torch.float64)\n"
                "    y = torch.tensor(accuracies, dtype=torch.float64)\n"
                "    x = x - x.mean()\n"
                "    s = (y * x).sum(1) / (x * x).sum()\n"
                "    return s.mean().item(), (t * s.std() / len(s) ** 0.5).item()",
                "没有取对数",
                "the logarithm is missing",
            ),
            "standard deviation instead of its error": (
                "def slope(sizes, accuracies, t):\n"
                "    x = torch.tensor(sizes, dtype=torch.float64).log10()\n"
                "    y = torch.tensor(accuracies, dtype=torch.float64)\n"
                "    x = x - x.mean()\n"
                "    s = (y * x).sum(1) / (x * x).sum()\n"
                "    return s.mean().item(), (t * s.std()).item()",
                "除以 √k",
                "division by √k",
            ),
        },
        note="三个种子时 t = 4.303，五个种子时 2.776：种子多两个，区间明显变窄。 | t is 4.303 for three"
        " seeds and 2.776 for five: two more seeds make the interval much narrower.",
    ),
    Exercise(
        id="11.3",
        title="线性探测 | a linear probe",
        name="linear_probe",
        stub='''
def linear_probe(net, classes):
    """Freeze an MLPMixer and give it a new head for so many classes; return it."""
    return ...  # 在这里写 / your code here
''',
        test=_test_linear_probe,
        hints=(
            "冻结一个参数，就是把它的 `requires_grad` 设为 False。 | To freeze a parameter, set its"
            " `requires_grad` to False.",
            "分类头是 `net.head`，输入的宽度是 `net.head.in_features`。 | The head is `net.head`; it takes"
            " `net.head.in_features` numbers.",
            "注意次序：冻结以后才建立的层，默认会被训练。 | Mind the order: a layer made after"
            " the freezing learns by default.",
        ),
        solution='''
def linear_probe(net, classes):
    """Freeze an MLPMixer and give it a new head for so many classes; return it."""
    net.requires_grad_(False)
    net.head = nn.Linear(net.head.in_features, classes)
    return net
''',
        wrong={
            "nothing frozen": (
                "def linear_probe(net, classes):\n"
                "    net.head = nn.Linear(net.head.in_features, classes)\n"
                "    return net",
                "还有参数会被训练",
                "more than the head",
            ),
            "frozen afterwards": (
                "def linear_probe(net, classes):\n"
                "    net.head = nn.Linear(net.head.in_features, classes)\n"
                "    return net.requires_grad_(False)",
                "也被冻结了",
                "is frozen, too",
            ),
            "the old head": (
                "def linear_probe(net, classes):\n"
                "    net.requires_grad_(False)\n"
                "    net.head.requires_grad_(True)\n"
                "    return net",
                "输出应当是",
                "the output should be",
            ),
        },
        note="带批归一化的网络（例如 ResNet）还要切换到 `eval()`，否则统计量会变。 | Networks with batch"
        " normalisation, such as the ResNet, also need `eval()`, or their statistics change.",
    ),
]
