"""Other weights for the same function: permuted images, and images of another resolution.

A Mixer's token mixing has a row or a column for each place, so whoever moves the places can move
the weights along with them. Everything here returns a new network; the old one stays as it is.
"""

import torch
from torch import Tensor
from torch.nn import functional

from hdd.arguments import check_positive_integers, check_shape, checked
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import check_token_mlps


@checked
def patch_order(grid: tuple[int, int], patch_size: int, tokens: Tensor, pixels: Tensor) -> Tensor:
    """Return the pixel order (H * W,) that moves patches, and pixels within each patch alike.

    `image.flatten(-2)[..., order]` has at pixel k of patch j what the image has at pixel
    `pixels[k]` of patch `tokens[j]`.

    Args:
        grid: (h, w), patches down and across.
        patch_size: P.
        tokens: a permutation of the h * w patches.
        pixels: a permutation of the P * P pixels of a patch.

    Raises:
        ValueError: an empty grid, or what is no permutation.
    """
    check_positive_integers(patch_size=patch_size, grid=min(grid))
    (h, w), p = grid, patch_size
    _check_permutation("tokens", tokens, h * w)
    _check_permutation("pixels", pixels, p * p)
    index = torch.arange(h * p * w * p).view(h, p, w, p).transpose(1, 2).reshape(h * w, p * p)
    moved = index[tokens][:, pixels]  # (S, P * P)
    return moved.view(h, w, p, p).transpose(1, 2).flatten()


@checked
def reorder_pixels(images: Tensor, order: Tensor) -> Tensor:
    """Return images (B, C, H, W) whose pixel i is the old pixel order[i], in every channel."""
    check_shape("(B, C, H, W)", images=images)
    _check_permutation("order", order, images.shape[2] * images.shape[3])
    return images.flatten(2)[:, :, order].view_as(images)


@checked
@torch.no_grad()
def permuted_twin(net: MLPMixer, tokens: Tensor, pixels: Tensor) -> MLPMixer:
    """Return a Mixer that does on permuted images what `net` does on the images as they are.

    Only columns of W1, rows of W2, entries of its bias and the stem's pixels change places.
    `tokens` and `pixels` are as for `patch_order`.

    Raises:
        ValueError: what is no permutation of all tokens, or of a patch's pixels, or a network
            without token-mixing MLPs.
    """
    check_token_mlps(net)
    _check_permutation("tokens", tokens, net.grid[0] * net.grid[1])
    _check_permutation("pixels", pixels, net.arguments["patch_size"] ** 2)
    twin = MLPMixer(**net.arguments).train(net.training)
    twin.load_state_dict(net.state_dict())
    stem = net.patch_embedding.weight  # (C, channels, P, P)
    twin.patch_embedding.weight.copy_(stem.flatten(2)[:, :, pixels].view_as(stem))
    for new, old in zip(twin.blocks, net.blocks, strict=True):
        new.token_mixing.fc1.weight.copy_(old.token_mixing.fc1.weight[:, tokens])
        new.token_mixing.fc2.weight.copy_(old.token_mixing.fc2.weight[tokens])
        new.token_mixing.fc2.bias.copy_(old.token_mixing.fc2.bias[tokens])
    return twin


@checked
@torch.no_grad()
def block_diagonal(net: MLPMixer, factor: int) -> MLPMixer:
    """Return a Mixer for images `factor` times as high and wide, initialised as in the paper.

    The image falls into factor**2 tiles, each as large as the old image. Each tile's tokens are
    mixed among themselves with the old weights, and not yet with others: in tile order the new
    matrices are block-diagonal (arXiv 2105.01601, appendix C).

    Raises:
        ValueError: a factor below 1, or a network without token-mixing MLPs.
    """
    check_token_mlps(net)
    (h, w), hidden = net.grid, net.blocks[0].token_mixing.fc1.out_features
    large = _enlarged(net, factor, hidden * factor**2)
    places = torch.arange(h * w * factor**2).view(factor, h, factor, w).transpose(1, 2)
    tiles = places.reshape(factor**2, h * w)  # (tiles, S): where the tokens of each tile are
    for new, old in zip(large.blocks, net.blocks, strict=True):
        new, old = new.token_mixing, old.token_mixing
        new.fc1.weight.zero_()
        new.fc2.weight.zero_()
        new.fc1.bias.copy_(old.fc1.bias.repeat(factor**2))
        for tile, tokens in enumerate(tiles):
            units = torch.arange(hidden) + tile * hidden
            new.fc1.weight[units[:, None], tokens] = old.fc1.weight
            new.fc2.weight[tokens[:, None], units] = old.fc2.weight
            new.fc2.bias[tokens] = old.fc2.bias
    return large


@checked
@torch.no_grad()
def stretched(net: MLPMixer, factor: int) -> MLPMixer:
    """Return a Mixer for images `factor` times as high and wide, its units' maps stretched.

    What a unit reads and writes are maps on the grid: both are enlarged bilinearly, as ViT's
    position embeddings are. A unit reads factor**2 as many tokens, so what it reads is divided by
    that; the number of units stays.

    Raises:
        ValueError: a factor below 1, or a network without token-mixing MLPs.
    """
    check_token_mlps(net)
    large = _enlarged(net, factor, net.blocks[0].token_mixing.fc1.out_features)

    def stretch(maps: Tensor) -> Tensor:  # (D, S) -> (D, S * factor**2)
        images = maps.unflatten(1, net.grid).unsqueeze(1)
        return functional.interpolate(images, scale_factor=factor, mode="bilinear").flatten(1)

    for new, old in zip(large.blocks, net.blocks, strict=True):
        new, old = new.token_mixing, old.token_mixing
        new.fc1.weight.copy_(stretch(old.fc1.weight) / factor**2)
        new.fc1.bias.copy_(old.fc1.bias)
        new.fc2.weight.copy_(stretch(old.fc2.weight.T).T)
        new.fc2.bias.copy_(stretch(old.fc2.bias[None])[0])
    return large


def _check_permutation(name: str, order: Tensor, size: int) -> None:
    whole = order.ndim == 1 and order.dtype in (torch.int64, torch.int32)
    if not whole or sorted(order.tolist()) != list(range(size)):
        raise ValueError(
            f"{name}={order.dtype} {tuple(order.shape)} is no permutation of 0 to {size - 1}. "
            f"Fix: torch.randperm({size}), for example."
        )


def _enlarged(net: MLPMixer, factor: int, token_dim: int) -> MLPMixer:
    """Return a Mixer for larger images, with all of the old weights but for token mixing."""
    if not 1 <= factor <= 1024:
        raise ValueError(f"factor={factor} must be a whole number from 1 to 1024. Fix: factor=2.")
    _, height, width = net.input_shape
    size = {"image_size": (factor * height, factor * width), "token_dim": token_dim}
    large = MLPMixer(**net.arguments | size).train(net.training)
    rest = {k: v for k, v in net.state_dict().items() if "token_mixing" not in k}
    large.load_state_dict(rest, strict=False)
    return large
