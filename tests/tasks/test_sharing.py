"""What each token mixing of the ladder may know of places."""

import pytest
import torch

from hdd.models.nn_utils import count_trainable_parameter
from hdd.tasks.look_up import look_up
from hdd.tasks.sharing import DIM, LADDER, PLACES, SharedMlp, Toeplitz, ladder_net


def tokens(seed=0):
    return torch.randn(2, PLACES, DIM, generator=torch.Generator().manual_seed(seed))


def test_all_rungs_have_about_equally_many_parameters():
    counts = [
        count_trainable_parameter(ladder_net(kind, positions=positions))
        for kind in LADDER
        for positions in (False, True)
    ]
    assert max(counts) < 1.03 * min(counts)


@pytest.mark.parametrize("kind", LADDER)
def test_who_notices_that_tokens_change_places(kind):
    """Weights of places, or of displacements, tell one order of tokens 1 to 15 from another."""
    net = ladder_net(kind, positions=False, seed=1).eval()
    drawn, _ = look_up(4, torch.arange(1, 9), torch.Generator().manual_seed(0))
    order = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + torch.randperm(15)])
    with torch.no_grad():
        same = torch.allclose(net(drawn)[:, 0], net(drawn[:, order])[:, 0], atol=1e-5)
    assert same == (kind not in ("weights per place", "weights per displacement"))
    embedded = ladder_net(kind, positions=True, seed=1).eval()
    with torch.no_grad():
        embedded.position.normal_()
        assert not torch.allclose(embedded(drawn)[:, 0], embedded(drawn[:, order])[:, 0], atol=1e-3)


def test_a_seed_draws_the_weights_that_records_mean():
    torch.manual_seed(0)
    mixing, shared = Toeplitz(PLACES), SharedMlp()
    torch.manual_seed(0)
    read, write = torch.randn(4, 31) / 4, torch.randn(4, 31) / 8
    assert torch.equal(mixing.read, read)
    assert torch.equal(mixing.write, write)
    assert torch.equal(shared.fc1.weight, torch.nn.Linear(3, 8).weight)
    assert torch.equal(shared.fc2.weight, torch.nn.Linear(8, 2).weight)


def test_toeplitz_weights_depend_on_the_displacement_alone():
    mixing = Toeplitz(PLACES)
    for weights in (mixing.read[:, mixing.displacement], mixing.write[:, mixing.displacement]):
        assert torch.equal(weights[:, 1:, 1:], weights[:, :-1, :-1])  # (maps, S, S)
        assert weights[:, 0].unique(dim=1).shape[1] == PLACES
    with torch.no_grad():
        output = mixing(tokens())
        channels = mixing(tokens()[:, :, [2, 0, 1]])
    assert torch.allclose(channels, output[:, :, [2, 0, 1]], atol=1e-5)


def test_the_marked_question_is_token_0_alone():
    x, marked, plain = tokens(), SharedMlp(), SharedMlp(question=False)
    swapped = x[:, [1, 0, *range(2, PLACES)]]
    with torch.no_grad():
        assert torch.allclose(plain(swapped)[:, 1], plain(x)[:, 0], atol=1e-6)
        assert not torch.allclose(marked(swapped)[:, 1], marked(x)[:, 0], atol=1e-3)
        for mixing in (marked, plain):
            channels = mixing(x[:, :, [2, 0, 1]])
            assert torch.allclose(channels, mixing(x)[:, :, [2, 0, 1]], atol=1e-6)


def test_an_unknown_rung_is_named():
    with pytest.raises(ValueError, match=r"'bottom'.*weights per place"):
        ladder_net("bottom", positions=False)
