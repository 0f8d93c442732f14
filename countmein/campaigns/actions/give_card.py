"""To give a card: a member goes to the provider's page and comes back; now, or after it failed."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from countmein.base.clock import site_now
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.gates import gate_of, is_accepting
from countmein.campaigns.kinds import needs_card
from countmein.campaigns.links import came_back_url, manage_url
from countmein.campaigns.mandate import mandate_words
from countmein.campaigns.models import Campaign, Crowd, Pledge
from countmein.campaigns.wording import money_text
from countmein.payments.actions.charging import open_payment_page
from countmein.payments.actions.mandates import consent_of
from countmein.payments.actions.pages import PageWords, came_back, look_at, open_card_page
from countmein.payments.models import CHARGE_OPEN, Charge
from countmein.rules.pledging import may_give_card
from countmein.rules.states import PledgeState


def failing_charge(pledge: Pledge) -> Charge | None:
    """The charge of this pledge that was refused and is not given up, if there is one."""
    found = Charge.objects.filter(
        lane=pledge.lane,
        pledge_id=pledge.id,
        first_failed_at__isnull=False,
        state__in=CHARGE_OPEN,
    ).first()
    assert found is None or isinstance(found, Charge)
    return found


def require_card_wanted(pledge: Pledge) -> None:
    """Raises PledgeRefused unless a card, or another one, can be given for this pledge."""
    may_give_card(
        pledge_state=PledgeState(pledge.state),
        needs_card=needs_card(pledge),
        is_charging=failing_charge(pledge) is not None,
    )


def card_page(pledge: Pledge, *, language: str) -> str:
    """Return the address of the provider's page for this pledge's card.

    Raises PledgeRefused where no card can be given any more, and PageUnavailable.
    """
    require_card_wanted(pledge)
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    return open_card_page(
        lane=pledge.lane,
        campaign_id=campaign.id,
        pledge_id=pledge.id,
        currency=campaign.currency,
        said=_said(pledge, _words(campaign, pledge), language),
    )


def payment_page(pledge: Pledge, *, language: str) -> str:
    """Return the address of the page on which the member confirms the payment in person.

    Raises PageUnavailable, also where nothing waits to be paid.
    """
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    charge = failing_charge(pledge)
    amount = money_text(charge.amount_minor, charge.currency) if charge else ""
    words = _("%(title)s: it tipped. You pay the %(amount)s that you pledged.") % {
        "title": campaign.title,
        "amount": amount,
    }
    return open_payment_page(
        lane=pledge.lane, pledge_id=pledge.id, said=_said(pledge, words, language)
    )


def returned(pledge: Pledge, *, page_id: uuid.UUID) -> None:
    """The member came back from a page: that is their last act, and what came of it is looked up.

    A pledge that is not secured yet keeps its place under a cap from here on once more.
    """
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    with transaction.atomic():
        came_back(lane=pledge.lane, page_id=page_id)
        now = site_now()
        if is_accepting(gate_of(campaign), now=now):
            Pledge.objects.filter(
                lane=pledge.lane, id=pledge.id, state=PledgeState.unsecured
            ).update(acted_at=now)
    # Somebody is looking at the screen: what the job would see in a second is seen now.
    look_at(lane=pledge.lane, page_id=page_id)
    secure(str(campaign.id))


def _words(campaign: Campaign, pledge: Pledge) -> str:
    """What the member has allowed already, word for word."""
    allowed = consent_of(lane=pledge.lane, pledge_id=pledge.id)
    if allowed is not None:
        return str(allowed.words)
    crowd = Crowd.objects.filter(lane=pledge.lane, id=pledge.crowd_id).first()
    return mandate_words(campaign, pledge, crowd.condition if crowd else None)


def _said(pledge: Pledge, words: str, language: str) -> PageWords:
    return PageWords(
        words=words,
        language=language,
        return_url=came_back_url(pledge),
        cancel_url=manage_url(pledge),
    )
