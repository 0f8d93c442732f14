"""Plumbing tables: the site's clock and the answers kept for repeated requests."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models

from countmein.base.ids import uuid7


class SiteClock(models.Model):
    """One row: how far the site's time is ahead of the database's. Zero outside the sandbox."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    offset = models.DurationField(default=timedelta(0))

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="site_clock_is_one_row")
        ]


class KeptAnswer(models.Model):
    """The first answer to a request with an idempotency key; written by the door, kept 24 hours."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    scope = models.CharField(max_length=64)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    status = models.SmallIntegerField()
    body = models.JSONField(null=True)
    kept_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "key"], name="one_answer_per_key"),
        ]


class Heartbeat(models.Model):
    """When each part of the site last said that it is alive; written by the part itself."""

    part = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()


class Walk(models.Model):
    """How far a walk once over all rows of a table has come; written with each slice it does."""

    name = models.CharField(max_length=48, primary_key=True)
    after_lane = models.IntegerField(default=-1)
    after_id = models.UUIDField(default=uuid.UUID(int=0))
    done_at = models.DateTimeField(null=True)
