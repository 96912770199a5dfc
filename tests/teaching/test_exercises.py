import ast
import io
import re
import sys
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import hdd.teaching.exercises as module
from hdd.arguments import check_integers
from hdd.teaching.exercises import check, hints, hints_html, verdict
from hdd.teaching.exercises.diagnosis import (
    Unanswered,
    Wrong,
    build,
    call,
    close,
    copy_parameters,
    every_parameter_learns,
)
from hdd.teaching.exercises.exercise import Exercise, exercises, find
from hdd.teaching.language import split

NUMBERS = sorted(path.stem[2:] for path in Path(module.__file__).parent.glob("nb[0-9][0-9].py"))
ALL = [one for number in NUMBERS for one in exercises(number)]
# One whose answer is a function, for what the check itself does.
ONE = find("02.1")


def answer_of(one, source):
    """Run code as a student would and return what it defines."""
    names = {"torch": torch, "nn": nn, "functional": functional}
    exec(one.given, names)
    exec(source, names)
    return names[one.name]


# ------------------------------------------------------- every exercise of the collection, for CI
@pytest.mark.parametrize("one", ALL, ids=lambda one: one.id)
class TestEveryExercise:
    def test_the_solution_passes_and_the_stub_fails_politely(self, one):
        answer = answer_of(one, one.solution)
        for _ in range(2):  # each check draws fresh input, twice
            assert verdict(one, answer)[0] == "✓"
        if isinstance(answer, int | float):
            for form in (Fraction, np.float64, torch.tensor, lambda number: [number]):
                assert verdict(one, form(answer))[0] == "✓"
        mark, message = verdict(one, answer_of(one, one.stub))
        assert mark == "…", message
        assert "还没有作答" in message
        assert "not answered yet" in message

    def test_typical_mistakes_get_their_diagnosis(self, one):
        assert len(one.wrong) >= 3
        for name, (source, chinese, english) in one.wrong.items():
            mark, message = verdict(one, answer_of(one, source))
            assert mark == "✗", name
            zh, en = split(message)
            assert chinese in zh, f"{name}: {zh}"
            assert english in en, f"{name}: {en}"

    def test_where_an_integer_is_asked_for_nothing_else_will_do(self, one):
        answer = answer_of(one, one.solution)
        answers = answer if isinstance(answer, tuple) else (answer,)
        for place, number in enumerate(answers):
            if isinstance(number, int):
                near = [*answers[:place], number + 0.3, *answers[place + 1 :]]
                assert verdict(one, near)[0] == "✗"

    def test_texts_are_in_both_languages(self, one):
        assert len(one.hints) == 3
        for text in (one.title, one.note, *one.hints):
            zh, en = split(text)
            assert re.search(r"[\u4e00-\u9fff]", zh), text
            assert not re.search(r"[\u4e00-\u9fff]", en), text

    def test_no_hint_is_the_whole_answer(self, one):
        code = ast.parse(one.solution)
        results = [
            ast.unparse(node.value).replace(" ", "")
            for node in ast.walk(code)
            if isinstance(node, ast.Return) or (node in code.body and isinstance(node, ast.Assign))
            if not isinstance(node.value, ast.Name | ast.Constant)
        ]
        for hint in one.hints:
            assert not [part for part in results if part in hint.replace(" ", "")], hint


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_follow_each_other(number):
    ids = [one.id for one in exercises(number)]
    assert ids == [f"{number}.{place + 1}" for place in range(len(ids))]


def test_two_mistakes_that_give_the_same_number_are_both_named():
    mistakes = {"忘了平方 | not squared": 2.0, "除错了 | wrong divisor": 2.0, "反了 | reversed": 5}
    with pytest.raises(Wrong) as error:
        close(2, 4.0, mistakes=mistakes)
    assert split(str(error.value)) == ("忘了平方；或者：除错了", "not squared; or: wrong divisor")


# Right answers of another form than the solution's.
FORMS = {
    "02.2": """def project(m):
    f = torch.fft.fft(torch.eye(len(m)), norm="ortho").to(torch.complex64)
    return f.conj().T @ (f @ m.to(torch.complex64) @ f.conj().T).diag().diag() @ f""",
    "03.1": """class Mlp(nn.Module):
    def __init__(self, features, hidden):
        super().__init__()
        self.fc2, self.fc1 = nn.Linear(hidden, features), nn.Linear(features, hidden)
    def forward(self, x):
        return self.fc2(functional.gelu(self.fc1(x)))""",
    "03.2": """class MixerBlock(nn.Module):
    def __init__(self, tokens, dim, token_dim, channel_dim):
        super().__init__()
        self.n2, self.n1 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.channel = nn.Sequential(self.n2, Mlp(dim, channel_dim))
        self.token = Mlp(tokens, token_dim)
    def forward(self, x):
        x = x + self.token(self.n1(x).mT).mT
        return x + self.channel(x)""",
    "03.4": """def block_a(block, x):
    x = x + block.token_mixing(block.token_norm(x).mT).mT
    return (x + block.channel_mixing(block.channel_norm(x))).double()""",
    "04.1": """def orthogonal(gradient):
    x = gradient / gradient.norm()
    for _ in range(60):
        x = 1.5 * x - 0.5 * x @ x.T @ x
    return x""",
    "04.3": """def learning_rate(e, n, w, peak):
    falling = math.cos(math.pi / 2 * (e - w) / (n - w)) ** 2
    return [peak * (e + 1) / w if e < w else peak * falling]""",
    "05.1": """def tokens_touched(t, l, h, w, p):
    pixels = [(i, j) for i in range(t, t + h) for j in range(l, l + w)]
    return torch.tensor([len({(i // p, j // p) for i, j in pixels})])""",
    "06.1": """def cutmix(images, targets, partner, box):
    inside = torch.zeros(images.shape[2:])
    inside[box[0] : box[1], box[2] : box[3]] = 1
    mixed = torch.where(inside.bool(), images[partner], images)
    return [mixed, torch.lerp(targets, targets[partner], inside.mean())]""",
    "06.2": """def moving_average(weights, decay):
    average = weights[0].clone()
    for weight in weights[1:]:
        average.lerp_(weight, 1 - decay)
    return average""",
    "07.1": """def by_hand(source):
    change = torch.eye(len(source))[source] - torch.eye(len(source))
    a = torch.eye(len(source)) + 0.5  # any invertible matrix
    return [torch.cat([a @ change, -a @ change]), torch.cat([a.inverse(), -a.inverse()], dim=1)]""",
    "07.2": """def smallest_width(matrix, residual):
    return torch.linalg.matrix_rank(matrix.double() - residual * torch.eye(len(matrix)))""",
    "08.2": """def average_relabelled(matrix):
    permutations = __import__("itertools").permutations
    orders = [list(order) for order in permutations(range(len(matrix)))]
    return torch.stack([matrix[o][:, o] for o in orders]).mean(dim=0)""",
    "10.2": """class PostNorm(nn.Module):
    def __init__(self, dim, mixing):
        super().__init__()
        self.mixing, self.norm = mixing, nn.LayerNorm(dim, eps=1e-3)
    def forward(self, x):
        return self.norm(self.mixing(x) + x)""",
    "11.1": """def paired_subsets(total, sizes, seed):
    order = __import__("numpy").random.default_rng(seed).permutation(total)
    return {size: order[:size] for size in sizes}""",
    "12.3": """def fold(gain, shift, weight, bias):
    return [(weight @ gain.diag()).double(), functional.linear(shift, weight, bias)]""",
    "13.1": """@torch.no_grad()
def token_twin(net, order):
    twin = copy.deepcopy(net)
    for block in twin.blocks:
        for weight in (block.token_mixing.fc1.weight.T, *block.token_mixing.fc2.parameters()):
            weight[:] = weight[order]
    return twin""",
    "15.3": """def holm_corrected(p):
    f, one = __import__("fractions").Fraction, 1
    smaller = {v: sum(other < v for other in p) for v in p}
    return [max(min(f(one), f(w) * (len(p) - smaller[w])) for w in p if w <= v) for v in p]""",
    "16.1": """def strike_out(possible, A):
    certain = possible.numpy() & (possible.sum(2, keepdim=True) == 1).numpy()
    return (possible.numpy() & ~(A.numpy() @ certain > 0)).tolist()""",
    "16.3": """def auc(ours, others):
    wins = sum(float(x > y) + float(x == y) / 2 for x in ours for y in others)
    return [wins / len(ours) / len(others)]""",
}


def renamed(source):
    """Give the parts of a module names that say nothing."""
    return re.sub(r"self\.(\w+)", lambda part: f"self.part_{part[1][::-1]}", source)


@pytest.mark.parametrize("change", [str, renamed])
@pytest.mark.parametrize("number", ["03.2", "03.3"])
def test_parts_may_be_defined_in_any_order(number, change):
    """Also where two have the same shapes, and whatever they are called."""
    one = find(number)
    head, body = one.solution.split("        super().__init__()\n")
    parts, forward = body.split("\n    def forward", 1)
    lines = re.findall(r"        self\.\w+ = (?:.*\n)(?:(?:            .*|        \))\n)*", parts)
    before = parts[: parts.index(lines[0])]
    assert before + "".join(lines) == parts
    for order in permutations(lines):
        source = (
            f"{head}        super().__init__()\n{before}{''.join(order)}\n    def forward{forward}"
        )
        assert verdict(one, answer_of(one, change(one.given + source)))[0] == "✓", source


@pytest.mark.parametrize("number", ["03.1", "03.2", "03.3"])
def test_names_that_say_nothing_hide_no_mistake(number):
    one = find(number)
    for name, (source, _, _) in one.wrong.items():
        assert verdict(one, answer_of(one, renamed(one.given + source)))[0] == "✗", name


@pytest.mark.parametrize("number", FORMS)
def test_a_right_answer_of_another_form_is_right(number):
    one = find(number)
    assert verdict(one, answer_of(one, FORMS[number])) == ("✓", "正确 | correct")


# Answers that were taken for right, or got no diagnosis.
MISTAKES = [
    ("00.2", "def changed_rows(mixing, x, row):\n    y = x.clone()\n    y[row] += 1\n"
     "    return (mixing(y) != mixing(x)).all(1)", "one is enough"),
    ("00.3", "def accuracy(logits, labels): return 4 / 9", "not yet"),
    ("02.1", "def mix_tokens(w, x): return x + w @ x", "no residual"),
    ("03.2", "def MixerBlock(*sizes): return lambda x: x", "not an nn.Module"),
    ("03.7", "def count(p, c, l, s, ds, dc, k): return (c * p**3 + c + 2 * c + c * k + k\n"
     "    + l * (2 * s * ds + ds + s + 2 * c * dc + dc + 5 * c))", "not yet"),
    ("10.1", "def plateau(sweep):\n    for rate in sweep:\n        sweep[rate] = sum(sweep[rate])\n"
     "    return 0", "in place"),
    ("10.2", "class PostNorm(nn.Module):\n    def __init__(self, dim, f):\n"
     "        super().__init__()\n        self.mixing, self.norm = f, nn.LayerNorm(dim, eps=0.1)\n"
     "    def forward(self, x): return self.norm(x + self.mixing(x))", "the shape is right, but"),
    ("11.1", "def paired_subsets(total, sizes, seed):\n"
     "    order = torch.randperm(60000, generator=torch.Generator().manual_seed(seed))\n"
     "    return {size: order[:size] for size in sizes}", "whole, from 0"),
    ("11.3", "def linear_probe(net, classes): return nn.Linear(12, classes)", "the network itself"),
    ("12.1", "def block_macs(s, c, d_s, d_c): return 2 * s * c * (d_s + 4 * c)", "not yet"),
    ("12.3", "def fold(g, s, w, b): return (w * g).T, w @ s + b", "W has shape (5, 3)"),
    ("12.3", "def fold(g, s, w, b): return w * g", "return two things"),
    ("12.3", "def fold(g, s, w, b): return w * g.detach(), w @ s + b", "`gain` gets no gradient"),
    ("13.1", "def token_twin(net, order): return net.state_dict()", "return an `MLPMixer`"),
    ("15.3", "def holm_corrected(p): return str(p)", "a number or a tensor is needed"),
    ("16.1", "def strike_out(possible, A): return None or []", "the list is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "source", "english"), MISTAKES)
def test_further_mistakes_get_their_diagnosis(number, source, english):
    one = find(number)
    for _ in range(3):
        mark, message = verdict(one, answer_of(one, source))
        assert mark == "✗"
        assert english in split(message)[1]


def with_one_part_changed(formula):
    """Yield the code of a formula with one of its names or numbers replaced, or `/` for `//`."""
    function = ast.parse(formula).body[0]
    names = [argument.arg for argument in function.args.args]
    parts = [
        part
        for statement in function.body[1:]  # without the docstring
        for part in ast.walk(statement)
        if isinstance(part, ast.Constant) or isinstance(getattr(part, "ctx", None), ast.Load)
    ]
    for part in parts:
        for other in (*names, *(f"4 * {name}" for name in names), "1", "2", "3", "4"):
            lines = formula.splitlines()
            line = lines[part.lineno - 1]
            changed = f"{line[: part.col_offset]}({other}){line[part.end_col_offset :]}"
            yield "\n".join([*lines[: part.lineno - 1], changed, *lines[part.lineno :]])
    yield formula.replace("//", "/")


def value(function, arguments):
    try:
        return function(*arguments)
    except ArithmeticError:
        return None


# Formulas, each with arguments of which none follows from the others.
FORMULAS = {
    "00.1": (40, 120, 8),
    "03.7": (6, 37, 13, 29, 17, 41, 19),
    "12.1": (13, 17, 19, 29),
    "12.2": (13, 17, 19, 8),
    "14.1": (35, 5, 6),
}


@pytest.mark.parametrize(("number", "arguments"), FORMULAS.items())
def test_the_sizes_that_a_formula_is_checked_with_tell_its_arguments_apart(number, arguments):
    """With a patch size of 3, say, C·P³ would pass for 3·P²·C."""
    one = find(number)
    right = answer_of(one, one.solution)(*arguments)
    for source in with_one_part_changed(one.solution):
        answer = answer_of(one, source)
        if value(answer, arguments) != right:
            assert verdict(one, answer)[0] == "✗", source


# --------------------------------------------------------------------------------- diagnosis
def wrong(function, *args, **kwargs):
    with pytest.raises(Wrong) as caught:
        function(*args, **kwargs)
    return split(str(caught.value))


@pytest.mark.parametrize(
    "answer",
    [
        *(16, 16.0, Fraction(16), Decimal("16.0"), 16 + 0j, [16], (16,), [[16.0]], True * 16),
        *(np.int32(16), np.array([16]), np.float32(16), torch.tensor(16), torch.tensor([[16.0]])),
        *(torch.tensor(16.0, requires_grad=True), nn.Parameter(torch.tensor(16.0))),
    ],
    ids=repr,
)
def test_equivalent_numbers_are_right(answer):
    close(answer, 16)


def test_equivalent_collections_are_right():
    for answer in (
        [64, Fraction(4096)],
        (64.0, 4096),
        np.array([64, 4096]),
        torch.tensor([64, 4096]),
        torch.tensor([64, 4096]).to_sparse(),
        torch.tensor([64 + 1e-7j, 4096]),
        [torch.tensor([64]), 4096],
    ):
        close(answer, (64, 4096))


@pytest.mark.parametrize("answer", ["16", {16}, {"n": 16}, object(), nn.Linear(1, 1), [1, [2, 3]]])
def test_what_is_no_number_is_named(answer):
    zh, en = wrong(close, answer, 16)
    assert "需要" in zh
    assert "needed" in en


@pytest.mark.parametrize(
    ("answer", "chinese", "english"),
    [
        (-0.7134, "符号", "sign"),
        (71.34, "百分数", "percentage"),
        (1.4268, "倍数", "factor"),
        (0.72, "允许的误差是 0.001", "the tolerance is 0.001"),
        (100.0, "数量级", "order of magnitude"),
        (1.2, "还不对", "not yet"),
        (float("nan"), "NaN", "NaN"),
        ([0.7134, 1], "一个数", "one number"),
    ],
)
def test_a_wrong_number_is_described_without_the_right_one(answer, chinese, english):
    zh, en = wrong(close, answer, 0.7134, 0.001)
    assert chinese in zh
    assert english in en
    assert "7134" not in zh + en


X = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0)).double()
SQUARE = torch.randn(4, 4, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize(
    ("answer", "target", "axes", "chinese", "english"),
    [
        (X.transpose(1, 2), X, "B S C", "S 与 C 两个轴互换", "axes S and C are swapped"),
        (X[:1], X, "B S C", "(B, S, C) = (2, 6, 5)", "the shape is (1, 6, 5)"),
        (X[:, None], X, "B S C", "长度为 1 的轴", "an axis of length 1"),
        (-X, X, "B S C", "符号反了", "the sign"),
        (X.abs(), X, "B S C", "有些数值的符号", "some values have the wrong sign"),
        (2 * X, X, "B S C", "倍数：2（= B）", "factor: 2 (= B)"),
        (X / 6, X, "B S C", "1/S", "1/S"),
        (1.001 * X, X, "B S C", "接近，但不够准确", "close, but not exact enough"),
        (2 * X, X, "images rows columns", "倍数：2 ", "factor: 2"),
        (0 * X, X, "B S C", "所有数值都相同", "all values are the same"),
        (X.mean(1, True).expand_as(X), X, "B S C", "沿 S 轴的数值都相同", "do not change along S"),
        (X * 5**0.5, X, "B S C", "√C", "√C"),
        (SQUARE.T, SQUARE, "t s", "t 与 s 两个轴互换", "transposed: axes t and s"),
        (X + 0.3, X, "B S C", "同一个常数", "a bias missing"),
        (X + torch.arange(5), X, "B S C", "只取决于 C", "depends on C alone"),
        (X.flip(1), X, "B S C", "次序不对", "their order is not"),
        (X + (X > 0.5) * X, X, "B S C", "第一个在 (B, S, C)", "the first at (B, S, C)"),
        (X * float("inf"), X, "B S C", "无穷大", "infinity"),
        (3.0, X, "B S C", "60 个数", "60 numbers"),
    ],
)
def test_wrong_tensors_are_diagnosed(answer, target, axes, chinese, english):
    zh, en = wrong(close, answer, target, axes=axes)
    assert chinese in zh + " "
    assert english in en


@pytest.mark.parametrize(
    ("answer", "chinese", "english"),
    [
        ((3.0, 71.34), "第 2 个数：差 100 倍", "number 2: off by 100"),
        ((30.5, 0.7134), "第 1 个数：数量级", "number 1: the order of magnitude"),
        ((3.0, ...), "有一部分还没有作答", "a part of it is not answered yet"),
        ([None, 0.7134], "有一部分还没有作答", "a part of it is not answered yet"),
        ((), "tuple 是空的", "the tuple is empty"),
        ((3 + 1j, 0.7134), "复数", "complex"),
        (torch.tensor([3 + 1j, 0.7134]), "复数", "complex"),
    ],
    ids=repr,
)
def test_of_a_few_numbers_the_wrong_one_is_named(answer, chinese, english):
    zh, en = wrong(close, answer, (3.0, 0.7134))
    assert chinese in zh
    assert english in en


def test_a_number_that_was_rounded():
    assert "`//`" in wrong(close, 7, 7.3)[1]
    assert "`//`" not in wrong(close, 7, 8)[1]


def test_known_mistakes_come_first():
    mistakes = {"少了归一化 | no normalisation": 2 * X, "无害 | harmless": X}
    assert wrong(close, 2 * X, X, mistakes=mistakes) == ("少了归一化", "no normalisation")
    close(X, X, mistakes=mistakes)


def test_an_error_shows_the_student_s_own_line():
    def student(x):
        y = x.double()
        return functional.linear(y, torch.zeros(3, 7))  # the mistake

    zh, en = wrong(call, student, torch.zeros(2, 5))
    for text in (zh, en):
        assert "`return functional.linear(y, torch.zeros(3, 7))  # the mistake`" in text
        assert "RuntimeError" in text


@pytest.mark.parametrize("text", ["costs $5", "a | b", "a  |  | b", "$x$ | $", "| "])
def test_no_student_s_text_is_taken_for_a_separator_or_a_formula(text):
    def student(x):
        raise ValueError(f"costs $ {text}")  # $5 | 6

    zh, en = wrong(call, student, 1)
    for half, words in ((zh, "出错"), (en, "raises an error")):
        assert words in half
        assert "$" not in half  # JupyterLab would set it as a formula
        assert "ValueError: costs ＄" in half
        assert "# ＄5|6`" in half
    assert "出错" not in en


def sorts(values):
    values.sort()
    return values[0]


def test_an_error_in_the_course_s_code_shows_the_line_that_called_it():
    def student(x):
        return check_integers(0, 1, depth=x)  # the call

    assert "`return check_integers(0, 1, depth=x)  # the call`" in wrong(call, student, 7)[1]


def test_the_student_s_inputs_are_copies():
    values = {"a": [torch.zeros(2), 1]}
    wrong(call, lambda given: given["a"][0].add_(1), values)
    assert values["a"][0].tolist() == [0, 0]


def test_what_else_student_s_code_may_do():
    assert "return" in wrong(call, lambda x: None, 1)[1]
    assert "without parentheses" in wrong(call, 3.0, 1)[1]
    assert "in place" in wrong(call, lambda x: x.add_(1), torch.zeros(2))[1]
    assert "TypeError" in wrong(call, lambda: 1, torch.zeros(2))[1]
    assert "ZeroDivisionError" in wrong(call, lambda x: 1 / 0, 1)[1]
    assert "SystemExit" in wrong(call, lambda x: sys.exit(3), 1)[1]
    assert "in place" in wrong(call, sorts, [3, 1, 2])[1]
    assert "in place" in wrong(call, lambda d: d.popitem(), {1: [2], 3: [4]})[1]
    # PyTorch's own error of this name does not mean that nothing has been written.
    assert "not implemented for 'Bool'" in wrong(call, lambda x: x @ x, torch.ones(2, 2).bool())[1]
    assert 'missing the required "forward"' in wrong(call, nn.Module(), 1)[1]

    def unfinished(x):
        raise NotImplementedError

    for function in (..., None, lambda x: ..., unfinished):
        with pytest.raises(Unanswered):
            call(function, 1)


class Reference(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.one, self.two = nn.Linear(width, 3), nn.Linear(3, width)

    def forward(self, x):
        return self.two(functional.gelu(self.one(x)))


def test_modules_are_compared_parameter_by_parameter():
    class Skips(Reference):
        def forward(self, x):
            return self.one(x) @ self.two.weight.T

    class Narrow(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.one, self.two = nn.Linear(width, 2), nn.Linear(2, width)

    reference, mine = Reference(4), build(Reference, 4)
    x = torch.randn(5, 4)
    copy_parameters(reference, mine)
    close(call(mine, x), reference(x), axes="S C")
    every_parameter_learns(mine, x)
    assert "two.bias" in wrong(every_parameter_learns, build(Skips, 4), x)[1]
    assert "one.weight has shape (2, 4)" in wrong(copy_parameters, reference, build(Narrow, 4))[1]
    assert "number of parameter tensors" in wrong(copy_parameters, reference, nn.Linear(4, 4))[1]
    assert "nn.Module" in wrong(build, dict)[1]
    with pytest.raises(Unanswered):
        copy_parameters(reference, nn.Identity())


def test_layers_that_nothing_tells_apart_get_equal_values():
    class Unnamed(nn.Module):
        def __init__(self):
            super().__init__()
            self.b, self.a = nn.LayerNorm(4), nn.LayerNorm(4)

        def forward(self, x):
            return self.b(self.a(x).relu())

    reference = nn.Sequential(nn.LayerNorm(4), nn.ReLU(), nn.LayerNorm(4))
    for parameter in reference.parameters():
        nn.init.normal_(parameter)
    mine, x = Unnamed(), torch.randn(5, 4)
    copy_parameters(reference, mine)
    assert torch.equal(mine(x), reference(x))
    named = nn.Sequential(nn.LayerNorm(4), nn.ReLU(), nn.LayerNorm(4))
    nn.init.normal_(reference[0].weight)
    copy_parameters(reference, named)
    assert torch.equal(named[0].weight, reference[0].weight)
    assert not torch.equal(named[0].weight, named[2].weight)


def test_the_order_of_a_module_s_parts_does_not_matter():
    class Turned(Reference):
        def __init__(self, width):
            nn.Module.__init__(self)
            self.two, self.one = nn.Linear(3, width), nn.Linear(width, 3)

    reference, mine, x = Reference(4), Turned(4), torch.randn(5, 4)
    copy_parameters(reference, mine)
    assert torch.equal(mine(x), reference(x))


# ------------------------------------------------------------------------------------- check
def exercise(test, **changes):
    texts = {"title": "题 | title", "note": "注 | note", "solution": "answer = 42", "wrong": {}}
    fields = {"id": "99.1", "name": "answer", "stub": "answer = ...", "test": test, "given": ""}
    return Exercise(**fields, hints=("一 | first", "二 | second", "三 | third"), **texts | changes)


def test_a_check_leaves_the_random_numbers_of_the_notebook_alone():
    drawn = []
    one = exercise(lambda answer: drawn.append(torch.rand(1).item()))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for _ in range(2):
        assert verdict(one, 1) == ("✓", "正确 | correct")
    assert torch.equal(torch.rand(3), expected)
    assert drawn[0] != drawn[1]


def test_code_that_is_right_once_is_not_right():
    def remembers(x, seen=[]):  # noqa: B006
        seen.append(x)
        return seen[0]

    one = exercise(lambda answer: close(call(answer, x := torch.randn(3)), x))
    mark, message = verdict(one, remembers)
    zh, en = split(message)
    assert mark == "✗"
    assert zh.startswith("第一次对，换一组输入就不对：")
    assert en.startswith("right at first, wrong with fresh input: ")
    assert verdict(one, lambda x: x)[0] == "✓"


def test_a_check_survives_whatever_it_gets():
    one = exercise(lambda answer: answer.shape[7])
    assert verdict(one, torch.zeros(2)) == (
        "✗",
        "这个答案无法检查（IndexError） | this answer cannot be checked (IndexError)",
    )
    assert verdict(exercise(lambda answer: "不对 | no"), 1) == ("✗", "不对 | no")


def test_check_prints_on_a_console_that_lacks_characters(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding="gbk", newline="")
    monkeypatch.setattr(sys, "stdout", console)
    check(ONE.id, ...)
    check("02.4", (8192**2, 20480))
    hints(ONE.id)
    console.flush()
    text = console.buffer.getvalue().decode("gbk")
    assert ONE.id in text
    for words in ("还没有作答", "not answered yet", "正确", "correct", "1. " + ONE.hints[0][:5]):
        assert words in text


def test_checks_speak_both_languages_in_a_notebook(shell):
    name = ONE.name
    shell(f"def {name}(*inputs):\n    return missing_name")
    outputs = shell(
        f"from hdd.teaching.exercises import check, hints\ncheck('{ONE.id}', {name})\n"
        f"check('{ONE.id}', ...)\nhints('{ONE.id}')"
    ).outputs
    first, second, third = (output.data["text/html"] for output in outputs)
    halves = dict(re.findall(r'<div lang="(zh|en)">(.*?)</div>', first, flags=re.S))
    assert "第 2 行出错：<code>return missing_name</code> → NameError" in halves["zh"]
    assert "line 2 raises an error: <code>return missing_name</code>" in halves["en"]
    assert "还没有作答" in second  # the checks after a failing one still run
    assert "not answered yet" in second
    assert third.count("<details>") == 8


def test_hints_open_one_inside_the_other_and_the_solution_can_be_withheld(monkeypatch):
    monkeypatch.setattr(module, "find", lambda number: exercise(lambda answer: None))
    full, withheld = hints_html("99.1", solution=True), hints_html("99.1", solution=False)
    for page in (full, withheld):
        order = [page.index(f"{word} {n}<") for word in ("提示", "Hint") for n in (1, 2, 3)]
        assert order == sorted(order)
        assert re.search("first.*<details>.*second.*<details>.*third", page)
    assert full.count("answer = 42") == 2
    assert "answer = 42" not in withheld
    shown = []
    monkeypatch.setattr(module, "display_html", lambda page, plain: shown.append(page))
    hints("99.1")
    hints("99.1", solution=False)
    assert shown == [full, withheld]


@pytest.mark.parametrize(("number", "meant"), [("2.1", "02.1."), ("2.99", "02.1, 02.2")])
def test_a_number_without_its_zero_is_understood(number, meant):
    with pytest.raises(ValueError, match=f"number='{number}' is no exercise. Fix: one of {meant}"):
        find(number)


@pytest.mark.parametrize("number", ["02.99", "55.1"])
def test_an_unknown_exercise_is_an_error_that_names_the_known(number):
    with pytest.raises(ValueError, match=r"number=.*Fix: (one of 02\.1, |.* such as '02\.1')"):
        find(number)
