"""A network that answers a question about each token, and its training on fresh examples."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hdd.progress import progress
from hdd.train.muon import adamw_one_cycle

Examples = tuple[Tensor, Tensor]  # tokens (B, S, features) and their answers


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
