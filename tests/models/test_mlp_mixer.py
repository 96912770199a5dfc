import pytest
import torch
from timm.models.mlp_mixer import MlpMixer
from torch.nn import functional

from hdd.models.baselines import build_baseline
from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.cnn.timm_twin import to_timm
from hdd.models.nn_utils import count_macs, count_trainable_parameter

# The paper's table 1 and appendix E at 224 x 224 and 1000 classes.
# patch, L, C, S, parameters, GMAC
OFFICIAL = {
    "S/32": (32, 8, 512, 49, 19_104_624, 1.00),
    "S/16": (16, 8, 512, 196, 18_528_264, 3.78),
    "B/32": (32, 12, 768, 49, 60_293_428, 3.24),
    "B/16": (16, 12, 768, 196, 59_880_472, 12.60),
    "L/32": (32, 24, 1024, 49, 206_939_264, 11.25),
    "L/16": (16, 24, 1024, 196, 208_196_168, 44.55),
    "H/14": (14, 32, 1280, 256, 432_350_952, 120.99),
}
SMALL = {"image_size": 8, "patch_size": 4, "dim": 16, "depth": 2, "num_classes": 5}


def randomise(net):
    # Fresh norms and biases are all ones and zeros: swapping two of them would go unnoticed.
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return net.eval()


def test_document_call_has_1099146_parameters():
    net = MLPMixer(image_size=32, channels=3, patch_size=4, dim=128, depth=8, num_classes=10)
    assert count_trainable_parameter(net) == 1_099_146


def test_paper_token_width_has_1132170_parameters():
    assert count_trainable_parameter(MLPMixer(token_dim=64)) == 1_132_170


def test_frozen_parameters_are_not_counted():
    net = MLPMixer(**SMALL)
    everything = count_trainable_parameter(net)
    net.head.requires_grad_(False)
    assert count_trainable_parameter(net) == everything - (16 * 5 + 5)


@pytest.mark.parametrize("size", OFFICIAL)
def test_official_sizes_have_the_published_parameters_and_macs(size):
    p, depth, c, s, parameters, gmac = OFFICIAL[size]
    d_s, d_c, k = c // 2, 4 * c, 1000
    formula = 3 * p * p * c + c
    formula += depth * ((2 * s * d_s + d_s + s) + (2 * c * d_c + d_c + c) + 4 * c)
    formula += 2 * c + c * k + k
    with torch.device("meta"):
        net = MLPMixer(
            image_size=224, patch_size=p, dim=c, depth=depth, num_classes=k, token_dim=d_s
        )
    assert count_trainable_parameter(net) == formula == parameters
    assert round(count_macs(net, (3, 224, 224)) / 1e9, 2) == gmac


# image (H, W), channels, patch, C, L, K, D_S / C, D_C / C
TIMM_SHAPES = {
    "document": ((32, 32), 3, 4, 128, 8, 10, 0.25, 4.0),
    "wide rectangle": ((16, 48), 3, 8, 64, 3, 10, 0.5, 4.0),
    "tall rectangle": ((24, 8), 3, 4, 32, 2, 7, 0.5, 2.0),
    "grey": ((28, 28), 1, 7, 64, 4, 10, 0.5, 4.0),
    "patch 2": ((8, 8), 3, 2, 48, 1, 10, 1.0, 1.0),
    "patch 16, two channels": ((64, 32), 2, 16, 96, 5, 3, 0.25, 3.0),
    "narrow": ((12, 12), 3, 3, 8, 12, 2, 2.0, 0.5),
}


def timm_twin(image, channels, patch, dim, depth, classes, token_ratio, channel_ratio):
    ours = MLPMixer(
        image_size=image,
        channels=channels,
        patch_size=patch,
        dim=dim,
        depth=depth,
        num_classes=classes,
        token_dim=int(token_ratio * dim),
        expansion_factor_channel=channel_ratio,
    )
    theirs = MlpMixer(
        num_classes=classes,
        img_size=image,
        in_chans=channels,
        patch_size=patch,
        num_blocks=depth,
        embed_dim=dim,
        mlp_ratio=(token_ratio, channel_ratio),
    )
    randomise(ours)
    theirs.load_state_dict(to_timm(ours.state_dict()))
    return ours, theirs.eval()


@pytest.mark.parametrize("shape", TIMM_SHAPES)
def test_logits_and_gradients_equal_timm(shape):
    torch.manual_seed(0)
    image, channels, *_ = TIMM_SHAPES[shape]
    ours, theirs = timm_twin(*TIMM_SHAPES[shape])
    x = torch.randn(3, channels, *image)
    logits, reference = ours(x), theirs(x)
    assert logits.std() > 1e-3  # constant logits would agree for no reason
    torch.testing.assert_close(logits, reference, atol=1e-5, rtol=0)

    weights = torch.randn_like(logits)
    (logits * weights).sum().backward()
    (reference * weights).sum().backward()
    gradients = to_timm({name: p.grad for name, p in ours.named_parameters()})
    for name, parameter in theirs.named_parameters():
        scale = max(1.0, float(parameter.grad.abs().max()))
        torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-5 * scale, rtol=0)


def official_forward(w, x, patch, depth):
    """The authors' order of layers, written with nothing from hdd and no nn.Module."""
    b, c, h, width = x.shape

    def norm(t, n):
        return functional.layer_norm(t, t.shape[-1:], w[n + ".weight"], w[n + ".bias"], 1e-6)

    x = x.reshape(b, c, h // patch, patch, width // patch, patch)
    x = torch.einsum("bcipjq,dcpq->bijd", x, w["patch_embedding.weight"]).flatten(1, 2)
    x = x + w["patch_embedding.bias"]
    for i in range(depth):
        for half, equation in (("token", "bsc,hs->bhc"), ("channel", "bsc,hc->bsh")):
            m = f"blocks.{i}.{half}_mixing."
            column = (slice(None), None) if half == "token" else (slice(None),)
            y = torch.einsum(equation, norm(x, f"blocks.{i}.{half}_norm"), w[m + "fc1.weight"])
            y = functional.gelu(y + w[m + "fc1.bias"][column])
            back = "bhc,sh->bsc" if half == "token" else "bsh,ch->bsc"
            x = x + torch.einsum(back, y, w[m + "fc2.weight"]) + w[m + "fc2.bias"][column]
    return norm(x, "norm").mean(1) @ w["head.weight"].T + w["head.bias"]


@pytest.mark.parametrize("image", [(16, 16), (8, 24)])
def test_forward_equals_the_official_order_of_layers(image):
    torch.manual_seed(0)
    net = randomise(MLPMixer(image_size=image, dim=32, depth=3, token_dim=24, channel_dim=80))
    x = torch.randn(4, 3, *image)
    reference = official_forward(net.state_dict(), x, patch=4, depth=3)
    assert reference.std() > 1e-3
    torch.testing.assert_close(net(x), reference, atol=1e-5, rtol=0)


def test_every_parameter_gets_a_finite_gradient():
    torch.manual_seed(0)
    net = MLPMixer(**SMALL, dropout=0.1)
    functional.cross_entropy(net(torch.randn(8, 3, 8, 8)), torch.arange(8) % 5).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_arguments_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        MLPMixer(32)


BAD = [
    ({"image_size": 30}, ["image_size=30", "divisible", "patch_size=4"]),
    ({"image_size": (32, 30)}, ["(32, 30)", "divisible", "patch_size=4"]),
    ({"image_size": (30, 32)}, ["(30, 32)", "divisible", "patch_size=4"]),
    ({"image_size": 4, "patch_size": 8}, ["image_size=4", "divisible", "patch_size=8"]),
    ({"image_size": (32, 32, 3)}, ["(32, 32, 3)", "(height, width)"]),
    ({"image_size": (32,)}, ["(32,)", "(height, width)"]),
    ({"dropout": -0.1}, ["dropout=-0.1", "[0, 1)"]),
    ({"dropout": 1.0}, ["dropout=1.0", "[0, 1)"]),
    ({"dropout": float("nan")}, ["dropout=nan", "[0, 1)"]),
    ({"expansion_factor_token": 0.0}, ["expansion_factor_token=0.0", "1 or more"]),
    ({"expansion_factor_token": 0.01}, ["expansion_factor_token=0.01", "1 or more"]),
    ({"expansion_factor_channel": -4}, ["expansion_factor_channel=-4", "1 or more"]),
    ({"expansion_factor_channel": float("nan")}, ["expansion_factor_channel=nan", "1 or more"]),
]
BAD += [({name: value}, [f"{name}={value!r}"]) for name, value in [
    ("dropout", "x"), ("dropout", True), ("expansion_factor_token", [2]),
    ("expansion_factor_channel", None), ("image_size", "32"),
]]  # fmt: skip
for name in ("channels", "patch_size", "dim", "depth", "num_classes", "token_dim", "channel_dim"):
    for value in (0, -2, 4.0, True):
        BAD.append(({name: value}, [f"{name}={value!r}", "positive integer"]))
for value, side in [(0, 0), (-32, -32), (32.0, 32.0), (True, True)]:
    BAD.append(({"image_size": value}, [f"image_size={side!r}", "positive integer"]))
for value, side in [((32, 0), 0), ((-32, 32), -32), ((32, 64.0), 64.0)]:
    BAD.append(({"image_size": value}, [f"image_size={side!r}", "positive integer"]))


@pytest.mark.parametrize(("arguments", "fragments"), BAD, ids=str)
def test_bad_arguments_name_value_rule_and_fix(arguments, fragments):
    with pytest.raises(ValueError, match="=") as error:
        MLPMixer(**arguments)
    for fragment in [*fragments, "Fix:"]:
        assert fragment in str(error.value)


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (2, 3, 8, 4), (2, 1, 8, 8), (3, 8, 8), (2, 192)])
def test_forward_rejects_another_shape(shape):
    with pytest.raises(ValueError, match="Fix:") as error:
        MLPMixer(**SMALL)(torch.zeros(shape))
    assert str(shape) in str(error.value)
    assert "(batch, 3, 8, 8)" in str(error.value)


def test_one_image_gives_the_same_logits_alone_and_in_a_batch():
    torch.manual_seed(0)
    net, x = randomise(MLPMixer(**SMALL)), torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(net(x[:1]), net(x)[:1])


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    net, x = MLPMixer(**SMALL, dropout=0.5), torch.randn(2, 3, 8, 8)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))
    net.load_state_dict((plain := MLPMixer(**SMALL).eval()).state_dict())
    assert torch.equal(net(x), plain(x))


@pytest.mark.parametrize("patch_size", [2, 4, 8])
def test_the_factor_that_an_error_proposes_works(patch_size):
    with pytest.raises(ValueError, match="Fix:") as error:
        MLPMixer(patch_size=patch_size, expansion_factor_token=1e-6)
    factor = float(str(error.value).split("expansion_factor_token=")[2].split(" ")[0])
    MLPMixer(patch_size=patch_size, expansion_factor_token=factor)


def test_macs_of_attention_are_counted():
    pytest.importorskip("timm")
    net = build_baseline("vit", (3, 32, 32), 4)
    tokens, dim, blocks = 65, 128, 5
    linear = tokens * 12 * dim * dim * blocks + 64 * 48 * dim + dim * 10
    attention = 2 * tokens * tokens * dim * blocks
    assert count_macs(net, (3, 32, 32)) == linear + attention


def test_intermediates_come_by_name():
    net = MLPMixer(**SMALL).eval()
    out, images = {}, torch.randn(2, *net.input_shape)
    assert torch.equal(net(images, out), net(images))
    halves = [
        f"blocks.{i}.{h}"
        for i in range(len(net.blocks))
        for h in ("token_mixing", "channel_mixing")
    ]
    assert list(out) == ["stem", *halves, "norm"]
    stem = net.patch_embedding(images).flatten(2).transpose(1, 2)
    assert torch.equal(out["stem"], stem)
    assert torch.equal(out["blocks.0.channel_mixing"], net.blocks[0](stem))
    assert torch.equal(net.head(out["norm"].mean(1)), net(images))
