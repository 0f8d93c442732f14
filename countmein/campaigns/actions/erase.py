"""To erase: nothing leads from what was pledged to anybody any more, and it stays counted.

The key and the contacts are destroyed at once; then, pledge by pledge, what leads to the person. A
signature that counts stays, without a name. What would need the member once it tips cannot be kept
for somebody who cannot be reached: where that is still possible, it is withdrawn.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.enrol import enrol_all, with_newcomers
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.changes import parts_of
from countmein.campaigns.models import LIVE_STATES, Campaign, Gate, Pledge, Report, person_lane
from countmein.log import actions as log
from countmein.members import erasing
from countmein.members.models import ERASED, UNLINKED, Erasure
from countmein.outreach.actions import forget_deliveries
from countmein.rules.pledging import PledgeRefused
from countmein.rules.states import PledgeState

SLICE: Final = 500
_TO_WITHDRAW: Final = frozenset(
    {PledgeState.unconfirmed, PledgeState.unsecured, PledgeState.active}
)


def erase(*, mailbox: str, by: str) -> None:
    """Erase whoever is behind a mailbox (its keyed digest): at once, and for good.

    What is done here cannot be undone; the rest goes on by itself, and is found again if it is
    killed.
    """
    lane, now = person_lane(mailbox), site_now()
    erasing.note_outside(mailbox, at=now)
    with transaction.atomic():
        row, gone = erasing.begin_erasure(lane=lane, box=mailbox, by=by, at=now)
        # Whoever is just sending to them finds each letter gone before it begins with it.
        forget_deliveries(lane=lane, contact_ids=gone)
        defer(carry_out, once=f"erase:{row.id}", lane=lane, erasure_id=str(row.id))


def erase_again(notes: Path) -> int:
    """Repeat, in a database that was restored, what was erased since it was copied; return how
    many.

    Everybody who had not been enrolled then is, first: among them may be somebody to erase.
    """
    erased = erasing.noted(notes)
    if not erased:
        return 0
    for campaign in Campaign.objects.filter(id__in=with_newcomers()):
        enrol_all(campaign)
    count = 0
    for mailbox in erasing.to_repeat(erased):
        erase(mailbox=mailbox, by="restore")
        count += 1
    for lane, id in erasing.undone():
        carry_out(lane, str(id))
    return count


@job(name="campaigns.erase", queue="chores")
def carry_out(lane: int, erasure_id: str) -> None:
    """Let go of all that leads to one person; killed at any instant, it goes on where it stood."""
    row = Erasure.objects.filter(lane=lane, id=uuid.UUID(erasure_id), done_at=None).first()
    if row is None:
        return
    while pledges := list(_left(row)[:SLICE]):
        for pledge in pledges:
            _take_back(row, pledge)
        unlink(pledges)
    with transaction.atomic():
        erasing.hold_member(lane=lane, box=row.mailbox)
        # Whoever has pledged again since comes back with that, and with nothing older.
        newer = set(linked([row.mailbox]).values_list("contact_id", flat=True))
        gone = erasing.forget(lane=lane, box=row.mailbox, kept=newer)
        forget_deliveries(lane=lane, contact_ids=gone)
        Erasure.objects.filter(lane=lane, id=row.id, done_at=None).update(
            mailbox="", done_at=site_now()
        )


def _left(row: Erasure) -> QuerySet[Pledge]:
    return linked([row.mailbox]).filter(at__lte=row.asked_at).order_by("lane", "id")


def linked(mailboxes: Iterable[str]) -> QuerySet[Pledge]:
    """The pledges that lead to these mailboxes, in all campaigns."""
    rows = Pledge.objects.all_lanes().filter(mailbox__in=list(mailboxes))
    return rows.exclude(contact_id__in=[ERASED, UNLINKED])


def _take_back(row: Erasure, pledge: Pledge) -> None:
    """Withdraw what cannot be kept without its member, and count what was done.

    Whatever was decided with them in it is refused, and stays as it is.
    """
    field = "kept" if pledge.state in LIVE_STATES else ""
    if is_withdrawn_with_member(pledge):
        try:
            withdraw(pledge=pledge)
            field = "withdrawn"
        except PledgeRefused:
            pass
    if field:
        Erasure.objects.filter(lane=row.lane, id=row.id).update(**{field: F(field) + 1})


def is_withdrawn_with_member(pledge: Pledge) -> bool:
    """Whether this goes when its member goes: all but a signature needs them once it tips."""
    if pledge.state not in _TO_WITHDRAW:
        return False
    kinds = {part.kind for part in parts_of(pledge)}
    return pledge.state != PledgeState.active or kinds != {"signature"}


def unlink(pledges: Sequence[Pledge]) -> None:
    """Take out of the rows of pledges what leads to whoever made them, and their deliveries.

    While a campaign's door is open, the keyed digest of the mailbox stays in a pledge that counts:
    one mailbox must not count again after each erasure. It goes when the door is shut.
    """
    gates = {gate.id: gate for gate in _gates({row.campaign_id: row.lane for row in pledges})}
    for row in pledges:
        with transaction.atomic():
            mine = Pledge.objects.filter(lane=row.lane, id=row.id)
            state = mine.select_for_update().values_list("state", flat=True).get()
            stays = state in LIVE_STATES and gates[row.campaign_id].closed_at is None
            mine.update(
                newcomer=None,
                contact_id=ERASED if stays else UNLINKED,
                mailbox=row.mailbox if stays else secrets.token_hex(32),
                public_name=False,
                digest="",
                key=f"erased:{row.id}",
            )
            Report.objects.filter(lane=row.lane, pledge_id=row.id).update(note="")
            # Its entry in the public log stays, and nobody can show any more whose it is.
            log.forget(lane=row.lane, pledge_ids=[row.id])
        if row.contact_id not in (ERASED, UNLINKED):
            forget_deliveries(lane=row.person_lane, contact_ids=[row.contact_id])


def _gates(lanes: dict[uuid.UUID, int]) -> QuerySet[Gate]:
    return Gate.objects.filter(lane__in=set(lanes.values()), id__in=lanes)


def to_unlink() -> list[uuid.UUID]:
    """Campaigns whose door is shut and that still know a mailbox of somebody who was erased."""
    rows = Pledge.objects.all_lanes().filter(contact_id=ERASED)
    campaigns = rows.values_list("campaign_id", flat=True).distinct()
    shut = Gate.objects.all_lanes().filter(id__in=campaigns, closed_at__isnull=False)
    return list(shut.values_list("id", flat=True))


@job(name="campaigns.unlink", queue="chores")
def unlink_shut(campaign_id: str) -> None:
    """Let go of the mailboxes of those who were erased while the door was open."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, contact_id=ERASED
    ).order_by("id")
    while page := list(rows[:SLICE]):
        unlink(page)
