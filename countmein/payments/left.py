"""What is left of a charge: what it took, less what has gone back or is to go back."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection

from countmein.payments.models import Charge, Dispute, DisputeState, Refund


def left_of(
    charges: Collection[Charge],
    *,
    but: tuple[str, int] | None = None,
    is_disputed_gone: bool = False,
) -> dict[uuid.UUID, Counter[str]]:
    """What is left of each of these charges, minor units by kind; what is used up is not named.

    A refund counts from the moment that it is wanted. `but`: as if there were no refund of this
    reason and stage, for whoever records that very one again. `is_disputed_gone`: whether what a
    dispute holds or took is gone as well; to whoever only records a refund it is not, for that
    waits for the dispute's end, and is moot if it is lost.
    """
    left = {charge.id: Counter[str](charge.parts) for charge in charges}
    these = {"lane__in": {charge.lane for charge in charges}, "charge_id__in": list(left)}
    refunds = Refund.objects.filter(**these)
    if but is not None:
        refunds = refunds.exclude(reason=but[0], stage=but[1])
    gone = [refunds]
    if is_disputed_gone:
        gone.append(Dispute.objects.filter(**these).exclude(state=DisputeState.WON))
    for rows in gone:
        for charge_id, parts in rows.values_list("charge_id", "parts"):
            left[charge_id].subtract(parts)
    # A refund may be moot because of the dispute that took the same money: then it is gone once.
    return {id: +parts for id, parts in left.items()}
