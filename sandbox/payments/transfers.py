"""Money passed on to connected accounts, taken back, and paid out to banks."""

from typing import Any

from sandbox.payments.accounts import find_account
from sandbox.payments.balance import available, move, require_funds
from sandbox.payments.book import Page, new_id
from sandbox.payments.customers import missing
from sandbox.payments.forms import Problem, integer, metadata, money, text

Form = dict[str, Any]
Object = dict[str, Any]

# Bank accounts, by their last four digits, that payouts come back from, as in Stripe's test mode.
BAD_BANKS = {
    "1116": "no_account",
    "1113": "account_closed",
    "2227": "insufficient_funds",
    "3335": "debit_not_authorized",
    "4440": "invalid_currency",
}


def create_transfer(page: Page, id: str, form: Form) -> Object:
    amount, currency = money(form)
    account = find_account(page, form["destination"], param="destination")
    if account["capabilities"].get("transfers") != "active":
        raise Problem(
            "Your destination account needs to have at least one of the following capabilities"
            " enabled: transfers, crypto_transfers, legacy_payments",
            code="insufficient_capabilities_for_transfer",
        )
    charge = _source(page, form, amount, currency)
    if charge is None:
        require_funds(page, amount, currency, to="transfer")
    group = text(form, "transfer_group") or (charge and charge.get("transfer_group"))
    transfer_id = new_id("tr")
    transfer = page.add(
        "transfer",
        "tr",
        source_link=charge and charge["id"],
        id=transfer_id,
        amount=amount,
        amount_reversed=0,
        balance_transaction=None,
        currency=currency,
        description=text(form, "description"),
        destination=account["id"],
        destination_payment=None,
        metadata=metadata(form),
        reversals={
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/transfers/{transfer_id}/reversals",
        },
        reversed=False,
        source_transaction=charge and charge["id"],
        source_type="card",
        transfer_group=group,
    )
    transfer["balance_transaction"] = move(page, transfer, -amount, "transfer")
    transfer["destination_payment"] = _arrive(page.on(account["id"]), transfer)
    page.tell("transfer.created", page.save(transfer))
    return transfer


def _source(page: Page, form: Form, amount: int, currency: str) -> Object | None:
    """The charge that the money comes from; no more than it brought may be passed on."""
    if "source_transaction" not in form:
        return None
    charge = page.find("charge", form["source_transaction"])
    if charge is None:
        raise missing("charge", form["source_transaction"], param="source_transaction")
    if charge["currency"] != currency or not charge.get("captured"):
        raise Problem("The charge was not taken in this currency.", param="source_transaction")
    passed = sum(
        each["amount"] - each["amount_reversed"]
        for each in page.listed("transfer", links={"source": charge["id"]}, limit=10_000)
    )
    if passed + amount > charge["amount_captured"]:
        raise Problem(
            "The transfers from this charge cannot be more than the charge itself.",
            code="transfer_source_balance_parameters_mismatch",
            param="amount",
        )
    return charge


def _arrive(account: Page, transfer: Object) -> str:
    """Write the payment that the connected account sees."""
    payment = account.add(
        "charge",
        "py",
        amount=transfer["amount"],
        amount_captured=transfer["amount"],
        amount_refunded=0,
        balance_transaction=None,
        captured=True,
        currency=transfer["currency"],
        customer=None,
        failure_code=None,
        metadata={},
        paid=True,
        payment_intent=None,
        refunded=False,
        source_transfer=transfer["id"],
        status="succeeded",
        transfer_group=transfer["transfer_group"],
    )
    payment["balance_transaction"] = move(account, payment, transfer["amount"], "payment")
    account.save(payment)
    return str(payment["id"])


def create_reversal(page: Page, id: str, form: Form) -> Object:
    """Take a transfer back, or a part of it; the account's balance may go below zero."""
    transfer = page.find("transfer", id)
    if transfer is None:
        raise missing("transfer", id, param="id", status=404)
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = integer(form, "amount") if "amount" in form else left
    if amount > left or left == 0:
        raise Problem(
            f"Reversal amount ({amount}) is greater than unreversed amount on transfer ({left}).",
            param="amount",
        )
    account = page.on(transfer["destination"])
    payment = account.find("charge", transfer["destination_payment"])
    assert payment is not None
    reversal = page.add(
        "transfer_reversal",
        "trr",
        amount=amount,
        balance_transaction=None,
        currency=transfer["currency"],
        destination_payment_refund=None,
        metadata=metadata(form),
        source_link=transfer["id"],
        source_refund=None,
        transfer=transfer["id"],
    )
    move(account, payment, -amount, "payment_refund")
    reversal["balance_transaction"] = move(page, reversal, amount, "transfer_refund")
    refunded = payment["amount_refunded"] + amount
    account.save({**payment, "amount_refunded": refunded, "refunded": amount == left})
    page.save(reversal)
    transfer |= {
        "amount_reversed": transfer["amount_reversed"] + amount,
        "reversed": amount == left,
    }
    transfer["reversals"]["data"].insert(0, reversal)
    page.tell("transfer.reversed", page.save(transfer))
    return reversal


def create_payout(page: Page, id: str, form: Form) -> Object:
    amount, currency = money(form)
    require_funds(page, amount, currency, to="send this payout")
    return pay_out(
        page, amount, currency, labels=metadata(form), description=text(form, "description")
    )


def pay_out(
    page: Page,
    amount: int,
    currency: str,
    *,
    labels: dict[str, str],
    description: str | None = None,
    is_automatic: bool = False,
) -> Object:
    """Send money to the account's bank; it arrives, or comes back, later."""
    payout = page.add(
        "payout",
        "po",
        amount=amount,
        arrival_date=page.now + page.terms.payout_seconds,
        automatic=is_automatic,
        balance_transaction=None,
        currency=currency,
        description=description,
        destination=_bank(page),
        failure_balance_transaction=None,
        failure_code=None,
        failure_message=None,
        metadata=labels,
        method="standard",
        reconciliation_status="completed" if is_automatic else "not_applicable",
        source_type="card",
        status="pending",
        type="bank_account",
    )
    payout["balance_transaction"] = move(page, payout, -amount, "payout")
    page.wake(at=payout["arrival_date"], what="payout", about=payout["id"])
    page.tell("payout.created", page.save(payout))
    return payout


def sweep(page: Page, currency: str) -> Object:
    """Pay out all that is available, and note which lines went with it, as Stripe does daily."""
    amount = available(page, currency)
    if amount <= 0:
        raise ValueError(f"nothing to pay out in {currency}")
    payout = pay_out(page, amount, currency, labels={}, is_automatic=True)
    page.connection.execute(
        "UPDATE objects SET payout = ? WHERE kind = 'balance_transaction' AND account IS ?"
        " AND currency = ? AND payout IS NULL AND json_extract(body, '$.status') = 'available'",
        (payout["id"], page.account, currency),
    )
    return payout


def _bank(page: Page) -> str | None:
    if page.account is None:
        return "ba_sandbox_platform"
    banks = find_account(page, page.account)["external_accounts"]["data"]
    return banks[0]["id"] if banks else None


def settle_payout(page: Page, id: str) -> None:
    """A payout arrives, or comes back (an alarm)."""
    payout = page.find("payout", id)
    if payout is None or payout["status"] != "pending":
        return
    failure = page.terms.payout_failure
    if page.account is not None:
        banks = find_account(page, page.account)["external_accounts"]["data"]
        failure = BAD_BANKS.get(banks[0]["last4"], "") if banks else "no_account"
    if not failure:
        page.tell("payout.paid", page.save({**payout, "status": "paid"}))
        return
    payout |= {
        "status": "failed",
        "failure_code": failure,
        "failure_message": "The bank sent the payout back.",
        "failure_balance_transaction": move(page, payout, payout["amount"], "payout_failure"),
    }
    page.tell("payout.failed", page.save(payout))
