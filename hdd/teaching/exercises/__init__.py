"""Exercises: a stub in the notebook, a check that says what is wrong, hints, a solution.

check("02.1", mix_tokens)
hints("02.1")
"""

import html
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hdd.arguments import checked
from hdd.teaching.exercises.diagnosis import Unanswered, Wrong
from hdd.teaching.exercises.exercise import Exercise, find
from hdd.teaching.language import by_language, display_html, split, tell, to_html


@checked
def check(number: str, answer: Any) -> None:
    """Say whether an answer is right and, if not, what is wrong; never the answer itself.

    Whatever the student's code does, nothing is raised: the checks after this one run, too.

    Args:
        number: of the exercise, such as "02.1".
        answer: what the student gave: a number, a tensor, a function or a class.
    """
    exercise = find(number)
    mark, message = verdict(exercise, answer)
    title = split(exercise.title)
    texts = [
        f"{word} {number} {name}{colon}{text}"
        for word, colon, name, text in zip(
            ("练习", "Exercise"), ("：", ": "), title, split(message), strict=True
        )
    ]
    tell(mark, *texts)


def verdict(exercise: Exercise, answer: Any) -> tuple[str, str]:
    """Return a mark (✓, ✗, or … for not answered) and "中文 | English"; raise nothing.

    Code is tested twice, with fresh input: it may be right by luck, or return what it remembers.
    Random numbers that the test draws are new each time, and the notebook's stay what they were.
    """
    mark, message = _test(exercise, answer)
    if mark != "✓" or not callable(answer):
        return mark, message
    again, message = _test(exercise, answer)
    if again == "✓":
        return again, message
    zh, en = split(message)
    return "✗", f"第一次对，换一组输入就不对：{zh} | right at first, wrong with fresh input: {en}"


def _test(exercise: Exercise, answer: Any) -> tuple[str, str]:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.seed()
            message = exercise.test(answer)
    except Unanswered as nothing:
        return "…", str(nothing)
    except Wrong as wrong:
        message = str(wrong)
    except Exception as error:  # the test itself did not expect such an answer
        kind = type(error).__name__
        message = f"这个答案无法检查（{kind}） | this answer cannot be checked ({kind})"
    return ("✗", message) if message else ("✓", "正确 | correct")


@checked
def solved(number: str) -> Any:
    """Return what an exercise asks for, as solved; students' copies go on with it."""
    exercise = find(number)
    names: dict[str, Any] = {"torch": torch, "nn": nn, "functional": functional}
    exec(exercise.given + exercise.solution, names)
    return names[exercise.name]


@checked
def hints(number: str, solution: bool = True) -> None:
    """Display the hints of an exercise, one inside the other, and the solution as the last.

    Args:
        number: of the exercise.
        solution: whether to end with the solution; the students' copies leave it out.
    """
    texts = [split(hint) for hint in find(number).hints]
    plain = "\n".join(f"{n}. {zh}\n   {en}" for n, (zh, en) in enumerate(texts, 1))
    display_html(hints_html(number, solution), plain)


def hints_html(number: str, solution: bool) -> str:
    """Return what `hints` displays; folded parts open without a script."""
    exercise, pages = find(number), []
    for index, (hint, answer) in enumerate((("提示", "参考答案"), ("Hint", "Solution"))):
        page = ""
        if solution:
            code = html.escape(exercise.solution.strip())
            page = f"<details><summary>{answer}</summary><pre><code>{code}</code></pre></details>"
        for place in range(len(exercise.hints), 0, -1):
            text = to_html(split(exercise.hints[place - 1])[index])
            name = f"{hint} {place}" if place > 1 else f"{number} {hint} 1"
            page = f"<details><summary>{name}</summary><p>{text}</p>{page}</details>"
        pages.append(page)
    return by_language(*pages)
