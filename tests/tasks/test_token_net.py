import pytest
import torch

from hdd.models.cnn.mlp_mixer import MixerBlock
from hdd.tasks.diagonal import diagonal_accuracy, diagonal_loss, equal_along_diagonal
from hdd.tasks.token_net import TokenNet, learn


def test_a_token_net_learns_and_positions_matter():
    torch.manual_seed(0)
    blocks = [MixerBlock(36, 16, 36, 32)]
    net, generator = TokenNet(2, 5, 16, blocks, positions=36), torch.Generator()
    untrained = diagonal_accuracy(net)
    learn(net, lambda: equal_along_diagonal(64, generator), diagonal_loss, 150)
    assert not net.training
    assert diagonal_accuracy(net)[4] > untrained[4] + 0.3
    assert net.position.shape == (36, 16)
    assert TokenNet(2, 5, 16, blocks).position is None


def test_tokens_without_a_position_are_refused():
    net = TokenNet(2, 5, 16, [], positions=3)
    assert net(torch.zeros(1, 3, 2)).shape == (1, 3, 5)
    with pytest.raises(ValueError, match=r"x has the shape \(1, 5, 2\)\. Fix: .*\(B, 3, inputs\)"):
        net(torch.zeros(1, 5, 2))
