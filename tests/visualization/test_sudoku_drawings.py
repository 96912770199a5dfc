import pytest
import torch
from matplotlib.colors import to_rgba

from hdd.visualization import sudoku_drawings as drawings

NEEDED = {2: (128, [2.0, 2.4]), 3: (498, [2.5, 3.5])}
SOLVED = {"易 | easy": [0.1, 0.8, 0.991, 1.0], "难 | hard": [0.0, 0.2, 0.5, 0.85]}
ROWS = [
    ("甲 | first", "#0072B2", 400, [0.9, 1.0]),
    ("乙 | second", "#009E73", 1600, [0.2, 0.3, 0.4]),
]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_recursions_show_each_seed_and_the_mean_with_its_value():
    left, _ = drawings.plot_recursions(NEEDED, SOLVED, trained=3).axes
    drawn = [line.get_ydata() for line in left.lines]
    for (_, seeds), found in zip(NEEDED.values(), drawn, strict=False):
        assert list(found) == seeds
    assert list(drawn[2]) == pytest.approx([2.2, 3.0])
    assert texts(left) == ["2.2", "3.0"]
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["2\n(128)", "3\n(498)"]


def test_puzzles_solved_are_named_after_the_recursions_of_training_and_at_the_end():
    _, right = drawings.plot_recursions(NEEDED, SOLVED, trained=3).axes
    assert texts(right)[:4] == ["99.1%", "100.0%", "50.0%", "85.0%"]
    easy, hard, training = right.lines
    assert list(easy.get_ydata()) == pytest.approx([10, 80, 99.1, 100])
    assert list(hard.get_xdata()) == [1, 2, 3, 4]
    assert list(training.get_xdata()) == [3, 3]


def test_a_bar_is_as_long_as_the_mean_beside_it_and_has_a_dot_for_each_seed():
    (axes,) = drawings.plot_rivals(ROWS).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([95, 30])
    assert texts(axes) == ["95.0%", "30.0%"]
    assert [len(line.get_xdata()) for line in axes.lines] == [2, 3]


def test_longer_runs_look_different_and_say_how_long():
    (axes,) = drawings.plot_rivals(ROWS).axes
    usual, longer = axes.patches
    assert longer.get_hatch()
    assert not usual.get_hatch()
    assert longer.get_facecolor() == to_rgba("white")
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels[1] == "乙：1,600 步 | second: 1,600 steps"


def test_every_pair_of_cells_falls_into_one_group_of_the_histogram():
    matrix = torch.linspace(-1, 1, 36 * 36).view(36, 36)
    figure = drawings.plot_rules(
        [matrix, -matrix], torch.eye(36, dtype=torch.bool), 14, "甲 | name"
    )
    panels = [axes for axes in figure.axes if "entries" in axes.get_ylabel()]
    assert len(panels) == 2
    for axes in panels:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(36 * 35, abs=1)
