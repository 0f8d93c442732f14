"""A peer: pledging as Django is commonly written, a locked row and a counter.

`python -m bench.locking` serves it on a free port, from a database of its own tables, by the same
server and as many threads as the site's pages have. Everything is as fast as plain Django can be:
no middleware, kept connections, one view.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).resolve().parents[1]
_THREADS = 16


@contextmanager
def running(dsn: str) -> Iterator[tuple[int, int]]:
    """Serve it in a process of its own; yields its process number and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        os.set_inheritable(listening.fileno(), True)
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.locking", str(listening.fileno())],
            cwd=_CHECKOUT,
            env={**os.environ, "DATABASE_URL": dsn},
            pass_fds=[listening.fileno()],
        )
        try:
            yield process.pid, listening.getsockname()[1]
        finally:
            process.terminate()
            process.wait(timeout=20)


def _application() -> Any:
    import django
    from django.conf import settings
    from psycopg.conninfo import conninfo_to_dict

    said = conninfo_to_dict(os.environ["DATABASE_URL"])
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    place = {ours: str(said.get(theirs) or "") for ours, theirs in names.items()}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                **place,
                "PORT": str(said.get("port") or ""),
                "CONN_MAX_AGE": None,
            }
        },
        USE_TZ=True,
        SECRET_KEY="x" * 50,
        ROOT_URLCONF="bench.locking_site",
        INSTALLED_APPS=[],
        MIDDLEWARE=[],
    )
    django.setup()
    from bench.locking_site import make_tables

    make_tables()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _main() -> None:
    import uvicorn
    from a2wsgi import WSGIMiddleware

    config = uvicorn.Config(
        WSGIMiddleware(_application(), workers=_THREADS),
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


def counted(connection: Any) -> dict[str, int]:
    """What its counter says and how many rows there are."""
    row = connection.execute(
        "SELECT (SELECT sum(people) FROM bench_locked_campaign),"
        " (SELECT count(*) FROM bench_locked_pledge)"
    ).fetchone()
    return {"counter": int(row[0] or 0), "rows": int(row[1])}


def body_of(request: Any) -> dict[str, Any]:
    """The body of a request, as JSON."""
    said: dict[str, Any] = json.loads(request.body)
    return said


if __name__ == "__main__":
    _main()
