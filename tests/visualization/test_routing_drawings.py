import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch, Rectangle

from hdd.visualization import routing_drawings as drawings

SOURCE = torch.tensor([3, 0, 1, 2])
X = torch.tensor([2.0, -1.0, 1.0, 0.0])
IDENTITY = torch.eye(4)
P = IDENTITY[SOURCE]
W1 = torch.cat([P, -P])
W2 = torch.cat([IDENTITY, -IDENTITY], dim=1)
B1 = torch.zeros(8)


def words(axes):
    return [text.get_text().replace("−", "-") for text in axes.texts]


def arrows(axes):
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


def frames(axes):
    """Return the colours of the frames around pairs."""
    patches = [p for p in axes.patches if isinstance(p, Rectangle) and not p.get_fill()]
    return [to_hex(patch.get_edgecolor()) for patch in patches]


def test_a_routing_has_an_arrow_for_each_token_and_its_result():
    left, right = drawings.plot_routing(SOURCE, X).axes
    assert len(arrows(left)) == 4
    beside = [float(word) for word in words(left) if word.lstrip("-").isdigit()]
    assert beside[4:8] == X.tolist()
    assert beside[12:] == X[SOURCE].tolist()
    numbers = [float(word) for word in words(right) if word.lstrip("-").isdigit()]
    assert numbers[:16] == P.flatten().tolist()
    assert numbers[16:24] == [*X.tolist(), *X[SOURCE].tolist()]


def test_the_pair_of_curves_adds_up():
    (axes,) = drawings.plot_gelu_pair(-1.0).axes
    assert [word for word in words(axes) if word] == ["-0.16", "-0.84", "-1.00"]
    gelu, negative, line = (curve.get_ydata() for curve in axes.lines[2:5])
    assert gelu + negative == pytest.approx(line, abs=1e-6)


def test_the_answer_by_hand_arrives():
    (axes,) = drawings.plot_by_hand(W1, W2, X).axes
    right = max(patch.get_x() for patch in axes.patches)  # of the last table
    outputs = [text for text in axes.texts if text.get_position()[0] == right + 0.5]
    numbers = [text.get_text().replace("−", "-") for text in outputs]
    assert [float(word) for word in numbers if word != "$Px$"] == X[SOURCE].tolist()
    assert "-0" not in words(axes)
    assert frames(axes) == 2 * frames(axes)[:8]  # W1 and W2: the same colour for the same pair
    assert len(set(frames(axes))) == 4


def test_products_show_their_numbers_and_pairs_their_frames():
    other = W1.clone()
    other[4] = W1[1]  # not opposite to unit 0
    rows = [("手写 | by hand", W1, B1, W2), ("训练得到 | trained", other, B1, W2)]
    axes = drawings.plot_hand_and_trained(rows).axes[0]
    numbers = [float(word) for word in words(axes) if "." in word]
    assert numbers == (2 * P).flatten().tolist() + (W2 @ other).flatten().tolist()
    assert words(axes).count("手写 | by hand") == 1
    assert len(frames(axes)) == 2 * 3 + 2 * 8 + 2 * 6  # outlines of matrices, 4 pairs, 3 pairs


def test_all_weights_have_cells_of_one_size():
    axes = drawings.plot_hand_and_trained([("手写 | by hand", W1, B1, W2)]).axes[0]
    shapes = []
    for image in axes.images:
        left, right, bottom, top = image.get_extent()
        shapes.append((bottom - top, right - left))
    assert torch.tensor(shapes).round().tolist() == [[8, 4], [8, 1], [4, 8]]


def test_every_unit_has_its_dot_and_every_column_its_mean():
    _, axes = plt.subplots()
    columns = [[torch.tensor([-1.0, 0.0]), torch.tensor([0.4])], [torch.zeros(5)]]
    drawings.plot_each_unit(axes, columns, "black", 0.2)
    dots, mean, more, _ = axes.lines
    assert dots.get_ydata().tolist() == pytest.approx([-1, 0, 0.4])
    assert mean.get_ydata() == pytest.approx([-0.2, -0.2])
    assert all(1 < x < 1.4 for x in more.get_xdata())


def test_a_bottleneck_has_a_line_from_every_token_to_every_unit():
    _, axes = plt.subplots()
    drawings.plot_bottleneck(axes, tokens=4, hidden=2)
    assert len(axes.lines) == 8
    assert "$D_S=2$" in words(axes)


def test_pairing_names_the_share_of_units_with_a_partner():
    lows = [torch.tensor([-0.95, 0.0, 0.0, 0.0]), torch.tensor([-1.0, -0.92, 0.0, 0.0])]
    lows = {0.5: [torch.zeros(2)] * 2, 4: lows}
    means = {0.5: [1.0, 1.1], 4: [0.2, 0.3]}
    figure = drawings.plot_pairing([lows, lows], [means, means], {0.5: -0.3, 4: -0.4})
    left, right = figure.axes
    assert any("25%–50%" in word for word in words(left))
    assert [label.get_text() for label in right.get_xticklabels()] == ["S/2", "4S"]


def test_pairs_have_their_cosine():
    maps = torch.randn(16, 3, 3)
    maps[8:] = -maps[:8]
    cosine = torch.full((16, 16), -1.0)
    figure = drawings.plot_pairs(maps, [(i, i + 8) for i in range(5)], cosine)
    *panels, empty, bar = figure.axes
    assert len(panels) == 5
    assert not empty.images
    assert bar.get_ylabel() == "权重 | weight"
    assert all("−1.00" in axes.get_title() for axes in panels)
    left, right = (image.get_array() for image in panels[0].images)
    assert (left == -right).all()


def test_arrows_on_a_grid_leave_out_tokens_that_stay():
    _, axes = plt.subplots()
    drawings.plot_grid_routing(axes, torch.tensor([0, 2, 1, 3]), (2, 2))
    assert len(arrows(axes)) == 2
    assert len(axes.lines) == 2


def test_a_shift_is_not_drawn_where_it_goes_around_the_edge():
    _, axes = plt.subplots()
    drawings.plot_grid_routing(axes, torch.arange(9).view(3, 3).roll(1, 1).flatten(), (3, 3))
    assert len(arrows(axes)) == 6
    assert [text.get_text() for text in axes.texts] == ["0", "3", "6"]


def test_some_arrows_of_a_tangle_are_enough():
    _, axes = plt.subplots()
    source = torch.tensor([8, 5, 0, 7, 2, 6, 3, 1, 4])
    drawings.plot_grid_routing(axes, source, (3, 3), drawn=3)
    assert len(arrows(axes)) == 3
