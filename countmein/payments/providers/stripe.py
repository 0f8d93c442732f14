"""Stripe through its own SDK: saved cards by SetupIntent, charges by off-session PaymentIntent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import stripe
from django.conf import settings
from stripe import RequestOptions
from stripe.params import PaymentIntentCreateParams, RefundCreateParams

from countmein.payments.providers import (
    stripe_connect,
    stripe_events,
    stripe_lines,
    stripe_pages,
)
from countmein.payments.providers.port import (
    AccountResult,
    AccountSeen,
    ChargeResult,
    DisputeSeen,
    ForgetFailed,
    Line,
    MandateResult,
    Outcome,
    PageOutcome,
    PageRequest,
    PageResult,
    ProviderEvent,
    RefundResult,
    TransferResult,
)
from countmein.payments.providers.stripe_answers import (
    NotDone,
    ask,
    ask_on,
    charged,
    check_status,
    every,
    found,
    refunded,
    result_of,
)
from countmein.payments.providers.stripe_tables import LEAST_MINOR, NotInUnits, step_minor, to_units
from countmein.payments.providers.stripe_wire import wire
from countmein.rules.money import Money

TIMEOUT_SECONDS: Final = 10.0


@lru_cache(maxsize=4)
def _client(api_key: str, api_base: str, timeout_seconds: float) -> stripe.StripeClient:
    # It must not retry by itself: what becomes of a call is ours to write down first.
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": api_base or stripe.DEFAULT_API_BASE},
        http_client=wire(timeout_seconds=timeout_seconds),
        max_network_retries=0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """The adapter; settings are read at each call, so that it can be made before they are."""

    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def _v1(self) -> stripe.V1Services:
        return _client(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE, self.timeout_seconds).v1

    def step_minor(self, currency: str) -> int:
        """The smallest amount that Stripe moves in this currency."""
        return step_minor(currency)

    def least_minor(self, currency: str) -> int:
        """The smallest charge that Stripe makes in this currency."""
        return LEAST_MINOR.get(currency, 1)

    def mandate(
        self, *, reference: str, payment_method: str, currency: str, key: str
    ) -> MandateResult:
        """Make a customer that holds nothing but our reference, and save the card with it."""
        metadata = {"reference": reference, "currency": currency}
        try:
            customer = ask_on(
                f"{key}:customer",
                lambda key: self._v1.customers.create(
                    {"metadata": metadata}, {"idempotency_key": key}
                ).to_dict(),
            )
            intent = ask_on(
                key,
                lambda key: self._v1.setup_intents.create(
                    {
                        "customer": customer["id"],
                        "payment_method": payment_method,
                        "allowed_payment_method_types": ["card"],
                        "usage": "off_session",
                        "confirm": True,
                        "metadata": metadata,
                        "expand": ["payment_method"],
                    },
                    {"idempotency_key": key},
                ).to_dict(),
            )
            check_status(intent, "last_setup_error")
            method = intent["payment_method"]
            return MandateResult(
                outcome=Outcome.DONE,
                mandate=f"{customer['id']}:{method['id']}",
                card=stripe_pages.face_of(method),
            )
        except NotDone as no:
            return MandateResult(**no.fields)

    def card_page(self, *, page: PageRequest, key: str) -> PageResult:
        """Make a Checkout page in setup mode."""
        try:
            return stripe_pages.card_page(self._v1, page, key)
        except NotDone as no:
            return PageResult(**no.fields)

    def payment_page(
        self, *, page: PageRequest, mandate: str, amount_minor: int, key: str
    ) -> PageResult:
        """Make a Checkout page in payment mode, for the customer whose card asks for its owner."""
        try:
            return stripe_pages.payment_page(
                self._v1, page, mandate=mandate, amount_minor=amount_minor, key=key
            )
        except NotInUnits:
            return PageResult(outcome=Outcome.REFUSED, permanent=True, code="amount_too_fine")
        except NotDone as no:
            return PageResult(**no.fields)

    def read_page(self, *, page_id: str) -> PageOutcome:
        """Retrieve the Checkout session."""
        try:
            return stripe_pages.read_page(self._v1, page_id)
        except NotDone as no:
            return PageOutcome(**no.fields)

    def close_page(self, *, page_id: str) -> PageOutcome:
        """Expire the Checkout session, if it is open."""
        try:
            return stripe_pages.close_page(self._v1, page_id)
        except NotDone as no:
            return PageOutcome(**no.fields)

    def charge(
        self, *, mandate: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> ChargeResult:
        """Charge the saved card while its owner is away."""
        customer, _, method = mandate.partition(":")
        try:
            units = to_units(Money(amount_minor=amount_minor, currency=currency))
        except NotInUnits:
            return ChargeResult(outcome=Outcome.REFUSED, permanent=True, code="amount_too_fine")
        params: PaymentIntentCreateParams = {
            "amount": units,
            "currency": currency.lower(),
            "customer": customer,
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            "off_session": True,
            "metadata": {"reference": reference},
        }
        try:
            options: RequestOptions = {"idempotency_key": key}
            return charged(ask(lambda: self._v1.payment_intents.create(params, options).to_dict()))
        except NotDone as no:
            return result_of(
                no, lambda: self.find_charge(mandate=mandate, reference=reference), ChargeResult
            )

    def find_charge(self, *, mandate: str, reference: str) -> ChargeResult | None:
        """Look through the customer's payments.

        By customer and not by Stripe's search, which may not know a payment for a minute.
        """
        customer, _, _ = mandate.partition(":")
        return found(
            lambda: every(self._v1.payment_intents.list({"customer": customer, "limit": 100})),
            reference,
            charged,
            ChargeResult,
        )

    def refund(
        self, *, charge_id: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> RefundResult:
        """Give this much of a charge back to the card it came from."""
        try:
            units = to_units(Money(amount_minor=amount_minor, currency=currency))
        except NotInUnits:
            return RefundResult(outcome=Outcome.REFUSED, permanent=True, code="amount_too_fine")
        params: RefundCreateParams = {
            "charge": charge_id,
            "amount": units,
            "metadata": {"reference": reference},
        }
        try:
            options: RequestOptions = {"idempotency_key": key}
            return refunded(ask(lambda: self._v1.refunds.create(params, options).to_dict()))
        except NotDone as no:
            return result_of(
                no, lambda: self.find_refund(charge_id=charge_id, reference=reference), RefundResult
            )

    def find_refund(self, *, charge_id: str, reference: str) -> RefundResult | None:
        """Look through the charge's refunds."""
        return found(
            lambda: every(self._v1.refunds.list({"charge": charge_id, "limit": 100})),
            reference,
            refunded,
            RefundResult,
        )

    def create_account(self, *, reference: str, email: str, key: str) -> AccountResult:
        """Make an Express account."""
        return stripe_connect.create_account(self._v1, reference=reference, email=email, key=key)

    def account_page(self, *, account_id: str, return_url: str, retry_url: str) -> PageResult:
        """Make a link to Stripe's onboarding."""
        return stripe_connect.account_page(
            self._v1, account_id=account_id, return_url=return_url, retry_url=retry_url
        )

    def account(self, *, account_id: str) -> AccountSeen:
        """Retrieve the account."""
        return stripe_connect.account(self._v1, account_id=account_id)

    def transfer(
        self, *, account_id: str, amount_minor: int, currency: str, reference: str, key: str
    ) -> TransferResult:
        """Pass money on to a connected account."""
        return stripe_connect.transfer(
            self._v1,
            account_id=account_id,
            amount_minor=amount_minor,
            currency=currency,
            reference=reference,
            key=key,
        )

    def find_transfer(self, *, account_id: str, reference: str) -> TransferResult | None:
        """Look through the account's transfers."""
        return stripe_connect.find_transfer(self._v1, account_id=account_id, reference=reference)

    def forget(self, *, mandate: str) -> None:
        """Delete the customer, and with it the saved card."""
        customer, _, _ = mandate.partition(":")
        try:
            ask(lambda: self._v1.customers.delete(customer))
        except NotDone as no:
            if no.result.code != "resource_missing":
                raise ForgetFailed(no.result.code) from no

    def disputes(self, *, since: datetime) -> Iterator[DisputeSeen]:
        """Page through the disputes that were made since."""
        return stripe_lines.disputes(self._v1, since=since)

    def dispute(self, *, dispute_id: str) -> DisputeSeen:
        """Retrieve one dispute."""
        return stripe_lines.dispute(self._v1, dispute_id)

    def lines(self, *, since: datetime, after: str = "") -> Iterator[Line]:
        """Page through the balance transactions, each with what it is about."""
        return stripe_lines.lines(self._v1, since=since, after=after)

    def read_event(self, *, body: bytes, signature: str, now: datetime) -> ProviderEvent:
        """Check Stripe's signature over the raw body, then read it in our nouns."""
        return stripe_events.read(
            body=body, signature=signature, secret=settings.STRIPE_WEBHOOK_SECRET, now=now
        )
