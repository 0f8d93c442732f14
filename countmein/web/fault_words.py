"""What is wrong with a field, in words for people; the API says the same in stable words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from countmein.rules import conditions
from countmein.web.templatetags.words import number

_WHOLE: Final = _("Write a whole number, such as 25.")
_NEEDED: Final = _("This is needed.")
_CHOOSE: Final = _("Choose one of these.")
_RANGE: Final = _("This number is too small or too large.")
#: By the stable reason, or by what pydantic calls it.
WORDS: Final[dict[str, str | Promise]] = {
    "missing": _NEEDED,
    "blank": _NEEDED,
    "string_type": _NEEDED,
    "not_text": _NEEDED,
    "strange_character": _("A character in it cannot be shown."),
    "string_unicode": _("A character in it cannot be shown."),
    "unknown_currency": _("Choose the currency."),
    "address_invalid": _("Write an e-mail address such as ben@example.org."),
    "not_an_instant": _("Give a day and a time."),
    "unknown_timezone": _("Choose a time zone, such as Europe/London."),
    "string_pattern_mismatch": _("This is not written as it should be."),
    "malformed": _("This is not written as it should be."),
    "repeated": _("Each of these stands here once."),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "not_an_integer": _WHOLE,
    "out_of_range": _RANGE,
    "enum": _CHOOSE,
    "unknown_word": _CHOOSE,
    "fallback_unknown": _CHOOSE,
    "in_the_past": _("This day is over. The deadline lies ahead."),
    "too_far": _("At most five years ahead."),
    "out_of_order": _("It ends after it starts."),
    "beyond_cap": _("The rule asks for more than the most you take in."),
    "unknown_kind": _("The campaign does not take this."),
    "unknown_place": _("This place is not in your list of places."),
    "already_launched": _("After the launch only the story can change."),
    "transfers_not_offered": _(
        "Transfers are in euros, for money or a purchase, and only if this site has a bank account."
    ),
    conditions.Fault.too_deep: _("This is nested too deeply."),
    conditions.Fault.too_large: _("This has too many parts."),
    conditions.Fault.pledge_not_allowed: _("A rule cannot wait for one person’s pledge."),
}


def fault_words(reason: str, *, path: str = "", bounds: Mapping[str, Any] | None = None) -> str:
    """What is wrong, in the language that is active; `bounds` are pydantic's, such as max_length.

    A fault of the grammar that has no words of its own is shown by its place in what was typed.
    """
    if found := _bounded(reason, bounds or {}):
        return found
    if reason in WORDS:
        return str(WORDS[reason])
    if path and reason in set(conditions.Fault):
        return gettext("There is a fault at %(path)s.") % {"path": path}
    return gettext("This cannot be taken as it is.")


def _bounded(reason: str, bounds: Mapping[str, Any]) -> str:
    match reason, bounds:
        case "string_too_long", {"max_length": int(most)}:
            words = ngettext("At most %(count)s character.", "At most %(count)s characters.", most)
            return words % {"count": number(most)}
        case "string_too_short", {"min_length": int(least)} if least > 1:
            words = ngettext(
                "At least %(count)s character.", "At least %(count)s characters.", least
            )
            return words % {"count": number(least)}
        case "string_too_short" | "too_short", _:
            return str(_NEEDED)
        case "too_long", {"max_length": int(most)}:
            return gettext("At most %(count)s of these.") % {"count": number(most)}
        case "greater_than_equal", {"ge": int(least)}:
            return gettext("At least %(amount)s") % {"amount": number(least)}
        case "less_than_equal", {"le": int(most)}:
            return gettext("At most %(amount)s") % {"amount": number(most)}
    return ""
