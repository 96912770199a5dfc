from matplotlib.patches import FancyArrowPatch

from hdd.visualization.mixer_drawings import Mixing, plot_differences, plot_mixers

TOKENS = [2, 4, 9, 1]


def drawn(mixing):
    """Return the arrows of the only panel, and its words."""
    (axes,) = plot_mixers(TOKENS, [mixing, mixing]).axes[:1]
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    return arrows, [text.get_text() for text in axes.texts]


def test_an_arrow_for_each_weight_and_none_for_the_others():
    arrows, words = drawn(Mixing("池化 | pooling", "", ["⅓", "−⅔", "⅓", ""], "1"))
    assert len(arrows) == 3
    assert {"2", "4", "9", "1", "⅓", "−⅔"} <= set(words)


def test_weights_from_content_are_dashed():
    weights = [".1", ".6", ".2", ".1"]
    fixed, _ = drawn(Mixing("", "", weights, "4.5"))
    dynamic, _ = drawn(Mixing("", "", weights, "4.5", from_content=True))
    assert {arrow.get_linestyle() for arrow in fixed}.isdisjoint(
        {str(arrow.get_linestyle()) for arrow in dynamic}
    )


def test_a_gate_has_tokens_of_two_halves_and_multiplies():
    halves = ["5", "7", "3", "6"]
    gate = Mixing("", "", ["½", "½", "", ""], "28", halves=halves, total="4")
    arrows, words = drawn(gate)
    assert len(arrows) == 2 + 2  # weights; the mixed half, and the other one
    assert {*halves, *map(str, TOKENS), "4", "×", "28"} <= set(words)


def test_hidden_units_lie_between():
    units = [("6", ["1", "1", "", ""], "1"), ("8", ["", "", "1", "−1"], "−½")]
    arrows, words = drawn(Mixing("", "", hidden=units, output="2"))
    assert len(arrows) == 4 + 2
    assert {"6", "8", "−½"} <= set(words)


def test_without_weights_a_stack_of_two_kinds():
    _, words = drawn(Mixing("交替 | hybrid", "两种 | two kinds"))
    assert words.count("注意力 | attention") == words.count("词元 MLP | token MLP") == 2


def test_differences_are_black_only_where_the_corrected_p_is_small():
    found = [{"mean": m, "interval": [m - 1, m + 1], "p": 0.01} for m in (3.0, -2.0)]
    (axes,) = plot_differences(["a − b", "c − d"], found, [0.02, 0.06]).axes
    intervals = [line for line in axes.lines if len(line.get_xdata()) == 2][:2]
    assert [line.get_color() == "black" for line in intervals] == [True, False]
    assert list(intervals[0].get_xdata()) == [2.0, 4.0]
    assert {"0.0100", "0.020", "0.060"} <= {text.get_text() for text in axes.texts}
