"""Made-up tasks whose right token mixing is known: every token must output another one's content.

A routing says, for each output token, which input token it copies. Whoever learns it must show it
in its weights: they can be read off and scored.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import check_choice, check_indices, check_positive_integers, check_range, checked
from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp
from hdd.train.classification_utils import train_one_epoch
from hdd.train.muon import MuonAdamW
from hdd.train.short_runs import FreshBatches, one_cycle

ROUTINGS = ("shift", "mirror", "rotation", "permutation")
CHANNELS = 16


@checked
def routing(kind: str, grid: tuple[int, int]) -> Tensor:
    """Return the source (S,) of each output token on an h x w grid.

    Args:
        kind: "shift" by one row and two columns, around the edge; "mirror" left and right;
            "rotation" by a quarter turn, on a grid that is not square by a half turn; or a random
            "permutation".
        grid: (h, w).

    Raises:
        ValueError: an unknown kind.
    """
    h, w = grid
    check_positive_integers(grid=min(grid))
    index = torch.arange(h * w).view(h, w)
    moved = {
        "shift": lambda: index.roll((1, 2), (0, 1)),
        "mirror": lambda: index.flip(1),
        "rotation": lambda: index.rot90(1 if h == w else 2),
        "permutation": lambda: torch.randperm(h * w, generator=torch.Generator().manual_seed(0)),
    }
    check_choice(ROUTINGS, kind=kind)
    return moved[kind]().flatten()


class TokenMixingOnly(nn.Module):
    """The token-mixing MLP by itself, without norm, residual and channel mixing: (B, S, C)."""

    @checked
    def __init__(self, tokens: int, hidden: int) -> None:
        super().__init__()
        check_positive_integers(tokens=tokens, hidden=hidden)
        self.token_mixing = Mlp(tokens, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.token_mixing(x.transpose(1, 2)).transpose(1, 2)  # (B, S, C)


@checked
def mixer_block(grid: tuple[int, int]) -> MixerBlock:
    """Return one block for CHANNELS channels with D_S = 2 S, twice what any routing needs."""
    check_positive_integers(grid=min(grid))
    tokens = grid[0] * grid[1]
    return MixerBlock(tokens, CHANNELS, 2 * tokens, 4 * CHANNELS)


@checked
def train_routing(net: nn.Module, source: Tensor, **options) -> list[float]:
    """Teach `net` a routing; return each step's loss: `train_task` whose task is x[:, source].

    Args:
        net: (B, S, C) -> (B, S, C), what is trained, in place.
        source: (S,), from `routing`.
        options: those of `train_task`.
    """
    check_indices(source.numel(), source=source)
    return train_task(net, len(source), lambda x: x[:, source], **options)


@checked
def train_task(
    net: nn.Module,
    tokens: int,
    task: Callable[[Tensor], Tensor],
    *,
    optimizer: str = "adam",
    steps: int = 400,
    images: int = 32,
    lr: float = 1e-2,
    seed: int = 0,
) -> list[float]:
    """Teach `net` (B, S, C) -> (B, S, C), C = CHANNELS, to give what `task` gives.

    The tokens are noise of mean 0 and variance 1, new ones at every step. The loss is the mean
    squared error: the answer 0 costs 1 if the task is a routing, and 0.5 means that half does not
    arrive.

    Args:
        net: what is trained, in place.
        tokens: S.
        task: gives the targets (B, S, C) for tokens x (B, S, C).
        optimizer: "adam", or "muon" for the matrices.
        steps: of the optimizer; for its rate see `one_cycle`.
        images: B, samples a step.
        lr: the highest rate.
        seed: of the samples.

    Returns:
        each step's loss.

    Raises:
        ValueError: an unknown optimizer, numbers that cannot be, a network without weights or one
            that does not take so many tokens, or targets that are not shaped like its outputs.
    """
    check_choice(("adam", "muon"), optimizer=optimizer)
    check_positive_integers(tokens=tokens, steps=steps, images=images)
    check_range(0, math.inf, lr=lr)
    _check_net(net, tokens)
    generator, losses = torch.Generator().manual_seed(seed), []

    def draw() -> tuple[Tensor, Tensor]:
        noise = torch.randn(images, tokens, CHANNELS, generator=generator)  # (B, S, C)
        x = functional.layer_norm(noise, (CHANNELS,))
        return x, task(x)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape != targets.shape:
            raise ValueError(
                f"task gives the shape {tuple(targets.shape)}, net {tuple(outputs.shape)}. "
                "Fix: a task that gives (B, S, C) for tokens (B, S, C), and such a net."
            )
        value = functional.mse_loss(outputs, targets)
        losses.append(value.item())
        return value

    update = _optimizer(net, optimizer, lr)
    rate = one_cycle(update, steps)
    train_one_epoch(net, loss, FreshBatches(draw, steps), "cpu", update, on_step=rate.step)
    return losses


def _check_net(net: nn.Module, tokens: int) -> None:
    """Raise ValueError unless the network has weights to train and takes so many tokens."""
    kind = type(net).__name__
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise ValueError(f"net={kind} has no weights to train. Fix: TokenMixingOnly({tokens}, 8).")
    was_training = net.training
    try:  # without a trace: no dropout is drawn, and no statistics of a batch are kept
        with torch.no_grad():
            net.eval()(torch.zeros(1, tokens, CHANNELS))
    except RuntimeError as error:
        raise ValueError(
            f"net={kind} does not take tokens={tokens} of {CHANNELS} channels "
            f"({' '.join(str(error).split())[:200]}). Fix: a net for so many tokens."
        ) from error
    finally:
        net.train(was_training)


def _optimizer(net: nn.Module, name: str, lr: float) -> torch.optim.Optimizer:
    if name == "adam":
        return torch.optim.Adam(net.parameters(), lr)
    return MuonAdamW(net, lr, weight_decay=0.0, adamw_lr=lr)
