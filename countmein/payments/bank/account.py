"""The site's own account, as its owner has configured it."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from countmein.rules.remittance import BicRefused, IbanRefused, bic_text, iban_text


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAccount:
    """Whose account it is, as banks write it, and its numbers."""

    name: str
    iban: str
    bic: str = ""


def own_account() -> OwnAccount | None:
    """The account that members transfer to; None if there is none, or not a possible one."""
    try:
        return configured() if settings.BANK_IBAN else None
    except (IbanRefused, BicRefused):
        return None


def configured() -> OwnAccount:
    """Read the settings. Raises IbanRefused or BicRefused."""
    return OwnAccount(
        name=settings.BANK_NAME.strip()[:70],
        iban=iban_text(settings.BANK_IBAN),
        bic=bic_text(settings.BANK_BIC) if settings.BANK_BIC else "",
    )


def masked(iban: str) -> str:
    """An account number as lists and logs show it: the country and the last four."""
    return f"{iban[:2]}…{iban[-4:]}" if len(iban) > 6 else iban
