"""What a member allows or promises: how much, on which condition, until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from countmein.base.clock import site_now
from countmein.campaigns.changes import parts_of
from countmein.campaigns.kinds import KINDS, pays_by_bank
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.wording import condition_text, instant_text, money_text, rule_words
from countmein.payments.models import Consent
from countmein.rules import conditions
from countmein.rules.awaiting import last_instant
from countmein.rules.dunning import LADDER
from countmein.rules.states import Shortfall
from countmein.rules.tipping import TOPUP_LASTS

#: Charging a large crowd takes hours at the provider's pace, and a lost answer is looked up.
_SLACK = timedelta(hours=24)


def latest_charge_at(campaign: Campaign) -> datetime:
    """The last instant at which anything can be charged for this campaign."""
    at = campaign.deadline + LADDER[-1] + _SLACK
    if campaign.shortfall == Shortfall.topup:
        at += TOPUP_LASTS + LADDER[-1]
    return at


def latest_transfer_at(campaign: Campaign) -> datetime:
    """The last instant at which anything can be asked to be transferred for this campaign."""
    at = campaign.deadline + _SLACK
    if campaign.shortfall == Shortfall.topup:
        at += LADDER[-1] + TOPUP_LASTS
    return last_instant(at, days=campaign.transfer_days or 0)


def most_minor(campaign: Campaign, pledge: Pledge) -> int:
    """What is charged if every part of the pledge comes in, in minor units."""
    parts = parts_of(pledge)
    return sum(KINDS[part.kind].price_minor(campaign, part.amount) for part in parts)


def mandate_words(campaign: Campaign, pledge: Pledge, condition: Any) -> str:
    """The sentence that a member agrees to, in the active language."""
    facts = {
        "amount": money_text(most_minor(campaign, pledge), campaign.currency),
        "title": campaign.title,
        "rule": rule_words(campaign),
        "latest": instant_text(latest_charge_at(campaign), campaign),
    }
    if pledge.more:
        amount = _("at most %(amount)s, as one sum of the parts that come in,") % facts
        facts["amount"] = amount
    if condition is None:
        return (
            _(
                "You allow %(amount)s to be charged to your card once for “%(title)s”, only if "
                "%(rule)s come together, on %(latest)s at the latest. Otherwise the card is "
                "forgotten."
            )
            % facts
        )
    parsed = conditions.parse(condition, path="condition", pledges_allowed=True)
    facts["condition"] = condition_text(parsed, currency=campaign.currency)
    return (
        _(
            "You allow %(amount)s to be charged to your card once for “%(title)s”, only if "
            "%(rule)s come together and your own condition holds (%(condition)s), on %(latest)s "
            "at the latest. Otherwise the card is forgotten."
        )
        % facts
    )


def transfer_words(campaign: Campaign, pledge: Pledge, condition: Any) -> str:
    """The sentence that a member agrees to who will transfer the money, in the active language."""
    facts = {
        "amount": money_text(most_minor(campaign, pledge), campaign.currency),
        "title": campaign.title,
        "rule": rule_words(campaign),
        "days": campaign.transfer_days,
        "latest": instant_text(latest_transfer_at(campaign), campaign),
    }
    if pledge.more:
        facts["amount"] = _("at most %(amount)s, as one sum of the parts that come in,") % facts
    promise = (
        ngettext(
            "You promise to transfer %(amount)s for “%(title)s” within %(days)s day after we ask "
            "you to, only if %(rule)s come together, on %(latest)s at the latest. You count at "
            "once, on your word: others rely on it.",
            "You promise to transfer %(amount)s for “%(title)s” within %(days)s days after we ask "
            "you to, only if %(rule)s come together, on %(latest)s at the latest. You count at "
            "once, on your word: others rely on it.",
            campaign.transfer_days or 1,
        )
        % facts
    )
    if condition is None:
        return promise
    parsed = conditions.parse(condition, path="condition", pledges_allowed=True)
    own = condition_text(parsed, currency=campaign.currency)
    also = _("Your own condition must hold, too: %(condition)s.") % {"condition": own}
    return f"{promise} {also}"


def consent(campaign: Campaign, pledge: Pledge, condition: Any, *, language: str) -> Consent:
    """What the member allows with this pledge as it stands, in the member's language."""
    by_bank = pays_by_bank(pledge)
    with translation.override(language):
        words = (transfer_words if by_bank else mandate_words)(campaign, pledge, condition)
    return Consent(
        lane=pledge.lane,
        campaign_id=pledge.campaign_id,
        pledge_id=pledge.id,
        amount_minor=most_minor(campaign, pledge),
        currency=campaign.currency,
        latest_charge_at=(latest_transfer_at if by_bank else latest_charge_at)(campaign),
        words=words,
        at=site_now(),
    )
