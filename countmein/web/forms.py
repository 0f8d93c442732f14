"""What somebody typed into a form, and what is wrong with it; nothing typed is ever lost."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.numbers import get_decimal_symbol
from django.http import QueryDict
from django.utils.translation import gettext
from pydantic import ValidationError

from countmein.rules.conditions import MAX_NUMBER
from countmein.rules.money import MoneyRefused, decimal_text, exponent, parse_minor
from countmein.web.fault_words import fault_words
from countmein.web.templatetags.words import locale

_HOURS: Final = re.compile(r"([0-9]{1,5})(?::([0-5][0-9]))?")
_WHOLE: Final = re.compile(r"[0-9]{1,13}")


@dataclass(slots=True, kw_only=True)
class Filled:
    """The fields as typed, and one fault for each that cannot be understood."""

    values: Mapping[str, str]
    ticked: Mapping[str, list[str]] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sent: QueryDict) -> Filled:
        """Take over what a browser sent."""
        # No keyboard makes a zero byte, and no database keeps one.
        values = {name: str(sent.get(name, "")).replace("\0", "") for name in sent}
        ticked = {name: [str(value) for value in sent.getlist(name)] for name in sent}
        return cls(values=values, ticked=ticked)

    def said(self, name: str) -> str:
        """Return a field without the space around it, empty if it was left out."""
        return self.values.get(name, "").strip()

    def blame(self, name: str, words: str) -> None:
        """Note what is wrong with a field; the first fault found is the one shown."""
        self.faults.setdefault(name, words)

    def whole(self, name: str) -> int | None:
        """Read a whole number of at least 1; None, with a fault noted, if it is not one."""
        text = _typed_number(self.said(name))
        if _WHOLE.fullmatch(text) and 1 <= int(text) <= MAX_NUMBER:
            return int(text)
        self.blame(name, gettext("Write a whole number, such as 25."))
        return None

    def minor(self, name: str, currency: str) -> int | None:
        """Read an amount of money in minor units; None, with a fault noted, if it is not one."""
        try:
            amount_minor = parse_minor(_pointed(_typed_number(self.said(name))), currency)
        except MoneyRefused:
            amount_minor = 0
        if 1 <= amount_minor <= MAX_NUMBER:
            return amount_minor
        digits = exponent(currency)
        example = {0: "1200", 3: "12.500"}.get(digits, "12.50")
        words = gettext("Write an amount such as %(example)s.")
        self.blame(name, words % {"example": example.replace(".", _decimal_sign())})
        return None

    def minutes(self, name: str) -> int | None:
        """Read hours and minutes as minutes; None, with a fault noted, if they are not."""
        match = _HOURS.fullmatch(_typed_number(self.said(name)))
        minutes = int(match[1]) * 60 + int(match[2] or 0) if match else 0
        if minutes >= 1:
            return minutes
        self.blame(name, gettext("Write hours and minutes, such as 2 or 2:30."))
        return None

    def amount(self, name: str, *, kind: str, currency: str) -> int | None:
        """Read an amount in the unit of its kind; None, with a fault noted, if it is not one."""
        if kind == "money":
            return self.minor(name, currency)
        return self.minutes(name) if kind == "hours" else self.whole(name)

    def local_instant(self, name: str, zone: str) -> datetime | None:
        """Read a local date and time in a zone as an instant in UTC.

        When clocks go forward an hour does not exist, which is a fault; when they go back an hour
        happens twice, and the field `<name>_fold` says which of the two is meant.
        """
        try:
            local = datetime.fromisoformat(self.said(name)).replace(tzinfo=ZoneInfo(zone))
            early = local.replace(fold=0).astimezone(UTC)
            late = local.replace(fold=1).astimezone(UTC)
        except (ValueError, OverflowError, ZoneInfoNotFoundError, OSError):
            self.blame(name, gettext("Give a day and a time."))
            return None
        if early == late:
            return early
        if early.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local.replace(tzinfo=None):
            self.blame(name, gettext("The clocks go forward then: this hour does not exist."))
            return None
        if (fold := self.said(f"{name}_fold")) in ("0", "1"):
            return late if fold == "1" else early
        words = gettext("The clocks go back then: this hour happens twice. Say which one you mean.")
        self.blame(name, words)
        return None

    def blame_body(self, refused: ValidationError, fields: Mapping[str, str]) -> None:
        """Turn what a body refused into faults of the fields that filled it."""
        for error in refused.errors(include_url=False, include_input=False):
            own_path = error.get("ctx", {}).get("path", "")
            words = fault_words(error["type"], path=own_path, bounds=error.get("ctx"))
            self.blame_path(".".join(str(part) for part in error["loc"]), words, fields)

    def blame_path(self, path: str, words: str, fields: Mapping[str, str]) -> None:
        """Blame the field whose path is the longest beginning of this one."""
        known = [start for start in fields if path.startswith(start)]
        name = fields[max(known, key=len)] if known else "form"
        self.blame(name, words)


def _typed_number(text: str) -> str:
    """A number as it was typed, in the digits that we read: any script's, without the gaps."""
    return "".join(
        str(unicodedata.decimal(letter, letter)) for letter in text if not letter.isspace()
    )


def _pointed(text: str) -> str:
    """An amount with a point for the decimals, where the language writes another sign."""
    sign = _decimal_sign()
    # A sign that occurs twice, or beside a point, separates thousands: nobody guesses at money.
    if text.count(sign) == 1 and "." not in text and text.partition(sign)[2]:
        return text.replace(sign, ".")
    return text.replace("\u066b", ".")


def _decimal_sign() -> str:
    return str(get_decimal_symbol(locale()))


def hours_text(minutes: int) -> str:
    """Write minutes the way the form reads them."""
    return f"{minutes // 60}:{minutes % 60:02d}"


def amount_field(amount: int, *, kind: str, currency: str) -> str:
    """Write an amount the way the form reads it."""
    if kind == "money":
        return decimal_text(amount, currency)
    return hours_text(amount) if kind == "hours" else str(amount)


def without_blanks(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was left empty, so that the body's own defaults stand."""
    return {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
