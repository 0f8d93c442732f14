"""What the forms make of what people type."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.utils.translation import override

from countmein.web.forms import Filled, amount_field


def filled(**values: str) -> Filled:
    return Filled(values=values)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12", "GBP", 1200),
        (" 12.5 ", "GBP", 1250),
        ("12.50", "EUR", 1250),
        ("1 200", "JPY", 1200),
        ("1.234", "BHD", 1234),
    ],
)
def test_an_amount_is_read_with_the_decimals_of_its_currency(
    text: str, currency: str, minor: int
) -> None:
    form = filled(amount=text)
    assert minor == form.minor("amount", currency)
    assert {} == form.faults


@pytest.mark.parametrize("text", ["", "0", "-5", "12,50", "12.505", "1e3", "ten", "9" * 40])
def test_an_amount_that_could_mean_two_things_is_refused(text: str) -> None:
    form = filled(amount=text)
    assert form.minor("amount", "GBP") is None
    assert "amount" in form.faults


@pytest.mark.parametrize(
    ("language", "text", "minor"),
    [
        ("de", "12,50", 1250),
        ("de", "12.50", 1250),
        ("fr", "1 200,5", 120050),
        ("ar", "١٢٫٥٠", 1250),
        ("ar", "١٢", 1200),
        ("de", "1.200,50", None),  # which of the two is the decimal sign?
        ("de", "1,200", None),
        ("en-gb", "12,50", None),
    ],
)
def test_an_amount_is_read_as_the_language_writes_it(
    language: str, text: str, minor: int | None
) -> None:
    with override(language):
        assert minor == filled(amount=text).minor("amount", "EUR")


@pytest.mark.parametrize(("text", "minutes"), [("2", 120), ("2:30", 150), ("0:05", 5)])
def test_hours_are_read_as_minutes(text: str, minutes: int) -> None:
    assert minutes == filled(time=text).minutes("time")


@pytest.mark.parametrize("text", ["", "0:00", "1:60", "2.5", "x", "-1"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    form = filled(time=text)
    assert form.minutes("time") is None
    assert "time" in form.faults


def test_an_hour_that_the_clocks_skip_is_refused() -> None:
    form = filled(deadline="2027-03-28T01:30")
    assert form.local_instant("deadline", "Europe/London") is None
    assert "does not exist" in form.faults["deadline"]


def test_an_hour_that_happens_twice_asks_which_one() -> None:
    form = filled(deadline="2027-10-31T01:30")
    assert form.local_instant("deadline", "Europe/London") is None
    assert "twice" in form.faults["deadline"]


@pytest.mark.parametrize(("fold", "hour"), [("0", 0), ("1", 1)])
def test_an_hour_that_happens_twice_is_read_as_it_was_meant(fold: str, hour: int) -> None:
    form = filled(deadline="2027-10-31T01:30", deadline_fold=fold)
    assert datetime(2027, 10, 31, hour, 30, tzinfo=UTC) == form.local_instant(
        "deadline", "Europe/London"
    )


def test_a_local_time_is_read_in_its_zone() -> None:
    form = filled(deadline="2027-07-01T12:00")
    assert datetime(2027, 7, 1, 16, 0, tzinfo=UTC) == form.local_instant(
        "deadline", "America/New_York"
    )


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd"])
def test_a_zone_that_is_none_is_a_fault_and_no_crash(zone: str) -> None:
    form = filled(deadline="2027-07-01T12:00")
    assert form.local_instant("deadline", zone) is None


@pytest.mark.parametrize("text", ["9999-12-31T23:59", "0001-01-01T00:00", "tomorrow"])
def test_a_time_at_the_edge_of_the_calendar_is_a_fault_and_no_crash(text: str) -> None:
    form = filled(deadline=text)
    for zone in ("Pacific/Kiritimati", "America/Los_Angeles"):
        form.local_instant("deadline", zone)


@pytest.mark.parametrize(
    ("kind", "currency", "amount", "text"),
    [
        ("money", "GBP", 5, "0.05"),
        ("money", "JPY", 1200, "1200"),
        ("money", "BHD", 1234, "1.234"),
        ("hours", "", 150, "2:30"),
        ("purchase", "EUR", 3, "3"),
    ],
)
def test_an_amount_goes_back_into_the_form_as_it_is_read(
    kind: str, currency: str, amount: int, text: str
) -> None:
    assert text == amount_field(amount, kind=kind, currency=currency)
    assert amount == filled(a=text).amount("a", kind=kind, currency=currency)
