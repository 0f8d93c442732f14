"""Small campaigns of money at each stage, and what each critical operation does to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import Any

from django.db import connection, transaction

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.change import change
from countmein.campaigns.actions.confirm import confirm
from countmein.campaigns.actions.count import count, decide
from countmein.campaigns.actions.pledge import Answer, pledge
from countmein.campaigns.actions.refund import paid_charges, read_refunds
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.actions.settle import _read_charges, settle
from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.bodies import PledgeBody, PledgePatch
from countmein.campaigns.gates import gate_of
from countmein.campaigns.links import confirm_token_of
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.payments.actions.claims import book, update
from countmein.payments.actions.refunding import want_refunds
from countmein.payments.actions.tries import begin
from countmein.payments.models import Charge, Mandate, Refund
from countmein.rules.pledging import PledgeRefused
from countmein.rules.states import Confirm
from tests.apps.campaigns.acts import pledge_of
from tests.conftest import Launch

CARD = "pm_card_visa"
#: Who is in at the start: the petition's people, one who pays, one who waits for six people, and
#: one who has not followed the mailed link yet.
CAST: dict[str, dict[str, Any]] = {
    "ben": {"kind": "signature"},
    "cleo": {"kind": "signature", "condition": {"people": 3}},
    "kim": {"kind": "money", "amount": 500, "payment_method": CARD},
    "lee": {"kind": "money", "amount": 300, "payment_method": CARD},
    "eve": {"kind": "signature", "condition": {"people": 6}},
}
GOAL = 4


class Stage(IntEnum):
    """How far a campaign has come: its rule holds and nobody has looked; it tipped; its cards are
    being charged; everything is paid, and one of them is being given back."""

    OPEN = 0
    TIPPED = 1
    CHARGING = 2
    PAID = 3


@dataclass(kw_only=True)
class Scene:
    """One campaign and the pledges in it, by the names of their members."""

    campaign: Campaign
    stage: Stage
    members: dict[str, dict[str, Any]] = field(default_factory=dict)

    def pledge(self, who: str) -> Pledge:
        return pledge_of(self.members[who])

    def charge(self, who: str) -> Charge:
        found = Charge.objects.filter(lane=self.campaign.lane, pledge_id=self.pledge(who).id).get()
        assert isinstance(found, Charge)
        return found


def set_up(launch: Launch, stage: Stage) -> Scene:
    """A campaign as it stands at this stage; nothing is asked of the provider."""
    campaign = launch(
        kinds=["signature", "money"],
        currency="EUR",
        rule={"people": GOAL},
        cap={"money": 1000},
        shortfall="proceed",
    )
    scene = Scene(campaign=campaign, stage=stage)
    _join(scene, CAST)
    campaign.confirm = Confirm.email
    _join(scene, {"fay": {"kind": "signature"}})
    campaign.confirm = Confirm.none
    mine = {"lane": campaign.lane, "campaign_id": campaign.id}
    Mandate.objects.filter(**mine).update(state="made", provider_reference="cus:pm")
    secure(str(campaign.id))
    if stage >= Stage.TIPPED:
        decide(campaign)
    if stage >= Stage.CHARGING:
        while accept_slice(campaign):
            pass
        for who in ("kim", "lee"):
            _begin(scene.charge(who))
    if stage >= Stage.PAID:
        for who in ("kim", "lee"):
            is_paid(scene, who)
        settle(str(campaign.id))
        _give_back(scene, "kim")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    return scene


def _join(scene: Scene, said: dict[str, dict[str, Any]]) -> None:
    requests = [_request(who, body) for who, body in said.items()]
    answers = pledge(campaign=scene.campaign, requests=requests)
    for who, answer in zip(said, answers, strict=True):
        assert isinstance(answer, Answer), answer
        scene.members[who] = answer.body


def _request(who: str, body: dict[str, Any]) -> PledgeRequest:
    said = {"member": {"email": f"{who}@example.org", "name": who.title()}, **body}
    return PledgeRequest(body=PledgeBody.model_validate(said), key=f"key-{who}")


def _begin(row: Charge | Refund) -> None:
    """As a worker that holds it, with the try written down before the call."""
    later = site_now() + timedelta(minutes=5)
    assert update(row, was="due", state="doing", due_at=later)
    with transaction.atomic():
        (tried,) = begin([row], on={row.id: None})
    assert tried.is_new


def is_paid(scene: Scene, who: str) -> str:
    """The provider has answered that this was charged."""
    charge = scene.charge(who)
    with transaction.atomic():
        paid = update(charge, was="doing", state="paid", provider_charge_id=f"ch_{uuid7()}")
        if paid:
            book("charge", charge)
    return "paid" if paid else "late"


def _give_back(scene: Scene, who: str) -> None:
    charges = paid_charges(scene.campaign).filter(pledge_id=scene.pledge(who).id)
    want_refunds(charges=list(charges), reason="condition", parts=lambda charge: charge.parts)
    _begin(_refund_of(scene, who))


def _refund_of(scene: Scene, who: str) -> Refund:
    rows = Refund.objects.filter(lane=scene.campaign.lane, pledge_id=scene.pledge(who).id)
    found = rows.order_by("id").first()
    assert isinstance(found, Refund)
    return found


# What members, the organiser, the worker and the provider do; each answers with a stable word.


def somebody_pledges(scene: Scene) -> str:
    (answer,) = pledge(campaign=scene.campaign, requests=[_request("new", {"kind": "signature"})])
    if isinstance(answer, PledgeRefused):
        return str(answer.reason)
    scene.members["new"] = answer.body
    return str(answer.body["state"])


def ben_withdraws(scene: Scene) -> str:
    return _said(lambda: withdraw(pledge=scene.pledge("ben")).state)


def kim_changes(scene: Scene) -> str:
    """Kim gives less; before acceptance that is another charge, after it is refused."""
    body = PledgePatch(amount=400)
    return _said(lambda: change(pledge=scene.pledge("kim"), body=body).amount)


def fay_confirms(scene: Scene) -> str:
    row = scene.pledge("fay")
    return _said(lambda: confirm(pledge=row, token=confirm_token_of(row)).state)


def it_is_counted(scene: Scene) -> str:
    return _said(lambda: count(str(scene.campaign.id)))


def it_is_decided(scene: Scene) -> str:
    return _said(lambda: decide(scene.campaign) and "decided")


def a_slice_is_accepted(scene: Scene) -> str:
    return _said(lambda: accept_slice(scene.campaign) and "some")


def ana_cancels(scene: Scene) -> str:
    try:
        cancel(campaign=scene.campaign)
    except MoveRefused:
        return "too late"
    return "cancelled"


def kim_is_charged(scene: Scene) -> str:
    """The provider answers, and the campaign reads it."""
    if not Charge.objects.filter(lane=scene.campaign.lane, campaign_id=scene.campaign.id).exists():
        return "nothing to charge"
    said = is_paid(scene, "kim")
    while _read_charges(scene.campaign):
        pass
    return said


def kim_is_refunded(scene: Scene) -> str:
    rows = Refund.objects.filter(lane=scene.campaign.lane, campaign_id=scene.campaign.id)
    if not rows.exists():
        return "nothing to refund"
    refund = _refund_of(scene, "kim")
    with transaction.atomic():
        if update(refund, was="doing", state="done", provider_refund_id="re_1"):
            book("refund", refund)
    read_refunds(scene.campaign)
    return "given back"


def the_rest_is_let_go(scene: Scene) -> str:
    return _said(lambda: release(str(scene.campaign.id)))


def _said(act: Callable[[], Any]) -> str:
    try:
        return str(act())
    except PledgeRefused as no:
        return str(no.reason)


def come_to_rest(scene: Scene) -> None:
    """What the sweep would do now, without asking the provider anything."""
    it = str(scene.campaign.id)
    count(it)
    settle(it)
    if gate_of(scene.campaign).state in ("cancelled", "lapsed"):
        release(it)


#: Each operation, and the stage at which it has something to do.
OPERATIONS: dict[str, tuple[Callable[[Scene], str], Stage]] = {
    "pledge": (somebody_pledges, Stage.OPEN),
    "withdraw": (ben_withdraws, Stage.OPEN),
    "change": (kim_changes, Stage.OPEN),
    "confirm": (fay_confirms, Stage.OPEN),
    "count": (it_is_counted, Stage.OPEN),
    "tip": (it_is_decided, Stage.OPEN),
    "settle": (a_slice_is_accepted, Stage.TIPPED),
    "cancel": (ana_cancels, Stage.OPEN),
    "charge result": (kim_is_charged, Stage.CHARGING),
    "refund": (kim_is_refunded, Stage.PAID),
}
