"""The mail sandbox keeps what it said 250 to, whatever happens next."""

import smtplib
import urllib.error
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = ("sandbox.mail", "--smtp-port", "0", "--http-port", "0", "--book")


def connect(service: Any) -> smtplib.SMTP:
    host, _, port = service.smtp_url.removeprefix("smtp://").partition(":")
    return smtplib.SMTP(host, int(port), timeout=10)


def test_every_message_answered_250_survives_kill_9(start: Any, tmp_path: Path) -> None:
    service = start(*ARGUMENTS, str(tmp_path / "mail.sqlite3"))
    taken: list[str] = []

    def keep_sending(worker: int) -> None:
        try:
            with connect(service) as smtp:
                for turn in range(1_000):
                    name = f"m{worker}-{turn}@example.org"
                    smtp.sendmail("a@example.org", [name], f"Subject: {name}\r\n\r\nHello.\r\n")
                    taken.append(name)
                    if len(taken) == 60:
                        service.process.kill()
        except OSError:
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(keep_sending, range(4)))
    service.kill()
    service = start(*ARGUMENTS, str(tmp_path / "mail.sqlite3"))
    kept = Counter(item["to"] for item in service.get("/messages?limit=1000")["items"])
    assert set() == set(taken) - set(kept)
    assert {1} == set(kept.values())
    assert len(kept) <= len(taken) + 4


def test_messages_are_paged_oldest_first_and_found_by_address(mailbox: Any) -> None:
    with connect(mailbox) as smtp:
        for name in ("Ana", "Ben", "Cleo"):
            smtp.sendmail("a@x.org", [f"{name}@page.example"], f"Subject: to {name}\r\n\r\nHi\r\n")
    first = mailbox.get("/messages?to=ANA@page.example")["items"]
    assert ["to Ana"] == [each["subject"] for each in first]
    rest = mailbox.get(f"/messages?after={first[0]['id']}&limit=1")["items"]
    assert ["to Ben"] == [each["subject"] for each in rest]
    assert "Hi" == mailbox.get(f"/messages/{rest[0]['id']}")["text"].strip()
    assert 3 <= mailbox.get("/count")["count"]


@pytest.mark.parametrize("path", ["/messages/0", "/nothing"])
def test_what_is_not_there_is_404(mailbox: Any, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        mailbox.get(path)


@pytest.mark.parametrize("path", ["/messages?after=x", "/messages/x"])
def test_what_makes_no_sense_is_400(mailbox: Any, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        mailbox.get(path)


def test_an_unknown_fault_is_refused(mailbox: Any) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        mailbox.control(sulk=1)


def test_it_ends_cleanly_when_asked_even_with_a_client_on_the_line(
    start: Any, tmp_path: Path
) -> None:
    service = start(*ARGUMENTS, str(tmp_path / "mail.sqlite3"))
    smtp = connect(service)
    smtp.ehlo()
    assert 0 == service.stop()
    smtp.close()
