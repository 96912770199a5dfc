import pytest
import torch
from matplotlib.figure import Figure

from hdd.visualization.patches import plot_images


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8)])
def test_plot_images_draws_each_with_its_title(shape):
    images = torch.randint(256, (5, *shape), dtype=torch.uint8)
    figure = plot_images(images, list("abcde"), columns=3)
    assert isinstance(figure, Figure)
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in drawn] == list("abcde")
    figure.canvas.draw()
