"""What a member carries along: the picture of a code, and the appointment for a calendar."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from countmein.base.clock import site_now
from countmein.campaigns.letters import event_of
from countmein.campaigns.links import campaign_url
from countmein.campaigns.models import Campaign, Ticket
from countmein.outreach.letters import calendar, qr_png
from countmein.web.public.mine import asked_for


@never_cache
@require_safe
def picture(request: HttpRequest, code: str) -> HttpResponse:
    """Return the QR picture of a voucher or a check-in code."""
    row = asked_for(request, code)
    tickets = Ticket.objects.filter(lane=row.lane, pledge_id=row.id).order_by("kind")
    if kind := request.GET.get("kind"):
        tickets = tickets.filter(kind=kind)
    ticket = tickets.first()
    if ticket is None:
        raise Http404
    return HttpResponse(qr_png(ticket.code), content_type="image/png")


@never_cache
@require_safe
def appointment(request: HttpRequest, code: str) -> HttpResponse:
    """Return the appointment as an .ics file; before the tip as one that may yet not take place."""
    row = asked_for(request, code)
    campaign = Campaign.objects.get(id=row.campaign_id)
    event = event_of(campaign, uid=row.code, url=campaign_url(campaign), stamp=site_now())
    if event is None or row.state not in ("active", "accepted", "fulfilled"):
        raise Http404
    if row.state == "active":
        title = gettext("If enough are in: %(title)s") % {"title": campaign.title}
        event |= {"title": title, "status": "TENTATIVE"}
    answer = HttpResponse(calendar(event), content_type="text/calendar; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="appointment.ics"'
    return answer
