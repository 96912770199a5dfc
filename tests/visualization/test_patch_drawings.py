from itertools import pairwise

import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hdd.teaching.language import split
from hdd.visualization import patch_drawings as drawings


def cells(axes):
    """Return (left, top, number, colour) of the unit squares with numbers, as they were drawn."""
    found = []
    for text in axes.texts:
        x, y = text.get_position()
        for patch in axes.patches:
            unit = isinstance(patch, Rectangle) and patch.get_width() == patch.get_height() == 1
            if unit and abs(patch.get_x() + 0.5 - x) < 1e-6 and abs(patch.get_y() + 0.5 - y) < 1e-6:
                color = to_hex(patch.get_facecolor())
                found.append((patch.get_x(), patch.get_y(), int(text.get_text()), color))
    return found


def test_numbers_of_a_patch_have_one_colour_and_stand_in_one_row_of_the_table():
    image = torch.arange(16).view(4, 4) + 3
    found = cells(drawings.plot_cutting(image, 2).axes[0])
    whole, table, first, last, apart = (found[i : i + 16] for i in range(0, 80, 16))
    assert [number for _, _, number, _ in whole] == list(range(3, 19))
    rows = [[number for _, _, number, _ in table[i : i + 4]] for i in range(0, 16, 4)]
    assert rows == [[3, 4, 7, 8], [5, 6, 9, 10], [11, 12, 15, 16], [13, 14, 17, 18]]
    assert [{color for *_, color in table[i : i + 4]} for i in range(0, 16, 4)] == [
        {to_hex(tint)} for tint in drawings.TINTS
    ]
    assert [number for _, _, number, _ in first] == list(range(3, 19))  # reshape: in order
    assert [number for _, _, number, _ in last] == [
        number for row in rows for number in row
    ]  # after permute: patch by patch
    assert [number for _, _, number, _ in apart] == [number for _, _, number, _ in last]
    lefts = [left for left, *_ in apart]
    steps = [round(b - a, 6) for a, b in pairwise(lefts)]
    assert [i for i, step in enumerate(steps) if step > 1] == [3, 7, 11]  # cut after every four
    colors = {number: color for *_, number, color in whole}
    assert all(colors[number] == color for *_, number, color in found)


@pytest.mark.parametrize(("shape", "p"), [((3, 16, 16), 4), ((1, 28, 28), 7), ((3, 8, 16), 8)])
def test_a_real_image_its_patches_and_its_table(shape, p):
    channels, height, width = shape
    image = torch.randint(256, shape, dtype=torch.uint8)
    grid = image.view(channels, height // p, p, width // p, p).permute(1, 3, 0, 2, 4)
    patches = grid.reshape(-1, channels, p, p)
    whole, apart, table = drawings.plot_table(image, patches, chosen=1).axes
    assert table.images[0].get_array().shape == (len(patches), channels * p * p)
    (frame,) = (patch for patch in whole.patches if isinstance(patch, Rectangle))
    assert frame.get_xy() == (p - 0.5, -0.5)  # patch 1 lies to the right of patch 0
    cuts = table.collections[0].get_segments()  # between the pixel rows of the chosen patch
    assert [cut[0, 0] for cut in cuts] == [k * p - 0.5 for k in range(1, channels * p)]
    names = [text.get_text() for text in apart.texts]
    assert names == ([str(i) for i in range(len(patches))] if len(patches) <= 16 else ["1"])
    assert split(apart.get_title())[1] == f"{len(patches)} patches"


def test_the_pixels_of_the_chosen_row_are_coloured():
    image, places = torch.zeros(1, 4, 4, dtype=torch.uint8), torch.arange(16).view(4, 4)
    squares = places.view(2, 2, 2, 2).transpose(1, 2).reshape(4, 4)
    above, _, below, _ = drawings.plot_two_cuts(image, squares, places, chosen=1).axes
    for axes, expected in ((above, {2, 3, 6, 7}), (below, {4, 5, 6, 7})):
        ink = axes.images[0].get_array().sum(-1).flatten() > 0
        assert {i for i, marked in enumerate(ink) if marked} == expected


def test_windows_are_counted():
    left, right = drawings.plot_windows(8, {3: 1, 4: 4}).axes
    assert split(left.get_title())[1].endswith("36 overlapping windows")
    assert split(right.get_title())[1].endswith("4 separate windows")
    assert split(right.get_title())[0].endswith("4 个不重叠的窗口")
    windows = [(p.get_width(), p.get_height()) for p in right.patches if p.get_width() > 1]
    assert windows == [(4, 4)] * 4


def test_filters_share_a_scale_before_and_after_with_grey_for_zero():
    before, after = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    before[:, 0, 0, 0], after[:, 1, 2, 3] = 25.0, -50.0
    *panels, red, green, blue = drawings.plot_filters(before, after, [7, 2]).axes
    assert [split(axes.get_title())[1] for axes in panels[:2]] == ["channel 7", "channel 2"]
    pictures = [axes.images[0].get_array() for axes in panels]
    assert pictures[4].shape == (1, 1, 3)  # the mean of 4 x 4 weights
    assert pictures[4].flatten().tolist() == [0.75, 0.5, 0.5]
    assert pictures[6].flatten().tolist() == [0.5, 0, 0.5]
    assert [float(p[1, 1, 1]) for p in pictures[:4]] == [0.5] * 4
    assert [float(p[0, 0, 0]) for p in pictures[:4]] == [0.75, 0.75, 0.5, 0.5]
    assert [float(p[2, 3, 1]) for p in pictures[:4]] == [0.5, 0.5, 0, 0]
    for channel, axes in enumerate((red, green, blue)):
        strip = axes.images[0].get_array()
        assert strip[0, 0].tolist() == [0.0 if i == channel else 0.5 for i in range(3)]
        assert strip[0, -1].tolist() == [1.0 if i == channel else 0.5 for i in range(3)]


def test_an_image_is_cut_into_patches_of_each_size():
    panels = drawings.plot_sizes(torch.zeros(1, 8, 8, dtype=torch.uint8), [4, 2]).axes
    assert [split(axes.get_title())[1] for axes in panels] == [
        "P = 4: 4 tokens",
        "P = 2: 16 tokens",
    ]
    assert [len(axes.lines) for axes in panels] == [6, 10]


def test_unread_pixels_are_pink_and_their_share_is_named():
    unread = torch.zeros(4, 4, dtype=torch.bool)
    unread[3], unread[:, 3] = True, True
    (axes,) = drawings.plot_unread(torch.zeros(1, 4, 4, dtype=torch.uint8), unread, 3).axes
    ink = axes.images[0].get_array().sum(-1) > 0
    assert ink.tolist() == unread.tolist()
    assert split(axes.get_title())[1] == "P = 3: 43.8% of the pixels are unread"
