"""Plan B on the pages: drafted, chosen, failed, decided, voted on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.actions.fail import fail
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Ballot, BallotPaper, Campaign, Pledge
from countmein.payments.models import Payout
from tests.apps.campaigns.plans import CARD, asked, carried_out, crowd, paid, with_plans
from tests.apps.web.conftest import hidden, said
from tests.apps.web.test_mine import part
from tests.apps.web.test_organise import filled
from tests.conftest import Launch, Site

PAPER = {"title": "Another paper", "cost_minor": 1000, "text": "The Metro takes it."}
VAN = {"title": "A van", "rule": {"people": 2}}
RICH_VAN = {"title": "A van", "rule": {"any": [{"people": 2}, {"people": 3}]}}


def money_form(**more: Any) -> dict[str, Any]:
    """The form of a campaign for money as Ana would send it."""
    return filled(kinds=["money"], currency="GBP", rule_people="", rule_money="300", **more)


def test_plans_are_drafted_shown_and_changed(as_ana: Client) -> None:
    sent = money_form(plan_1_title="Another paper", plan_1_cost="9.50", plan_2_title="A van")
    answer = as_ana.post("/organise/new/fund/", sent)
    assert 302 == answer.status_code, said(answer)
    campaign = Campaign.objects.get(code=answer["Location"].split("/")[2])
    assert [("Another paper", 950), ("A van", None)] == [
        (plan["title"], plan["cost_minor"]) for plan in campaign.plan_b["plans"]
    ]
    words = said(as_ana.get(answer["Location"]))
    assert "If it cannot be done" in words and "It costs £9.50" in words
    form = as_ana.get(f"/organise/{campaign.code}/edit/").content.decode()
    assert 'name="plan_1_cost" type="text" value="9.50"' in form
    as_ana.post(f"/organise/{campaign.code}/edit/", money_form())
    campaign.refresh_from_db()
    assert campaign.plan_b is None


OFFER = "https://metro.example/offers/7?lang=en"
WHOLE = {
    "plan_2_title": "Another paper",
    "plan_2_text": "The Metro takes it.",
    "plan_2_cost": "9.50",
    "plan_2_people": "3",
    "plan_2_supplier": "Metro Ltd",
    "plan_2_document": OFFER,
}


def test_a_plan_says_why_who_is_paid_and_where_the_offer_is(as_ana: Client) -> None:
    """In the second row, too; the page shows it, and the form says it again."""
    answer = as_ana.post("/organise/new/fund/", money_form(**WHOLE))
    assert 302 == answer.status_code, said(answer)
    campaign = Campaign.objects.get(code=answer["Location"].split("/")[2])
    assert [
        {
            "title": "Another paper",
            "text": "The Metro takes it.",
            "cost_minor": 950,
            "rule": {"people": 3},
            "supplier": "Metro Ltd",
            "document": OFFER,
        }
    ] == campaign.plan_b["plans"]
    page = as_ana.get(answer["Location"])
    words = said(page)
    for fact in ("The Metro takes it.", "Paid to Metro Ltd.", "The offer, at metro.example"):
        assert fact in words, fact
    assert f'href="{OFFER}" rel="nofollow noopener external"' in page.content.decode()
    form = as_ana.get(f"/organise/{campaign.code}/edit/").content.decode()
    for value in ("The Metro takes it.", "Metro Ltd", OFFER, "9.50"):
        assert f'value="{value}"' in form, value
    assert 'name="plan_1_people" type="text" value="3"' in form


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "http://metro.example/", "https://", "https://a@b.example/", "offer"],
)
def test_a_link_to_an_offer_is_an_address_of_the_web(as_ana: Client, link: str) -> None:
    answer = as_ana.post("/organise/new/fund/", money_form(**{**WHOLE, "plan_2_document": link}))
    assert 422 == answer.status_code
    assert "Write an address that begins with https://." in said(answer)
    assert 'id="plan_2_document-fault"' in answer.content.decode()
    assert not Campaign.objects.exists()


def test_a_failure_is_rehearsed(as_ana: Client) -> None:
    """Before the launch its organiser reads what people would be told."""
    answer = as_ana.post("/organise/new/fund/", money_form(plan_1_title="Another paper"))
    words = said(as_ana.get(f"{answer['Location']}rehearse/"))
    assert "If it tips and then cannot be carried out" in words and "Your choice A refund" in words


def test_a_plan_needs_a_title_and_money(as_ana: Client) -> None:
    answer = as_ana.post("/organise/new/fund/", money_form(plan_1_cost="9"))
    assert 422 == answer.status_code and "Say what is done then." in said(answer)
    answer = as_ana.post("/organise/new/petition/", filled(plan_1_title="A van"))
    assert 422 == answer.status_code and 'href="#plan_1_title"' in answer.content.decode()


def test_plans_that_the_form_cannot_say_stay_as_they_are(as_ana: Client, ana: Any) -> None:
    from countmein.campaigns.actions.draft import draft
    from countmein.campaigns.bodies import CampaignBody

    body = {
        "title": "x",
        "kinds": ["money"],
        "currency": "GBP",
        "rule": {"people": 2},
        "deadline": "2035-01-01T10:00:00Z",
        "plan_b": {"plans": [RICH_VAN], "decide_hours": 5},
    }
    made = draft(
        organiser=ana,
        body=CampaignBody.model_validate({**body, "deadline": "2030-01-01T10:00:00Z"}),
    )
    form = as_ana.get(f"/organise/{made.code}/edit/")
    assert "1" == hidden(form, "plans_kept")
    as_ana.post(f"/organise/{made.code}/edit/", money_form(plans_kept="1"))
    made.refresh_from_db()
    assert (5, RICH_VAN["rule"]) == (
        made.plan_b["decide_hours"],
        made.plan_b["plans"][0]["rule"],
    )


def test_one_chooses_at_the_pledge_and_again(site: Site, ben: Client, launch: Launch) -> None:
    """A refund is ticked at first; an unknown plan is said in the form."""
    campaign = with_plans(launch, PAPER, VAN)
    form = ben.get(f"/c/{campaign.code}/pledge/")
    assert 'name="fallback" value="refund" checked' in form.content.decode()
    sent = {
        "key": hidden(form, "key"),
        "kind": "money",
        "amount_money": "15",
        "condition": "none",
        "email": "ben@example.org",
        "fallback": "2",
    }
    wrong = ben.post(f"/c/{campaign.code}/pledge/", {**sent, "fallback": "9"})
    assert 422 == wrong.status_code and 'id="fallback-fault"' in wrong.content.decode()
    strange = ben.post(f"/c/{campaign.code}/pledge/", {**sent, "fallback": "²"})
    assert 422 == strange.status_code
    assert 302 == ben.post(f"/c/{campaign.code}/pledge/", sent).status_code
    row = Pledge.objects.get(lane=campaign.lane, campaign_id=campaign.id)
    assert "2" == row.fallback
    from countmein.campaigns.links import receipt_of

    mine = {"code": row.code, "receipt": receipt_of(row)}
    assert "A van" in said(ben.get(part(mine, "")))
    page = ben.get(part(mine, "fallback/"))
    assert 'value="2" checked' in page.content.decode()
    answer = ben.post(part(mine, "fallback/"), {"fallback": "follow"})
    assert "Follow the majority" in said(ben.get(answer["Location"]))
    row.refresh_from_db()
    assert "follow" == row.fallback
    assert 422 == ben.post(part(mine, "fallback/"), {"fallback": "war"}).status_code


def test_the_organiser_says_that_it_failed(
    site: Site, as_ana: Client, launch: Launch, join: Any
) -> None:
    """With words for all, the payment that was refused ticked, and the code typed."""
    campaign = with_plans(launch, PAPER)
    crowd(join, campaign, a=(2000, 1), b=(1000, "refund"))
    site.work()
    desk = f"/organise/{campaign.code}/"
    assert 302 == as_ana.post(f"{desk}execute/").status_code
    assert "executing" == gate_of(campaign).state
    refused = asked(campaign, 2500, "Times")
    page = as_ana.get(f"{desk}fail/")
    assert "Times, £25.00" in said(page).replace(" ,", ",")
    sent = {"text": "They refused it.", "refused": [str(refused.id)], "typed": campaign.code}
    assert 422 == as_ana.post(f"{desk}fail/", {**sent, "typed": "x"}).status_code
    assert 422 == as_ana.post(f"{desk}fail/", {**sent, "text": ""}).status_code
    assert 422 == as_ana.post(f"{desk}fail/", {**sent, "lost": ["war"]}).status_code
    assert 422 == as_ana.post(f"{desk}fail/", {**sent, "lost": [str(refused.id)]}).status_code
    answer = as_ana.post(f"{desk}fail/", sent)
    assert "everybody is being told" in said(as_ana.get(answer["Location"]))
    assert "stopped" == Payout.objects.get(lane=campaign.lane, id=refused.id).state
    words = said(as_ana.get(f"/c/{campaign.code}/"))
    assert "They refused it." in words and "is frozen" in words
    site.work()
    site.check()


def test_the_organiser_says_that_it_is_done(
    site: Site, as_ana: Client, launch: Launch, join: Any
) -> None:
    campaign = with_plans(launch, PAPER)
    crowd(join, campaign, a=(2000, 1))
    desk = f"/organise/{campaign.code}/"
    answer = as_ana.post(f"{desk}finish/")
    assert "cannot be done as the campaign stands" in said(as_ana.get(answer["Location"]))
    carried_out(site, campaign)
    assert 200 == as_ana.get(f"{desk}finish/").status_code
    as_ana.post(f"{desk}finish/")
    assert "done" == gate_of(campaign).state


@pytest.fixture
def decided(site: Site, launch: Launch, join: Any) -> tuple[Campaign, dict[str, Any]]:
    """It failed, a plan runs, and something is left over."""
    campaign = with_plans(launch, PAPER)
    made = crowd(join, campaign, a=(2000, 1), b=(1000, "refund"))
    carried_out(site, campaign)
    paid(campaign, 600)
    fail(campaign=campaign, text="They refused it.")
    site.advance(timedelta(hours=24))
    site.work()
    return campaign, made


def test_one_sees_what_became_of_ones_money_and_votes(
    site: Site, ben: Client, decided: tuple[Campaign, dict[str, Any]]
) -> None:
    campaign, made = decided
    words = said(ben.get(part(made["a"], "")))
    for fact in ("Spent, your part of it £4.00", "Another paper £10.00", "voted on £6.00"):
        assert fact in words
    assert "Goes back to you £8.00" in said(ben.get(part(made["b"], "")))
    page = ben.get(part(made["a"], "ballot/"))
    sent = {"ballot": hidden(page, "ballot"), "choice": "keep"}
    answer = ben.post(part(made["a"], "ballot/"), sent)
    assert "It stays with the campaign" in said(ben.get(answer["Location"]))
    assert "keep" == BallotPaper.objects.get(lane=campaign.lane).choice
    for wrong in ({**sent, "choice": "war"}, {**sent, "ballot": "x"}, {}):
        assert 422 == ben.post(part(made["a"], "ballot/"), wrong).status_code
    assert "nothing to vote on" in said(ben.get(part(made["b"], "ballot/")))
    assert 422 == ben.post(part(made["b"], "ballot/"), sent).status_code
    site.advance(timedelta(hours=73))
    site.work()
    assert "keep" == Ballot.objects.get(lane=campaign.lane).outcome
    for page in (ben.get(part(made["a"], "ballot/")), ben.get(f"/c/{campaign.code}/")):
        assert "It stays with the campaign, for what it was given for 1" in said(page)
    assert 422 == ben.post(part(made["a"], "ballot/"), sent).status_code
    site.check()


def test_the_public_page_says_where_everything_went(
    ben: Client, decided: tuple[Campaign, dict[str, Any]]
) -> None:
    campaign, _made = decided
    words = said(ben.get(f"/c/{campaign.code}/"))
    for fact in (
        "Was held £30.00",
        "Spent £6.00",
        "Goes to a plan £10.00",
        "Goes back to people £8.00",
        "Left over £6.00",
        "Another paper: 1 person chose it. It gets £10.00.",
        "if fewer than 10% of them vote",
    ):
        assert fact in words


def test_a_wrong_receipt_opens_neither(ben: Client, launch: Launch, join: Any) -> None:
    campaign = with_plans(launch, PAPER)
    code = join(campaign, "ben", amount=100, payment_method=CARD)["code"]
    for name in ("fallback/", "ballot/"):
        assert 404 == ben.get(f"/p/{code}/{name}?receipt=wrong").status_code
