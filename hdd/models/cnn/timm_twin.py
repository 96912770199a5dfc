"""The same network under timm's parameter names: exchange weights with timm's `MlpMixer`."""

from torch import Tensor, nn

from hdd.arguments import checked
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import check_token_mlps

# Ours -> timm's; the parts of an Mlp (fc1, fc2) and of a norm have the same names in both.
TIMM_NAMES = {
    "patch_embedding.": "stem.proj.",
    ".token_norm.": ".norm1.",
    ".token_mixing.": ".mlp_tokens.",
    ".channel_norm.": ".norm2.",
    ".channel_mixing.": ".mlp_channels.",
}


@checked
def to_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename an MLPMixer's state_dict for timm's MlpMixer; the tensors are shared, not copied."""
    return {timm_name(key): tensor for key, tensor in state.items()}


@checked
def timm_twin(net: MLPMixer) -> nn.Module:
    """Return timm's MlpMixer built with the same arguments, with copies of the same weights.

    Raises:
        ImportError: timm is not installed.
        ValueError: a network without token-mixing MLPs.
    """
    check_token_mlps(net)
    from timm.models.mlp_mixer import MlpMixer

    sizes, block = net.arguments, net.blocks[0]
    hidden = (block.token_mixing.fc1.out_features, block.channel_mixing.fc1.out_features)
    twin = MlpMixer(
        num_classes=sizes["num_classes"],
        in_chans=sizes["channels"],
        img_size=net.input_shape[1:],
        patch_size=sizes["patch_size"],
        num_blocks=sizes["depth"],
        embed_dim=sizes["dim"],
        # timm multiplies by the width and rounds down; the half keeps its product above ours.
        mlp_ratio=tuple((width + 0.5) / sizes["dim"] for width in hidden),
        proj_drop_rate=sizes["dropout"],
    )
    twin.load_state_dict(to_timm(net.state_dict()))
    return twin.train(net.training)


@checked
def timm_name(name: str) -> str:
    """Return timm's name for a parameter of an MLPMixer, or of one of its blocks."""
    name = f".{name}"  # a part of a block has a dot before its name, the block's own has none
    for ours, theirs in TIMM_NAMES.items():
        name = name.replace(ours, theirs)
    return name[1:]
