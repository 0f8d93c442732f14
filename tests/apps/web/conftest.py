"""Browsers without JavaScript, and a look at what a page says."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client

from countmein.members.models import Organiser

Browse = Callable[..., Client]


@pytest.fixture
def ben(transactional_db: None) -> Client:
    """Ben's browser; he has no account."""
    return Client()


@pytest.fixture
def as_ana(ana: Organiser) -> Client:
    """Ana's browser, signed in."""
    browser = Client()
    browser.force_login(ana)
    return browser


@pytest.fixture
def as_cleo(cleo: Organiser) -> Client:
    """Cleo's browser, signed in as somebody else."""
    browser = Client()
    browser.force_login(cleo)
    return browser


def said(response: Any) -> str:
    """The words of a page, without its tags."""
    bare = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(unescape(bare).split())


def hidden(response: Any, name: str) -> str:
    """What a hidden field of a page holds."""
    match = re.search(rf'name="{name}" value="([^"]*)"', response.content.decode())
    assert match is not None
    return match[1]


def path_of(url: str) -> str:
    """An absolute address of the site, as a test browser takes it."""
    return url.removeprefix("http://127.0.0.1:8000")
