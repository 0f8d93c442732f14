"""Single steps timed inside one process, on the database the environment names; prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from statistics import median
from typing import Any

_TIMES = 15


def main() -> None:
    """`python -m bench.steps crowd|campaigns CODE`: milliseconds of each step, the middle of 15."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "countmein.settings")
    import django

    django.setup()
    from django.test import Client

    from countmein.campaigns.models import Campaign

    what, code = sys.argv[1:]
    campaign = Campaign.objects.get(code=code)
    # The name of the site is what the host check knows.
    public, organiser = Client(), Client()
    organiser.force_login(
        campaign.organiser, backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    steps = _crowd if what == "crowd" else _campaigns
    print(json.dumps(steps(campaign, public, organiser)))


def _crowd(campaign: Any, public: Any, organiser: Any) -> dict[str, float]:
    from countmein.campaigns.actions.count import count

    pledges = _Pledges(campaign)
    return {
        "pledge": _middle(pledges.one),
        "count": _middle(lambda: count(str(campaign.id)), before=pledges.one),
        "page": _middle(lambda: _see(public, f"/c/{campaign.code}/")),
        "organiser's list": _middle(lambda: _see(organiser, f"/organise/{campaign.code}/")),
        "pledged": pledges.made,
    }


def _campaigns(campaign: Any, public: Any, organiser: Any) -> dict[str, float]:
    from countmein.schedule import sweep

    pledges = _Pledges(campaign)
    return {
        "pledge": _middle(pledges.one),
        "page": _middle(lambda: _see(public, f"/c/{campaign.code}/")),
        "list of campaigns": _middle(lambda: _see(public, "/campaigns/")),
        "organiser's list": _middle(lambda: _see(organiser, "/organise/")),
        "first page": _middle(lambda: _see(public, "/")),
        "sweep": _middle(sweep),
    }


class _Pledges:
    """Pledges by the verb, each from a mailbox of its own."""

    def __init__(self, campaign: Any) -> None:
        self._campaign = campaign
        self.made = 0

    def one(self) -> None:
        from countmein.campaigns.actions.pledge import Answer, PledgeRequest, pledge
        from countmein.campaigns.bodies import PledgeBody

        name = uuid.uuid4().hex
        said = {
            "kind": "signature",
            "amount": 1,
            "member": {"email": f"{name}@example.org", "name": "Ben"},
        }
        request = PledgeRequest(body=PledgeBody.model_validate(said), key=name)
        (answer,) = pledge(campaign=self._campaign, requests=[request])
        assert isinstance(answer, Answer), answer
        self.made += 1


def _middle(act: Callable[[], object], *, before: Callable[[], object] | None = None) -> float:
    """Milliseconds, the middle of several times; the first one finds cold code and is left out."""
    times = []
    for _ in range(_TIMES + 1):
        if before is not None:
            before()
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times[1:])


def _see(client: Any, path: str) -> None:
    answer = client.get(path, headers={"host": "127.0.0.1"})
    assert answer.status_code == 200, f"{path}: {answer.status_code}"


if __name__ == "__main__":
    main()
