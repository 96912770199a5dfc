"""Networks to compare a Mixer with."""

import pytest
import torch

from hdd.models.baselines import NETWORKS, build_network
from hdd.models.nn_utils import count_macs, count_trainable_parameter

SIZES = {"input_shape": (1, 28, 28), "patch_size": 7, "dim": 64, "depth": 3}


def test_all_have_the_mixers_parameters():
    counts = {name: count_trainable_parameter(build_network(name, **SIZES)) for name in NETWORKS}
    for name, count in counts.items():
        assert count == pytest.approx(counts["Mixer"], rel=0.03), name


def test_strides_change_the_resolution_and_nothing_else():
    nets = [
        build_network("ResNet", **SIZES, strides=strides)
        for strides in ((2, 1, 2, 2, 2), (2, 1, 1, 1, 1), (1, 1, 1, 1, 1))
    ]
    weights = [net.state_dict() for net in nets]
    for key in weights[0]:
        assert torch.equal(weights[0][key], weights[1][key]), key
    assert [net.forward_features(torch.zeros(1, 1, 28, 28)).shape[2] for net in nets] == [2, 14, 28]
    macs = [count_macs(net, (1, 28, 28)) for net in nets]
    assert macs[1] > 5 * macs[0]
    assert torch.equal(
        nets[0](torch.ones(2, 1, 28, 28)),
        build_network("ResNet", **SIZES)(torch.ones(2, 1, 28, 28)),
    )


def inner_part(net, images):
    """Return the last map of a ResNet without the cells that its zero padding reaches."""
    return net.eval().forward_features(images)[:, :, 5:-5, 5:-5]


def test_without_strides_in_the_stages_a_shift_of_the_image_is_one_of_the_map():
    images = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    moved = images.roll(4, 3)
    net = build_network("ResNet", **SIZES, strides=(2, 1, 1, 1, 1))
    before, after = (inner_part(net, one) for one in (images, moved))
    reach = 8  # cells that see the edge or the seam
    same = after[..., reach + 2 : -reach], before[..., reach:-reach][..., : -2 or None]
    assert torch.allclose(*same, atol=1e-5)
    strided = build_network("ResNet", **SIZES)
    maps = [strided.eval().forward_features(one) for one in (images, moved)]
    assert not torch.allclose(maps[0], maps[1], atol=1e-3)


def test_bad_strides_and_names():
    with pytest.raises(ValueError, match=r"strides=\(2, 1\).*five"):
        build_network("ResNet", **SIZES, strides=(2, 1))
    with pytest.raises(ValueError, match=r"'RNN'.*'Mixer'"):
        build_network("RNN", **SIZES)
