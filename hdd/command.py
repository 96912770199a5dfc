"""What the package's commands share: options named as one types them, a user's errors in a line."""

import argparse
import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

# What goes wrong for reasons outside the package has a message, but not what to do about it.
OUTSIDE = {
    r"can't allocate memory|not enough memory|out of memory|STATUS_ALLOC_FAILED": (
        "a smaller batch or network, or a machine with more memory"
    ),
    r"busy or unavailable|no kernel image|driver version|driver on your system|CUDA unknown error|"
    r"STATUS_NOT_INITIALIZED|NCCL error|uncorrectable": (
        "wait until the device is free, or another one; with CUDA_VISIBLE_DEVICES=-1 the CPU "
        "computes"
    ),
}


class OneLineParser(argparse.ArgumentParser):
    """Errors in one line, without the usage text, which --help prints."""

    def __init__(self, **options: Any) -> None:
        self.flags: dict[str, list[str]] = {}
        super().__init__(**options, allow_abbrev=False)
        with contextlib.suppress(AttributeError):  # what an editor puts in stdout's place
            sys.stdout.reconfigure(errors="replace")  # a console may lack letters of a name

    @classmethod
    def of(cls, command: str, description: str, names: str = "") -> "OneLineParser":
        """Return the parser of `run.py command`, which takes notebooks if `names` says which."""
        layout = argparse.RawDescriptionHelpFormatter
        parser = cls(prog=f"run.py {command}", description=description, formatter_class=layout)
        if names:
            parser.add_argument("names", nargs="*", help=names)
        return parser

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        action = super().add_argument(*names, **options)
        if action.option_strings:
            self.flags[action.dest] = action.option_strings
        return action

    def error(self, message: str) -> None:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}. Fix: see --help.\n")

    def in_flags(self, text: str) -> str:
        """Return a message of the library with the arguments named as this command's options.

        The library writes `name` or name=value; so `lr` becomes `--lr`, and lr=0.1 --lr 0.1.
        """
        names = "|".join(self.flags)

        def option(match: re.Match) -> str:
            flags, value = self.flags[match[1]], match[2].strip("'")
            if value in ("True", "False"):
                return flags[0] if value == "True" else flags[-1]
            return f"{flags[0]} {value}"

        text = re.sub(rf"\b({names})=('[^']*'|[-+\w.]*\w)", option, text)
        return re.sub(rf"`({names})`", lambda match: self.flags[match[1]][0], text)


def described() -> OneLineParser:
    """Return the parser of the script that runs: --help shows its first lines."""
    document, layout = sys.modules["__main__"].__doc__, argparse.RawDescriptionHelpFormatter
    return OneLineParser(description=document, formatter_class=layout)


def run(main: Callable[..., object], parser: OneLineParser, argv: list[str] | None = None) -> int:
    """Call a command's `main` with what its command line says; return the exit code."""
    options = vars(parser.parse_args(argv))
    try:
        main(**options)
    except Exception as error:
        return fail(parser, error)
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted.", file=sys.stderr)
        return 130
    return 0


def fail(parser: OneLineParser, error: Exception) -> int:
    """Report an error that ended a command; return its exit code.

    What a user can mend gets one line and the code 2: our own messages, which carry a "Fix:", and
    trouble with files, memory or a missing package. Everything else is a fault of the code: its
    traceback, then the line, and the code 1. Of several processes, each says which one it is.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    fix, code = _fix(error), 2
    if "Fix:" in text:
        text = parser.in_flags(text)
    elif fix:
        text = f"{text[:300].rstrip('.')}. Fix: {fix}."
    else:
        traceback.print_exception(error)
        text, code = f"{type(error).__name__}: {text} (a fault in the code: see above)", 1
    rank = os.environ.get("RANK") or "0"
    process = "" if rank == "0" else f"process {rank}: "
    print(f"{parser.prog}: error: {process}{text}", file=sys.stderr)
    return code


def _fix(error: Exception) -> str:
    """Return what to do about an error from outside the package, "" for a fault of the code."""
    if isinstance(error, ModuleNotFoundError) and not (error.name or "hdd").startswith("hdd"):
        return "pip install " + error.name.partition(".")[0].replace("_", "-")
    said = "out of memory" if isinstance(error, MemoryError) else " ".join(str(error).split())
    for pattern, fix in OUTSIDE.items():
        if re.search(pattern, said, re.IGNORECASE):
            return fix
    if isinstance(error, OSError):
        return "another file or folder, or the right to use this one"
    return ""
