"""Who hears whom, and how much of a token-mixing matrix a convolution could express."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jacrev


def influence_maps(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return how strongly each token, and each channel, of the output depends on the input's.

    Args:
        function: (B, S, C) -> (B, S, C), such as a MixerBlock.
        x: the point, (S, C), at which the Jacobian is taken.

    Returns:
        token map (S, S) and channel map (C, C): entry [out, in] is the Frobenius norm of the
        Jacobian's block. An entry of exactly zero: "out" cannot hear "in" at this point.
    """
    jacobian = jacrev(lambda one: function(one.unsqueeze(0)).squeeze(0))(x)  # (S, C, S, C)
    tokens = jacobian.square().sum(dim=(1, 3)).sqrt()  # (S, S)
    channels = jacobian.square().sum(dim=(0, 2)).sqrt()  # (C, C)
    return tokens.detach(), channels.detach()


def equivariant_share(matrix: Tensor, grid: tuple[int, int]) -> float:
    """Return the share of a matrix's energy that commutes with cyclic shifts of the grid.

    A matrix (S, S) between the tokens of an h x w grid commutes with all cyclic shifts exactly if
    its entry [out, in] depends on the displacement alone. Averaging over all pairs with the same
    displacement projects onto these circular convolutions. A random matrix has about 1/S.

    Raises:
        ValueError: a matrix that does not fit the grid.
    """
    h, w = grid
    if matrix.shape != (h * w, h * w):
        raise ValueError(f"A matrix {tuple(matrix.shape)} does not fit a {h} x {w} grid of tokens.")
    index = torch.arange(h * w)
    down = (index[:, None] // w - index[None, :] // w) % h  # (S, S)
    right = (index[:, None] % w - index[None, :] % w) % w  # (S, S)
    displacement = (down * w + right).flatten()  # one of S classes, each with S members
    sums = torch.zeros(h * w, dtype=torch.float64)
    sums.scatter_add_(0, displacement, matrix.detach().double().cpu().flatten())
    projected = sums.square().sum() / (h * w)  # S members at sum / S each
    return float(projected / matrix.detach().double().square().sum().cpu())
