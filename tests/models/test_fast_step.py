"""The fused step stands in for a network that does the same, and for no other."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from hdd.models.cnn.fast_step import choose_step
from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.cnn.mlp_mixer import MixerBlock, Mlp, MLPMixer
from hdd.models.token_mixers import build_mixer

SIZES = {"patch_size": 8, "dim": 32, "depth": 2}


def chosen(net, dtype=torch.float32):
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return choose_step(net, images, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "sizes",
    [SIZES, {"patch_size": 4}, {"patch_size": 16, "dim": 20}, SIZES | {"token_dim": 40}],
    ids=str,
)
def test_a_mixer_as_it_is(sizes, dtype):
    torch.manual_seed(0)
    net = MLPMixer(**sizes)
    nn.init.zeros_(net.head.weight)  # as in the paper: no gradient reaches the blocks at first
    step, reason = chosen(net, dtype)
    assert isinstance(step, FusedMixer)
    assert reason == ""
    assert step.dtype == dtype


def test_a_network_on_another_device_takes_its_own_step():
    """Whatever device its images come from: a loader's are the CPU's."""
    net = MLPMixer(**SIZES).to("meta")
    assert chosen(net) == (net, "")


def swapped(self, x):
    x = x + self.channel_mixing(self.channel_norm(x))
    return x + self.token_mixing(self.token_norm(x).transpose(1, 2)).transpose(1, 2)


def no_channel_mixing(self, x):
    return x + self.token_mixing(self.token_norm(x).transpose(1, 2)).transpose(1, 2)


def no_residual(self, x):
    x = x + self.token_mixing(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
    return self.channel_mixing(self.channel_norm(x))


def shared_norm(self, x):
    x = x + self.token_mixing(self.token_norm(x).transpose(1, 2)).transpose(1, 2)
    return x + self.channel_mixing(self.token_norm(x))


@pytest.mark.parametrize("forward", [swapped, no_channel_mixing, no_residual, shared_norm])
@pytest.mark.parametrize("zero", [False, True])
def test_an_edited_block(monkeypatch, forward, zero):
    monkeypatch.setattr(MixerBlock, "forward", forward)
    net = MLPMixer(**SIZES)
    if zero:  # what stands behind a head at zero is compared, too
        nn.init.zeros_(net.head.weight)
    step, reason = chosen(net)
    assert step is net
    assert "differs" in reason


class Louder(MLPMixer):
    def forward(self, images):
        return super().forward(images) * 1.001


class Noisy(MLPMixer):
    def forward(self, images):  # drops whole images' logits, and seldom
        logits = super().forward(images)
        return logits * (torch.rand(()) > 0.001) if self.training else logits


class Counting(MLPMixer):
    seen = 0

    def forward(self, images):  # stronger from its hundredth step on
        self.seen += 1
        return super().forward(images) * (1 + self.seen // 100)


class Growing(MLPMixer):
    def __init__(self, **sizes):
        super().__init__(**sizes)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images):
        self.seen += 1
        return super().forward(images) * (1 + self.seen // 100)


class TwoOutputs(MLPMixer):
    def forward(self, images):
        return super().forward(images), images.mean()


def edited(change):
    def make():
        net = MLPMixer(**SIZES)
        change(net)
        return net

    return make


def replace(part, name):
    return edited(lambda net: setattr(net.blocks[1].token_mixing, name, part))


def pruned(net):
    prune.l1_unstructured(net.blocks[0].token_mixing.fc1, "weight", amount=0.3)


OTHERS = {
    "subclass": (lambda: Louder(**SIZES), "differs"),
    "random": (lambda: Noisy(**SIZES), "random"),
    "counter": (lambda: Counting(**SIZES), "keeps"),
    "buffer": (lambda: Growing(**SIZES), "keeps"),
    "two outputs": (lambda: TwoOutputs(**SIZES), "row of logits"),
    "double": (lambda: MLPMixer(**SIZES).double(), "not float32"),
    "compiled": (lambda: torch.compile(MLPMixer(**SIZES)), "compiled"),
    "dropout": (lambda: MLPMixer(**SIZES, dropout=0.1), "random"),
    "relu": (replace(nn.ReLU(), "activation"), "differs"),
    "tanh": (replace(nn.GELU(approximate="tanh"), "activation"), "differs"),
    "no bias": (replace(nn.Linear(8, 16, bias=False), "fc2"), "cannot compute"),
    "eps": (edited(lambda net: setattr(net.norm, "eps", 1e-5)), "eps"),
    "frozen": (edited(lambda net: net.head.requires_grad_(False)), "frozen"),
    "tied": (edited(lambda net: setattr(net.blocks[1], "channel_norm", net.norm)), "shares"),
    "pruned": (edited(pruned), "hooks"),
    "hook": (edited(lambda net: net.blocks[0].register_forward_hook(print)), "hooks"),
    "pre-hook": (edited(lambda net: net.norm.register_forward_pre_hook(print)), "hooks"),
    "backward hook": (edited(lambda net: net.head.register_full_backward_hook(print)), "hooks"),
    "weight norm": (
        edited(lambda net: parametrizations.weight_norm(net.blocks[0].token_mixing.fc1)),
        "cannot compute",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_network(name):
    torch.manual_seed(0)
    make, says = OTHERS[name]
    net = make()
    step, reason = chosen(net)
    assert step is net
    assert says in reason


def test_another_activation_function(monkeypatch):
    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x), approximate="tanh"))

    monkeypatch.setattr(Mlp, "forward", forward)
    assert "differs" in chosen(MLPMixer(**SIZES))[1]


def test_another_activation_in_lower_precision_only(monkeypatch):
    def forward(self, x):
        low = torch.is_autocast_enabled("cpu")
        x = self.fc1(x)
        return self.fc2(nn.functional.relu(x) if low else nn.functional.gelu(x))

    monkeypatch.setattr(Mlp, "forward", forward)
    torch.manual_seed(0)
    net = MLPMixer(**SIZES)
    assert isinstance(chosen(net, torch.float32)[0], FusedMixer)
    step, reason = chosen(net, torch.bfloat16)
    assert step is net
    assert "under autocast" in reason


@pytest.mark.parametrize(
    "make", [lambda: build_mixer("attention", **SIZES), lambda: nn.Linear(3, 2)]
)
def test_what_it_does_not_claim_needs_no_reason(make):
    net = make()
    assert chosen(net) == (net, "")


def test_an_error_in_the_network_is_not_swallowed(monkeypatch):
    def forward(self, x):
        return x + self.token_mixing(self.token_norm(x))  # the transpose is forgotten

    monkeypatch.setattr(MixerBlock, "forward", forward)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        chosen(MLPMixer(**SIZES))


def test_the_proof_leaves_no_trace():
    torch.manual_seed(0)
    net = MLPMixer(**SIZES).eval()
    before = {name: p.clone() for name, p in net.named_parameters()}
    state = torch.get_rng_state()
    chosen(net)
    assert torch.equal(torch.get_rng_state(), state)
    assert not net.training
    assert all(
        torch.equal(p, before[name]) and p.grad is None for name, p in net.named_parameters()
    )
