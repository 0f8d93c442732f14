"""R7, R8, R9, R13 with money: taken once and rightly, or not at all, by the provider's book."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.test import Client

from countmein.campaigns.actions import accept, fulfil
from countmein.campaigns.actions import withdraw as verb
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.actions.settle import settle
from countmein.campaigns.gates import gate_of
from countmein.campaigns.kinds import KINDS
from countmein.campaigns.kinds.money import Money as MoneyKind
from countmein.campaigns.kinds.purchase import Purchase
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.queries import public_view
from countmein.campaigns.selfcheck import self_check
from countmein.ledger.models import Transfer
from countmein.payments.actions.charging import charge_due
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.models import Charge, ProviderEvent
from countmein.payments.providers import PROVIDERS, ChargeResult
from countmein.payments.providers.stripe import Stripe
from countmein.rules.collection import BatchRefused
from countmein.rules.pledging import PledgeRefused, Reason
from countmein.schedule import chores
from sandbox.payments.webhooks import sign
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site
from tests.faults.crowd import Crowd, Meanwhile
from tests.faults.kills import run_and_die
from tests.faults.masses import (
    CARD,
    crowd,
    most_per_charge,
    paid_at_provider,
    references,
    size,
    unclear,
    until_tipped,
)
from tests.faults.test_kills import one_round, rescue
from tests.faults.wire import Wire

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]

#: What R8 asks of the provider; half of the declines are the cards' own.
FAULTS = {
    "lost": 0.05,
    "500": 0.03,
    "strange": 0.02,
    "soft": 0.05,
    "authenticate": 0.01,
    "429": 0.04,
}


def _fund(launch: Launch, prefix: str, cards: list[str], *, people: int) -> Campaign:
    campaign = launch(
        title=f"Fund {prefix}",
        kinds=["money"],
        currency="EUR",
        rule={"people": people},
        shortfall="proceed",
    )
    crowd(
        campaign,
        prefix,
        [{"amount": 100 + n % 900, "payment_method": card} for n, card in enumerate(cards)],
    )
    until_tipped(campaign)
    return campaign


def _booked(campaign: Campaign) -> int:
    rows = Transfer.objects.filter(lane=campaign.lane, campaign_id=campaign.id, kind="charge")
    return sum(rows.values_list("amount_minor", flat=True))


# R8


def _events_of(campaign: Campaign) -> list[dict[str, Any]]:
    """The provider's own list of events about this campaign's charges."""
    client = Stripe()._v1
    ours = references(campaign)
    found = client.events.list({"limit": 100}).auto_paging_iter()
    events = [event.to_dict() for event in found]
    return [e for e in events if e["data"]["object"].get("metadata", {}).get("reference") in ours]


def _deliver(events: list[dict[str, Any]], draw: random.Random) -> int:
    """One to five times each, in any order, 5 % never; signed as the provider signs."""
    arriving = [e for e in events if draw.random() > 0.05 for _ in range(draw.randint(1, 5))]
    draw.shuffle(arriving)
    client = Client()
    for event in arriving:
        body = json.dumps(event).encode()
        seal = sign(body, secret=site_settings.STRIPE_WEBHOOK_SECRET, at=int(time.time()))
        answer = client.post(
            "/hooks/stripe",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": seal},
        )
        assert 200 == answer.status_code, answer.content
    return len(arriving)


def test_nobody_is_charged_twice_whatever_the_provider_does(
    site: Site, launch: Launch, settings: Any
) -> None:
    """Answers lost, kept errors, nonsense, refusals, killed workers, events in any order."""
    count, draw = size(500, 10_000), random.Random(8)
    cards = draw.choices(
        [CARD, "pm_card_chargeCustomerFail", "pm_card_authenticationRequired"],
        weights=[94, 5, 1],
        k=count,
    )
    campaign = _fund(launch, "r8", cards, people=count)
    base, kills = settings.STRIPE_API_BASE, 0
    with Wire(base=base, seed=8, rates=FAULTS) as wire:
        settings.STRIPE_API_BASE = wire.url
        for _kill in range(size(5, 20)):
            kills += run_and_die(one_round, at=draw.randint(20, size(250, 1000)))
            rescue()
        _deliver(_events_of(campaign), draw)
        for _half_minute in range(30):
            site.advance(timedelta(seconds=30))
            one_round()
        assert 0 == unclear(campaign)
        for _day in range(9):
            site.advance(timedelta(hours=24))
            if _day == 3:
                _deliver(_events_of(campaign), draw)
            for _ in range(3):
                site.advance(timedelta(seconds=30))
                one_round()
        site.work()
    settings.STRIPE_API_BASE = base
    assert kills > 2
    assert set(FAULTS) < set(wire.seen)
    paid = paid_at_provider(campaign)
    assert 1 == most_per_charge(paid)
    assert sum(c["amount"] for c in paid) == _booked(campaign)
    assert public_view(campaign)["collected"] == {"money": _booked(campaign)}
    assert {"fulfilled": len(paid), "dropped": count - len(paid)} == states(campaign)
    assert len(paid) > 0.9 * count
    assert 0 == unclear(campaign)
    assert 0 == ProviderEvent.objects.filter(read_at=None).count()
    site.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetful(Stripe):
    """A build that looks nothing up and makes up a new key for every try."""

    def charge(self, *, key: str, **asked: Any) -> ChargeResult:
        return Stripe.charge(self, key=f"{key}:{uuid.uuid4()}", **asked)

    def find_charge(self, **_: Any) -> ChargeResult | None:
        return None


def test_with_a_new_key_for_each_try_somebody_is_charged_twice(
    site: Site, launch: Launch, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of R8: the same wire, the same seed."""
    campaign = _fund(launch, "r8c", [CARD] * 100, people=100)
    monkeypatch.setitem(PROVIDERS, "stripe", Forgetful())
    with Wire(base=settings.STRIPE_API_BASE, seed=8, rates=FAULTS) as wire:
        settings.STRIPE_API_BASE = wire.url
        for _minute in range(10):
            one_round()
            rescue()
        assert most_per_charge(paid_at_provider(campaign)) > 1


# R7

ROUNDS, LEAVERS = size(30, 1000), 10


def _race(launch: Launch, crew: Crowd, turn: int, centre: float, leave: Any) -> Any:
    """Ten of twenty leave, and the campaign tips 50 ms from the start: their pledges, and what
    they heard.

    One leaves before, one waits for the tip, the others leave within 10 ms of ``centre`` seconds
    from the start.
    """
    draw = random.Random(turn)
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 10})
    answers = crowd(campaign, f"t{turn}n", [{"amount": 100, "payment_method": CARD}] * 20)
    make_mandates()
    secure(str(campaign.id))

    def decide() -> None:
        threading.Event().wait(0.05)
        settle(str(campaign.id))

    def go(answer: dict[str, Any], after_seconds: float) -> str:
        threading.Event().wait(max(0.0, after_seconds))
        try:
            return str(leave(pledge=pledge_of(answer)).state)
        except PledgeRefused as no:
            return str(no.reason)

    def go_after_the_tip(answer: dict[str, Any]) -> str:
        while gate_of(campaign).state == "open":
            threading.Event().wait(0.005)
        return go(answer, 0.0)

    moments = [centre + draw.uniform(-0.01, 0.01) for _ in range(LEAVERS - 2)]
    first = str(verb.withdraw(pledge=pledge_of(answers[0])).state)
    acts: list[Any] = [partial(go, a, at) for a, at in zip(answers[1:], moments, strict=False)]
    acts.append(partial(go_after_the_tip, answers[LEAVERS - 1]))
    *words, done = crew.together([*acts, decide])
    return campaign, list(zip(answers, [first, *words], strict=False)), done


def _charged_pledges(campaign: Campaign) -> set[uuid.UUID]:
    paid = {c["metadata"]["reference"] for c in paid_at_provider(campaign)}
    rows = Charge.objects.filter(lane=campaign.lane, id__in=paid)
    return set(rows.values_list("pledge_id", flat=True))


def test_a_pledge_is_withdrawn_or_charged_never_both_and_never_neither(
    site: Site, launch: Launch
) -> None:
    """The moment of the tip is found by its outcomes: who all got out leave later the next time."""
    ends, centre = [], 0.06
    campaigns = []
    with Crowd(LEAVERS) as crew:
        for turn in range(ROUNDS):
            campaign, said, done = _race(launch, crew, turn, centre, verb.withdraw)
            assert done is None
            out = sum(word == "withdrawn" for _, word in said) / LEAVERS
            centre = max(0.0, centre + 0.02 * (out - 0.5))
            campaigns.append((campaign, said))
    site.work()
    for campaign, said in campaigns:
        charged = _charged_pledges(campaign)
        ends += [(word, pledge_of(a).id in charged) for a, word in said]
    assert {("withdrawn", False), ("latched", True)} == set(ends)
    assert ROUNDS * LEAVERS == len(ends)
    assert 0.05 < ends.count(("withdrawn", False)) / len(ends) < 0.95
    site.check()


def test_a_withdrawal_that_does_not_hold_the_gate_is_both_withdrawn_and_charged(
    site: Site, launch: Launch
) -> None:
    """The control of R7: look at the pledge, be slow for a moment, then write."""

    def naive(*, pledge: Pledge) -> Pledge:
        if pledge.state != "active":
            raise PledgeRefused(Reason.latched)
        rows = Pledge.objects.filter(lane=pledge.lane, id=pledge.id)
        for _pause in range(500):
            if not rows.filter(state="active").exists():
                break
            threading.Event().wait(0.01)
        rows.update(state="withdrawn")
        pledge.state = "withdrawn"
        return pledge

    both = 0
    with Crowd(LEAVERS) as crew:
        for turn in range(3):
            campaign, said, _done = _race(launch, crew, turn, 0.0, naive)
            charge_due()
            charged = _charged_pledges(campaign)
            both += sum(w == "withdrawn" and pledge_of(a).id in charged for a, w in said)
    assert both > 0


# R9


class Hundredfold(Purchase):
    """A build that takes the price for one in units a hundred times as small."""

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        return 100 * super().price_minor(campaign, amount)


class TwoDecimals(MoneyKind):
    """A build that believes every currency has two decimals."""

    def price_minor(self, campaign: Campaign, amount: int) -> int:
        whole = super().price_minor(campaign, amount)
        return whole * 100 if campaign.currency == "JPY" else whole // 10


def _plant(monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    if bug == "hundredfold":
        monkeypatch.setitem(KINDS, "purchase", Hundredfold())
    elif bug == "doubled":
        twice = partial(_promised_twice, fulfil.promise)
        monkeypatch.setattr(accept, "promise", twice)
    else:
        monkeypatch.setitem(KINDS, "money", TwoDecimals())


def _promised_twice(promise: Any, campaign: Campaign, ids: Any) -> None:
    promise(campaign, [*ids, *ids])


@pytest.mark.parametrize(
    ("bug", "currency"),
    [("hundredfold", "EUR"), ("decimals", "JPY"), ("decimals", "KWD"), ("doubled", "EUR")],
)
def test_no_wrong_batch_starts(
    site: Site,
    launch: Launch,
    join: Join,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    bug: str,
    currency: str,
) -> None:
    """Not one call; the fault is logged and shown, the site goes on, and once mended so does it."""
    kind = {"hundredfold": "purchase"}.get(bug, "money")
    campaign = launch(
        kinds=[kind],
        currency=currency,
        unit_price_minor=1000 if kind == "purchase" else None,
        rule={"people": 20},
        cap={kind: 1_000_000},
    )
    amount = 2 if kind == "purchase" else 5000
    crowd(campaign, "r9", [{"amount": amount, "payment_method": CARD}] * 20)
    until_tipped(campaign)
    with Wire(base=settings.STRIPE_API_BASE, seed=9) as wire, monkeypatch.context() as planted:
        settings.STRIPE_API_BASE = wire.url
        _plant(planted, bug)
        with caplog.at_level(logging.ERROR, logger="countmein.campaigns.actions.accept"):
            site.work()
            site.work()
        assert "no charge of this batch is made" in caplog.text
        assert 0 == wire.seen.total()
        assert 0 == Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).count()
        assert {"active": 20} == states(campaign)
        faults = [c["name"] for c in self_check() if not c["ok"]]
        assert "charges_are_what_was_accepted" in faults
        petition = launch(rule={"people": 1})
        join(petition, "peter")
        site.work()
        assert "settled" == public_view(petition)["state"]
        planted.undo()
        chores()
        site.work()
        assert 20 == wire.seen["well"]
    assert {"fulfilled": 20} == states(campaign)
    assert public_view(campaign)["collected"] == {kind: 20 * 2000 if amount == 2 else 20 * 5000}
    site.check()


def test_a_batch_that_was_planned_before_is_not_planned_again(site: Site, launch: Launch) -> None:
    """The same pledges once more: they owe nothing more."""
    campaign = _fund(launch, "again", [CARD] * 5, people=5)
    site.work()
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    with pytest.raises(BatchRefused):
        fulfil.promise(campaign, list(rows.values_list("id", flat=True)))


# R13


def test_a_deal_sells_out_and_never_oversells(site: Site, launch: Launch, join: Join) -> None:
    """2,000 tries for 100 by 16 clients, one in five gives no card and holds a place for 15 min."""
    tries, draw = size(2000, 10_000), random.Random(13)
    campaign = launch(
        kinds=["purchase"],
        currency="EUR",
        unit_price_minor=700,
        rule={"people": 20},
        cap={"purchase": 100},
    )
    acts = []
    for n in range(tries):
        card = {} if draw.random() < 0.2 else {"payment_method": CARD}
        acts.append(partial(join, campaign, f"deal{n}", amount=1, **card))
    with (
        Crowd() as crew,
        Meanwhile(make_mandates, pause_seconds=0.05) as saver,
        Meanwhile(partial(settle, str(campaign.id)), pause_seconds=0.2) as worker,
    ):
        answers = crew.together(acts)
    assert [] == [*worker.failures, *saver.failures]
    assert not [a for a in answers if isinstance(a, Exception)]
    site.work()
    assert len(paid_at_provider(campaign)) <= 100
    site.advance(timedelta(minutes=14))
    site.work()
    before = len(paid_at_provider(campaign))
    site.advance(timedelta(minutes=1, seconds=5))
    site.work()
    paid = paid_at_provider(campaign)
    assert before <= 100
    assert (100, 1) == (len(paid), most_per_charge(paid))
    assert 70_000 == sum(c["amount"] for c in paid)
    assert 100 == Gate.objects.get(lane=campaign.lane, id=campaign.id).accepted["purchase"]
    site.check()


def test_a_deal_without_a_cap_cannot_be_published(site: Site, launch: Launch) -> None:
    """A purchase sells something that runs out."""
    with pytest.raises(Exception, match="cap"):
        launch(kinds=["purchase"], currency="EUR", unit_price_minor=700, rule={"people": 2})
