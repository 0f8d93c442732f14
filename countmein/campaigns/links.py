"""The addresses and private keys that a pledge's owner gets; derived, never stored."""

from __future__ import annotations

import hmac
import uuid
from typing import Protocol

from django.conf import settings

from countmein.base.ids import keyed_digest
from countmein.campaigns.models import Campaign


class Named(Protocol):
    """A pledge, or one that is being written."""

    @property
    def id(self) -> uuid.UUID: ...

    @property
    def code(self) -> str: ...


def receipt_of(pledge: Named) -> str:
    """The private key to one's own pledge: 160 bits that only this site can derive."""
    return keyed_digest("receipt", str(pledge.id))[:40]


def confirm_token_of(pledge: Named) -> str:
    """What the mailed link proves: whoever has it reads that mailbox."""
    return keyed_digest("confirm", str(pledge.id))[:40]


def disown_token_of(pledge: Named) -> str:
    """What lets a pledge be taken back by whoever got mail about it, and does nothing else."""
    return keyed_digest("disown", str(pledge.id))[:40]


def same(given: str, expected: str) -> bool:
    """Compare two keys without telling by the time taken how much of them agrees."""
    return hmac.compare_digest(given.encode(), expected.encode())


def campaign_url(campaign: Campaign) -> str:
    """The public page."""
    return f"{settings.SITE_URL}/c/{campaign.code}/"


def manage_url(pledge: Named, *, receipt: str = "") -> str:
    """The page of one's own pledge; `receipt`: its private key, if it is at hand."""
    return f"{settings.SITE_URL}/p/{pledge.code}/?receipt={receipt or receipt_of(pledge)}"


def secure_url(pledge: Named) -> str:
    """Where a pledge is secured: it leads on to the provider's page for the card."""
    return f"{settings.SITE_URL}/p/{pledge.code}/card/?receipt={receipt_of(pledge)}"


def fallback_url(pledge: Named) -> str:
    """Where a member chooses what becomes of their money if it fails."""
    return f"{settings.SITE_URL}/p/{pledge.code}/fallback/?receipt={receipt_of(pledge)}"


def ballot_url(pledge: Named) -> str:
    """Where a member votes."""
    return f"{settings.SITE_URL}/p/{pledge.code}/ballot/?receipt={receipt_of(pledge)}"


def transfer_url(pledge: Named) -> str:
    """Where a member reads what to transfer, and to whom."""
    return f"{settings.SITE_URL}/p/{pledge.code}/transfer/?receipt={receipt_of(pledge)}"


def came_back_url(pledge: Named) -> str:
    """Where the provider's page leads back to; `{page}` becomes the page's id."""
    receipt = receipt_of(pledge)
    return f"{settings.SITE_URL}/p/{pledge.code}/card/back/?receipt={receipt}&page={{page}}"


def disown_url(pledge: Named) -> str:
    """Where somebody says that it was not they who pledged."""
    return f"{settings.SITE_URL}/p/{pledge.code}/not-me/?token={disown_token_of(pledge)}"


def confirm_url(pledge: Named) -> str:
    """The link that confirms a mailbox."""
    return f"{settings.SITE_URL}/p/{pledge.code}/confirm/?token={confirm_token_of(pledge)}"
