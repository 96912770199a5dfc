"""What the package's commands say when something goes wrong."""

import pytest

from hdd.command import EXPECTED, fail


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("a=1 must be 2. Fix: --a 2."), "a=1 must be 2. Fix: --a 2."),
        (RuntimeError("out of\n  memory."), "out of memory. Fix: a smaller --dim, --depth or"),
        (MemoryError(), "MemoryError. Fix: a smaller --dim"),
        (ModuleNotFoundError("No module", name="timm.models"), "No module. Fix: pip install timm."),
        (ImportError("broken"), "broken. Fix: install the project"),
        (KeyError("x"), "'x'. Fix: see --help."),
        (OSError("x" * 1000), "x" * 300 + ". Fix: another path"),
    ],
)
def test_one_line_with_a_fix(capsys, error, says):
    assert fail("command", error) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"command: error: {says}")


@pytest.mark.parametrize("kind", EXPECTED)
def test_of_several_processes_the_first_speaks(capsys, monkeypatch, kind):
    monkeypatch.setenv("RANK", "1")
    assert fail("command", kind("no")) == 2
    alone = issubclass(kind, FloatingPointError | RuntimeError)
    assert ("command: error: process 1: no" in capsys.readouterr().err) == alone
