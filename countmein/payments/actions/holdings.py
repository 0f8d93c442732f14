"""What a campaign holds: taken from the kinds of pledge of which it holds most."""

from __future__ import annotations

import uuid
from collections import Counter

from countmein.ledger import queries as books


def held_parts(*, lane: int, campaign_id: uuid.UUID, most_minor: int) -> dict[str, int]:
    """Up to so much of what is held, by kind of pledge; call with the campaign's gate held."""
    holdings = Counter(
        {
            account.removeprefix("held:"): amount
            for (account, _currency), amount in books.balances(
                lane=lane, campaign_id=campaign_id
            ).items()
            if account.startswith("held:") and amount > 0
        }
    )
    parts, left = dict[str, int](), most_minor
    for kind, amount in holdings.most_common():
        if taken := min(amount, left):
            parts[kind] = taken
            left -= taken
    return parts
