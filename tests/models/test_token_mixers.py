"""The other token mixers: those of timm on copied weights, and what each can hear."""

from functools import partial

import pytest
import torch
from reading_weights import influence_maps
from timm.layers import Attention
from timm.models.metaformer import Pooling as TimmPooling
from timm.models.mlp_mixer import ResBlock, SpatialGatingBlock
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from hdd.models import token_mixers as mixers
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.nn_utils import count_trainable_parameter

GRID, DIM = (3, 5), 8
KINDS = mixers.MIXER_KINDS


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(4, 15, DIM)


def copy(pairs):
    for ours, theirs in pairs:
        ours.load_state_dict(
            dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
        )


def randomise(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)


def test_attention_is_timms(x):
    theirs, ours = Attention(DIM, num_heads=4, qkv_bias=True), mixers.SelfAttention(GRID, DIM)
    with torch.no_grad():
        for i, part in enumerate((ours.query, ours.key, ours.value)):
            part.weight.copy_(theirs.qkv.weight.chunk(3)[i])
            part.bias.copy_(theirs.qkv.bias.chunk(3)[i])
    copy([(ours.out, theirs.proj)])
    assert torch.allclose(ours(x), theirs(x + ours.position), atol=1e-6)
    with pytest.raises(ValueError, match=r"dim=10 .*4 attention heads.*Fix: dim=12"):
        mixers.SelfAttention(GRID, 10)


def test_spatial_gate_is_timms_gmlp(x):
    theirs, ours = SpatialGatingBlock(DIM, 15, mlp_ratio=2), mixers.SpatialGate(GRID, DIM)
    randomise(theirs)
    mlp = theirs.mlp_channels
    parts = [(ours.fc1, mlp.fc1), (ours.fc2, mlp.fc2)]
    copy([*parts, (ours.norm, mlp.gate.norm), (ours.spatial, mlp.gate.proj)])
    assert torch.allclose(x + ours(theirs.norm(x)), theirs(x), atol=1e-6)


def test_a_fresh_spatial_gate_mixes_nothing(x):
    gate = mixers.SpatialGate(GRID, DIM)
    tokens, _ = influence_maps(gate, x[0])
    assert tokens.fill_diagonal_(0).max() < 1e-4


def test_token_linear_in_a_block_is_timms_resmlp(x):
    theirs = ResBlock(DIM, 15, norm_layer=partial(nn.LayerNorm, eps=1e-6), init_values=1.0)
    randomise(theirs)
    ours = mixers.Block(mixers.TokenLinear(GRID, DIM), DIM, 4 * DIM)
    copy([(ours.mixer.linear, theirs.linear_tokens)])
    copy([(ours.channel_mixing, theirs.mlp_channels)])
    copy([(ours.token_norm, theirs.norm1), (ours.channel_norm, theirs.norm2)])
    for scale in (theirs.ls1, theirs.ls2):  # timm's LayerScale is not part of our block
        nn.init.ones_(scale)
    ours, theirs, x = ours.double(), theirs.double(), x.double()  # leave only the mathematics
    assert torch.allclose(ours(x), theirs(x), rtol=0, atol=1e-6)


def test_pooling_is_timms(x):
    image = x.transpose(1, 2).unflatten(2, GRID)
    expected = TimmPooling()(image).flatten(2).transpose(1, 2)
    assert torch.allclose(mixers.Pooling(GRID, DIM)(x), expected, atol=1e-6)


def test_token_mlp_net_is_the_mixer():
    torch.manual_seed(0)
    sizes = {"patch_size": 8, "dim": 16, "depth": 2}
    ours, mixer = mixers.build_mixer("token-mlp", **sizes), MLPMixer(**sizes)
    weights = mixer.state_dict()
    ours.load_state_dict({key: weights[_mixer_name(key)] for key in ours.state_dict()})
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(ours(images), mixer(images), atol=1e-6)


def _mixer_name(key):
    return key.replace("mixer.mlp.", "token_mixing.")


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns_and_shapes_stay(kind):
    torch.manual_seed(0)
    net = mixers.build_mixer(kind, image_size=(12, 20), patch_size=4, dim=DIM, depth=2)
    logits = net(torch.randn(3, 3, 12, 20))
    assert logits.shape == (3, 10)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_one_budget_of_parameters(kind):
    mixer = count_trainable_parameter(MLPMixer(patch_size=4, dim=64, depth=4))
    other = count_trainable_parameter(mixers.build_mixer(kind, patch_size=4, dim=64, depth=4))
    assert other == pytest.approx(mixer, rel=0.01)


HEARD = {"identity": 0, "pooling": 8, "depthwise": 8}


@pytest.mark.parametrize("kind", mixers.TOKEN_MIXERS)
def test_how_far_each_hears(kind, x):
    torch.manual_seed(0)
    mixer = mixers.TOKEN_MIXERS[kind](GRID, DIM)
    if kind == "spatial-gate":
        nn.init.normal_(mixer.spatial.weight)
    with sdpa_kernel(SDPBackend.MATH):  # the fused one cannot be differentiated in batches
        tokens, _ = influence_maps(mixer, x[0])
    middle = tokens[7].clone()
    middle[7] = 0
    assert (middle > 0).sum() == HEARD.get(kind, 14)


def test_unknown_kind():
    with pytest.raises(ValueError, match=r"'fourier'.*'hybrid'"):
        mixers.build_mixer("fourier")
