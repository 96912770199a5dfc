from hdd.train.records import load_run
from hdd.visualization import verdict_drawings as drawings

CLAIMS = [
    {"claim": 1, "name": "甲 | first", "verdict": "✓", "certainty": "certain"},
    {"claim": 2, "name": "乙 | second", "verdict": "◐", "certainty": "tentative"},
    {"claim": 3, "name": "丙 | third", "verdict": "✗", "certainty": "certain"},
]
UNDECIDED = {"claim": 4, "name": "丁 | fourth", "verdict": "?", "certainty": "unknown"}


def test_every_claim_stands_in_the_row_of_its_verdict():
    (axes,) = drawings.plot_grid(CLAIMS).axes
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    for row, one in enumerate(CLAIMS):
        assert drawings.TOP[row] < heights[one["name"]] < drawings.TOP[row + 1]


def test_an_undecided_claim_stands_in_the_last_column_and_in_no_row():
    (axes,) = drawings.plot_grid([*CLAIMS, UNDECIDED]).axes
    (text,) = (text for text in axes.texts if text.get_text() == UNDECIDED["name"])
    assert text.get_position()[0] > drawings.LEFT[2]
    (cell,) = (patch for patch in axes.patches if patch.get_x() == drawings.LEFT[2])
    assert cell.get_height() > drawings.TOP[2], "one cell for all rows"


def test_the_title_counts_the_certain_verdicts():
    (axes,) = drawings.plot_grid(CLAIMS).axes
    assert "2 verdicts are certain: 1 claims hold, 0 in part, 1 do not" in axes.get_title()


def test_a_bar_is_as_high_as_the_mean_that_stands_above_it():
    rows = [("low", [10.0, 20.0], "red"), ("high", [90.0, 100.0], "blue")]
    (axes,) = drawings.plot_bars({"panel": (25, rows)}, "title").axes
    assert [bar.get_height() for bar in axes.patches] == [15, 95]
    assert [text.get_text() for text in axes.texts] == ["15.0", "95.0"]
    assert axes.texts[0].get_position()[1] > 25, "not on the line of chance"


def test_what_is_unknown_lies_beyond_what_was_measured():
    (axes,) = drawings.plot_unknown(load_run("data_fashion_mnist_mini")).axes
    measured = max(x for line in axes.containers for x in line[0].get_xdata())
    assert measured < 1e4 < min(drawings.LARGE.values())
    assert any("−3.9" in text.get_text() for text in axes.texts), "with a minus, not a hyphen"
