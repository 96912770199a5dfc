"""What the package's commands say when something goes wrong."""

import argparse
import ast
import importlib
import io
import runpy
import sys
from functools import partial
from pathlib import Path

import pytest

from hdd import benchmark
from hdd.command import OneLineParser, fail
from hdd.teaching import colab, copies, execute, explorer, glossary, seeds
from hdd.teaching.site import __main__ as site
from hdd.teaching.site import slides
from hdd.train import __main__ as train
from hdd.train import records

ROOT = Path(__file__).parents[1]


@pytest.fixture
def parser():
    parser = OneLineParser(prog="command")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--auto-augment", action=argparse.BooleanOptionalAction)
    parser.add_argument("--replace", action="store_true")
    return parser


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("lr=1 must be 2. Fix: lr=2."), "--lr 1 must be 2. Fix: --lr 2."),
        (FloatingPointError("nan. Fix: a smaller `lr`."), "nan. Fix: a smaller --lr."),
        (ValueError("batch_size='x'. Fix: size=1."), "--batch-size x. Fix: size=1."),
        (ValueError("auto_augment=False. Fix: lr."), "--no-auto-augment. Fix: lr."),
        (FileExistsError("x. Fix: replace=True."), "x. Fix: --replace."),
        (RuntimeError("CUDA out of\n  memory."), "CUDA out of memory. Fix: a smaller batch"),
        (RuntimeError("can't allocate memory:\n x"), "can't allocate memory: x. Fix: a smaller"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
            "CUDA error: CUBLAS_STATUS_ALL",
        ),
        (RuntimeError("CUDA error: all devices are busy or unavailable\nx"), "CUDA error: all dev"),
        (RuntimeError("NCCL error in: x.cpp, unhandled system error"), "NCCL error in: x.cpp, unh"),
        (MemoryError(), "MemoryError. Fix: a smaller batch or network"),
        (ModuleNotFoundError("No module", name="timm.models"), "No module. Fix: pip install timm."),
        (OSError("x" * 1000), "x" * 300 + ". Fix: another file or folder"),
    ],
)
def test_what_a_user_can_mend_is_one_line(capsys, parser, error, says):
    assert fail(parser, error) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"command: error: {says}")


def broken_line():
    return [1, 2].index(3)


@pytest.mark.parametrize(
    "broken",
    [broken_line, lambda: {}["x"], lambda: __import__("hdd.nothing"), lambda: (0).nothing],
)
def test_a_fault_of_the_code_keeps_its_traceback(capsys, parser, broken):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        broken()
    assert fail(parser, caught.value) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert any(line.strip() == "broken()" for line in lines)
    assert lines[-1].startswith(f"command: error: {caught.typename}: ")
    assert "Fix:" not in lines[-1]


@pytest.mark.parametrize(
    ("rank", "says"), [("0", "no. Fix: x."), ("", "no. "), ("3", "process 3: no")]
)
def test_each_of_several_processes_says_which_it_is(capsys, monkeypatch, parser, rank, says):
    monkeypatch.setenv("RANK", rank)
    assert fail(parser, ValueError("no. Fix: x.")) == 2
    assert f"command: error: {says}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [benchmark, train, records, execute, seeds, copies, colab, explorer, site, slides],
)
@pytest.mark.parametrize("words", [["--bogus"], ["--bogus=3", "stray"]])
def test_every_command_refuses_what_it_does_not_know_in_one_line(command, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(words)
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert "error: " in line
    assert line.endswith("Fix: see --help.")
    assert not printed.out


SCRIPTS = [
    path
    for path in sorted((ROOT / "resources").rglob("*.py"))
    if path.name not in ("jobs.py", "mixer_cifar10.py")  # no command; its own test
]


def run_script(path, words, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)
    monkeypatch.setattr(sys, "argv", [path.name, *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(path), run_name="__main__")
    return end.value.code


@pytest.mark.parametrize("line", ['[["a", 1], ', "null", "[1]"])
def test_a_line_cut_by_a_kill_is_named(line, monkeypatch, tmp_path, capsys):
    """Results are kept line by line; the next one must not be written behind half a line."""
    monkeypatch.syspath_prepend(ROOT / "resources" / "experiments")
    jobs = importlib.import_module("jobs")
    monkeypatch.setattr(jobs, "FOLDER", tmp_path)
    (tmp_path / "some.1.jsonl").write_text('[["a", 0], 0.5]\n' + line, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["some.py"])
    pairs = [("a", 0), ("a", 1)]
    assert jobs.start(lambda: jobs.finished("some", pairs, lambda *job: pytest.fail("done"))) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "Line 2 of " in said
    assert "some.1.jsonl is no result" in said
    assert "Fix: delete this line" in said


@pytest.fixture
def jobs(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "resources" / "experiments")
    module = importlib.import_module("jobs")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


def test_results_are_handed_out_when_all_are_there(jobs, monkeypatch, tmp_path):
    pairs = [("a", 0), ("a", 1), ("b", 0)]
    for share in ("1/2", "2/2"):
        monkeypatch.setattr(sys, "argv", ["some.py", "--share", share])
        found = jobs.finished("some", pairs, lambda name, seed: [name, seed])
        assert (found is None) == (share == "1/2")
    assert found == {pair: list(pair) for pair in pairs}
    (tmp_path / "some.2.jsonl").unlink()
    monkeypatch.setattr(sys, "argv", ["some.py", "--so-far"])
    refused = partial(jobs.finished, "some", pairs, lambda *job: pytest.fail("done"))
    assert refused() is None  # its record would lack what it is about
    assert refused(partial=True) == {("a", 0): ["a", 0], ("b", 0): ["b", 0]}
    assert jobs.finished("other", pairs, refused, partial=True) is None


def test_a_record_says_which_code_and_machines_trained_what_it_holds(jobs, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["some.py"])
    monkeypatch.setattr(jobs, "TRAINED_BY", [])
    (tmp_path / "some.2.jsonl").write_text('[["a"], 1]\n', encoding="utf-8")  # before it was kept
    versions = iter([{"commit": str(k), "clean": k == 1} for k in (1, 2, 3)])
    machines = iter(["old", "new", "writer"])
    monkeypatch.setattr(records, "code_version", lambda: next(versions))
    monkeypatch.setattr(records, "_processor_name", lambda: next(machines))
    jobs.finished("some", [("a",), ("b",), ("c",)], lambda name: 0)
    monkeypatch.setattr(records, "RUNS", tmp_path)
    jobs.save("some", {})
    before, *others = records.load_run("some")["trained_by"]
    assert before is None
    assert all(one.pop("device").startswith("cpu, ") for one in others)
    assert others == [
        {"commit": "1", "clean": True, "processor": "old"},
        {"commit": "2", "clean": False, "processor": "new"},
    ]


WITH_JOBS = [path for path in SCRIPTS if "from jobs import" in path.read_text(encoding="utf-8")]
WITH_JOBS = [path for path in WITH_JOBS if "start(main)" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_JOBS, ids=lambda path: path.name)
def test_no_record_is_written_from_nothing(path, jobs, monkeypatch):
    """As in a fresh clone, where the committed record is all that there is."""
    for module in (records, jobs):
        monkeypatch.setattr(module, "save_run", lambda *_, **__: pytest.fail("a record is written"))
    assert run_script(path, ["--so-far"], monkeypatch) == 0


def test_a_console_that_lacks_letters_stops_no_command(monkeypatch):
    """As when the output goes into a file on a Western Windows, and a folder has a Chinese name."""
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    OneLineParser(prog="command")
    print("Wrote history.json to 课程 ✓")
    console.flush()
    assert console.buffer.getvalue().startswith(b"Wrote history.json to ?? ?")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_read_their_command_line_first_and_say_what_they_do(path, monkeypatch, capsys):
    for words in (["--bogus"], ["a", "b", "c"], ["--share", "4/3"]):
        assert run_script(path, words, monkeypatch) == 2
        printed = capsys.readouterr()
        (line,) = printed.err.splitlines()
        assert "error: " in line
        assert line.endswith("Fix: see --help.")
        assert not printed.out
    assert run_script(path, ["--help"], monkeypatch) == 0
    first = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split()[:3]
    assert " ".join(first) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", [execute, copies, colab, explorer, glossary, site, slides])
def test_help_is_printed_and_nothing_is_done(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])
    name = "python -m hdd.teaching.glossary" if command is glossary else "run.py "
    assert capsys.readouterr().out.startswith(f"usage: {name}")


@pytest.mark.parametrize("content", ["{", "[]", "<html>", '{"nbformat": 4, "metadata": {}}'])
@pytest.mark.parametrize("command", [execute, copies, colab, seeds])
def test_a_file_that_is_no_notebook_is_named_in_one_line(
    command, content, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(colab, "repository", lambda: "https://example.org/x")
    path = tmp_path / "own.ipynb"
    path.write_text(content)
    words = ["7", "--notebooks", str(path)] if command is seeds else [str(path)]
    assert command.main(words) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert "own.ipynb is no notebook. Fix: " in line
    assert not printed.out
