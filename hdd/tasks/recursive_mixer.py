"""A small network that calls itself again and again until the puzzle is solved, and its training.

After the Tiny Recursive Model (Jolicoeur-Martineau, 2025, arXiv 2510.04871), much simplified: one
state, no gradient is cut, and every recursion's answer is judged. B puzzles, S = 36 or 81 cells,
C = dim.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR

from hdd.arguments import (
    check_choice,
    check_integers,
    check_positive_integers,
    check_range,
    check_shape,
    check_types,
    check_whole,
    checked,
)
from hdd.models.cnn.mlp_mixer import MixerBlock
from hdd.models.nn_utils import count_trainable_parameter
from hdd.models.token_mixers import Attention, Block, channel_width
from hdd.progress import progress
from hdd.tasks.sudoku import BOXES, SIDE, Puzzles, check_puzzles, disguised, peers, side_of
from hdd.train.muon import MuonAdamW

KINDS = (
    "token-mlp",
    "attention-1d",
    "attention-2d",
    "attention-moved",
    "attention-learned",
    "axial-mean",
)


class AxialMean(nn.Module):
    """Each token sees itself and the means of its row and its column: nothing to learn in space."""

    @checked
    def __init__(self, dim: int) -> None:
        super().__init__()
        check_positive_integers(dim=dim)
        self.linear = nn.Linear(3 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        side = side_of(x.shape[1])
        image = x.unflatten(1, (side, side))  # (B, side, side, C)
        means = [image.mean(axis, keepdim=True).expand_as(image) for axis in (1, 2)]
        return self.linear(torch.cat([image, *means], dim=3)).flatten(1, 2)  # (B, S, C)


class RecursiveNet(nn.Module):
    """Two blocks, called `recursions` times: puzzles (B, S) -> logits (recursions, B, S, side).

    Each recursion adds the puzzle's embedding to the state z (B, S, C), which begins at zero, sends
    it through the blocks and normalises it; a head shared by all cells and recursions reads digits
    off the state. As recursions share their weights, a trained network can make more of them than
    in training. Without the norm in the loop the state grows with each one: networks then train
    more slowly, and some fall apart after the last recursion that they were trained for.

    The token MLP needs no positions, its weights know the cells. The others get a vector for each
    cell, added to the embedding. Their channel MLP is as wide as makes the numbers of parameters
    equal.

    Args:
        kind: of token mixing, one of KINDS. "attention-1d": sines of the cell's number;
            "attention-2d": sines of its row and of its column; "attention-moved": the same
            sines dealt to the cells at random, as if the cells had been moved before training;
            "attention-learned" and "axial-mean": learned vectors.
        dim: C.
        token_dim: D_S of the token MLP.
        channel_dim: D_C beside the token MLP.
        recursions: unless `forward` is told otherwise.
        side: of the puzzles, 6 or 9.

    Raises:
        ValueError: an unknown kind or side; puzzles of another side, a digit that the side does not
            have, or fewer than one recursion.
    """

    @checked
    def __init__(
        self,
        kind: str = "token-mlp",
        *,
        dim: int = 48,
        token_dim: int = 72,
        channel_dim: int = 96,
        recursions: int = 6,
        side: int = SIDE,
    ) -> None:
        super().__init__()
        check_choice(KINDS, kind=kind)
        check_choice(tuple(BOXES), side=side)
        sizes = {"dim": dim, "token_dim": token_dim, "channel_dim": channel_dim}
        check_positive_integers(**sizes, recursions=recursions)
        self.kind, self.grid, self.recursions = kind, (side, side), recursions
        self.embedding = nn.Embedding(side + 1, dim)  # the digits and the empty cell
        self.position = _positions(kind, dim, side)
        blocks = [MixerBlock(side * side, dim, token_dim, channel_dim) for _ in range(2)]
        if kind != "token-mlp":
            learned = self.position.numel() if self.position.requires_grad else 0
            budget = count_trainable_parameter(blocks[0]) - learned // 2
            blocks = [_block(kind, dim, budget) for _ in blocks]
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, side)

    @checked
    def forward(self, puzzles: Tensor, recursions: int | None = None) -> Tensor:
        side, many = self.grid[0], self.recursions if recursions is None else recursions
        check_shape(f"(B, {side * side})", puzzles=puzzles)
        check_whole(0, side, puzzles=puzzles)
        check_positive_integers(recursions=many)
        x = self.embedding(puzzles.long())  # (B, S, C)
        if self.position is not None:
            x = x + self.position
        z, answers = torch.zeros_like(x), []
        for _ in range(many):
            z = self.norm(self.blocks(z + x))  # (B, S, C)
            answers.append(self.head(z))  # (B, S, side)
        return torch.stack(answers)


def _block(kind: str, dim: int, budget: int) -> Block:
    mixer = AxialMean(dim) if kind == "axial-mean" else Attention(dim)
    return Block(mixer, dim, channel_width(mixer, dim, budget))


def _positions(kind: str, dim: int, side: int) -> nn.Parameter | None:
    """Return a vector for each cell (S, C), of mean square 1/2 (sines) or 1 (learned)."""
    if kind == "token-mlp":
        return None
    cell = torch.arange(side * side)
    if kind == "attention-1d":
        return nn.Parameter(_sines(cell, dim, len(cell)), requires_grad=False)
    if kind in ("attention-2d", "attention-moved"):
        if kind == "attention-moved":
            cell = torch.randperm(len(cell), generator=torch.Generator().manual_seed(0))
        halves = [_sines(axis, dim // 2, side) for axis in (cell // side, cell % side)]
        return nn.Parameter(torch.cat(halves, dim=1), requires_grad=False)
    return nn.Parameter(torch.randn(len(cell), dim))


def _sines(number: Tensor, features: int, longest: int) -> Tensor:
    """Return sines and cosines (N, features), with periods from 2 to 2 * `longest` places."""
    periods = 2 * longest ** torch.linspace(0, 1, features // 2)
    phase = 2 * math.pi * number[:, None] / periods  # (N, features / 2)
    return torch.cat([phase.sin(), phase.cos()], dim=1)


class Training(NamedTuple):
    """How a recursive network is trained.

    `lr` is that of the blocks' matrices under "muon" and of everything under "adamw"; `adamw_lr`
    is that of the other parameters under "muon". `reveal`: of the puzzle's empty cells, a share
    drawn between 0 and this value is filled in for each example; the bound falls to 0 over the
    training, from easy puzzles to whole ones. `emphasis`: recursion r = 1, 2, ... counts with
    weight r ** emphasis in the loss, since the first ones cannot know the answer yet.
    """

    steps: int = 400
    batch: int = 64
    optimizer: str = "muon"
    lr: float = 2e-2
    adamw_lr: float = 5e-3
    weight_decay: float = 0.05
    reveal: float = 0.0
    emphasis: float = 1.0


@checked
def train(
    net: RecursiveNet,
    puzzles: Puzzles,
    how: Training,
    seed: int = 0,
    on_step: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """Train `net` in place on disguises of `puzzles`; return the last recursion's loss, by step.

    The loss is the cross-entropy of the empty cells, averaged over recursions. However few the
    puzzles, hardly an example is seen twice: `disguised` renames digits and permutes lines.

    Args:
        net: from its start.
        puzzles: with their solutions, of the training classes.
        how: steps, optimizer, rates.
        seed: of the order, the disguises and what is revealed.
        on_step: called with the number of each finished step.

    Raises:
        ValueError: a value of `how` that cannot be; puzzles none of which has an empty cell.
    """
    _check_training(how)
    _check_empty_cells(puzzles)
    generator = torch.Generator().manual_seed(seed)
    optimizer = _optimizer(net, how)
    tops = [group["lr"] for group in optimizer.param_groups]
    # A rise of less than two steps divides by zero, hence 20.
    rate = OneCycleLR(optimizer, tops, max(how.steps, 20), pct_start=0.1, cycle_momentum=False)
    weights = torch.arange(1, net.recursions + 1) ** how.emphasis  # (recursions,)
    net.train()
    losses = []
    for step in progress(range(how.steps), "Steps"):
        chosen = torch.randint(len(puzzles.givens), (how.batch,), generator=generator)
        batch = disguised(puzzles[chosen], generator)
        bound = how.reveal * (1 - step / how.steps)
        givens = _revealed(batch, bound, generator) if bound > 0 else batch.givens
        by_recursion = _losses(net, Puzzles(givens, batch.solutions))
        optimizer.zero_grad()
        (by_recursion @ (weights / weights.sum())).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        rate.step()
        losses.append(by_recursion[-1].item())
        on_step(step + 1)
    net.eval()
    return losses


def _check_training(how: Training) -> None:
    check_types(Training, how._asdict())
    check_positive_integers(steps=how.steps, batch=how.batch)
    check_choice(("muon", "adamw"), optimizer=how.optimizer)
    check_range(0, 1, reveal=how.reveal)
    rates = {name: getattr(how, name) for name in ("lr", "adamw_lr", "weight_decay", "emphasis")}
    check_range(0, math.inf, **rates)


def _check_empty_cells(puzzles: Puzzles) -> None:
    check_puzzles(puzzles)
    if not puzzles.empty.any():
        raise ValueError(
            f"puzzles={len(puzzles.givens)} puzzles have no empty cell to learn from. "
            "Fix: puzzles=generate(100, 'training')."
        )


def _optimizer(net: RecursiveNet, how: Training) -> torch.optim.Optimizer:
    if how.optimizer == "muon":
        return MuonAdamW(net, how.lr, how.weight_decay, how.adamw_lr)
    parameters = [p for p in net.parameters() if p.requires_grad]
    options = {"betas": (0.9, 0.99), "weight_decay": how.weight_decay, "fused": True}
    return torch.optim.AdamW(parameters, how.lr, **options)


def _revealed(puzzles: Puzzles, bound: float, generator: torch.Generator) -> Tensor:
    """Return the givens with up to a share `bound` of the empty cells filled in."""
    share = bound * torch.rand(len(puzzles.givens), 1, generator=generator)  # (B, 1)
    shown = torch.rand(puzzles.givens.shape, generator=generator) < share  # (B, S)
    return torch.where(shown, puzzles.solutions, puzzles.givens)


def _losses(net: RecursiveNet, puzzles: Puzzles) -> Tensor:
    """Return the mean cross-entropy of empty cells after each recursion: (recursions,).

    A batch may have none, all of them revealed: its loss is 0 rather than NaN.
    """
    logits, empty = net(puzzles.givens), puzzles.empty
    answers = logits[:, empty]  # (recursions, cells, side)
    right = puzzles.solutions[empty].long().expand(len(logits), -1)  # (recursions, cells)
    losses = functional.cross_entropy(answers.transpose(1, 2), right, reduction="none")
    return losses.mean(dim=1) if losses.numel() else losses.sum(dim=1)


@checked
@torch.no_grad()
def solved(net: RecursiveNet, puzzles: Puzzles, recursions: int | None = None) -> Tensor:
    """Return which cells the network gets right after each recursion: (recursions, N, S) bool.

    Given cells count as right, so `.all(dim=2)` says which puzzles are solved.
    """
    if recursions is not None:
        check_positive_integers(recursions=recursions)
    parts = []
    for some in map(Puzzles, *(field.split(250) for field in puzzles)):
        answers = net(some.givens, recursions).argmax(dim=3)  # (recursions, B, S)
        parts.append((answers == some.solutions) | ~some.empty)
    return torch.cat(parts, dim=1)


class Rules(NamedTuple):
    """How far a matrix between cells tells peers, which Sudoku's rules connect, from others.

    `auc`: the chance that |weight| of a random pair of peers exceeds that of a random other pair;
    0.5 is blind, 1 perfect. `signed_auc`: the same for the weights with their signs, whichever sign
    peers have. `null`, `signed_null`: both after random relabellings of the cells, (draws,) each.
    `peers`, `others`: mean weights with their signs, in units of all pairs' root mean square.
    """

    auc: float
    null: Tensor
    signed_auc: float
    signed_null: Tensor
    peers: float
    others: float


@checked
def rules(matrix: Tensor, draws: int = 1000) -> Rules:
    """Compare a matrix (S, S), such as W2 W1, on peers with other pairs of different cells.

    The null relabels what is read and what is written alike: rows and columns of the matrix change
    places together, so its diagonal and its spectrum stay.

    Raises:
        ValueError: another shape, or nothing but zeros between different cells.
    """
    if matrix.shape not in ((36, 36), (81, 81)):
        raise ValueError(
            f"matrix of shape {tuple(matrix.shape)} is not one between 36 cells, nor 81. "
            "Fix: (36, 36) or (81, 81)."
        )
    cells = len(matrix)
    connected, different = peers(side_of(cells)), ~torch.eye(cells, dtype=torch.bool)
    check_integers(1, 10**6, draws=draws)
    if not matrix[different].any():
        raise ValueError(
            "matrix is 0 off its diagonal: no unit for means. Fix: a matrix that mixes cells."
        )
    generator = torch.Generator().manual_seed(0)
    orders = [torch.arange(cells)]  # the true places first
    orders += [torch.randperm(cells, generator=generator) for _ in range(draws)]
    plain = _areas(matrix.abs(), orders)
    signed = (_areas(matrix, orders) - 0.5).abs() + 0.5
    scaled = matrix / matrix[different].square().mean().sqrt()
    means = float(scaled[connected].mean()), float(scaled[different & ~connected].mean())
    return Rules(float(plain[0]), plain[1:], float(signed[0]), signed[1:], *means)


def _areas(scores: Tensor, orders: list[Tensor]) -> Tensor:
    """Return the area under the curve (ROC) of scores (S, S) for peers, for each relabelling.

    That is the share of pairs (peers, others) that the scores put in order, ties half. It follows
    from the peers' mean rank, and a relabelling moves the ranks about.
    """
    cells = len(scores)
    connected, different = peers(side_of(cells)), ~torch.eye(cells, dtype=torch.bool)
    _, group, counts = scores[different].unique(return_inverse=True, return_counts=True)
    ranks = torch.zeros(cells, cells, dtype=torch.float64)
    ranks[different] = (counts.cumsum(0).double() - (counts - 1) / 2)[group]
    sums = torch.stack([ranks[order][:, order][connected].sum() for order in orders])
    total, ours = len(group), int(connected.sum())
    return (sums - ours * (ours + 1) / 2) / (ours * (total - ours))
