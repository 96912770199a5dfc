"""The Mixer's training step with less memory traffic: same parameters, same function, on the CPU.

PyTorch adds to the matrix products transposed copies of the activations, a separate pass for every
bias and, under autocast, casts. Here each half of a block is one autograd function with its
backward pass written out, in bfloat16 or float32:

* the activations lie as (S, B, C): token mixing multiplies them from the left, channel mixing from
  the right, and nothing is transposed;
* a number added to all channels of a token vanishes in every norm that follows, so all that is
  added to the tokens is centred: its mean over the channels is zero. Then a norm need not look for
  the mean, only for the root of the mean square; and token mixing's last bias is left out, its
  gradient being zero;
* the channel norm's gain and shift and fc1's bias become part of one matrix: normalised rows sum
  to zero, so with a constant added to them, the matrix's row sums are biases. The token norm's gain
  and shift are applied after the first product, which has half as many rows;
* weights are cast to bfloat16, and gradients split up again, for all blocks at once;
* token mixing's residual sum is part of its last product;
* the backward pass writes over what it has read for the last time, so fewer pages are fetched.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import checked
from hdd.models.cnn.mlp_mixer import Mlp, MLPMixer
from hdd.models.nn_utils import check_token_mlps

_gelu_backward = torch.ops.aten.gelu_backward.grad_input
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward
_OFFSET = 0.25  # added to normalised rows; small, so that bfloat16 loses next to nothing


class _TokenHalf(torch.autograd.Function):
    """x + W2 @ centred(gelu(gain * (W1 @ n) + shift)) for n = normalised x (S, B, C), without b2.

    `gain` is the token norm's (C,), `shift` (D_S, C) what _folded_token makes of its shift and b1.
    """

    @staticmethod
    def forward(ctx, x: Tensor, gain, shift, w1, w2, b2, eps: float) -> Tensor:
        rstd = _inverse_rms(x, eps)
        n = (x * rstd).flatten(1)  # (S, B * C)
        product = torch.mm(w1, n).unflatten(1, x.shape[1:])  # (D_S, B, C)
        z = torch.addcmul(shift[:, None], product, gain)
        h = functional.gelu(z)
        h.sub_(h.mean(-1, keepdim=True))
        ctx.save_for_backward(x, rstd, gain, n, product, z, h, w1, w2, b2)
        return torch.addmm(x.flatten(1), w2, h.flatten(1)).view_as(x)  # (S, B, C)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, rstd, gain, n, product, z, h, w1, w2, b2 = ctx.saved_tensors
        rows = grad.flatten(1)  # (S, B * C)
        grad_w2 = rows @ h.flatten(1).t()  # (S, D_S)
        # grad is centred, as every norm's gradient is, so this is, too: centring h changed nothing.
        torch.mm(w2.t(), rows, out=h.flatten(1))
        dz = _gelu_backward(h, z, grad_input=h)  # (D_S, B, C), where h was
        grad_gain = torch.mul(dz, product, out=product).sum((0, 1))
        grad_shift = dz.sum(1)
        dz = dz.mul_(gain).flatten(1)
        grad_w1 = (n @ dz.t()).t()
        dn = torch.mm(w1.t(), dz, out=n).view_as(x)
        dx = _norm_backward(dn, x, rstd).add_(grad)
        return dx, grad_gain, grad_shift, grad_w1, grad_w2, torch.zeros_like(b2), None


class _ChannelHalf(torch.autograd.Function):
    """x + fc2(gelu(W @ (norm(x) + _OFFSET))) for x (N, C), one row a token: see _folded_channel."""

    @staticmethod
    def forward(ctx, x: Tensor, w1, w2, b2, eps: float) -> Tensor:
        rstd = _inverse_rms(x, eps)
        y = torch.addcmul(torch.full_like(b2, _OFFSET), x, rstd)  # (N, C)
        z = y @ w1.t()  # (N, D_C)
        h = functional.gelu(z)
        ctx.save_for_backward(x, rstd, y, z, h, w1, w2)
        return torch.add(x, b2).addmm_(h, w2.t())  # (N, C); two passes fewer than with bias and sum

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, rstd, y, z, h, w1, w2 = ctx.saved_tensors
        grad_b2 = grad.sum(0)  # first, while grad is in the cache
        grad_w2 = _rows_product(grad, h)  # (C, D_C)
        dz = torch.mm(grad, w2, out=h)  # (N, D_C); h has been used for the last time
        _gelu_backward(dz, z, grad_input=dz)
        grad_w1 = _rows_product(y, dz).t()  # (D_C, C)
        dx = _norm_backward(torch.mm(dz, w1, out=y), x, rstd)  # y, too
        return dx.add_(grad), grad_w1, grad_w2, grad_b2, None


class _NormalisedMean(torch.autograd.Function):
    """The mean over the tokens of norm(x), without gain and shift: (S, B, C) -> float32 (B, C)."""

    @staticmethod
    def forward(ctx, x: Tensor, eps: float) -> Tensor:
        rstd = _inverse_rms(x, eps)
        n = x * rstd
        ctx.save_for_backward(x, rstd, n)
        return (n.new_ones(len(n)) @ n.flatten(1)).view(n.shape[1:]).float() / len(n)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        x, rstd, n = ctx.saved_tensors
        n.copy_(grad / len(x))  # all tokens have the same gradient
        return _norm_backward(n, x, rstd), None


class FusedMixer(nn.Module):
    """An MLPMixer's own parameters, run by the functions above on the CPU.

    It knows the parameters only, not what `net.forward` does with them: see
    `hdd.models.cnn.fast_step` for when it may stand in.

    Args:
        net: the network, without dropout; its weights are shared, not copied.
        dtype: of activations and products: torch.bfloat16, or torch.float32 (as exact as without).

    Raises:
        ValueError: a network without token-mixing MLPs; when it is called, images that the network
            itself refuses.
    """

    @checked
    def __init__(self, net: MLPMixer, dtype: torch.dtype) -> None:
        super().__init__()
        check_token_mlps(net)
        self.net, self.dtype = net, dtype

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 logits (B, K) of images (B, channels, H, W)."""
        net = self.net
        # As the network's own step would be called, which takes more kinds under autocast.
        with torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32):
            net._check(images)
        with torch.autocast("cpu", enabled=False):
            x = self._embed(images.to(self.dtype))  # (S, B, C)
            token = _by_block(_folded_token(net.blocks), self.dtype)
            channel = _by_block(_folded_channel(net.blocks), self.dtype)
            for block, token_weights, channel_weights in zip(
                net.blocks, token, channel, strict=True
            ):
                x = _TokenHalf.apply(x, *token_weights, block.token_norm.eps)
                rows = x.flatten(0, 1)  # (S * B, C)
                x = _ChannelHalf.apply(rows, *channel_weights, block.channel_norm.eps).view_as(x)
            mean = _NormalisedMean.apply(x, net.norm.eps)  # (B, C)
            return net.head(torch.addcmul(net.norm.bias, mean, net.norm.weight))

    def _embed(self, images: Tensor) -> Tensor:
        """Return the tokens: the stem as one product of cut-out patches, as in notebook 01."""
        stem, (rows, columns) = self.net.patch_embedding, self.net.grid
        size = stem.kernel_size[0]
        patches = images.unflatten(3, (columns, size)).unflatten(2, (rows, size))
        patches = patches.permute(2, 4, 0, 1, 3, 5).flatten(3).flatten(0, 1)  # (S, B, 3 P P)
        weight, bias = _centred(stem.weight.flatten(1), 0), _centred(stem.bias, 0)
        return functional.linear(patches, weight.to(images.dtype), bias.to(images.dtype))


def _stacked(mlps: list[Mlp]) -> list[Tensor]:
    """Return fc1's weights and biases, then fc2's, each of all blocks in one tensor."""
    return [torch.stack(p) for p in zip(*(mlp.parameters() for mlp in mlps), strict=True)]


def _by_block(stacks: list[Tensor], dtype: torch.dtype) -> Iterator[tuple[Tensor, ...]]:
    """Return for each block its part of every stack, in `dtype`."""
    return zip(*(stack.to(dtype).unbind() for stack in stacks), strict=True)


def _folded_token(blocks: nn.Sequential) -> list[Tensor]:
    """Return gains, shifts, W1, W2 and fc2's biases, each of all token halves in one tensor.

    For normalised tokens n, fc1(gain * n + shift) = gain * (W1 @ n) + (W1's row sums) * shift + b1,
    with gain and shift by channel, the row sums and b1 by token.
    """
    w1, b1, w2, b2 = _stacked([block.token_mixing for block in blocks])
    gain = torch.stack([block.token_norm.weight for block in blocks])
    shift = torch.stack([block.token_norm.bias for block in blocks])[:, None]
    return [gain, w1.sum(-1, keepdim=True) * shift + b1[..., None], w1, w2, b2]


def _folded_channel(blocks: nn.Sequential) -> list[Tensor]:
    """Return W and fc2's centred weights and biases, each of all channel halves in one tensor.

    For a normalised row n, W @ (n + _OFFSET) = fc1(gain * n + shift). The left side is W @ n plus
    _OFFSET times W's row sums; as n sums to zero, a number added to a whole row of W moves the
    second part only.
    """
    w1, b1, w2, b2 = _stacked([block.channel_mixing for block in blocks])
    gain = torch.stack([block.channel_norm.weight for block in blocks])[:, None]
    shift = torch.stack([block.channel_norm.bias for block in blocks])[:, None]
    missing = b1 / _OFFSET + (w1 * (shift / _OFFSET - gain)).sum(-1)  # in the row sums of w1 * gain
    w1 = w1 * gain + missing[..., None] / w1.shape[-1]
    return [w1, _centred(w2, 1), _centred(b2, 1)]


def _centred(weights: Tensor, dim: int) -> Tensor:
    """Return what adds to the tokens' channels, which lie along `dim`, the same less its mean."""
    return weights - weights.mean(dim, keepdim=True)


def _inverse_rms(x: Tensor, eps: float) -> Tensor:
    """Return (..., 1): what a norm multiplies the tokens x (..., C) by, which are centred."""
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True).float()
    return (norm.square() / x.shape[-1] + eps).rsqrt().to(x.dtype)


def _norm_backward(grad: Tensor, x: Tensor, rstd: Tensor) -> Tensor:
    """Return the gradient of x, which is centred, from that of its norm without gain and shift."""
    size, wanted = x.shape[-1:], [True, False, False]
    return _layer_norm_backward(grad, x, size, torch.zeros_like(rstd), rstd, None, None, wanted)[0]


def _rows_product(a: Tensor, b: Tensor) -> Tensor:
    """Return a.T @ b, from sixteen partial products: oneDNN is faster on shorter ones."""
    parts = math.gcd(16, len(a))
    a, b = a.view(parts, -1, a.shape[1]), b.view(parts, -1, b.shape[1])
    return torch.bmm(a.transpose(1, 2), b).sum(0)
