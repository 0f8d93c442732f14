"""Documents of payments and proofs, handed out as files and never shown in the page."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from countmein.campaigns.documents import document_of
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import campaign_by_code
from countmein.members.models import Organiser
from countmein.payments.models import Document, Payout, PayoutState

#: Once money has moved, everybody may see what for.
_PUBLIC = (PayoutState.PAID, PayoutState.RETURNED)


@require_safe
def document(request: HttpRequest, code: str, id: uuid.UUID) -> HttpResponse:
    """Hand out a document: to everybody once it was paid or is a proof, before that to whoever
    decides about it."""
    campaign = campaign_by_code(code)
    found = document_of(campaign, id) if campaign else None
    if campaign is None or found is None or not _may_see(request, campaign, found):
        raise Http404
    answer = HttpResponse(bytes(found.bytes), content_type=found.media_type)
    answer["Content-Disposition"] = content_disposition_header(True, found.name) or "attachment"
    answer["Cache-Control"] = "private, no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def _may_see(request: HttpRequest, campaign: Campaign, found: Document) -> bool:
    if found.proof_id is not None:
        return True
    paid = Payout.objects.filter(lane=campaign.lane, id=found.payout_id, state__in=_PUBLIC)
    if paid.exists():
        return True
    user = request.user
    return isinstance(user, Organiser) and (user.is_owner or user.id == campaign.organiser_id)
