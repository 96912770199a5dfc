"""A network that answers a question about each token, and its training on fresh examples."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hdd.arguments import check_integers, check_positive_integers, check_shape, checked
from hdd.train.short_runs import FreshBatches, fit

Examples = tuple[Tensor, Tensor]  # tokens (B, S, features) and their answers


class TokenNet(nn.Module):
    """Linear, blocks, LayerNorm, Linear for each token: (B, S, inputs) -> (B, S, outputs).

    Args:
        inputs: features of a token.
        outputs: answers of a token.
        dim: C, channels between.
        blocks: (B, S, C) -> (B, S, C) each.
        positions: S, if each place gets a learned vector added; by default it gets none.

    Raises:
        ValueError: sizes below 1; with positions, tokens of another number.
    """

    @checked
    def __init__(
        self, inputs: int, outputs: int, dim: int, blocks: list[nn.Module], positions: int = 0
    ) -> None:
        super().__init__()
        check_positive_integers(inputs=inputs, outputs=outputs, dim=dim)
        check_integers(0, positions=positions)
        self.embed, self.blocks = nn.Linear(inputs, dim), nn.Sequential(*blocks)
        self.position = nn.Parameter(0.02 * torch.randn(positions, dim)) if positions else None
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, outputs)

    def forward(self, x: Tensor) -> Tensor:
        if self.position is not None:
            check_shape(f"(B, {len(self.position)}, inputs)", x=x)
        x = self.embed(x)  # (B, S, C)
        if self.position is not None:
            x = x + self.position
        return self.head(self.norm(self.blocks(x)))  # (B, S, outputs)


@checked
def learn(
    net: nn.Module,
    draw: Callable[[], Examples],
    loss: Callable[[Tensor, Tensor], Tensor],
    steps: int,
    lr: float = 5e-3,
) -> None:
    """Train `net` on fresh examples, and leave it in evaluation mode.

    Args:
        net: what is trained, in place.
        draw: returns a new batch (tokens, answers).
        loss: a function of (outputs, answers).
        steps: of the optimizer.
        lr: the highest rate, see `hdd.train.short_runs`.
    """
    check_positive_integers(steps=steps)
    fit(net, FreshBatches(draw, steps), lr, criteria=loss)
    net.eval()
