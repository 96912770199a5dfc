"""Several processes that share each batch, as `torchrun` starts them."""

from collections.abc import Iterator

import torch
from torch import Tensor, distributed

from hdd.dataset.image_tensors import BatchLoader


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

    def __init__(self, loader: BatchLoader, rank: int, processes: int) -> None:
        if loader.batch_size % processes:
            raise ValueError(
                f"batch_size={loader.batch_size} does not divide among {processes} processes. "
                f"Fix: batch_size={processes * max(1, loader.batch_size // processes)}."
            )
        self.loader, self.rank, self.processes = loader, rank, processes

    def __len__(self) -> int:
        rest = len(self.loader.data) % self.loader.batch_size
        return len(self.loader) - (0 < rest < self.processes)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in self.loader:
            each = len(images) // self.processes
            part = slice(self.rank * each, (self.rank + 1) * each)
            if each:
                yield images[part], labels[part]
