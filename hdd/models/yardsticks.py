"""A small CNN and a small ViT from timm, to compare a Mixer of as many parameters with."""

from torch import nn

from hdd.models.cnn.mlp_mixer import check_image_size

CNN_WIDTHS = (32, 64, 96, 128)


def build_yardstick(
    kind: str, input_shape: tuple[int, int, int], patch_size: int, num_classes: int = 10
) -> nn.Module:
    """Return timm's ResNet ("cnn") or VisionTransformer ("vit") with about 1.1 M parameters.

    Args:
        kind: "cnn" or "vit".
        input_shape: (channels, H, W) of the images.
        patch_size: of the ViT; the ResNet has a 3x3 stem of stride 2 and four stages.
        num_classes: width of the output.

    Raises:
        ImportError: timm is not installed.
        ValueError: patches of the ViT that do not tile the image.
    """
    from timm.models.resnet import BasicBlock, ResNet
    from timm.models.vision_transformer import VisionTransformer

    channels, height, width = input_shape
    if kind == "cnn":
        net = ResNet(
            BasicBlock,
            layers=(2, 2, 2, 2),
            channels=CNN_WIDTHS,
            num_classes=num_classes,
            in_chans=channels,
        )
        # ResNet's own stem (7x7, stride 2, pooling) leaves a 32-pixel image 8x8 positions.
        net.conv1 = nn.Conv2d(channels, 64, 3, stride=2, padding=1, bias=False)
        net.maxpool = nn.Identity()
        return net
    check_image_size((height, width), patch_size)  # timm's ViT would leave the rest out silently
    return VisionTransformer(
        img_size=(height, width),
        patch_size=patch_size,
        in_chans=channels,
        num_classes=num_classes,
        embed_dim=128,
        depth=5,
        num_heads=4,
    )
