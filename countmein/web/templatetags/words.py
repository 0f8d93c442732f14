"""Words for what templates show: money, instants in their zone, states, kinds, stories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import nh3
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, format_timedelta, get_timezone_name
from babel.numbers import format_decimal
from django import template
from django.utils import translation
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from markdown_it import MarkdownIt

from countmein.campaigns import wording

register = template.Library()

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False})
_TAGS = {
    *("p", "br", "hr", "strong", "em", "a", "ul", "ol", "li", "blockquote", "pre", "code"),
    *("h2", "h3", "h4"),
}
#: The page has its own h1 and its sections are h2, so a story's headings start one lower.
_LOWER = {"h1": "h3", "h2": "h3", "h3": "h4", "h4": "h4", "h5": "h4", "h6": "h4"}

CAMPAIGN_STATES: dict[str, str | Promise] = {
    "draft": _("Draft"),
    "open": _("Open"),
    "tipped": _("It tipped"),
    "settling": _("Keeping the promises"),
    "settled": _("Settled"),
    "topup": _("Topping up"),
    "lapsed": _("Not enough people"),
    "released": _("Everybody released"),
    "cancelled": _("Cancelled"),
    "executing": _("Being carried out"),
    "failed": _("It cannot be carried out"),
    "reallocating": _("Choosing another way"),
    "done": _("Done"),
}
SHORTFALL_WORDS: dict[str, str | Promise] = {
    "release": _(
        "Some cards fail at the charge. If what really comes in no longer holds the rule, "
        "everybody gets the money back."
    ),
    "topup": _(
        "Some cards fail at the charge. If what really comes in no longer holds the rule, there "
        "are three days to find what is missing; after that everybody gets the money back."
    ),
    "proceed": _(
        "Some cards fail at the charge. It goes on with what really comes in, even if that is less "
        "than the rule asked for."
    ),
}
_STATE_LOOKS = {
    "open": "chip-good",
    "tipped": "chip-spark",
    "settling": "chip-spark",
    "topup": "chip-wait",
    "executing": "chip-spark",
    "reallocating": "chip-wait",
    "done": "chip-good",
    "settled": "chip-good",
    "cancelled": "chip-alarm",
    "failed": "chip-alarm",
}
HISTORY_WORDS: dict[str, str | Promise] = {
    "open": _("The campaign opened."),
    "tipped": _("It tipped: enough people were in."),
    "settling": _("The promises began to be kept."),
    "topup": _("Cards failed and it fell short: the door is open once more."),
    "settled": _("Every promise was dealt with."),
    "lapsed": _("The deadline passed without enough people."),
    "released": _("Everybody was let go."),
    "cancelled": _("The organiser cancelled it."),
    "executing": _("It began to be carried out. Nobody can join any more."),
    "failed": _("It cannot be carried out; everybody may say what becomes of their money."),
    "reallocating": _("Choices were closed, and each one’s money went its way."),
    "done": _("It was carried out."),
}
PLEDGE_STATES: dict[str, str | Promise] = {
    "unconfirmed": _("Waiting for you to open the link we mailed you"),
    "unsecured": _("Waiting for your card to be accepted"),
    "active": _("You are pledged"),
    "held": _("Being looked at by a person"),
    "accepted": _("Accepted: it tipped with you in it"),
    "fulfilled": _("It tipped with you in it"),
    "refunded": _("Refunded: you have your money back"),
    "withdrawn": _("Withdrawn: you are out"),
    "released": _("Released: you owe nothing"),
    "dropped": _("Dropped: it could not be collected, and you owe nothing"),
}
#: The same, as a word in the organiser's table.
PLEDGE_WORDS: dict[str, str | Promise] = {
    "unconfirmed": _("unconfirmed"),
    "unsecured": _("card being checked"),
    "active": _("pledged"),
    "held": _("held"),
    "accepted": _("accepted"),
    "fulfilled": _("kept"),
    "refunded": _("refunded"),
    "withdrawn": _("withdrawn"),
    "released": _("released"),
    "dropped": _("dropped"),
}
DELIVERY_STATES: dict[str, str | Promise] = {
    "queued": _("waiting to be sent"),
    "sending": _("being sent"),
    "sent": _("handed over"),
    "refused": _("refused"),
    "unknown": _("unknown: it may have arrived"),
}
KINDS: dict[str, str | Promise] = {
    "money": _("Money"),
    "purchase": _("Purchase"),
    "signature": _("Signature"),
    "presence": _("Presence"),
    "call": _("Phone call"),
    "hours": _("Hours of work"),
}
KIND_ACTS: dict[str, str | Promise] = {
    "money": _("Give money"),
    "purchase": _("Buy together"),
    "signature": _("Sign the letter"),
    "presence": _("Be there"),
    "call": _("Make a phone call"),
    "hours": _("Give hours"),
}


def locale() -> Locale:
    """Return the locale of the language that is active now."""
    try:
        return Locale.parse(translation.to_locale(translation.get_language() or "en"))
    except (UnknownLocaleError, ValueError):
        return Locale("en", "GB")


@register.filter
def number(value: int | Decimal) -> str:
    """Write a number with the separators of the reader's language."""
    return str(format_decimal(value, locale=locale()))


@register.filter
def money(amount_minor: int, currency: str) -> str:
    """Write minor units of a currency as people do."""
    return wording.money_text(amount_minor, currency)


@register.filter
def instant(at: datetime | None, zone: str = "UTC") -> str:
    """Write an instant as day, time and zone, in the reader's language."""
    if at is None:
        return ""
    here, words = at.astimezone(ZoneInfo(zone)), locale()
    parts = {
        "day": format_date(here.date(), format="full", locale=words),
        "time": format_time(here.time(), format="short", locale=words),
        "zone": get_timezone_name(here, locale=words),
    }
    return gettext("%(day)s, %(time)s (%(zone)s)") % parts


@register.filter
def short_instant(at: datetime | None, zone: str = "UTC") -> str:
    """Write an instant as a short day and time."""
    if at is None:
        return ""
    here, words = at.astimezone(ZoneInfo(zone)), locale()
    parts = {
        "day": format_date(here.date(), format="medium", locale=words),
        "time": format_time(here.time(), format="short", locale=words),
    }
    return gettext("%(day)s, %(time)s") % parts


@register.filter
def relative(at: datetime, now: datetime) -> str:
    """Say how far an instant is from `now`, in one unit; never as less than there is to wait."""
    # In days up to two weeks, in hours up to two days: "in 2 days" is not said of 30 hours.
    words = format_timedelta(at - now, add_direction=True, threshold=2, locale=locale())
    return str(words)


@register.filter
def gaps(missing: Sequence[Mapping[str, Any]]) -> str:
    """Say what a rule still lacks, one thing after the other."""
    return wording.list_text([gap["text"] for gap in missing])


@register.filter
def story(text: str) -> SafeString:
    """Lay out Markdown; what is not on the short list of tags is taken out."""
    tokens = _MARKDOWN.parse(text)
    for token in tokens:
        token.tag = _LOWER.get(token.tag, token.tag)
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    # Cleaned after it is made, so nothing the Markdown library lets through reaches a reader.
    return mark_safe(  # noqa: S308
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href"}},
            url_schemes={"https", "http", "mailto"},
            link_rel="nofollow noopener ugc",
        )
    )


@register.filter
def campaign_state(state: str) -> str:
    """Name the state of a campaign."""
    return str(CAMPAIGN_STATES.get(state, state))


@register.filter
def state_look(state: str) -> str:
    """Name the style of a campaign's state."""
    return _STATE_LOOKS.get(state, "")


@register.filter
def shortfall_words(rule: str) -> str:
    """Say in sentences what happens if cards fail after the tip."""
    return str(SHORTFALL_WORDS.get(rule, rule))


@register.filter
def history_words(state: str) -> str:
    """Say in a sentence what a step in a campaign's history was."""
    return str(HISTORY_WORDS.get(state) or campaign_state(state))


@register.filter
def pledge_state(state: str) -> str:
    """Say to a member where a pledge stands."""
    return str(PLEDGE_STATES.get(state, state))


@register.filter
def pledge_word(state: str) -> str:
    """Name the state of a pledge in a table."""
    return str(PLEDGE_WORDS.get(state, state))


@register.filter
def delivery_state(state: str) -> str:
    """Name what became of a message."""
    return str(DELIVERY_STATES.get(state, state))


@register.filter
def kind_name(kind: str) -> str:
    """Name what is pledged."""
    return str(KINDS.get(kind, kind))


@register.filter
def kind_act(kind: str) -> str:
    """Name what a member of this kind does."""
    return str(KIND_ACTS.get(kind, kind))
