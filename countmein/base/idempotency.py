"""The same request twice has one effect: the first success is kept with its key for a day."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import transaction

from countmein.base.clock import real_now
from countmein.base.models import KeptAnswer

KEPT_FOR: Final = timedelta(hours=24)
_FORM_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer; `replayed`: it was given before and nothing happened this time."""

    status: int
    body: Any
    replayed: bool


class KeyReused(Exception):
    """The key was used for another request."""


def request_digest(*, method: str, path: str, body: object) -> str:
    """What makes two requests the same: where they go, and their JSON whatever its spelling."""
    text = json.dumps([method, path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def once(*, scope: str, key: str, digest: str, act: Callable[[], tuple[int, Any]]) -> Kept:
    """Act, and keep the answer; or give the answer kept for this key in this scope.

    Whoever comes second with a key waits for the row of the first: the unique constraint, not a
    look beforehand, decides. A refusal that `act` raises takes the row back, so only success is
    remembered. Raises KeyReused, and whatever `act` raises.
    """
    with transaction.atomic():
        now = real_now()
        same = KeptAnswer.objects.filter(scope=scope, key=key)
        same.filter(kept_at__lt=now - KEPT_FOR).delete()
        mine = KeptAnswer(scope=scope, key=key, digest=digest, status=0, kept_at=now)
        KeptAnswer.objects.bulk_create([mine], ignore_conflicts=True)
        kept = same.get()
        if kept.id != mine.id:
            if kept.digest != digest:
                raise KeyReused
            return Kept(status=kept.status, body=kept.body, replayed=True)
        status, body = act()
        KeptAnswer.objects.filter(id=mine.id).update(status=status, body=body)
    return Kept(status=status, body=body, replayed=False)


def forget_old() -> int:
    """Delete answers that are older than a day; return how many."""
    count, _ = KeptAnswer.objects.filter(kept_at__lt=real_now() - KEPT_FOR).delete()
    return count


def new_form_key() -> str:
    """A key for a form, so that sending it twice is sending it once."""
    return secrets.token_urlsafe(24)


def is_form_key(sent: str) -> bool:
    """Whether this can be the key of a form of ours."""
    return _FORM_KEY.fullmatch(sent) is not None
