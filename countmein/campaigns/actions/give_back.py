"""To give back: each pledge's share of what a failure or a ballot left, once for each of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from countmein.campaigns.models import Campaign
from countmein.campaigns.stakes import refund_parts
from countmein.payments.actions.refunding import want_refunds
from countmein.payments.left import left_of
from countmein.payments.models import Charge, ChargeState


def give_back(
    campaign: Campaign, amounts_minor: Mapping[uuid.UUID, int], *, reason: str, stage: int
) -> None:
    """Record refunds of these amounts by pledge, never more than is left of what each paid.

    Recorded again it changes nothing: a charge is refunded once per reason and stage.
    """
    charges = list(
        Charge.objects.filter(
            lane=campaign.lane, pledge_id__in=list(amounts_minor), state=ChargeState.PAID
        )
    )
    left = left_of(charges, but=(reason, stage))
    want_refunds(
        charges=charges,
        reason=reason,
        stage=stage,
        parts=lambda charge: refund_parts(
            left[charge.id],
            amount_minor=amounts_minor[charge.pledge_id],
            seed=str(charge.id),
        ),
    )
