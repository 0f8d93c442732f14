"""The owner's desk for the bank: statements in, what waits for a person, orders out."""

from __future__ import annotations

import uuid
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from countmein.campaigns.bodies import STATEMENT_LIMIT_BYTES
from countmein.members.models import Organiser
from countmein.payments.actions import bank_queue
from countmein.payments.actions.bank_import import import_statements
from countmein.payments.actions.bank_orders import (
    OrderImpossible,
    PayeeRefused,
    fill_in,
    make_order,
    order_bytes,
    read_report,
)
from countmein.payments.actions.bank_queue import ActRefused, Why
from countmein.payments.bank.elements import BankFileRefused
from countmein.payments.bank_models import BankOrder
from countmein.web.desk import bank_views
from countmein.web.desk.money import owner_of
from countmein.web.forms import Filled

_HOME: Final = "/desk/bank/"
#: Less what a form adds to its file; whoever has more imports it by the command.
UPLOAD_BYTES_AT_MOST: Final = STATEMENT_LIMIT_BYTES - 64 * 1024
_REPORT_BYTES_AT_MOST: Final = 16 * 1024 * 1024
_NOTE_LENGTH: Final = 2_000

_WHY: Final[dict[str, str | Promise]] = {
    Why.done: _("Somebody has dealt with it meanwhile."),
    Why.not_a_reference: _("This is not a reference: perhaps a letter is wrong."),
    Why.nothing_awaited: _("Nothing was awaited, or has come, under this reference."),
    Why.no_money: _("This is no payment to us, so nothing can go back."),
    Why.no_excess: _("It is not too much, or not any more: look at it again."),
    Why.still_awaited: _("Its pledge still waits for it, so it cannot be put aside."),
    Why.not_the_sum: _("It is not the sum that was paid, or some of that was given back already."),
    Why.refund_ordered: _(
        "A refund of it is in an order: have the bank stop that payment, and bring in the bank’s"
        " answer first."
    ),
    Why.note_missing: _("Write down why it is nobody else's."),
}


@never_cache
@login_required
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """Show what waits for a person, what is to be paid, and what is awaited."""
    owner_of(request)
    return render(request, "desk/bank.html", bank_views.desk_view(request.GET))


@never_cache
@login_required
@require_POST
def imported(request: HttpRequest) -> HttpResponse:
    """Take in a statement (camt.053), or what the bank said to an order (pain.002)."""
    owner, file = owner_of(request), request.FILES.get("file")
    if not isinstance(file, UploadedFile) or not file.size:
        messages.error(request, gettext("Choose the file that the bank gave you."))
    elif file.size > UPLOAD_BYTES_AT_MOST:
        messages.error(
            request, gettext("This file is too large here: use the command countmein bank import.")
        )
    else:
        _take_in(request, owner, file)
    return redirect(_HOME)


def _take_in(request: HttpRequest, owner: Organiser, file: UploadedFile[Any]) -> None:
    beginning = file.read(4096)
    file.seek(0)
    try:
        if b"pain.002" in beginning:
            _read_report(request, file)
            return
        done = import_statements(
            file.file,  # type: ignore[arg-type]
            by=owner,
            bytes_at_most=UPLOAD_BYTES_AT_MOST,
        )
    except BankFileRefused as refused:
        words = gettext("This file was not taken in, and nothing of it is kept: %(why)s.")
        messages.error(request, words % {"why": refused})
        return
    words = ngettext(
        "Taken in: %(fresh)s of %(count)s entry is new.",
        "Taken in: %(fresh)s of %(count)s entries are new.",
        done.entries,
    )
    messages.success(request, words % {"fresh": done.fresh, "count": done.entries})


def _read_report(request: HttpRequest, file: UploadedFile[Any]) -> None:
    try:
        count = read_report(file.read(_REPORT_BYTES_AT_MOST))
    except OrderImpossible:
        messages.error(request, gettext("This answer is about no order of ours."))
        return
    words = ngettext(
        "The bank rejects %(count)s payment.", "The bank rejects %(count)s payments.", count
    )
    messages.success(request, words % {"count": count})


@never_cache
@login_required
@require_POST
def entry(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Do with an entry what its owner chose."""
    owner, form = owner_of(request), Filled.of(request.POST)
    try:
        messages.success(request, _acted(id, form, owner))
    except ActRefused as refused:
        messages.error(request, str(_WHY[refused.why]))
    return redirect(_HOME)


def _acted(id: uuid.UUID, form: Filled, owner: Organiser) -> str:
    match form.said("act"):
        case "assign":
            bank_queue.assign(id, reference=form.said("reference"), by=owner)
            return gettext("Assigned, and judged anew.")
        case "return_excess":
            bank_queue.return_excess(id, by=owner)
            return gettext("Booked; what is too much goes into the next order.")
        case "return_all":
            bank_queue.return_all(id, by=owner)
            return gettext("All of it goes into the next order.")
        case "taken_back":
            bank_queue.taken_back(id, reference=form.said("reference"), by=owner)
            return gettext("Booked: the money is back with its payer.")
        case "close":
            bank_queue.note(id, text=form.said("note")[:_NOTE_LENGTH], closes=True, by=owner)
            return gettext("Put aside.")
        case "note":
            bank_queue.note(id, text=form.said("note")[:_NOTE_LENGTH], closes=False, by=owner)
            return gettext("Noted.")
        case _:
            return gettext("Nothing was done: no act was chosen.")


@never_cache
@login_required
@require_POST
def transfer(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Keep to whom a transfer goes that lacked it, or could not be made."""
    owner_of(request)
    form = Filled.of(request.POST)
    try:
        fill_in(id, name=form.said("name"), iban=form.said("iban"))
        messages.success(request, gettext("It goes into the next order."))
    except PayeeRefused:
        messages.error(
            request,
            gettext("Write a name in Latin letters and a whole account number (IBAN)."),
        )
    return redirect(_HOME)


@never_cache
@login_required
@require_POST
def ordered(request: HttpRequest) -> HttpResponse:
    """Put all that is due into an order."""
    owner = owner_of(request)
    try:
        made = make_order(by=owner)
        words = gettext("Order %(name)s is made: download it and hand it to the bank.")
        messages.success(request, words % {"name": made.message_id})
    except OrderImpossible:
        messages.error(request, gettext("There is nothing to order now."))
    return redirect(_HOME)


@never_cache
@login_required
@require_safe
def order_file(request: HttpRequest, id: uuid.UUID) -> HttpResponse:
    """Return the order as the file for the bank, the same each time."""
    owner_of(request)
    order = get_object_or_404(BankOrder, id=id)
    try:
        file = order_bytes(order)
    except OrderImpossible:
        messages.error(
            request, gettext("To whom this order paid has been forgotten: there is no file of it.")
        )
        return redirect(_HOME)
    answer = HttpResponse(file, content_type="application/xml")
    answer["Content-Disposition"] = f'attachment; filename="{order.message_id}.xml"'
    return answer
