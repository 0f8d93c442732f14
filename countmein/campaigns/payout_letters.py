"""What we write about payouts: to whoever must agree, and to whoever must know of a change."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from countmein.base.clock import site_now
from countmein.base.ids import keyed_digest
from countmein.campaigns.links import campaign_url, manage_url
from countmein.campaigns.models import Ballot, Campaign, Pledge
from countmein.campaigns.wording import instant_text, money_text
from countmein.members.models import Organiser
from countmein.members.queries import site_owners
from countmein.outreach.actions import Letterhead, Post, address_lane, post
from countmein.payments.models import Payout, PayoutAccount, PayoutKind

#: The language of letters about no campaign.
_LANGUAGE = "en-gb"


#: How long the mailed link stops payouts, and how long an offer to take a campaign stands.
FREEZE_LASTS = OFFER_LASTS = timedelta(days=30)


def freeze_key(subject_id: uuid.UUID, until: date) -> str:
    """What the mailed link proves: whoever has it was told of the change, until that day."""
    return keyed_digest("freeze", f"{subject_id}/{until.isoformat()}")[:40]


def freeze_path(subject_id: uuid.UUID, now: datetime) -> str:
    """The page on which the payouts of an organiser, or of a campaign, are stopped."""
    until = (now + FREEZE_LASTS).date()
    key = freeze_key(subject_id, until)
    return f"/freeze/{subject_id}/?until={until.isoformat()}&key={key}"


def freeze_url(subject_id: uuid.UUID) -> str:
    """The link to that page, from now on."""
    return f"{settings.SITE_URL}{freeze_path(subject_id, site_now())}"


def _freeze_ends() -> str:
    return _("The button works for 30 days.")


def tell_of_account(
    account: PayoutAccount,
    *,
    organiser: Organiser,
    former: Iterable[tuple[Organiser, uuid.UUID]],
) -> None:
    """Tell everybody concerned that an organiser's bank account is another one.

    Whoever handed a campaign over lately can stop that campaign's payouts, and learns no more.
    """
    assert account.changed_at is not None
    at = account.changed_at.timestamp()
    once = f"account:{account.id}:{at}"
    with translation.override(_LANGUAGE):
        letter = _account_letter(organiser, shown=account.bank_last4, stops=organiser.id)
        others = [(was, id, _account_letter(organiser, shown="", stops=id)) for was, id in former]
    _write(once, letter, to=[organiser, *site_owners()], language=_LANGUAGE)
    for was, id, other in others:
        _write(f"former:{id}:{at}", other, to=[was], language=_LANGUAGE)


def _account_letter(organiser: Organiser, *, shown: str, stops: uuid.UUID) -> Letterhead:
    return Letterhead(
        subject=_("The account for payouts has changed: %(who)s") % {"who": organiser.email},
        lines=(
            _("Money for this organiser's campaigns will now go to another bank account."),
            _("Nothing is paid to it for 72 hours. If you know of this, there is nothing to do."),
            _("If it was not you: stop all payouts with the button below."),
            _freeze_ends(),
        ),
        facts=((_("Account now"), _("ending in %(digits)s") % {"digits": shown}),) if shown else (),
        links=((_("Stop all payouts"), freeze_url(stops)),),
    )


def tell_of_hand_over(campaign: Campaign, *, was: Organiser, now: Organiser, once: str) -> None:
    """Tell the organiser before, the new one and the site's owners of a hand-over."""
    with translation.override(campaign.language):
        letter = Letterhead(
            subject=_("Handed over: %(title)s") % {"title": campaign.title},
            lines=(
                _("This campaign has a new organiser, who now decides about it and its money."),
                _("Nothing is paid out for 72 hours. If you know of this, there is nothing to do."),
                _("If it was not you: stop all payouts with the button below."),
                _freeze_ends(),
            ),
            facts=((_("Organiser before"), was.email), (_("Organiser now"), now.email)),
            links=(
                (_("Stop all payouts"), freeze_url(campaign.id)),
                (_("The campaign"), campaign_url(campaign)),
            ),
        )
    _write(once, letter, to=[was, now, *site_owners()], language=campaign.language)


def tell_of_offer(
    campaign: Campaign, *, was: Organiser, now: Organiser, topic: str, once: str
) -> None:
    """Tell both that a campaign is offered, or that the offer was declined or taken back."""
    with translation.override(campaign.language):
        line = {
            "offered": _("Nothing changes before the other one has said yes, within 30 days."),
            "declined": _("The offer was declined. Nothing has changed."),
            "taken_back": _("The offer was taken back. Nothing has changed."),
        }[topic]
        page = f"{settings.SITE_URL}/organise/offered/{campaign.code}/"
        mine = f"{settings.SITE_URL}/organise/{campaign.code}/hand-over/"
        facts = ((_("Organiser now"), was.email), (_("Is to take it"), now.email))
        for to, button in ((was, (_("Look at the offer"), mine)), (now, (_("Answer"), page))):
            letter = Letterhead(
                subject=_("To be handed over: %(title)s") % {"title": campaign.title},
                lines=(line,),
                facts=facts,
                links=(button,) if topic == "offered" else (),
            )
            _write(once, letter, to=[to], language=campaign.language)


def tell_of_freeze(*, subject_id: uuid.UUID, once: str, organisers: list[Organiser]) -> None:
    """Tell everybody concerned that payouts were stopped."""
    with translation.override(_LANGUAGE):
        letter = Letterhead(
            subject=_("Payouts were stopped"),
            lines=(
                _("Somebody who was told of a change did not recognise it and stopped payouts."),
                _("Only the site's owner can let them go on."),
            ),
            links=((_("The desk for payouts"), f"{settings.SITE_URL}/desk/payouts/"),),
        )
    _write(once, letter, to=[*organisers, *site_owners()], language=_LANGUAGE)


def tell_of_payout(campaign: Campaign, payout: Payout, *, topic: str) -> None:
    """Tell of one payout: `wanted`, to whoever may agree; `paid` or `stopped`, to the organiser.

    Told before means told; call in the transaction that records it.
    """
    with translation.override(campaign.language):
        letter = _payout_letter(campaign, payout, topic)
    others = [owner for owner in site_owners() if owner.id != payout.asked_by_id]
    to = others if topic == "wanted" else [campaign.organiser]
    _write(f"payout:{topic}:{payout.id}", letter, to=to, language=campaign.language)


def _payout_letter(campaign: Campaign, payout: Payout, topic: str) -> Letterhead:
    subject, line, address = {
        "wanted": (
            _("A payout needs a second person: %(title)s"),
            _("It is more than one person may pay out alone. Look at it, then agree or stop it."),
            f"{settings.SITE_URL}/desk/payouts/",
        ),
        "paid": (
            _("Paid out: %(title)s"),
            _("A payout of your campaign was made."),
            f"{settings.SITE_URL}/organise/{campaign.code}/payouts/",
        ),
        "stopped": (
            _("A payout was stopped: %(title)s"),
            _("The money is the campaign's again."),
            f"{settings.SITE_URL}/organise/{campaign.code}/payouts/",
        ),
    }[topic]
    is_own = payout.kind == PayoutKind.ORGANISER
    facts = [
        (_("Amount"), money_text(payout.amount_minor, payout.currency)),
        (_("To"), _("The organiser") if is_own else payout.payee),
    ]
    facts += [(_("For"), payout.purpose)] if payout.purpose else []
    return Letterhead(
        subject=subject % {"title": campaign.title},
        lines=(line, *([payout.note] if topic == "stopped" and payout.note else [])),
        facts=tuple(facts),
        links=((_("Payouts"), address),),
    )


def milestone_letter(campaign: Campaign, pledge: Pledge, ballot: Ballot) -> Letterhead:
    """A proof was handed in, and whoever paid says whether it is good enough."""
    return Letterhead(
        subject=_("Is this proof enough? %(title)s") % {"title": campaign.title},
        lines=(
            _("The organiser has handed in a proof, to have the next part of the money paid."),
            _("The next part is paid only if more than half of all who paid say yes."),
            _("Whoever says nothing counts as a no."),
        ),
        facts=((_("Vote until"), instant_text(ballot.ends_at, campaign)),),
        links=(
            (_("Look at it and vote"), _ballot_url(pledge)),
            (_("The campaign"), campaign_url(campaign)),
        ),
    )


def _ballot_url(pledge: Pledge) -> str:
    return manage_url(pledge).replace(f"/p/{pledge.code}/", f"/p/{pledge.code}/ballot/")


def proof_letter(campaign: Campaign, topic: str) -> Letterhead:
    """What the organiser is told of a proof, or of its want."""
    subject = {
        "accepted": _("Your proof was accepted: %(title)s"),
        "refused": _("Your proof was not accepted: %(title)s"),
        "unproven": _("The rest goes back: %(title)s"),
    }[topic]
    line = {
        "accepted": _("More than half of those who paid said yes. The next part can be paid out."),
        "refused": _("Too few said yes. You can hand in another proof until the day that you set."),
        "unproven": _(
            "No proof was accepted in time. What was not released goes back to everybody."
        ),
    }[topic]
    return Letterhead(
        subject=subject % {"title": campaign.title},
        lines=(line,),
        links=((_("Payouts"), f"{settings.SITE_URL}/organise/{campaign.code}/payouts/"),),
    )


def tell_of_proof(campaign: Campaign, topic: str, *, once: str) -> None:
    """Tell the organiser what became of a proof."""
    with translation.override(campaign.language):
        letter = proof_letter(campaign, topic)
    _write(once, letter, to=[campaign.organiser], language=campaign.language)


def _write(once: str, letter: Letterhead, *, to: list[Organiser], language: str) -> None:
    """Queue a letter for each of these people, each once however often they are named."""
    # An address may be longer than there is room for beside the rest.
    addresses = {
        keyed_digest("letter_to", organiser.email.lower())[:16]: organiser.email for organiser in to
    }
    post(
        [
            Post(
                once=f"{once}:{key}",
                topic="payouts",
                letter=letter,
                lane=address_lane(address),
                to_address=address,
                language=language,
            )
            for key, address in addresses.items()
        ]
    )
