"""Muon with AdamW beside it as one optimizer, and AdamW with its schedule for short runs."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR


class MuonAdamW(torch.optim.Optimizer):
    """torch.optim.Muon on the blocks' weight matrices, torch.optim.AdamW on the other parameters.

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
            torch.optim.Muon(
                matrices, lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(rest, adamw_lr, betas=(0.9, 0.99), weight_decay=0.0),
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


def adamw_one_cycle(
    parameters: Iterable[nn.Parameter], lr: float, steps: int, weight_decay: float
) -> tuple[torch.optim.Optimizer, OneCycleLR]:
    """Return AdamW, and a schedule that rises for a tenth of the steps and falls to 0 in a cosine.

    Call the schedule's `step()` after each of at most `steps` steps of the optimizer.
    """
    optimizer = torch.optim.AdamW(parameters, lr, weight_decay=weight_decay)
    total = max(steps, 20)  # a rise of less than two steps divides by zero
    return optimizer, OneCycleLR(optimizer, lr, total, pct_start=0.1, cycle_momentum=False)
