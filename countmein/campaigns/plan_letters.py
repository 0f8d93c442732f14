"""What members are told when it cannot be carried out, of their money then, and of a vote."""

from __future__ import annotations

from django.utils.translation import gettext as _

from countmein.campaigns.ballot_words import count_lines, outcome_text, question_of
from countmein.campaigns.kinds import is_charged
from countmein.campaigns.links import ballot_url, campaign_url, fallback_url, manage_url
from countmein.campaigns.models import (
    Ballot,
    BallotPaper,
    Campaign,
    Failure,
    PlanShare,
    Pledge,
)
from countmein.campaigns.plans import choice_text
from countmein.campaigns.wording import instant_text, money_text
from countmein.outreach.actions import Letterhead


def failed_letter(
    campaign: Campaign, pledge: Pledge, failure: Failure, *, tried: frozenset[int]
) -> Letterhead:
    """It cannot be carried out: what has happened, what one's choice is, and until when."""
    subject = _("It cannot be carried out: %(title)s") % {"title": campaign.title}
    said = [failure.text] if failure.text else []
    if not is_charged(pledge.accepted):
        nothing = _("You have paid nothing, so nothing is asked of you.")
        return Letterhead(
            subject=subject,
            lines=(*said, nothing),
            links=((_("The campaign"), campaign_url(campaign)),),
        )
    if campaign.plan_b is None:
        back = _("What is left of the money goes back to everybody, in proportion.")
        return Letterhead(
            subject=subject,
            lines=(*said, back, _("You need do nothing.")),
            links=((_("My pledge"), manage_url(pledge)),),
        )
    until = instant_text(failure.decide_until, campaign)
    return Letterhead(
        subject=subject,
        lines=(
            *said,
            _("What has not been spent is frozen. It goes where each of you wants it to go."),
            _("You need do nothing if you still want what you chose."),
        ),
        facts=(
            (_("Your choice"), choice_text(campaign, pledge.fallback, tried=tried)),
            (_("You can change it until"), until),
        ),
        links=(
            (_("Change my choice"), fallback_url(pledge)),
            (_("The campaign"), campaign_url(campaign)),
        ),
    )


def not_charged_letter(campaign: Campaign) -> Letterhead:
    """It failed before this pledge was charged."""
    return Letterhead(
        subject=_("You are released: %(title)s") % {"title": campaign.title},
        lines=(
            _("It cannot be carried out, so your card is not charged any more."),
            _("You owe nothing, and the card you gave us is deleted."),
        ),
        links=((_("The campaign"), campaign_url(campaign)),),
    )


def share_letter(
    campaign: Campaign,
    pledge: Pledge,
    failure: Failure,
    share: PlanShare,
    *,
    ballot: Ballot | None,
) -> Letterhead:
    """What became of one member's money, to the cent."""
    may_vote = ballot is not None and share.left_over_minor > 0 and ballot.closed_at is None
    lines = [_("It could not be carried out, and it is settled now what becomes of the money.")]
    if share.refund_minor:
        lines.append(_("Your refund is on its way back to the card it came from."))
    if may_vote:
        lines.append(_("Some is left over. It belongs to those who gave it: please vote on it."))
    links = [(_("My pledge"), manage_url(pledge)), (_("The campaign"), campaign_url(campaign))]
    if may_vote and ballot is not None:
        links.insert(0, (_("Vote"), ballot_url(pledge)))
    return Letterhead(
        subject=_("What becomes of your money: %(title)s") % {"title": campaign.title},
        lines=tuple(lines),
        facts=tuple(share_facts(campaign, failure, share))
        + (
            ((_("You can vote until"), instant_text(ballot.ends_at, campaign)),)
            if may_vote and ballot is not None
            else ()
        ),
        links=tuple(links),
    )


def share_facts(campaign: Campaign, failure: Failure, share: PlanShare) -> list[tuple[str, str]]:
    """The amounts of a share that are not nothing, each with its name."""
    plan = failure.plans[share.plan - 1]["title"] if share.plan is not None else ""
    amounts = [
        (_("Spent, your part of it"), share.borne_minor),
        (_("Goes back to you"), share.refund_minor),
        (_("Goes to: %(plan)s") % {"plan": plan}, share.delivered_minor),
        (_("Left over, to be voted on"), share.left_over_minor),
    ]
    return [
        (label, money_text(amount, campaign.currency)) for label, amount in amounts if amount > 0
    ]


def ballot_letter(
    campaign: Campaign, pledge: Pledge, ballot: Ballot, paper: BallotPaper
) -> Letterhead:
    """What a ballot came to, and what that means for one's own part."""
    return Letterhead(
        subject=_("The vote is over: %(title)s") % {"title": campaign.title},
        lines=(question_of(ballot), outcome_text(ballot)),
        facts=(
            *count_lines(ballot, ballot.counts),
            (_("Your part"), money_text(paper.stake_minor, campaign.currency)),
        ),
        links=((_("My pledge"), manage_url(pledge)), (_("The campaign"), campaign_url(campaign))),
    )
