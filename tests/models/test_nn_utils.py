import pytest
import torch
from torch import nn

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_macs


@pytest.mark.parametrize("training", [True, False])
def test_counting_leaves_the_mode_even_if_the_network_fails(training):
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout()).train(training)
    assert count_macs(net, (3, 4, 4)) == 3 * 2 * 16
    with pytest.raises(ValueError, match=r"input_shape=\(5, 4, 4\).*Fix: "):
        count_macs(net, (5, 4, 4))
    assert {module.training for module in net.modules()} == {training}


def test_each_part_keeps_its_own_mode():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout())
    net[1].eval()
    count_macs(net, (3, 4, 4))
    assert [part.training for part in net.modules()] == [True, True, False, True]


def test_nothing_is_computed_for_a_large_network():
    with torch.device("meta"):
        net = MLPMixer(image_size=224, patch_size=16, dim=768, depth=12, num_classes=1000)
    assert count_macs(net, (3, 224, 224)) > 10e9
