"""Disks of our own: one that fills up, one that loses what it was not told to keep.

They need the right to mount, which a container seldom has; `reason_against` says why not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

#: Enough for a site's home with its binaries, its cluster and the log of some thousand pledges.
_IMAGE_BYTES = 700_000_000


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{command[0]}: {(done.stderr or done.stdout).strip()}")


def _place() -> Path:
    """In memory where there is such a place: what counts is what the kernel was told to keep."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="cmi-disk-", dir=memory if memory.is_dir() else None))


@contextmanager
def _mounted(*options: str) -> Iterator[Path]:
    """A file system at a new place that everybody may pass."""
    at = Path(tempfile.mkdtemp(prefix="cmi-at-"))
    at.chmod(0o755)
    try:
        _run("mount", *options, str(at))
        try:
            at.chmod(0o755)
            yield at
        finally:
            _run("umount", "--lazy", str(at))
    finally:
        at.rmdir()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A disk of so many megabytes."""
    with _mounted("-t", "tmpfs", "-o", f"size={megabytes}m", "cmi-small") as at:
        yield at


def resized(at: Path, megabytes: int) -> None:
    """Give a small disk another size while it is in use."""
    _run("mount", "-o", f"remount,rw,size={megabytes}m", str(at))


def read_only(at: Path) -> None:
    """What a system does with a disk that it trusts no longer."""
    _run("mount", "-o", "remount,ro", str(at))


def free_bytes(at: Path) -> int:
    """How much fits in still."""
    found = os.statvfs(at)
    return found.f_bavail * found.f_frsize


class Machine:
    """A disk image that is in use, and the power that can go."""

    def __init__(self, place: Path) -> None:
        self._place, self._count = place, 0
        self.image = place / "0.img"
        with self.image.open("wb") as image:
            image.truncate(_IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", str(self.image))

    @contextmanager
    def on(self) -> Iterator[Path]:
        """The disk as the system sees it while there is power."""
        with _mounted("-o", "loop", str(self.image)) as at:
            yield at

    def cut(self) -> None:
        """Keep what has reached the disk by now, and nothing that only memory knows.

        All who write must be stopped. The disk of before stays in use until its `on` ends; the
        next one is of the image that we keep.
        """
        self._count += 1
        kept = self._place / f"{self._count}.img"
        _run("cp", "--sparse=always", str(self.image), str(kept))
        self.image = kept


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine of one disk, gone afterwards."""
    place = _place()
    try:
        yield Machine(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@cache
def reason_against() -> str:
    """Why no disk of our own can be had here; empty where it can."""
    if os.geteuid() != 0:
        return "mounting a disk of our own needs root"
    try:
        with small_disk(1):
            pass
        with machine() as made, made.on():
            pass
    except OSError as no:
        return f"no disk of our own can be mounted here: {no}"
    return ""
