import pytest
import torch
from matplotlib.patches import Rectangle

from hdd.teaching.language import split
from hdd.visualization import unit_drawings as drawings
from hdd.visualization.style import AMOUNT, SIGNED


def images(figure):
    return [axes.images[0].get_array() for axes in figure.axes if axes.images]


def test_the_ship_is_a_picture_with_more_at_the_left():
    ship = drawings.painted_ship()
    assert ship.shape == (3, 32, 32)
    assert 0 <= float(ship.min()) < float(ship.max()) <= 1
    mirrored = ship.flip(2)
    assert float((ship - mirrored).abs().max()) > 0.3


def test_a_unit_has_two_maps_and_one_number_between_them():
    channel, read, write = torch.randn(8, 8), torch.randn(8, 8), torch.zeros(8, 8)
    channel[:, :4] += 1 - channel[:, :4].mean() + channel[:, 4:].mean()  # left − right is 1
    write[:, 4:] = -2.0
    picture = torch.rand(3, 32, 32)
    figure = drawings.plot_unit_at_work(picture, channel, read, write, -1.5, -0.1)
    shown = images(figure)
    assert len(shown) == 5
    for drawn, values in zip(shown[1:], (channel, read, write, channel - 0.1 * write), strict=True):
        torch.testing.assert_close(torch.tensor(drawn), values)
    labels = [axes.get_xlabel() for axes in figure.axes]
    for label, number in zip(labels[1:], ("1.00", "−1.50", "−0.10", "0.80"), strict=True):
        assert number in label


def test_what_a_unit_shows_stands_under_its_learned_map_alone():
    names = [f"{i} 号\n边 | unit {i}\nedge" for i in range(8)]
    figure = drawings.plot_captioned_units(torch.randn(8, 4, 4), names, torch.randn(8, 4, 4))
    units = [f"{i} 号\n  | unit {i}\n " for i in range(8)]
    assert [axes.get_xlabel() for axes in figure.axes] == [*names, *units]


def test_maps_stand_above_their_values():
    figure = drawings.plot_scale([torch.randn(4, 4)] * 2, [-0.5, 0.8], ["a", "b"])
    (axes,) = (one for one in figure.axes if not one.images)
    assert [line.get_xdata()[0] for line in axes.lines] == [-0.5, 0.8]
    assert axes.get_xticks().tolist() == [-1, 0, 1]
    assert [text.get_text() for text in axes.texts] == ["−0.50", "0.80"]


def test_relabelling_moves_rows_and_columns_or_the_rows_alone():
    matrix, order = torch.tensor([[2, 1, 0], [0, 2, 1], [1, 0, 2]]), torch.tensor([0, 2, 1])
    panels = drawings.plot_relabelling(matrix, order, ["a", "b", "c"]).axes
    tables, columns = [], []
    for axes in panels:
        digits = [int(text.get_text()) for text in axes.texts if text.get_text().isdigit()]
        tables.append(torch.tensor(digits[:9]).view(3, 3))
        columns.append(digits[10::2])  # the labels: row, column, row, ...
        frames = [p.get_xy() for p in axes.patches if isinstance(p, Rectangle) and not p.get_fill()]
        assert frames == [(0, 0), (1, 1), (2, 2)]
    assert [table.diagonal().tolist() for table in tables] == [[2, 2, 2], [2, 2, 2], [2, 0, 1]]
    assert sorted(tables[1].flatten().tolist()) == sorted(matrix.flatten().tolist())
    assert tables[1][0].tolist() == [2, 0, 1]  # old columns 0, 2, 1 of row 0
    assert columns == [[0, 1, 2], [0, 2, 1], [0, 1, 2]]


@pytest.mark.parametrize("token", range(4))
def test_products_of_what_is_read_and_written_add_up(token):
    read = torch.tensor([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1]])
    write = read * torch.tensor([[2], [1], [1]])
    (axes,) = drawings.plot_products(read, write, token).axes
    numbers = [text.get_text().replace("−", "-") for text in axes.texts]
    numbers = [int(word) for word in numbers if word.lstrip("-").isdigit()]
    products = [write[unit, token] * read[unit, other] for unit in range(3) for other in range(4)]
    assert numbers[-16:-4] == products
    assert numbers[-4:] == [(4, 2, 0, 2)[(token - other) % 4] for other in range(4)]
    words = [split(text.get_text())[0] for text in axes.texts]
    assert [word for word in words if word.startswith("单元")] == ["单元 0", "单元 1", "单元 2"]
    assert words.count(f"词元 {token}") == 3  # of the readings, the writings, the products


def test_the_own_place_is_framed_and_weak_maps_can_be_seen():
    weak = torch.randn(4, 5)
    figure = drawings.plot_growing_sum([weak, 10 * weak], ["1", "2"], (1, 3))
    for axes in figure.axes:
        (frame,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        assert frame.get_xy() == (2.5, 0.5)
    limits = [axes.images[0].get_clim()[1] for axes in figure.axes]
    assert limits[1] == pytest.approx(10 * limits[0])


def test_amounts_and_signed_weights_have_their_colours():
    signed = torch.randn(6, 6) + 100 * torch.eye(6)
    figure = drawings.plot_dependence_grids([signed, signed.abs()], ["a", "b"], (2, 3), (1, 2))
    panels = [axes for axes in figure.axes if axes.images]
    shown = [axes.images[0] for axes in panels]
    assert [image.get_cmap().name for image in shown] == [SIGNED, AMOUNT]
    assert all(image.colorbar.ax.get_xlabel() for image in shown)
    for axes, image in zip(panels, shown, strict=True):
        assert image.get_clim()[1] < 10  # the diagonal sets no colour ...
        pixels = image.get_array()
        assert pixels.mask[0, 0]  # ... and has none
        assert not pixels.mask[0, 1]
        (frame,) = axes.patches
        assert frame.get_xy() == (7, 2)  # of maps 2 high and 3 wide, one apart


def test_a_frame_marks_its_moment_and_what_is_beyond_chance():
    curves = {"a": ([0.1, 0.2, 0.4], [False, True, True], "C0")}
    curves["b"] = ([0.0, 0.3, 0.5], [False, False, True], "C1")
    maps, names = torch.randn(8, 4, 4), [f"{k}" for k in range(8)]
    figure, axes = drawings.plot_unit_frame(maps, names, 1.0, curves, 1, "epoch 2")
    dots = [line for line in axes.lines if line.get_marker() == "o" and len(line.get_xdata())]
    hollow = [float(dot.get_ydata()[0]) for dot in dots if dot.get_markerfacecolor() == "white"]
    assert len(dots) == 6
    assert hollow == [0.1, 0.0, 0.3]
    assert axes.lines[0].get_xdata() == [1, 1]
    assert len(figure.axes) == 10  # eight maps, their colour bar, the curves
    left = figure.subfigs[0]
    assert left.get_suptitle() == "epoch 2"
