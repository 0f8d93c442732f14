"""What we write to members, organisers and targets: words for each turn of a campaign."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from countmein.campaigns.kinds import KINDS, pays_by_bank
from countmein.campaigns.links import campaign_url, confirm_url, disown_url, manage_url, secure_url
from countmein.campaigns.models import Campaign, Pledge, Tally, Ticket
from countmein.campaigns.transfer_letters import not_transferred_letter
from countmein.campaigns.wording import (
    amount_text,
    condition_text,
    instant_text,
    missing_words,
    money_text,
    rule_words,
)
from countmein.outreach.actions import Letterhead
from countmein.rules import conditions
from countmein.rules.states import PledgeState


def confirm_letter(
    campaign: Campaign, pledge: Pledge, condition: dict[str, Any] | None
) -> Letterhead:
    """The mailbox is to be confirmed: nothing counts before."""
    return Letterhead(
        subject=_("Please confirm: %(title)s") % {"title": campaign.title},
        lines=(
            _("You are one click away from being counted in."),
            _("If you did not ask for this, do nothing: nothing will happen."),
        ),
        facts=_promise_facts(campaign, pledge, condition),
        links=(
            (_("Yes, count me in"), confirm_url(pledge)),
            (_("That wasn’t me"), disown_url(pledge)),
        ),
        footer=_("You get this because this address was typed on our site."),
    )


def existing_letter(campaign: Campaign, earlier: Pledge) -> Letterhead:
    """The mailbox has pledged already; only its owner learns that."""
    return Letterhead(
        subject=_("You have already pledged: %(title)s") % {"title": campaign.title},
        lines=(
            _("Somebody, probably you, pledged again with this address."),
            _("One pledge counts per mailbox. Here you can see, change or withdraw yours."),
        ),
        links=((_("My pledge"), manage_url(earlier)),),
    )


def card_refused_letter(campaign: Campaign, pledge: Pledge) -> Letterhead:
    """The card could not be saved, so the pledge does not count yet."""
    return Letterhead(
        subject=_("Your card was refused: %(title)s") % {"title": campaign.title},
        lines=(
            _("Your card could not be saved, so your pledge does not count yet."),
            _("Nothing was charged. You can try another card until the deadline."),
        ),
        facts=((_("Deadline"), instant_text(campaign.deadline, campaign)),),
        links=((_("Try another card"), secure_url(pledge)),),
    )


def kept_letter(
    campaign: Campaign, pledge: Pledge, tickets: dict[str, Ticket], *, stamp: datetime
) -> Letterhead:
    """It tipped, and this is how the pledge is kept: one letter, whatever was pledged."""
    pieces = [
        KINDS[kind].piece(campaign, amount, tickets.get(kind))
        for kind, amount in sorted(pledge.accepted.items())
    ]
    by_bank = pays_by_bank(pledge)
    paid_label = _("Transferred") if by_bank else _("Charged")
    paid_words = (
        _("Your transfer of %(amount)s has arrived.")
        if by_bank
        else _("Your card was charged %(amount)s, once.")
    )
    lines = [
        line
        for piece in pieces
        for line in (*([paid_words % {"amount": piece.paid}] if piece.paid else []), *piece.lines)
    ]
    return Letterhead(
        subject=_("It tipped: %(title)s") % {"title": campaign.title},
        lines=(_("Enough others are in, so your pledge counts."), *lines),
        facts=(
            *((paid_label, piece.paid) for piece in pieces if piece.paid),
            *(fact for piece in pieces for fact in piece.facts),
            *event_facts(campaign),
        ),
        links=(
            (_("My pledge"), manage_url(pledge)),
            (_("The campaign"), campaign_url(campaign)),
            *(link for piece in pieces for link in piece.links),
        ),
        code=next((piece.code for piece in pieces if piece.code), ""),
        event=event_of(campaign, uid=pledge.code, url=campaign_url(campaign), stamp=stamp),
    )


def event_facts(campaign: Campaign) -> tuple[tuple[str, str], ...]:
    """When and where, if the campaign meets anywhere."""
    facts = []
    if campaign.starts_at:
        facts.append((_("Begins"), instant_text(campaign.starts_at, campaign)))
    if campaign.ends_at:
        facts.append((_("Ends"), instant_text(campaign.ends_at, campaign)))
    if campaign.venue:
        facts.append((_("Where"), campaign.venue))
    return tuple(facts)


def event_of(campaign: Campaign, *, uid: str, url: str, stamp: datetime) -> dict[str, str] | None:
    """The appointment that is attached, if the campaign has a time."""
    if campaign.starts_at is None:
        return None
    return {
        "uid": f"{uid}@{campaign.code}",
        "title": campaign.title,
        "starts_at": campaign.starts_at.isoformat(),
        "ends_at": campaign.ends_at.isoformat() if campaign.ends_at else "",
        "venue": campaign.venue,
        "url": url,
        "stamp": stamp.isoformat(),
    }


def lapsed_letter(campaign: Campaign, *, people: int, again: Campaign | None = None) -> Letterhead:
    """Not enough others were in: everybody is let go."""
    joined = ngettext("%(count)s person was in.", "%(count)s people were in.", people)
    return Letterhead(
        subject=_("It did not come about: %(title)s") % {"title": campaign.title},
        lines=(
            _("The deadline has passed and the goal was not reached. You are released."),
            joined % {"count": people},
            _("Nothing was charged, and the card you gave us, if any, is deleted."),
        ),
        facts=((_("Goal"), rule_words(campaign)),),
        links=(
            *_next_try(again),
            (_("The campaign"), campaign_url(campaign)),
        ),
    )


def _next_try(again: Campaign | None) -> tuple[tuple[str, str], ...]:
    """The link to a second try, within reach of those who were in."""
    if again is None:
        return ()
    label = _("Try again with %(goal)s") % {"goal": rule_words(again)}
    return ((label, campaign_url(again)),)


def cancelled_letter(campaign: Campaign, *, paid_minor: int) -> Letterhead:
    """The organiser called it off."""
    money = (
        _("What you paid, %(amount)s, is on its way back to where it came from.")
        % {"amount": money_text(paid_minor, campaign.currency)}
        if paid_minor
        else _("Nothing was charged, and the card you gave us, if any, is deleted.")
    )
    return Letterhead(
        subject=_("Cancelled: %(title)s") % {"title": campaign.title},
        lines=(_("The organiser has cancelled this campaign. You are released."), money),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def left_out_letter(campaign: Campaign, pledge: Pledge, *, by_cap: bool) -> Letterhead:
    """The campaign came about, but without this pledge: its condition did not hold, or no place."""
    why = (
        _("All places were taken before your turn came.")
        if by_cap
        else _("Your own condition did not hold, so nothing is asked of you.")
    )
    return Letterhead(
        subject=_("You are released: %(title)s") % {"title": campaign.title},
        lines=(
            why,
            _("Nothing was charged, and the card you gave us, if any, is deleted."),
        ),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def topup_letter(campaign: Campaign, pledge: Pledge, *, tally: Tally | None) -> Letterhead:
    """Cards failed, so something is missing: a few days are left to find it."""
    gone = pledge.state == PledgeState.dropped
    own = (
        _("Your own card could not be charged. You can pledge again with another one.")
        if gone
        else _("Your pledge stands, and nothing more is asked of you. Could you bring one more?")
    )
    return Letterhead(
        subject=_("So close, something is missing: %(title)s") % {"title": campaign.title},
        lines=(
            _("The campaign tipped, but some cards could not be charged, and now it falls short."),
            _(
                "Its door is open once more, for three days. If it is still short then, everybody "
                "gets the money back."
            ),
            own,
        ),
        facts=((_("Missing"), missing_words(campaign, tally)), (_("Goal"), rule_words(campaign))),
        links=((_("The campaign"), campaign_url(campaign)), (_("My pledge"), manage_url(pledge))),
    )


def dropped_letter(campaign: Campaign, pledge: Pledge) -> Letterhead:
    """The charge could not be collected."""
    if pays_by_bank(pledge):
        return not_transferred_letter(campaign)
    return Letterhead(
        subject=_("Your card could not be charged: %(title)s") % {"title": campaign.title},
        lines=(
            _("The campaign tipped, but your card was refused, so your pledge was dropped."),
            _("Nothing was charged."),
        ),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def refunded_letter(
    campaign: Campaign, *, amount_minor: int, reason: str, by_bank: bool = False
) -> Letterhead:
    """Money goes back, and why."""
    why = {
        "condition": _("After cards had failed, your own condition no longer held."),
        "shortfall": _("After cards had failed, the campaign fell short of its goal."),
        "no_proof": _("No proof was accepted in time, so what was not released goes back."),
        "late": _("Money came back that was counted as spent, and this is your part of it."),
        "recalled": _("Your bank has taken your transfer back, so your pledge has ended."),
    }.get(reason, _("The campaign was cancelled."))
    way = (
        _("The money was transferred to the account it came from.")
        if by_bank
        else _("The money is on its way back to the card it came from.")
    )
    return Letterhead(
        subject=_("Refund: %(title)s") % {"title": campaign.title},
        lines=(why, way),
        facts=((_("Refunded"), money_text(amount_minor, campaign.currency)),),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def target_letter(
    campaign: Campaign, *, number: int, signatures: int, names: list[str], story: str
) -> Letterhead:
    """The letter to the target: what is asked, by how many, and by whom of those who said so."""
    target = campaign.target or {}
    unnamed = signatures - len(names)
    lines = [
        ngettext("%(count)s person asks you:", "%(count)s people ask you:", signatures)
        % {"count": signatures},
        target.get("ask") or campaign.title,
        story,
    ]
    if names:
        lines.append(_("Signed by:") + "\n" + "\n".join(names))
    if unnamed:
        more = ngettext(
            "%(count)s person signed without a public name.",
            "%(count)s people signed without a public name.",
            unnamed,
        )
        lines.append(more % {"count": unnamed})
    return Letterhead(
        subject=_("%(title)s (letter %(number)s)") % {"title": campaign.title, "number": number},
        lines=tuple(line for line in lines if line),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def organiser_letter(campaign: Campaign, topic: str, *, people: int) -> Letterhead:
    """What the organiser is told when a campaign turns."""
    if topic.startswith("reallocated_"):
        return _reallocated_letter(campaign)
    subject = {
        "tipped": _("Your campaign tipped: %(title)s"),
        "lapsed": _("Your campaign lapsed: %(title)s"),
        "topup": _("Your campaign is short of money: %(title)s"),
        "settled": _("Your campaign is settled: %(title)s"),
        "released": _("Everybody is released: %(title)s"),
    }[topic]
    line = {
        "tipped": _("The rule holds. What was promised is now carried out, step by step."),
        "lapsed": _("The deadline has passed and the rule did not hold. Everybody is let go."),
        "topup": _("Cards failed and the rule no longer holds. The door is open for three days."),
        "settled": _("Every accepted pledge has been kept, or dropped where a card failed."),
        "released": _("Nobody owes anything any more, and all refunds are made."),
    }[topic]
    return Letterhead(
        subject=subject % {"title": campaign.title},
        lines=(line,),
        facts=((_("People in"), str(people)), (_("Goal"), rule_words(campaign))),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def _reallocated_letter(campaign: Campaign) -> Letterhead:
    return Letterhead(
        subject=_("Plan B is decided: %(title)s") % {"title": campaign.title},
        lines=(
            _("It is settled what becomes of the money, and everybody is told."),
            _("What goes to a plan is held for it. Pay its supplier, and carry it out."),
        ),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def _promise_facts(
    campaign: Campaign, pledge: Pledge, condition: dict[str, Any] | None
) -> tuple[tuple[str, str], ...]:
    facts = [(_("You promise"), amount_text(pledge.kind, pledge.amount, campaign))]
    facts += [
        (_("And further"), amount_text(part["kind"], part["amount"], campaign))
        for part in pledge.more
    ]
    if condition:
        parsed = conditions.parse(condition, path="condition", pledges_allowed=True)
        facts.append((_("But only if"), condition_text(parsed, currency=campaign.currency)))
    facts.append((_("Goal"), rule_words(campaign)))
    facts.append((_("Deadline"), instant_text(campaign.deadline, campaign)))
    return tuple(facts)
