"""How the provider's pages look: plain HTML without a script, for every reader and direction."""

from collections.abc import Mapping
from html import escape
from typing import Any

from sandbox.payments.book import Page
from sandbox.payments.cards import OFFERED
from sandbox.payments.checkout import lines
from sandbox.payments.forms import THREE_DECIMAL, ZERO_DECIMAL

Object = dict[str, Any]

_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
_SAYS = {
    "works": "Works",
    "asks_once": "Asks you once, now",
    "asks_always": "Asks you now and at every charge",
    "fails_later": "Is saved, fails at the charge",
    "declined": "Is declined",
    "no_funds": "Has no funds",
    "expired": "Has expired",
    "disputed": "Is disputed later",
    "refund_fails": "Its refund comes back",
}
_FAULTS = {
    "number_wrong": "This card number is not right.",
    "number_real": "This is a sandbox: only the test cards below work. Never type a real card.",
    "expiry_wrong": "Write the month and year as MM/YY.",
    "expiry_over": "This card has expired.",
    "cvc_wrong": "Write the three or four digits of the code.",
    "not_authenticated": "The bank did not confirm that it is you. Try again or use another card.",
}
_MESSAGES = {
    "complete": ("This is done", "The page was finished before. You can close it."),
    "expired": ("This page is over", "Go back to where you came from and open a new one."),
    "unknown": ("There is nothing here", "Go back to where you came from."),
}

STYLE = """
:root{--ink:#1d2330;--soft:#5a6372;--paper:#f4f6fa;--card:#fff;--line:#c9d0dc;--act:#1f5fd0;
--bad:#a3161c}
@media (prefers-color-scheme:dark){:root{--ink:#eef1f6;--soft:#aab3c2;--paper:#12161e;
--card:#1b212c;--line:#3a4456;--act:#7fb0ff;--bad:#ff9c9c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{max-inline-size:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}
.sheet{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.5rem}
h1{font-size:1.4rem;line-height:1.25;margin:0 0 .75rem}
.banner{color:var(--soft);font-size:.875rem;margin:0 0 1rem}
.amount{font-size:1.75rem;font-weight:700;margin:0 0 .5rem}
.words{border-inline-start:3px solid var(--line);padding-inline-start:.75rem;margin:0 0 1.25rem}
label{display:block;font-weight:600;margin-block-start:1rem}
input[type=text]{inline-size:100%;font:inherit;padding:.65rem;border:1px solid var(--soft);
border-radius:.4rem;background:var(--card);color:var(--ink)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:1rem}
.fault{color:var(--bad);font-weight:600;margin:.25rem 0}
.faults{border:2px solid var(--bad);border-radius:.4rem;padding:.75rem 1rem;margin:0 0 1rem}
.faults h2{font-size:1rem;margin:0}
button{font:inherit;font-weight:600;padding:.75rem 1.25rem;border:0;border-radius:.4rem;
background:var(--act);color:var(--card);cursor:pointer}
.wide{inline-size:100%;margin-block-start:1.5rem}
.quiet{background:none;color:var(--act);border:1px solid var(--act)}
:focus-visible{outline:3px solid var(--act);outline-offset:2px}
fieldset{border:0;margin:1.75rem 0 0;padding:0}legend{font-weight:600;padding:0}
.test{display:grid;grid-template-columns:auto 1fr auto;gap:.5rem;align-items:center;
padding:.35rem 0;border-block-end:1px solid var(--line);font-weight:400;margin:0}
.test code{font-size:.85rem}
.row{display:flex;gap:1rem;flex-wrap:wrap;margin-block-start:1.25rem}
a{color:var(--act)}
@media (max-width:26rem){.two{grid-template-columns:1fr;gap:0}
.test{grid-template-columns:auto 1fr;gap:0 .5rem}.test code{grid-column:2}}
"""


def _frame(locale: str, title: str, content: str) -> str:
    language = "en" if locale == "auto" else locale
    direction = "rtl" if language.startswith(_RIGHT_TO_LEFT) else "ltr"
    return (
        f'<!doctype html><html lang="{escape(language)}" dir="{direction}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>{escape(title)}</title><link rel="stylesheet" href="/c/style.css"></head><body>'
        '<main><p class="banner">Sandbox payments · test mode, no real money</p>'
        f'<div class="sheet"><h1>{escape(title)}</h1>{content}</div></main></body></html>'
    )


def pay_page(
    page: Page, session: Object, fields: Mapping[str, str], faults: Mapping[str, str]
) -> str:
    """The page on which a card is given or charged."""
    is_payment = session["mode"] == "payment"
    title = "Pay by card" if is_payment else "Save your card"
    said = session["custom_text"]["submit"]
    content = _amount(page, session) if is_payment else ""
    if said:
        content += f'<p class="words" dir="auto">{escape(said["message"])}</p>'
    else:
        content += "<p>Nothing is charged now.</p>" if not is_payment else ""
    action = f"/c/pay/{session['id']}"
    content += _summary(faults)
    content += f'<form method="post" action="{action}" novalidate>'
    content += _field("number", "Card number", fields, faults, "cc-number", "numeric")
    content += '<div class="two"><div>'
    content += _field("expiry", "Expires (MM/YY)", fields, faults, "cc-exp", "numeric")
    content += "</div><div>"
    content += _field("cvc", "Security code", fields, faults, "cc-csc", "numeric")
    content += "</div></div>"
    button = "Pay" if is_payment else "Save card"
    content += f'<button class="wide">{button}</button></form>'
    content += f'<form method="post" action="{action}">{_test_cards()}'
    content += '<div class="row"><button class="quiet">Use this test card</button></div></form>'
    if session["cancel_url"]:
        content += f'<p class="row"><a href="{escape(session["cancel_url"])}">Back</a></p>'
    return _frame(session["locale"], title, content)


def _amount(page: Page, session: Object) -> str:
    names = ", ".join(escape(line["description"]) for line in lines(page, session))
    return f'<p class="amount">{money(session["amount_total"], session["currency"])}</p><p>{names}'


def money(units: int, currency: str) -> str:
    """An amount in the provider's units, as people write it."""
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    whole, rest = divmod(units, 10**digits)
    return f"{whole:,}{f'.{rest:0{digits}d}' if digits else ''} {currency.upper()}"


def _summary(faults: Mapping[str, str]) -> str:
    if not faults:
        return ""
    items = "".join(
        f'<li><a href="#{name}">{escape(_FAULTS.get(fault, fault))}</a></li>'
        for name, fault in faults.items()
    )
    return f'<div class="faults" role="alert"><h2>Another look, please</h2><ul>{items}</ul></div>'


def _field(
    name: str,
    label: str,
    fields: Mapping[str, str],
    faults: Mapping[str, str],
    autocomplete: str,
    inputmode: str,
) -> str:
    fault, more = faults.get(name), ""
    words = f'<label for="{name}">{label}</label>'
    if fault:
        words += f'<p class="fault" id="{name}-fault">{escape(_FAULTS.get(fault, fault))}</p>'
        more = f' aria-invalid="true" aria-describedby="{name}-fault"'
    return (
        f'{words}<input type="text" id="{name}" name="{name}" autocomplete="{autocomplete}"'
        f' inputmode="{inputmode}" maxlength="30" value="{escape(fields.get(name, ""))}"{more}>'
    )


def _test_cards() -> str:
    rows = "".join(
        f'<label class="test"><input type="radio" name="use" value="{card.number}"'
        f"{' checked' if place == 0 else ''}><span>{_SAYS[card.says]}</span>"
        f"<code>{card.number}</code></label>"
        for place, card in enumerate(OFFERED)
    )
    return f"<fieldset><legend>Or choose a test card</legend>{rows}</fieldset>"


def challenge_page(locale: str, action: str, method: str) -> str:
    """The cardholder's bank asks whether it is really them."""
    hidden = f'<input type="hidden" name="method" value="{escape(method)}">'
    return _frame(
        locale,
        "Your bank asks: is it you?",
        "<p>A real bank would ask for a code or a fingerprint here.</p>"
        f'<div class="row"><form method="post" action="{action}">{hidden}'
        '<button name="challenge" value="passed">Yes, it is me</button></form>'
        f'<form method="post" action="{action}">{hidden}'
        '<button class="quiet" name="challenge" value="failed">No</button></form></div>',
    )


def setup_page(action: str, faults: Mapping[str, str]) -> str:
    """An account says what it still lacks."""
    content = _summary(faults) + f'<form method="post" action="{action}">'
    content += _field("account_number", "Account number or IBAN", {}, faults, "off", "text")
    content += '<button class="wide">Accept the terms and finish</button></form>'
    return _frame("auto", "Set up your account", content)


def message_page(locale: str, what: str) -> str:
    """A page on which nothing can be done."""
    title, words = _MESSAGES[what]
    return _frame(locale, title, f"<p>{words}</p>")
