"""One SQLite file, one thread, many requests to a commit."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[sqlite3.Connection], Any]


class Writer:
    """Runs pieces of work one after another and answers each only after its commit is on disk.

    It works in the event loop's own thread: whatever arrived while the disk was busy with one
    commit goes into the next one together, and nothing is handed from thread to thread (which
    costs more than the wait for the disk).
    """

    def __init__(self, *, path: Path, schema: str) -> None:
        self._waiting: list[tuple[Work, asyncio.Future[Any]]] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        # FULL makes WAL wait for the disk at every commit: an answer given is an answer kept.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        # Folding the log into the file waits for the disk too: every 32 MB, not every 4.
        self._connection.execute("PRAGMA wal_autocheckpoint = 8000")
        self._connection.executescript(schema)

    async def run(self, work: Work) -> Any:
        """Run `work` and return its result once that is durable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit)
        self._waiting.append((work, future))
        return await future

    def read(self, work: Work) -> Any:
        """Run `work` at once; for reading before the loop runs."""
        return work(self._connection)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _commit(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            answers = [self._attempt(work) for work, _ in batch]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            answers = [(None, error)] * len(batch)
        for (_, future), (result, failure) in zip(batch, answers, strict=True):
            if future.done():  # Whoever asked has gone; what was done stays done.
                continue
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

    def _attempt(self, work: Work) -> tuple[Any, Exception | None]:
        """Run one piece so that its failure undoes only itself."""
        self._connection.execute("SAVEPOINT piece")
        try:
            result, failure = work(self._connection), None
        except Exception as error:
            self._connection.execute("ROLLBACK TO piece")
            result, failure = None, error
        self._connection.execute("RELEASE piece")
        return result, failure
