import pytest
import torch
from reading_weights import routing_matrix, routing_score
from torch import nn

from hdd.tasks.routing import (
    ROUTINGS,
    TokenMixingOnly,
    mixer_block,
    routing,
    train_routing,
    train_task,
)


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_each_optimizer_finds_the_routing(optimizer):
    torch.manual_seed(0)
    source, net = routing("mirror", (3, 4)), TokenMixingOnly(12, 24)
    losses = train_routing(net, source, optimizer=optimizer, steps=150, images=16)
    assert len(losses) == 150
    assert losses[0] > 0.8
    assert losses[-1] < 0.3
    assert routing_score(routing_matrix(net), source) == 1.0


def test_the_seed_decides_the_samples():
    def last(seed):
        torch.manual_seed(0)
        return train_routing(TokenMixingOnly(4, 4), routing("shift", (2, 2)), steps=3, seed=seed)

    assert last(1) == last(1) != last(2)


def test_any_task_can_be_taught():
    torch.manual_seed(0)
    net = TokenMixingOnly(6, 6)
    mean = torch.full((6, 6), 1 / 6)
    losses = train_task(net, 6, lambda x: mean @ x, steps=200, images=8)
    assert losses[-1] < 0.1 * losses[0]
    assert (routing_matrix(net) > 0).all()


def test_a_trained_block_shows_its_routing():
    source = routing("permutation", (5, 7))
    assert sorted(source.tolist()) == list(range(35))
    torch.manual_seed(0)
    block = mixer_block((5, 7))
    losses = train_routing(block, source, images=16, steps=250)
    assert losses[0] > 1
    assert losses[-1] < 0.02
    assert routing_score(routing_matrix(block), source) >= 0.99


def test_what_routings_do_to_a_picture():
    picture = torch.arange(12).view(3, 4)
    moved = {kind: picture.flatten()[routing(kind, (3, 4))].view(3, 4) for kind in ROUTINGS}
    assert torch.equal(moved["shift"], picture.roll((1, 2), (0, 1)))
    assert torch.equal(moved["mirror"], picture.flip(1))
    assert torch.equal(moved["rotation"], picture.flip(0, 1))
    square = torch.arange(9).view(3, 3)
    assert torch.equal(square.flatten()[routing("rotation", (3, 3))].view(3, 3), square.rot90())
    assert sorted(moved["permutation"].flatten().tolist()) == list(range(12))


@pytest.mark.parametrize(("width", "loss"), [(0.5, 0.5), (1, 0.0)])
def test_half_the_width_carries_half_the_tokens(width, loss):
    torch.manual_seed(0)
    net = TokenMixingOnly(16, int(16 * width))
    last = train_routing(net, routing("shift", (4, 4)), images=16, steps=500)[-1]
    assert last == pytest.approx(loss, abs=0.05)


def test_what_train_task_cannot_train_is_said():
    net = TokenMixingOnly(12, 4)
    with pytest.raises(ValueError, match="TokenMixingOnly does not take tokens=6 of 16 channels"):
        train_task(net, 6, lambda x: x)
    assert net.training  # as before
    with pytest.raises(ValueError, match=r"\(32, 1, 16\), net \(32, 12, 16\)\. Fix: a task"):
        train_task(net, 12, lambda x: x.mean(1, keepdim=True))


def test_looking_at_a_network_first_draws_no_random_numbers():
    torch.manual_seed(0)
    net = nn.Sequential(TokenMixingOnly(4, 4), nn.Dropout(0.5))
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):  # in the first step: the net has been looked at
        train_task(net, 4, lambda x: x / (1 // 0))
    assert torch.equal(torch.get_rng_state(), before)


def test_unknown_names():
    with pytest.raises(ValueError, match=r"'spiral'.*Fix: one of"):
        routing("spiral", (2, 2))
    with pytest.raises(ValueError, match=r"optimizer='sgd'.*Fix: one of \['adam', 'muon'\]"):
        train_routing(TokenMixingOnly(4, 4), routing("shift", (2, 2)), optimizer="sgd")
