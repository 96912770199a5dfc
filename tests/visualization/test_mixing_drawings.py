import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hdd.teaching.language import split
from hdd.visualization import mixing_drawings as drawings

X = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
W = torch.tensor([[1.0, 2.0, 1.0], [3.0, 1.0, 1.0], [1.0, 1.0, 2.0]])
V = torch.tensor([[1.0, -1.0], [1.0, 2.0]])


def numbers(axes):
    """Return the numbers that stand in axes, from the top left to the bottom right of each part."""
    found = []
    for text in axes.texts:
        word = text.get_text().replace("−", "-")
        if word.lstrip("-").replace(".", "").isdigit():
            found.append(float(word))
    return found


def squares(axes):
    """Return the colour of each unit square by its (row, column)."""
    return {
        (round(patch.get_y()), round(patch.get_x())): to_hex(patch.get_facecolor())
        for patch in axes.patches
        if isinstance(patch, Rectangle)
    }


def test_einsum_shows_both_products_and_one_sum_of_each():
    above, below = drawings.plot_einsum(X, W, V).axes
    assert numbers(above) == [*W.flatten(), *X.flatten(), *(W @ X).flatten()]
    assert numbers(below) == [*X.flatten(), *V.flatten(), *(X @ V).flatten()]
    assert above.texts[-1].get_text() == "3 × 1 + 1 × 3 + 1 × 0 = 6"
    assert below.texts[-1].get_text() == "3 × (−1) + 0 × 2 = −3"


def test_inputs_that_change_nothing_stay_empty_and_small_changes_do_not():
    full, diagonal = 0.01 + torch.rand(4, 4), torch.eye(3)
    pairs = dict.fromkeys(("甲 | a", "乙 | b", "丙 | c"), (full, diagonal))
    axes = drawings.plot_dependence(pairs).axes
    assert not torch.as_tensor(axes[0].images[0].get_array().mask).any()
    empty = torch.as_tensor(axes[3].images[0].get_array().mask)
    assert torch.equal(empty, diagonal == 0)
    assert axes[3].patch.get_hatch()
    assert split(axes[3].get_ylabel()) == ("输出通道", "output channel")


def test_a_row_is_folded_line_by_line_and_positions_are_counted():
    row = torch.arange(16.0)
    strip, kernel, small, large = drawings.plot_kernel(row, 4).axes
    assert strip.images[0].get_array().tolist() == [row.tolist()]
    assert kernel.images[0].get_array()[1].tolist() == [4, 5, 6, 7]
    assert split(small.get_title()) == ("3 × 3 的核：\n4 个位置", "Kernel of 3 × 3:\n4 positions")
    assert split(large.get_title())[1].endswith("\n1 position")


def test_a_ring_has_a_colour_for_each_offset():
    matrix = torch.arange(9.0).view(3, 3)
    _, left, right = drawings.plot_ring(matrix, -matrix).axes
    colors = squares(left)
    assert len(set(colors.values())) == 3
    assert colors[0, 1] == colors[1, 2] == colors[2, 0]  # the last one goes around
    assert numbers(left)[:9] == matrix.flatten().tolist()
    assert squares(right) == colors


def test_factors_of_attention_change_with_the_image_and_v_does_not():
    images = torch.stack([X, X + 1])
    first, second, *mixing = drawings.plot_attention(images, V).axes
    for axes, image in zip((first, second), images, strict=True):
        average = image.mean(0)
        shown = torch.tensor(numbers(axes))[6:10]  # after the table: averages, factors
        torch.testing.assert_close(
            shown, torch.cat([average, average.sigmoid()]), atol=6e-3, rtol=0
        )
    for axes, image in zip(mixing, images, strict=True):
        assert numbers(axes) == [*image.flatten(), *V.flatten(), *(image @ V).flatten()]


def test_shares_are_ratios_of_sums_of_squares():
    matrix = torch.arange(9.0).view(3, 3)
    above, below = drawings.plot_shares({"M | M": (2 * matrix, matrix, 1 / 3)}).axes
    assert numbers(above) == (2 * matrix).flatten().tolist()
    assert split(above.get_title()) == (
        "M\n占比 0.25（随机 0.33）",
        "M\nshare 0.25 (random 0.33)",
    )
    assert split(below.texts[9].get_text())[1] == "sum of squares 204.0"


def test_the_big_matrices_do_what_their_titles_say():
    first, *panels = drawings.plot_kronecker(X, W, V).axes
    assert numbers(first)[6:] == X.T.flatten().tolist()
    shown = []
    for axes in panels:
        matrix = torch.zeros(6, 6)
        for text in axes.texts:
            x, y = text.get_position()
            matrix[int(y), int(x)] = float(text.get_text().replace("−", "-"))
        shown.append((matrix @ X.T.flatten()).view(2, 3).T)
    for result, expected in zip(shown, [W @ X, X @ V, W @ X @ V], strict=True):
        torch.testing.assert_close(result, expected)
