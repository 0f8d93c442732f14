"""The pages that people see: a card is given, a challenge passed, an account set up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from sandbox.loopback import Answer, Request
from sandbox.payments import accounts, checkout
from sandbox.payments.book import Page
from sandbox.payments.cards import BY_NUMBER, Card, passes_luhn
from sandbox.payments.charging import charge
from sandbox.payments.customers import card_of, find_method, is_expired, make_method
from sandbox.payments.forms import Problem
from sandbox.payments.html import STYLE, challenge_page, message_page, pay_page, setup_page
from sandbox.payments.setups import fail_challenge, succeed

Object = dict[str, Any]

PATHS = ("/c/", "/setup/")


@dataclass(slots=True, kw_only=True)
class Typed:
    """What somebody typed into a page, and what is wrong with it."""

    fields: dict[str, str]
    faults: dict[str, str] = field(default_factory=dict)

    def said(self, name: str) -> str:
        """One field, without the space around it."""
        return self.fields.get(name, "").strip()


def answer(page: Page, request: Request) -> Answer:
    """Show a page, or take what was typed into it."""
    if request.path == "/c/style.css":
        return Answer(body=STYLE.encode(), headers={"content-type": "text/css"})
    typed = None
    if request.method == "POST":
        sent = parse_qs(request.body.decode("utf-8", "replace"), max_num_fields=50)
        typed = Typed(fields={name: values[-1] for name, values in sent.items()})
    kind, _, id = request.path.strip("/").rpartition("/")
    show: Callable[[Page, str, Typed | None], Answer] | None = {
        "c/pay": _pay,
        "c/challenge": _challenge,
        "setup": _setup,
    }.get(kind)
    return show(page, id, typed) if show else _gone()


def _pay(page: Page, id: str, typed: Typed | None) -> Answer:
    session = page.find("checkout.session", id)
    if session is None:
        return _gone()
    if session["status"] != "open":
        return _html(message_page(session["locale"], session["status"]), status=410)
    if typed is None:
        return _html(pay_page(page, session, {}, {}))
    verdict = typed.said("challenge")
    if verdict:
        return _challenged(page, session, typed, has_passed=verdict == "passed")
    card, expiry = _read_card(page, typed)
    if card is None or expiry is None:
        return _html(pay_page(page, session, typed.fields, typed.faults), status=422)
    method = make_method(page, card, exp_month=expiry[0], exp_year=expiry[1])
    if card.challenge:
        return _html(challenge_page(session["locale"], f"/c/pay/{id}", method["id"]))
    return _finish(page, session, method, typed, is_authenticated=False)


def _read_card(page: Page, typed: Typed) -> tuple[Card | None, tuple[int, int] | None]:
    """The card that was chosen or typed; every fault is noted at once."""
    number = "".join((typed.said("use") or typed.said("number")).replace("-", " ").split())
    is_number = number.isascii() and number.isdigit() and passes_luhn(number)
    card = BY_NUMBER.get(number) if is_number else None
    if not is_number:
        typed.faults["number"] = "number_wrong"
    elif card is None:
        typed.faults["number"] = "number_real"
    if typed.said("use"):
        return card, (12, 2034)
    expiry = _expiry(typed.said("expiry"))
    if expiry is None:
        typed.faults["expiry"] = "expiry_wrong"
    elif is_expired(page, exp_month=expiry[0], exp_year=expiry[1]):
        typed.faults["expiry"] = "expiry_over"
    code = typed.said("cvc")
    if not (code.isascii() and code.isdigit() and 3 <= len(code) <= 4):
        typed.faults["cvc"] = "cvc_wrong"
    return (card, expiry) if not typed.faults else (None, None)


def _expiry(text: str) -> tuple[int, int] | None:
    month, _, year = text.replace(" ", "").partition("/")
    if not (month.isascii() and month.isdigit() and year.isascii() and year.isdigit()):
        return None
    if not 1 <= int(month) <= 12 or len(month) > 2 or len(year) not in (2, 4):
        return None
    return int(month), int(year) + (2000 if len(year) == 2 else 0)


def _challenged(page: Page, session: Object, typed: Typed, *, has_passed: bool) -> Answer:
    try:
        method = find_method(page, typed.said("method"))
    except Problem:
        return _gone()
    if not has_passed:
        typed.faults["number"] = "not_authenticated"
        return _html(pay_page(page, session, {}, typed.faults), status=402)
    return _finish(page, session, method, typed, is_authenticated=True)


def _finish(
    page: Page, session: Object, method: Object, typed: Typed, *, is_authenticated: bool
) -> Answer:
    try:
        checkout.complete(page, session, method, is_authenticated=is_authenticated)
    except Problem as refused:
        typed.faults["number"] = str(refused)
        fields = {name: typed.said(name) for name in ("number", "expiry")}
        return _html(pay_page(page, session, fields, typed.faults), status=402)
    return _to(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"]))


def _challenge(page: Page, id: str, typed: Typed | None) -> Answer:
    """The challenge of an intent that was confirmed with an address to return to."""
    intent = page.find("payment_intent", id) or page.find("setup_intent", id)
    if intent is None or intent["status"] != "requires_action":
        return _gone()
    if typed is None:
        return _html(challenge_page("auto", f"/c/challenge/{id}", ""))
    back = intent["next_action"]["redirect_to_url"]["return_url"]
    if typed.said("challenge") != "passed":
        fail_challenge(page, intent)
        return _to(back)
    method = find_method(page, intent["payment_method"])
    if intent["object"] == "setup_intent":
        succeed(page, intent, method, is_authenticated=True)
    else:
        _charge(page, intent, method)
    return _to(back)


def _charge(page: Page, intent: Object, method: Object) -> None:
    """The issuer's refusal is written down, and its reader is whoever comes back."""
    assert card_of(method)
    try:
        charge(page, intent, method, is_authenticated=True)
    except Problem:
        return


def _setup(page: Page, token: str, typed: Typed | None) -> Answer:
    """Onboarding: whoever has the link says what the account still lacks."""
    row = page.connection.execute(
        "SELECT account, return_url, refresh_url, expires_at, is_used FROM invitations"
        " WHERE token = ?",
        (token,),
    ).fetchone()
    if row is None:
        return _gone()
    account_id, return_url, refresh_url, expires_at, is_used = row
    if is_used or expires_at < page.now:
        return _to(refresh_url)
    if typed is None:
        return _html(setup_page(f"/setup/{token}", {}))
    form = {
        "business_type": typed.said("business_type") or "non_profit",
        "tos_acceptance": {"date": str(page.now), "ip": "127.0.0.1"},
        "external_account": {"account_number": typed.said("account_number")},
    }
    try:
        accounts.update_account(page, account_id, form)
    except Problem as refused:
        return _html(setup_page(f"/setup/{token}", {"account_number": str(refused)}), status=422)
    page.connection.execute("UPDATE invitations SET is_used = 1 WHERE token = ?", (token,))
    return _to(return_url)


def _to(url: str) -> Answer:
    return Answer(status=303, body=b"", headers={"location": url, "content-type": "text/plain"})


def _html(text: str, *, status: int = 200) -> Answer:
    return Answer(
        status=status,
        body=text.encode(),
        headers={
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none';"
            " frame-ancestors 'none'",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        },
    )


def _gone() -> Answer:
    return _html(message_page("auto", "unknown"), status=404)
