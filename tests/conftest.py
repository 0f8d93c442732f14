"""The cast, the worker that does what is due, and the witnesses outside the database."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from countmein.base.clock import set_offset, site_now
from countmein.campaigns.models import Campaign
from countmein.members.models import Organiser


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Between tests the tables are emptied, which the site itself may not do to its books.

    Children that a test has killed may leave a session behind for a moment; it would keep the
    database from being dropped.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in ("ledger_transfer", "log_entry", "log_signedcheckpoint", "log_fact"):
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table])
            if cursor.fetchone() == (True,):
                cursor.execute(f"GRANT TRUNCATE ON {table} TO CURRENT_USER")
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )


def ask(url: str) -> Any:
    """Read a JSON page of a sandbox service."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


class Site:
    """What a test does with the whole site: let it work, move its clock, read its witnesses."""

    def work(self) -> None:
        """Do all work that is due now, as the worker would, until nothing is left."""
        from procrastinate.contrib.django import app

        from countmein import schedule

        app.perform_import_paths()
        for _round in range(200):
            schedule.sweep()
            with connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM procrastinate_jobs WHERE status = 'todo' "
                    "RETURNING id, task_name, args"
                )
                jobs = sorted(cursor.fetchall())
            if not jobs:
                return
            for _id, name, args in jobs:
                app.tasks[name](**(json.loads(args) if isinstance(args, str) else args))
        raise AssertionError("the site never comes to rest")

    def advance(self, by: timedelta) -> None:
        """Move the site's clock on."""
        from countmein.base.clock import offset

        set_offset(offset() + by)

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """The mails that really arrived in the sandbox's mailbox, oldest first."""
        url = f"{settings.OUTBOX_URL}/messages?limit=1000" + (f"&to={to}" if to else "")
        return list(ask(url)["items"])

    def charged(self) -> list[dict[str, Any]]:
        """What the provider says it has charged."""
        return list(ask(f"{settings.STRIPE_API_BASE}/_book/charges")["items"])

    def check(self) -> None:
        """The self-check must be green, and the public log right as far as it is signed."""
        from countmein.campaigns.selfcheck import self_check
        from countmein.log import keys, queries
        from countmein.rules import verify

        wrong = [c for c in self_check() if not c["ok"] and c["name"] != "provider_agrees"]
        assert [] == wrong
        verify.verify_export(queries.export(), keys.verifier_key())


@pytest.fixture
def site(transactional_db: None) -> Iterator[Site]:
    """The site at rest, its clock at the real time; no flush empties the table of jobs."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    # The log of this test begins anew, and so does what its key has signed.
    (Path(settings.LOG_DIR) / "log_last").unlink(missing_ok=True)
    # All tests share one provider: this site reads its statement from here on.
    from countmein.payments.actions.statement import OVERLAP, begin_statement

    statement = begin_statement()
    statement.began_at = statement.since = statement.since + OVERLAP
    statement.save()
    yield Site()


@pytest.fixture
def ana(transactional_db: None) -> Organiser:
    """Ana organises."""
    return Organiser.objects.create_user(email="ana@example.org", name="Ana")


@pytest.fixture
def cleo(transactional_db: None) -> Organiser:
    """Cleo organises too, but may not look at what is Ana's."""
    return Organiser.objects.create_user(email="cleo@example.org", name="Cleo")


Launch = Callable[..., Campaign]


@pytest.fixture
def launch(ana: Organiser) -> Launch:
    """Launch a campaign of Ana's: a petition that tips at 3, unless told otherwise."""
    from countmein.campaigns.actions.draft import draft
    from countmein.campaigns.actions.launch import launch as open_door
    from countmein.campaigns.bodies import CampaignBody

    def begin(**terms: Any) -> Campaign:
        said = {
            "title": "Open the library on Sundays",
            "kinds": ["signature"],
            "rule": {"people": 3},
            "deadline": (site_now() + timedelta(days=30)).isoformat(),
            "confirm": "none",
            **terms,
        }
        campaign = draft(organiser=ana, body=CampaignBody.model_validate(said))
        open_door(campaign=campaign)
        return campaign

    return begin


@pytest.fixture
def join() -> Callable[..., dict[str, Any]]:
    """Pledge as somebody and return the answer; a refusal is raised."""
    from countmein.campaigns.actions.pledge import pledge
    from countmein.campaigns.bodies import PledgeBody
    from countmein.campaigns.pledge_terms import PledgeRequest

    def promise(campaign: Campaign, who: str, *, key: str | None = None, **said: Any) -> Any:
        body = {
            "kind": campaign.kinds[0],
            "member": {"email": f"{who}@example.org", "name": who.title()},
            **said,
        }
        request = PledgeRequest(body=PledgeBody.model_validate(body), key=key or f"key-{who}")
        (answer,) = pledge(campaign=campaign, requests=[request])
        if isinstance(answer, Exception):
            raise answer
        return answer.body

    return promise
