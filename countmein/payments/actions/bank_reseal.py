"""To seal anew: names and accounts that an older one of the site's keys still seals."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Func, IntegerField

from countmein.base.sealing import newest_key
from countmein.payments.actions.bank_match import hold_bank
from countmein.payments.bank_models import BankEntry, BankTransfer
from countmein.payments.payout_models import Payout

SLICE: Final = 500
#: What is kept sealed, in which column, and how a row of it is sealed anew.
_SEALED: Final[tuple[tuple[Any, str, Callable[[Any], None]], ...]] = (
    (BankEntry, "payer", lambda row: row.keep_payer(row.from_whom)),
    (BankTransfer, "payee", lambda row: row.keep_payee(row.to_whom)),
    (Payout, "account", lambda row: row.keep_iban(row.iban)),
)


def reseal_parties() -> None:
    """Put everything under the newest key, slice by slice; what has lost its key stays as it is."""
    older = [number for number in settings.SEALING_KEYS if number != newest_key()]
    for model, field, keep in _SEALED:
        after = uuid.UUID(int=0)
        while rows := _slice(model, field, keep, older, after=after):
            after = rows[-1].id


def parties_sealed_by() -> Counter[int]:
    """How much each key of the site holds of this, by its number."""
    held = Counter[int]()
    for model, field, _keep in _SEALED:
        held.update(dict(_numbered(model, field).values_list("number").annotate(Count("id"))))
    return held


def _slice(
    model: Any, field: str, keep: Callable[[Any], None], older: list[int], *, after: uuid.UUID
) -> list[Any]:
    """Seal a slice anew while nobody decides about it, and return it."""
    with transaction.atomic():
        hold_bank()
        rows = list(
            _numbered(model, field).filter(number__in=older, id__gt=after).order_by("id")[:SLICE]
        )
        for row in rows:
            keep(row)
        model._base_manager.bulk_update(rows, [field])
    return rows


def _numbered(model: Any, field: str) -> Any:
    """The rows that keep something sealed, each with the number of its key."""
    high, low = (
        Func(field, template=f"get_byte(%(expressions)s, {at})", output_field=IntegerField())
        for at in (0, 1)
    )
    rows = model._base_manager.filter(**{f"{field}__isnull": False})
    return rows.annotate(number=high * 256 + low)
