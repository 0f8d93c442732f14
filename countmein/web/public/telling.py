"""What a campaign's page tells beside the numbers: the promise in short, questions, sharing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from django.utils.translation import gettext

from countmein.campaigns.links import campaign_url
from countmein.campaigns.models import Campaign
from countmein.rules.states import Latch
from countmein.web.templatetags.words import instant, relative

#: Where a text can be handed to, as a plain link: no script of theirs ever runs here.
_NETWORKS: Final = (
    ("WhatsApp", "https://wa.me/?text={words_url}"),
    ("Telegram", "https://t.me/share/url?url={url}&text={words}"),
    ("Signal, SMS", "sms:?&body={words_url}"),
    ("Bluesky", "https://bsky.app/intent/compose?text={words_url}"),
    ("Facebook", "https://www.facebook.com/sharer/sharer.php?u={url}"),
    ("LinkedIn", "https://www.linkedin.com/sharing/share-offsite/?url={url}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of the promise: its picture, what it is about, what it says."""

    icon: str
    label: str
    text: str
    small: str = ""


def promise(campaign: Campaign, view: Mapping[str, Any], *, now: datetime) -> list[Fact]:
    """When it is decided, what happens then, and what one risks: enough to decide by."""
    when = Fact(
        icon="clock",
        label=gettext("Decided by"),
        text=instant(view["deadline"], campaign.timezone),
        small=relative(view["deadline"], now) if view["accepting"] else "",
    )
    then = Fact(icon="spark", label=gettext("If enough are in"), text=_then(campaign))
    if view["tipped_at"] is not None:
        return [when, then]
    return [when, then, Fact(icon="shield", label=gettext("Your risk"), text=_risk(campaign))]


def _then(campaign: Campaign) -> str:
    target = (campaign.target or {}).get("name", "")
    said = {
        "money": gettext("Everybody’s card is charged what they pledged, once."),
        "purchase": gettext("Everybody buys at the same moment and gets a voucher."),
        "signature": gettext("The letter goes to %(target)s with every name.") % {"target": target}
        if target
        else gettext("The letter goes out with every signature."),
        "presence": gettext("We meet, and everybody gets the appointment."),
        "call": gettext("Everybody gets the number to call and what to say."),
        "hours": gettext("Everybody gets time and place, and lends a hand."),
    }
    return " ".join(said[kind] for kind in campaign.kinds if kind in said)


def _risk(campaign: Campaign) -> str:
    if campaign.takes_money:
        return gettext("None until then. If too few join, nothing is charged and you are let go.")
    return gettext("None until then. If too few join, nothing happens and you are let go.")


def questions(campaign: Campaign) -> list[tuple[str, str]]:
    """What people ask before they join, answered by the terms of this very campaign."""
    money = [
        (
            gettext("When is my card charged?"),
            gettext(
                "Only if it tips, and once. Until then the payment provider keeps the card and we "
                "never see its number. If it does not tip, the provider forgets it."
            ),
        )
    ]
    leave = (
        gettext(
            "Yes, with the link in your mail, until it tips with you in it. From then on others "
            "have relied on you, and your pledge stands."
        )
        if campaign.latch == Latch.on_tip
        else gettext("Yes, with the link in your mail, until the deadline.")
    )
    return [
        (
            gettext("What if too few join?"),
            gettext(
                "Then it did not come about. Everybody is told and let go; nobody owes anything."
            ),
        ),
        *(money if campaign.takes_money else []),
        (gettext("Can I change my mind?"), leave),
        (
            gettext("I would join, but not as one of the first."),
            gettext(
                "Say so: “count me in if 50 others are”. You wait without being counted, and come "
                "in at the very moment at which enough others do."
            ),
        ),
        (
            gettext("Who sees my name?"),
            gettext(
                "Nobody, unless you tick the box when you pledge. Your address is never shown, to "
                "the organiser neither."
            ),
        ),
        (
            gettext("Can I trust the count?"),
            gettext(
                "Every pledge is one mailbox that was asked. The count is worked out anew from all "
                "of them, and the books of the money are open to everybody."
            ),
        ),
    ]


def share_text(campaign: Campaign, view: Mapping[str, Any], *, now: datetime) -> str:
    """One sentence for somebody who has never heard of it."""
    return gettext("%(title)s: it happens if %(rule)s come together (%(when)s).") % {
        "title": campaign.title,
        "rule": view["rule_text"],
        "when": relative(view["deadline"], now),
    }


def share_links(campaign: Campaign, words: str, *, url: str = "") -> list[tuple[str, str]]:
    """Where to hand the words and the campaign's address, or another, to; by name."""
    url = url or campaign_url(campaign)
    said = {
        "url": quote(url, safe=""),
        "words": quote(words, safe=""),
        "words_url": quote(f"{words} {url}", safe=""),
    }
    mail = f"mailto:?subject={quote(campaign.title, safe='')}&body={said['words_url']}"
    return [
        *((name, pattern.format(**said)) for name, pattern in _NETWORKS),
        (gettext("E-mail"), mail),
    ]
