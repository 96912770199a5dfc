import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hdd.teaching.language import split
from hdd.visualization import overview_drawings as drawings
from hdd.visualization.class_names import in_both

X = torch.tensor([[1, 2], [3, 0], [0, 1]])


def coloured(axes):
    """Return the number of coloured cells of each colour."""
    colors = [to_hex(p.get_facecolor()) for p in axes.patches if isinstance(p, Rectangle)]
    return {color: colors.count(color) for color in set(colors) - {"#ffffff"}}


def test_cells_that_change_are_coloured():
    changed = X.clone()
    changed[1, 0] = 7
    figure = drawings.plot_one_change(X, changed, lambda t: t.flip(1), lambda t: t + t.sum(0))
    (axes,) = figure.axes
    assert sorted(coloured(axes).values()) == [1, 1, 3]  # input, channel mixing, token mixing
    texts = [text.get_text() for text in axes.texts]
    assert "7" in texts
    sums = [texts[i + 1 : i + 3] for i, text in enumerate(texts) if text.startswith("列和")]
    assert sums == [["4", "3"], ["8", "3"]]


def test_a_wrong_answer_is_framed_and_the_test_result_stands_at_the_last_epoch():
    history = {"train_accuracy": [0.5, 0.9], "val_accuracy": [0.6, 0.8]}
    answers = [("包 | Bag", True)] * 9 + [("外套\n(包) | Coat\n(Bag)", False)]
    figure = drawings.plot_result(history, 0.75, torch.rand(10, 1, 4, 4), answers)
    curve, *cells = figure.axes
    (star,) = [line for line in curve.lines if line.get_marker() == "*"]
    assert [tuple(map(float, x)) for x in star.get_data()] == [(2.0,), (0.75,)]
    framed = [cell.spines["left"].get_visible() for cell in cells]
    assert framed == [False] * 9 + [True]


def test_changed_rows_are_counted_in_the_title():
    change = torch.zeros(5, 3)
    change[[1, 4], 0] = 1
    figure = drawings.plot_spread({"甲 | a": change, "乙 | b": change + 1}, "viridis", ["red", "k"])
    one, all_rows, _ = figure.axes
    assert (one.title.get_color(), all_rows.title.get_color()) == ("red", "k")
    assert split(one.get_title()) == ("甲\n变化的行：2 / 5", "a\nrows changed: 2 of 5")
    assert split(all_rows.get_title())[1] == "b\nrows changed: 5 of 5"


def test_no_change_has_a_colour_of_its_own():
    change = torch.tensor([[0.0, 1e-9, 1.0]])
    figure = drawings.plot_spread({"甲 | a": change, "乙 | b": change}, "viridis")
    axes = figure.axes[0]
    (picture,) = axes.images
    colors = [to_hex(color) for color in picture.cmap(picture.norm(picture.get_array()))[0]]
    assert colors[0].upper() == drawings.UNCHANGED
    assert colors[1] != colors[0]  # however small, it is a change
    (legend,) = figure.legends
    assert to_hex(legend.get_patches()[0].get_facecolor()).upper() == drawings.UNCHANGED


def test_wrong_predictions_have_the_right_class_in_brackets():
    logits, labels = torch.eye(3)[[0, 2]], torch.tensor([0, 1])
    names = in_both(["Coat", "Shirt", "something"])
    assert names == ["外套 | Coat", "衬衫 | Shirt", "something"]
    right, wrong = drawings.predictions(logits, labels, names)
    assert right == ("外套 | Coat", True)
    assert [split(wrong[0]), wrong[1]] == [("something\n(衬衫)", "something\n(Shirt)"), False]
