import os
import subprocess
import sys
import types

import pytest

from hdd.progress import progress


@pytest.mark.parametrize("in_notebook", [True, False])
def test_bar_is_on_stderr_unless_a_notebook_would_paint_it_red(capsys, monkeypatch, in_notebook):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    shell = types.SimpleNamespace(kernel=object()) if in_notebook else None
    monkeypatch.setattr("hdd.progress.get_ipython", lambda: shell)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress(range(3), "Counting")) == [0, 1, 2]
    out, err = capsys.readouterr()
    bar, silent = (out, err) if in_notebook else (err, out)
    assert "Counting:" in bar
    assert silent == ""


@pytest.mark.parametrize(("terminal", "rank"), [(False, "0"), (True, "1")])
def test_no_bar_in_a_log_file_or_from_a_second_process(capsys, monkeypatch, terminal, rank):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("RANK", rank)
    assert list(progress(range(3), "Counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_the_environment_can_silence_it_in_a_notebook():
    """tqdm reads TQDM_DISABLE when it is imported, so in a Python of its own."""
    code = (
        "import types, hdd.progress as p; p.get_ipython = lambda: types.SimpleNamespace(kernel=1);"
        "list(p.progress(range(3), 'Counting'))"
    )
    environment = os.environ | {"TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""
