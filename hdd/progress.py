"""A progress bar that does not look like an error."""

import sys
from collections.abc import Iterable

from tqdm import tqdm


def progress(iterable: Iterable | None = None, description: str = "", **options) -> tqdm:
    """Return tqdm's bar on stdout (a notebook paints stderr red), erased when it is done.

    TQDM_DISABLE=1 in the environment silences it, which `run.py execute` uses.
    """
    return tqdm(iterable, description, file=sys.stdout, leave=False, dynamic_ncols=True, **options)
