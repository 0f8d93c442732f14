"""A campaign lapses: everybody is let go and told. Beside it, what the mail server takes."""

from __future__ import annotations

import smtplib
import time
from typing import Any
from urllib.parse import urlsplit

from bench.figures import Asked, Findings
from bench.pledges import one_pledge
from bench.seeding import Crowd
from bench.site import Campaign, Site, running

_MAILS = 2_000
#: Below this rate we stop waiting and say how far it came.
_LEAST_A_SECOND = 50.0


def measure(asked: Asked) -> Findings:
    """`size` pledges lapse in each round, on a site of its own."""
    found, size = Findings(), asked.size_or(100_000)
    for _ in range(asked.rounds):
        with running() as site:
            _round(site, found, size)
    return found


def _round(site: Site, found: Findings, size: int) -> None:
    campaign = site.launch()
    one_pledge(site, campaign)
    Crowd(site.dsn, campaign_id=campaign.id, kind=1).grow(size - 1, with_people=True)
    patience = 30 + size / _LEAST_A_SECOND
    site.until(lambda: _people(site, campaign) == size, seconds=patience)
    held_before = site.memory_mib()["worker"]
    used_before = site.processor_seconds()
    began = time.perf_counter()
    with site.database() as connection:
        for table in ("campaigns_gate", "campaigns_campaign"):
            connection.execute(
                f"UPDATE {table} SET deadline = clock_timestamp() WHERE id = %s", [campaign.id]
            )
    most = [held_before]

    def is_over() -> bool:
        most.append(site.memory_mib()["worker"])
        return bool(site.ask("SELECT closed_at FROM campaigns_gate WHERE id = %s", campaign.id))

    released = site.until(is_over, seconds=patience, pause=0.2)

    def are_told() -> bool:
        most.append(site.memory_mib()["worker"])
        return _sent(site) >= size

    site.until(are_told, seconds=patience, pause=0.5)
    told, sent = time.perf_counter() - began, _sent(site)
    used = site.processor_seconds() - used_before
    found.add(f"{size:,} let go", size / released, "1/s")
    found.add(f"{size:,} let go and told", sent / told, "1/s", at_least=500)
    found.add("CPU, worker and database", _each(used, ("worker", "database"), size), "µs each")
    found.add("memory the worker gained", max(most) - held_before, "MiB")
    _verify(site, found, campaign, size)
    found.add("mail server alone", _sink(site), "1/s", role="limit")


def _each(used: Any, parts: tuple[str, ...], size: int) -> float:
    return sum(used[part] for part in parts) / size * 1e6


def _people(site: Site, campaign: Campaign) -> int:
    return int(site.ask("SELECT people FROM campaigns_tally WHERE id = %s", campaign.id) or 0)


def _sent(site: Site) -> int:
    return int(
        site.ask("SELECT count(*) FROM outreach_delivery WHERE topic='lapsed' AND state = 'sent'")
    )


def _verify(site: Site, found: Findings, campaign: Campaign, size: int) -> None:
    """Everybody is let go, and has one mail."""
    with site.database() as connection:
        states = dict(
            connection.execute(
                "SELECT state, count(*) FROM campaigns_pledge WHERE lane = %s AND campaign_id = %s"
                " GROUP BY 1",
                [campaign.lane, campaign.id],
            ).fetchall()
        )
    found.require(states == {"released": size}, f"{size} pledges came to {states}")
    sent = _sent(site)
    found.require(sent == size, f"{size} to tell, {sent} told")
    found.require(not (faults := site.self_check()), ", ".join(faults))
    found.facts["told"] = sent


def _sink(site: Site) -> float:
    """Mails a second over one connection, as our channel sends them."""
    where = urlsplit(site.published["SMTP_URL"])
    text = "Subject: A letter\r\nFrom: a@example.org\r\n\r\n" + "Nothing was charged.\r\n" * 100
    with smtplib.SMTP(where.hostname or "", where.port or 0) as connection:
        began = time.perf_counter()
        for number in range(_MAILS):
            connection.sendmail("a@example.org", [f"sink.{number}@example.org"], text)
        return _MAILS / (time.perf_counter() - began)
