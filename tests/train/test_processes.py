"""Several processes: how they meet, and what they say when they do not."""

import time
from datetime import timedelta

import own_process
import pytest
import torch
from torch import distributed

from hdd.train import processes
from hdd.train.processes import first_alone, meet, rank


@pytest.fixture
def alone(monkeypatch, torchrun):
    """Set what torchrun sets for the only process of a group; leave the group afterwards."""
    for name, value in torchrun(1)[0].items():
        monkeypatch.setenv(name, value)
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("name", "value"), [("RANK", ""), ("RANK", "-1"), ("WORLD_SIZE", None), ("LOCAL_RANK", "x")]
)
def test_a_process_that_torchrun_did_not_start_is_told_how(alone, monkeypatch, name, value):
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=rf"{name} is .*Fix: torchrun --standalone.*unset RANK"):
        meet(["cpu"])


def test_on_a_mac_several_processes_take_the_cpu(alone, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert meet(["mps", "cpu"]).type == "cpu"


def test_a_device_that_cannot_be_shared_is_refused(alone):
    with pytest.raises(ValueError, match=r"'mps'.*Fix: device='cpu'"):
        meet(["mps"])


def test_each_process_needs_a_gpu_of_its_own(alone, monkeypatch):
    devices = {"cuda": "", "cuda:0": "", "cpu": ""}
    monkeypatch.setattr("hdd.device.utils._devices", lambda: devices)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match=r"Process 1 .* there are 1\. Fix: --nproc-per-node=1"):
        meet(["cuda", "cpu"])


def test_an_interface_that_does_not_exist_is_not_taken_for_lack_of_memory(alone, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nosuch0")
    with pytest.raises(ConnectionError, match=r"nosuch0.*Fix: .*GLOO_SOCKET_IFNAME=lo"):
        meet(["cpu"])


@pytest.mark.parametrize("place", ["0", "1"])
def test_a_process_whose_others_never_come_does_not_wait_for_ever(
    alone, monkeypatch, capsys, place
):
    """As with a RANK set by hand, or by a cluster whose other machines do not start."""
    monkeypatch.setattr(processes, "START", timedelta(seconds=0.5))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", place)
    with pytest.raises(ConnectionError, match=r"do not reach each other .*imed out.*Fix: on one"):
        meet(["cpu"])
    assert f"Process {place} waits for all 2 at 127.0.0.1:" in capsys.readouterr().out


def download(target):
    """What each of two processes does."""
    meet(["cpu"])
    with first_alone():
        if not target.exists():
            time.sleep(0.2)
            target.write_text(f"downloaded by {rank()}, of {distributed.get_world_size()}")
    with first_alone():
        print(f"process {rank()} says why")
        return 1


def test_only_the_first_process_downloads_and_all_say_why_it_failed(torchrun, tmp_path):
    target, logs = tmp_path / "archive", [tmp_path / "0.log", tmp_path / "1.log"]
    started = [
        own_process.start(download, target, log=log, **place)
        for log, place in zip(logs, torchrun(2), strict=True)
    ]
    for process in started:
        process.join(120)
        assert process.exitcode == 1
    assert target.read_text() == "downloaded by 0, of 2"
    assert [f"process {rank} says why" in logs[rank].read_text() for rank in (0, 1)] == [True] * 2


def test_a_single_process_waits_for_nobody():
    with first_alone():
        pass
