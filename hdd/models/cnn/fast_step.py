"""The faster training step stands in for a network only after it has shown that it is the same.

`hdd.models.cnn.fused_mixer` computes what `MLPMixer.forward` says today. Whoever edits the network,
hooks into it or builds it from other parts must train what they see; so before an epoch the fused
step and the network itself compute the same loss, in float32, and must find the same gradients;
and, in the precision of the training, the same logits but for rounding.
"""

import copy
import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as torch_module

from hdd.arguments import checked
from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.nn_utils import has_token_mlps

TOLERANCE = 1e-4  # relative; between correct ones in float32 it is about 1e-6
ROUGH = 0.03  # relative, of logits in bfloat16; between correct ones up to 0.015
PROOF_IMAGES = 4  # the more, the longer the proof takes; each is mixed by every part
EPS = 1e-6  # of MLPMixer's norms
Gradients = dict[str, Tensor | None]
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class FastStep:
    """Chooses, before each epoch, what computes the logits of a training step.

    Args:
        net: any network.
        images: (B, channels, H, W), normalised, of the training at hand; a few of them are used.
        dtype: that matrix products are to be computed in.
        tell: is given one line, once, if the network's own step runs where the fused one could
            have been expected.
    """

    @checked
    def __init__(
        self,
        net: nn.Module,
        images: Tensor,
        dtype: torch.dtype,
        tell: Callable[[str], object] = print,
    ) -> None:
        self.net, self.images, self.dtype = net, images[:PROOF_IMAGES].float(), dtype
        self.tell, self.told = tell, False

    def choose(self) -> tuple[nn.Module, torch.dtype | None]:
        """Return what to call with images, and the dtype of autocast around it.

        The fused step, which casts by itself, if it has just found the loss and the gradients of
        the network as it is now; otherwise the network.
        """
        step, reason = choose_step(self.net, self.images, self.dtype)
        if reason and not self.told:
            self.tell(f"Training with the network's own step, not the fused one: {reason}.")
            self.told = True
        return step, self.dtype if step is self.net else None


@checked
def choose_step(net: nn.Module, images: Tensor, dtype: torch.dtype) -> tuple[nn.Module, str]:
    """Return (FusedMixer, "") if the two agree on these images; otherwise (net, reason).

    The reason is empty, too, for a network that the fused step does not claim to compute: one
    without token-mixing MLPs, or on another device than the CPU.
    """
    devices = {images.device.type, *(parameter.device.type for parameter in net.parameters())}
    if devices != {"cpu"} or not has_token_mlps(net):
        return net, ""
    reason = _why_not(net, images, dtype)
    return (net, reason) if reason else (FusedMixer(net, dtype), "")


def _why_not(net: nn.Module, images: Tensor, dtype: torch.dtype) -> str:
    """Return why the fused step must not stand in for `net`, or nothing."""
    if reason := _unusual(net):
        return reason
    try:
        copies = copy.deepcopy(net), _perturbed(net)
    except Exception as error:  # a network may hold anything
        return f"it cannot be copied for a comparison ({type(error).__name__})"
    with torch.random.fork_rng(devices=[]):
        found = [_difference(one, images) or _under_autocast(one, images, dtype) for one in copies]
    return found[0] or found[1]


def _unusual(net: nn.Module) -> str:
    """Return what of the network a comparison of numbers could overlook, or nothing."""
    hooked = any(getattr(part, kind, None) for part in net.modules() for kind in HOOKS)
    if hooked or torch_module._has_any_global_hook():
        return "hooks see the network's own step only"
    parameters = [parameter for _, parameter in net.named_parameters(remove_duplicate=False)]
    if len({id(parameter) for parameter in parameters}) < len(parameters):
        return "it shares parameters"
    if not all(parameter.requires_grad for parameter in parameters):
        return "some of its parameters are frozen"
    if any(parameter.dtype != torch.float32 for parameter in parameters):
        return "its parameters are not float32"
    if hasattr(net, "_orig_mod"):  # by torch.compile, which would compile each copy anew
        return "it is compiled"
    if any(part.eps != EPS for part in net.modules() if isinstance(part, nn.LayerNorm)):
        return f"a norm's eps is not {EPS:g}"
    return ""


def _perturbed(net: nn.Module) -> nn.Module:
    """Return a copy with other weights: a head or a gain at zero would hide what it multiplies."""
    twin, generator = copy.deepcopy(net), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in twin.parameters():
            scale = 1.5 / max(1, parameter[0].numel()) ** 0.5 if parameter.ndim > 1 else 0.3
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    return twin


def _difference(net: nn.Module, images: Tensor) -> str:
    """Return where the fused step's loss and gradients differ from the network's own."""
    before, held = _random_state(), _held(net)
    with torch.autocast("cpu", enabled=False):
        loss, gradients = _step(net, net, images)  # an error in the network itself is the reader's
    if loss is None:
        return "it does not return a row of logits for each image"
    if _random_state() != before:
        return "it draws random numbers, such as dropout does"
    if _held(net) != held:
        return "it keeps something from one step to the next"
    try:
        fused_loss, fused = _step(FusedMixer(net, torch.float32), net, images)
    except Exception as error:  # parts of other shapes, of other names, none at all
        return f"the fused step cannot compute it ({type(error).__name__})"
    if abs(fused_loss - loss) > TOLERANCE * max(1.0, abs(loss)):
        return f"the loss differs ({loss:.6g}, fused {fused_loss:.6g})"
    return _gradients_differ(gradients, fused)


def _step(forward: nn.Module, net: nn.Module, images: Tensor) -> tuple[float | None, Gradients]:
    """Return the loss of `forward`, in training mode, and its gradient of each parameter of net.

    There is no loss if `forward` returns something else than logits (B, K).
    """
    forward.train()
    net.zero_grad(set_to_none=True)
    logits = forward(images)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        return None, {}
    loss = functional.cross_entropy(logits.float(), torch.arange(len(images)) % logits.shape[1])
    if loss.requires_grad:
        loss.backward()
    return loss.item(), {name: parameter.grad for name, parameter in net.named_parameters()}


def _gradients_differ(wanted: Gradients, found: Gradients) -> str:
    """Return which gradient differs by more than rounding, or nothing."""
    norms = [gradient.norm().item() for gradient in wanted.values() if gradient is not None]
    typical = (sum(norm**2 for norm in norms) / max(1, len(norms))) ** 0.5
    for name, gradient in wanted.items():
        if not _agree(gradient, found[name], typical):
            return f"the gradient of {name} differs"
    return ""


def _agree(wanted: Tensor | None, found: Tensor | None, typical: float) -> bool:
    if wanted is None or found is None:  # frozen, or not part of what is computed
        return wanted is found
    # Some gradients are zero up to rounding: a bias that the next norm takes off again.
    scale = max(wanted.norm().item(), 0.01 * typical)
    return (wanted - found).norm().item() <= TOLERANCE * scale


@torch.no_grad()
def _under_autocast(net: nn.Module, images: Tensor, dtype: torch.dtype) -> str:
    """Return whether the network takes another way in lower precision, which float32 hides."""
    if dtype == torch.float32:
        return ""
    with torch.autocast("cpu", dtype):
        logits = net(images).float()
    fused = FusedMixer(net, dtype)(images)
    apart = ((logits - fused).norm() / fused.norm().clamp(min=1e-6)).item()
    return f"under autocast its logits differ by {apart:.0%}" if apart > ROUGH else ""


def _held(net: nn.Module) -> list[tuple]:
    """Return what tells whether a forward pass changes buffers or attributes of the network."""
    pairs = [pair for part in net.modules() for pair in vars(part).items()]
    values = [value for name, value in pairs if name[0] != "_" and name != "training"]
    attributes = [(id(v), len(v) if isinstance(v, dict | list | set) else 0) for v in values]
    return attributes + [(id(buffer), buffer._version) for buffer in net.buffers()]


def _random_state() -> tuple:
    """Return the states of all generators that a network may draw from."""
    _, keys, position, *_ = np.random.get_state()  # noqa: NPY002 - that is what is looked at
    return torch.get_rng_state().tolist(), random.getstate(), keys.tolist(), position
