"""The drawings of the recipe show what is computed."""

import pytest
import torch

from hdd.visualization.recipe_drawings import averaged, noisy_path, plot_cutmix, plot_paths


def test_the_target_bars_share_one():
    figure = plot_cutmix(torch.rand(3, 1, 8, 8), (2, 6, 1, 5), ("a", "b"), 0.25)
    widths = [bar.get_width() for bar in figure.axes[3].patches]
    assert widths == [0.75, 0.25]


def test_the_box_lies_around_its_pixels():
    figure = plot_cutmix(torch.rand(3, 1, 8, 8), (2, 6, 1, 5), ("a", "b"), 0.25)
    (box,) = figure.axes[2].patches
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (0.5, 1.5, 4, 4)


def test_the_average_of_three_weights():
    path = torch.tensor([[4.0, 0.0], [0.0, 0.0], [4.0, 0.0]])
    assert averaged(path, 0.5)[:, 0].tolist() == [4, 2, 3]


def test_without_noise_the_path_ends_in_the_minimum():
    path = noisy_path(torch.ones(200), rate=0.6, noise=0.0, seed=0)
    assert path[-1].abs().max() < 1e-6


@pytest.mark.parametrize("remedy", ["average", "falling rate"])
def test_both_remedies_end_nearer_on_average(remedy):
    steps = 60
    shares = torch.ones(steps) if remedy == "average" else torch.linspace(1, 0, steps)
    far = near = 0.0
    for seed in range(60):
        constant = noisy_path(torch.ones(steps), 0.6, 0.7, seed)
        calm = (
            averaged(constant, 0.9) if remedy == "average" else noisy_path(shares, 0.6, 0.7, seed)
        )
        far += constant[-1].square().sum().item()
        near += calm[-1].square().sum().item()
    assert near < far / 2


def test_the_right_path_ends_near_the_star():
    right = plot_paths(torch.linspace(1, 0, 60)).axes[1]
    end = next(line for line in right.lines if line.get_marker() == "o")
    assert abs(end.get_xdata()[0]) + abs(end.get_ydata()[0]) < 0.3
