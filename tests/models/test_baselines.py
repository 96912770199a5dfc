import pytest
import torch

from hdd.models.baselines import build_baseline
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
