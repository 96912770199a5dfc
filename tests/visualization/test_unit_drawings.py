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


def test_a_unit_adds_its_writing_map_times_its_value():
    read, write = torch.randn(8, 8), torch.randn(8, 8)
    figure = drawings.plot_unit_at_work(
        torch.rand(3, 32, 32), torch.randn(8, 8), read, write, -1.5, -0.1
    )
    shown = images(figure)
    assert len(shown) == 5
    torch.testing.assert_close(torch.tensor(shown[2]), read)
    torch.testing.assert_close(torch.tensor(shown[4]), -0.1 * write)
    assert "−1.50" in figure.axes[2].get_xlabel()
    assert "−0.10" in figure.axes[3].get_xlabel()


def test_captions_stand_under_the_learned_maps_alone():
    names = [f"{i} | {i}" for i in range(8)]
    figure = drawings.plot_captioned_units(torch.randn(8, 4, 4), names, torch.randn(8, 4, 4))
    assert [axes.get_xlabel() for axes in figure.axes] == [*names, *[""] * 8]


def test_maps_stand_above_their_values():
    figure = drawings.plot_scale([torch.randn(4, 4)] * 2, [-0.5, 0.8], ["a", "b"])
    (axes,) = (one for one in figure.axes if not one.images)
    assert [line.get_xdata()[0] for line in axes.lines] == [-0.5, 0.8]
    assert axes.get_xticks().tolist() == [-1, 0, 1]
    assert [text.get_text() for text in axes.texts] == ["−0.50", "0.80"]


@pytest.mark.parametrize("token", range(4))
def test_three_borders_add_up_to_what_is_near(token):
    (axes,) = drawings.plot_borders(token).axes
    numbers = [text.get_text().replace("−", "-") for text in axes.texts]
    numbers = [int(word) for word in numbers if word.lstrip("-").isdigit()]
    assert numbers[-4:] == [3 - 2 * abs(token - other) for other in range(4)]
    words = [split(text.get_text())[0] for text in axes.texts]
    assert [word for word in words if word.startswith("单元")] == ["单元 0", "单元 1", "单元 2"]
    assert words.count(f"词元 {token}") == 3  # of the readings, the writings, the products


def test_the_own_place_is_framed():
    figure = drawings.plot_growing_sum([torch.randn(4, 5)] * 2, ["1", "2"], (1, 3))
    for axes in figure.axes:
        (frame,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
        assert frame.get_xy() == (2.5, 0.5)


def test_amounts_and_signed_weights_have_their_colours():
    signed = torch.randn(6, 6)
    figure = drawings.plot_dependence_grids([signed, signed.abs()], ["a", "b"], (2, 3))
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    assert [image.get_cmap().name for image in shown] == [SIGNED, AMOUNT]
    assert all(image.colorbar for image in shown)


def test_a_frame_marks_its_moment():
    curves = {"a": ([0.1, 0.2, 0.4], "C0"), "b": ([0.0, 0.3, 0.5], "C1")}
    figure, axes = drawings.plot_unit_frame(torch.randn(8, 4, 4), 1.0, curves, 1)
    dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    assert [float(dot[0]) for dot in dots] == [0.2, 0.3]
    assert len(figure.axes) == 9
