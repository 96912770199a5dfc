"""The same network under timm's parameter names: exchange weights with timm's `MlpMixer`."""

from torch import Tensor, nn

from hdd.models.cnn.mlp_mixer import MLPMixer

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


def timm_twin(net: MLPMixer) -> nn.Module:
    """Return timm's MlpMixer of the same sizes, with copies of the same weights.

    Raises:
        ImportError: timm is not installed.
    """
    from timm.models.mlp_mixer import MlpMixer

    block, dim = net.blocks[0], net.head.in_features
    hidden = (block.token_mixing.fc1.out_features, block.channel_mixing.fc1.out_features)
    channels, *image_size = net.input_shape
    twin = MlpMixer(
        num_classes=net.head.out_features,
        in_chans=channels,
        img_size=tuple(image_size),
        patch_size=net.patch_embedding.kernel_size[0],
        num_blocks=len(net.blocks),
        embed_dim=dim,
        mlp_ratio=tuple((width + 0.5) / dim for width in hidden),  # of the width; rounded down
    )
    twin.load_state_dict(to_timm(net.state_dict()))
    return twin


def _rename(key: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        key = key.replace(old, new)
    return key
