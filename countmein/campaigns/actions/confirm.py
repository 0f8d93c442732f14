"""To confirm: the member follows the mailed link, and the pledge becomes theirs."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.pledge import follow
from countmein.campaigns.changes import joins, write_changes
from countmein.campaigns.gates import hold_shared, is_accepting
from countmein.campaigns.kinds import needs_card
from countmein.campaigns.links import confirm_token_of, same
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.payments.actions.mandates import read_again
from countmein.rules.pledging import PledgeRefused, Reason
from countmein.rules.states import PledgeState


class TokenWrong(Exception):
    """The token does not belong to this pledge."""


def confirm(*, pledge: Pledge, token: str) -> Pledge:
    """Confirm the mailbox of a pledge; following the link again changes nothing.

    Raises TokenWrong, and PledgeRefused when the deadline has passed or when the mailbox already
    has a live pledge in this campaign: here is where "one per mailbox" is enforced.
    """
    if not same(token, confirm_token_of(pledge)):
        raise TokenWrong
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    try:
        with transaction.atomic():
            gate = hold_shared(campaign)
            row = held(pledge)
            if row.state == PledgeState.unconfirmed:
                _join(campaign, gate, row)
            return row
    except IntegrityError as clash:
        raise PledgeRefused(Reason.already_pledged) from clash


def held(pledge: Pledge) -> Pledge:
    """Read a pledge again and hold its row until the end of the transaction."""
    row = Pledge.objects.filter(lane=pledge.lane, id=pledge.id).select_for_update().get()
    assert isinstance(row, Pledge)
    return row


def _join(campaign: Campaign, gate: Gate, row: Pledge) -> None:
    now = site_now()
    if not is_accepting(gate, now=now):
        raise PledgeRefused(Reason.campaign_closed)
    row.state = PledgeState.unsecured if needs_card(row) else PledgeState.active
    row.acted_at = now
    row.round = gate.round
    row.save(update_fields=["state", "acted_at", "round"])
    if row.state == PledgeState.active:
        write_changes(gate, joins(gate, row))
    follow(campaign, [row])
    read_again(lane=row.lane, pledge_id=row.id)
