"""Whether the site can do its work: `/readyz`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from countmein.base.clock import real_now
from countmein.base.models import Heartbeat

_WORKER_SILENCE: Final = timedelta(seconds=30)


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 where database, worker and migrations are all well, else 503."""
    try:
        checks = {"database": True, "worker": _worker_beats(), "migrations": _is_migrated()}
    except DatabaseError:
        checks = {"database": False, "worker": False, "migrations": False}
    is_ready = all(checks.values())
    response = JsonResponse({"ready": is_ready, **checks}, status=200 if is_ready else 503)
    response["Cache-Control"] = "no-store"
    if not is_ready:
        response["Retry-After"] = "1"
    return response


def _worker_beats() -> bool:
    return Heartbeat.objects.filter(part="worker", at__gt=real_now() - _WORKER_SILENCE).exists()


def _is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())
