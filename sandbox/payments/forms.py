"""Stripe's form encoding and the refusals a form can meet."""

import re
from typing import Any
from urllib.parse import parse_qsl

LARGEST_AMOUNT = 99_999_999

# The presentment currencies Stripe lists, in lower case as it writes them.
_LISTED = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn
    bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd
    gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak
    lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd
    omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std
    szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar
    zmw
"""
CURRENCIES = frozenset(_LISTED.split())
# Three-decimal currencies are charged to two decimals; ISK and UGX have no decimals but are
# written as if they had two. Source: Stripe's page on currencies, special cases.
STEPS = {
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10),
    **dict.fromkeys(("isk", "ugx"), 100),
}


class Problem(Exception):
    """An answer that is an error, in Stripe's shape."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, **more}}


def decode(raw: bytes) -> dict[str, Any]:
    """Read `a[b]=c` as `{"a": {"b": "c"}}`; a list becomes a mapping by position."""
    form: dict[str, Any] = {}
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise Problem("Invalid request body.") from None
    for name, text in pairs:
        *outer, last = re.findall(r"[^\[\]]+", name) or [name]
        inner = form
        for step in outer:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise Problem(f"Invalid hash: {name}", param=outer[0])
        inner[last] = text
    return form


def check_names(form: dict[str, Any], *, required: str, optional: str) -> None:
    """Refuse a form that lacks a required parameter or carries one Stripe does not know."""
    for name in required.split():
        if form.get(name) in (None, ""):
            raise Problem(f"Missing required param: {name}.", code="parameter_missing", param=name)
    for name in form:
        if name not in {*required.split(), *optional.split()}:
            raise Problem(
                f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )


def integer(form: dict[str, Any], name: str) -> int:
    """Read a positive integer."""
    text = form[name]
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Problem(f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    if int(text) < 1:
        raise Problem(
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param=name,
        )
    return int(text)


def money(form: dict[str, Any]) -> tuple[int, str]:
    """Read `amount` and `currency` of a charge, in Stripe's units."""
    currency = str(form["currency"]).lower()
    if currency not in CURRENCIES:
        raise Problem(f"Invalid currency: {currency}.", param="currency")
    amount = integer(form, "amount")
    if amount > LARGEST_AMOUNT:
        raise Problem(
            "Amount must be no more than 999999.99.", code="amount_too_large", param="amount"
        )
    check_step(amount, currency)
    return amount, currency


def check_step(amount: int, currency: str) -> None:
    """Refuse an amount finer than Stripe moves in this currency."""
    step = STEPS.get(currency, 1)
    if amount % step:
        raise Problem(
            f"Amounts in {currency} must be divisible by {step}.",
            code="parameter_invalid_integer",
            param="amount",
        )


def flag(form: dict[str, Any], name: str) -> bool:
    """Read `true` or `false`, false if absent."""
    text = form.get(name, "false")
    if text not in ("true", "false"):
        raise Problem(f"Invalid boolean: {text}", param=name)
    return bool(text == "true")


def metadata(form: dict[str, Any]) -> dict[str, str]:
    """Read `metadata[…]`."""
    given = form.get("metadata") or {}
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise Problem("Invalid hash", param="metadata")
    return given
