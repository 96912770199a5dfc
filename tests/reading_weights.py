"""What tests read off weights and functions, to compare with what the package says."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import jacrev

from hdd.models.cnn.mlp_mixer import MixerBlock
from hdd.models.learned_weights import token_mixing


def routing_matrix(net: nn.Module) -> Tensor:
    """Return the S x S weights of a trained net, row "out", column "in".

    W2 W1 of a token-mixing MLP; plus the identity for a block, whose residual connection copies
    every token to itself.
    """
    mlp = net.token_mixing
    product = (mlp.fc2.weight @ mlp.fc1.weight).detach()  # (S, S)
    return product + torch.eye(len(product)) if isinstance(net, MixerBlock) else product


def routing_score(matrix: Tensor, source: Tensor) -> float:
    """Return the share of rows of (S, S) whose largest weight is at the true source (S,)."""
    return (matrix.argmax(dim=1) == source).double().mean().item()


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


def unit_maps(net: nn.Module, layer: int) -> Tensor:
    """Return what each hidden unit reads: the first matrix's rows as maps (D_S, h, w)."""
    first, _, grid = token_mixing(net, layer)
    return first.unflatten(1, grid)
