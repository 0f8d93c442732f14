"""The peer's tables and its one view; see `bench.locking`."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone

from bench.locking import body_of


class LockedCampaign(models.Model):
    """A campaign that counts its own pledges."""

    code = models.CharField(max_length=32, unique=True)
    people = models.BigIntegerField(default=0)
    amount = models.BigIntegerField(default=0)
    goal = models.BigIntegerField(default=10**9)
    tipped_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "bench"
        db_table = "bench_locked_campaign"


class LockedPledge(models.Model):
    """A pledge with every field of the contract."""

    campaign = models.ForeignKey(LockedCampaign, on_delete=models.CASCADE)
    key = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    amount = models.BigIntegerField()
    email = models.CharField(max_length=254)
    name = models.CharField(max_length=100)
    place = models.CharField(max_length=100)
    condition = models.JSONField(null=True)
    public_name = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        app_label = "bench"
        db_table = "bench_locked_pledge"
        constraints = [
            models.UniqueConstraint(fields=["campaign", "key"], name="bench_one_per_key"),
            models.UniqueConstraint(fields=["campaign", "email"], name="bench_one_per_email"),
        ]


def pledge(request: HttpRequest, code: str) -> JsonResponse:
    """Take one pledge: lock the campaign, insert, count."""
    said: dict[str, Any] = body_of(request)
    now = timezone.now()
    try:
        with transaction.atomic():
            campaign, _made = LockedCampaign.objects.get_or_create(code=code)
            campaign = LockedCampaign.objects.select_for_update().get(id=campaign.id)
            row = LockedPledge.objects.create(
                campaign=campaign,
                key=request.headers["Idempotency-Key"],
                kind=said["kind"],
                amount=said["amount"],
                email=said["member"]["email"],
                name=said["member"]["name"],
                place=said["place"],
                condition=said.get("condition"),
                public_name=said["public_name"],
                at=now,
            )
            campaign.people += 1
            campaign.amount += row.amount
            if campaign.tipped_at is None and campaign.people >= campaign.goal:
                campaign.tipped_at = now
            campaign.save(update_fields=["people", "amount", "tipped_at"])
    except IntegrityError:
        return JsonResponse({"reason": "already_pledged"}, status=409)
    return JsonResponse({"id": row.id, "state": "active", "people": campaign.people}, status=201)


urlpatterns = [path("api/v1/campaigns/<slug:code>/pledges", pledge)]


def make_tables() -> None:
    """Make the tables once."""
    if "bench_locked_campaign" in connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        editor.create_model(LockedCampaign)
        editor.create_model(LockedPledge)
