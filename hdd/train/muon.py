"""Muon with AdamW beside it as one optimizer, and AdamW with its schedule for short runs."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from hdd.device.utils import get_amp_dtype
from hdd.train.schedule import warmup_cosine


class MuonAdamW(torch.optim.Optimizer):
    """Muon on the blocks' weight matrices, torch.optim.AdamW on the other parameters.

    Muon (Jordan et al., 2024) makes the momentum of a matrix orthogonal before it takes the step;
    it is meant for hidden matrices only, hence the pair. Both learning rates are in `param_groups`,
    so that one scheduler drives them together.

    Args:
        net: a network with `blocks`, such as MLPMixer.
        lr: of Muon, scaled to the root mean square of AdamW's steps.
        weight_decay: of Muon; the other parameters (stem, norms, biases, head) have none.
        adamw_lr: of AdamW.
    """

    def __init__(
        self, net: nn.Module, lr: float = 2e-3, weight_decay: float = 0.5, adamw_lr: float = 1e-3
    ) -> None:
        matrices = [p for p in net.blocks.parameters() if p.ndim == 2]
        inside = {id(p) for p in matrices}
        rest = [p for p in net.parameters() if id(p) not in inside]
        self.parts = [
            Muon(matrices, lr, weight_decay),
            torch.optim.AdamW(rest, adamw_lr, betas=(0.9, 0.99), weight_decay=0.0, fused=True),
        ]
        super().__init__([{"params": matrices}, {"params": rest}], {"lr": lr})
        self._share_groups()

    def _share_groups(self) -> None:
        """Let a scheduler that changes our groups change those of the two parts."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: Any = None) -> None:
        """Take one step with each part."""
        if closure is not None:
            raise ValueError("MuonAdamW takes no closure. Fix: compute the gradients beforehand.")
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._share_groups()


class Muon(torch.optim.Muon):
    """torch.optim.Muon, whose products are in float32 where bfloat16 would be emulated.

    The library makes every matrix orthogonal in bfloat16, whatever the network computes in. On a
    processor without bfloat16 that takes longer than the rest of a training step; see the table
    of `python -m hdd.benchmark`. There, the same iteration runs in float32, on all matrices of
    one shape at once.
    """

    def __init__(self, matrices: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, lr, weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self) -> None:
        devices = {p.device for group in self.param_groups for p in group["params"]}
        if all(get_amp_dtype(device) == torch.bfloat16 for device in devices):
            super().step()
            return
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for parameters in by_shape.values():
                self._step_together(parameters, group)

    def _step_together(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Step matrices of one shape by the library's formulas, in float32."""
        states, momentum = [self.state[p] for p in parameters], group["momentum"]
        for state, p in zip(states, parameters, strict=True):
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(p)
        buffers = [state["momentum_buffer"] for state in states]
        grads = [p.grad for p in parameters]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        update = torch.stack(torch._foreach_lerp(grads, buffers, momentum))  # Nesterov's
        update = _orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        scale = 0.2 * max(update.shape[1:]) ** 0.5  # match_rms_adamw
        torch._foreach_add_(parameters, update.unbind(), alpha=-group["lr"] * scale)


def _orthogonal(
    matrices: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """Return (N, rows, columns) with all singular values moved close to 1: Newton and Schulz."""
    a, b, c = coefficients
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def adamw_one_cycle(
    parameters: Iterable[nn.Parameter], lr: float, steps: int, weight_decay: float
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """Return AdamW, and a schedule that rises for a tenth of the steps and falls to 0 in a cosine.

    Call the schedule's `step()` after each of the optimizer's `steps`.
    """
    optimizer = torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=True)
    return optimizer, LambdaLR(optimizer, lambda step: warmup_cosine(step, steps, steps // 10))
