"""R28 and R29: a person who can be recognised goes through every flow, and is found nowhere but
where people are kept; after their erasure, nowhere at all."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from countmein.base.jobs import defer
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.enrol import enrol
from countmein.campaigns.actions.erase import erase
from countmein.campaigns.actions.retain import retain
from countmein.campaigns.actions.thank import thank
from countmein.campaigns.models import Campaign, Pledge
from countmein.members.actions import Person
from countmein.members.contacts import opened
from countmein.members.models import Contact, Organiser
from countmein.payments.models import Refund
from tests.apps.members.canary import Canary, Watch, text_of
from tests.conftest import Launch, Site

pytestmark = pytest.mark.slow

Join = Callable[..., dict[str, Any]]
MONEY = {"kinds": ["money"], "currency": "EUR", "rule": {"people": 2}}
CARD = {"kind": "money", "amount": 2500, "payment_method": "pm_card_visa"}
TARGET = {"name": "The council", "email": "council@example.org"}


class Visit:
    """A browser and a program in one, whose answers are all looked at."""

    def __init__(self, watch: Watch, site: Site) -> None:
        self.watch, self.site, self.client = watch, site, Client(raise_request_exception=False)

    def get(self, path: str, *, but: tuple[str, ...] = (), as_who: Client | None = None) -> str:
        text = text_of((as_who or self.client).get(path))
        self.watch.look(f"GET {path.partition('?')[0]}", text, but=but)
        return text

    def api(self, method: str, path: str, body: Any, *, key: str = "") -> dict[str, Any]:
        answer = self.client.generic(
            method,
            f"/api/v1{path}",
            json.dumps(body) if body is not None else b"",
            content_type="application/json",
            headers={"Idempotency-Key": key} if key else {},
        )
        self.watch.look(f"{method} {path.partition('?')[0]}", text_of(answer))
        self.watch.look_everywhere()
        return dict(json.loads(answer.content)) if answer.content else {}

    def pledge(self, campaign: Campaign, who: Canary, *, key: str, **said: Any) -> dict[str, Any]:
        body = {"kind": campaign.kinds[0], "member": who.member, **said}
        return self.api("POST", f"/campaigns/{campaign.code}/pledges", body, key=key)


def every_page(visit: Visit, campaign: Campaign, owner: Client, *, but: tuple[str, ...]) -> None:
    """All that others can see of a campaign: everybody, its organiser, the site's owner."""
    code = campaign.code
    for path in (
        "/",
        "/campaigns/",
        f"/c/{code}/",
        f"/c/{code}/meter/",
        f"/c/{code}/ledger/",
        f"/api/v1/campaigns/{code}",
        f"/api/v1/campaigns/{code}/ledger",
    ):
        visit.get(path, but=but)
    for path in (f"/organise/{code}/", f"/organise/{code}/backers.csv", f"/organise/{code}/thank/"):
        visit.get(path, but=but, as_who=owner)
    for path in ("/desk/", "/desk/money/", "/desk/payouts/", "/desk/bank/", "/desk/erasures/"):
        visit.get(path, as_who=owner)


def mails_to_others(visit: Visit, who: Canary, *, but: tuple[str, ...]) -> None:
    for mail in visit.site.mails():
        if who.address not in json.dumps(mail["to"]):
            visit.watch.look(f"mail {mail['subject']}", json.dumps(mail), but=but)


def a_petition(visit: Visit, launch: Launch, join: Join, who: Canary) -> Campaign:
    """By the API, confirmed by mail, with a name that may be shown; it tips, a letter goes out."""
    campaign = launch(confirm="email", rule={"people": 1}, target=TARGET)
    said = visit.pledge(campaign, who, key="one", public_name=True)
    visit.watch.work(visit.site)
    (mail,) = [m for m in visit.site.mails(who.address) if "confirm" in m["subject"]]
    path = mail["text"].partition("http://127.0.0.1:8000")[2].split()[0]
    visit.get(path)
    visit.watch.work(visit.site)
    visit.get(f"/p/{said['code']}/?receipt={said['receipt']}")
    visit.api("GET", f"/pledges/{said['code']}?receipt={said['receipt']}", None)
    return campaign


def a_fund(visit: Visit, launch: Launch, join: Join, who: Canary) -> Campaign:
    """Money: refused, changed, charged, thanked for, and given back."""
    campaign = launch(**MONEY, title="A fund")
    for bad in ({"amount": -1}, {"member": {"email": who.address, "name": "x" * 999}}, {"x": 1}):
        visit.pledge(campaign, who, key="bad", **{**CARD, **bad})
    said = visit.pledge(campaign, who, key="two", **CARD)
    at = f"/pledges/{said['code']}?receipt={said['receipt']}"
    visit.api("PATCH", at, {"amount": 3000})
    join(campaign, "dora", **CARD)
    visit.watch.work(visit.site)
    thank(campaign=campaign, thank_id=campaign.id, subject="Thank you", text="All of you.")
    visit.watch.work(visit.site)
    cancel(campaign=campaign)
    visit.watch.work(visit.site)
    return campaign


def a_form(visit: Visit, launch: Launch, who: Canary) -> Campaign:
    """By the form, with mistakes first; then withdrawn, and pledged anew."""
    campaign = launch(title="By the form", rule={"people": 9})
    page = f"/c/{campaign.code}/pledge/"
    typed = {"kind": "signature", "condition": "none", "email": who.address, "name": who.name}
    # Whoever typed it sees it again; nobody else does.
    assert who.address in text_of(visit.client.post(page, {**typed, "kind": "", "key": ""}))
    answer = visit.client.post(page, {**typed, "key": "a-key-of-a-form-0123"})
    assert 302 == answer.status_code
    visit.watch.look("redirect", text_of(answer))
    own = answer["Location"]
    visit.watch.work(visit.site)
    visit.get(own)
    visit.client.post(own.replace("/?", "/withdraw/?"))
    visit.watch.work(visit.site)
    visit.pledge(campaign, who, key="three")
    visit.watch.work(visit.site)
    return campaign


def a_call(visit: Visit, launch: Launch, who: Canary) -> Campaign:
    """Tipped, and told how it went, in words of one's own: these stand in the row of the report."""
    campaign = launch(
        title="A call", kinds=["call"], rule={"people": 1}, target={**TARGET, "phone": "+44 20 1"}
    )
    said = visit.pledge(campaign, who, key="four")
    visit.watch.work(visit.site)
    own = f"/p/{said['code']}/report/?receipt={said['receipt']}"
    visit.client.post(own, {"kind": "call", "answer": "spoke", "note": who.note})
    return campaign


def test_a_person_is_found_only_where_people_are_kept_and_nowhere_once_erased(
    site: Site, launch: Launch, join: Join, ana: Organiser
) -> None:
    who = Canary("qivvy")
    ana.is_owner = True
    ana.save()
    owner = Client()
    owner.force_login(ana)
    with Watch(who) as watch:
        visit = Visit(watch, site)
        named = a_petition(visit, launch, join, who)
        others = [a_fund(visit, launch, join, who), a_form(visit, launch, who)]
        every_page(visit, named, owner, but=(who.name,))
        for campaign in others:
            every_page(visit, campaign, owner, but=())
        faults(visit, others[1], who)
        mails_to_others(visit, who, but=(who.name,))
        watch.look_everywhere()
        assert [] == watch.found
        # They have been where it matters: charged, given back, named in a letter, counted.
        assert 2 == Refund.objects.all_lanes().filter(state="done").count()
        assert any(who.name in mail["text"] for mail in site.mails(TARGET["email"]))
        assert 4 == Pledge.objects.all_lanes().filter(contact_id=their_contact(who)).count()

        call = a_call(visit, launch, who)
        watch.look_everywhere()
        assert {"public.campaigns_report"} == watch.places()
        watch.found.clear()
        every_page(visit, call, owner, but=())
        mine = opened(Contact.objects.all_lanes().values_list("lane", "id")).values()
        assert who.address in {contact.address for contact in mine}

        ask_and_erase(visit, who)
        watch.work(site)
        watch.found.clear()  # the note was there until the erasure was carried out
        watch.look_everywhere()
        for campaign in (named, *others, call):
            every_page(visit, campaign, owner, but=())
        site.advance(timedelta(days=40))
        watch.work(site)
        retain()
        watch.look_everywhere()
        assert [] == watch.found
    site.check()


def their_contact(who: Canary) -> uuid.UUID:
    """By which contact their pledges name them."""
    return Person(address=who.address, name=who.name).contact_id


def faults(visit: Visit, campaign: Campaign, who: Canary) -> None:
    """Answers to what cannot be read, and to a fault of our own."""
    for raw in (f'{{"member": {{"email": "{who.address}"', f'"{who.name}"', f"[{who.address}]"):
        answer = visit.client.post(
            f"/api/v1/campaigns/{campaign.code}/pledges", raw, content_type="application/json"
        )
        visit.watch.look("malformed", text_of(answer))
    with pytest.MonkeyPatch.context() as patch:

        def broken(*_said: Any, **_more: Any) -> Any:
            raise RuntimeError("a fault of ours")

        patch.setattr("countmein.campaigns.pledge_door.take", broken)
        visit.pledge(campaign, who, key="five")
    visit.client.post("/my-data/", {"email": who.address})
    visit.watch.work(visit.site)


def ask_and_erase(visit: Visit, who: Canary) -> None:
    """By the mailed link, as a member does."""
    (mail,) = [m for m in visit.site.mails(who.address) if "knows about" in m["subject"]]
    path = mail["text"].partition("http://127.0.0.1:8000")[2].split()[0]
    assert who.name in text_of(visit.client.get(path))
    answer = visit.client.post(path.replace("/?", "/erase/?"), {"sure": "yes"})
    assert 200 == answer.status_code
    visit.watch.look("erased", text_of(answer))


def leak_in_a_row(who: Canary, _campaign: Campaign) -> None:
    Pledge.objects.all_lanes().update(place=who.name)


def leak_in_hidden_form(who: Canary, _campaign: Campaign) -> None:
    Pledge.objects.all_lanes().update(key=f"x{who.address.encode().hex()}")


def leak_in_a_log(who: Canary, _campaign: Campaign) -> None:
    logging.getLogger("countmein").warning("pledged by %s", who.name)


def leak_in_a_job(who: Canary, campaign: Campaign) -> None:
    defer(enrol, campaign_id=str(campaign.id), hint=who.address)


def leak_in_a_cache(who: Canary, _campaign: Campaign) -> None:
    from django.core.cache import cache

    cache.set("latest", who.address)


@pytest.mark.parametrize(
    ("leak", "place"),
    [
        (leak_in_a_row, "public.campaigns_pledge"),
        (leak_in_hidden_form, "public.campaigns_pledge"),
        (leak_in_a_log, "log"),
        (leak_in_a_job, "public.procrastinate_jobs"),
        (leak_in_a_cache, "cache"),
    ],
)
def test_a_planted_leak_is_found(
    site: Site, launch: Launch, leak: Callable[..., None], place: str
) -> None:
    """The negative control: whoever looks finds each kind of leak, and nothing without one."""
    who = Canary("plyvvy")
    with Watch(who) as watch:
        visit = Visit(watch, site)
        campaign = launch(rule={"people": 9})
        visit.pledge(campaign, who, key="one")
        assert [] == watch.found
        leak(who, campaign)
        watch.look_everywhere()
    assert {place} == watch.places()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    from django.core.cache import cache

    cache.clear()


def test_a_leak_on_a_page_is_found(site: Site, launch: Launch) -> None:
    """The negative control for answers: a name that its owner lets be shown is seen where it is."""
    who = Canary("wyvvy")
    with Watch(who) as watch:
        visit = Visit(watch, site)
        campaign = launch(rule={"people": 9})
        visit.pledge(campaign, who, key="one", public_name=True)
        watch.work(site)
        assert [] == watch.found
        visit.get(f"/c/{campaign.code}/")
    assert {f"GET /c/{campaign.code}/"} == watch.places()


def test_an_erasure_that_forgets_a_place_is_found_out(
    site: Site, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the erasure: without the unlinking the note is still there."""
    who = Canary("xyvvy")
    monkeypatch.setattr(
        "countmein.campaigns.actions.erase._left", lambda _row: Pledge.objects.none()
    )
    with Watch(who) as watch:
        visit = Visit(watch, site)
        a_call(visit, launch, who)
        erase(mailbox=Person(address=who.address).mailbox, by="desk")
        visit.watch.work(site)
        watch.look_everywhere()
    assert {"public.campaigns_report"} == watch.places()
