"""What the site says about itself: each process's numbers, what was inspected, what is wrong."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from countmein.base.ids import uuid7


class AlarmName(models.TextChoices):
    """What can be wrong; at most one alarm of each stands at a time."""

    SERVER_ERRORS = "server_errors", _("Requests fail")
    WORKER = "worker", _("The worker is silent")
    LEDGER = "ledger", _("The books do not hold")
    COUNT = "count", _("A count is wrong")
    SELF_CHECK = "self_check", _("The site does not keep its word")
    DESK_ACTS = "desk_acts", _("Very many acts at the desk")
    MAILS_REFUSED = "mails_refused", _("Mail servers refuse our mails")
    CERTIFICATE = "certificate", _("The certificate ends soon")
    BACKUP = "backup", _("The backup is too old")
    DISK = "disk", _("The disk is nearly full")
    #: Nothing is wrong: somebody wants to see that the letter arrives.
    DRILL = "drill", _("A drill")


class Alarm(models.Model):
    """Something that was wrong, from the look that saw it to the look that saw it gone.

    Written by whoever looks (`watch.alarms`); a standing one has no `cleared_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=32, choices=AlarmName)
    detail = models.TextField()
    raised_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    #: How often the site's owners were written to about it.
    letters = models.SmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(cleared_at=None),
                name="one_standing_alarm_of_a_name",
            )
        ]
        indexes = [
            # When the owners were last written to about this.
            models.Index(fields=["name", "-told_at"], name="alarm_by_letter"),
        ]

    def said(self) -> dict[str, Any]:
        """How doors tell of it."""
        return {"name": self.name, "detail": self.detail, "raised_at": self.raised_at.isoformat()}


class Report(models.Model):
    """The numbers of one process as of a few seconds ago; written by the process itself."""

    part = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    metrics = models.JSONField()
    #: By how much the numbers that alarms look at have grown lately.
    recent = models.JSONField()


class Inspection(models.Model):
    """The latest run of a check that the site makes by itself; written by the worker."""

    name = models.CharField(max_length=32, primary_key=True)
    at = models.DateTimeField()
    ok = models.BooleanField()
    detail = models.TextField()
    took_seconds = models.FloatField()
