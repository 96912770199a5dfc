"""Exercises of notebook 09, static and dynamic."""

import torch
from torch import Tensor
from torch.nn import functional

from hdd.teaching.exercises.diagnosis import Wrong, call, close
from hdd.teaching.exercises.exercise import Exercise


# ------------------------------------------------------------------------------ the task
def _batch(keys: Tensor, values: Tensor, match: Tensor) -> tuple[Tensor, Tensor]:
    """Return the tokens (B, K + 1, K + 4) and answers (B,) of a batch of look-ups."""
    number = keys.shape[1]
    held = torch.cat([functional.one_hot(keys, number), functional.one_hot(values, 4)], 2)
    asked = functional.one_hot(keys.gather(1, match[:, None]), number)  # (B, 1, K)
    question = functional.pad(asked, (0, 4))  # (B, 1, K + 4)
    return torch.cat([question, held], 1).float(), values.gather(1, match[:, None])[:, 0]


def _test_look_up_batch(answer):
    n, number = 6, 5
    keys = torch.rand(n, number).argsort(1)  # (B, K)
    values = torch.randint(4, (n, number))  # (B, K)
    match = torch.randint(number, (n,))  # (B,)
    while torch.equal(keys.gather(1, match[:, None])[:, 0], match):  # key and column differ
        match = torch.randint(number, (n,))
    result = call(answer, keys, values, match)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("需要返回两样：tokens 和 answers | return two things: tokens and answers")
    tokens, answers = _batch(keys, values, match)
    _check_tokens(result[0], tokens, match, answers)
    close(
        result[1],
        answers,
        axes="B",
        mistakes={
            "`answers` 是被问到的键，应当是它的值 | `answers` holds the keys asked for, not their"
            " values": keys.gather(1, match[:, None])[:, 0],
        },
    )


def _check_tokens(answer, tokens: Tensor, match: Tensor, answers: Tensor) -> None:
    """Compare tokens (B, K + 1, K + 4) with the right ones."""
    number = tokens.shape[2] - 4
    with_answer = tokens.clone()
    with_answer[:, 0, number:] = functional.one_hot(answers, 4)
    wrong_key = tokens.clone()
    wrong_key[:, 0, :number] = functional.one_hot(match, number)
    close(
        answer,
        tokens,
        axes="B S channels",
        mistakes={
            "词元 0 里写进了答案：它的值那四个通道应当全为 0 | token 0 gives the answer away: its"
            " four value channels should be 0": with_answer,
            "词元 0 问的是列号，而不是那一列上的键 | token 0 asks for the column's number, not for"
            " the key in that column": wrong_key,
            "值的通道排在了前面：先是键的通道 | the value's channels come first: the key's should": (
                tokens.roll(4, 2)
            ),
            "词元 0（提问）应当排在最前面 | token 0, the question, should come first": torch.cat(
                [tokens[:, 1:], tokens[:, :1]], 1
            ),
        },
    )


# ------------------------------------------------------------------------- by static weights
def _static(x: Tensor, number: int) -> Tensor:
    """Return the sums of the values that pass, (B, V), for x (B, S, K + V) with K = number."""
    question, keys, values = x[:, :1, :number], x[:, 1:, :number], x[:, 1:, number:]
    match = (keys + question - 1).relu().sum(2, keepdim=True)  # (B, S - 1, 1)
    return (values + match - 1).relu().sum(1)


def _test_static_look_up(answer):
    number = 6
    keys = torch.rand(4, number).argsort(1)
    x, _ = _batch(keys, torch.randint(4, (4, number)), torch.randint(number, (4,)))
    # With numbers between 0 and 1 only the three steps themselves give their result: not products,
    # and not the place of the largest number.
    for tokens in (x, torch.rand_like(x)):
        _compare_static(answer, tokens, number)


def _compare_static(answer, x: Tensor, number: int) -> None:
    question, rest = x[:, :1, :number], x[:, 1:]
    match = (rest[..., :number] + question - 1).relu().sum(2, keepdim=True)
    products = (rest[..., :number] * question).sum(2, keepdim=True) * rest[..., number:]
    close(
        call(answer, x, number),
        _static(x, number),
        axes="B V",
        mistakes={
            "所有词元的值都加进来了：不匹配的词元没有被挡住 | the values of all tokens are added: those"
            " that do not match are not held back": rest[..., number:].sum(1),
            "用了乘积：这里只许相加、减 1 和 r，这正是本题要说明的 | products are used: the point is to"
            " do with sums, minus 1 and r alone": products.sum(1),
            "③ 还没有做：应当对词元求和 | step 3 is missing: sum over the tokens": (
                rest[..., number:] + match - 1
            ).relu(),
            "② 里没有经过 r，负数也加进来了 | step 2 does not pass through r, so negative numbers"
            " are added, too": (rest[..., number:] + match - 1).sum(1),
            "① 里没有减 1：键不同的通道也会通过 | step 1 does not subtract 1, so different keys"
            " pass, too": (
                (rest[..., number:] + (rest[..., :number] + question).sum(2, keepdim=True) - 1)
                .relu()
                .sum(1)
            ),
        },
    )


# ------------------------------------------------------------------------------- sharing
def _by_offset(r: Tensor) -> Tensor:
    """Return the matrix (S, S) with entry [t, s] = r[s - t + S - 1]."""
    index = torch.arange((len(r) + 1) // 2)
    return r[index[None, :] - index[:, None] + len(index) - 1]


def _test_by_offset(answer):
    for size in (3, 6):
        r = torch.randn(2 * size - 1)
        right = _by_offset(r)
        index = torch.arange(size)
        close(
            call(answer, r),
            right,
            axes="out in",
            mistakes={
                "位移的方向反了：位移是 s − t，不是 t − s | the offset is the wrong way round: s − t,"
                " not t − s": right.T,
                "位移绕回来了：这里 −1 和 S−1 是两个不同的位移 | the offsets wrap around; here −1 and"
                " S−1 are different": r[(index[None, :] - index[:, None]) % size],
                "用的是 s + t，应当是 s − t | s + t is used instead of s − t": r[
                    index[None, :] + index[:, None]
                ],
            },
        )


def _test_weights(answer):
    close(
        answer,
        (256, 49, 4),
        axes="rungs",
        mistakes={
            "第二个数不对：网格上的位移有上下、左右两个分量 | the second number is wrong: on a grid, an"
            " offset has two components, down and across": (256, 31, 4),
            "第二个数不对：每个分量都可正可负，0 也算一个 | the second number is wrong: each component may"
            " be positive, negative or 0": (256, 16, 4),
            "第三个数不对：共用的权重与位置数无关，看图中有几个不同的字母 | the third number is wrong:"
            " shared weights do not grow with the number of places; count the letters": (
                256,
                49,
                16,
            ),
        },
    )


EXERCISES = [
    Exercise(
        id="09.1",
        title="写出一批查找题 | make a batch of look-ups",
        name="look_up_batch",
        stub='''
def look_up_batch(keys, values, match):
    """keys, values: (B, K) whole numbers; match: (B,) column of the match.

    Return tokens (B, K + 1, K + 4), one-hot, token 0 first, and answers (B,).
    """
    return ...  # 在这里写 / your code here
''',
        test=_test_look_up_batch,
        hints=(
            "先做词元 1 到 K：`functional.one_hot` 把键变成 K 个通道，把值变成 4 个。 | Tokens 1 to K"
            " first: `functional.one_hot` turns a key into K channels, and a value into 4.",
            "每道题只取一列：`keys.gather(1, match[:, None])` 的形状是 (B, 1)。 | One column per"
            " example: `keys.gather(1, match[:, None])` has shape (B, 1).",
            "提问的值通道是 0：`functional.pad(question, (0, 4))`；最后用 `torch.cat` 沿第 1 个轴拼接。"
            " | The question's value channels are 0: `functional.pad(question, (0, 4))`; then"
            " `torch.cat` along axis 1.",
        ),
        solution='''
def look_up_batch(keys, values, match):
    """keys, values: (B, K) whole numbers; match: (B,) column of the match.

    Return tokens (B, K + 1, K + 4), one-hot, token 0 first, and answers (B,).
    """
    number, match = keys.shape[1], match[:, None]  # K, (B, 1)
    held = torch.cat([functional.one_hot(keys, number), functional.one_hot(values, 4)], 2)
    question = functional.one_hot(keys.gather(1, match), number)  # (B, 1, K)
    question = functional.pad(question, (0, 4))  # (B, 1, K + 4)
    tokens = torch.cat([question, held], 1).float()  # (B, K + 1, K + 4)
    return tokens, values.gather(1, match)[:, 0]
''',
        wrong={
            "the answer given away": (
                "def look_up_batch(keys, values, match):\n"
                "    k = keys.shape[1]\n"
                "    held = torch.cat([functional.one_hot(keys, k),"
                " functional.one_hot(values, 4)], 2)\n"
                "    row = torch.arange(len(keys))\n"
                "    return torch.cat([held[row, match][:, None], held], 1).float(),"
                " values[row, match]",
                "词元 0 里写进了答案",
                "gives the answer away",
            ),
            "the column instead of the key": (
                "def look_up_batch(keys, values, match):\n"
                "    k = keys.shape[1]\n"
                "    held = torch.cat([functional.one_hot(keys, k),"
                " functional.one_hot(values, 4)], 2)\n"
                "    question = functional.pad(functional.one_hot(match[:, None], k), (0, 4))\n"
                "    return torch.cat([question, held], 1).float(),"
                " values.gather(1, match[:, None])[:, 0]",
                "问的是列号",
                "asks for the column's number",
            ),
            "the question last": (
                "def look_up_batch(keys, values, match):\n"
                "    k, match = keys.shape[1], match[:, None]\n"
                "    held = torch.cat([functional.one_hot(keys, k),"
                " functional.one_hot(values, 4)], 2)\n"
                "    question = functional.pad(functional.one_hot(keys.gather(1, match), k),"
                " (0, 4))\n"
                "    return torch.cat([held, question], 1).float(),"
                " values.gather(1, match)[:, 0]",
                "应当排在最前面",
                "should come first",
            ),
            "tokens only": (
                "def look_up_batch(keys, values, match):\n    return functional.one_hot(keys)",
                "需要返回两样",
                "return two things",
            ),
        },
        note="问学生：为什么词元 0 的值必须为 0？如果测试时把它填上，网络会怎样？ | Ask: why must the"
        " value of token 0 be 0? What would a network learn if it were filled in?",
    ),
    Exercise(
        id="09.2",
        title="用静态权重查找 | look up with static weights",
        name="static_look_up",
        stub='''
def static_look_up(x, number):
    """x: (B, S, number + V), number key channels, then V for the value. Return (B, V)."""
    return ...  # 在这里写 / your code here
''',
        test=_test_static_look_up,
        hints=(
            "先切出三部分：词元 0 的键、其他词元的键、其他词元的值。 | Cut out three parts first: the key"
            " of token 0, the keys of the others, the values of the others.",
            "`question = x[:, :1, :number]` 保留了词元这个轴，可以直接与 (B, S − 1, number) 相加。 |"
            " `question = x[:, :1, :number]` keeps the token axis and can be added to (B, S − 1,"
            " number).",
            "① 的结果对通道求和时用 `keepdim=True`，② 里才能与值相加；最后对词元求和。 | Sum step 1 over"
            " the channels with `keepdim=True`, so that step 2 can add it to the values; finally sum"
            " over the tokens.",
        ),
        solution='''
def static_look_up(x, number):
    """x: (B, S, number + V), number key channels, then V for the value. Return (B, V)."""
    question, keys, values = x[:, :1, :number], x[:, 1:, :number], x[:, 1:, number:]
    match = torch.relu(keys + question - 1).sum(2, keepdim=True)  # (B, S - 1, 1)
    return torch.relu(values + match - 1).sum(1)  # (B, V)
''',
        wrong={
            "nothing held back": (
                "def static_look_up(x, number):\n    return x[:, 1:, number:].sum(1)",
                "没有被挡住",
                "not held back",
            ),
            "not collected": (
                "def static_look_up(x, number):\n"
                "    q, k, v = x[:, :1, :number], x[:, 1:, :number], x[:, 1:, number:]\n"
                "    m = torch.relu(k + q - 1).sum(2, keepdim=True)\n"
                "    return torch.relu(v + m - 1)",
                "③ 还没有做",
                "step 3 is missing",
            ),
            "no relu in step 2": (
                "def static_look_up(x, number):\n"
                "    q, k, v = x[:, :1, :number], x[:, 1:, :number], x[:, 1:, number:]\n"
                "    m = torch.relu(k + q - 1).sum(2, keepdim=True)\n"
                "    return (v + m - 1).sum(1)",
                "没有经过 r",
                "does not pass through r",
            ),
            "products": (
                "def static_look_up(x, number):\n"
                "    q, k, v = x[:, :1, :number], x[:, 1:, :number], x[:, 1:, number:]\n"
                "    return ((k * q).sum(2, keepdim=True) * v).sum(1)",
                "用了乘积",
                "products are used",
            ),
            "no threshold in step 1": (
                "def static_look_up(x, number):\n"
                "    q, k, v = x[:, :1, :number], x[:, 1:, :number], x[:, 1:, number:]\n"
                "    m = (k + q).sum(2, keepdim=True)\n"
                "    return torch.relu(v + m - 1).sum(1)",
                "没有减 1",
                "does not subtract 1",
            ),
        },
        note="追问：把词元 1 到 S−1 打乱，结果变不变？为什么这就是“泛化到新位置”？ | Follow-up: shuffle"
        " tokens 1 to S−1. Does the result change? Why does that mean it works at new places?",
    ),
    Exercise(
        id="09.3",
        title="只取决于位移的权重 | weights that depend on the offset",
        name="by_offset",
        stub='''
def by_offset(w):
    """w: (2S - 1,), offsets -(S - 1) to S - 1. Return (S, S): row = output t, column = input s."""
    return ...  # 在这里写 / your code here
''',
        test=_test_by_offset,
        hints=(
            "S 是多少？`w` 有 2S − 1 个数。 | What is S? There are 2S − 1 numbers in `w`.",
            "位移 s − t 的权重是 `w[s - t + S - 1]`。 | The weight of offset s − t is"
            " `w[s - t + S - 1]`.",
            "设 `i = torch.arange(S)`，则 `i[None, :]` 是列号 s，`i[:, None]` 是行号 t；一整张下"
            "标表可以一次去取 `w`。 | With `i = torch.arange(S)`, `i[None, :]` are the columns s"
            " and `i[:, None]` the rows t; a whole table of indices may index `w`.",
        ),
        solution='''
def by_offset(w):
    """w: (2S - 1,), offsets -(S - 1) to S - 1. Return (S, S): row = output t, column = input s."""
    i = torch.arange((len(w) + 1) // 2)
    return w[i[None, :] - i[:, None] + len(i) - 1]
''',
        wrong={
            "the other way round": (
                "def by_offset(w):\n"
                "    i = torch.arange((len(w) + 1) // 2)\n"
                "    return w[i[:, None] - i[None, :] + len(i) - 1]",
                "位移的方向反了",
                "the wrong way round",
            ),
            "circular": (
                "def by_offset(w):\n"
                "    i = torch.arange((len(w) + 1) // 2)\n"
                "    return w[(i[None, :] - i[:, None]) % len(i)]",
                "位移绕回来了",
                "wrap around",
            ),
            "sum of the indices": (
                "def by_offset(w):\n"
                "    i = torch.arange((len(w) + 1) // 2)\n"
                "    return w[i[None, :] + i[:, None]]",
                "应当是 s − t",
                "instead of s − t",
            ),
            "wrong size": (
                "def by_offset(w):\n"
                "    i = torch.arange(len(w))\n"
                "    return (i[None, :] - i[:, None]).float()",
                "形状是",
                "the shape is",
            ),
        },
        note="与 02 篇的循环卷积比较：那里位移对 S 取余，只有 S 个不同的数。 | Compare notebook 02: a"
        " circular convolution takes the offset modulo S and has only S different numbers.",
    ),
    Exercise(
        id="09.4",
        title="有多少个不同的权重 | how many different weights",
        name="weights",
        stub="weights = ...  # (每个位置, 每个位移, 共用) / (per position, per offset, shared)",
        test=_test_weights,
        hints=(
            "每个位置一套：每对（输出，输入）一个权重，与词元怎样排列无关。 | Per position: one weight for"
            " each pair of output and input, however the tokens are arranged.",
            "每个位移一套：位移是（上下，左右）两个数，各能取哪些值？ | Per offset: an offset is two numbers,"
            " down and across. Which values can each take?",
            "共用的权重不随词元数增加。 | Shared weights do not grow with the number of tokens.",
        ),
        solution="weights = (16**2, 7**2, 4)",
        wrong={
            "in a row": ("weights = (256, 31, 4)", "两个分量", "two components"),
            "signs forgotten": ("weights = (256, 16, 4)", "可正可负", "positive, negative or 0"),
            "shared by place": ("weights = (256, 49, 16)", "第三个数不对", "third number is wrong"),
            "one number": ("weights = 256", "只得到一个", "yours is one"),
        },
        note="三个答案一起说明：共用得越多，权重越少，训练时每个权重见到的例子也越多。 | Together: the more"
        " is shared, the fewer the weights, and the more examples each weight sees in training.",
    ),
]
