import torch
from matplotlib.colors import to_rgba

from hdd.visualization import position_drawings as drawings


def test_a_stride_of_two_changes_the_numbers_under_a_shift_by_one():
    figure = drawings.plot_strides(torch.tensor([0.0, 0, 4, 2, 0, 0, 0, 0]))
    shown = [[t.get_text() for t in axes.texts] for axes in figure.axes]
    assert [numbers.count("3") for numbers in shown] == [2, 1, 2]


def test_the_permuted_mixing_shows_the_same_hidden_numbers_and_permuted_outputs():
    x = torch.tensor([[2.0], [0.0], [1.0]])
    w1, w2 = torch.tensor([[1.0, 2, 0], [0, 1, 3]]), torch.tensor([[1.0, 0], [1, 1], [0, 2]])
    figure = drawings.plot_permuted_mixing(x, w1, w2, torch.tensor([2, 0, 1]))
    above, below = (
        [t.get_text() for t in axes.texts if t.get_text().isdigit()] for axes in figure.axes
    )
    assert above[-3:] == ["2", "5", "6"]
    numbers, matrix = below[:-9], torch.tensor([int(text) for text in below[-9:]]).view(3, 3)
    assert numbers[-3:] == ["6", "2", "5"]
    assert sorted(above) == sorted(numbers)
    assert (matrix @ torch.tensor([2, 5, 6])).tolist() == [6, 2, 5]  # P y


def test_each_channel_of_a_window_comes_from_all_its_tokens():
    window = drawings.plot_three_mixers().axes[2]
    above = {p.get_facecolor() for p in window.patches if p.get_x() < 3 and p.get_y() < 3}
    strip = [p.get_facecolor() for p in window.patches if p.get_y() > drawings.SIDE]
    coloured = [color for color in strip if color[:3] != (1, 1, 1)]
    assert len(coloured) == 12 * 9
    assert len(set(coloured)) == 9
    assert set(coloured) <= above


def test_missing_columns_are_marked():
    figure = drawings.plot_weights_that_fit()
    marks = [sum(t.get_text() == "?" for t in axes.texts) for axes in figure.axes]
    assert marks == [0, 2 * 12]


def test_a_tiled_matrix_is_block_diagonal_in_one_of_its_numberings():
    columns_of_first = ({0, 1, 4, 5}, {0, 1, 2, 3})
    figure = drawings.plot_tiled_matrix()
    for axes, columns in zip(figure.axes, columns_of_first, strict=True):
        color = to_rgba(drawings.TINTS[0])
        boxes = [p.get_bbox() for p in axes.patches if p.get_facecolor() == color]
        assert {round(box.x0) - 6 for box in boxes if box.height == 0.5} == columns
        assert {box.y0 for box in boxes if box.height == 0.5} == {0, 0.5}  # two units


def test_a_moved_unit_is_drawn_on_one_scale():
    figure = drawings.plot_moved_unit(torch.randn(4, 4), torch.randn(4, 8, 8), torch.randn(8, 8))
    *panels, scale = figure.axes
    limits = {axes.images[0].get_clim() for axes in panels}
    assert len(panels) == 6
    assert len(limits) == 1
    assert scale.get_xlim() == limits.pop()  # the colour bar says what the colours mean


def test_shift_curves_leave_out_what_the_record_lacks():
    values = [{"mean": 80.0, "values": [79.0, 81.0]}, {"mean": 50.0, "values": [40.0, 60.0]}]
    record = {"pixels": [0, 4], "Mixer": {"accuracy": values, "unchanged": values}}
    looks = {"Mixer": ("Mixer", "blue", "-"), "ResNet": ("ResNet", "red", "-")}
    figure = drawings.plot_shift_curves(record, looks)
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]
    assert list(figure.axes[0].lines[0].get_ydata()) == [80, 50]
    band = figure.axes[0].collections[0].get_datalim(figure.axes[0].transData)
    assert (band.y0, band.y1) == (40, 81)  # from the smallest seed to the largest


def test_bars_are_means_and_dots_are_seeds():
    panels = {"data": {"net": [[60.0, 70.0], [50.0, 50.0], [10.0, 30.0]]}}
    figure = drawings.plot_permuted_bars(panels, {"net": "blue"}, ["a", "b", "c"])
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.texts] == ["65", "50", "20"]
    assert [len(line.get_ydata()) for line in axes.lines] == [2, 2, 2]


def test_moved_images_lie_below_the_same_grid():
    figure = drawings.plot_moved([torch.zeros(1, 28, 28)] * 2, ["a", "b"], 7)
    assert [len(axes.lines) for axes in figure.axes] == [10, 10]


def test_bars_before_and_after_fine_tuning_have_a_dot_for_each_seed():
    before, after = ({"mean": m, "n": 2, "values": [m - 1, m + 1]} for m in (20.0, 60.0))
    panels = {"data": (80.0, {"tiled": (before, after), "stretched": (after, after)})}
    (axes,) = drawings.plot_resized(panels).axes
    assert [bar.get_height() for bar in axes.patches] == [20, 60, 60, 60]
    dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "."]
    assert list(dots[0]) == [19, 21]
