import pytest
import torch

from hdd.models.baselines import NETWORKS, build_baseline, build_network
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter


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
    [((1, 28, 28), 7, 64, 3), ((3, 32, 32), 4, 64, 4), ((3, 32, 32), 8, 128, 8)],
)
def test_networks_have_equally_many_parameters(name, shape, patch_size, dim, depth):
    pytest.importorskip("timm")
    sizes = {"dim": dim, "depth": depth, "num_classes": 7}
    mixer, net = (build_network(n, shape, patch_size, **sizes) for n in ("Mixer", name))
    ratio = count_trainable_parameter(net) / count_trainable_parameter(mixer)
    assert abs(ratio - 1) < 0.07
    images = torch.randn(2, *shape)
    net(images).sum().backward()
    assert net(images).shape == (2, 7)
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_decides_the_weights(name):
    pytest.importorskip("timm")
    first, again, other = (
        build_network(name, (1, 28, 28), 7, dim=16, depth=2, seed=seed) for seed in (3, 3, 4)
    )
    weights = [torch.cat([p.flatten() for p in n.parameters()]) for n in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_an_unknown_network():
    with pytest.raises(ValueError, match=r"'RNN'.*Fix: one of \['Mixer', 'ResNet'"):
        build_network("RNN", (1, 28, 28), 7, dim=16, depth=1)
