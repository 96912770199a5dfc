import pytest
import torch
from matplotlib.figure import Figure
from reading_weights import influence_maps
from torch import nn

from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp
from hdd.models.learned_weights import equivariant_share
from hdd.visualization.patches import plot_images


def circulant(kernel):
    h, w = kernel.shape
    matrix = torch.zeros(h, w, h, w)
    for row in range(h):
        for column in range(w):
            matrix[row, column] = kernel.roll((row, column), (0, 1))
    return matrix.reshape(h * w, h * w)


@pytest.mark.parametrize("grid", [(4, 4), (3, 5), (6, 2), (1, 7)])
def test_a_circular_convolution_is_all_equivariant(grid):
    torch.manual_seed(0)
    matrix = circulant(torch.randn(grid))
    assert equivariant_share(matrix, grid) == pytest.approx(1, abs=1e-5)
    # Its rows in another order are a convolution no more.
    assert equivariant_share(matrix[torch.randperm(len(matrix))], grid) < 0.9


def test_equivariance_depends_on_the_grid_not_only_on_its_size():
    torch.manual_seed(0)
    assert equivariant_share(circulant(torch.randn(3, 4)), (4, 3)) < 0.9


@pytest.mark.parametrize("grid", [(4, 4), (8, 8), (3, 5)])
def test_a_random_matrix_has_a_share_of_one_in_s(grid):
    torch.manual_seed(0)
    s = grid[0] * grid[1]
    shares = [equivariant_share(torch.randn(s, s), grid) for _ in range(20)]
    assert sum(shares) / 20 == pytest.approx(1 / s, rel=0.2)


def test_share_takes_a_weight_that_is_being_trained():
    assert 0 < equivariant_share(nn.Linear(16, 16).weight, (4, 4)) < 1


@pytest.mark.parametrize("shape", [(12, 12), (16, 9), (16,)])
def test_a_matrix_of_another_grid_is_refused(shape):
    with pytest.raises(ValueError, match=r"matrix of shape .* does not fit grid=\(4, 4\)"):
        equivariant_share(torch.zeros(shape), (4, 4))


def off_diagonal(matrix):
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def test_channel_mixing_hears_no_other_token():
    torch.manual_seed(0)
    tokens, channels = influence_maps(Mlp(6, 12), torch.randn(5, 6))
    assert tokens.shape == (5, 5)
    assert channels.shape == (6, 6)
    assert (off_diagonal(tokens) == 0).all()
    assert (tokens.diagonal() > 0).all()
    assert (off_diagonal(channels) > 0).all()


def test_token_mixing_hears_no_other_channel():
    torch.manual_seed(0)
    mixing = Mlp(5, 12)
    tokens, channels = influence_maps(
        lambda x: mixing(x.transpose(1, 2)).transpose(1, 2), torch.randn(5, 6)
    )
    assert (off_diagonal(channels) == 0).all()
    assert (channels.diagonal() > 0).all()
    assert (off_diagonal(tokens) > 0).all()


def test_a_block_hears_everything():
    torch.manual_seed(0)
    tokens, channels = influence_maps(MixerBlock(4, 6, 8, 12), torch.randn(4, 6))
    assert (tokens > 0).all()
    assert (channels > 0).all()


def test_rows_of_an_influence_map_are_the_listeners():
    def shift(x):  # token 0 of the output is token 1 of the input, times 3
        return 3 * x.roll(-1, 1)

    tokens, _ = influence_maps(shift, torch.randn(4, 2))
    expected = torch.zeros(4, 4)
    expected[range(4), [1, 2, 3, 0]] = 3 * 2**0.5  # Frobenius norm of 3 times a 2 x 2 identity
    torch.testing.assert_close(tokens, expected)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8)])
def test_plot_images_draws_each_with_its_title(shape):
    images = torch.randint(256, (5, *shape), dtype=torch.uint8)
    figure = plot_images(images, list("abcde"), columns=3)
    assert isinstance(figure, Figure)
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in drawn] == list("abcde")
    figure.canvas.draw()
