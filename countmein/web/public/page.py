"""What the page of a campaign shows, for its public page and for its organiser's preview."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext, ngettext

from countmein.campaigns import queries, wording
from countmein.campaigns.links import campaign_url
from countmein.campaigns.models import Campaign
from countmein.web.curve import Curve, curve
from countmein.web.meter import bars, dots
from countmein.web.payout_words import proofs_shown, refund_words, stage_words
from countmein.web.public.plan_words import plan_b_part
from countmein.web.public.telling import promise, questions, share_links, share_text
from countmein.web.templatetags.words import number

#: More names than this are a list nobody reads; the count says how many there are.
_NAMES_SHOWN: Final = 60
#: The states in which it has tipped and nothing has gone wrong since.
_TIPPED: Final = frozenset({"tipped", "settling", "settled", "executing", "done"})


def campaign_page(campaign: Campaign, view: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return everything the campaign's page needs, in a constant number of queries."""
    words = share_text(campaign, view, now=now)
    return {
        **live_part(campaign, view),
        "now": now,
        "names": queries.public_people(campaign, limit=_NAMES_SHOWN),
        "story": campaign.stories.order_by("-number").first(),
        "is_charged": campaign.takes_money,
        "money": _money(campaign, view),
        "caps": _caps(campaign),
        "places": _places(campaign, view),
        "plan_b": plan_b_part(campaign, view),
        "closed_words": _closed_words(view),
        "payout_words": _payout_words(campaign, view),
        "proofs": proofs_shown(campaign) if campaign.payout else [],
        "charging_text": _charging_text(view["charging_minutes"]),
        "promise": promise(campaign, view, now=now),
        "questions": questions(campaign),
        "page_url": campaign_url(campaign),
        "share_words": words,
        "share_text": f"{words} {campaign_url(campaign)}",
        "share_links": share_links(campaign, words),
        "curve": _curve(campaign, view),
    }


def live_part(campaign: Campaign, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the part of the page needs that changes while one looks at it."""
    crowd = dots(campaign.rule, view["tally"])
    found = bars(campaign.rule, view["tally"], currency=campaign.currency)
    return {
        "campaign": campaign,
        "view": view,
        "dots": crowd,
        # The crowd of dots says already how far the people are.
        "other_bars": [bar for bar in found if crowd is None or bar.source != "people"],
        "is_open": view["state"] == "open",
        "is_tipped": view["state"] in _TIPPED,
        "unlock_text": unlock_text(view["unlock"]),
    }


def _curve(campaign: Campaign, view: Mapping[str, Any]) -> Curve | None:
    """The tipping curve, while it can still change what somebody does."""
    if view["state"] != "open":
        return None
    crowd = dots(campaign.rule, view["tally"])
    return curve(view["tally"]["people"], crowd.goal if crowd else 0, view["curve"])


def unlock_text(unlock: Mapping[str, int] | None) -> str:
    """Say how few more people bring in how many who wait."""
    if unlock is None:
        return ""
    more, brought = unlock["more_people"], unlock["brings_people"]
    if more == 1:
        words = ngettext(
            "1 more person brings in %(n)s who is waiting.",
            "1 more person brings in %(n)s who are waiting.",
            brought,
        )
    else:
        words = ngettext(
            "%(more)s more people bring in %(n)s who is waiting.",
            "%(more)s more people bring in %(n)s who are waiting.",
            brought,
        )
    return words % {"more": number(more), "n": number(brought)}


def _money(campaign: Campaign, view: Mapping[str, Any]) -> list[dict[str, str]]:
    pledged = view["tally"]["sum"]
    if not campaign.takes_money:
        return []
    facts = {
        gettext("Pledged"): pledged.get("money", 0)
        + pledged.get("purchase", 0) * (campaign.unit_price_minor or 0)
    }
    if view["tipped_at"] is None:
        # Some cards fail; better said before than after.
        facts[gettext("Expected to come in")] = view["expected_minor"]
    awaited = sum(view["awaited"].values())
    facts |= {
        gettext("Being charged"): sum(view["collecting"].values()) - awaited,
        **({gettext("Transfers awaited"): awaited} if awaited else {}),
        gettext("Failing"): sum(view["failing"].values()),
        gettext("Collected"): sum(view["collected"].values()),
        gettext("Refunded"): sum(view["refunded"].values()),
    }
    if disputed := sum(view["disputed"].values()):
        facts[gettext("Disputed by card owners")] = disputed
    return [
        {"label": label, "text": wording.money_text(amount, campaign.currency)}
        for label, amount in facts.items()
    ]


def _payout_words(campaign: Campaign, view: Mapping[str, Any]) -> str:
    """How the money is paid out, for everybody to read before they pledge any; once it has failed
    it is shared out otherwise."""
    if not campaign.takes_money or any(move["state"] == "failed" for move in view["history"]):
        return ""
    return f"{stage_words(campaign)} {refund_words(campaign)}".strip()


def _charging_text(minutes: int | None) -> str:
    """How long the cards take, honestly: a provider takes so many a second and no more."""
    if minutes is None:
        return ""
    if minutes <= 1:
        return gettext("Cards are being charged: about a minute.")
    if minutes < 120:
        words = ngettext(
            "Cards are being charged: about %(n)s minute.",
            "Cards are being charged: about %(n)s minutes.",
            minutes,
        )
        return words % {"n": number(minutes)}
    hours = -(-minutes // 60)
    words = ngettext(
        "Cards are being charged: about %(n)s hour.",
        "Cards are being charged: about %(n)s hours.",
        hours,
    )
    return words % {"n": number(hours)}


def _caps(campaign: Campaign) -> list[tuple[str, str]]:
    return [
        (
            kind,
            wording.amount_text(kind, most, campaign)
            if kind in ("money", "hours")
            else number(most),
        )
        for kind, most in campaign.cap.items()
    ]


def _places(campaign: Campaign, view: Mapping[str, Any]) -> list[tuple[str, int]]:
    counted = view["tally"]["places"]
    rows = [(place, counted.get(place, 0)) for place in campaign.places]
    return sorted(rows, key=lambda row: (-row[1], row[0]))[:50]


def _closed_words(view: Mapping[str, Any]) -> str:
    words = {
        "draft": gettext("This is a draft. Nobody can pledge yet."),
        "open": gettext("The deadline has passed. The rule is being judged now."),
        "tipped": gettext("It tipped. The promises are being kept."),
        "settling": gettext("It tipped. The promises are being kept."),
        "topup": gettext("Cards failed, and it fell short. The time to top it up is over."),
        "settled": gettext("It tipped, and every promise was dealt with."),
        "executing": gettext("It tipped, and it is being carried out. Nobody can join any more."),
        "failed": gettext("It cannot be carried out. What becomes of the money is being decided."),
        "reallocating": gettext("It could not be carried out. Each one’s money goes its way now."),
        "done": gettext("It tipped, and it was carried out."),
        "lapsed": gettext("Not enough people came together. Everybody is being let go."),
        "released": gettext("Everybody was let go. Nobody owes anything."),
        "cancelled": gettext("The organiser cancelled it. Everybody is being let go."),
    }
    return words.get(view["state"], "")
