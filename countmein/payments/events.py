"""What a provider tells us by itself: it only ever makes us look sooner.

An event says that something happened, not what our books should say. The row it is about comes
due at once, and the ordinary look-up decides, so repeated, late and lost events change nothing.
"""

from __future__ import annotations

import uuid

from django.db import transaction

from countmein.base.clock import real_now, site_now
from countmein.base.jobs import job
from countmein.payments.models import Charge, Mandate, ProviderEvent, Refund

_BATCH = 200


@job(name="payments.read_events", queue="money")
def read_events() -> None:
    """Read what has come in, a slice at a time."""
    while _read_slice():
        pass


def _read_slice() -> bool:
    with transaction.atomic():
        events = list(
            ProviderEvent.objects.filter(read_at=None)
            .order_by("id")[:_BATCH]
            .select_for_update(skip_locked=True)
        )
        references = {ref for event in events if (ref := _reference(event)) is not None}
        now = site_now()
        for model in (Charge, Refund):
            rows = model.objects.all_lanes().filter(id__in=references, state="doing")
            rows.filter(due_at__gt=now).update(due_at=now)
        Mandate.objects.all_lanes().filter(
            pledge_id__in=references, state="wanted", due_at__gt=now
        ).update(due_at=now)
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


def has_news() -> bool:
    """Whether an event waits to be read."""
    return ProviderEvent.objects.filter(read_at=None).exists()
