"""Organisers sign in by a code or a link that is mailed to them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from tests.apps.web.conftest import path_of, said


@pytest.fixture(autouse=True)
def _mails_really_go_out(settings: Any) -> None:
    """Django's tests keep mails in memory; here they go to the sandbox's mailbox."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


def mailed(site: Any, to: str, start: str) -> str:
    """The link in the latest mail to somebody."""
    text = site.mails(to)[-1]["text"]
    match = re.search(rf"https?://[^/\s]+({start}\S+)", text)
    assert match is not None, text
    return match[1]


def test_ana_signs_in_by_the_mailed_link(site: Any, ana: Any) -> None:
    EmailAddress.objects.create(user=ana, email=ana.email, verified=True, primary=True)
    browser = Client()
    assert "Mail me a code" in said(browser.get("/account/login/?next=/organise/new/"))
    asked = browser.post("/account/login/code/", {"email": ana.email, "next": "/organise/new/"})
    assert 302 == asked.status_code
    form = browser.get(mailed(site, ana.email, "/account/login/code/confirm/"))
    code = re.search(r'name="code" type="text" value="([^"]+)"', form.content.decode())
    assert code is not None
    answer = browser.post(
        "/account/login/code/confirm/", {"code": code[1], "next": "/organise/new/"}
    )
    assert "/organise/new/" == answer["Location"]
    assert 200 == browser.get("/organise/").status_code
    browser.post("/account/logout/")
    assert 302 == browser.get("/organise/").status_code


def test_the_link_is_worth_nothing_in_another_browser(site: Any, ana: Any) -> None:
    EmailAddress.objects.create(user=ana, email=ana.email, verified=True, primary=True)
    Client().post("/account/login/code/", {"email": ana.email})
    thief = Client()
    assert 302 == thief.get(mailed(site, ana.email, "/account/login/code/confirm/")).status_code
    assert 302 == thief.get("/organise/").status_code


def test_a_wrong_code_is_said_in_the_form(site: Any, ana: Any) -> None:
    EmailAddress.objects.create(user=ana, email=ana.email, verified=True, primary=True)
    browser = Client()
    browser.post("/account/login/code/", {"email": ana.email})
    answer = browser.post("/account/login/code/confirm/", {"code": "WRONG1"})
    assert "field-error" in answer.content.decode()


def test_somebody_new_makes_an_account(site: Any) -> None:
    browser = Client()
    assert 302 == browser.post("/account/signup/", {"email": "wanda@example.org"}).status_code
    assert 200 == browser.get("/account/confirm-email/").status_code
    link = mailed(site, "wanda@example.org", "/account/confirm-email/")
    assert "Is this your address?" in said(browser.get(link))
    assert 302 == browser.post(link).status_code
    mail = site.mails("wanda@example.org")[-1]
    assert "Confirm my address" in mail["html"]


def test_an_unknown_address_is_told_so_by_mail_only(site: Any) -> None:
    browser = Client()
    answer = browser.post("/account/login/code/", {"email": "nobody-here@example.org"})
    assert 302 == answer.status_code
    assert "There is no account" in site.mails("nobody-here@example.org")[-1]["subject"]
    assert "nobody-here@example.org" in said(browser.get(path_of(answer["Location"])))
