#!/usr/bin/env python3
"""Everything a newcomer does, with nothing but Python installed.

    python3 run.py lab [jupyter options]     open JupyterLab on the first notebook
    python3 run.py test [pytest options]     run all tests and all notebooks
    python3 run.py execute [names]           run notebooks in place (default: all), e.g. 02 04
    python3 run.py papermill [options]       run a notebook with other parameters
    python3 run.py copies [names]            notebooks for a class: students', instructors'

The first start makes .venv beside this file and installs the project into it; later starts only
check that pyproject.toml is still the same.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "installed-from"
OLDEST = (3, 10)
MODULES = {
    "lab": "hdd.teaching.lab",
    "test": "pytest",
    "execute": "hdd.teaching.execute",
    "papermill": "papermill",
    "copies": "hdd.teaching.copies",
}


def fingerprint():
    """Return a hash of what the installation depends on: the project, this Python, this folder."""
    parts = [(ROOT / "pyproject.toml").read_bytes(), sys.version.encode(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def prepare():
    """Make .venv and install into it, unless that has been done already."""
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() == fingerprint():
        return
    print("Setting up .venv (a few minutes, once; PyTorch is large) ...", flush=True)
    try:
        venv.create(VENV, with_pip=True)  # an existing one is repaired, not emptied
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(
            f"Could not make {VENV}: {error}\n"
            "Fix: on Debian and Ubuntu, `apt install python3-venv`; elsewhere install a full"
            " Python, or free some disk space; then run this again."
        )
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--editable", ".[dev]"]
    if subprocess.run(install, cwd=ROOT).returncode:
        sys.exit(
            "pip could not install the project; its message is above.\n"
            "Fix: check the network and the free disk space (about 6 GB); if .venv is damaged,"
            " delete it; then run this again."
        )
    STAMP.write_text(fingerprint())


def command(action, options):
    """Return the command line of an action, without the Python in front."""
    if action == "lab":
        # Containers run as root, where Jupyter asks for this flag.
        root = ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        # The project is the root, so that the file browser shows hdd beside the notebooks.
        start = [
            "--ServerApp.root_dir=.",
            "--LabApp.default_url=/lab/tree/notebooks/00_overview.ipynb",
        ]
        return ["-m", MODULES[action], *start, *root, *options]
    return ["-m", MODULES[action], *options]


def main(arguments):
    """Prepare, hand over, and return the exit code."""
    if sys.version_info < OLDEST:
        sys.exit(f"Python {sys.version.split()[0]} is too old. Fix: use Python 3.10 or newer.")
    action, options = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if action in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if action not in MODULES:
        sys.exit(f"Unknown command {action!r}. Fix: one of {', '.join(MODULES)}.\n{__doc__}")
    prepare()
    # A foreign PYTHONPATH or PYTHONHOME would shadow what .venv holds.
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
    process = subprocess.Popen([str(PYTHON), *command(action, options)], cwd=ROOT, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C reaches the child too: Jupyter asks back, pytest reports


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
