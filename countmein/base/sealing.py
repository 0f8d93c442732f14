"""What is personal is sealed before it reaches the database; the keys never are in it.

A site key is a line of a file in the site's home. It seals what does not live long, and it wraps
the own key of each member: whoever destroys a wrapped key has destroyed all that it sealed.
What is sealed is tied to the place it is for (`about`): moved to another row, it does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_KEY_BYTES: Final = 32
#: 96 random bits, as NIST SP 800-38D asks for: good for 2^32 messages under one key.
_NONCE_BYTES: Final = 12
#: In front of what is sealed: the number of the site key; 0 where a member's own key was used.
_NUMBER_BYTES: Final = 2


class SealBroken(Exception):
    """This was not sealed here, not for this place, or its key is gone."""


class KeysUnreadable(Exception):
    """The file of sealing keys cannot be understood; the message says where."""


def seal(plain: bytes, *, about: str) -> bytes:
    """Seal under the site's newest key."""
    number = _newest()
    return number.to_bytes(_NUMBER_BYTES) + _seal(_site_key(number), plain, about)


def unseal(sealed: bytes, *, about: str) -> bytes:
    """Open what `seal` made, by whichever site key it was. Raises SealBroken."""
    try:
        key = _site_key(key_number(sealed))
    except KeyError as gone:
        raise SealBroken("this site has no such key any more") from gone
    return _unseal(key, sealed, about)


def key_number(sealed: bytes) -> int:
    """Which site key sealed this."""
    return int.from_bytes(sealed[:_NUMBER_BYTES])


def newest_key() -> int:
    """The number of the site key that seals what is sealed now."""
    return _newest()


class OwnKey:
    """The key of one member: opens nothing but what is theirs."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._key = AESGCM(secret)

    @classmethod
    def new(cls) -> OwnKey:
        """A key that nobody has had before."""
        return cls(os.urandom(_KEY_BYTES))

    @classmethod
    def unwrapped(cls, wrapped: bytes, *, about: str) -> OwnKey:
        """The key that was wrapped for this place. Raises SealBroken."""
        return cls(unseal(wrapped, about=about))

    def wrapped(self, *, about: str) -> bytes:
        """The key as it may be kept in the database: under the site's newest key."""
        return seal(self._secret, about=about)

    def seal(self, plain: bytes, *, about: str) -> bytes:
        """Seal something of this member's."""
        return bytes(_NUMBER_BYTES) + _seal(self._key, plain, about)

    def unseal(self, sealed: bytes, *, about: str) -> bytes:
        """Open something of this member's. Raises SealBroken."""
        return _unseal(self._key, sealed, about)


def _seal(key: AESGCM, plain: bytes, about: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plain, about.encode())


def _unseal(key: AESGCM, sealed: bytes, about: str) -> bytes:
    nonce = sealed[_NUMBER_BYTES : _NUMBER_BYTES + _NONCE_BYTES]
    try:
        return key.decrypt(nonce, sealed[_NUMBER_BYTES + _NONCE_BYTES :], about.encode())
    except (InvalidTag, ValueError) as broken:
        raise SealBroken("this was not sealed for this place") from broken


def _newest() -> int:
    keys: Mapping[int, bytes] = settings.SEALING_KEYS
    return max(keys)


def _site_key(number: int) -> AESGCM:
    return _cipher(settings.SEALING_KEYS[number])


@lru_cache(maxsize=64)
def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(secret)


def new_line(number: int) -> str:
    """A new site key as a line of the file of keys."""
    return f"{number} {base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}\n"


def keys_in(text: str) -> dict[int, bytes]:
    """The site keys of a file, by number: `<number> <32 bytes in base64>` a line, the highest
    number seals. Raises KeysUnreadable."""
    keys: dict[int, bytes] = {}
    for place, line in enumerate(filter(None, map(str.strip, text.splitlines())), start=1):
        try:
            number, said = line.split()
            secret = base64.b64decode(said, validate=True)
            known = int(number)
        except ValueError as fault:
            raise KeysUnreadable(f"line {place} is not a number and a key in base64") from fault
        if len(secret) != _KEY_BYTES or not 0 < known < 1 << (8 * _NUMBER_BYTES) or known in keys:
            raise KeysUnreadable(f"line {place} is not a new number and {_KEY_BYTES} bytes")
        keys[known] = secret
    return keys


def derived_key(secret_key: str) -> bytes:
    """The key of a site that was given no file of keys: made of its one secret."""
    return hmac.new(secret_key.encode(), b"countmein/sealing/v1", hashlib.sha256).digest()
