import functools
import json
import os

import own_process
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hdd import benchmark
from hdd.device.utils import get_amp_dtype
from hdd.models.nn_utils import count_trainable_parameter


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setattr(benchmark, "BATCH", 8)
    monkeypatch.setattr(benchmark, "AUGMENT_AT_ONCE", 32)


def test_all_are_the_same_network():
    pytest.importorskip("timm")
    pytest.importorskip("mlp_mixer_pytorch")
    for kind in benchmark.KINDS.values():
        assert count_trainable_parameter(benchmark.build(kind)) == 1_099_146


def test_floor_has_the_steps_operations():
    images, labels = torch.randn(8, 3, 32, 32), torch.randint(10, (8,))
    net = benchmark.build("plain")
    with FlopCounterMode(display=False) as step:
        torch.nn.functional.cross_entropy(net(images), labels).backward()
    products = benchmark.matrix_products(torch.float32, 8)
    with FlopCounterMode(display=False) as floor:
        products()
    assert floor.get_total_flops() == step.get_total_flops()


def test_growth_exponent():
    assert benchmark._exponent({"2": 12.0, "4": 48.0, "8": 192.0}) == pytest.approx(2)


def test_writes_what_it_prints(tmp_path, capsys, monkeypatch):
    pytest.importorskip("timm")
    pytest.importorskip("mlp_mixer_pytorch")
    file = tmp_path / "speed.json"
    shape = {"patch_size": 8, "dim": 32, "depth": 1}
    monkeypatch.setattr(benchmark, "SHAPE", shape)
    monkeypatch.setattr(benchmark, "build", functools.partial(benchmark.build, **shape))
    kinds = {benchmark.FUSED: "fused", benchmark.TIMM: "timm"}
    monkeypatch.setattr(benchmark, "KINDS", kinds)
    monkeypatch.setattr(benchmark, "peak_memory", lambda dtype, kinds: {"timm": 123.0})
    assert benchmark.main(["--rounds", "1", "--json", str(file)]) == 0
    printed, result = capsys.readouterr().out, json.loads(file.read_text())
    assert result["precision"] == str(get_amp_dtype("cpu")).removeprefix("torch.")
    assert set(result["growth"]) == {"tokens", "width", "depth", "batch"}
    for name, rate in result["augmentation_images_per_second"].items():
        assert f"{rate:,.0f}" in printed
        assert name in printed
    for name, seconds in result["muon_step_seconds"].items():
        assert f"{name:32s}{1e3 * seconds:10,.0f}" in printed
    for name, seconds in result["training_step_seconds"].items():
        assert name in printed
        assert f"{1e3 * seconds['median']:8.1f}" in printed
    assert {"device", "versions", "date"} <= set(result)


def test_memory_of_a_step_is_that_of_its_process(monkeypatch):
    monkeypatch.setattr(benchmark.multiprocessing, "get_context", lambda _: own_process.CONTEXT)
    memory = benchmark.peak_memory(torch.float32, {"hdd": "plain"})
    assert (memory == {}) == (os.name == "nt")  # no such measure there
    assert all(0 < mib < 500 for mib in memory.values())  # a batch of 8


def test_bad_rounds(capsys):
    assert benchmark.main(["--rounds", "0"]) == 2
    assert "--rounds 0 must be a positive integer" in capsys.readouterr().err
