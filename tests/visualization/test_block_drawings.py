import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Circle, Rectangle

from hdd.teaching.language import split
from hdd.visualization import block_drawings as drawings
from hdd.visualization.style import CHANNEL, TOKEN


def test_each_stage_of_layer_norm_shows_its_numbers():
    token = torch.tensor([9.0, 3.0, 3.0, 1.0])
    gain, shift = torch.tensor([3.0, 3.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0, 0.0])
    panels = drawings.plot_layer_norm(token, gain, shift).axes
    heights = [[bar.get_height() for bar in axes.patches] for axes in panels]
    expected = [[9, 3, 3, 1], [5, -1, -1, -3], [5 / 3, -1 / 3, -1 / 3, -1], [5, -1, 1, -1]]
    for found, wanted in zip(heights, expected, strict=True):
        assert found == pytest.approx(wanted)
    assert [text.get_text() for text in panels[2].texts] == ["1.67", "−0.33", "−0.33", "−1"]
    assert r"$\mu=4$, $\sigma=3$" in panels[0].get_title()


def test_gelu_is_drawn_beside_relu():
    share, curve = drawings.plot_gelu().axes
    x, phi = (torch.as_tensor(part) for part in share.lines[0].get_data())
    assert 0 <= phi.min() < 0.01
    assert 0.99 < phi.max() <= 1
    relu, gelu = (torch.as_tensor(line.get_ydata()) for line in curve.lines[:2])
    assert torch.allclose(relu, torch.nn.functional.relu(x))
    assert torch.allclose(gelu, torch.nn.functional.gelu(x), atol=1e-6)


def test_both_halves_of_the_block_say_what_they_mix_and_where_the_input_is_added():
    above, below = drawings.plot_block().axes
    for axes, color, turned in ((above, TOKEN, 2), (below, CHANNEL, 0)):
        words = [split(text.get_text())[1] for text in axes.texts]
        assert words.count("(C, S)") == turned
        assert words.count("residual connection") == words.count("+") == 1
        assert sum(isinstance(patch, Circle) for patch in axes.patches) == 1
        assert axes.title.get_color() == color
    assert [t.get_text() for t in below.texts][1] == "$X'$"  # what comes out above goes in below
    assert "$X'$" in [t.get_text() for t in above.texts]


def test_the_rows_that_an_mlp_mixes_are_tinted_before_and_after_it():
    for axes, color in zip(drawings.plot_block().axes, (TOKEN, CHANNEL), strict=True):
        tint = plt.matplotlib.colors.to_rgba(drawings.LIGHT[color])
        cells = [p for p in axes.patches if isinstance(p, Rectangle) and p.get_facecolor() == tint]
        width = drawings.S if color == TOKEN else drawings.C
        assert len(cells) == 2 * width
