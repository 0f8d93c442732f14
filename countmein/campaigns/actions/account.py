"""The organiser's account: looked at often, and whoever is concerned hears of every change."""

from __future__ import annotations

import logging
import uuid

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.campaigns.models import Campaign, HandOver
from countmein.campaigns.payout_letters import tell_of_account, tell_of_freeze
from countmein.members.models import Organiser
from countmein.payments.actions.accounts import LookUpFailed, account_of, note, put_off, see
from countmein.payments.actions.bank_orders import recall_payouts
from countmein.payments.models import Freeze, Payout, PayoutState
from countmein.rules.payout import CHANGE_RESTS

log = logging.getLogger(__name__)


def look_at_account(organiser_id: str) -> None:
    """Keep what the provider shows of an organiser's account; a change is told in the same step.

    Looking again changes nothing. Raises LookUpFailed.
    """
    account = account_of(uuid.UUID(organiser_id))
    if account is None:
        return
    put_off(account)
    seen = see(account)
    if seen is None:
        return
    with transaction.atomic():
        held, is_changed = note(account, seen)
        if is_changed:
            organiser = Organiser.objects.get(id=held.organiser_id)
            tell_of_account(held, organiser=organiser, former=_former(organiser))
        if is_changed or held.is_verified != account.is_verified:
            _judge_anew([organiser_id])


@job(name="campaigns.look_at_account", queue="money")
def look_at_account_by_itself(organiser_id: str) -> None:
    """The look that comes by the clock; one that fails is repeated at its next time."""
    try:
        look_at_account(organiser_id)
    except LookUpFailed as failed:
        log.warning("an account could not be looked at: %s", failed)


def _former(organiser: Organiser) -> list[tuple[Organiser, uuid.UUID]]:
    """Whoever handed a campaign to this organiser so lately that they may want to stop it."""
    since = site_now() - CHANGE_RESTS
    rows = HandOver.objects.all_lanes().filter(now_id=organiser.id, at__gt=since)
    handed = list(rows.values_list("was_id", "campaign_id"))
    known = Organiser.objects.in_bulk([was_id for was_id, _campaign in handed])
    return [(known[was_id], campaign) for was_id, campaign in handed if was_id in known]


def freeze(subject_id: uuid.UUID) -> bool:
    """Stop all payouts of an organiser or a campaign; tells whether they were not stopped yet.

    Everybody concerned is told; only the site's owner lets them go on.
    """
    with transaction.atomic():
        row = Freeze(subject_id=subject_id, at=site_now())
        Freeze.objects.bulk_create([row], ignore_conflicts=True)
        if not Freeze.objects.filter(id=row.id).exists():
            return False
        campaign = Campaign.objects.filter(id=subject_id).first()
        concerned = campaign.organiser_id if campaign else subject_id
        organisers = list(Organiser.objects.filter(id=concerned))
        theirs = Campaign.objects.filter(organiser_id=subject_id).values_list("id", flat=True)
        recall_payouts([campaign.id] if campaign else list(theirs))
        tell_of_freeze(subject_id=subject_id, once=f"freeze:{row.id}", organisers=organisers)
        _judge_anew([str(concerned)])
    return True


def thaw(*, freeze_id: uuid.UUID, by: Organiser) -> None:
    """Let payouts go on that were stopped; what waits is judged anew."""
    with transaction.atomic():
        row = Freeze.objects.select_for_update().filter(id=freeze_id, ended_at=None).first()
        if row is None:
            return
        row.ended_at, row.ended_by_id = site_now(), by.id
        row.save(update_fields=["ended_at", "ended_by_id"])
        campaign = Campaign.objects.filter(id=row.subject_id).first()
        _judge_anew([str(campaign.organiser_id if campaign else row.subject_id)])


def _judge_anew(organiser_ids: list[str]) -> None:
    """Whatever waits in these organisers' campaigns is judged again before anything is paid."""
    campaigns = Campaign.objects.filter(organiser_id__in=organiser_ids)
    Payout.objects.all_lanes().filter(
        state=PayoutState.ASKED, campaign_id__in=campaigns.values("id")
    ).update(due_at=site_now(), agreed_at=None)
