"""What a provider tells us by itself: it only ever makes us look sooner.

An event says that something happened, not what our books should say. The row it is about comes
due at once, and the ordinary look-up decides, so repeated, late and lost events change nothing.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import job
from countmein.payments.actions.disputes import look_soon
from countmein.payments.actions.statement import begin_statement, read_soon
from countmein.payments.models import (
    Charge,
    HostedPage,
    Mandate,
    ProviderEvent,
    Refund,
)

_BATCH = 200
#: An event that was read is kept whole so long, for whoever looks into what went wrong.
_WHOLE_FOR = timedelta(days=1)
#: An event about a dispute carries no reference of ours: all disputes are looked at.
_DISPUTES = "charge.dispute."
#: A refund may have come back: the statement says so.
_RETURNED = {"refund.failed", "charge.refund.updated"}


@job(name="payments.read_events", queue="money")
def read_events() -> None:
    """Read what has come in, a slice at a time."""
    while _read_slice():
        pass


def _read_slice() -> bool:
    """Read some events; killed before the end, they are read again, which changes nothing."""
    events = list(ProviderEvent.objects.filter(read_at=None).order_by("id")[:_BATCH])
    with transaction.atomic():
        references = {ref for event in events if (ref := _reference(event)) is not None}
        now = site_now()
        for model, own, states in (
            (Charge, "id", ("doing", "on_page")),
            (Refund, "id", ("doing",)),
            (HostedPage, "id", ("open",)),
            (HostedPage, "charge_id", ("open",)),
            (Mandate, "pledge_id", ("wanted",)),
        ):
            rows = model.objects.all_lanes().filter(**{f"{own}__in": references})
            rows.filter(state__in=states, due_at__gt=now).update(due_at=now)
        kinds = {str(event.body.get("type", "")) for event in events}
        if any(kind.startswith(_DISPUTES) for kind in kinds):
            begin_statement()
            look_soon()
        if kinds & _RETURNED:
            begin_statement()
            read_soon()
        ProviderEvent.objects.filter(id__in=[event.id for event in events]).update(
            read_at=real_now()
        )
    return bool(events)


def _reference(event: ProviderEvent) -> uuid.UUID | None:
    """Our own reference in the object that the event is about, if it carries one."""
    about = event.body.get("data", {}).get("object", {})
    try:
        return uuid.UUID(str(about.get("metadata", {}).get("reference")))
    except (ValueError, AttributeError):
        return None


def forget_bodies() -> None:
    """Cut events that were read a day ago down to what they are about: the rest may name people."""
    old = ProviderEvent.objects.filter(
        read_at__lt=real_now() - _WHOLE_FOR, body__has_key="data"
    ).order_by("id")
    while page := list(old[:_BATCH]):
        for event in page:
            event.body = {"type": event.body.get("type"), "reference": str(_reference(event))}
        ProviderEvent.objects.bulk_update(page, ["body"])


def has_news() -> bool:
    """Whether an event waits to be read."""
    return ProviderEvent.objects.filter(read_at=None).exists()
