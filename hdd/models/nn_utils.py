"""What a network costs: parameters and multiply-accumulate operations."""

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hdd.arguments import checked, shown


@checked
def count_trainable_parameter(net: nn.Module) -> int:
    """Return the number of trainable parameters of `net`."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@checked
def has_token_mlps(net: nn.Module) -> bool:
    """Return whether every block of a network has a Mixer's token-mixing MLP, by its name."""
    blocks = getattr(net, "blocks", None) or [None]
    return all(hasattr(block, "token_mixing") for block in blocks)


@checked
def check_token_mlps(net: nn.Module) -> None:
    """Raise ValueError for a Mixer with another token mixer, as `build_mixer` makes them."""
    if not has_token_mlps(net):
        kind = getattr(net, "arguments", {}).get("kind")
        raise ValueError(
            f"net={type(net).__name__}{f' of kind {kind!r}' if kind else ''} has no token-mixing "
            "MLPs, whose weights are needed here. Fix: net=MLPMixer(...)."
        )


@checked
@torch.no_grad()
def count_macs(net: nn.Module, input_shape: Sequence[int]) -> int:
    """Return the multiply-accumulate operations of one forward pass for one image.

    PyTorch's FLOP counter sees matrix products and convolutions; additions, norms and
    activations are not counted, as is usual in the literature. Nothing is computed for a
    network on the meta device, so that even Mixer-H/14 costs no memory.

    Args:
        net: any network on any device, "meta" included; its mode is left as it was.
        input_shape: (C, H, W) of one image.

    Raises:
        ValueError: a network without parameters, or a shape that it does not take.
    """
    parameter = next(net.parameters(), None)
    if parameter is None or not all(isinstance(n, Integral) and n > 0 for n in input_shape):
        raise ValueError(
            f"net={type(net).__name__}, input_shape={shown(input_shape)}: a network with weights "
            "and sizes from 1 are needed. Fix: net=MLPMixer(), input_shape=(3, 32, 32)."
        )
    image = torch.zeros(1, *input_shape, device=parameter.device, dtype=parameter.dtype)
    modes = [(part, part.training) for part in net.modules()]  # a part may have its own
    net.eval()
    try:
        # The counter does not see inside the CPU's fused attention, so it is taken apart.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            net(image)
    except (RuntimeError, ValueError) as error:  # each network has its own words
        raise ValueError(
            f"input_shape={tuple(input_shape)} is none that {type(net).__name__} takes "
            f"({' '.join(str(error).split())[:200]}). Fix: (C, H, W) of its images."
        ) from error
    finally:
        for part, training in modes:
            part.training = training
    return counter.get_total_flops() // 2  # one MAC is two FLOPs
