"""The Mixer's training step with less memory traffic: same parameters, same function, on the CPU.

PyTorch adds to the matrix products transposed copies of the activations, a separate pass for every
bias and, under autocast, casts. Here each half of a block is one autograd function with its
backward pass written out, in bfloat16 or float32:

* the activations lie as (S, B, C): token mixing multiplies them from the left, channel mixing from
  the right, and nothing is transposed;
* the channel norm's gain and shift and fc1's bias become part of one matrix: normalised rows sum
  to zero, so with a constant added to them, the matrix's row sums are biases;
* the same constant added to all channels of a token vanishes in every norm that follows, so the
  token half leaves its last bias out, whose gradient is zero;
* weights are cast to bfloat16, and gradients split up again, for all blocks at once;
* token mixing's residual sum is part of its last product;
* the backward pass writes over what it has read for the last time, so fewer pages are fetched.
"""

import math
from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp, MLPMixer

_gelu_backward = torch.ops.aten.gelu_backward.grad_input
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward
_OFFSET = 0.25  # added to normalised rows; small, so that bfloat16 loses next to nothing


class _TokenHalf(torch.autograd.Function):
    """x + token_mixing(token_norm(x)) for x (S, B, C): W2 @ gelu(W1 @ norm(x)), without b2."""

    @staticmethod
    def forward(ctx, x: Tensor, gain, shift, w1, b1, w2, b2, eps: float) -> Tensor:
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], gain, shift, eps)
        y = y.flatten(1)  # (S, B * C)
        z = torch.addmm(b1[:, None], w1, y)  # (D_S, B * C)
        h = functional.gelu(z)
        ctx.save_for_backward(x, mean, rstd, gain, shift, y, z, h, w1, w2, b2)
        return torch.addmm(x.flatten(1), w2, h).view_as(x)  # (S, B, C)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, gain, shift, y, z, h, w1, w2, b2 = ctx.saved_tensors
        rows = grad.flatten(1)  # (S, B * C)
        grad_w2 = rows @ h.t()  # (S, D_S)
        dz = torch.mm(w2.t(), rows, out=h)  # (D_S, B * C); h has been used for the last time
        _gelu_backward(dz, z, grad_input=dz)
        weights = ((y @ dz.t()).t(), dz.sum(1), grad_w2, torch.zeros_like(b2))
        dy = torch.mm(w1.t(), dz, out=y)  # (S, B * C); y, too, has been used for the last time
        dx, grad_gain, grad_shift = _layer_norm_backward(
            dy.view_as(x), x, x.shape[-1:], mean, rstd, gain, shift, [True] * 3
        )
        return dx.add_(grad), grad_gain, grad_shift, *weights, None


class _ChannelHalf(torch.autograd.Function):
    """x + fc2(gelu(W @ (norm(x) + _OFFSET))) for x (N, C), one row a token: see _folded."""

    @staticmethod
    def forward(ctx, x: Tensor, w1, w2, b2, eps: float) -> Tensor:
        offset = torch.full_like(b2, _OFFSET)
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], None, offset, eps)
        z = y @ w1.t()  # (N, D_C)
        h = functional.gelu(z)
        ctx.save_for_backward(x, mean, rstd, y, z, h, w1, w2)
        return functional.linear(h, w2, b2).add_(x)  # (N, C)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, y, z, h, w1, w2 = ctx.saved_tensors
        grad_b2 = grad.sum(0)  # first, while grad is in the cache
        grad_w2 = _rows_product(grad, h)  # (C, D_C)
        dz = torch.mm(grad, w2, out=h)  # (N, D_C)
        _gelu_backward(dz, z, grad_input=dz)
        grad_w1 = _rows_product(y, dz).t()  # (D_C, C)
        dx = _plain_norm_backward(torch.mm(dz, w1, out=y), x, mean, rstd)
        return dx.add_(grad), grad_w1, grad_w2, grad_b2, None


class _NormalisedMean(torch.autograd.Function):
    """The mean over the tokens of norm(x), without gain and shift: (S, B, C) -> float32 (B, C)."""

    @staticmethod
    def forward(ctx, x: Tensor, eps: float) -> Tensor:
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], None, None, eps)
        ctx.save_for_backward(x, mean, rstd, y)
        return (y.new_ones(len(y)) @ y.flatten(1)).view(y.shape[1:]).float() / len(y)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        x, mean, rstd, y = ctx.saved_tensors
        y.copy_(grad / len(x))  # all tokens have the same gradient
        return _plain_norm_backward(y, x, mean, rstd), None


class FusedMixer(nn.Module):
    """An MLPMixer's own parameters, run by the functions above on the CPU.

    Args:
        net: the network; its weights are shared, not copied.
        dtype: of activations and products: torch.bfloat16, or torch.float32 (as exact as without).

    Raises:
        ValueError: a network with dropout, which this pass does not have.
    """

    def __init__(self, net: MLPMixer, dtype: torch.dtype) -> None:
        super().__init__()
        if _drops(net):
            raise ValueError("FusedMixer has no dropout. Fix: train the network itself.")
        self.net, self.dtype = net, dtype

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 logits (B, K) of images (B, channels, H, W)."""
        net = self.net
        with torch.autocast("cpu", enabled=False):
            x = self._embed(images.to(self.dtype))  # (S, B, C)
            token_stacks = _stacked([block.token_mixing for block in net.blocks])
            token = _by_block(token_stacks, self.dtype)
            channel = _by_block(_folded(net.blocks), self.dtype)
            for block, token_weights, channel_weights in zip(
                net.blocks, token, channel, strict=True
            ):
                norm, eps = block.token_norm, block.channel_norm.eps
                x = _TokenHalf.apply(x, norm.weight, norm.bias, *token_weights, norm.eps)
                rows = _ChannelHalf.apply(x.flatten(0, 1), *channel_weights, eps)  # (S * B, C)
                x = rows.view_as(x)
            mean = _NormalisedMean.apply(x, net.norm.eps)  # (B, C)
            return net.head(torch.addcmul(net.norm.bias, mean, net.norm.weight))

    def _embed(self, images: Tensor) -> Tensor:
        """Return the tokens: the stem as one product of cut-out patches, as in notebook 01."""
        stem, (rows, columns) = self.net.patch_embedding, self.net.grid
        size = stem.kernel_size[0]
        patches = images.unflatten(3, (columns, size)).unflatten(2, (rows, size))
        patches = patches.permute(2, 4, 0, 1, 3, 5).flatten(3).flatten(0, 1)  # (S, B, 3 P P)
        weight = stem.weight.flatten(1).to(images.dtype)
        return functional.linear(patches, weight, stem.bias.to(images.dtype))


def is_plain_mixer(net: nn.Module) -> bool:
    """Return whether `net` is what FusedMixer computes: plain Mixer blocks without dropout."""
    if not isinstance(net, MLPMixer):
        return False
    return all(isinstance(block, MixerBlock) for block in net.blocks) and not _drops(net)


def _drops(net: MLPMixer) -> bool:
    return any(isinstance(part, nn.Dropout) and part.p > 0 for part in net.modules())


def _stacked(mlps: list[Mlp]) -> list[Tensor]:
    """Return fc1's weights and biases, then fc2's, each of all blocks in one tensor."""
    return [torch.stack(p) for p in zip(*(mlp.parameters() for mlp in mlps), strict=True)]


def _by_block(stacks: list[Tensor], dtype: torch.dtype) -> Iterator[tuple[Tensor, ...]]:
    """Return for each block its part of every stack, in `dtype`."""
    return zip(*(stack.to(dtype).unbind() for stack in stacks), strict=True)


def _folded(blocks: nn.Sequential) -> list[Tensor]:
    """Return W and fc2's weights and biases, each of all channel halves in one tensor.

    For a normalised row n, W @ (n + _OFFSET) = fc1(gain * n + shift). The left side is W @ n plus
    _OFFSET times W's row sums; as n sums to zero, a number added to a whole row of W moves the
    second part only.
    """
    w1, b1, w2, b2 = _stacked([block.channel_mixing for block in blocks])
    gain = torch.stack([block.channel_norm.weight for block in blocks])[:, None]
    shift = torch.stack([block.channel_norm.bias for block in blocks])[:, None]
    missing = b1 / _OFFSET + (w1 * (shift / _OFFSET - gain)).sum(-1)  # in the row sums of w1 * gain
    return [w1 * gain + missing[..., None] / w1.shape[-1], w2, b2]


def _plain_norm_backward(grad: Tensor, x: Tensor, mean: Tensor, rstd: Tensor) -> Tensor:
    """Return the gradient of x from that of its norm without gain and shift."""
    wanted = [True, False, False]
    return _layer_norm_backward(grad, x, x.shape[-1:], mean, rstd, None, None, wanted)[0]


def _rows_product(a: Tensor, b: Tensor) -> Tensor:
    """Return a.T @ b, from two partial products: oneDNN is faster on shorter ones."""
    parts = math.gcd(2, len(a))
    a, b = a.view(parts, -1, a.shape[1]), b.view(parts, -1, b.shape[1])
    return reduce(torch.add, torch.bmm(a.transpose(1, 2), b))
