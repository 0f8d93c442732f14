"""A tip: every pledge is accepted and its charge planned, then the charges are made.

Beside planning stands the plainest INSERT ... SELECT of the same charges, beside charging the
provider's own rate.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from bench.figures import Asked, Findings
from bench.load import NUMBER, Job, Kind, run
from bench.pledges import one_pledge
from bench.seeding import Crowd, columns_of, id_of
from bench.site import Campaign, Site, running
from countmein.cli.door import Door

_CHARGED = 20_000
_AMOUNT_MINOR = 1_500
#: Planning is watched for so long; what is left then is told by the rate.
_PLAN_SECONDS = 120.0
_PLAN_GOAL_SECONDS = 5.0
_PLAN_SIZE = 1_000_000


def measure(asked: Asked) -> Findings:
    """`size` charges planned, and as many, at most 20,000, made."""
    found, size = Findings(), asked.size_or(_PLAN_SIZE)
    for _ in range(asked.rounds):
        # So slow a provider that next to nothing is charged beside.
        with running(CHARGES_PER_SECOND="1") as site:
            _plan(site, found, size)
        with running() as site:
            _charge(site, found, min(size, _CHARGED), asked.seconds)
    return found


def _plan(site: Site, found: Findings, size: int) -> None:
    campaign = _crowd(site, size, with_people=False)
    held, used_before = site.memory_mib()["worker"], site.processor_seconds()
    most = [held]
    tipped = site.until(lambda: _state(site, campaign) != "open", seconds=120)
    began = time.perf_counter()

    def is_planned() -> bool:
        most.append(site.memory_mib()["worker"])
        return not site.ask(
            "SELECT EXISTS (SELECT FROM campaigns_pledge WHERE lane = %s AND campaign_id = %s"
            " AND state = 'active')",
            campaign.lane,
            campaign.id,
        )

    site.until(is_planned, seconds=_PLAN_SECONDS, pause=0.1)
    took = time.perf_counter() - began
    used = site.processor_seconds() - used_before
    planned = site.ask("SELECT count(*) FROM payments_charge")
    accepted = site.ask("SELECT count(*) FROM campaigns_pledge WHERE state IN ('accepted')")
    paid = site.ask("SELECT count(*) FROM campaigns_pledge WHERE state IN ('fulfilled')")
    # Whatever slice is under way commits both or neither; the two looks may differ by slices.
    is_over = planned == size
    found.require(
        not is_over or accepted + paid == size, f"{planned} charges, {accepted} + {paid} accepted"
    )
    goal: dict[str, Any] = {"at_most": _PLAN_GOAL_SECONDS} if size == _PLAN_SIZE else {}
    found.add(f"plan {size:,} charges", took * size / max(planned, 1), "s", **goal)
    found.add("charges planned", planned / took, "1/s")
    found.facts["planned while we watched"] = f"{planned:,} of {size:,}"
    if tipped == float("inf"):
        found.faults.append("it never tipped")
    each = max(planned, 1)
    for part in ("worker", "database"):
        found.add(f"CPU to plan one, {part}", used[part] / each * 1e6, "µs each")
    found.add("memory the worker gained", max(most) - held, "MiB")
    found.add(f"INSERT … SELECT of {size:,} charges", _inserted(site, size), "s", role="limit")


def _inserted(site: Site, size: int) -> float:
    with site.database() as connection:
        connection.execute("CREATE TABLE bench_charge (LIKE payments_charge INCLUDING ALL)")
        changed = {"id": id_of("n", 9), "pledge_id": id_of("n", 9)}
        columns = columns_of(connection, "payments_charge") | changed
        named = ", ".join(f'"{name}"' for name in columns)
        began = time.perf_counter()
        connection.execute(
            f"INSERT INTO bench_charge ({named}) SELECT {', '.join(columns.values())}"
            " FROM (SELECT * FROM payments_charge LIMIT 1) t,"
            " generate_series(1::bigint, %s::bigint) n",
            [size],
        )
        return time.perf_counter() - began


def _charge(site: Site, found: Findings, size: int, seconds: float) -> None:
    campaign = _crowd(site, size, with_people=True)
    site.until(lambda: _paid(site) > 0, seconds=120, pause=0.02)
    begun, began, used_before = _paid(site), time.perf_counter(), site.processor_seconds()
    site.until(lambda: _paid(site) >= size, seconds=60 + size / 50, pause=0.1)
    took = time.perf_counter() - began
    used = site.processor_seconds() - used_before
    done = _paid(site)
    found.add("charges made", (done - begun) / took, "1/s")
    for part in ("worker", "database", "payments"):
        found.add(f"CPU to charge one, {part}", used[part] / max(1, done - begun) * 1e6, "µs each")
    _verify(site, found, campaign, size)
    own = _provider(site, found, seconds)
    share = (done - begun) / took / own * 100
    found.add("share of the provider's rate", share, "%", at_least=90)


def _verify(site: Site, found: Findings, campaign: Campaign, size: int) -> None:
    """The provider's book, our ledger and the pledges tell the same."""
    site.until(lambda: _state(site, campaign) == "settled", seconds=120)
    found.require(_state(site, campaign) == "settled", f"it is {_state(site, campaign)}")
    book = Door(site.published["STRIPE_API_BASE"]).get("/_book/summary")
    entered = site.ask("SELECT sum(amount_minor) FROM ledger_transfer WHERE kind = 'charge'")
    promised = size * _AMOUNT_MINOR
    found.require(book["charges"] == size, f"{size} to charge, {book['charges']} in the book")
    found.require(
        book["charged"].get("eur") == entered == promised,
        f"promised {promised}, charged {book['charged']}, entered {entered}",
    )
    found.require(not (faults := site.self_check()), ", ".join(faults))
    found.facts["charged, by the provider's book"] = book["charges"]


def _provider(site: Site, found: Findings, seconds: float) -> float:
    """What the provider takes a second, asked directly for payments of the same card."""
    where = urlsplit(site.published["STRIPE_API_BASE"])
    card = site.ask("SELECT max(provider_reference) FROM payments_mandate")
    customer, _, method = (card or "cus:pm").partition(":")
    said = {
        "amount": _AMOUNT_MINOR,
        "currency": "eur",
        "customer": customer,
        "payment_method": method,
        "allowed_payment_method_types[0]": "card",
        "confirm": "true",
        "off_session": "true",
    }
    body = urlencode(said)
    request = (
        f"POST /v1/payment_intents HTTP/1.1\r\nHost: 127.0.0.1:{where.port}\r\n"
        f"Authorization: Bearer {site.published['STRIPE_API_KEY']}\r\n"
        f"Idempotency-Key: bench-{NUMBER}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    kind = Kind(name="charge", request=request)
    port = where.port or 0
    report = run(Job(host="127.0.0.1", port=port, kinds=[kind], connections=8, seconds=seconds))
    rate = report.kinds["charge"].of(200) / report.seconds
    found.require(rate > 0, f"the provider refused: {report.kinds['charge'].statuses}")
    found.add("the provider alone", rate, "1/s", role="limit")
    return rate or 1.0


def _crowd(site: Site, size: int, *, with_people: bool) -> Campaign:
    """A campaign that tips with the last one of so many pledges, all of one card."""
    campaign = site.launch(
        title="An organ for the church",
        kinds=["money"],
        currency="EUR",
        rule={"people": size},
        places=[],
    )
    said = {"kind": "money", "amount": _AMOUNT_MINOR, "payment_method": "pm_card_visa"}
    one_pledge(site, campaign, **said)
    secured = "SELECT EXISTS (SELECT FROM campaigns_pledge WHERE state = 'active')"
    if site.until(lambda: site.ask(secured), seconds=30) == float("inf"):
        raise RuntimeError("the first card was not saved")
    crowd = Crowd(site.dsn, campaign_id=campaign.id, kind=1)
    crowd.grow(size - 1, with_people=with_people, with_cards=True)
    return campaign


def _state(site: Site, campaign: Campaign) -> str:
    return str(site.ask("SELECT state FROM campaigns_gate WHERE id = %s", campaign.id))


def _paid(site: Site) -> int:
    return int(site.ask("SELECT count(*) FROM payments_charge WHERE state = 'paid'"))
