"""The site of one home: its secrets, its lock, and how other commands enter it."""

import atexit
import contextlib
import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from secrets import token_urlsafe

import psycopg

from countmein.base import embedded
from countmein.base.durable import NotDurable, require_durable
from countmein.base.kept_files import keep_entries, write_private

SANDBOX_KEY = "sk_test_sandbox"
_LOCK_SECONDS = 1.0  # commands that look whether the site runs hold the lock for an instant

_PUBLISH_SECONDS = 30.0  # a site that starts while a crash is recovered from


class SiteRefused(Exception):
    """The site cannot run like this; the message is one sentence for the operator."""


def home() -> Path:
    """The home named by COUNTMEIN_HOME, else `.countmein` where the command was called."""
    return Path(os.environ.get("COUNTMEIN_HOME") or ".countmein").resolve()


def say(part: str, line: str) -> None:
    """Tell the operator one readable line about one part of the site."""
    print(f"{part:<9} {line}", file=sys.stderr, flush=True)


def is_sandbox() -> bool:
    """Whether no real money can move: no https address and no provider's key are set.

    Raises SiteRefused if the environment asks for a live site but leaves something out.
    """
    live_url = os.environ.get("COUNTMEIN_URL", "").startswith("https://")
    live_key = os.environ.get("STRIPE_API_KEY", SANDBOX_KEY) != SANDBOX_KEY
    if not live_url and not live_key:
        return True
    needed = ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "SMTP_URL")
    missing = [] if live_url else ["COUNTMEIN_URL=https://…"]
    missing += [name for name in needed if not os.environ.get(name)]
    if missing:
        raise SiteRefused(
            f"A live site also needs {', '.join(missing)};"
            " set neither an https COUNTMEIN_URL nor STRIPE_API_KEY to run the sandbox."
        )
    return False


def open_home(path: Path) -> None:
    """Make home and its directories. Raises SiteRefused if that is not possible."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("run", "log", "sandbox"):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        # What is there already says nothing: a disk can have become read-only since.
        with tempfile.TemporaryFile(dir=path / "run"):
            pass
    except OSError as fault:
        raise SiteRefused(
            f"Countmein cannot keep its files in {path} ({fault.strerror}: {fault.filename});"
            " set COUNTMEIN_HOME to a directory it may write to."
        ) from fault


def kept_secret(path: Path, *, made: Callable[[], str] | None = None) -> str:
    """The secret in the file, made at the first call and never again."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        write_private(draft, text=(made or partial(token_urlsafe, 48))())
        # Of several that start at once the first link decides.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
        keep_entries(path.parent)
    return path.read_text().strip()


@contextlib.contextmanager
def home_lock(path: Path) -> Iterator[None]:
    """Hold the home: one `countmein up` a home. Raises SiteRefused while another runs."""
    handle = os.open(path / "run" / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_SECONDS
    try:
        while not _locks(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise SiteRefused(f"Countmein already runs in {path}; stop it first.")
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


def is_running(path: Path) -> bool:
    """Whether a `countmein up` holds this home now, whatever files a dead one left."""
    with contextlib.suppress(FileNotFoundError):
        handle = os.open(path / "run" / "up.lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            return not _locks(handle, fcntl.LOCK_SH)
        finally:
            os.close(handle)
    return False


def base_environment(path: Path, *, dsn: str, url: str) -> dict[str, str]:
    """What every process of the site must know."""
    from countmein.base.sealing import new_line

    kept_secret(path / "secret_key")
    kept_secret(path / "metrics_token")
    kept_secret(path / "sealing_keys", made=partial(new_line, 1))
    return {
        "COUNTMEIN_HOME": str(path),
        "COUNTMEIN_METRICS_TOKEN_FILE": str(path / "metrics_token"),
        "COUNTMEIN_RUN_DIR": str(path / "run"),
        "COUNTMEIN_SANDBOX": "1" if is_sandbox() else "0",
        "COUNTMEIN_SEALING_KEYS_FILE": str(path / "sealing_keys"),
        "COUNTMEIN_SECRET_KEY_FILE": str(path / "secret_key"),
        "COUNTMEIN_URL": url,
        "DATABASE_URL": dsn,
    }


def publish_environment(path: Path, *, environment: Mapping[str, str]) -> None:
    """Leave word for commands run in another shell of where the running site is."""
    text = json.dumps(dict(environment), indent=1)
    write_private(path / "run" / "env.json", text=f"{text}\n")


def ignore_foreign_database() -> None:
    """Drop the PG… variables of a shell that names no DATABASE_URL: they are about another server.

    PGOPTIONS alone could turn synchronous_commit off behind our back.
    """
    if "DATABASE_URL" not in os.environ:
        for name in [name for name in os.environ if name.startswith("PG")]:
            if name not in ("PG_BINDIR", "PG_OS_USER"):
                del os.environ[name]


def forget_environment(path: Path) -> None:
    """Take back what an earlier run published; the new one's ports are other ones."""
    (path / "run" / "env.json").unlink(missing_ok=True)


def _published(path: Path) -> dict[str, str]:
    deadline = time.monotonic() + _PUBLISH_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            published: dict[str, str] = json.loads((path / "run" / "env.json").read_text())
            return published
        time.sleep(0.1)
    raise SiteRefused(f"The site in {path} is still starting; try again when it is up.")


def enter_site(path: Path) -> None:
    """Fill the environment so that Django's settings find the site of this home.

    If the site runs, it is that one; if not, its database is started for the length of this
    command. Inside a process that `up` started there is nothing to do.
    """
    if "COUNTMEIN_RUN_DIR" in os.environ:
        return
    ignore_foreign_database()
    if is_running(path):
        os.environ.update(_published(path))
        return
    open_home(path)
    url = os.environ.get("COUNTMEIN_URL", "http://127.0.0.1:8000")
    dsn = os.environ.get("DATABASE_URL")
    if dsn is None:
        running = embedded.start(path, log=lambda line: say("database", line))
        atexit.register(running.stop)
        dsn = running.dsn
    else:
        check_server(dsn)
    os.environ.update(base_environment(path, dsn=dsn, url=url))


def enter_django(path: Path) -> None:
    """Enter the site and load Django, for commands that call verbs and queries.

    A site that does not run may never have run: its tables are made first.
    """
    enter_site(path)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "countmein.settings")
    import django
    from django.core.management import call_command

    django.setup()
    if not is_running(path):
        call_command("migrate", verbosity=0)


def check_server(dsn: str) -> None:
    """Raise SiteRefused unless DATABASE_URL names a server that keeps what it acknowledges."""
    try:
        require_durable(dsn)
    except (NotDurable, psycopg.Error) as fault:
        reason = str(fault).strip().splitlines()[0]
        raise SiteRefused(f"The server in DATABASE_URL was refused: {reason}") from fault


def _locks(handle: int, how: int) -> bool:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
