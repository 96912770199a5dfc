"""MLP-Mixer (Tolstikhin et al., 2021, arXiv 2105.01601), short enough to read in one sitting.

Shapes: B images, S tokens (patches), C = dim channels, D_S and D_C hidden widths of the two MLPs.

Two widths are in use for the token-mixing MLP, and this class offers both:

* `expansion_factor_token=0.5` makes D_S half the number of *tokens*: the source document's
  network, 1,099,146 parameters for CIFAR-10.
* `token_dim=dim // 2` makes D_S half the number of *channels*: the paper's own models, whose
  cost then grows linearly, not quadratically, with the number of tokens.
"""

from typing import Any

import torch
from torch import Tensor, nn

from hdd.arguments import (
    check_dropout,
    check_image_size,
    check_parameters,
    check_positive_integers,
    hidden_width,
    shown,
)

Intermediates = dict[str, Tensor]


class Mlp(nn.Module):
    """Linear -> GELU -> Linear on the last axis: (..., features) -> (..., features)."""

    def __init__(self, features: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_positive_integers(features=features, hidden=hidden)
        check_dropout(dropout)
        self.fc1 = nn.Linear(features, hidden)
        self.activation = nn.GELU()
        self.fc2 = nn.Linear(hidden, features)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.activation(self.fc1(x)))  # (..., hidden)
        return self.dropout(self.fc2(x))  # (..., features)


class MixerBlock(nn.Module):
    """Token mixing, then channel mixing: (B, S, C) -> (B, S, C).

    Each half has its own LayerNorm (over channels, before the transpose) and its own residual
    connection; the second one adds to the running sum, not to the block's input.
    """

    def __init__(
        self, tokens: int, dim: int, token_dim: int, channel_dim: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_positive_integers(
            tokens=tokens, dim=dim, token_dim=token_dim, channel_dim=channel_dim
        )
        self.token_norm = nn.LayerNorm(dim, eps=1e-6)
        self.token_mixing = Mlp(tokens, token_dim, dropout)
        self.channel_norm = nn.LayerNorm(dim, eps=1e-6)
        self.channel_mixing = Mlp(dim, channel_dim, dropout)

    def forward(self, x: Tensor, out: Intermediates | None = None, name: str = "") -> Tensor:
        y = self.token_norm(x).transpose(1, 2)  # (B, C, S)
        x = x + self.token_mixing(y).transpose(1, 2)  # (B, S, C)
        keep(out, name + "token_mixing", x)
        x = x + self.channel_mixing(self.channel_norm(x))  # (B, S, C)
        keep(out, name + "channel_mixing", x)
        return x


class MLPMixer(nn.Module):
    """The whole classifier: (B, channels, H, W) -> (B, num_classes).

    Parts: `patch_embedding` (a strided convolution, which equals "cut out patches, apply one
    Linear"), `blocks[i].token_mixing`, `blocks[i].channel_mixing`, `norm`, `head`. There is no
    position embedding and no class token: a token's place is its row, and the token-mixing
    weights know it. LayerNorm's epsilon is 1e-6 and GELU the exact one, as in timm.

    `arguments` holds what the network was built with: `MLPMixer(**net.arguments)` is its like.

    Args:
        image_size: H = W, or (H, W), in pixels.
        channels: colour channels of the image.
        patch_size: side of a square patch in pixels; must divide H and W.
        dim: C, channels of a token.
        depth: number of blocks.
        num_classes: width of the output.
        expansion_factor_channel: D_C = int(dim * expansion_factor_channel).
        expansion_factor_token: D_S = int(tokens * expansion_factor_token).
        dropout: probability in [0, 1), after each Linear of the MLPs.
        token_dim: D_S itself, instead of the factor.
        channel_dim: D_C itself, instead of the factor.

    Raises:
        ValueError: for a value that breaks one of these rules.
    """

    arguments: dict[str, Any]
    grid: tuple[int, int]  # (h, w)
    input_shape: tuple[int, int, int]  # (channels, H, W)

    def __init__(
        self,
        *,
        image_size: int | tuple[int, int] = 32,
        channels: int = 3,
        patch_size: int = 4,
        dim: int = 128,
        depth: int = 8,
        num_classes: int = 10,
        expansion_factor_channel: float = 4,
        expansion_factor_token: float = 0.5,
        dropout: float = 0.0,
        token_dim: int | None = None,
        channel_dim: int | None = None,
    ) -> None:
        self.arguments = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        super().__init__()
        check_positive_integers(channels=channels, patch_size=patch_size, dim=dim)
        check_positive_integers(depth=depth, num_classes=num_classes)
        check_dropout(dropout)
        height, width = check_image_size(image_size, patch_size)
        self.input_shape = (channels, height, width)
        self.grid = (height // patch_size, width // patch_size)
        tokens = self.grid[0] * self.grid[1]
        d_s = hidden_width("token", token_dim, tokens, expansion_factor_token)
        d_c = hidden_width("channel", channel_dim, dim, expansion_factor_channel)
        widths = {"token_dim": d_s, "dim": dim, "channel_dim": d_c, "depth": depth}
        check_parameters(2 * depth * (tokens * d_s + dim * d_c), image_size=image_size, **widths)

        self.patch_embedding = nn.Conv2d(channels, dim, patch_size, stride=patch_size)
        self.blocks = nn.Sequential(
            *(MixerBlock(tokens, dim, d_s, d_c, dropout) for _ in range(depth))
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, images: Tensor, out: Intermediates | None = None) -> Tensor:
        """Return logits (B, num_classes) of images (B, channels, H, W).

        `out`, if a dict is given, receives every intermediate (B, S, C) by name: "stem",
        "blocks.0.token_mixing", "blocks.0.channel_mixing", ..., "norm".
        """
        self._check(images)
        x = self.patch_embedding(images).flatten(2).transpose(1, 2)  # (B, S, C)
        keep(out, "stem", x)
        for i, block in enumerate(self.blocks):
            x = block(x) if out is None else block(x, out, f"blocks.{i}.")  # (B, S, C)
        x = self.norm(x)  # (B, S, C)
        keep(out, "norm", x)
        return self.head(x.mean(dim=1))  # (B, num_classes)

    def _check(self, images: Tensor) -> None:
        if not isinstance(images, Tensor):
            raise ValueError(
                f"images={shown(images)} must be a tensor. Fix: images=data.normalize(data.images)."
            )
        if images.ndim != 4 or tuple(images.shape[1:]) != self.input_shape:
            raise ValueError(
                f"Input of shape {tuple(images.shape)} does not fit: this network was built for "
                f"(batch, {', '.join(map(str, self.input_shape))}). Rule: `images` of this "
                "shape, since token-mixing weights know one number of tokens only. Fix: resize "
                "them, or build another MLPMixer with their image_size and channels."
            )
        weight = next(self.parameters(), images)
        here = images.device == weight.device
        if here and images.dtype == weight.dtype:
            return
        cast = here and images.is_floating_point() and images.dtype != torch.float64
        if not (cast and torch.is_autocast_enabled(images.device.type)):
            raise ValueError(
                f"images={images.dtype} on {images.device} do not fit weights that are "
                f"{weight.dtype} on {weight.device}. Fix: data.normalize(images) makes float32 of "
                f"pixels; images.to({str(weight.device)!r}, {weight.dtype})."
            )


def keep(out: Intermediates | None, name: str, value: Tensor) -> None:
    """Put `value` into `out` under `name`, if anybody wants intermediates."""
    if out is not None:
        out[name] = value
