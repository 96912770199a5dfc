"""The same network under timm's parameter names: exchange weights with timm's `MlpMixer`."""

from torch import Tensor

# Ours -> timm's; the parts of an Mlp (fc1, fc2) and of a norm have the same names in both.
TIMM_NAMES = {
    "patch_embedding.": "stem.proj.",
    ".token_norm.": ".norm1.",
    ".token_mixing.": ".mlp_tokens.",
    ".channel_norm.": ".norm2.",
    ".channel_mixing.": ".mlp_channels.",
}


def to_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename an MLPMixer's state_dict for timm's MlpMixer; the tensors are shared, not copied."""
    return {_rename(key, TIMM_NAMES): tensor for key, tensor in state.items()}


def from_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the state_dict of timm's MlpMixer for an MLPMixer of the same sizes."""
    inverse = {theirs: ours for ours, theirs in TIMM_NAMES.items()}
    return {_rename(key, inverse): tensor for key, tensor in state.items()}


def _rename(key: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        key = key.replace(old, new)
    return key
