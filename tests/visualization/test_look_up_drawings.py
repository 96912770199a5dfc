import re

import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

from hdd.teaching.language import split
from hdd.visualization import look_up_drawings as drawings

X = torch.tensor([[0.0, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 0, 0, 1, 0]])


def texts(axes):
    return [split(text.get_text())[1] for text in axes.texts]


def marks(axes):
    return [text for text in texts(axes) if re.fullmatch(r"−?\d+|[a-d]|\$q·k\$", text)]


def test_the_task_shows_cards_their_answer_and_the_table():
    cards, table = drawings.plot_task(X, X[[0, 3, 1, 2]]).axes
    written = texts(cards)
    assert [text for text in written if " = " in text] == [
        *("B = ?", "C = 1", "B = 2", "A = 1"),
        *("B = ?", "A = 1", "C = 1", "B = 2"),
    ]
    assert written.count("token 0 should answer 2") == 2
    numbers = [float(text) for text in texts(table) if text in ("0", "1")]
    assert numbers[: X.numel()] == X.flatten().tolist()


def test_the_solution_shows_the_numbers_of_every_step():
    both = torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])
    match, passed = both.sum(1), torch.tensor([[0.0, 0], [0, 1], [0, 0]])
    stages = [both, match, passed, passed.sum(0)]
    (axes,) = drawings.plot_static_solution(X, stages).axes
    shown = [float(text) for text in texts(axes) if text in ("0", "1")]
    assert shown == torch.cat([part.flatten() for part in (X, *stages)]).tolist()


def test_as_many_marks_as_different_weights():
    panels = drawings.plot_sharing().axes
    assert [len(set(marks(axes))) for axes in panels] == [16, 7, 4, 1]
    colors = [
        {patch.get_facecolor() for patch in axes.patches if isinstance(patch, Rectangle)}
        for axes in panels
    ]
    assert [len(found) for found in colors] == [1, 7, 4, 16]  # none shared: no tints
    offset = [int(mark.replace("−", "-")) for mark in marks(panels[1])]
    assert offset == [s - t for t in range(4) for s in range(4)]
    meaning = texts(panels[2])[-1]  # of each letter
    assert all(f"{mark}: " in meaning for mark in marks(panels[2]))


def test_far_apart_marks_what_two_layers_reach_and_draws_means():
    side = torch.arange(6)
    layers = torch.maximum(side[:, None], side[None, :])
    runs = {"a": [[100.0, 90.0]] * 5, "b": [[50.0, 52.0]] * 5, "c": [[70.0, 70.0]] * 5}
    board, lines = drawings.plot_far(layers, runs).axes
    squares = [patch for patch in board.patches if isinstance(patch, Rectangle)]
    white = sum(patch.get_facecolor()[:3] == (1, 1, 1) for patch in squares)
    assert (len(squares), white) == (36, 36 - 9)
    assert [line.get_ydata()[0] for line in lines.lines[:3]] == [95, 51, 70]


def test_the_slope_depends_on_the_question():
    _, axes = plt.subplots()
    drawings.draw_slopes(axes)
    without, with_one = (line.get_xydata() for line in axes.lines)
    assert not without[:, 1].any()
    rise = (with_one[-1] - with_one[-2]).tolist()
    assert rise[1] == pytest.approx(rise[0], rel=1e-3)
