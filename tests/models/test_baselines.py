import pytest
import torch

from hdd.models.baselines import NETWORKS, build_baseline, build_network, equal_baseline
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_macs, count_trainable_parameter

SIZES = {"input_shape": (1, 28, 28), "patch_size": 7, "dim": 64, "depth": 3}


def resnet(**strides):
    torch.manual_seed(0)
    return build_baseline("cnn", (1, 28, 28), None, width=12, depth=1, **strides)


@pytest.mark.parametrize("kind", ["cnn", "vit"])
def test_baselines_have_the_mixers_parameters(kind):
    pytest.importorskip("timm")
    net = build_baseline(kind, (3, 32, 32), 8)
    mixer = count_trainable_parameter(MLPMixer(patch_size=8))
    assert abs(count_trainable_parameter(net) / mixer - 1) < 0.1
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_only_the_vit_has_patches():
    pytest.importorskip("timm")
    assert build_baseline("cnn", (1, 28, 28), 5)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(ValueError, match="patch_size=5"):
        build_baseline("vit", (1, 28, 28), 5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("shape", "patch_size", "dim", "depth"),
    [((1, 28, 28), 7, 64, 3), ((3, 32, 32), 8, 128, 8)],
)
def test_networks_have_equally_many_parameters(name, shape, patch_size, dim, depth):
    pytest.importorskip("timm")
    sizes = {"dim": dim, "depth": depth, "num_classes": 7}
    mixer, net = (build_network(n, shape, patch_size, **sizes) for n in ("Mixer", name))
    ratio = count_trainable_parameter(net) / count_trainable_parameter(mixer)
    assert abs(ratio - 1) < 0.07
    logits = net(torch.randn(2, *shape))
    logits.sum().backward()
    assert logits.shape == (2, 7)
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("kind", ["cnn", "vit", "flat"])
def test_there_is_no_largest_network(kind):
    pytest.importorskip("timm")
    with torch.device("meta"):
        large = MLPMixer(dim=2048, depth=24)
        net = equal_baseline(kind, large, (3, 32, 32), 4, depth=1)
    assert net.arguments["width"] > 1024
    assert count_trainable_parameter(net) / count_trainable_parameter(large) == pytest.approx(
        1, abs=0.01
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_decides_the_weights(name):
    pytest.importorskip("timm")
    first, again, other = (
        build_network(name, (1, 28, 28), 7, dim=16, depth=2, seed=seed) for seed in (3, 3, 4)
    )
    weights = [torch.cat([p.flatten() for p in n.parameters()]) for n in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_strides_change_the_resolution_and_nothing_else():
    every_stride = ((2, 1, 2, 2, 2), (2, 1, 1, 1, 1), (1, 1, 1, 1, 1))
    nets = [resnet(strides=strides) for strides in every_stride]
    weights = [net.state_dict() for net in nets]
    for key in weights[0]:
        assert torch.equal(weights[0][key], weights[1][key]), key
    assert [net.forward_features(torch.zeros(1, 1, 28, 28)).shape[2] for net in nets] == [2, 14, 28]
    macs = [count_macs(net, (1, 28, 28)) for net in nets]
    assert macs[1] > 5 * macs[0]
    assert torch.equal(*(net(torch.ones(2, 1, 28, 28)) for net in (nets[0], resnet())))


def inner_part(net, images):
    """Return the last map of a ResNet without the cells that its zero padding reaches."""
    return net.eval().forward_features(images)[:, :, 5:-5, 5:-5]


def test_without_strides_in_the_stages_a_shift_of_the_image_is_one_of_the_map():
    images = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    moved = images.roll(4, 3)
    net = resnet(strides=(2, 1, 1, 1, 1))
    before, after = (inner_part(net, one) for one in (images, moved))
    reach = 8  # cells that see the edge or the seam
    same = after[..., reach + 2 : -reach], before[..., reach:-reach][..., : -2 or None]
    assert torch.allclose(*same, atol=1e-5)
    strided = resnet()
    maps = [strided.eval().forward_features(one) for one in (images, moved)]
    assert not torch.allclose(maps[0], maps[1], atol=1e-3)


def test_bad_strides_and_names():
    with pytest.raises(ValueError, match=r"strides=\(2, 1\).*five"):
        build_network("ResNet", **SIZES, strides=(2, 1))
    with pytest.raises(ValueError, match=r"'RNN'.*'Mixer'"):
        build_network("RNN", **SIZES)
