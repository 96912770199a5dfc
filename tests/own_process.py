"""Functions in processes of their own that, unlike a new interpreter, have loaded PyTorch before.

A module of its own, since the processes import it by its name.
"""

import contextlib
import multiprocessing
import os
import sys

import torch

METHODS = multiprocessing.get_all_start_methods()
CONTEXT = multiprocessing.get_context("forkserver" if "forkserver" in METHODS else "spawn")
CONTEXT.set_forkserver_preload(["hdd.train.__main__"])  # once for all processes


def start(function, *arguments, log=os.devnull, **environment):
    """Start `function`, whose result is the exit code, and let it write into the file `log`."""
    process = CONTEXT.Process(target=_call, args=(function, arguments, str(log), environment))
    process.start()
    return process


def _call(function, arguments, log, environment):
    os.environ.update(environment)
    torch.set_num_threads(1)
    with (
        open(log, "w", encoding="utf-8") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        code = function(*arguments)
    sys.exit(code)
