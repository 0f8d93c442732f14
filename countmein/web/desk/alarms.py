"""The first page of the desk: what is wrong now, what was lately, and what was inspected."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from countmein.base import backup
from countmein.watch.alarms import standing
from countmein.watch.models import Alarm, AlarmName, Inspection
from countmein.web.desk.money import owner_of

_OVER_SHOWN: Final = 50
_INSPECTIONS: Final = {"ledger": _("The books"), "self_check": _("Everything, at night")}


@never_cache
@login_required
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """List the alarms that stand, the latest that are over, and when all was last well."""
    owner_of(request)
    over = Alarm.objects.exclude(cleared_at=None).order_by("-cleared_at")[:_OVER_SHOWN]
    kept = backup.directory()
    context = {
        "standing": [_row(alarm) for alarm in standing()],
        "over": [_row(alarm) for alarm in over],
        "inspections": [
            {"what": _INSPECTIONS.get(each.name, each.name), "row": each}
            for each in Inspection.objects.order_by("name")
        ],
        "backups_kept": kept is not None,
        "backup": backup.latest(kept) if kept is not None else None,
    }
    return render(request, "desk/alarms.html", context)


def _row(alarm: Alarm) -> dict[str, object]:
    return {"what": AlarmName(alarm.name).label, "row": alarm}
