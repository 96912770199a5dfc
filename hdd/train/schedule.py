"""The learning rate over a run, as a share of its peak: pure functions, nothing to keep or load."""

import math

from hdd.arguments import check_integers, check_positive_integers, checked


@checked
def warmup_cosine(step: int, total: int, warm: int = 0) -> float:
    """Return the share of the peak at `step`, counted from 0: up in equal steps, down in a cosine.

    The first of `warm` steps learns already, step `warm` has the peak, and half a cosine reaches 0
    just after the last of `total` steps, so that every step learns; beyond it the share stays 0.

    Raises:
        ValueError: a negative number.
    """
    check_integers(0, step=step, total=total, warm=warm)
    if step < warm:
        return (step + 1) / (warm + 1)
    done = min(1.0, (step - warm) / max(1, total - warm))
    return 0.5 * (1 + math.cos(math.pi * done))


@checked
def cosine_by_epoch(epoch: int, epochs: int) -> float:
    """Return the share of the peak in `epoch`, counted from 0, as the source document has it.

    Kept for comparisons, with its faults: the first of five warm-up epochs has rate 0 and learns
    nothing, and the cosine, as long as the whole run but begun five epochs late, is cut off by the
    end. Its floor of a thousandth is the document's, too.

    Raises:
        ValueError: a negative epoch, or no epochs.
    """
    check_integers(0, epoch=epoch)
    check_positive_integers(epochs=epochs)
    if epoch < WARMUP_EPOCHS:
        return epoch / WARMUP_EPOCHS
    return max(1e-3, 0.5 * (1 + math.cos(math.pi * (epoch - WARMUP_EPOCHS) / epochs)))


WARMUP_EPOCHS = 5  # of cosine_by_epoch
