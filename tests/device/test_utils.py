import os
import platform
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from hdd.device.utils import get_amp_dtype, get_device, seed_everything


@pytest.fixture
def machine(monkeypatch):
    """Pretend that this machine has some GPUs."""

    def pretend(cuda=0, mps=False, built=(), capability=(9, 0), refusing=()):
        says = dict.fromkeys(refusing, "CUDA error: devices are busy or unavailable")
        monkeypatch.setattr("hdd.device.utils._refusal", lambda name: says.get(name, ""))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(built))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda card: "GeForce GTX 1080")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda card: capability)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "wanted", "got"),
    [
        (0, False, ["cuda", "cpu"], "cpu"),
        (1, False, ["cuda", "cpu"], "cuda"),
        (1, False, ["cpu", "cuda"], "cpu"),
        (0, True, ["cuda", "mps", "cpu"], "mps"),
        (2, False, ["cuda:7", "cuda:1", "cpu"], "cuda:1"),
        (2, False, ["cuda:7", "cpu"], "cpu"),
        (0, False, ("mps", "cuda:0", "cpu"), "cpu"),
        (1, False, "cuda", "cuda"),
        (0, False, "cpu", "cpu"),
        (0, False, torch.device("cpu"), "cpu"),
    ],
)
def test_first_available_device_of_the_list(machine, cuda, mps, wanted, got):
    machine(cuda, mps)
    assert get_device(wanted) == torch.device(got)


@pytest.mark.parametrize(
    ("cuda", "mps", "got"), [(1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_default_takes_the_fastest_kind(machine, cuda, mps, got):
    machine(cuda, mps)
    assert get_device() == torch.device(got)


@pytest.mark.parametrize("wanted", ["cuda:7", ["cuda:7", "mps"], "tpu", []])
def test_error_names_what_was_asked_and_what_exists(machine, wanted):
    machine(cuda=2)
    with pytest.raises(ValueError, match="Fix:") as error:
        get_device(wanted)
    for name in [wanted] if isinstance(wanted, str) else wanted:
        assert repr(name) in str(error.value)
    assert "['cuda', 'cuda:0', 'cuda:1', 'cpu']" in str(error.value)


@pytest.mark.parametrize(
    ("capability", "built", "usable"),
    [
        ((6, 1), ["sm_75", "sm_80", "sm_90a"], False),
        ((7, 0), ["sm_75", "sm_80"], False),
        ((8, 6), ["sm_75", "sm_80"], True),
        ((8, 0), ["sm_86"], False),
        ((12, 0), ["sm_80", "compute_90"], True),
        ((9, 0), ["sm_90a"], True),
        ((9, 4), ["gfx90a", "gfx942"], True),
        ((6, 1), [], True),
    ],
)
def test_a_card_without_kernels_is_passed_over_with_a_reason(
    machine, capsys, capability, built, usable
):
    machine(cuda=1, capability=capability, built=built)
    assert get_device(["cuda", "cpu"]) == torch.device("cuda" if usable else "cpu")
    said = capsys.readouterr().out
    if usable:
        assert said == ""
        return
    assert said.count("\n") == 1
    for fragment in ("cuda is not used", "GTX 1080", f"{capability[0]}.{capability[1]}", *built):
        assert fragment in said
    with pytest.raises(ValueError, match=r"this machine has \['cpu'\]"):
        get_device("cuda")


@pytest.mark.parametrize(
    ("there", "refusing", "got"),
    [({"cuda": 2}, ["cuda", "cuda:0"], "cuda:1"), ({"mps": True}, ["mps"], "cpu")],
)
def test_a_device_that_refuses_work_is_passed_over(machine, capsys, there, refusing, got):
    machine(**there, refusing=refusing)
    assert str(get_device(["cuda", "cuda:1", "mps", "cpu"])) == got
    assert f"{refusing[0]} is not used: CUDA error: devices are busy" in capsys.readouterr().out


def test_what_a_device_says_is_one_line(monkeypatch):
    def busy(*_, **__):
        raise RuntimeError("MPS backend out of memory.\nFor details see ...")

    monkeypatch.setattr(torch, "ones", busy)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(ValueError, match=r"\['mps'\] is available; this machine has .*'cpu'"):
        get_device("mps")


def test_no_bfloat16_without_avx512(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert get_amp_dtype("cpu") == torch.bfloat16
    # As ATEN_CPU_CAPABILITY=avx2 makes it, whatever the processor has.
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert get_amp_dtype("cpu") == torch.float32


CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    not CPUINFO.exists() or platform.machine() != "x86_64" or "ATEN_CPU_CAPABILITY" in os.environ,
    reason="only Linux on x86 lists what the processor can do",
)
def test_bfloat16_where_the_processor_has_it():
    native = "avx512_bf16" in CPUINFO.read_text().split()
    assert get_amp_dtype("cpu") == (torch.bfloat16 if native else torch.float32)


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_on_a_gpu_only_where_it_is_native(machine, monkeypatch, native):
    machine(cuda=1)
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: including_emulation or native,
    )
    assert get_amp_dtype("cuda") == (torch.bfloat16 if native else torch.float32)


def test_float32_on_mps():
    assert get_amp_dtype("mps") == torch.float32


def test_seed_reproduces_all_three_generators():
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    seed_everything(3)
    first = draws()
    assert draws() != first
    seed_everything(3)
    assert draws() == first
    seed_everything(4)
    assert all(a != b for a, b in zip(first, draws(), strict=True))
