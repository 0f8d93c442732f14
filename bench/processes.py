"""What the processes of a site use: processor time and memory, told apart by their part."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
#: Which part a process is, by a word of its command line.
_PARTS = (
    ("serve-web", "web"),
    ("sandbox.payments", "payments"),
    ("sandbox.mail", "mail"),
    ("postgres", "database"),
    ("work", "worker"),
    ("bench.locking", "peer"),
)


def processor_seconds(*roots: int) -> Counter[str]:
    """Processor seconds used so far by each part below these processes, themselves included.

    Whoever has ended is in its parent's account, so the difference of two looks misses nobody.
    """
    used: Counter[str] = Counter()
    for pid, part in _family(*roots):
        fields = _stat(pid)
        if fields:
            used[part] += sum(map(int, fields[11:15])) / _TICKS
    return used


def memory_mib(*roots: int) -> Counter[str]:
    """Resident memory of each part, MiB; what several processes share counts once (PSS)."""
    held: Counter[str] = Counter()
    for pid, part in _family(*roots):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in rollup.splitlines():
            if line.startswith("Pss:"):
                held[part] += int(line.split()[1]) / 1024
    return held


def _family(*roots: int) -> Iterator[tuple[int, str]]:
    """Every process below the roots, with its part; a process of no part of its own has its
    parent's."""
    unseen = [(root, "supervisor") for root in roots]
    while unseen:
        pid, above = unseen.pop()
        part = _part(pid, above)
        yield pid, part
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            # A part's own children may hang on any of its threads.
            for thread in Path(f"/proc/{pid}/task").iterdir():
                if thread.name != str(pid):
                    children += (thread / "children").read_text().split()
        except OSError:
            continue
        unseen += [(int(child), part) for child in children]


def _part(pid: int, above: str) -> str:
    if above not in ("supervisor", "other"):
        return above
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return above
    for word, part in _PARTS:
        if any(given == word or given.endswith(f"/{word}") for given in words):
            return part
    return above


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces itself."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def pids_of(part: str, root: int) -> list[int]:
    """The processes of one part, the first one first."""
    return sorted(pid for pid, named in _family(root) if named == part)
