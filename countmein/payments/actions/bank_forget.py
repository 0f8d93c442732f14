"""To forget who paid by bank, and whom we paid, once nothing of it can move any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.db.models import Q

from countmein.base.clock import site_now
from countmein.payments.bank_models import (
    ENTRY_OPEN,
    BankEntry,
    BankTransfer,
    EntryState,
    TransferState,
)

#: For so long a payer's bank may take a payment back that its owner did not allow: 13 months by
#: the Payment Services Directive (PSD2 article 71), and the time to look at it.
KEPT: Final = timedelta(days=400)
SLICE: Final = 500


def forget_parties() -> None:
    """Forget names, accounts and what payers wrote, slice by slice; what is open is kept.

    The amounts, days and references of the bank stay: they prove the books. What is to go back
    after that waits for a person to say to which account.
    """
    for rows, emptied in (
        (_entries(), {"payer": None, "text": ""}),
        (_transfers(), {"payee": None}),
    ):
        while ids := list(rows.values_list("id", flat=True)[:SLICE]):
            rows.model.objects.filter(id__in=ids).update(**emptied)


def _entries() -> Any:
    return BankEntry.objects.filter(
        Q(payer__isnull=False) | ~Q(text=""), booked_on__lt=(site_now() - KEPT).date()
    ).exclude(state__in=[*ENTRY_OPEN, EntryState.RETURNING])


def _transfers() -> Any:
    return BankTransfer.objects.filter(
        payee__isnull=False, created_at__lt=site_now() - KEPT
    ).exclude(state__in=[TransferState.DUE, TransferState.ORDERED])
