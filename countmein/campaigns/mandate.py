"""What a member allows when a card is given: how much, on which condition, until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from countmein.base.clock import site_now
from countmein.campaigns.changes import parts_of
from countmein.campaigns.kinds import KINDS
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.wording import condition_text, instant_text, money_text, rule_words
from countmein.payments.models import Consent
from countmein.rules import conditions
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


def consent(campaign: Campaign, pledge: Pledge, condition: Any, *, language: str) -> Consent:
    """What the member allows with this pledge as it stands, in the member's language."""
    with translation.override(language):
        words = mandate_words(campaign, pledge, condition)
    return Consent(
        lane=pledge.lane,
        campaign_id=pledge.campaign_id,
        pledge_id=pledge.id,
        amount_minor=most_minor(campaign, pledge),
        currency=campaign.currency,
        latest_charge_at=latest_charge_at(campaign),
        words=words,
        at=site_now(),
    )
