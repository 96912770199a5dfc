"""Saved weights say which network they are of, and it can be built again."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from hdd.models.baselines import build_baseline
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.networks import build_again, describe
from hdd.models.token_mixers import build_mixer

SIZES = {"image_size": (20, 28), "channels": 2, "dim": 24, "depth": 2, "num_classes": 7}
NETWORKS = {
    "mixer": lambda: MLPMixer(**SIZES, dropout=0.3, expansion_factor_token=1.5, channel_dim=31),
    "paper's width": lambda: MLPMixer(**SIZES, token_dim=12),
    "attention": lambda: build_mixer("attention", **SIZES),
    "cnn": lambda: build_baseline("cnn", (2, 20, 28), 4, 7, width=8, depth=1),
    "vit": lambda: build_baseline("vit", (2, 20, 28), 4, 7, width=16, depth=2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back(name):
    torch.manual_seed(0)
    net = NETWORKS[name]().eval()
    twin = build_again(describe(net)).eval()
    twin.load_state_dict(net.state_dict())
    images = torch.randn(3, 2, 20, 28)
    assert torch.equal(twin(images), net(images))


@pytest.mark.parametrize("number", [np.float32(0.3), np.float64(0.3), Fraction(3, 10)])
def test_other_numbers_than_python_s_come_back(number):
    net = MLPMixer(**SIZES | {"dim": np.int64(24)}, dropout=number, expansion_factor_token=number)
    arguments = build_again(describe(net)).arguments
    assert arguments["dim"] == 24
    for name in ("dropout", "expansion_factor_token"):
        assert arguments[name] == pytest.approx(0.3)


def test_weights_that_do_not_say():
    with pytest.raises(ValueError, match=r"do not say which network.*Fix: "):
        build_again(None)
