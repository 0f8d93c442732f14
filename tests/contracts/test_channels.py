"""What every channel keeps, against a mail server that is a real process."""

import base64
import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from countmein.outreach.channels import CHANNELS, Attachment, Channel, Mail, Outcome, SendResult

BEN = Mail(
    id="1",
    to_address="ben@example.org",
    to_name="Ben Müller, Dr.",
    subject="Du bist dabei: 12 € für Zoë",
    text="Hallo Ben.\n.\n..zwei Punkte\nGrüße\n",
    html="<p>Hallo Ben. <b>Grüße</b></p>",
    message_id="<1@countmein.example>",
    headers={"List-Unsubscribe": "<https://countmein.example/leave>"},
)


@pytest.fixture(params=sorted(CHANNELS))
def channel(request: pytest.FixtureRequest, mailbox: Any) -> Channel:
    return CHANNELS[request.param]


@pytest.fixture
def somebody() -> str:
    return f"{uuid.uuid4().hex}@example.org"


def send(channel: Channel, *mails: Mail) -> list[SendResult]:
    return list(channel.send(mails))


def received(mailbox: Any, to: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = mailbox.get(f"/messages?to={to}")["items"]
    return items


def test_a_mail_arrives_as_it_was_written(channel: Channel, mailbox: Any, somebody: str) -> None:
    [result] = send(channel, replace(BEN, to_address=somebody))
    assert ("1", Outcome.SENT) == (result.id, result.outcome)
    [mail] = received(mailbox, somebody)
    assert BEN.subject == mail["subject"]
    assert (BEN.text, BEN.html) == (mail["text"].replace("\r\n", "\n"), mail["html"].strip())
    assert BEN.message_id == mail["message_id"]
    assert f'"Ben Müller, Dr." <{somebody}>' == mail["headers"]["To"]
    assert "Zählmich <hello@countmein.example>" == mail["headers"]["From"]
    assert "<https://countmein.example/leave>" == mail["headers"]["List-Unsubscribe"]


def test_attachments_arrive_whole_and_a_calendar_says_its_method(
    channel: Channel, mailbox: Any, somebody: str
) -> None:
    calendar = "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nSUMMARY:Grüße\r\nEND:VCALENDAR\r\n".encode()
    picture = bytes(range(256))
    attached = (
        Attachment(name="event.ics", content_type="text/calendar", content=calendar),
        Attachment(name="größe.png", content_type="image/png", content=picture),
    )
    send(channel, replace(BEN, to_address=somebody, attachments=attached))
    [listed] = received(mailbox, somebody)
    assert "bytes_b64" not in listed["attachments"][0]
    event, code = mailbox.get(f"/messages/{listed['id']}")["attachments"]
    assert ("event.ics", calendar) == (event["name"], base64.b64decode(event["bytes_b64"]))
    assert ["text/calendar", 'charset="utf-8"', 'method="PUBLISH"'] == event["type"].split("; ")
    assert ("größe.png", picture) == (code["name"], base64.b64decode(code["bytes_b64"]))
    assert listed["text"].startswith("Hallo Ben")


@pytest.mark.parametrize(
    "spoil",
    [
        {"subject": "Hello\r\nBcc: cleo@example.org"},
        {"subject": "Hello\nBcc: cleo@example.org"},
        {"subject": "\ud800"},
        {"to_name": "Ben\r\nBcc: cleo@example.org"},
        {"to_address": "ben@example.org\r\nRCPT TO:<cleo@example.org>"},
        {"to_address": "ben@example.org>, <cleo@example.org"},
        {"to_address": "ben(cleo@example.org"},
        {"to_address": "ben"},
        {"to_address": ""},
        {"to_address": "ben@exa mple.org"},
        {"to_address": "ben@-.org"},
        {"message_id": "<1@x>\r\nBcc: cleo@example.org"},
        {"headers": {"X-Note": "a\r\nBcc: cleo@example.org"}},
        {"headers": {"X-Note\r\nBcc": "cleo@example.org"}},
        {"headers": {"To": "cleo@example.org"}},
        {"attachments": (Attachment(name="a\r\nb", content_type="text/plain", content=b""),)},
        {"attachments": (Attachment(name="a", content_type="text/a\r\nb: c", content=b""),)},
    ],
)
def test_a_mail_that_could_smuggle_something_is_refused_for_good(
    channel: Channel, mailbox: Any, spoil: dict[str, Any]
) -> None:
    before = mailbox.get("/count")["count"]
    [result] = send(channel, replace(BEN, **spoil))
    assert (Outcome.REFUSED, True) == (result.outcome, result.permanent)
    assert before == mailbox.get("/count")["count"]


def test_an_address_in_letters_of_the_world_is_reached(channel: Channel, mailbox: Any) -> None:
    local = uuid.uuid4().hex
    mails = [
        replace(BEN, to_address=f"{local}@straße.example"),
        replace(BEN, to_address=f"ü{local}@example.org"),
    ]
    assert [Outcome.SENT] * 2 == [each.outcome for each in send(channel, *mails)]
    assert 1 == len(received(mailbox, f"{local}@xn--strae-oqa.example"))
    assert 1 == len(received(mailbox, f"%C3%BC{local}@example.org"))


def test_a_mailbox_that_does_not_exist_is_refused_for_good_and_the_next_mail_goes_on(
    channel: Channel, mailbox: Any, somebody: str
) -> None:
    bounced, sent = send(
        channel,
        replace(BEN, to_address="cleo@bounce.example"),
        replace(BEN, to_address=somebody),
    )
    assert (Outcome.REFUSED, True) == (bounced.outcome, bounced.permanent)
    assert bounced.receipt.startswith("550 5.1.1")
    assert Outcome.SENT == sent.outcome


@pytest.mark.parametrize(("fault", "permanent"), [("reject_4xx", False), ("reject_5xx", True)])
def test_a_refusal_says_whether_it_is_for_good(
    channel: Channel, mailbox: Any, somebody: str, fault: str, permanent: bool
) -> None:
    mailbox.control(**{fault: 1})
    refused, sent = send(channel, *[replace(BEN, to_address=somebody)] * 2)
    assert (Outcome.REFUSED, permanent) == (refused.outcome, refused.permanent)
    assert Outcome.SENT == sent.outcome
    assert 1 == len(received(mailbox, somebody))


def test_a_line_that_breaks_after_the_message_leaves_it_unknown(
    channel: Channel, mailbox: Any, somebody: str
) -> None:
    mailbox.control(die_after_data=1)
    unknown, sent = send(channel, *[replace(BEN, to_address=somebody)] * 2)
    assert (Outcome.UNKNOWN, Outcome.SENT) == (unknown.outcome, sent.outcome)
    assert 2 == len(received(mailbox, somebody))


@pytest.mark.parametrize("retried", [{Outcome.REFUSED}, {Outcome.REFUSED, Outcome.UNKNOWN}])
@pytest.mark.slow
def test_nobody_is_mailed_twice_if_only_refusals_are_retried(
    channel: Channel, mailbox: Any, retried: set[Outcome]
) -> None:
    """The second case is the control: whoever retries the unknown mails people twice."""
    crowd = f"{uuid.uuid4().hex}.example"
    mails = [replace(BEN, id=str(n), to_address=f"m{n}@{crowd}") for n in range(200)]
    mailbox.control(die_after_data=0.05, reject_4xx=0.05)
    outcomes: dict[str, Outcome] = {}
    waiting = mails
    for _ in range(10):
        outcomes |= {result.id: result.outcome for result in channel.send(waiting)}
        waiting = [mail for mail in mails if outcomes[mail.id] in retried]
    mailbox.control(die_after_data=0, reject_4xx=0)
    items = mailbox.get("/messages?limit=1000&after=0")["items"]
    times = Counter(item["to"] for item in items if item["to"].endswith(crowd))
    assert 200 == len(times)
    most = max(times.values())
    assert most > 1 if Outcome.UNKNOWN in retried else most == 1


def test_a_server_nobody_reaches_refuses_for_now(channel: Channel, settings_of: Any) -> None:
    with settings_of(SMTP_URL="smtp://127.0.0.1:9"):
        results = send(channel, BEN, replace(BEN, id="2"))
    assert [("1", Outcome.REFUSED, False), ("2", Outcome.REFUSED, False)] == [
        (each.id, each.outcome, each.permanent) for each in results
    ]


def test_a_server_that_hung_up_while_idle_is_called_again(
    channel: Channel, settings_of: Any
) -> None:
    with impatient_server() as url, settings_of(SMTP_URL=url):
        results = send(channel, BEN, BEN, BEN)
    assert [Outcome.SENT] * 3 == [each.outcome for each in results]


class impatient_server:
    """Takes one message a connection, then hangs up without a word."""

    def __enter__(self) -> str:
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return f"smtp://127.0.0.1:{self.listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            with line, line.makefile("rb") as spoken:
                self._converse(line, spoken)

    def _converse(self, line: socket.socket, spoken: Any) -> None:
        line.sendall(b"220 hello\r\n")
        for words in self._lines(spoken):
            line.sendall(b"354 go on\r\n" if words.startswith(b"data") else b"250 yes\r\n")

    def _lines(self, spoken: Any) -> Iterator[bytes]:
        for words in spoken:
            yield words.lower()
            if words.lower().startswith(b"data"):
                for content in spoken:
                    if content == b".\r\n":
                        yield b"."
                        return
