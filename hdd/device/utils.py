"""Choosing a device, a precision and a seed."""

import ctypes
import random
import sys
from collections.abc import Sequence

import numpy as np
import torch


def _available_devices() -> list[str]:
    """Names of the devices that this machine has, best first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if _has_cuda() else []
    if names:
        names.insert(0, "cuda")
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def _has_cuda() -> bool:
    return torch.cuda.is_available()


def get_device(preferred: str | Sequence[str] = ("cuda", "mps", "cpu")) -> torch.device:
    """Return the first device of `preferred` that this machine has.

    Args:
        preferred: one name or several in order of preference: "cuda", "cuda:N", "mps", "cpu".

    Raises:
        ValueError: if none of them is available; the message lists what is.
    """
    wanted = [preferred] if isinstance(preferred, str | torch.device) else list(preferred)
    available = _available_devices()
    for name in wanted:
        if str(name) in available:
            return torch.device(name)
    raise ValueError(
        f"None of the requested devices {[str(name) for name in wanted]} is available; "
        f"this machine has {available}. Fix: add 'cpu' to the list, it always works."
    )


def get_amp_dtype(device: str | torch.device) -> torch.dtype:
    """Return the dtype for autocast: bfloat16 where it is native, otherwise float32.

    Emulated bfloat16 is slower than float32, so "can run it" is not enough: a CPU needs the
    AVX512-BF16 instructions and a PyTorch that uses AVX512, a CUDA GPU needs bfloat16 units.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        native = _has_cuda() and torch.cuda.is_bf16_supported(including_emulation=False)
    elif kind == "cpu":
        # ATEN_CPU_CAPABILITY=avx2 switches the kernels off that the processor would offer.
        uses_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
        native = uses_avx512 and torch.cpu._is_avx512_bf16_supported()
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's random numbers (CPU and GPU)."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries draw from NumPy's global generator
    torch.manual_seed(seed)


def keep_freed_memory(keep: bool = True) -> None:
    """Let glibc keep the memory of freed tensors, so that the next step need not ask for it anew.

    By default a large activation goes back to Linux when it is freed, and every page of the next
    one costs a page fault: a tenth of a training step on a CPU, and far more with float32's larger
    activations. `keep=False` gives back what is free and restores the limits that glibc's own
    adjustment ends at. Elsewhere than on Linux with glibc it does nothing.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "malloc_trim"):
        return
    mmap_threshold, trim_threshold = -3, -1  # names of malloc.h
    if not (keep and libc.mallopt(mmap_threshold, 2**30)):
        libc.mallopt(mmap_threshold, 2**25)  # the most that older versions of glibc take
    libc.mallopt(trim_threshold, 2**31 - 1 if keep else 2**26)
    if not keep:
        libc.malloc_trim(0)
