import re

import pytest
import torch
from torch import nn

from hdd.tasks.look_up import KEYS, VALUES, look_up, look_up_accuracy, look_up_loss


@pytest.mark.parametrize("places", [[1, 2, 3], [15], list(range(1, 16))])
def test_look_up_has_one_match_at_a_wanted_place(places):
    tokens, answers = look_up(400, torch.tensor(places), torch.Generator().manual_seed(0))
    keys, values = tokens.split([KEYS, VALUES], dim=2)
    assert torch.equal(keys[:, 1:].sum(1), torch.ones(400, KEYS))  # each key once
    assert (values[:, 0] == 0).all()  # the question tells no value
    match = (keys[:, 1:].argmax(2) == keys[:, :1].argmax(2)).long()
    where = match.argmax(1) + 1
    assert set(where.tolist()) == set(places)
    assert torch.equal(values[torch.arange(400), where].argmax(1), answers)


def test_keys_of_ones_own_are_held_once_each_and_asked_for():
    wanted = 2.0 * (torch.arange(40)[:, None] >> torch.arange(KEYS) & 1) - 1  # (40, KEYS)
    generator = torch.Generator().manual_seed(0)
    tokens, answers = look_up(200, torch.arange(1, 16), generator, wanted)
    keys, values = tokens.split([KEYS, VALUES], dim=2)
    numbers = (keys[..., None, :] == wanted).all(-1).double()  # (200, 16, 40)
    assert torch.equal(numbers.sum(2), torch.ones(200, 16, dtype=torch.double))
    assert numbers[:, 1:].sum(1).max() == 1  # no key twice
    where = (numbers[:, 1:] * numbers[:, :1]).sum(2).argmax(1) + 1
    assert torch.equal(values[torch.arange(200), where].argmax(1), answers)


@pytest.mark.parametrize(
    ("keys", "words"),
    [(torch.eye(14), "of (N, 15)"), (torch.eye(15)[:9], "9 keys are too few. Fix: 15 or more")],
)
def test_keys_that_do_not_fit_are_refused(keys, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        look_up(4, torch.arange(1, 16), torch.Generator(), keys)


def test_places_are_whole_numbers():
    with pytest.raises(ValueError, match=r"places=torch\.float32 \(2,\) is not whole\. Fix: "):
        look_up(2, torch.tensor([1.0, 2.0]), torch.Generator())


def test_look_up_asks_the_first_token_only():
    class Oracle(nn.Module):
        """Right at token 0, the next value at all others."""

        def forward(self, tokens):
            held = tokens[:, 1:]  # (B, 15, KEYS + VALUES)
            found = (tokens[:, :1, :KEYS] * held[..., :KEYS]).sum(2)  # (B, 15)
            value = (found[..., None] * held[..., KEYS:]).sum(1, keepdim=True)
            wrong = value.roll(1, 2).expand(-1, 15, -1)
            return 20 * torch.cat([value, wrong], 1)  # (B, 16, VALUES)

    places, generator = torch.arange(1, 16), torch.Generator()
    assert look_up_accuracy(Oracle(), places) == [1.0] * 15
    tokens, answers = look_up(64, places, generator)
    assert look_up_loss(Oracle()(tokens), answers) < 1e-6
