"""Several processes: how they meet, and what they say when they do not."""

import os
import socket
import subprocess
import sys

import pytest
import torch
from torch import distributed

from hdd.train.processes import first_alone, meet


@pytest.fixture
def torchrun(monkeypatch):
    """Set what torchrun sets for the only process of a group; leave the group afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
    for name, value in (names | {"MASTER_PORT": str(port)}).items():
        monkeypatch.setenv(name, value)
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


@pytest.mark.parametrize(
    ("name", "value"), [("RANK", ""), ("RANK", "-1"), ("WORLD_SIZE", None), ("LOCAL_RANK", "x")]
)
def test_a_process_that_torchrun_did_not_start_is_told_how(torchrun, monkeypatch, name, value):
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=rf"{name} is .*Fix: torchrun --standalone.*unset RANK"):
        meet(["cpu"])


def test_on_a_mac_several_processes_take_the_cpu(torchrun, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert meet(["mps", "cpu"]).type == "cpu"


def test_a_device_that_cannot_be_shared_is_refused(torchrun):
    with pytest.raises(ValueError, match=r"'mps'.*Fix: device='cpu'"):
        meet(["mps"])


def test_each_process_needs_a_gpu_of_its_own(torchrun, monkeypatch):
    devices = {"cuda": "", "cuda:0": "", "cpu": ""}
    monkeypatch.setattr("hdd.device.utils._devices", lambda: devices)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match=r"Process 1 .* there are 1\. Fix: --nproc-per-node=1"):
        meet(["cuda", "cpu"])


def test_an_interface_that_does_not_exist_is_not_taken_for_lack_of_memory(torchrun, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nosuch0")
    with pytest.raises(ConnectionError, match=r"nosuch0.*Fix: .*GLOO_SOCKET_IFNAME=lo"):
        meet(["cpu"])


DOWNLOAD = """
import pathlib, sys, time
from torch import distributed
from hdd.train.processes import first_alone, meet, rank
meet(["cpu"])
target = pathlib.Path(sys.argv[1])
with first_alone():
    if not target.exists():
        time.sleep(0.2)
        target.write_text(f"downloaded by {rank()}, of {distributed.get_world_size()}")
with first_alone():
    sys.exit(f"process {rank()} says why")
"""


def test_only_the_first_process_downloads_and_all_say_why_it_failed(torchrun, tmp_path):
    target, started = tmp_path / "archive", []
    for rank in ("0", "1"):
        place = os.environ | {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
        command = [sys.executable, "-c", DOWNLOAD, str(target)]
        started.append(subprocess.Popen(command, env=place, stderr=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=120)[1] for process in started]
    assert target.read_text() == "downloaded by 0, of 2"
    for rank in (0, 1):
        assert started[rank].returncode == 1
        assert f"process {rank} says why" in said[rank]


def test_a_single_process_waits_for_nobody():
    with first_alone():
        pass
