"""`countmein serve-web`: one web process on the listening socket that `up` has opened."""

import argparse
import gc
import os
import resource
import socket
import sys
from collections.abc import Sequence

import uvicorn

_GRACE_SECONDS = 5  # `up` allows the whole site 10 to stop
_KEEP_ALIVE_SECONDS = 75  # longer than the 60 a proxy in front commonly keeps a connection
#: A thread that has heard from the database waits for the interpreter no longer than this; Python's
#: own 5 ms, at every step of a transaction, is what a busy event loop would make each batch wait.
_SWITCH_SECONDS = 0.0005
_COLLECT_AFTER = 10_000  # new objects that may hold each other; by itself Python looks each 700
_OPEN_FILES = 65_536  # watchers of a live meter hold one each


def run(arguments: Sequence[str]) -> int:
    """Serve requests until SIGTERM, then answer those already taken."""
    argparse.ArgumentParser(prog="countmein serve-web").parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "countmein.settings")
    _raise_open_files()
    sys.setswitchinterval(_SWITCH_SECONDS)
    config = uvicorn.Config(
        "countmein.asgi:application",
        http="httptools",
        loop="auto",  # uvloop where it exists
        access_log=False,
        log_config=None,  # Django's settings say how lines look
        proxy_headers=False,  # the site itself believes TRUSTED_PROXIES only
        server_header=False,
        backlog=4096,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    config.load()
    _leave_loaded_code_alone()
    server = uvicorn.Server(config)
    server.run(sockets=[_listening()])
    return 0 if server.started else 1


def _leave_loaded_code_alone() -> None:
    """Spare the collector of garbage what was loaded and stays; a surge makes it look often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)


def _listening() -> socket.socket:
    if handle := os.environ.get("COUNTMEIN_LISTEN_FD"):
        return socket.socket(fileno=int(handle))
    raise SystemExit("countmein serve-web is started by `countmein up`, which opens the port.")


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
