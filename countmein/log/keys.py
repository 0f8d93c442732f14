"""The log's key and the last checkpoint it signed: files beside the site's other secrets.

They are outside the database on purpose. Whoever has all rights there can sign nothing, and a
database that is restored from an older day is found out by the checkpoint that was kept.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from countmein.base.kept_files import keep_entries, write_kept
from countmein.rules import log


def origin() -> str:
    """The log's name: the site's host and `/log`."""
    return f"{urlsplit(settings.SITE_URL).netloc}/log"


def _directory() -> Path:
    return Path(settings.LOG_DIR)


def private_key() -> Ed25519PrivateKey:
    """The log's key, made at the first call and never again."""
    path = _directory() / "log_key"
    if not path.exists():
        draft = path.with_name(f"log_key.{os.getpid()}.draft")
        draft.unlink(missing_ok=True)
        write_kept(draft, text=base64.b64encode(os.urandom(32)).decode())
        # Of several that start at once the first link decides.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
        keep_entries(path.parent)
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(path.read_text()))


def verifier_key() -> str:
    """The public key as others are told of it, in one line."""
    return log.verifier_key(origin(), private_key().public_key().public_bytes_raw())


def signed_by() -> str:
    """How each signature of this key begins: its name and most of its id."""
    public = private_key().public_key().public_bytes_raw()
    id = base64.b64encode(log.key_id(origin(), 1, public) + b"\0\0").decode()
    return f"— {origin()} {id[:5]}"


def sign(text: str) -> str:
    """The signed note of a text; the same text has the same note."""
    key = private_key()
    public = key.public_key().public_bytes_raw()
    return f"{text}\n{log.signature_line(origin(), public, key.sign(text.encode()))}"


@contextlib.contextmanager
def signing() -> Iterator[None]:
    """One signer at a time, in whatever process."""
    path = _directory() / "log_lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def last_signed() -> tuple[int, bytes]:
    """Size and root of the last checkpoint that this key may have signed; (0, …) before any."""
    path = _directory() / "log_last"
    if not path.exists():
        return 0, log.root_of([])
    size, root = path.read_text().split()
    return int(size), bytes.fromhex(root)


def keep_signed(size: int, root: bytes) -> None:
    """Write down what is about to be signed; it is on the disk when this returns."""
    path = _directory() / "log_last"
    draft = path.with_name("log_last.draft")
    draft.unlink(missing_ok=True)
    write_kept(draft, text=f"{size} {root.hex()}\n")
    draft.replace(path)
    keep_entries(path.parent)
