"""The owner's desk: where our books and a statement differ, the provider's or the bank's."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from countmein.base.clock import real_now
from countmein.campaigns import wording
from countmein.members.models import Organiser
from countmein.payments.models import Discrepancy, DiscrepancyKind, Statement
from countmein.web.forms import Filled

_NOTE_LENGTH: Final = 2_000
_CLOSED_SHOWN: Final = 50

_KINDS: Final = {
    DiscrepancyKind.ONLY_IN_LEDGER: _("In our books only"),
    DiscrepancyKind.ONLY_AT_PROVIDER: _("At the provider only"),
    DiscrepancyKind.AMOUNT_DIFFERS: _("The amounts differ"),
}
_EVENTS: Final = {
    "charge": _("Charge"),
    "refund": _("Refund"),
    "refund_failed": _("Refund that came back"),
    "dispute": _("Dispute"),
    "dispute_won": _("Dispute won"),
    "fee": _("Fee"),
    # Of the bank, whose statements are compared like the provider's.
    "entry": _("Credit at the bank that is not accounted for"),
    "balance": _("Balance of the bank account: a statement is missing"),
    "queued": _("Waits at the desk for the bank"),
}
_ENDS: Final = {
    "line_came": _("The provider's line came"),
    "booked": _("It was booked, or the line is gone"),
    "corrected": _("The amounts agree again"),
}


def owner_of(request: HttpRequest) -> Organiser:
    """Return the signed-in owner of the site. Raises Http404 for everybody else."""
    if not isinstance(request.user, Organiser) or not request.user.is_owner:
        raise Http404
    return request.user


@never_cache
@login_required
@require_safe
def differences(request: HttpRequest) -> HttpResponse:
    """List the differences that are open, with age and owner, and the latest that are closed."""
    owner = owner_of(request)
    now = real_now()
    rows = Discrepancy.objects.select_related("owner")
    closed = rows.exclude(resolved_at=None).order_by("-resolved_at")[:_CLOSED_SHOWN]
    read = Statement.objects.order_by("-read_at").first()
    context = {
        "open": [_row(row, owner) for row in rows.filter(resolved_at=None).order_by("id")],
        "closed": [_row(row, owner) for row in closed],
        "read_at": read and read.read_at,
        "now": now,
    }
    return render(request, "desk/money.html", context)


@never_cache
@login_required
@require_POST
def note(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Keep what the owner notes about a difference, and whose it is if they take it over."""
    owner = owner_of(request)
    row = get_object_or_404(Discrepancy, id=id)
    form = Filled.of(request.POST)
    if len(form.said("note")) > _NOTE_LENGTH:
        messages.error(request, gettext("That note is too long; it was not kept."))
        return redirect("/desk/money/")
    row.note = form.said("note")
    if form.said("mine"):
        row.owner = owner
    row.save(update_fields=["note", "owner"])
    messages.success(request, gettext("Noted."))
    return redirect("/desk/money/")


def _row(row: Discrepancy, owner: Organiser) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": _KINDS[DiscrepancyKind(row.kind)],
        "event": _EVENTS.get(row.event, row.event),
        "about": row.about,
        "ours": _amount(row.ours_minor, row.currency),
        "theirs": _amount(row.theirs_minor, row.currency),
        "first_seen_at": row.first_seen_at,
        "owner": row.owner,
        "is_mine": row.owner is not None and row.owner.id == owner.id,
        "note": row.note,
        "resolved_at": row.resolved_at,
        "end": _ENDS.get(row.resolved_by, ""),
    }


def _amount(amount_minor: int | None, currency: str) -> str:
    return "—" if amount_minor is None else wording.money_text(amount_minor, currency)
