"""The site itself: whether every derived number agrees with what it is derived from."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from countmein.base.problems import Refused, not_found
from countmein.campaigns.selfcheck import self_check
from countmein.watch.alarms import standing
from countmein.web.api import answers
from countmein.web.api.asking import BEARER, actor_of, answer

router = Router(tags=["site"])


@router.get("/self-check", auth=BEARER, response=answers.SelfCheck)
def check_site(request: HttpRequest) -> HttpResponse:
    """Check the site; for its owner."""
    if not actor_of(request).organiser.is_owner:
        raise Refused(not_found())
    checks = self_check()
    is_ok = all(check["ok"] for check in checks)
    alarms = [alarm.said() for alarm in standing()]
    said = {"ok": is_ok, "checks": checks, "alarms": alarms}
    return answer(answers.SelfCheck.model_validate(said))
