"""Each kind of mail, in each language, as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest
from django.utils.translation import override

from countmein.campaigns.models import Campaign
from countmein.outreach.channels import Mail
from countmein.outreach.letters import mail_of
from countmein.outreach.models import Delivery
from tests.tongues.letters import all_letters, terms
from tests.tongues.pseudo import pseudo, unmarked

__all__ = ["pseudo"]


def mails(campaign: Campaign, language: str) -> Iterator[tuple[str, Mail]]:
    """All of them, laid out for their readers."""
    with override(language):
        written = list(all_letters(campaign))
    for name, letter in written:
        delivery = Delivery(letter=asdict(letter), language=language, to_address="b@example.org")
        yield name, mail_of(delivery, contact=None)


@pytest.fixture
def campaign(launch: Any) -> Campaign:
    return launch(**terms())  # type: ignore[no-any-return]


def test_each_kind_of_mail_is_written_in_each_language(campaign: Campaign) -> None:
    english = dict(mails(campaign, "en-gb"))
    assert len(english) > 40
    for language in ("de", "fr", "es", "ar"):
        direction = "rtl" if language == "ar" else "ltr"
        for name, mail in mails(campaign, language):
            assert f'<html lang="{language}" dir="{direction}">' in mail.html, name
            assert english[name].subject != mail.subject or name == "target", (language, name)
            assert english[name].text != mail.text
            assert "%(" not in mail.text + mail.html + mail.subject
            assert "\n" not in mail.subject


def test_no_mail_has_a_word_that_nobody_can_translate(campaign: Campaign, pseudo: None) -> None:
    names = {"Countmein", "IBAN", "BIC", "UTC", "Europe/London", "ABNANL"}
    wrong = {}
    for name, mail in mails(campaign, "ar"):
        body = mail.html.replace(f"<title>{mail.subject}</title>", "")
        texts = (body, mail.subject, mail.text)
        if found := [word for text in texts for word in unmarked(text, names=names)]:
            wrong[name] = found
    assert {} == wrong


def test_a_number_in_an_arabic_mail_keeps_its_order(campaign: Campaign) -> None:
    """Left alone, +44 113 4960000 would be read from its end; what others wrote has its own way."""
    called = dict(mails(campaign, "ar"))["kept_call"]
    assert "<bdi>+44 113 4960000</bdi>" in called.html
    assert '<p dir="auto"' in called.html
