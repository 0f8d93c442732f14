"""Whose money came and to whom it goes: names and accounts, sealed wherever they are kept."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from countmein.base.sealing import SealBroken, seal, unseal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A party at the bank as far as we know it; empty texts where nobody has told us."""

    name: str = ""
    account: str = ""


def sealed_party(known: Known, *, about: str) -> bytes | None:
    """The party as the database may keep it, tied to the row it is for; None for nobody."""
    if known == Known():
        return None
    return seal(json.dumps([known.name, known.account]).encode(), about=about)


def opened_party(sealed: bytes | memoryview | None, *, about: str) -> Known:
    """What was sealed for this row; nobody where the key is gone, so that a person is asked."""
    if sealed is None:
        return Known()
    try:
        name, account = json.loads(unseal(bytes(sealed), about=about))
    except SealBroken:
        log.exception("an account cannot be opened")
        return Known()
    return Known(name=name, account=account)
