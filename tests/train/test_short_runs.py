import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from hdd.data_util.batch_augmentation import CutMix
from hdd.dataset.loading import load
from hdd.train.short_runs import FreshBatches, accuracy, fit, random_batches


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist_mini")


def test_random_batches_give_few_images_as_many_steps(data):
    train, _ = data
    few = train.subset(torch.arange(3))
    batches = list(random_batches(few, 20, 16))
    assert [images.shape for images, _ in batches] == [(16, 1, 28, 28)] * 20
    labels = torch.cat([labels for _, labels in batches])
    assert set(labels.tolist()) == set(few.labels.tolist())
    drawn = [[labels.tolist() for _, labels in random_batches(few, 20, 16, seed=s)] for s in (0, 1)]
    assert drawn[0] == [labels.tolist() for _, labels in batches]
    assert drawn[0] != drawn[1]
    assert len(random_batches(few, 20, 16)) == 20


def test_random_batches_need_images_and_steps(data):
    train, _ = data
    with pytest.raises(ValueError, match=r"draws=16 from 0 images.*Fix: "):
        random_batches(train.subset(torch.arange(0)), 1, 16)
    with pytest.raises(ValueError, match=r"steps=0 must be .*Fix: "):
        random_batches(train, 0, 16)


def test_random_batches_mix(data):
    train, _ = data
    images, targets = next(iter(random_batches(train, 2, 16, mix=CutMix(1.0, 10))))
    assert images.shape == (16, 1, 28, 28)
    assert targets.shape == (16, 10)


@pytest.mark.parametrize("steps", [1, 5, 20, 60])
def test_fit_learns_and_reaches_the_end_of_its_schedule(data, steps):
    train, test = data
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    before = accuracy(net, test)
    assert math.isfinite(fit(net, random_batches(train, steps, 64), 1e-2))
    if steps == 60:
        assert accuracy(net, test) > max(before + 0.3, 0.6)


def test_fit_trains_on_fresh_batches_by_another_loss():
    generator, net = torch.Generator().manual_seed(0), nn.Linear(3, 3)

    def draw():
        x = torch.randn(32, 5, 3, generator=generator)
        return x, x.flip(2)

    fit(net, FreshBatches(draw, 300), 0.1, criteria=functional.mse_loss)
    x, y = draw()
    assert functional.mse_loss(net(x), y) < 0.01


def test_fit_shrinks_weights_by_the_decay_it_is_given():
    batches = [(torch.zeros(4, 3), torch.zeros(4, 3))] * 50
    norms = {}
    for decay in (0.0, 0.05, 2.0):
        net = nn.Linear(3, 3, bias=False)
        nn.init.ones_(net.weight)
        fit(net, batches, 0.01, weight_decay=decay, criteria=functional.mse_loss)
        norms[decay] = net.weight.norm().item()
    assert norms[0.0] == pytest.approx(3)  # images of zeros give no gradient
    assert norms[0.05] == pytest.approx(3 * math.exp(-0.05 * 0.01 * 25), rel=0.01)
    assert norms[2.0] == pytest.approx(3 * math.exp(-2 * 0.01 * 25), rel=0.1)
