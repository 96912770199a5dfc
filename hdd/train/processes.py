"""Several processes that share each batch, as `torchrun` starts them."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.rendezvous import rendezvous

from hdd.arguments import checked
from hdd.dataset.image_tensors import BatchLoader
from hdd.device.utils import get_device

LAUNCH = "torchrun --standalone --nproc-per-node=2 -m hdd.train ..."
NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK")  # torchrun gives them to each process
START = timedelta(minutes=2)  # within which all must have come
# The others wait while the first one downloads; one that dies ends all much sooner.
PATIENCE = timedelta(hours=1)


def meet(preferred: Sequence[str]) -> torch.device:
    """Join the other processes that torchrun started, and return this one's device.

    Raises:
        ValueError: not started by torchrun, or no device that several processes can share.
        ConnectionError: the processes do not reach each other.
    """
    numbers = _numbers()
    shareable = [name for name in preferred if not name.startswith("mps")]  # no backend for it
    if not shareable:
        raise ValueError(
            f"Several processes cannot share device={preferred[0]!r}. Fix: device='cpu', or a "
            "single process without torchrun."
        )
    device = get_device(shareable)
    if device.type == "cuda":
        device = _own_gpu(numbers["LOCAL_RANK"])
    try:
        place = _gather(numbers["RANK"], numbers["WORLD_SIZE"])
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE, **place)
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise ConnectionError(
            f"The processes do not reach each other ({reason}). Fix: on one machine {LAUNCH}; "
            "where its name leads nowhere, name an interface: GLOO_SOCKET_IFNAME=lo (macOS: lo0)."
        ) from error
    return device


def _gather(rank: int, count: int) -> dict[str, Any]:
    """Wait for all processes; return where they met, as `init_process_group` wants it."""
    if count > 1 and "TORCHELASTIC_RUN_ID" not in os.environ:  # started by hand, or by a cluster
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        print(
            f"Process {rank} waits for all {count} at {where}, up to {START.seconds} s. "
            "A single process needs no RANK: unset it.",
            flush=True,
        )
    store, rank, count = next(rendezvous("env://", rank, count, timeout=START))
    store.set_timeout(PATIENCE)
    return {"store": store, "rank": rank, "world_size": count}


def _numbers() -> dict[str, int]:
    """Return what torchrun said about this process."""
    for name in NUMBERS:
        if not os.environ.get(name, "").isdecimal():
            raise ValueError(
                f"The variable {name} is {os.environ.get(name, 'not set')!r}, but RANK is there, "
                f"and torchrun sets all of {', '.join(NUMBERS)}. Fix: {LAUNCH}; or, for a single "
                "process, unset RANK."
            )
    return {name: int(os.environ[name]) for name in NUMBERS}


def _own_gpu(index: int) -> torch.device:
    if index >= torch.cuda.device_count():
        raise ValueError(
            f"Process {index} of this machine has no GPU of its own: there are "
            f"{torch.cuda.device_count()}. Fix: --nproc-per-node={torch.cuda.device_count()}."
        )
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """Let process 0 do the block before the others, so that one download serves them all."""
    if rank():
        distributed.barrier()
    try:
        yield
    finally:  # what failed for the first one may fail for the others, too: they will say so
        if processes() > 1 and not rank():
            distributed.barrier()


def rank() -> int:
    """Return the number of this process; 0 writes the files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def processes() -> int:
    """Return how many processes share the batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def mean_over_processes(*values: float) -> list[float]:
    """Return the means over the processes, whose parts of the batches are equally large."""
    if processes() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    if distributed.get_backend() == "nccl":
        total = total.cuda()
    distributed.all_reduce(total)
    return (total / processes()).tolist()


class Shard:
    """This process's part of every batch of `loader`.

    Every process draws the same whole batch, augmentation included, and keeps its own images: so
    the global batch is what one process would have seen. Of the last batch, up to processes - 1
    images are left out, so that all parts are equally large.
    """

    @checked
    def __init__(self, loader: BatchLoader, rank: int, processes: int) -> None:
        if loader.batch_size % processes:
            raise ValueError(
                f"batch_size={loader.batch_size} does not divide among {processes} processes. "
                f"Fix: batch_size={processes * max(1, loader.batch_size // processes)}."
            )
        self.loader, self.rank, self.processes = loader, rank, processes

    def __len__(self) -> int:
        rest = (self.loader.draws or len(self.loader.data)) % self.loader.batch_size
        return len(self.loader) - (0 < rest < self.processes)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            each = len(images) // self.processes
            part = slice(self.rank * each, (self.rank + 1) * each)
            if each:
                yield images[part], labels[part]
