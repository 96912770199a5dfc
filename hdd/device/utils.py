"""Choosing a device, a precision and a seed; keeping a CPU's memory from step to step."""

import ctypes
import os
import random
import re
import sys
from collections.abc import Sequence

import numpy as np
import torch

from hdd.arguments import check_integers, checked, shown


def _devices() -> dict[str, str]:
    """Return the devices of this machine, best first, each with the reason not to use it, or ""."""
    cards = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    devices = {f"cuda:{i}": _why_not(i) for i in cards}
    if devices:
        devices = {"cuda": devices["cuda:0"]} | devices
    if torch.backends.mps.is_available():
        devices["mps"] = ""
    return devices | {"cpu": ""}


def _why_not(card: int) -> str:
    """Return "" if this PyTorch has kernels for a CUDA card, else what is wrong."""
    built = torch.cuda.get_arch_list()  # such as sm_80, sm_90a, compute_120; gfx... on AMD
    kernels = [int(re.sub(r"\D", "", name)) for name in built if name.startswith("sm_")]
    portable = [int(re.sub(r"\D", "", name)) for name in built if name.startswith("compute_")]
    if not kernels + portable:
        return ""
    major, minor = torch.cuda.get_device_capability(card)
    here = 10 * major + minor
    # Kernels run on later cards of the same generation, portable code on all later cards.
    if any(k // 10 == major and k <= here for k in kernels) or any(k <= here for k in portable):
        return ""
    return (
        f"{torch.cuda.get_device_name(card)} has compute capability {major}.{minor}, and this "
        f"PyTorch {torch.__version__} has code for {', '.join(built)} only"
    )


@checked
def get_device(preferred: str | torch.device | Sequence = ("cuda", "mps", "cpu")) -> torch.device:
    """Return the first device of `preferred` that this machine has and this PyTorch can use.

    One that PyTorch has no code for, or that refuses work (another program has it to itself, its
    memory is full), is passed over, which a printed line says.

    Args:
        preferred: one name or several in order of preference: "cuda", "cuda:N", "mps", "cpu".

    Raises:
        ValueError: if none of them is available; the message lists what is.
    """
    wanted = [preferred] if isinstance(preferred, str | torch.device) else list(preferred)
    devices = _devices()
    for name in map(str, wanted):
        if name not in devices:
            continue
        devices[name] = devices[name] or _refusal(name)
        if not devices[name]:
            return torch.device(name)
        print(f"{name} is not used: {devices[name]}.")
    raise ValueError(
        f"None of the preferred devices {shown([str(name) for name in wanted])} is available; this "
        f"machine has {[name for name, reason in devices.items() if not reason]}. "
        "Fix: add 'cpu' to the list, it always works."
    )


def as_device(device: str | torch.device) -> torch.device:
    """Return a device to compute on; ValueError if there is no such, or this machine lacks it."""
    found = _by_name(device)
    if found.type == "meta":  # and a network that is moved there loses its weights
        raise ValueError("device='meta' computes nothing. Fix: device='cpu'.")
    known = found.type in ("cuda", "mps")
    if str(found) not in _devices() if known else _refusal(str(found)):
        raise ValueError(
            f"device={str(found)!r} is not there; this machine has {list(_devices())}. "
            "Fix: device=get_device(['cuda', 'mps', 'cpu']) takes the first that is."
        )
    return found


def _refusal(name: str) -> str:
    """Return "" if something can be computed on a device, else what it says."""
    if name.startswith("cpu") or "LOCAL_RANK" in os.environ:
        return ""  # torchrun's processes have a card each, and must not all open the first
    try:
        torch.ones(1, device=name).item()
    except (AssertionError, ImportError, NotImplementedError, RuntimeError) as error:
        return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return ""


def _by_name(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={shown(device)} is none. Fix: 'cpu', 'cuda', 'cuda:1', 'mps'."
        ) from error


@checked
def get_amp_dtype(device: str | torch.device) -> torch.dtype:
    """Return the dtype for autocast: bfloat16 where it is native, otherwise float32.

    Emulated bfloat16 is slower than float32, so "can run it" is not enough: a CPU needs the
    AVX512-BF16 instructions and a PyTorch that uses AVX512, a CUDA GPU needs bfloat16 units.
    """
    kind = _by_name(device).type
    if kind == "cuda":
        supported = torch.cuda.is_bf16_supported
        native = torch.cuda.is_available() and supported(including_emulation=False)
    elif kind == "cpu":
        # ATEN_CPU_CAPABILITY=avx2 switches the kernels off that the processor would offer.
        uses_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
        native = uses_avx512 and torch.cpu._is_avx512_bf16_supported()
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


@checked
def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's random numbers (CPU and GPU)."""
    check_integers(0, 2**32 - 1, seed=seed)  # NumPy takes no others
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from NumPy's global generator
    torch.manual_seed(seed)


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors, so that the next step need not ask for it anew.

    By default a large activation goes back to Linux when it is freed, and every page of the next
    one costs a page fault: a tenth of a training step on a CPU, and far more with float32's larger
    activations. Elsewhere than on Linux with glibc it does nothing.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "malloc_trim"):
        return
    mmap_threshold, trim_threshold = -3, -1  # names of malloc.h
    if not libc.mallopt(mmap_threshold, 2**30):
        libc.mallopt(mmap_threshold, 2**25)  # the most that older versions of glibc take
    libc.mallopt(trim_threshold, 2**31 - 1)
