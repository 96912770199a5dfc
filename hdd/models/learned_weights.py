"""What token mixing has learned: its units, who hears whom, and how far that is from chance.

Functions that take a network take an `hdd` or a timm Mixer; `layer` counts its blocks, -1 is the
last. S tokens lie on an h x w grid, D_S is the hidden width of token mixing.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import check_integers, check_positive_integers, check_shape, checked


class TokenMixing(NamedTuple):
    """The two matrices of a block's token-mixing MLP, and the grid of its tokens."""

    first: Tensor  # (D_S, S): a row says what a unit listens to
    second: Tensor  # (S, D_S): a column says where a unit writes
    grid: tuple[int, int]


@checked
def token_mixing(net: nn.Module, layer: int) -> TokenMixing:
    """Return the token-mixing matrices of block `layer`, as float32 on the CPU.

    Raises:
        ValueError: a network without token-mixing blocks, or without this one.
    """
    blocks = getattr(net, "blocks", [])
    if not -len(blocks) <= layer < len(blocks):
        raise ValueError(
            f"layer={layer}, but net={type(net).__name__} has {len(blocks)} blocks. "
            "Fix: an hdd or timm Mixer, and a layer that it has (-1 is the last)."
        )
    block = blocks[layer]
    mlp = getattr(block, "token_mixing", None) or getattr(block, "mlp_tokens", None)
    if mlp is None:
        raise ValueError(
            f"{type(block).__name__} has no token-mixing MLP. Fix: an hdd or timm Mixer."
        )
    first, second = (fc.weight.detach().float().cpu() for fc in (mlp.fc1, mlp.fc2))
    grid = net.grid if hasattr(net, "grid") else net.stem.grid_size  # timm's
    return TokenMixing(first, second, tuple(grid))


@checked
def effective_mixing(net: nn.Module, layer: int) -> Tensor:
    """Return W2 W1 (S, S), row "out", column "in": token mixing if the GELU were the identity."""
    first, second, _ = token_mixing(net, layer)
    return second @ first


@checked
def stem_filters(net: nn.Module) -> Tensor:
    """Return the stem's filters (C, channels, P, P)."""
    stem = getattr(net, "patch_embedding", None) or getattr(
        getattr(net, "stem", None), "proj", None
    )
    if stem is None:
        raise ValueError(f"net={type(net).__name__} has no stem. Fix: an hdd or timm Mixer.")
    return stem.weight.detach().float().cpu()


@checked
def cosines(maps: Tensor) -> Tensor:
    """Return the cosine of every two maps: (D, h, w) -> (D, D)."""
    check_shape("(D, h, w)", maps=maps)
    rows = functional.normalize(maps.flatten(1).float(), dim=1)  # (D, S)
    return rows @ rows.T


@checked
def opposite_pairs(maps: Tensor) -> list[tuple[int, int]]:
    """Return disjoint pairs of maps (D, h, w), the most opposite pair first.

    Greedy: of all units still free, the two with the smallest cosine are the next pair. An odd
    one is left over.
    """
    check_shape("(D, h, w)", maps=maps)
    similar = cosines(maps)  # (D, D)
    order = similar.flatten().argsort(stable=True).tolist()
    free, pairs = set(range(len(maps))), []
    for i, j in (divmod(index, len(maps)) for index in order):
        if i < j and i in free and j in free:
            pairs.append((i, j))
            free -= {i, j}
    return pairs


@checked
def morans_i(maps: Tensor) -> Tensor:
    """Return the spatial autocorrelation (Moran's I) of maps: (D, h, w) -> (D,).

    The mean product of neighbouring entries (up, down, left, right) over the mean square, after
    the map's mean is taken off: -1/(S - 1) is expected of a shuffled map; how far it can go depends
    on the grid, see `morans_range`. A constant map has no variance: 0 is returned for it.
    """
    check_shape("(D, h, w)", maps=maps)
    centred = maps.float() - maps.float().mean(dim=(-2, -1), keepdim=True)  # (D, h, w)
    across = (centred[..., :, 1:] * centred[..., :, :-1]).flatten(-2)
    down = (centred[..., 1:, :] * centred[..., :-1, :]).flatten(-2)
    neighbours = across.shape[-1] + down.shape[-1]
    variance = centred.square().mean(dim=(-2, -1))  # (D,)
    value = (across.sum(-1) + down.sum(-1)) / max(neighbours, 1)
    flat = variance <= 1e-12 * maps.float().square().mean(dim=(-2, -1))
    return torch.where(flat, torch.zeros(()), value / variance)


@checked
@cache
def morans_range(grid: tuple[int, int]) -> tuple[float, float]:
    """Return the smallest and the largest Moran's I that a map on an h x w grid can have.

    I of a map x without its mean is a Rayleigh quotient, x' A x / x' x times S / (2 E): A is the
    adjacency of the S tokens (up, down, left, right) and E the number of neighbouring pairs. Its
    range is that of the eigenvalues on mean-free maps: the largest is .975 on 8 x 8 tokens, .745
    on 4 x 4 and 0 on 2 x 2, so values of different grids are not on one scale.

    Raises:
        ValueError: a single token, which has no neighbours, or sides below 1.
    """
    h, w = grid
    check_positive_integers(grid=min(grid))
    if h * w < 2:
        raise ValueError(f"A grid of {h} x {w} has no neighbours. Fix: two tokens or more.")
    lines = [torch.diag(torch.ones(n - 1, dtype=torch.float64), 1) for n in (h, w)]
    down, across = (line + line.T for line in lines)
    identities = [torch.eye(n, dtype=torch.float64) for n in (h, w)]
    adjacency = torch.kron(down, identities[1]) + torch.kron(identities[0], across)  # (S, S)
    constant = torch.full_like(adjacency, 1 / (h * w))
    centre = torch.eye(h * w, dtype=torch.float64) - constant
    # The constant map is no mean-free map: a large negative eigenvalue puts it first.
    values = torch.linalg.eigvalsh(centre @ adjacency @ centre - 100 * constant)[1:]
    scaled = values * h * w / adjacency.sum()
    return float(scaled[0]), float(scaled[-1])


@checked
def smoothness(maps: Tensor) -> Tensor:
    """Return Moran's I on its grid's own scale: (D, h, w) -> (D,).

    0 is what a shuffled map is expected to have, 1 the smoothest map that this grid allows; so
    grids of different sizes can be compared.

    Raises:
        ValueError: fewer than three tokens; of two, all maps have the same Moran's I.
    """
    check_shape("(D, h, w)", maps=maps)
    h, w = maps.shape[-2:]
    _, largest = morans_range((h, w))
    if h * w == 2:
        raise ValueError(f"maps of {h} x {w} are all as smooth. Fix: maps of three tokens or more.")
    expected = -1 / (h * w - 1)
    return (morans_i(maps) - expected) / (largest - expected)


@checked
def smallest_cosines(maps: Tensor) -> Tensor:
    """Return each map's smallest cosine with another: (D, h, w) -> (D,); -1: it has its negative.

    Raises:
        ValueError: fewer than two maps.
    """
    check_shape("(D, h, w)", maps=maps)
    if len(maps) < 2:
        raise ValueError(f"{len(maps)} unit has no other one. Fix: a wider token-mixing MLP.")
    return cosines(maps).fill_diagonal_(2.0).amin(dim=1)


@checked
def equivariant_share(matrix: Tensor, grid: tuple[int, int]) -> float:
    """Return the share of a matrix's energy that commutes with cyclic shifts of the grid.

    A matrix (S, S) between the tokens of an h x w grid commutes with all cyclic shifts exactly if
    its entry [out, in] depends on the displacement alone. Averaging over all pairs with the same
    displacement projects onto these circular convolutions. A random matrix has about 1/S; identity
    and constant matrix count as convolutions, see `trivial_share`.

    Raises:
        ValueError: a matrix that does not fit the grid, or is zero.
    """
    h, w = grid
    if matrix.shape != (h * w, h * w):
        raise ValueError(
            f"matrix of shape {tuple(matrix.shape)} does not fit grid={grid}, which wants "
            f"{(h * w, h * w)}. Fix: another grid."
        )
    matrix = _with_energy(matrix)
    index = torch.arange(h * w)
    down = (index[:, None] // w - index[None, :] // w) % h  # (S, S)
    right = (index[:, None] % w - index[None, :] % w) % w  # (S, S)
    displacement = (down * w + right).flatten()  # one of S classes, each with S members
    sums = torch.zeros(h * w, dtype=torch.float64)
    sums.scatter_add_(0, displacement, matrix.flatten())
    projected = sums.square().sum() / (h * w)  # S members at sum / S each
    return float(projected / matrix.square().sum())


@checked
def padded_share(matrix: Tensor, grid: tuple[int, int]) -> float:
    """Return the share of a matrix's energy in the nearest convolution with zero padding.

    As `equivariant_share`, but the grid does not wrap around: an entry [out, in] may depend on the
    offset (rows, columns) from the output to the input token. That is (2h - 1)(2w - 1) groups of
    unequal size instead of S equal ones, so a random matrix has a larger share, too.

    Raises:
        ValueError: a matrix that does not fit the grid, or is zero.
    """
    h, w = grid
    check_shape(f"({h * w}, {h * w})", matrix=matrix)
    matrix = _with_energy(matrix)
    places = torch.cartesian_prod(torch.arange(h), torch.arange(w))  # (S, 2): row, column
    down, right = (places[None] - places[:, None] + torch.tensor([h - 1, w - 1])).unbind(-1)
    group, count = (down * (2 * w - 1) + right).flatten(), (2 * h - 1) * (2 * w - 1)
    sums = torch.zeros(count, dtype=torch.float64).index_add(0, group, matrix.flatten())
    projected = (sums.square() / group.bincount(minlength=count)).sum()
    return float(projected / matrix.square().sum())


@checked
def trivial_share(matrix: Tensor) -> float:
    """Return the share of a matrix's energy in a multiple of identity plus a constant matrix.

    Both commute with every relabelling of the tokens: "listens to itself" and "listens to the mean"
    know no neighbours. They are circular convolutions, too, so `equivariant_share` contains them;
    what is left without them needs the grid.

    Args:
        matrix: (S, S), S at least 2.

    Raises:
        ValueError: another shape, or a matrix that is zero.
    """
    check_shape("(S, S)", matrix=matrix)
    size = len(matrix)
    if size < 2:
        raise ValueError(f"matrix has {size} token, no other to hear. Fix: two tokens or more.")
    matrix = _with_energy(matrix)
    total, trace = matrix.sum(), matrix.trace()
    off = (total - trace).square() / (size * (size - 1))  # the mean of all others, everywhere
    return float((trace.square() / size + off) / matrix.square().sum())


def _with_energy(matrix: Tensor) -> Tensor:
    """Return the matrix as float64 on the CPU (Apple's GPUs have none); refuse one of zeros."""
    matrix = matrix.detach().cpu().double()
    if not matrix.any():
        raise ValueError("matrix is 0, of which there are no shares. Fix: a matrix that mixes.")
    return matrix


# |z| beyond which we speak of more than chance. A normal deviate exceeds it with p = 6e-5: among
# 700 values one or more does so by chance in fewer than 5 of 100 cases (Bonferroni).
BEYOND = 4.0


class Chance(NamedTuple):
    """A statistic beside the same statistic of shuffled weights."""

    value: float
    null_mean: float
    null_sd: float

    @property
    def above(self) -> float:
        """How much of the value is more than chance."""
        return self.value - self.null_mean

    @property
    def z(self) -> float:
        """How many of the null's standard deviations the value is from the null's mean."""
        return self.above / max(self.null_sd, 1e-12)

    @property
    def beyond_chance(self) -> bool:
        """True if |z| is above BEYOND, which allows for the many values that are looked at."""
        return abs(self.z) > BEYOND

    def __str__(self) -> str:
        verdict = "beyond chance" if self.beyond_chance else "not distinguishable from chance"
        return f"{self.value:+.3f} (chance {self.null_mean:+.3f} ± {self.null_sd:.3f}): {verdict}"


@checked
def combined_z(values: Sequence[float]) -> float:
    """Return the z of several independent z together (Stouffer): their sum over sqrt(n)."""
    if not len(values):
        raise ValueError("values is empty. Fix: one z or more.")
    return sum(values) / math.sqrt(len(values))


STATISTICS = (
    "autocorrelation",
    "opposite cosine",
    "opposite rather than equal",
    "equivariant share",
)


@checked
def structure(net: nn.Module, layer: int, draws: int = 100) -> dict[str, Chance]:
    """Return statistics of a layer's token mixing, each beside chance.

    * "autocorrelation": mean `smoothness` of the units' maps (Moran's I on its grid's own scale).
    * "opposite cosine": mean of each unit's smallest cosine with another.
    * "opposite rather than equal": the same, against a stricter null, see below.
    * "equivariant share": that of W2 W1.

    Each has the null that keeps everything but what is asked about. Autocorrelation and equivariant
    share ask what the grid has to do with the weights: `relabelled` gives the tokens other places,
    the same for reading and writing, so that W2 W1 keeps its values, its diagonal, its mean and its
    spectrum. Cosines know no places; for them each unit's weights are shuffled by themselves.
    Smooth units are near to each other's span, so their cosines are large in both directions
    without any pairing; the stricter null keeps every unit's map and flips random signs: it asks
    whether opposites are preferred to duplicates.

    Args:
        net: an hdd or timm Mixer.
        layer: its block.
        draws: how many shuffles the null's mean and standard deviation come from.
    """
    check_integers(2, 10**6, draws=draws)  # one has no deviation
    mixing, generator = token_mixing(net, layer), torch.Generator().manual_seed(0)
    maps = mixing.first.unflatten(1, mixing.grid)
    moved = torch.tensor([_spatial(relabelled(mixing, generator)) for _ in range(draws)]).T
    mixed = [shuffled(mixing, generator).first.unflatten(1, mixing.grid) for _ in range(draws)]
    nulls = [torch.tensor([_opposite(null) for null in mixed])]
    nulls.append(torch.tensor([_opposite(_flip(maps, generator)) for _ in range(draws)]))
    smooth, share = _spatial(mixing)
    values = (smooth, _opposite(maps), _opposite(maps), share)
    return {
        name: Chance(value, float(null.mean()), float(null.std()))
        for name, value, null in zip(STATISTICS, values, (moved[0], *nulls, moved[1]), strict=True)
    }


def _flip(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Return maps (D, h, w), each with a random sign."""
    return maps * torch.randint(0, 2, (len(maps), 1, 1), generator=generator).mul(2).sub(1)


def _opposite(maps: Tensor) -> float:
    return float(smallest_cosines(maps).mean())


@checked
def relabelled(mixing: TokenMixing, generator: torch.Generator) -> TokenMixing:
    """Return the null of the grid: all tokens change places, for reading and writing alike."""
    order = torch.randperm(mixing.first.shape[1], generator=generator)
    return TokenMixing(mixing.first[:, order], mixing.second[order], mixing.grid)


@checked
def shuffled(mixing: TokenMixing, generator: torch.Generator) -> TokenMixing:
    """Return units without patterns: what each reads, and what it writes, shuffled by itself."""
    first, written = (_shuffle_rows(m, generator) for m in (mixing.first, mixing.second.T))
    return TokenMixing(first, written.T, mixing.grid)


def _shuffle_rows(matrix: Tensor, generator: torch.Generator) -> Tensor:
    order = torch.rand(matrix.shape, generator=generator).argsort(dim=1)
    return matrix.gather(1, order)


def _spatial(mixing: TokenMixing) -> tuple[float, float]:
    """Return what depends on the grid: smoothness of the units, equivariant share of W2 W1."""
    maps = mixing.first.unflatten(1, mixing.grid)
    share = equivariant_share(mixing.second @ mixing.first, mixing.grid)
    return float(smoothness(maps).mean()), share


@checked
def listening(net: nn.Module, layer: int, images: Tensor) -> Tensor:
    """Return who hears whom in block `layer`, GELU, norms and residual included: (S, S).

    Entry [out, in] is the Frobenius norm of the Jacobian's (C, C) block, divided by sqrt(C) and
    averaged (root mean square) over the images: 1 on the diagonal for a block that only copies.
    One random projection of the output's channels an image estimates it without the whole
    Jacobian; with 16 images and 128 channels an entry is off by a few per cent.

    Args:
        net: an hdd or timm Mixer.
        layer: its block.
        images: normalised images (B, channels, H, W); they say where the Jacobian is taken.
    """
    token_mixing(net, layer)  # for its message, if there is none
    block, x = net.blocks[layer], _input_of(net, net.blocks[layer], images)  # (B, S, C)
    x.requires_grad_(True)
    generator = torch.Generator(x.device).manual_seed(0)
    probe = torch.randn(x.shape, generator=generator, device=x.device) / math.sqrt(x.shape[2])
    y = block(x)  # (B, S, C)
    rows = []
    for token in range(y.shape[1]):
        heard = (y[:, token] * probe[:, token]).sum()
        (gradient,) = torch.autograd.grad(heard, x, retain_graph=True)  # (B, S, C)
        rows.append(gradient.square().sum(dim=2).mean(dim=0).sqrt())  # (S,)
    return torch.stack(rows).cpu()


def _input_of(net: nn.Module, part: nn.Module, images: Tensor) -> Tensor:
    """Return what `part` of the network receives for these images."""
    received = []
    hook = part.register_forward_pre_hook(lambda _, arguments: received.append(arguments[0]))
    try:
        with torch.no_grad():
            net(images)
    finally:
        hook.remove()
    return received[0].detach().clone()
