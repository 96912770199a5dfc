"""Fair short trainings: equal networks, equal steps, made-up questions with the right answers."""

import math

import pytest
import torch
from torch import nn

import hdd.tasks.diagonal as diagonal
import hdd.tasks.look_up as questions
from hdd.data_util.batch_augmentation import CutMix
from hdd.dataset.loading import load
from hdd.models.baselines import NETWORKS, build_network
from hdd.models.cnn.mlp_mixer import MixerBlock
from hdd.models.nn_utils import count_trainable_parameter
from hdd.tasks import token_net
from hdd.train.short_runs import accuracy, fit, random_batches

SHAPES = [((1, 28, 28), 7, 64, 3), ((3, 32, 32), 4, 64, 4), ((3, 32, 32), 8, 128, 8)]


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist_mini")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("shape", "patch_size", "dim", "depth"), SHAPES)
def test_contenders_have_equally_many_parameters(name, shape, patch_size, dim, depth):
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
    with pytest.raises(ValueError, match=r"draws=0 from .*Fix: "):
        random_batches(train, 0, 16)


def test_an_unknown_contender():
    with pytest.raises(ValueError, match=r"'RNN'.*Fix: one of \['Mixer', 'ResNet'"):
        build_network("RNN", (1, 28, 28), 7, dim=16, depth=1)


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


def test_fit_says_when_it_diverges(data):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    nn.init.constant_(net[1].weight, 1e38)
    with pytest.raises(FloatingPointError, match="Fix: a smaller learning rate"):
        fit(net, random_batches(data[0], 20, 64), 1e-2)


@pytest.mark.parametrize("places", [[1, 2, 3], [15], list(range(1, 16))])
def test_look_up_has_one_match_at_a_wanted_place(places):
    tokens, answers = questions.look_up(400, torch.tensor(places), torch.Generator().manual_seed(0))
    keys, values = tokens.split([questions.KEYS, questions.VALUES], dim=2)
    assert torch.equal(keys[:, 1:].sum(1), torch.ones(400, questions.KEYS))  # each key once
    assert (values[:, 0] == 0).all()  # the question tells no value
    match = (keys[:, 1:].argmax(2) == keys[:, :1].argmax(2)).long()
    where = match.argmax(1) + 1
    assert set(where.tolist()) == set(places)
    assert torch.equal(values[torch.arange(400), where].argmax(1), answers)


def test_diagonal_answers():
    tokens, answers = diagonal.equal_along_diagonal(50, torch.Generator().manual_seed(0))
    board = tokens.argmax(2).view(50, 6, 6)
    answers = answers.view(50, 6, 6, 5)
    for d in range(1, 6):
        for i in range(6):
            for j in range(6):
                if max(i, j) + d < 6:
                    same = (board[:, i, j] == board[:, i + d, j + d]).long()
                    assert torch.equal(answers[:, i, j, d - 1], same)
                else:
                    assert (answers[:, i, j, d - 1] == diagonal.IGNORED).all()
    asked = (answers != diagonal.IGNORED)[0].sum((0, 1))
    assert asked.tolist() == [25, 16, 9, 4, 1]


def test_diagonal_accuracy_knows_right_from_wrong():
    class Oracle(nn.Module):
        def forward(self, tokens):
            board = tokens.argmax(2).view(-1, 6, 6)
            out = torch.zeros(len(board), 6, 6, 5)
            for d in range(1, 6):
                same = board[:, : 6 - d, : 6 - d] == board[:, d:, d:]
                out[:, : 6 - d, : 6 - d, d - 1] = same.float() - 0.5
            return out.flatten(1, 2)

    assert diagonal.diagonal_accuracy(Oracle()) == [1.0] * 5


def test_look_up_asks_the_first_token_only():
    class Oracle(nn.Module):
        """Right at token 0, the next value at all others."""

        def forward(self, tokens):
            held = tokens[:, 1:]  # (B, 15, KEYS + VALUES)
            found = (tokens[:, :1, : questions.KEYS] * held[..., : questions.KEYS]).sum(
                2
            )  # (B, 15)
            value = (found[..., None] * held[..., questions.KEYS :]).sum(1, keepdim=True)
            wrong = value.roll(1, 2).expand(-1, 15, -1)
            return 20 * torch.cat([value, wrong], 1)  # (B, 16, VALUES)

    places, generator = torch.arange(1, 16), torch.Generator()
    assert questions.look_up_accuracy(Oracle(), places) == [1.0] * 15
    tokens, answers = questions.look_up(64, places, generator)
    assert questions.look_up_loss(Oracle()(tokens), answers) < 1e-6


def test_a_token_net_learns_and_positions_matter():
    torch.manual_seed(0)
    blocks = [MixerBlock(36, 16, 36, 32)]
    net, generator = token_net.TokenNet(2, 5, 16, blocks, positions=36), torch.Generator()
    untrained = diagonal.diagonal_accuracy(net)
    draw = lambda: diagonal.equal_along_diagonal(64, generator)  # noqa: E731
    loss = token_net.learn(net, draw, diagonal.diagonal_loss, 150)
    assert loss < 0.5
    assert not net.training
    assert diagonal.diagonal_accuracy(net)[4] > untrained[4] + 0.3
    assert net.position.shape == (36, 16)
    assert token_net.TokenNet(2, 5, 16, blocks).position is None
