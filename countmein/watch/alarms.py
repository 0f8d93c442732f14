"""Raising and clearing alarms: a row for each, once, and a letter to the site's owners."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from countmein.base.clock import real_now
from countmein.members.models import Organiser
from countmein.members.queries import site_owners
from countmein.outreach.actions import Letterhead, Post, address_lane, post, send_now
from countmein.watch.models import Alarm, AlarmName

log = logging.getLogger(__name__)

#: However often something comes and goes, the owners read of it once in this time.
_QUIET: Final = timedelta(hours=1)
#: What still stands after this is said again.
_AGAIN: Final = timedelta(hours=24)
_LANGUAGE: Final = "en-gb"
_DETAIL_LENGTH: Final = 2_000


def settle(name: AlarmName, detail: str | None) -> Alarm | None:
    """Raise or keep the alarm where a look found something, clear it where it found nothing.

    Return the alarm that stands now. Many may look at the same moment: one row is made, one letter
    written, by whoever comes first.
    """
    if detail is None:
        if Alarm.objects.filter(name=name, cleared_at=None).update(cleared_at=real_now()):
            log.warning("alarm over: %s", name)
        return None
    now = real_now()
    with transaction.atomic():
        raised = Alarm(name=name, detail=detail[:_DETAIL_LENGTH], raised_at=now)
        Alarm.objects.bulk_create([raised], ignore_conflicts=True)
        # The lock is what makes the letter one: who comes second finds that it was written.
        alarm = Alarm.objects.select_for_update().filter(name=name, cleared_at=None).first()
        if alarm is None:
            return None
        if alarm.id == raised.id:
            log.error("alarm: %s: %s", name, detail)
        alarm.detail = raised.detail
        _write_if_due(alarm, now)
        alarm.save(update_fields=["detail", "told_at", "letters"])
    return alarm


def standing() -> list[Alarm]:
    """The alarms that stand now, the oldest first."""
    return list(Alarm.objects.filter(cleared_at=None).order_by("raised_at"))


def drill() -> bool:
    """Raise an alarm about nothing, and end it; tell whether a letter was written.

    There is nobody to write to on a site without an owner, and of one alarm at most once an hour.
    """
    alarm = settle(AlarmName.DRILL, _("A drill: if you read this, alarms reach you."))
    settle(AlarmName.DRILL, None)
    return alarm is not None and alarm.letters > 0


def _write_if_due(alarm: Alarm, now: datetime) -> None:
    """Write to the owners unless they have read of this lately."""
    owners = site_owners()
    waits = _AGAIN if alarm.told_at is not None else _QUIET
    lately = Alarm.objects.filter(name=alarm.name, told_at__gt=now - waits)
    if not owners or lately.exists():
        return
    alarm.told_at, alarm.letters = now, alarm.letters + 1
    with translation.override(_LANGUAGE):
        letter = _letter(alarm)
    post([_to(owner, alarm, letter) for owner in owners])


def hand_over(alarm: Alarm) -> None:
    """Send the letters of an alarm from this very process: for when no worker lives to do it."""
    posts = [(address_lane(owner.email), _once(alarm, owner)) for owner in site_owners()]
    send_now(posts)


def _to(owner: Organiser, alarm: Alarm, letter: Letterhead) -> Post:
    return Post(
        once=_once(alarm, owner),
        topic="alarm",
        letter=letter,
        lane=address_lane(owner.email),
        to_address=owner.email,
        language=_LANGUAGE,
    )


def _once(alarm: Alarm, owner: Organiser) -> str:
    return f"alarm:{alarm.id}:{alarm.letters}:{owner.id}"


def _letter(alarm: Alarm) -> Letterhead:
    what = AlarmName(alarm.name).label
    at = alarm.raised_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Letterhead(
        subject=_("Alarm at %(site)s: %(what)s") % {"site": settings.SITE_NAME, "what": what},
        lines=(alarm.detail,),
        facts=((_("Since"), at), (_("Name"), alarm.name)),
        links=((_("See what stands"), f"{settings.SITE_URL}/desk/"),),
        footer=_("You run this site. Of one alarm you read at most once an hour."),
    )
