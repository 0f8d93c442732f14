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
# Source: the same page, minimum charge amounts.
LEAST = {
    **dict.fromkeys(("aud", "brl", "cad", "chf", "eur", "inr", "jpy", "nzd", "sgd", "usd"), 50),
    "gbp": 30,
    "bgn": 100,
    **dict.fromkeys(("aed", "myr", "pln", "ron"), 200),
    "dkk": 250,
    **dict.fromkeys(("nok", "sek"), 300),
    "hkd": 400,
    **dict.fromkeys(("mxn", "thb"), 1000),
    "czk": 1500,
    "huf": 17500,
}
# Counted in whole units. Source: the same page, zero-decimal currencies; and the two above.
ZERO_DECIMAL = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
        "isk",
        "ugx",
    ]
)
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))


class Problem(Exception):
    """An answer that is an error, in Stripe's shape."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"error": {"message": message, "type": kind, **more}}


def decode(raw: bytes) -> dict[str, Any]:
    """Read `a[b]=c` as `{"a": {"b": "c"}}`; a list becomes a mapping by position."""
    form: dict[str, Any] = {}
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise Problem("Invalid request body.") from None
    for name, text in pairs:
        # `a[]=x` adds to the list `a`; so does `a[3]=x`.
        *outer, last = re.findall(r"[^\[\]]+", name) or [name]
        inner = form
        for step in outer:
            inner = inner.setdefault(step, {})
            if not isinstance(inner, dict):
                raise Problem(f"Invalid hash: {name}", param=outer[0])
        if name.endswith("[]") and name != "[]":
            inner = inner.setdefault(last, {})
            if not isinstance(inner, dict):
                raise Problem(f"Invalid array: {name}", param=last)
            last = str(len(inner))
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


def check_least(amount: int, currency: str) -> None:
    """Refuse a charge smaller than Stripe makes in this currency."""
    least = LEAST.get(currency, 1)
    if amount < least:
        raise Problem(
            f"Amount must be at least {least} {currency}.", code="amount_too_small", param="amount"
        )


def flag(form: dict[str, Any], name: str) -> bool:
    """Read `true` or `false`, false if absent."""
    text = form.get(name, "false")
    if text not in ("true", "false"):
        raise Problem(f"Invalid boolean: {text}", param=name)
    return bool(text == "true")


def text(form: dict[str, Any], name: str, *, longest: int = 5000) -> str | None:
    """Read a text, None if absent or empty."""
    found = form.get(name)
    if found is not None and not isinstance(found, str):
        raise Problem(f"Invalid string: {name}", param=name)
    if found and len(found) > longest:
        raise Problem(f"Invalid string: at most {longest} characters.", param=name)
    return found or None


def choice(form: dict[str, Any], name: str, known: tuple[str, ...], *, default: str) -> str:
    """Read one of a few words."""
    found = form.get(name, default)
    if found not in known:
        raise Problem(f"Invalid {name}: must be one of {', '.join(known)}", param=name)
    return str(found)


def inner(form: dict[str, Any], name: str, known: str = "") -> dict[str, Any]:
    """Read a hash or list such as `name[…]`, empty if absent; `known` names what it may hold."""
    found = form.get(name) or {}
    if not isinstance(found, dict):
        raise Problem("Invalid hash", param=name)
    for each in found if known else ():
        if each not in known.split():
            raise Problem(
                f"Received unknown parameter: {name}[{each}]",
                code="parameter_unknown",
                param=f"{name}[{each}]",
            )
    return found


def instant(form: dict[str, Any], name: str) -> int:
    """Read a time in seconds since 1970."""
    found = form[name]
    if not isinstance(found, str) or not re.fullmatch(r"[0-9]{1,11}", found):
        raise Problem(f"Invalid timestamp: {name}", param=name)
    return int(found)


def created_range(form: dict[str, Any]) -> dict[str, int]:
    """Read `created=…` or `created[gte|gt|lte|lt]=…` as signs and seconds."""
    given = form.get("created")
    if given is None:
        return {}
    if isinstance(given, str):
        return {"=": instant(form, "created")}
    signs = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
    named = inner(form, "created", " ".join(signs))
    return {signs[name]: instant(named, name) for name in named}


def address(form: dict[str, Any], name: str) -> str | None:
    """Read a web address, None if absent."""
    found = text(form, name)
    if found is not None and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+([/?#]\S*)?", found):
        raise Problem("Not a valid URL", code="url_invalid", param=name)
    return found


def metadata(form: dict[str, Any]) -> dict[str, str]:
    """Read `metadata[…]`."""
    given = form.get("metadata") or {}
    if not isinstance(given, dict) or not all(isinstance(each, str) for each in given.values()):
        raise Problem("Invalid hash", param="metadata")
    return given
