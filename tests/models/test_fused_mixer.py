"""The fused step computes the network's own loss and gradients, in float32 and in bfloat16."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hdd.models.cnn.fused_mixer import FusedMixer
from hdd.models.cnn.mlp_mixer import MLPMixer

BF16 = torch.bfloat16


def noisy(net):
    """Move every parameter off its initial value: gains off 1, biases off 0."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def gradients(forward, net, images, labels):
    net.zero_grad()
    loss = functional.cross_entropy(forward(images).float(), labels)
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in net.named_parameters()}


class TestFusedMixer:
    @pytest.mark.parametrize("dtype", [torch.float32, BF16])
    def test_refuses_what_the_network_refuses(self, dtype):
        net = MLPMixer(image_size=8, dim=8, depth=1)
        images = torch.randn(2, 3, 8, 8)
        for bad in (images.byte(), images.double(), images[:, :1], images[..., :4], images[0]):
            messages = []
            for step in (net, FusedMixer(net, dtype)):
                low = dtype == BF16 and step is net
                with (
                    torch.autocast("cpu", BF16, enabled=low),
                    pytest.raises(ValueError, match="Fix: ") as error,
                ):
                    step(bad)
                messages.append(str(error.value))
            assert messages[0] == messages[1]
        if dtype == BF16:  # which autocast casts, and so does this step
            assert FusedMixer(net, dtype)(images.half()).shape == (2, 10)

    @pytest.mark.parametrize(
        ("size", "patch", "channels", "batch"),
        [(32, 4, 3, 16), (32, 16, 3, 7), ((8, 12), 4, 1, 5), (28, 7, 1, 1)],
    )
    def test_is_as_close_to_float32_as_autocast(self, size, patch, channels, batch):
        torch.manual_seed(0)
        sizes = {"image_size": size, "channels": channels, "patch_size": patch}
        net = noisy(MLPMixer(**sizes, dim=64, depth=3, token_dim=24))
        images, labels = torch.randn(batch, *net.input_shape), torch.randint(10, (batch,))

        def autocast(x):
            with torch.autocast("cpu", torch.bfloat16):
                return net(x)

        exact, wanted = gradients(net, net, images, labels)
        results = [gradients(f, net, images, labels) for f in (FusedMixer(net, BF16), autocast)]
        assert abs(results[0][0] - exact) < 0.01
        norm = torch.cat([g.flatten() for g in wanted.values()]).norm()
        fused, plain = (
            torch.cat([(g[name] - wanted[name]).flatten() for name in wanted]).norm() / norm
            for _, g in results
        )
        assert fused < 0.05
        assert fused < 1.2 * plain

    def test_float32_is_exact(self):
        torch.manual_seed(0)
        net = noisy(MLPMixer(image_size=(8, 12), channels=2, patch_size=4, dim=48, depth=3))
        images, labels = torch.randn(7, *net.input_shape), torch.randint(10, (7,))
        images[0] = 0  # and no bias: tokens without any variance
        nn.init.zeros_(net.patch_embedding.bias)
        loss, wanted = gradients(net, net, images, labels)
        fused_loss, fused = gradients(FusedMixer(net, torch.float32), net, images, labels)
        assert fused_loss == pytest.approx(loss, abs=1e-6)
        norm = torch.cat([g.flatten() for g in wanted.values()]).norm()
        for name, gradient in wanted.items():
            assert (fused[name] - gradient).norm() < 1e-5 * norm, name

    def test_every_parameter_gets_its_gradient(self):
        torch.manual_seed(0)
        net = noisy(MLPMixer(patch_size=8, dim=32, depth=2))
        images, labels = torch.randn(64, 3, 32, 32), torch.randint(10, (64,))
        _, wanted = gradients(net, net, images, labels)
        _, fused = gradients(FusedMixer(net, BF16), net, images, labels)
        largest = max(g.norm() for g in wanted.values())
        for name, gradient in wanted.items():
            # Adding the same to all channels of a token changes nothing after the next norm, so
            # the bias that does so has gradient zero, up to rounding.
            error = (fused[name] - gradient).norm()
            assert error < 0.05 * gradient.norm() + 1e-3 * largest, name

    @pytest.mark.parametrize(
        ("part", "name", "value"),
        [
            ("channel_mixing.fc1", "bias", 5.0),
            ("channel_norm", "bias", 3.0),
            ("channel_norm", "weight", -1.0),
            ("channel_norm", "weight", 0.0),
            ("token_norm", "bias", 3.0),
            ("token_norm", "weight", -1.0),
            ("token_norm", "weight", 0.0),
            ("token_mixing.fc1", "bias", 5.0),
            ("token_mixing.fc2", "bias", 100.0),  # autocast loses half of the gradient here
            ("channel_mixing.fc2", "bias", 100.0),  # and here
        ],
    )
    def test_large_values_cost_no_accuracy(self, part, name, value):
        torch.manual_seed(0)
        net = noisy(MLPMixer(patch_size=8, dim=64, depth=3))
        for block in net.blocks:
            nn.init.constant_(getattr(block.get_submodule(part), name), value)
        images, labels = torch.randn(64, 3, 32, 32), torch.randint(10, (64,))
        wanted = gradients(net, net, images, labels)[1]
        fused = gradients(FusedMixer(net, BF16), net, images, labels)[1]
        norm = torch.cat([g.flatten() for g in wanted.values()]).norm()
        error = torch.cat([(fused[n] - wanted[n]).flatten() for n in wanted]).norm()
        assert error < 0.015 * norm

    def test_biases_survive_a_large_residual_stream(self):
        torch.manual_seed(0)
        net = noisy(MLPMixer(patch_size=8, dim=64, depth=6))
        nn.init.constant_(net.patch_embedding.bias, 10)
        images, labels = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))

        def autocast(batch):
            with torch.autocast("cpu", torch.bfloat16):
                return net(batch)

        wanted = gradients(net, net, images, labels)[1]
        errors = []
        for step_net in (FusedMixer(net, BF16), autocast):
            found = gradients(step_net, net, images, labels)[1]
            errors.append(torch.cat([(found[n] - wanted[n]).flatten() for n in wanted]).norm())
        assert errors[0] < 1.25 * errors[1]

    def test_shares_its_parameters(self):
        net = MLPMixer(patch_size=8, dim=16, depth=1)
        assert {id(p) for p in FusedMixer(net, BF16).parameters()} == {
            id(p) for p in net.parameters()
        }
