"""A small CNN and a small ViT from timm, and a flat MLP, to compare a Mixer of equal size with."""

from collections.abc import Callable

import torch
from torch import nn

from hdd.arguments import (
    check_choice,
    check_image_size,
    check_integers,
    check_positive_integers,
    checked,
)
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter

# Width and depth with which each has about 1.1 M parameters on CIFAR-10.
SIZES = {"cnn": (32, 2), "vit": (128, 5), "flat": (285, 2)}
# What several notebooks compare: a Mixer, and baselines of its size with so many blocks a stage,
# blocks, or hidden layers; their widths follow from the number of parameters.
DEPTHS = {"ResNet": ("cnn", 1), "ViT": ("vit", 2), "flat MLP": ("flat", 2)}
NETWORKS = ("Mixer", *DEPTHS)
# Strides of the ResNet's stem and four stages. A shift by less than their product is nothing that
# a convolutional network has to be equivariant to.
STRIDES = (2, 1, 2, 2, 2)
HEADS = 4  # of the ViT's attention


@checked
def build_baseline(
    kind: str,
    input_shape: tuple[int, int, int],
    patch_size: int | None,
    num_classes: int = 10,
    *,
    width: int | None = None,
    depth: int | None = None,
    strides: tuple[int, ...] = STRIDES,
) -> nn.Module:
    """Return timm's ResNet ("cnn"), timm's VisionTransformer ("vit") or a flat MLP ("flat").

    Args:
        kind: "cnn", "vit" or "flat".
        input_shape: (channels, H, W) of the images.
        patch_size: of the ViT alone; the ResNet has a 3x3 stem and four stages.
        num_classes: width of the output.
        width: of the ResNet's first stage (the others have 2, 3 and 4 times as much), channels of
            the ViT's tokens, or hidden units of the flat MLP; by default, and with the default
            depth, the network has about 1.1 M parameters on CIFAR-10.
        depth: blocks a stage, blocks, or hidden layers.
        strides: of the ResNet's stem and four stages; (2, 1, 1, 1, 1) keeps half the resolution to
            the end, with the same parameters and more operations.

    Raises:
        ImportError: timm is not installed.
        ValueError: an unknown kind, patches of the ViT that do not tile the image, or strides that
            are not five.
    """
    check_choice(SIZES, kind=kind)
    width = SIZES[kind][0] if width is None else width
    depth = SIZES[kind][1] if depth is None else depth
    check_positive_integers(num_classes=num_classes, width=width)
    check_integers(1, 10_000, depth=depth)  # more would be built for hours
    for side in input_shape:
        check_positive_integers(input_shape=side)
    sizes = {"input_shape": input_shape, "patch_size": patch_size, "num_classes": num_classes}
    sizes |= {"width": width, "depth": depth}
    if kind == "cnn":
        net = _resnet(input_shape, num_classes, width, depth, strides)
        sizes["strides"] = strides
    else:
        make = {"vit": _vit, "flat": _flat}[kind]
        net = make(input_shape, patch_size, num_classes, width, depth)
    net.arguments = {"kind": kind, **sizes}
    return net


@checked
def equal_baseline(
    kind: str,
    net: nn.Module,
    input_shape: tuple[int, int, int],
    patch_size: int,
    num_classes: int = 10,
    *,
    depth: int,
    strides: tuple[int, ...] = STRIDES,
) -> nn.Module:
    """Return the baseline whose number of parameters is the nearest to that of `net`.

    Arguments and errors are those of `build_baseline`; the width is searched for.
    """
    sizes = (kind, input_shape, patch_size, num_classes)
    wanted = count_trainable_parameter(net)

    def distance(width: int) -> int:
        with torch.device("meta"):  # nothing is computed, and no random number is drawn
            candidate = build_baseline(*sizes, width=width, depth=depth, strides=strides)
        return count_trainable_parameter(candidate) - wanted

    best = _nearest_width(distance, HEADS if kind == "vit" else 1)
    return build_baseline(*sizes, width=best, depth=depth, strides=strides)


def _nearest_width(distance: Callable[[int], int], step: int) -> int:
    """Return the multiple of `step` at which `distance`, which grows with it, is nearest to 0."""
    low, high = 1, 1024 // step
    while distance(high * step) < 0:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if distance(middle * step) < 0 else (low, middle)
    return min((low * step, high * step), key=lambda width: abs(distance(width)))


def _resnet(
    shape: tuple[int, int, int], num_classes: int, width: int, depth: int, strides: tuple[int, ...]
) -> nn.Module:
    from timm.models.resnet import BasicBlock, ResNet

    if len(strides) != 1 + 4 or min(strides) < 1:
        raise ValueError(
            f"strides={strides} must be five positive numbers: the stem's and four stages'. "
            f"Fix: {STRIDES}, for example."
        )
    widths = tuple(width * stage for stage in (1, 2, 3, 4))
    layers = (depth,) * 4
    net = ResNet(BasicBlock, layers, channels=widths, num_classes=num_classes, in_chans=shape[0])
    # ResNet's own stem (7x7, stride 2, pooling) leaves a 32-pixel image 8x8 positions.
    net.conv1 = nn.Conv2d(shape[0], 64, 3, stride=strides[0], padding=1, bias=False)
    net.maxpool = nn.Identity()
    stages = (net.layer1, net.layer2, net.layer3, net.layer4)
    for stage, stride in zip(stages, strides[1:], strict=True):
        _set_stride(stage[0], stride)
    return net


def _set_stride(block: nn.Module, stride: int) -> None:
    """Give the first block of a stage another stride; no weight depends on it."""
    block.conv1.stride = (stride, stride)
    if block.downsample is not None:
        block.downsample[0].stride = (stride, stride)


def _vit(
    shape: tuple[int, int, int], patch_size: int, num_classes: int, width: int, depth: int
) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    check_image_size(shape[1:], patch_size)  # timm's ViT would leave the rest out silently
    if width % HEADS:
        raise ValueError(f"width={width} does not divide among {HEADS} heads. Fix: width=128, say.")
    return VisionTransformer(
        img_size=shape[1:],
        patch_size=patch_size,
        in_chans=shape[0],
        num_classes=num_classes,
        embed_dim=width,
        depth=depth,
        num_heads=HEADS,
    )


def _flat(
    shape: tuple[int, int, int], _: int, num_classes: int, width: int, depth: int
) -> nn.Module:
    """One MLP on all pixels: Linear, LayerNorm, GELU a hidden layer."""
    channels, height, image_width = shape
    layers: list[nn.Module] = [nn.Flatten()]
    features = channels * height * image_width
    for _hidden in range(depth):
        layers += [nn.Linear(features, width), nn.LayerNorm(width), nn.GELU()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, num_classes))


@checked
def build_network(
    name: str,
    input_shape: tuple[int, int, int],
    patch_size: int,
    *,
    dim: int,
    depth: int,
    num_classes: int = 10,
    seed: int = 0,
    strides: tuple[int, ...] = STRIDES,
) -> nn.Module:
    """Return one of NETWORKS with weights drawn from `seed`, all with the Mixer's parameters.

    `dim` and `depth` are the Mixer's; the other arguments are those of `build_baseline`.

    Raises:
        ValueError: an unknown name, or patches that do not tile the image.
    """
    check_choice(NETWORKS, name=name)
    for side in input_shape:
        check_positive_integers(input_shape=side)
    torch.manual_seed(seed)
    mixer = MLPMixer(
        image_size=input_shape[1:],
        channels=input_shape[0],
        patch_size=patch_size,
        dim=dim,
        depth=depth,
        num_classes=num_classes,
    )
    if name == "Mixer":
        return mixer
    kind, blocks = DEPTHS[name]
    torch.manual_seed(seed)
    sizes = (kind, mixer, input_shape, patch_size, num_classes)
    return equal_baseline(*sizes, depth=blocks, strides=strides)
