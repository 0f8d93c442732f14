"""What Stripe's answers and errors mean in our nouns; what is not plain is unknown."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import stripe

from countmein.payments.providers.port import ChargeResult, Outcome, RefundResult, Result
from countmein.payments.providers.stripe_tables import (
    DECLINES,
    PERMANENT_REFUSALS,
    from_units,
)
from countmein.rules.dunning import Decline

Object = Mapping[str, Any]
T = TypeVar("T")
R = TypeVar("R", bound=Result)

# A mandate may be asked for under this many further keys; three 500s in a row are an outage.
_MOST_KEYS = 3


class NotDone(Exception):
    """Stripe did not do it, or did not say so."""

    def __init__(
        self,
        outcome: Outcome,
        *,
        code: str,
        permanent: bool = False,
        decline: Decline | None = None,
        is_key_spent: bool = False,
    ) -> None:
        super().__init__(code)
        self.result = Result(outcome=outcome, code=code, permanent=permanent, decline=decline)
        #: Stripe has kept a 500 under this key and will answer nothing else to it.
        self.is_key_spent = is_key_spent

    @property
    def fields(self) -> dict[str, Any]:
        """What every result has."""
        return {each.name: getattr(self.result, each.name) for each in dataclasses.fields(Result)}


def ask(call: Callable[[], T]) -> T:
    """Make one call and return what it reads from the answer. Raises NotDone."""
    try:
        return call()
    except stripe.StripeError as error:
        raise _judged(error) from error
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        # An answer that is not shaped as documented says nothing about what happened.
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer") from error


def ask_on(key: str, call: Callable[[str], T]) -> T:
    """Make a call that may be made twice without harm, so a spent key can be changed for the next.

    Raises NotDone.
    """
    for further in range(1, _MOST_KEYS):
        try:
            return ask(partial(call, key))
        except NotDone as no:
            if not no.is_key_spent:
                raise
            key = f"{key}:{further}"
    return ask(partial(call, key))


def every(page: stripe.ListObject[Any]) -> list[Object]:
    return [each.to_dict() for each in page.auto_paging_iter()]


def _judged(error: stripe.StripeError) -> NotDone:
    """What an error of the SDK means; whatever is not plainly a refusal is unknown."""
    code = error.code or ""
    match error:
        case stripe.CardError():
            return _decline(getattr(error.error, "decline_code", None) or code)
        case stripe.RateLimitError():
            return NotDone(Outcome.RETRY_LATER, code="rate_limit")
        case stripe.AuthenticationError() | stripe.PermissionError():
            # Our own key is wrong: nothing was done, and it is no fault of the member's card.
            return NotDone(Outcome.RETRY_LATER, code="not_allowed")
        case stripe.InvalidRequestError():
            permanent = code in PERMANENT_REFUSALS
            return NotDone(Outcome.REFUSED, code=code or "invalid_request", permanent=permanent)
        case stripe.IdempotencyError():
            return NotDone(Outcome.UNKNOWN, code="key_reused")
        case stripe.APIConnectionError():
            return NotDone(Outcome.UNKNOWN, code="no_answer")
        case _:
            is_kept = (error.headers or {}).get("Idempotent-Replayed") == "true"
            return NotDone(Outcome.UNKNOWN, code=code or "provider_error", is_key_spent=is_kept)


def _decline(code: str) -> NotDone:
    decline = DECLINES.get(code, Decline.soft)
    is_hard = decline is Decline.hard
    return NotDone(Outcome.REFUSED, code=code or "declined", permanent=is_hard, decline=decline)


def check_status(intent: Object, error_name: str) -> None:
    """Return if the intent succeeded. Raises NotDone with what it says instead."""
    status = str(intent.get("status") or "undocumented_answer")
    error = intent.get(error_name) or {}
    if status == "succeeded":
        return
    if status == "requires_action":
        raise _decline("authentication_required")
    if status == "canceled" or (status == "requires_payment_method" and error):
        raise _decline(error.get("decline_code") or error.get("code") or status)
    raise NotDone(Outcome.UNKNOWN, code=status)


def charged(intent: Object) -> ChargeResult:
    """Read a PaymentIntent. Raises NotDone."""
    try:
        check_status(intent, "last_payment_error")
        return ChargeResult(
            outcome=Outcome.DONE,
            charge_id=str(intent["latest_charge"]),
            amount=from_units(int(intent["amount_received"]), str(intent["currency"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer") from error


def refunded(refund: Object) -> RefundResult:
    """Read a Refund. Raises NotDone."""
    try:
        status = refund.get("status")
        if status in ("failed", "canceled"):
            code = refund.get("failure_reason") or status
            raise NotDone(Outcome.REFUSED, code=str(code))
        # A pending one has left our balance and is on its way to the card.
        if status not in ("succeeded", "pending"):
            raise NotDone(Outcome.UNKNOWN, code=str(status or "undocumented_answer"))
        return RefundResult(
            outcome=Outcome.DONE,
            refund_id=str(refund["id"]),
            amount=from_units(int(refund["amount"]), str(refund["currency"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotDone(Outcome.UNKNOWN, code="undocumented_answer") from error


def found(
    listing: Callable[[], list[Object]],
    reference: str,
    read: Callable[[Object], R],
    kind: type[R],
) -> R | None:
    """Pick what was done with our reference, or is under way; None if there is neither.

    A refused try took nothing, and its own key still gives its refusal. A look-up that fails
    says nothing about what was looked for, so it is always unknown.
    """
    try:
        ours = [each for each in ask(listing) if our_reference(each) == reference]
    except NotDone as no:
        return kind(outcome=Outcome.UNKNOWN, code=no.result.code)
    results = [_read_or_no(each, read, kind) for each in ours]
    under_way = [result for result in results if result.outcome == Outcome.UNKNOWN]
    done = [result for result in results if result.outcome == Outcome.DONE]
    return next(iter([*done, *under_way]), None)


def result_of(no: NotDone, look_up: Callable[[], R | None], kind: type[R]) -> R:
    """Turn a call that was not done into its result; a spent key is settled by looking it up."""
    if not no.is_key_spent:
        return kind(**no.fields)
    seen = look_up()
    if seen is not None:
        return seen
    return kind(outcome=Outcome.RETRY_LATER, code="key_spent", needs_new_key=True)


def _read_or_no(seen: Object, read: Callable[[Object], R], kind: type[R]) -> R:
    try:
        return read(seen)
    except NotDone as no:
        return kind(**no.fields)


def our_reference(subject: Object) -> str:
    """Return the reference we gave it, if we did."""
    return str((subject.get("metadata") or {}).get("reference", ""))
