"""Made-up questions about tokens, each made for one ability: notebook 07.

In `look_up` the content says which token matters. In `equal_along_diagonal` the places do, and
some of them are far apart.
Targets are class numbers, -100 where nothing is asked (what cross-entropy ignores by default).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.progress import progress
from hdd.train.optimizers import adamw_one_cycle

KEYS, VALUES = 15, 4
SIDE = 6  # of the board
IGNORED = -100
Examples = tuple[Tensor, Tensor]


def look_up(n: int, places: Tensor, generator: torch.Generator) -> Examples:
    """Return n look-ups: tokens (n, 16, KEYS + VALUES) and the asked value (n,).

    Token 0 asks for a key. Tokens 1 to 15 each hold another one of the KEYS keys, in random order,
    with one of VALUES values: the answer is the value beside the key that is asked for. Each key
    and value is one-hot; guessing is right once in VALUES times.

    Args:
        n: how many.
        places: where the token that is asked for may stand, from 1 to 15.
        generator: of all that is random.
    """
    keys = torch.rand(n, KEYS, generator=generator).argsort(1)  # (n, 15)
    values = torch.randint(VALUES, (n, KEYS), generator=generator)  # (n, 15)
    match = places[torch.randint(len(places), (n, 1), generator=generator)] - 1  # (n, 1)
    held = [functional.one_hot(keys, KEYS), functional.one_hot(values, VALUES)]
    question = functional.one_hot(keys.gather(1, match), KEYS)  # (n, 1, KEYS)
    question = functional.pad(question, (0, VALUES))
    tokens = torch.cat([question, torch.cat(held, 2)], 1).float()  # (n, 16, KEYS + VALUES)
    return tokens, values.gather(1, match)[:, 0]


def equal_along_diagonal(n: int, generator: torch.Generator) -> Examples:
    """Return n boards of two symbols, (n, S, 2), and answers (n, S, SIDE - 1), S = SIDE**2.

    Question d of the token at row i, column j: is the symbol at (i + d, j + d) the same? It is in
    half of all cases. The last question is asked of one token only: are opposite corners equal?
    """
    board = torch.randint(2, (n, SIDE, SIDE), generator=generator)
    answers = torch.full((n, SIDE, SIDE, SIDE - 1), IGNORED)
    for d in range(1, SIDE):
        here, there = board[:, : SIDE - d, : SIDE - d], board[:, d:, d:]
        answers[:, : SIDE - d, : SIDE - d, d - 1] = (here == there).long()
    return functional.one_hot(board, 2).float().flatten(1, 2), answers.flatten(1, 2)


class TokenNet(nn.Module):
    """Linear, blocks, LayerNorm, Linear for each token: (B, S, inputs) -> (B, S, outputs).

    Args:
        inputs: features of a token.
        outputs: answers of a token.
        dim: C, channels between.
        blocks: (B, S, C) -> (B, S, C) each.
        positions: S, if each place gets a learned vector added; by default it gets none.
    """

    def __init__(
        self, inputs: int, outputs: int, dim: int, blocks: list[nn.Module], positions: int = 0
    ) -> None:
        super().__init__()
        self.embed, self.blocks = nn.Linear(inputs, dim), nn.Sequential(*blocks)
        self.position = nn.Parameter(0.02 * torch.randn(positions, dim)) if positions else None
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)  # (B, S, C)
        if self.position is not None:
            x = x + self.position
        return self.head(self.norm(self.blocks(x)))  # (B, S, outputs)


def learn(
    net: nn.Module,
    draw: Callable[[], Examples],
    loss: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    lr: float = 5e-3,
) -> float:
    """Train `net` on fresh examples; return the last loss.

    Args:
        net: what is trained, in place.
        draw: returns a new batch (tokens, answers).
        loss: a function of (outputs, answers).
        steps: of the optimizer.
        lr: the highest rate, see `adamw_one_cycle`.
    """
    net.train()
    optimizer, rate = adamw_one_cycle(net.parameters(), lr, steps, weight_decay=0.01)
    for _ in progress(range(steps), "Steps"):
        tokens, answers = draw()
        value = loss(net(tokens), answers)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        rate.step()
    net.eval()
    return value.item()


def look_up_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Return the cross-entropy of token 0's outputs (B, S, VALUES) with the answers (B,)."""
    return functional.cross_entropy(outputs[:, 0], answers)


def diagonal_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Return the binary cross-entropy (B, S, D), each question d with the same weight."""
    asked = answers != IGNORED  # (B, S, D)
    target = answers.clamp(min=0).float()
    each = functional.binary_cross_entropy_with_logits(outputs, target, reduction="none")
    return ((each * asked).sum((0, 1)) / asked.sum((0, 1))).mean()


@torch.no_grad()
def look_up_accuracy(net: nn.Module, places: Tensor, n: int = 300, seed: int = 0) -> list[float]:
    """Return the share of right answers for the match at each of `places`, n look-ups each."""
    generator, shares = torch.Generator().manual_seed(10_000 + seed), []
    for place in places:
        tokens, answers = look_up(n, place[None], generator)
        shares.append((net(tokens)[:, 0].argmax(1) == answers).double().mean().item())
    return shares


@torch.no_grad()
def diagonal_accuracy(net: nn.Module, n: int = 1000, seed: int = 0) -> list[float]:
    """Return the share of right answers for each distance, on n boards."""
    tokens, answers = equal_along_diagonal(n, torch.Generator().manual_seed(10_000 + seed))
    asked = answers != IGNORED
    right = ((net(tokens) > 0).long() == answers) & asked
    return (right.sum((0, 1)) / asked.sum((0, 1))).tolist()
