"""To report: a member tells how the call went, or how many hours were done."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.confirm import held
from countmein.campaigns.models import Pledge, Report
from countmein.rules.states import PledgeState

#: What a call can come to.
CALL_ANSWERS = ("spoke", "left_message", "busy", "no_answer", "wrong_number")
#: Nobody works longer than this on one pledge: four weeks, day and night.
MOST_MINUTES = 40_320


class ReportRefused(ValueError):
    """The report does not fit the pledge."""


def report(
    *, pledge: Pledge, kind: str, answer: str = "", minutes: int | None = None, note: str = ""
) -> Report:
    """Keep a member's latest word on one kind of a fulfilled pledge.

    Raises ReportRefused unless the pledge was fulfilled with that kind and the answer fits it.
    """
    if kind == "call" and answer not in CALL_ANSWERS:
        raise ReportRefused("answer")
    if kind == "hours" and (minutes is None or not 0 <= minutes <= MOST_MINUTES):
        raise ReportRefused("minutes")
    with transaction.atomic():
        row = held(pledge)
        if row.state != PledgeState.fulfilled or kind not in row.accepted:
            raise ReportRefused("kind")
        Report.objects.filter(lane=row.lane, pledge_id=row.id, kind=kind).delete()
        said = Report(
            lane=row.lane,
            campaign_id=row.campaign_id,
            pledge_id=row.id,
            kind=kind,
            answer=answer,
            minutes=minutes,
            note=note[:500],
            at=site_now(),
        )
        said.save(force_insert=True)
    return said
