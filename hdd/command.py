"""What the package's commands share: errors in one line, exit code 2."""

import argparse
import os
import sys

# What goes wrong for reasons outside the package has a message, but not what to do about it.
HINTS = {
    ImportError: "install the project with its extra `dev`",
    OSError: "another path for --out or --data-root",
    MemoryError: "a smaller --dim, --depth or --batch-size",
    RuntimeError: "a smaller --dim, --depth or --batch-size, or another --device",
}
EXPECTED = (ValueError, FloatingPointError, *HINTS)


class OneLineParser(argparse.ArgumentParser):
    """Errors in one line, without the usage text, which --help prints."""

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: error: {message}. Fix: see --help.\n")


def fail(prog: str, error: Exception) -> int:
    """Print an error of the kinds in EXPECTED in one line, with a fix; return the exit code 2.

    Of several processes, all of which fail for most reasons, the first one speaks; the others
    only of what may have happened to them alone.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if "Fix:" not in text:
        text = f"{text[:300].rstrip('.')}. Fix: {_hint(error)}."
    rank = os.environ.get("RANK", "0")
    if rank == "0":
        print(f"{prog}: error: {text}", file=sys.stderr)
    elif isinstance(error, FloatingPointError | RuntimeError):
        print(f"{prog}: error: process {rank}: {text}", file=sys.stderr)
    return 2


def _hint(error: Exception) -> str:
    if isinstance(error, ImportError) and error.name:
        return "pip install " + error.name.partition(".")[0].replace("_", "-")
    return next((HINTS[kind] for kind in HINTS if isinstance(error, kind)), "see --help")
