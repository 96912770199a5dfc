import pytest
import torch
from matplotlib import pyplot as plt

from hdd.visualization.patches import show_image


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8)])
def test_show_image_draws_pixels_without_ticks(shape):
    figure, axes = plt.subplots()
    image = torch.randint(256, shape, dtype=torch.uint8)
    show_image(axes, image, "a")
    drawn = torch.from_numpy(axes.images[0].get_array().data)
    assert torch.equal(drawn, image.permute(1, 2, 0).squeeze(-1))
    assert axes.get_title() == "a"
    assert not axes.get_xticks().size
    figure.canvas.draw()
