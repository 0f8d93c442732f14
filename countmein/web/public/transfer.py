"""What a member is asked to transfer: the account, the amount, the reference, and a picture."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from countmein.campaigns import wording
from countmein.campaigns.models import Campaign
from countmein.campaigns.transfers import transfer_of
from countmein.payments.bank.epc_qr import png
from countmein.web.public.mine import asked_for


@never_cache
@require_safe
def transfer(request: HttpRequest, code: str) -> HttpResponse:
    """Show what is awaited; where nothing is, lead back to the pledge."""
    row = asked_for(request, code)
    wanted = transfer_of(row)
    if wanted is None:
        messages.info(request, gettext("Nothing is to be transferred now."))
        return redirect(f"/p/{row.code}/?receipt={request.GET['receipt']}")
    context = {
        "code": row.code,
        "receipt": request.GET["receipt"],
        "campaign": Campaign.objects.get(id=row.campaign_id),
        "slip": wanted.slip,
        "amount": wording.money_text(wanted.slip.amount.amount_minor, wanted.slip.amount.currency),
        "arrived": wanted.arrived_minor
        and wording.money_text(wanted.arrived_minor, wanted.slip.amount.currency),
        "last_at": wanted.last_at,
    }
    return render(request, "public/transfer.html", context)


@never_cache
@require_safe
def picture(request: HttpRequest, code: str) -> HttpResponse:
    """Return the picture that a banking app reads. Raises Http404 where nothing is awaited."""
    wanted = transfer_of(asked_for(request, code))
    if wanted is None:
        raise Http404
    return HttpResponse(png(wanted.slip), content_type="image/png")
