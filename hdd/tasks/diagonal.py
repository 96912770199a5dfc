"""Equal or not, far apart: places alone say which two tokens to compare."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import check_positive_integers, checked
from hdd.tasks.token_net import Examples

SIDE = 6  # of the board
IGNORED = -100  # no question is asked there; what cross-entropy ignores by default


@checked
def equal_along_diagonal(n: int, generator: torch.Generator) -> Examples:
    """Return n boards of two symbols, (n, S, 2), and answers (n, S, SIDE - 1), S = SIDE**2.

    Question d of the token at row i, column j: is the symbol at (i + d, j + d) the same? It is in
    half of all cases. The last question is asked of one token only: are opposite corners equal?
    """
    check_positive_integers(n=n)
    board = torch.randint(2, (n, SIDE, SIDE), generator=generator)
    answers = torch.full((n, SIDE, SIDE, SIDE - 1), IGNORED)
    for d in range(1, SIDE):
        here, there = board[:, : SIDE - d, : SIDE - d], board[:, d:, d:]
        answers[:, : SIDE - d, : SIDE - d, d - 1] = (here == there).long()
    return functional.one_hot(board, 2).float().flatten(1, 2), answers.flatten(1, 2)


@checked
def diagonal_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Return the binary cross-entropy (B, S, D), each question d with the same weight."""
    asked = answers != IGNORED  # (B, S, D)
    target = answers.clamp(min=0).float()
    each = functional.binary_cross_entropy_with_logits(outputs, target, reduction="none")
    return ((each * asked).sum((0, 1)) / asked.sum((0, 1))).mean()


@checked
@torch.no_grad()
def diagonal_accuracy(net: nn.Module, seed: int = 0) -> list[float]:
    """Return the share of right answers for each distance, on a thousand boards."""
    tokens, answers = equal_along_diagonal(1000, torch.Generator().manual_seed(10_000 + seed))
    asked = answers != IGNORED
    right = ((net(tokens) > 0).long() == answers) & asked
    return (right.sum((0, 1)) / asked.sum((0, 1))).tolist()
