import pytest
import torch
from reading_weights import routing_matrix, routing_score

from hdd.tasks.routing import (
    TokenMixingOnly,
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


def test_unknown_names():
    with pytest.raises(ValueError, match=r"'spiral'.*Fix: one of"):
        routing("spiral", (2, 2))
    with pytest.raises(ValueError, match=r"optimizer='sgd'.*Fix: one of \['adam', 'muon'\]"):
        train_routing(TokenMixingOnly(4, 4), routing("shift", (2, 2)), optimizer="sgd")
