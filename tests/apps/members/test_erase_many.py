"""Many are erased while mail is under way and cards are charged; nothing is left out of a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from countmein.campaigns.actions.count import count, tally_of
from countmein.campaigns.actions.erase import erase
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.models import Pledge, Report
from countmein.members.actions import Person
from countmein.members.models import Contact, Member
from countmein.outreach import actions as outreach
from countmein.outreach.models import Delivery
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.models import Charge, Consent, Mandate
from tests.apps.members.conftest import rows_with
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]
MONEY = {"kinds": ["money"], "currency": "EUR"}
PEOPLE = 60
#: What is kept of a person, by the table's columns: where their file has it, or why it has not.
EXPORTED: dict[Any, dict[str, str]] = {
    Member: {
        "lane": "where the row is",
        "id": "a number of ours",
        "mailbox": "made of the address under our key",
        "wrapped_key": "opens the contact, which is exported open",
        "created_at": "person.known_since",
    },
    Contact: {
        "lane": "where the row is",
        "id": "made of the contact under our key",
        "member_id": "a number of ours",
        "sealed": "person.contacts: address, name",
        "address": "person.contacts",
        "name": "person.contacts",
        "language": "person.contacts",
    },
    Pledge: {
        "lane": "where the row is",
        "id": "a number of ours",
        "campaign_id": "pledges.campaign_title, campaign_url",
        "code": "pledges.code",
        "key": "pledges.idempotency_key",
        "digest": "made of what is exported under our key",
        "state": "pledges.state",
        "answered_state": "what was answered then, told then",
        "round": "in which count",
        "kind": "pledges.kind",
        "amount": "pledges.amount",
        "place": "pledges.place",
        "crowd_id": "pledges.condition",
        "more": "pledges.more",
        "letter": "in which letter to the target, with names that its owner let be shown",
        "accepted": "pledges.accepted",
        "was_waitlisted": "pledges.waitlisted",
        "mailbox": "made of the address under our key",
        "contact_id": "person.contacts",
        "newcomer": "person.contacts, once they are enrolled",
        "public_name": "pledges.public_name",
        "payment_method": "pledges.payment_method",
        "fallback": "pledges.fallback",
        "at": "pledges.at",
        "acted_at": "pledges.acted_at",
    },
    Report: {
        "lane": "where the row is",
        "id": "a number of ours",
        "campaign_id": "pledges.campaign_title",
        "pledge_id": "the pledge it is exported with",
        "kind": "pledges.reports",
        "answer": "pledges.reports",
        "minutes": "pledges.reports",
        "note": "pledges.reports",
        "at": "when it was told",
    },
    Consent: {
        "lane": "where the row is",
        "id": "a number of ours",
        "campaign_id": "pledges.campaign_title",
        "pledge_id": "the pledge it is exported with",
        "amount_minor": "in the words",
        "currency": "in the words",
        "latest_charge_at": "in the words",
        "words": "pledges.consents",
        "at": "pledges.consents",
    },
}


def test_every_column_about_a_person_is_in_their_file_or_has_a_reason() -> None:
    """Whoever adds a column says here where its owner reads it."""
    for model, columns in EXPORTED.items():
        assert {f.name for f in model._meta.concrete_fields} - {"pk"} == set(columns), model


@pytest.mark.slow
def test_many_are_erased_while_mail_is_sent_and_cards_are_charged(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    petition = launch(confirm="email", rule={"people": 999})
    fund = launch(title="A fund", rule={"people": PEOPLE}, **MONEY)
    who = [f"m{n}" for n in range(PEOPLE)]
    for name in who:
        join(petition, name, key=f"a{name}")
        join(fund, name, key=f"b{name}", amount=500, payment_method="pm_card_visa")
    mandates = Mandate.objects.all_lanes().filter(state="made")
    while mandates.count() < PEOPLE:
        make_mandates()
    secure(str(fund.id))
    count(str(fund.id))
    boxes = [Person(address=f"{name}@example.org").mailbox for name in who[::2]]
    begin, begun = outreach._begin, []

    def erase_in_the_middle(delivery: Delivery, ended: list[Any]) -> bool:
        begun.append(delivery)
        if len(begun) == 5:
            for box in boxes:
                erase(mailbox=box, by="member")
        return begin(delivery, ended)

    monkeypatch.setattr(outreach, "_begin", erase_in_the_middle)
    site.work()
    assert len(begun) > 5
    # Of the first batch four had begun; nobody who was erased got anything after that.
    told = [name for name in who[::2] if site.mails(f"{name}@example.org")]
    assert len(told) <= 4
    assert all(site.mails(f"{name}@example.org") for name in who[1::2])
    assert PEOPLE == Charge.objects.all_lanes().filter(state="paid").count()
    assert PEOPLE == tally_of(fund).people
    assert PEOPLE // 2 == Member.objects.all_lanes().count()
    assert [] == rows_with(*(f"{name}@example.org" for name in who))
    site.check()
