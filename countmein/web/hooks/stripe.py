"""Stripe's signed events: stored once as they came, answered at once, read by a job."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from countmein.base.clock import real_now
from countmein.base.problems import MEDIA_TYPE, Problem, too_large, unavailable
from countmein.payments.models import ProviderEvent
from countmein.payments.providers import PROVIDERS, EventRefused

#: Stripe's largest events are some tens of kilobytes.
LIMIT_BYTES = 256 * 1024


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """Store an event whose signature holds; the same event again changes nothing."""
    try:
        body = request.read(LIMIT_BYTES + 1)
    except UnreadablePostError:
        return _say(Problem(status=400, reason="malformed_body", detail="The body broke off."))
    if len(body) > LIMIT_BYTES:
        return _say(too_large(LIMIT_BYTES))
    signature = request.headers.get("Stripe-Signature", "")
    try:
        now = real_now()
        event = PROVIDERS["stripe"].read_event(body=body, signature=signature, now=now)
        row = ProviderEvent(
            provider="stripe", event_id=event.id, body=dict(event.body), received_at=now
        )
        ProviderEvent.objects.bulk_create([row], ignore_conflicts=True)
    except EventRefused as refused:
        return _say(Problem(status=400, reason="event_refused", detail=str(refused)))
    except DatabaseError:
        # The provider sends it again, for days if need be.
        return _say(unavailable())
    return JsonResponse({"received": True})


def _say(problem: Problem) -> HttpResponse:
    return HttpResponse(
        problem.body(), status=problem.status, content_type=MEDIA_TYPE, headers=problem.headers
    )
