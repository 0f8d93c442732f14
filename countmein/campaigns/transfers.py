"""Bank transfers, as a campaign knows them: whether they are taken, and what a member is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from countmein.campaigns.links import transfer_url
from countmein.campaigns.models import Campaign, Pledge
from countmein.payments.bank.account import own_account
from countmein.payments.bank.epc_qr import Slip, SlipRefused
from countmein.payments.models import Charge, ChargeState
from countmein.payments.queries import parts_arrived
from countmein.rules.money import Money

#: The only currency in which banks everywhere carry a reference through.
TRANSFER_CURRENCY: Final = "EUR"
#: The bound of SEPA, 999,999,999.99.
TRANSFERRED_MINOR_AT_MOST: Final = 99_999_999_999


def takes_transfers(campaign: Campaign) -> bool:
    """Whether a pledge to this campaign can be transferred instead of charged to a card."""
    return bool(
        campaign.transfer_days
        and campaign.currency == TRANSFER_CURRENCY
        and own_account() is not None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one member is asked to transfer, and until when."""

    #: For what is still missing.
    slip: Slip
    arrived_minor: int
    last_at: datetime
    url: str

    def as_json(self) -> dict[str, Any]:
        """The same under public names, for its member."""
        return {
            "name": self.slip.name,
            "iban": self.slip.iban,
            "bic": self.slip.bic,
            "amount_minor": self.slip.amount.amount_minor,
            "arrived_minor": self.arrived_minor,
            "currency": self.slip.amount.currency,
            "reference": self.slip.reference,
            "last_day": self.last_at,
            "url": self.url,
        }


def transfer_of(pledge: Pledge) -> Asked | None:
    """What is awaited of a pledge's member; None if nothing is."""
    charge = Charge.objects.filter(
        lane=pledge.lane, pledge_id=pledge.id, state=ChargeState.AWAITED
    ).first()
    if charge is None:
        return None
    parts = parts_arrived([charge.id]).get(charge.id, [])
    return asked(pledge, charge, arrived_minor=sum(part.amount_minor for part in parts))


def asked(pledge: Pledge, charge: Charge, *, arrived_minor: int) -> Asked | None:
    """What the member of this awaited charge is asked for; None on a site without an account.

    A part that has arrived waits for the rest, so the rest is all that is asked for.
    """
    account = own_account()
    if account is None:
        return None
    try:
        slip = Slip(
            name=account.name,
            iban=account.iban,
            bic=account.bic,
            amount=Money(
                amount_minor=charge.amount_minor - arrived_minor, currency=charge.currency
            ),
            reference=charge.reference,
        )
    except SlipRefused:
        return None
    return Asked(
        slip=slip,
        arrived_minor=arrived_minor,
        last_at=charge.due_at,
        url=transfer_url(pledge),
    )
