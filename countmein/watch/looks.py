"""What each alarm looks at, and from where on it is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from countmein.base import backup
from countmein.base.clock import real_now
from countmein.base.models import Heartbeat
from countmein.watch.certificate import certificate_fault
from countmein.watch.models import AlarmName
from countmein.watch.reports import recent

#: What a look found, by alarm: what is wrong, or None where all is well. An alarm that a look does
#: not name stays as it is.
Findings = Mapping[AlarmName, str | None]

#: Three heartbeats missed twice over: a worker in a long garbage collection is none that died.
WORKER_SILENCE: Final = timedelta(seconds=30)
#: So many failed requests in a minute, and such a share of all, are no single visitor's bad luck.
_FAILED_AT_LEAST, _FAILED_SHARE = 20, 0.05
#: Nobody presses a button each second for a minute; a stolen session might.
_DESK_ACTS_AT_LEAST: Final = 60
#: Refusals for good in ten minutes: a few dead mailboxes are usual, a tenth is a block list.
_REFUSED_AT_LEAST, _REFUSED_SHARE = 20, 0.1
#: A night's backup that is two hours late.
_BACKUP_AGE: Final = timedelta(hours=26)
_ARCHIVE_AGE: Final = timedelta(minutes=10)
_GIB: Final = 1024**3


def server_errors() -> Findings:
    """Whether many requests fail."""
    failed, asked = recent("failed"), recent("requests")
    said = _("%(failed)d of %(asked)d requests in the last minute failed.") % {
        "failed": failed,
        "asked": asked,
    }
    is_burst = failed >= _FAILED_AT_LEAST and failed >= asked * _FAILED_SHARE
    return {AlarmName.SERVER_ERRORS: said if is_burst else None}


def desk_acts() -> Findings:
    """Whether somebody does very much at the desk."""
    acts = recent("desk_acts")
    said = _("%(acts)d acts at the desk in the last minute: is it you?") % {"acts": acts}
    return {AlarmName.DESK_ACTS: said if acts >= _DESK_ACTS_AT_LEAST else None}


def mails_refused() -> Findings:
    """Whether servers refuse for good what we send."""
    refused, mails = recent("mails_refused"), recent("mails")
    said = _("%(refused)d of %(mails)d mails in ten minutes were refused for good.") % {
        "refused": refused,
        "mails": mails,
    }
    is_storm = refused >= _REFUSED_AT_LEAST and refused >= mails * _REFUSED_SHARE
    return {AlarmName.MAILS_REFUSED: said if is_storm else None}


def worker() -> Findings:
    """Whether the worker has said lately that it lives; asked by those who outlive it."""
    beat = Heartbeat.objects.filter(part="worker").first()
    silence = None if beat is None else real_now() - beat.at
    if silence is not None and silence < WORKER_SILENCE:
        return {AlarmName.WORKER: None}
    since = _("ever") if silence is None else _("%(n)d s") % {"n": silence.total_seconds()}
    said = _("No heartbeat for %(since)s: nothing is counted, charged or sent.") % {"since": since}
    return {AlarmName.WORKER: said}


def certificate() -> Findings:
    """Whether visitors are shown a certificate that is good for a while."""
    return {AlarmName.CERTIFICATE: certificate_fault(settings.SITE_URL, now=real_now())}


def disk() -> Findings:
    """Whether there is room left where the site keeps its files, and its backups."""
    kept = backup.directory()
    wrong = [
        f"{place}: {_('%(n).1f GiB are left') % {'n': free / _GIB}}"
        for place in (_home(), kept)
        if place is not None and place.is_dir()
        for total, _used, free in [shutil.disk_usage(place)]
        if is_nearly_full(total_bytes=total, free_bytes=free)
    ]
    return {AlarmName.DISK: "; ".join(dict.fromkeys(wrong)) or None}


def is_nearly_full(*, total_bytes: int, free_bytes: int) -> bool:
    """Whether so little is left that a busy day, or a large disk's carelessness, could fill it.

    A twentieth of the disk, but no more than 20 GiB and no less than one.
    """
    return free_bytes < max(_GIB, min(total_bytes // 20, 20 * _GIB))


def backups() -> Findings:
    """Whether the last night's backup was made, and what happened since is archived.

    A site that keeps its database elsewhere is backed up there; this look knows nothing of it.
    """
    kept = backup.directory()
    if kept is None:
        return {AlarmName.BACKUP: None}
    now = real_now()
    began_at, latest = backup.began_at(kept), backup.latest(kept)
    since = latest.finished_at if latest is not None else began_at
    if since is not None and now - since > _BACKUP_AGE:
        said = _("The latest backup in %(place)s is %(hours)d hours old.")
        age = (now - since).total_seconds() // 3600
        return {AlarmName.BACKUP: said % {"place": kept, "hours": age}}
    return {AlarmName.BACKUP: _archive_fault()}


def _archive_fault() -> str | None:
    """What keeps the log from being archived, if it was for a while."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT last_failed_wal, coalesce(last_archived_time, stats_reset)
               FROM pg_stat_archiver
               WHERE last_failed_time > coalesce(last_archived_time, '-infinity')
                 AND coalesce(last_archived_time, stats_reset, '-infinity')
                     < clock_timestamp() - %s""",
            [_ARCHIVE_AGE],  # type: ignore[list-item]
        )
        row = cursor.fetchone()
    if row is None:
        return None
    return _("The log cannot be archived since %(at)s; see log/database.log.") % {"at": row[1]}


def _home() -> Path | None:
    said = os.environ.get("COUNTMEIN_HOME")
    return Path(said) if said else None
