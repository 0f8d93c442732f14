"""Ids made in the app: time-ordered, so that they cluster in an index, and free of any sequence."""

import hashlib
import hmac
import os
import threading
import time
import uuid
from functools import lru_cache

from django.conf import settings

_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562) that is greater than every one this process made before.

    The 12 bits after the version hold the fraction of the millisecond; when two are made within
    one such tick the clock is nudged on, so the order inside a process is the order of the calls.
    """
    global _last
    with _lock:
        tick = max(time.time_ns() * 4096 // 1_000_000, _last + 1)
        _last = tick
    value = (tick >> 12) << 80 | 0x7 << 76 | (tick & 0xFFF) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8)) & (1 << 62) - 1
    return uuid.UUID(int=value)


def named_uuid(*names: str) -> uuid.UUID:
    """Return the id (UUIDv8) that these names always have, for rows many writers make at once."""
    return _uuid8(hashlib.sha256("\n".join(names).encode()).digest()[:16])


def keyed_uuid(*names: str) -> uuid.UUID:
    """Return the id (UUIDv8) that these names have on this site; nobody else can work it out."""
    key = _id_key(settings.SECRET_KEY)
    text = "\n".join(names).encode()
    return _uuid8(hashlib.blake2b(text, key=key, digest_size=16).digest())


def _uuid8(digest: bytes) -> uuid.UUID:
    """Sixteen bytes as an id, but for the bits that say what kind of id it is."""
    value = int.from_bytes(digest)
    return uuid.UUID(int=value & ~(0xF << 76 | 0b11 << 62) | 0x8 << 76 | 0b10 << 62)


@lru_cache(maxsize=4)
def _id_key(secret: str) -> bytes:
    return hashlib.sha256(f"countmein/id/v1\n{secret}".encode()).digest()


def keyed_digest(use: str, text: str) -> str:
    """Return the hex HMAC-SHA-256 of `text` for one `use`; without the site's key it tells nothing.

    Bare hashes of addresses can be guessed by hashing every known address; keyed ones cannot.
    """
    key = settings.SECRET_KEY.encode()
    # In one call: a pledge needs several, and an object for each would take twice as long.
    return hmac.digest(key, f"countmein/{use}/v1\n{text}".encode(), "sha256").hex()
