"""Writing a file so that it is whole, or is still the old one."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path


def expanded(path: str | Path, name: str = "path") -> Path:
    """Return the argument `name`, a path, with the home folder for `~`.

    Raises:
        ValueError: `~name` of nobody here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{name}={str(path)!r} begins with the home folder of somebody who is not known here. "
            "Fix: the whole path; './~...' for a folder of that name."
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename; folders are made as needed.

    Raises:
        OSError: a full or read-only disk, or a path that is no regular file, in one line; what was
            there before is untouched.
    """
    if not path.name or "\0" in str(path) or (os.path.lexists(path) and not path.is_file()):
        # Renaming would replace even a device or a pipe.
        raise OSError(f"Cannot write {path}: it is no regular file. Fix: another name.")
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        with open(temporary, "r+b") as written:  # Windows syncs only what may be written
            os.fsync(written.fileno())  # on the disk before the old file goes
        _replace(temporary, path)
    except OSError as error:
        raise OSError(
            f"Cannot write {path}: {error.strerror}. Fix: another folder, or more space."
        ) from error
    finally:  # after Ctrl-C, too
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _replace(temporary: Path, path: Path) -> None:
    """Rename, and try again within a second: scanners and OneDrive hold files for a moment."""
    for wait in (0.1, 0.3, 0.6):
        try:
            return os.replace(temporary, path)
        except PermissionError:
            time.sleep(wait)
    return os.replace(temporary, path)


def check_writable(path: Path) -> None:
    """Raise before a long computation what `write_atomically` would raise after it."""
    there = os.path.isfile(path)  # False, too, for a name that no file can have
    write_atomically(path, path.read_bytes() if there else b"")
    if not there:
        path.unlink()


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a folder, made if needed, for this process alone; one left empty goes again.

    The system frees it however the process ends. A file system without locks is not guarded.

    Raises:
        FileExistsError: another process holds it.
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"Cannot write into {folder}: {reason}. Fix: another folder.") from error
    lock = None
    try:
        lock = _lock(folder)
        yield
    finally:
        if lock is not None:
            os.close(lock)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _lock(folder: Path) -> int | None:
    """Return an open file whose closing frees the folder, None where there are no locks."""
    try:
        if os.name == "nt":  # it has no locks on folders; this file goes with its process
            new = os.O_CREAT | os.O_EXCL | os.O_TEMPORARY
            return os.open(folder / "in use", new)
        import fcntl

        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        return lock
    except (BlockingIOError, FileExistsError) as error:
        raise FileExistsError(
            f"{folder} is in use by another process. Fix: wait until that has ended, or another "
            "folder; torchrun, not mpirun or srun, starts several processes for one run."
        ) from error
    except OSError:
        return None
