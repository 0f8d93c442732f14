from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks


class PaymentsConfig(AppConfig):
    name = "countmein.payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have the site refuse to start with an account that no transfer could reach."""
        checks.register(account_faults)


def account_faults(**_options: Any) -> list[checks.CheckMessage]:
    """What is wrong with the configured bank account."""
    from countmein.payments.bank.account import configured
    from countmein.payments.bank.latin import LettersRefused
    from countmein.payments.bank.pain import OrderRefused, Party
    from countmein.rules.remittance import BicRefused, IbanRefused

    if not settings.BANK_IBAN:
        return []
    try:
        account = configured()
        Party(name=account.name, iban=account.iban, bic=account.bic)
    except (IbanRefused, BicRefused, LettersRefused, OrderRefused) as refused:
        hint = "look at BANK_IBAN, BANK_BIC and BANK_NAME"
        return [checks.Error(f"the bank account: {refused}", hint=hint, id="countmein.E010")]
    return []
