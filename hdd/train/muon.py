"""Muon, which makes its steps orthogonal, with AdamW beside it as one optimizer."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hdd.arguments import check_range, checked
from hdd.device.utils import get_amp_dtype


class MuonAdamW(torch.optim.Optimizer):
    """Muon on a network's hidden matrices, torch.optim.AdamW on its other parameters.

    Muon is meant for matrices between hidden layers only, hence the pair: the weights of all
    `nn.Linear` in the blocks go to Muon; stem, head, norms, biases and tables of positions to
    AdamW. Both learning rates are in `param_groups`, so that one scheduler drives them together.

    Args:
        net: a network with `blocks`, such as MLPMixer; without, all of it counts as a block.
        lr: of Muon, scaled to the root mean square of AdamW's steps.
        weight_decay: of Muon; the other parameters have none.
        adamw_lr: of AdamW.

    Raises:
        ValueError: a network without such a matrix.
    """

    @checked
    def __init__(
        self, net: nn.Module, lr: float = 2e-3, weight_decay: float = 0.1, adamw_lr: float = 1e-3
    ) -> None:
        check_range(0, math.inf, lr=lr, weight_decay=weight_decay, adamw_lr=adamw_lr)
        blocks = getattr(net, "blocks", net)
        linear = [part for part in blocks.modules() if isinstance(part, nn.Linear)]
        # Not `part.weight`: where a layer is pruned that is computed, and it may be shared.
        own = [p for part in linear for p in part.parameters(recurse=False) if p.ndim == 2]
        matrices = list(dict.fromkeys(own))
        if not matrices:
            raise ValueError(
                f"{type(net).__name__} has no nn.Linear in its blocks, nothing for Muon. "
                "Fix: torch.optim.AdamW(net.parameters())."
            )
        inside = {id(p) for p in matrices}
        rest = [p for p in net.parameters() if id(p) not in inside]
        parts = [Muon(matrices, lr, weight_decay)]
        if rest:
            options = {"betas": (0.9, 0.99), "weight_decay": 0.0, "fused": True}
            parts.append(torch.optim.AdamW(rest, adamw_lr, **options))
        super().__init__(matrices + rest, {"lr": lr})
        self.__setstate__({"parts": parts})

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"parts": self.parts}  # what copies and files hold

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # A scheduler that changes our groups changes those of the two parts.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        if hasattr(self, "parts"):  # neither of which would take its steps
            raise ValueError(
                "MuonAdamW takes no param_group later on. Fix: a new MuonAdamW(net), once the "
                "network has all of its layers."
            )
        super().add_param_group(param_group)

    def step(self, closure: Any = None) -> None:
        """Take one step with each part."""
        if closure is not None:
            raise ValueError("MuonAdamW takes no closure. Fix: compute the gradients beforehand.")
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        states = state_dict.get("parts")
        if not isinstance(states, list) or len(states) != len(self.parts):
            raise ValueError(
                "state_dict is none of a MuonAdamW of such a network. Fix: what its own "
                "state_dict() returned."
            )
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)
        self.__setstate__({})


class Muon(torch.optim.Muon):
    """Momentum whose every step is made orthogonal: no direction is left behind.

    The momentum of a weight matrix M = U S V^T (U, V: directions out and in, S: how strongly each
    pair is wanted) is dominated by a few large values in S, so that plain momentum or Adam mostly
    repeats a few directions. Muon replaces S by ones and steps along U V^T: all directions get the
    same length, the rare ones, too. Instead of a singular value decomposition, five rounds of
    products (Newton and Schulz) push all singular values to about 1; nothing finer is needed.
    Source: K. Jordan and others, 2024, https://kellerjordan.github.io/posts/muon/; the scale of
    the step, 0.2 sqrt(longer side), as large as AdamW's: Liu et al., 2025, arXiv 2502.16982.

    The formulas are torch.optim.Muon's, which goes from matrix to matrix and always computes in
    bfloat16. Here all matrices of one shape go together, in float32 where bfloat16 would be
    emulated: see the table of `python -m hdd.benchmark`.
    """

    @checked
    def __init__(self, matrices: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        check_range(0, math.inf, lr=lr, weight_decay=weight_decay)
        if not matrices:
            raise ValueError(
                "matrices=[] holds nothing to train. Fix: matrices of a network's blocks."
            )
        super().__init__(matrices, lr, weight_decay, adjust_lr_fn="match_rms_adamw")
        self.__setstate__({})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        (device,) = {p.device for group in self.param_groups for p in group["params"]}
        self.dtype = get_amp_dtype(device)

    @torch.no_grad()
    def step(self) -> None:
        """Take one step; a parameter without a gradient stays."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for parameters in by_shape.values():
                self._step_together(parameters, group)

    def _step_together(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Step matrices of one shape by the library's formulas."""
        states, momentum = [self.state[p] for p in parameters], group["momentum"]
        for state, p in zip(states, parameters, strict=True):
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(p)
        buffers = [state["momentum_buffer"] for state in states]
        grads = [p.grad for p in parameters]
        torch._foreach_lerp_(buffers, grads, 1 - momentum)
        update = torch.stack(torch._foreach_lerp(grads, buffers, momentum))  # Nesterov's
        update = orthogonal(
            update.to(self.dtype), group["ns_coefficients"], group["ns_steps"], group["eps"]
        ).to(update.dtype)
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        scale = 0.2 * max(update.shape[1:]) ** 0.5  # match_rms_adamw
        torch._foreach_add_(parameters, update.unbind(), alpha=-group["lr"] * scale)


def orthogonal(
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
