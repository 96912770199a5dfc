import pytest
import torch

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.cnn.timm_twin import timm_twin


@pytest.mark.parametrize(("dim", "token_dim"), [(49, 1), (37, 2), (37, 7), (128, 33)])
def test_it_has_exactly_our_widths(dim, token_dim):
    pytest.importorskip("timm")
    net = MLPMixer(patch_size=8, dim=dim, depth=1, token_dim=token_dim)
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(net(images), timm_twin(net)(images), atol=1e-5)


def test_grid_dropout_and_head_are_ours():
    pytest.importorskip("timm")
    net = MLPMixer(image_size=(20, 28), dim=24, depth=2, num_classes=7, dropout=0.3).eval()
    twin, images = timm_twin(net), torch.randn(3, 3, 20, 28)
    assert torch.allclose(net(images), twin(images), atol=1e-6)
    twin.train()
    assert not torch.allclose(twin(images), twin(images))  # its dropout acts
