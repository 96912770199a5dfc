"""The Mixer's training step with less memory traffic: same parameters, same function, bfloat16.

Autocast leaves the matrix products as they are and adds, around them, casts, transposed copies of
the activations and a separate pass for every bias. Here each half of a block is one autograd
function with its backward pass written out: token mixing multiplies from the left, so that nothing
is transposed, and the residual sum goes into a buffer that exists already.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import Mlp, MLPMixer

_gelu_backward = torch.ops.aten.gelu_backward
_layer_norm_backward = torch.ops.aten.native_layer_norm_backward


class _TokenHalf(torch.autograd.Function):
    """x + token_mixing(token_norm(x)) for x (B, S, C): W2 @ gelu(W1 @ norm(x))."""

    @staticmethod
    def forward(ctx, x: Tensor, gain, shift, w1, b1, w2, b2, eps: float) -> Tensor:
        w1, b1, w2, b2 = (p.to(x.dtype) for p in (w1, b1, w2, b2))
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], gain, shift, eps)
        z = torch.bmm(_left(w1, x), y).add_(b1[:, None])  # (B, D_S, C)
        h = functional.gelu(z)
        out = torch.bmm(_left(w2, x), h).add_(b2[:, None]).add_(x)  # (B, S, C)
        ctx.save_for_backward(x, mean, rstd, gain, shift, y, z, h, w1, w2)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, gain, shift, y, z, h, w1, w2 = ctx.saved_tensors
        grad_w2 = torch.bmm(grad, h.transpose(1, 2)).sum(0, dtype=torch.float32)
        dz = _gelu_backward(torch.bmm(_left(w2.t(), x), grad), z)  # (B, D_S, C)
        grad_w1 = torch.bmm(dz, y.transpose(1, 2)).sum(0, dtype=torch.float32)
        dy = torch.bmm(_left(w1.t(), x), dz)  # (B, S, C)
        dx, grad_gain, grad_shift = _layer_norm_backward(
            dy, x, x.shape[-1:], mean, rstd, gain, shift, [True] * 3
        )
        grad_b1, grad_b2 = dz.sum((0, 2)).float(), grad.sum((0, 2)).float()
        return dx.add_(grad), grad_gain, grad_shift, grad_w1, grad_b1, grad_w2, grad_b2, None


class _ChannelHalf(torch.autograd.Function):
    """x + channel_mixing(channel_norm(x)) for x (N, C): one row a token."""

    @staticmethod
    def forward(ctx, x: Tensor, gain, shift, w1, b1, w2, b2, eps: float) -> Tensor:
        w1, b1, w2, b2 = (p.to(x.dtype) for p in (w1, b1, w2, b2))
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], gain, shift, eps)
        z = torch.addmm(b1, y, w1.t())  # (N, D_C)
        h = functional.gelu(z)
        out = torch.addmm(b2, h, w2.t()).add_(x)  # (N, C)
        ctx.save_for_backward(x, mean, rstd, gain, shift, y, z, h, w1, w2)
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, gain, shift, y, z, h, w1, w2 = ctx.saved_tensors
        grad_w2 = grad.t() @ h
        dz = _gelu_backward(grad @ w2, z)  # (N, D_C)
        grad_w1 = dz.t() @ y
        dx, grad_gain, grad_shift = _layer_norm_backward(
            dz @ w1, x, x.shape[-1:], mean, rstd, gain, shift, [True] * 3
        )
        weights = [g.float() for g in (grad_w1, dz.sum(0), grad_w2, grad.sum(0))]
        return dx.add_(grad), grad_gain, grad_shift, *weights, None


class FusedMixer(nn.Module):
    """An MLPMixer's own parameters, run by the two functions above on the CPU in bfloat16.

    Args:
        net: the network; its weights are shared, not copied. Without dropout.
    """

    def __init__(self, net: MLPMixer) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Return float32 logits (B, K) of images (B, channels, H, W)."""
        net = self.net
        with torch.autocast("cpu", enabled=False):
            stem = net.patch_embedding
            weight, bias = stem.weight.bfloat16(), stem.bias.bfloat16()
            x = functional.conv2d(images.bfloat16(), weight, bias, stem.stride)
            x = x.flatten(2).transpose(1, 2).contiguous()  # (B, S, C)
            for block in net.blocks:
                x = _TokenHalf.apply(x, *_parameters(block.token_norm, block.token_mixing))
                rows = x.flatten(0, 1)  # (B * S, C)
                rows = _ChannelHalf.apply(
                    rows, *_parameters(block.channel_norm, block.channel_mixing)
                )
                x = rows.view_as(x)
            return net.head(net.norm(x.float()).mean(dim=1))


def _left(weight: Tensor, x: Tensor) -> Tensor:
    """Return the matrix once for each image of x, without copying it."""
    return weight.expand(len(x), *weight.shape)


def _parameters(norm: nn.LayerNorm, mlp: Mlp) -> tuple:
    fc1, fc2 = mlp.fc1, mlp.fc2
    return norm.weight, norm.bias, fc1.weight, fc1.bias, fc2.weight, fc2.bias, norm.eps
