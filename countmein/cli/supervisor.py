"""Keeping the parts of a site alive, and stopping them in order.

One thread, no locks: a loop that looks after its children ten times a second. Every child dies
with this process, even when it is killed.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from countmein.base.embedded_place import EmbeddedRefused
from countmein.base.processes import die_with_parent

_LOOK_SECONDS = 0.1
_STEADY_SECONDS = 5.0  # a part that ran this long was well; its next restart is at once
_LONGEST_PAUSE_SECONDS = 15.0
_REFUSED_SECONDS = 2.0
_LARGEST_LOG_BYTES = 10_000_000


class StopAsked(BaseException):
    """SIGTERM or SIGINT came; raised wherever the main thread is, so that nothing slow holds it."""


#: Set with it, for Python may drop what is raised.
_stop_asked = threading.Event()


class Database(Protocol):
    """The database server, if it is ours to keep."""

    def alive(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def pid(self) -> int | None: ...


@contextlib.contextmanager
def stopping_signals() -> Iterator[None]:
    """Turn the first SIGTERM, SIGINT or SIGHUP into StopAsked; later ones change nothing.

    Python drops what is raised while it forks or destroys an object: the loop looks once more.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        for sign in signs:
            signal.signal(sign, signal.SIG_IGN)
        _stop_asked.set()
        raise StopAsked

    _stop_asked.clear()
    signs = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.signal(sign, stop) for sign in signs]
    try:
        yield
    finally:
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One child process: how it is started, when it is ready, how it is told to stop."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    line: str = "running"  # said once it is ready
    ready: Callable[[], bool] = lambda: True
    #: Called with the process number when the part has died by itself, before it starts again.
    on_death: Callable[[int], None] = lambda pid: None
    stop_seconds: float = 1.0
    #: Starts when all others are ready, with our own stdout and stderr instead of a log; its end
    #: is the end of the site, with its exit status.
    is_last: bool = False


class _Life:
    """One part's current process and its record of deaths."""

    def __init__(self, part: Part, *, log_dir: Path, say: Callable[[str, str], None]) -> None:
        self.part = part
        self.process: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self._log = log_dir / f"{part.name}.log"
        self._say = say
        self._started_at = 0.0
        self._next_start_at = 0.0
        self._deaths = 0

    def start(self) -> None:
        with self._log.open("ab") as log:
            output = None if self.part.is_last else log
            self.process = subprocess.Popen(
                list(self.part.argv),
                env=dict(self.part.env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=tuple(self.part.pass_fds),
                start_new_session=True,  # a Ctrl-C at the terminal is ours to answer, in order
                preexec_fn=die_with_parent(by=signal.SIGKILL),  # safe: one thread
            )
        self._started_at = time.monotonic()

    def look(self) -> int | None:
        """Reap and restart the process as needed; answer its exit status when it has just ended."""
        if self.process is None:
            if time.monotonic() >= self._next_start_at:
                self.start()
            return None
        status = self.process.poll()
        if status is not None:
            self._bury(self.process, status=status)
        elif not self.is_ready and self.part.ready():
            self.is_ready = True
            self._say(self.part.name, self.part.line)
        return status

    def _bury(self, process: subprocess.Popen[bytes], *, status: int) -> None:
        self.process, self.is_ready = None, False
        self.part.on_death(process.pid)
        if self.part.is_last:
            return
        now = time.monotonic()
        self._deaths = 0 if now - self._started_at > _STEADY_SECONDS else self._deaths + 1
        pause = min(0.25 * 2**self._deaths, _LONGEST_PAUSE_SECONDS) if self._deaths > 1 else 0.0
        self._next_start_at = now + pause
        again = f"again in {pause:.0f} s" if pause >= 1 else "starting again"
        self._say(self.part.name, f"died ({_cause(status)}), {again}; see {self._log}")

    def ask_to_stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def await_stop(self) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(timeout=self.part.stop_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Runs parts until it is told to stop: first started, last stopped, the database after all."""

    def __init__(
        self,
        *,
        parts: Sequence[Part],
        log_dir: Path,
        say: Callable[[str, str], None],
        database: Database | None = None,
    ) -> None:
        for part in parts:
            rotate(log_dir / f"{part.name}.log")
        self._lives = [_Life(part, log_dir=log_dir, say=say) for part in parts]
        self._database = database
        self._say = say

    def run(self) -> int:
        """Keep everything running until the last part ends; answer its exit status.

        Stops everything on the way out, also when StopAsked passes through.
        """
        try:
            while (status := self._look()) is None:
                if _stop_asked.is_set():
                    raise StopAsked
                time.sleep(_LOOK_SECONDS)
            return status
        finally:
            self._stop()

    def _look(self) -> int | None:
        self._look_after_database()
        for life in self._lives:
            if life.part.is_last and life.process is None and not self._others_ready():
                continue
            status = life.look()
            if status is not None and life.part.is_last:
                return status
        self._reap_strangers()
        return None

    def _others_ready(self) -> bool:
        return all(life.is_ready for life in self._lives if not life.part.is_last)

    def _look_after_database(self) -> None:
        if self._database is not None and not self._database.alive():
            self._say("database", "died, starting again")
            try:
                self._database.start()
            except EmbeddedRefused as refusal:
                self._say("database", str(refusal))
                time.sleep(_REFUSED_SECONDS)

    def _reap_strangers(self) -> None:
        """As the first process of a container we inherit every orphan; let none stay a zombie."""
        if os.getpid() != 1:
            return
        ours = {life.process.pid for life in self._lives if life.process is not None}
        if self._database is not None:
            ours.add(self._database.pid() or 0)
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in ours:
                    return  # seen at the next look
                os.waitpid(ended.si_pid, os.WNOHANG)

    def _stop(self) -> None:
        # Processes of one command stop together, else many web processes would add up their time.
        for _, group in itertools.groupby(reversed(self._lives), lambda life: life.part.argv):
            together = list(group)
            for life in together:
                life.ask_to_stop()
            for life in together:
                life.await_stop()
        if self._database is not None:
            self._database.stop()


def rotate(log: Path) -> None:
    """Set a grown log aside, once a start: the one before it is dropped."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))


def _cause(status: int) -> str:
    return f"exit status {status}" if status >= 0 else signal.Signals(-status).name
