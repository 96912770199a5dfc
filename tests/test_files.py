"""Files are written whole, or not at all."""

import os
import sys
from pathlib import Path

import pytest

from hdd import benchmark
from hdd.files import check_writable, expanded, held, write_atomically


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_nothing_half_written_stays_behind(tmp_path, monkeypatch, stop):
    def stopped(source, target):
        raise stop

    file = tmp_path / "file"
    file.write_bytes(b"earlier")
    monkeypatch.setattr("os.replace", stopped)
    with pytest.raises(stop):
        write_atomically(file, b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"earlier"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    def fails(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fails)
    with pytest.raises(OSError, match=r"Cannot write .*file: No space left.* Fix: another folder"):
        write_atomically(tmp_path / "file", b"")
    assert not list(tmp_path.iterdir())


def test_checking_changes_nothing(tmp_path):
    check_writable(tmp_path / "new")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old").write_bytes(b"mine")
    check_writable(tmp_path / "old")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


@pytest.mark.parametrize("name", ["folder", "folder/file/x", "x" * 300])
def test_what_cannot_be_written_is_named_beforehand(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"mine")
    with pytest.raises(OSError, match=f"Cannot write .*{name}: .*Fix: "):
        check_writable(tmp_path / name)
    assert len(list(tmp_path.rglob("*"))) == 2


@pytest.mark.parametrize("name", ["pipe", "link", ""])
def test_only_regular_files_are_replaced(tmp_path, name):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes in folders")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    path = tmp_path / name if name else Path(name)
    for write in (check_writable, lambda p: write_atomically(p, b"new")):
        with pytest.raises(OSError, match=r"Cannot write .*no regular file.*Fix: "):
            write(path)
    assert (tmp_path / "pipe").is_fifo()
    assert os.readlink(tmp_path / "link") == "nowhere"


@pytest.mark.parametrize("system", ["this"] if os.name == "nt" else ["this", "windows", "no locks"])
def test_a_folder_is_held_by_one_at_a_time(tmp_path, monkeypatch, system):
    folder = tmp_path / "课 程" / "out"
    if system == "windows":
        monkeypatch.setattr(os, "O_TEMPORARY", 0, raising=False)
        monkeypatch.setattr(os, "name", "nt")
    if system == "no locks":  # as on some network file systems
        monkeypatch.setattr("fcntl.flock", lambda *_: os.stat("nowhere/at all"))
    with held(folder):
        assert folder.is_dir()
        if system != "no locks":
            with pytest.raises(FileExistsError, match=r"out is in use .*Fix: wait"), held(folder):
                pass
        if system == "windows":
            (folder / "in use").unlink()  # Windows does so itself
    assert not folder.exists()


def forbid_measuring(monkeypatch):
    def measure(*_):
        raise AssertionError("measured before the options were checked")

    for name in ("time_steps", "time_growth", "time_augmentation", "time_muon"):
        monkeypatch.setattr(benchmark, name, measure)


def test_benchmark_looks_at_its_file_before_it_measures(tmp_path, monkeypatch, capsys):
    pytest.importorskip("timm")
    pytest.importorskip("mlp_mixer_pytorch")
    forbid_measuring(monkeypatch)
    assert benchmark.main(["--json", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m hdd.benchmark: error: Cannot write {tmp_path}: ")
    assert line.count("Fix: ") == 1


@pytest.mark.parametrize(
    ("module", "package"),
    [("mlp_mixer_pytorch", "mlp-mixer-pytorch"), ("timm.models.mlp_mixer", "timm")],
)
def test_benchmark_names_the_package_it_lacks(monkeypatch, capsys, module, package):
    forbid_measuring(monkeypatch)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(benchmark, "KINDS", {module: package})
    assert benchmark.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"Fix: pip install {package}.")


def test_a_refusal_of_a_moment_is_ridden_out(tmp_path, monkeypatch):
    refusals, rename = [PermissionError(13, "Access is denied")] * 2, os.replace

    def refused_twice(*paths):
        if refusals:
            raise refusals.pop()
        rename(*paths)

    monkeypatch.setattr("hdd.files.os.replace", refused_twice)
    monkeypatch.setattr("hdd.files.time.sleep", lambda _: None)
    write_atomically(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    refusals += [PermissionError(13, "Access is denied")] * 9
    with pytest.raises(OSError, match=r"Access is denied.*Fix: "):
        write_atomically(tmp_path / "x", b"newer")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_home_folder_that_nobody_has_is_named():
    assert expanded("~") == Path.home()
    assert expanded(Path("a/b")) == Path("a/b")
    with pytest.raises(ValueError, match=r"root='~nosuchuser/x' begins with .*Fix: the whole path"):
        expanded("~nosuchuser/x", "root")
