import copy

import pytest
import torch
from torch.nn import functional

from hdd.models.cnn.mlp_mixer import MLPMixer
from hdd.train.optimizers import MuonAdamW


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
    muon, adamw = MuonAdamW(net).parts
    names = {id(p): name for name, p in net.named_parameters()}
    by_muon = {names[id(p)] for group in muon.param_groups for p in group["params"]}
    by_adamw = {names[id(p)] for group in adamw.param_groups for p in group["params"]}
    halves = ("token_mixing", "channel_mixing")
    assert by_muon == {
        f"blocks.{i}.{half}.fc{k}.weight" for i in range(2) for half in halves for k in (1, 2)
    }
    assert by_muon | by_adamw == set(names.values())
    assert not by_muon & by_adamw


def test_every_parameter_moves():
    net = tiny_mixer()
    before = copy.deepcopy(net.state_dict())
    train(net, MuonAdamW(net), steps=1)
    for name, value in net.state_dict().items():
        assert not torch.equal(value, before[name]), name


def test_one_scheduler_drives_both_parts():
    net = tiny_mixer()
    optimizer = MuonAdamW(net, lr=0.02, adamw_lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    train(net, optimizer, steps=2, scheduler=scheduler)
    rates = [group["lr"] for part in optimizer.parts for group in part.param_groups]
    assert rates == pytest.approx([0.005, 0.0025])


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
