import pytest
import torch
from torchvision.transforms.functional import to_pil_image

from hdd.data_util.auto_augmentation import CIFAR10Policy


@pytest.mark.parametrize("kind", [lambda tensor: tensor, to_pil_image], ids=["tensor", "Pillow"])
def test_a_picture_is_changed_in_many_ways_and_stays_what_it_is(kind):
    torch.manual_seed(0)
    image = kind(torch.arange(768, dtype=torch.int16).remainder(251).byte().view(3, 16, 16))
    policy = CIFAR10Policy()
    results = [policy(image) for _ in range(30)]
    assert {type(result) for result in results} == {type(image)}
    pixels = {r.numpy().tobytes() if torch.is_tensor(r) else r.tobytes() for r in results}
    assert len(pixels) > 10
