"""Look up: the content of a token, not its place, says which other token holds the answer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import check_positive_integers, check_shape, check_whole, checked, shown
from hdd.tasks.token_net import Examples

KEYS, VALUES = 15, 4


@checked
def look_up(
    n: int, places: Tensor, generator: torch.Generator, keys: Tensor | None = None
) -> Examples:
    """Return n look-ups: tokens (n, 16, KEYS + VALUES) and the asked value (n,).

    Token 0 asks for a key. Tokens 1 to 15 each hold another key, in random order, with one of
    VALUES values: the answer is the value beside the key that is asked for. Values are one-hot;
    guessing is right once in VALUES times.

    Args:
        n: how many.
        places: where the token that is asked for may stand, from 1 to 15.
        generator: of all that is random.
        keys: a row of KEYS numbers for each key, 15 keys or more; KEYS one-hot keys by default.

    Raises:
        ValueError: places that no token has, or keys of another number or length.
    """
    check_positive_integers(n=n)
    _check_places(places)
    keys = torch.eye(KEYS) if keys is None else _checked_keys(keys)
    chosen = torch.rand(n, len(keys), generator=generator).argsort(1)[:, :KEYS]  # (n, 15)
    values = torch.randint(VALUES, (n, KEYS), generator=generator)  # (n, 15)
    match = places[torch.randint(len(places), (n, 1), generator=generator)] - 1  # (n, 1)
    held = torch.cat([keys[chosen], functional.one_hot(values, VALUES)], 2)  # (n, 15, ...)
    question = functional.pad(keys[chosen.gather(1, match)], (0, VALUES))  # (n, 1, ...)
    return torch.cat([question, held], 1), values.gather(1, match)[:, 0]


def _checked_keys(keys: Tensor) -> Tensor:
    check_shape(f"(N, {KEYS})", keys=keys)
    if len(keys) < KEYS:
        raise ValueError(f"{len(keys)} keys are too few. Fix: {KEYS} or more, a row each.")
    return keys


def _check_places(places: Tensor) -> None:
    if places.ndim != 1 or not len(places):
        raise ValueError(
            f"places={shown(places)} must be from 1 to {KEYS}. Fix: torch.arange(1, {KEYS + 1})."
        )
    check_whole(1, KEYS, places=places)


@checked
def look_up_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Return the cross-entropy of token 0's outputs (B, S, VALUES) with the answers (B,)."""
    return functional.cross_entropy(outputs[:, 0], answers)


@checked
@torch.no_grad()
def look_up_accuracy(
    net: nn.Module, places: Tensor, seed: int = 0, keys: Tensor | None = None
) -> list[float]:
    """Return the share of right answers for the match at each of `places`, of 300 each.

    `keys` are those of `look_up`.
    """
    _check_places(places)
    generator, shares = torch.Generator().manual_seed(10_000 + seed), []
    for place in places:
        tokens, answers = look_up(300, place[None], generator, keys)
        shares.append((net(tokens)[:, 0].argmax(1) == answers).double().mean().item())
    return shares
