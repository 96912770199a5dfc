"""The token mixers of other architectures, interchangeable in one block.

Each maps tokens (B, S, C) on an h x w grid to (B, S, C); norm, residual connection and channel MLP
are those of the Mixer block. So whatever differs between two networks of `build_mixer` is the token
mixer alone. All are made from the grid (h, w) and the number of channels, needed or not.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import check_choice, check_positive_integers, checked
from hdd.models.cnn.mlp_mixer import Mlp, MLPMixer
from hdd.models.nn_utils import count_trainable_parameter

Grid = tuple[int, int]
HEADS = 4  # of self-attention


class OnGrid(nn.Module):
    """What is made from a grid (h, w) of tokens and a number of channels."""

    @checked
    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__()
        check_positive_integers(grid=min(grid), dim=dim)
        self.grid, self.tokens = grid, grid[0] * grid[1]


class Identity(OnGrid):
    """No token mixing, a bag of patches: the "identity mapping" of arXiv 2111.11418."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Pooling(OnGrid):
    """PoolFormer's mixer (Yu et al., 2021, arXiv 2111.11418): the 3x3 mean minus the token."""

    def forward(self, x: Tensor) -> Tensor:
        image = _to_image(x, self.grid)  # (B, C, h, w)
        mean = functional.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        return _to_tokens(mean - image)


class DepthwiseConv(OnGrid):
    """A 3x3 convolution of each channel by itself, as in ConvMixer (arXiv 2201.09792)."""

    @checked
    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__(grid, dim)
        self.conv = nn.Conv2d(dim, dim, 3, padding="same", groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return _to_tokens(self.conv(_to_image(x, self.grid)))


class TokenMlp(OnGrid):
    """Mixer's own: one MLP over the tokens, shared by all channels."""

    @checked
    def __init__(self, grid: Grid, dim: int, hidden: int | None = None) -> None:
        super().__init__(grid, dim)
        self.mlp = Mlp(self.tokens, max(1, self.tokens // 2) if hidden is None else hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x.transpose(1, 2)).transpose(1, 2)


class TokenLinear(OnGrid):
    """ResMLP's mixer (Touvron et al., 2021, arXiv 2105.03404): one matrix over the tokens."""

    @checked
    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__(grid, dim)
        self.linear = nn.Linear(self.tokens, self.tokens)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.transpose(1, 2)).transpose(1, 2)


class SpatialGate(OnGrid):
    """gMLP (Liu et al., 2021, arXiv 2105.08050): half of the channels, mixed, gate the others."""

    @checked
    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__(grid, dim)
        self.fc1 = nn.Linear(dim, 2 * dim)
        self.fc2 = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.spatial = nn.Linear(self.tokens, self.tokens)
        nn.init.normal_(self.spatial.weight, std=1e-6)  # the gate begins at 1: open,
        nn.init.ones_(self.spatial.bias)  # and nothing is mixed

    def forward(self, x: Tensor) -> Tensor:
        value, gate = functional.gelu(self.fc1(x)).chunk(2, dim=-1)  # (B, S, C) each
        gate = self.spatial(self.norm(gate).transpose(1, 2)).transpose(1, 2)
        return self.fc2(value * gate)


class Attention(nn.Module):
    """Multi-head self-attention (arXiv 1706.03762): the weights depend on the tokens.

    It does not know places: tokens in another order give the same answers in that order.
    """

    @checked
    def __init__(self, dim: int) -> None:
        super().__init__()
        check_positive_integers(dim=dim)
        if dim % HEADS:
            raise ValueError(
                f"dim={dim} does not divide among {HEADS} attention heads. "
                f"Fix: dim={dim + -dim % HEADS}."
            )
        # Three matrices and not one: Muon makes each of them orthogonal by itself.
        self.query, self.key, self.value, self.out = (nn.Linear(dim, dim) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part(x).unflatten(2, (HEADS, -1)).transpose(1, 2)  # (B, heads, S, C / heads)
            for part in (self.query, self.key, self.value)
        )
        y = functional.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))  # (B, S, C)


class SelfAttention(Attention):
    """Attention with a vector for each place.

    Without it a network of such blocks would be a bag of patches; so each block adds one, as ViT
    does before its first.
    """

    @checked
    def __init__(self, grid: Grid, dim: int) -> None:
        super().__init__(dim)
        check_positive_integers(grid=min(grid))
        self.position = nn.Parameter(0.02 * torch.randn(grid[0] * grid[1], dim))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + self.position)


class Block(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)): (B, S, C) -> (B, S, C)."""

    @checked
    def __init__(self, mixer: nn.Module, dim: int, channel_dim: int) -> None:
        super().__init__()
        check_positive_integers(dim=dim, channel_dim=channel_dim)
        self.token_norm = nn.LayerNorm(dim, eps=1e-6)
        self.mixer = mixer
        self.channel_norm = nn.LayerNorm(dim, eps=1e-6)
        self.channel_mixing = Mlp(dim, channel_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.token_norm(x))
        return x + self.channel_mixing(self.channel_norm(x))


TOKEN_MIXERS = {
    "identity": Identity,
    "pooling": Pooling,
    "depthwise": DepthwiseConv,
    "token-mlp": TokenMlp,
    "token-linear": TokenLinear,
    "spatial-gate": SpatialGate,
    "attention": SelfAttention,
}
MIXER_KINDS = (*TOKEN_MIXERS, "hybrid")  # the networks of build_mixer


@checked
def build_mixer(
    kind: str,
    *,
    image_size: int | Grid = 32,
    channels: int = 3,
    patch_size: int = 4,
    dim: int = 128,
    depth: int = 8,
    num_classes: int = 10,
) -> MLPMixer:
    """Return a Mixer whose blocks mix tokens in another way, with as many parameters.

    The channel MLP makes up the difference: it is narrower beside a mixer with many parameters,
    so that a comparison is one of kinds, not of sizes. `kind` is a key of TOKEN_MIXERS or "hybrid":
    token MLPs, and attention in every second block. The sizes are those of MLPMixer.

    Raises:
        ValueError: an unknown kind.
    """
    check_choice(MIXER_KINDS, kind=kind)
    kinds = ["token-mlp", "attention"] if kind == "hybrid" else [kind]
    sizes = {"image_size": image_size, "channels": channels, "patch_size": patch_size}
    one_token = image_size in (patch_size, (patch_size, patch_size))  # half a unit would be none
    factor = 1.0 if one_token else 0.5
    sizes |= {"dim": dim, "depth": depth, "num_classes": num_classes}
    net = MLPMixer(**sizes, expansion_factor_token=factor)
    budget = count_trainable_parameter(net.blocks[0])
    mixers = [TOKEN_MIXERS[kinds[i % len(kinds)]](net.grid, dim) for i in range(depth)]
    widths = [channel_width(mixer, dim, budget) for mixer in mixers]
    pairs = zip(mixers, widths, strict=True)
    net.blocks = nn.Sequential(*(Block(mixer, dim, width) for mixer, width in pairs))
    net.arguments = {"kind": kind, **sizes}
    return net


def channel_width(mixer: nn.Module, dim: int, budget: int) -> int:
    """Return the hidden width with which a block has about `budget` parameters."""
    left = budget - count_trainable_parameter(mixer) - 4 * dim - dim  # two norms, one bias
    return max(1, round(left / (2 * dim + 1)))


def _to_image(x: Tensor, grid: Grid) -> Tensor:
    return x.transpose(1, 2).unflatten(2, grid)  # (B, C, h, w)


def _to_tokens(image: Tensor) -> Tensor:
    return image.flatten(2).transpose(1, 2)  # (B, S, C)
