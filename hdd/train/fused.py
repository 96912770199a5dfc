"""The Mixer's training step with less memory traffic: same parameters, same function, bfloat16.

Autocast leaves the matrix products as they are and adds, around them, casts, transposed copies of
the activations and a separate pass for every bias. Here each half of a block is one autograd
function with its backward pass written out:

* the activations lie as (S, B, C): token mixing multiplies them from the left, channel mixing from
  the right, and nothing is transposed;
* the channel half's biases and residual sum are added inside its matrix products;
* the channel norm's gain and shift are folded into fc1, y = (W1 gain) x + (b1 + W1 shift), whose
  gradients give theirs by small products instead of another pass over the activations;
* normalised rows sum to zero, so with a constant added to them the product that gives the weights'
  gradient gives the bias's, too: its mean over the channels;
* GELU's backward pass overwrites its input.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp, MLPMixer

_gelu_backward = torch.ops.aten.gelu_backward.grad_input
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward
_OFFSET = 0.25  # added to normalised rows; small, so that bfloat16 loses next to nothing


class _TokenHalf(torch.autograd.Function):
    """x + token_mixing(token_norm(x)) for x (S, B, C): W2 @ gelu(W1 @ norm(x))."""

    @staticmethod
    def forward(ctx, x: Tensor, gain, shift, w1, b1, w2, b2, eps: float) -> Tensor:
        w1, b1, w2, b2 = (p.to(x.dtype) for p in (w1, b1, w2, b2))
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], gain, shift, eps)
        y = y.flatten(1)  # (S, B * C)
        z = (w1 @ y).add_(b1[:, None])  # (D_S, B * C)
        h = functional.gelu(z)
        out = (w2 @ h).add_(b2[:, None]).view_as(x).add_(x)  # (S, B, C)
        ctx.save_for_backward(x, mean, rstd, gain, shift, y, z, h, w1, w2)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, gain, shift, y, z, h, w1, w2 = ctx.saved_tensors
        rows = grad.flatten(1)  # (S, B * C)
        dz = w2.t() @ rows  # (D_S, B * C)
        _gelu_backward(dz, z, grad_input=dz)
        dx, grad_gain, grad_shift = _layer_norm_backward(
            (w1.t() @ dz).view_as(x), x, x.shape[-1:], mean, rstd, gain, shift, [True] * 3
        )
        weights = (dz @ y.t(), dz.sum(1), rows @ h.t(), rows.sum(1))
        return dx.add_(grad), grad_gain, grad_shift, *(g.float() for g in weights), None


class _ChannelHalf(torch.autograd.Function):
    """x + channel_mixing(channel_norm(x)) for x (N, C): one row a token."""

    @staticmethod
    def forward(ctx, x: Tensor, gain, shift, w1, b1, w2, b2, eps: float) -> Tensor:
        folded = w1 * gain
        bias = (torch.addmv(b1, w1, shift) - _OFFSET * folded.sum(1)).to(x.dtype)
        folded, w2_low, b2 = (p.to(x.dtype) for p in (folded, w2, b2))
        offset = torch.full_like(b2, _OFFSET)
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], None, offset, eps)
        # oneDNN's products, with the bias or the residual sum in the same pass.
        z = torch.ops.mkldnn._linear_pointwise(y, folded, bias, "none", [], "")  # (N, D_C)
        h = functional.gelu(z)
        out = torch.ops.mkldnn._linear_pointwise.binary(h, x, w2_low, b2, "add")  # (N, C)
        ctx.save_for_backward(x, mean, rstd, gain, shift, w1, y, z, h, folded, w2_low)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, gain, shift, w1, y, z, h, folded, w2 = ctx.saved_tensors
        grad_w2 = _rows_product(grad, h)  # (C, D_C)
        dz = grad @ w2  # (N, D_C)
        _gelu_backward(dz, z, grad_input=dz)
        with_offset = _rows_product(y, dz).t()  # (D_C, C): each row + _OFFSET * its bias's
        grad_b1 = with_offset.mean(1).div_(_OFFSET)  # (D_C,)
        grad_folded = with_offset - _OFFSET * grad_b1[:, None]  # (D_C, C)
        dx, _, _ = _layer_norm_backward(
            dz @ folded, x, x.shape[-1:], mean, rstd, None, None, [True, False, False]
        )
        grad_w1 = torch.addr(grad_folded * gain, grad_b1, shift)
        grad_gain, grad_shift = (w1 * grad_folded).sum(0), grad_b1 @ w1
        weights = (grad_w1, grad_b1, grad_w2, grad.sum(0).float())
        return dx.add_(grad), grad_gain, grad_shift, *weights, None


class FusedMixer(nn.Module):
    """An MLPMixer's own parameters, run by the two functions above on the CPU in bfloat16.

    Args:
        net: the network; its weights are shared, not copied.

    Raises:
        ValueError: a network with dropout, which this pass does not have.
    """

    def __init__(self, net: MLPMixer) -> None:
        super().__init__()
        if net.blocks[0].token_mixing.dropout.p:
            raise ValueError("FusedMixer has no dropout. Fix: train the network itself.")
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 logits (B, K) of images (B, channels, H, W)."""
        net = self.net
        with torch.autocast("cpu", enabled=False):
            x = self._embed(images.bfloat16())  # (S, B, C)
            for block in net.blocks:
                x = _TokenHalf.apply(x, *_parameters(block.token_norm, block.token_mixing))
                rows = x.flatten(0, 1)  # (S * B, C)
                rows = _ChannelHalf.apply(
                    rows, *_parameters(block.channel_norm, block.channel_mixing)
                )
                x = rows.view_as(x)
            return net.head(net.norm(x.float()).mean(dim=0))

    def _embed(self, images: Tensor) -> Tensor:
        """Return the tokens: the stem as one product of cut-out patches, as in notebook 01."""
        stem, (rows, columns) = self.net.patch_embedding, self.net.grid
        size = stem.kernel_size[0]
        patches = images.unflatten(3, (columns, size)).unflatten(2, (rows, size))
        patches = patches.permute(2, 4, 0, 1, 3, 5).flatten(3).flatten(0, 1)  # (S, B, 3 P P)
        weight = stem.weight.flatten(1).to(images.dtype)
        return functional.linear(patches, weight, stem.bias.to(images.dtype))


def is_plain_mixer(net: nn.Module) -> bool:
    """Return whether `net` is what FusedMixer computes: Mixer blocks and nothing else."""
    return isinstance(net, MLPMixer) and all(isinstance(b, MixerBlock) for b in net.blocks)


def _rows_product(a: Tensor, b: Tensor) -> Tensor:
    """Return a.T @ b in float32, from four partial products: oneDNN is faster on shorter ones."""
    parts = math.gcd(4, len(a))
    a, b = a.view(parts, -1, a.shape[1]), b.view(parts, -1, b.shape[1])
    return torch.bmm(a.transpose(1, 2), b).sum(0, dtype=torch.float32)


def _parameters(norm: nn.LayerNorm, mlp: Mlp) -> tuple:
    fc1, fc2 = mlp.fc1, mlp.fc2
    return norm.weight, norm.bias, fc1.weight, fc1.bias, fc2.weight, fc2.bias, norm.eps
