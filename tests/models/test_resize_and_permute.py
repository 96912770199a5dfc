"""Rewired Mixers do exactly what the originals do, on permuted or tiled images."""

import pytest
import torch
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.resize_and_permute import (
    block_diagonal,
    patch_order,
    permuted_twin,
    reorder_pixels,
    stretched,
)


@pytest.fixture(params=[((8, 12), 4, 3), ((14, 14), 7, 1), ((6, 4), 1, 2)], ids=str)
def net(request):
    torch.manual_seed(0)
    image_size, patch_size, channels = request.param
    sizes = {"image_size": image_size, "patch_size": patch_size, "channels": channels}
    net = MLPMixer(**sizes, dim=16, depth=3, num_classes=7)
    for parameter in net.parameters():  # biases and norms count, too
        torch.nn.init.normal_(parameter, std=0.2)
    return net.eval()


@pytest.fixture
def images(net):
    return torch.randn(5, *net.input_shape, generator=torch.Generator().manual_seed(1))


def permutations(net, seed=2):
    generator = torch.Generator().manual_seed(seed)
    tokens, pixels = net.grid[0] * net.grid[1], net.patch_embedding.kernel_size[0] ** 2
    return torch.randperm(tokens, generator=generator), torch.randperm(pixels, generator=generator)


def order_of(net, tokens, pixels):
    return patch_order(net.grid, net.patch_embedding.kernel_size[0], tokens, pixels)


def test_patch_order_moves_whole_patches(net, images):
    tokens, pixels = permutations(net)
    p = net.patch_embedding.kernel_size[0]
    moved = reorder_pixels(images, order_of(net, tokens, pixels))
    cut = [functional.unfold(x, p, stride=p).unflatten(1, (-1, p * p)) for x in (images, moved)]
    assert torch.equal(cut[1], cut[0][:, :, pixels][..., tokens])  # (B, C, P * P, S)


def test_permuted_twin_gives_the_same_logits(net, images):
    tokens, pixels = permutations(net)
    moved = reorder_pixels(images, order_of(net, tokens, pixels))
    twin = permuted_twin(net, tokens, pixels)
    torch.testing.assert_close(twin(moved), net(images), rtol=0, atol=1e-6)
    assert not torch.allclose(net(moved), net(images), atol=1e-3)


def test_permuted_twin_learns_the_same(net, images):
    tokens, pixels = permutations(net)
    twin = permuted_twin(net, tokens, pixels)
    order, labels = order_of(net, tokens, pixels), torch.arange(5)
    losses = []
    for network, inputs in ((net, images), (twin, reorder_pixels(images, order))):
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        for _ in range(5):
            loss = functional.cross_entropy(network(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_block_diagonal_is_exact_on_a_tiled_image(net, images, factor):
    tiled = images.repeat(1, 1, factor, factor)
    large = block_diagonal(net, factor)
    torch.testing.assert_close(large(tiled), net(images), rtol=0, atol=1e-6)


def test_block_diagonal_mixes_no_two_tiles(net, images):
    large, tiled = block_diagonal(net, 2), images.repeat(1, 1, 2, 2)
    other = tiled.clone()
    height, width = net.input_shape[1:]
    other[:, :, :height, :width] += 1  # the first tile alone
    tokens = [large.blocks(large.patch_embedding(x).flatten(2).mT) for x in (tiled, other)]
    same = (tokens[0] == tokens[1]).all(dim=2)[0].view(large.grid)
    assert not same[: net.grid[0], : net.grid[1]].any()
    same[: net.grid[0], : net.grid[1]] = True
    assert same.all()


def test_stretched_by_one_is_the_same_network(net, images):
    torch.testing.assert_close(stretched(net, 1)(images), net(images))


def test_stretched_is_exact_on_uniform_images(net):
    uniform = torch.ones(2, *net.input_shape)
    larger = torch.ones(2, net.input_shape[0], 2 * net.input_shape[1], 2 * net.input_shape[2])
    for block in net.blocks:  # what is written must be uniform as well
        mlp = block.token_mixing
        mlp.fc2.weight.data = mlp.fc2.weight.data.mean(0, keepdim=True).expand_as(mlp.fc2.weight)
        mlp.fc2.bias.data.fill_(0.3)
    torch.testing.assert_close(stretched(net, 2)(larger), net(uniform), rtol=0, atol=1e-5)


@pytest.mark.parametrize("rewire", [permuted_twin, block_diagonal, stretched])
def test_the_old_network_stays_as_it_is(net, rewire):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    rewire(net, *(permutations(net) if rewire is permuted_twin else (2,)))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("rewire", [block_diagonal, stretched])
def test_a_factor_below_one(net, rewire):
    with pytest.raises(ValueError, match=r"factor=0 .*Fix: factor=2"):
        rewire(net, 0)
