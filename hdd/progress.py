"""A progress bar that does not look like an error."""

import os
import sys
from collections.abc import Iterable

from IPython import get_ipython
from tqdm import tqdm


def progress(iterable: Iterable, description: str = "") -> tqdm:
    """Wrap `iterable` in tqdm's bar, which is erased when it is done.

    In a notebook the bar goes to stdout, because Jupyter paints stderr red; elsewhere to stderr, so
    that a program's output can be read by another, and only if that is a terminal.
    TQDM_DISABLE=1 in the environment silences it, which `run.py execute` uses.
    """
    in_notebook = hasattr(get_ipython(), "kernel")
    stream = sys.stdout if in_notebook else sys.stderr
    # In a log file a bar is noise, and one is enough for several processes.
    silent = not in_notebook and (not stream.isatty() or os.environ.get("RANK", "0") != "0")
    # disable=False would overrule TQDM_DISABLE.
    options = {"disable": True} if silent else {}
    return tqdm(iterable, description, file=stream, leave=False, mininterval=0.5, **options)
