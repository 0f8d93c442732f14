"""Files that outlive a power cut: a rename alone may outlive the content it was to bring."""

import ctypes
import os
import sys
from pathlib import Path


def write_kept(path: Path, *, text: str) -> None:
    """Write a new file that only its owner may read; it is on the disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)


def write_private(path: Path, *, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    write_kept(draft, text=text)
    draft.replace(path)


def append_kept(path: Path, *, line: str) -> None:
    """Add a line to a file that only its owner may read; it is on the disk when this returns."""
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # One write: of several processes that append, each has its line whole.
        os.write(handle, f"{line}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        keep_entries(path.parent)


def keep_entries(directory: Path) -> None:
    """Make durable which names are in a directory, after a rename or link in it."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_everything_below(directory: Path) -> None:
    """Make durable all that was written below a directory.

    One call for its whole file system: thousands of small files, forced one by one, take seconds.
    """
    if sys.platform != "linux":
        os.sync()
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(handle) != 0:
            fault = ctypes.get_errno()
            raise OSError(fault, os.strerror(fault), str(directory))
    finally:
        os.close(handle)
