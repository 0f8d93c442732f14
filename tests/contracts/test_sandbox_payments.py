"""The sandbox provider keeps Stripe's promises: keys, its book, signed webhooks, error shapes."""

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stripe

CHARGE = {
    "amount": "500",
    "currency": "gbp",
    "payment_method": "pm_card_visa",
    "confirm": "true",
}


def ask(
    service: Any, method: str, path: str, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, Any], Any]:
    """Send one request as any HTTP client would; return status, body and headers."""
    request = urllib.request.Request(
        service.url + path,
        method=method,
        data=urllib.parse.urlencode(form).encode() if form is not None else None,
        headers={"Authorization": "Bearer sk_test_x"}
        | {name.replace("_", "-"): text for name, text in headers.items()},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.load(reply), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def pay(service: Any, key: str, **changes: str) -> tuple[int, dict[str, Any], Any]:
    return ask(service, "POST", "/v1/payment_intents", CHARGE | changes, Idempotency_Key=key)


def test_a_repeated_key_gives_the_first_answer_again(provider: Any) -> None:
    key = uuid.uuid4().hex
    status, first, _ = pay(provider, key)
    again_status, again, headers = pay(provider, key)
    assert (200, first) == (status, again)
    assert (200, "true") == (again_status, headers["Idempotent-Replayed"])


def test_a_key_with_other_parameters_is_an_idempotency_error(provider: Any) -> None:
    key = uuid.uuid4().hex
    pay(provider, key)
    status, body, _ = pay(provider, key, amount="501")
    assert (400, "idempotency_error") == (status, body["error"]["type"])


@pytest.mark.parametrize(("keys", "expected"), [(1, 1), (16, 16)], ids=["one-key", "control"])
def test_sixteen_at_once_with_one_key_charge_once_and_with_sixteen_keys_sixteen_times(
    provider: Any, keys: int, expected: int
) -> None:
    name = uuid.uuid4().hex
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda n: pay(provider, f"{name}:{n % keys}", **{"metadata[reference]": name}),
                range(16),
            )
        )
    assert {200} == {status for status, _, _ in answers}
    assert expected == len({body["latest_charge"] for _, body, _ in answers})
    assert expected == provider.get("/_book/summary")["charges_per_reference"][name]


def test_a_decline_is_kept_under_its_key_but_a_faulty_request_is_not(provider: Any) -> None:
    key = uuid.uuid4().hex
    first = pay(provider, key, payment_method="pm_card_chargeCustomerFail")
    again = pay(provider, key, payment_method="pm_card_chargeCustomerFail")
    assert (402, 402, first[1]) == (first[0], again[0], again[1])
    key = uuid.uuid4().hex
    assert 400 == pay(provider, key, amount="0")[0]
    assert 200 == pay(provider, key)[0]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "1.5"}, "amount"),
        ({"amount": "100000000"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"amount[x]": "1"}, "amount"),
        ({"currency": "xyz"}, "currency"),
        ({"currency": "kwd", "amount": "1231"}, "amount"),
        ({"currency": "isk", "amount": "150"}, "amount"),
        ({"customer": "cus_nobody"}, "customer"),
        ({"customer[a]": "b"}, "customer"),
        ({"payment_method": "pm_nothing"}, "payment_method"),
        ({"unheard_of": "1"}, "unheard_of"),
        ({"confirm": "yes"}, "confirm"),
        ({"metadata": "text"}, "metadata"),
    ],
)
def test_a_faulty_request_names_its_fault(
    provider: Any, changes: dict[str, str], param: str
) -> None:
    form = {k: v for k, v in CHARGE.items() if f"{k}[" not in "".join(changes)} | changes
    status, body, _ = ask(provider, "POST", "/v1/payment_intents", form)
    assert (400, "invalid_request_error", param) == (
        status,
        body["error"]["type"],
        body["error"]["param"],
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/charges/ch_nothing", 404),
        ("GET", "/v1/unheard_of", 404),
        ("DELETE", "/v1/customers/cus_nobody", 404),
        ("GET", "/v1/events?limit=0", 400),
        ("GET", "/v1/events?limit=x", 400),
    ],
)
def test_what_is_not_there_is_said_in_stripes_shape(
    provider: Any, method: str, path: str, status: int
) -> None:
    got, body, headers = ask(provider, method, path)
    assert (status, "invalid_request_error") == (got, body["error"]["type"])
    assert headers["Request-Id"].startswith("req_")


def test_a_request_without_a_key_is_not_let_in(provider: Any) -> None:
    status, body, _ = ask(provider, "GET", "/v1/events", Authorization="Bearer nothing")
    assert (401, "invalid_request_error") == (status, body["error"]["type"])


def test_authentication_required_answers_402_with_the_payment(provider: Any) -> None:
    status, body, _ = pay(
        provider, uuid.uuid4().hex, payment_method="pm_card_authenticationRequired"
    )
    error = body["error"]
    assert (402, "authentication_required", "requires_payment_method") == (
        status,
        error["code"],
        error["payment_intent"]["status"],
    )


def test_what_was_made_can_be_retrieved_and_listed(provider: Any) -> None:
    customer = ask(provider, "POST", "/v1/customers", {"name": "Ben"})[1]["id"]
    attached = ask(
        provider, "POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer}
    )[1]
    assert customer == attached["customer"]
    made = [
        pay(provider, uuid.uuid4().hex, customer=customer, payment_method=attached["id"])[1]["id"]
        for _ in range(3)
    ]
    _, page, _ = ask(provider, "GET", f"/v1/payment_intents?customer={customer}&limit=2")
    assert (made[:0:-1], True) == ([each["id"] for each in page["data"]], page["has_more"])
    _, rest, _ = ask(
        provider, "GET", f"/v1/payment_intents?customer={customer}&starting_after={made[1]}"
    )
    assert (made[:1], False) == ([each["id"] for each in rest["data"]], rest["has_more"])
    intent = ask(provider, "GET", f"/v1/payment_intents/{made[0]}")[1]
    charge = ask(provider, "GET", f"/v1/charges/{intent['latest_charge']}")[1]
    line = ask(provider, "GET", f"/v1/balance_transactions/{charge['balance_transaction']}")[1]
    assert (500, 33, 467, charge["id"]) == (
        line["amount"],
        line["fee"],
        line["net"],
        line["source"],
    )
    ask(provider, "POST", f"/v1/payment_methods/{attached['id']}/detach", {})
    status, _, _ = pay(provider, uuid.uuid4().hex, customer=customer, payment_method=attached["id"])
    assert 400 == status


def test_an_unknown_fault_is_refused(provider: Any) -> None:
    with pytest.raises(urllib.error.HTTPError):
        provider.control(fail_next={"path": "/v1", "mode": "sulk"})


def test_the_book_survives_kill_9(start: Any, tmp_path: Path) -> None:
    arguments = ("sandbox.payments", "--book", str(tmp_path / "book.sqlite3"), "--port")
    service = start(*arguments, "0")
    answered: list[str] = []

    def keep_paying(worker: int) -> None:
        for turn in range(10_000):
            try:
                answered.append(pay(service, f"{worker}:{turn}")[1]["latest_charge"])
            except (OSError, ValueError):
                return
            if len(answered) == 100:
                service.process.kill()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep_paying, range(8)))
    service.kill()
    service = start(*arguments, service.port)
    kept = [each["id"] for each in service.get("/_book/charges")["items"]]
    assert set() == set(answered) - set(kept)
    # A charge written but never answered is found again under its key.
    assert len(kept) <= len(answered) + 8
    assert answered[0] in {pay(service, f"{worker}:0")[1]["latest_charge"] for worker in range(8)}
    assert len(kept) == service.get("/_book/summary")["charges"]


def test_webhooks_are_signed_and_come_again_until_they_are_taken(
    start: Any, tmp_path: Path, listener: Any, until: Any
) -> None:
    listener.refusals = 1
    service = start(
        "sandbox.payments", "--port", "0", "--book", str(tmp_path / "book.sqlite3"),
        "--webhook-url", listener.url, "--webhook-secret", "whsec_x",
    )  # fmt: skip
    _, intent, _ = pay(service, "one")
    pay(service, "one")
    ask(service, "POST", "/v1/refunds", {"charge": intent["latest_charge"]})
    until(lambda: len(listener.taken) == 2)
    events = [
        stripe.Webhook.construct_event(body, sign, "whsec_x") for body, sign in listener.taken
    ]
    assert {"payment_intent.succeeded", "charge.refunded"} == {event.type for event in events}
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*listener.taken[0], "whsec_other")


def test_a_webhook_owed_before_kill_9_is_delivered_after(
    start: Any, tmp_path: Path, listener: Any, until: Any
) -> None:
    arguments = (
        "sandbox.payments", "--port", "0", "--book", str(tmp_path / "book.sqlite3"),
        "--webhook-secret", "whsec_x", "--webhook-url",
    )  # fmt: skip
    service = start(*arguments, "http://127.0.0.1:9/nobody")
    pay(service, "one")
    service.kill()
    start(*arguments, listener.url)
    until(lambda: listener.kinds() == ["payment_intent.succeeded"])


def test_more_writes_than_the_rate_answer_429(start: Any, tmp_path: Path) -> None:
    service = start(
        "sandbox.payments", "--port", "0", "--book", str(tmp_path / "b.sqlite3"), "--rate", "3"
    )
    answers = [pay(service, str(n)) for n in range(12)]
    counted = Counter(status for status, _, _ in answers)
    assert {200, 429} == set(counted)
    limited = next(body for status, body, _ in answers if status == 429)
    assert "rate_limit" == limited["error"]["code"]
    assert counted[200] == service.get("/_book/summary")["charges"]


def test_it_ends_cleanly_when_asked_even_while_a_client_hangs(start: Any, tmp_path: Path) -> None:
    service = start("sandbox.payments", "--port", "0", "--book", str(tmp_path / "book.sqlite3"))
    service.control(fail_next={"path": "/v1/payment_intents", "mode": "hang", "times": 1})
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(pay, service, "one")
        assert 0 == service.stop()
        assert hanging.exception() is not None


def test_an_order_cut_off_in_the_middle_is_no_order(provider: Any) -> None:
    """A client that dies between headers and body has not asked for anything under its key."""
    address = ("127.0.0.1", int(provider.port))
    headers = (
        b"POST /v1/customers HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer sk_test_sandbox\r\n"
        b"Idempotency-Key: cut-off\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 15\r\n\r\n"
    )
    for _try in range(20):
        with socket.create_connection(address) as dying:
            dying.sendall(headers)
    with socket.create_connection(address) as whole:
        whole.sendall(headers + b"description=Ana")
        assert b" 200 " in whole.recv(4096)
