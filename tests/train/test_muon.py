import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.models.token_mixers import build_mixer
from hdd.train import muon
from hdd.train.muon import Muon, MuonAdamW


def tiny_mixer():
    torch.manual_seed(0)
    return MLPMixer(image_size=8, patch_size=4, dim=8, depth=2)


def train(net, optimizer, steps, scheduler=None, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        images = torch.randn(16, 3, 8, 8, generator=generator)
        labels = torch.randint(10, (16,), generator=generator)
        optimizer.zero_grad()
        functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()


def test_muon_gets_the_matrices_of_the_blocks_and_adamw_the_rest():
    net = tiny_mixer()
    matrices, adamw = MuonAdamW(net).parts
    names = {id(p): name for name, p in net.named_parameters()}
    by_muon = {names[id(p)] for group in matrices.param_groups for p in group["params"]}
    by_adamw = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    halves = ("token_mixing", "channel_mixing")
    assert by_muon == {
        f"blocks.{i}.{half}.fc{k}.weight" for i in range(2) for half in halves for k in (1, 2)
    }
    assert by_muon | by_adamw == set(names.values())
    assert not by_muon & by_adamw


def test_attention_gives_muon_three_matrices_and_keeps_its_positions():
    net = build_mixer("attention", image_size=8, patch_size=4, dim=8, depth=1)
    matrices, adamw = MuonAdamW(net).parts
    shapes = [tuple(p.shape) for p in matrices.param_groups[0]["params"][:4]]
    assert shapes == [(8, 8)] * 4  # query, key, value, out
    others = {id(p) for p in adamw.param_groups[0]["params"]}
    assert id(net.blocks[0].mixer.position) in others


def test_a_net_without_blocks_is_one_block():
    net = nn.Linear(3, 3, bias=False)
    before = net.weight.detach().clone()
    net(torch.ones(1, 3)).sum().backward()
    MuonAdamW(net, lr=0.1).step()
    assert not torch.equal(net.weight, before)


def test_a_net_without_matrices_is_refused():
    with pytest.raises(ValueError, match=r"no nn\.Linear.*Fix: torch\.optim\.AdamW"):
        MuonAdamW(nn.Conv2d(3, 3, 3))


def copied(pair, tmp_path):
    return copy.deepcopy(pair)


def saved(pair, tmp_path):
    torch.save(pair, tmp_path / "pair.pt")
    return torch.load(tmp_path / "pair.pt", weights_only=False)


@pytest.mark.parametrize("duplicate", [copied, saved])
def test_a_copy_goes_on_alike_and_by_itself(tmp_path, duplicate):
    net = tiny_mixer()
    optimizer = MuonAdamW(net)
    train(net, optimizer, steps=2)
    twin, again = duplicate((net, optimizer), tmp_path)
    scheduler = torch.optim.lr_scheduler.StepLR(again, step_size=1, gamma=0.5)
    before = copy.deepcopy(net.state_dict())
    train(twin, again, steps=1, scheduler=scheduler)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    train(net, optimizer, steps=1)
    for name, value in twin.state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), name
    assert [g["lr"] for part in again.parts for g in part.param_groups] == [1e-3, 5e-4]


def test_resumed_equals_uninterrupted(tmp_path):
    straight = tiny_mixer()
    optimizer = MuonAdamW(straight)
    train(straight, optimizer, steps=3)
    torch.save([straight.state_dict(), optimizer.state_dict()], tmp_path / "state.pt")
    train(straight, optimizer, steps=3, seed=2)

    resumed = tiny_mixer()
    again = MuonAdamW(resumed)
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    resumed.load_state_dict(weights)
    again.load_state_dict(state)
    train(resumed, again, steps=3, seed=2)
    for name, value in resumed.state_dict().items():
        assert torch.equal(value, straight.state_dict()[name]), name


def test_restored_groups_still_follow_a_scheduler():
    net = tiny_mixer()
    optimizer = MuonAdamW(net)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group in optimizer.param_groups:
        group["lr"] = 0.125
    assert [g["lr"] for part in optimizer.parts for g in part.param_groups] == [0.125, 0.125]


class TestMuon:
    SHAPES = ((24, 8), (8, 24), (8, 24), (5, 5))

    def stepped(self, build, steps=4):
        """Return the weights after some steps along noise; the rate halves, one step is idle."""
        generator = torch.Generator().manual_seed(0)
        weights = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in self.SHAPES]
        optimizer = build(weights)
        for step in range(steps):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=generator)
            weights[2].grad.zero_()  # as of a layer behind frozen zeros
            if step == 2:
                weights[1].grad = None
            optimizer.param_groups[0]["lr"] = 0.1 / 2**step
            optimizer.step()
        return [weight.detach() for weight in weights]

    @pytest.mark.parametrize("native", [torch.float32, torch.bfloat16])
    def test_steps_as_the_librarys_does(self, monkeypatch, native):
        monkeypatch.setattr(muon, "get_amp_dtype", lambda device: native)
        start = self.stepped(lambda weights: Muon(weights, 0.1, 0.2), steps=0)
        ours = self.stepped(lambda weights: Muon(weights, 0.1, 0.2))
        options = {"lr": 0.1, "weight_decay": 0.2, "adjust_lr_fn": "match_rms_adamw"}
        library = self.stepped(lambda weights: torch.optim.Muon(weights, **options))
        for before, mine, theirs in zip(start, ours, library, strict=True):
            way = (theirs - before).norm()
            error = (mine - theirs).norm() / way
            assert error < 0.03  # the library's bfloat16 has 8 bits
            assert way > 0.1
            assert mine.isfinite().all()

    def test_makes_any_step_orthogonal(self):
        matrices = torch.randn(2, 24, 8, generator=torch.Generator().manual_seed(0))
        matrices[1] = matrices[1, :, :1] + 0.01 * matrices[1]  # nearly one direction only
        values = muon.orthogonal(matrices, (3.4445, -4.775, 2.0315), 5, 1e-7)
        singular = torch.linalg.svdvals(values)
        assert (
            torch.linalg.svdvals(matrices)[1].max() > 100 * torch.linalg.svdvals(matrices)[1].min()
        )
        assert singular.max() < 1.3
        assert singular[0].min() > 0.6
        assert singular[1].min() > 0.1 * singular[1].max()
