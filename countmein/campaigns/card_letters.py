"""What we write to a member about a card: it failed, it will expire, and what to do about it."""

from __future__ import annotations

from django.utils.translation import gettext as _

from countmein.campaigns.links import campaign_url, manage_url, secure_url
from countmein.campaigns.mandate import latest_charge_at
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.wording import instant_text, money_text, month_text
from countmein.outreach.actions import Letterhead
from countmein.payments.models import Charge, Mandate
from countmein.rules.dunning import LADDER, TRIES, Decline


def failing_letter(campaign: Campaign, pledge: Pledge, charge: Charge) -> Letterhead:
    """It tipped, but the card could not be charged: what happens next, and what would help."""
    decline = Decline(charge.decline or Decline.soft)
    why = {
        Decline.soft: _(
            "It tipped, and your card was refused. That happens: a limit, a busy bank."
        ),
        Decline.authenticate: _("It tipped, and your bank wants you to confirm the payment."),
        Decline.hard: _("It tipped, but your card cannot be charged any more."),
    }[decline]
    do = {
        Decline.soft: _("Give another card"),
        Decline.authenticate: _("Confirm the payment"),
        Decline.hard: _("Give another card"),
    }[decline]
    will_try = charge.steps + 1 in TRIES[decline]
    first_failed_at = charge.first_failed_at or charge.due_at
    facts = [(_("To be charged"), money_text(charge.amount_minor, charge.currency))]
    if will_try:
        facts.append((_("We try again"), instant_text(charge.due_at, campaign)))
    facts.append((_("Last day"), instant_text(first_failed_at + LADDER[-1], campaign)))
    return Letterhead(
        subject=_("Your pledge needs you: %(title)s") % {"title": campaign.title},
        lines=(
            why,
            _("Nothing was charged. Your pledge stands, and others rely on it."),
            _("If it cannot be charged by the last day, it is dropped, and you owe nothing."),
        ),
        facts=tuple(facts),
        links=((do, secure_url(pledge)), (_("My pledge"), manage_url(pledge))),
    )


def expiring_letter(campaign: Campaign, pledge: Pledge, mandate: Mandate | None) -> Letterhead:
    """The card may have expired by the time it is charged."""
    card = mandate.card_last4 if mandate else ""
    facts = [(_("Latest charge"), instant_text(latest_charge_at(campaign), campaign))]
    if mandate and mandate.card_expires_on:
        until = month_text(mandate.card_expires_on)
        facts.insert(0, (_("Card ending in %(digits)s") % {"digits": card}, until))
    return Letterhead(
        subject=_("Your card will expire: %(title)s") % {"title": campaign.title},
        lines=(
            _("The card of your pledge may have expired when it comes to be charged."),
            _("Give another one and you need not think of it again. Nothing is charged now."),
        ),
        facts=tuple(facts),
        links=(
            (_("Give another card"), secure_url(pledge)),
            (_("The campaign"), campaign_url(campaign)),
        ),
    )
