"""Documents that payments and proofs are shown by: judged by content, kept with their hash."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Final

from countmein.base.clock import site_now
from countmein.campaigns.models import Campaign, Proof
from countmein.payments.models import Document, Payout

MAX_BYTES: Final = 2 * 1024 * 1024
#: What a file is, by how it begins; what its sender calls it says nothing.
_BEGINNINGS: Final = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}
_ENDINGS: Final = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}
_UNSAFE: Final = re.compile(r"[^\w .()-]+")


class DocumentRefused(Exception):
    """This file is not taken; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that was checked."""

    name: str
    media_type: str
    content: bytes


def checked(*, name: str, content: bytes) -> Upload:
    """Judge a file by its content: a PDF or a picture of at most 2 MB. Raises DocumentRefused."""
    if len(content) > MAX_BYTES:
        raise DocumentRefused("too_large")
    kind = next((kind for start, kind in _BEGINNINGS.items() if content.startswith(start)), None)
    if kind is None:
        raise DocumentRefused("unknown_kind")
    return Upload(name=_safe(name, _ENDINGS[kind]), media_type=kind, content=content)


def _safe(name: str, ending: str) -> str:
    """The file's name without what could fool anybody, with the ending of what it is."""
    stem = unicodedata.normalize("NFC", name).rpartition("/")[2].rpartition("\\")[2]
    stem = _UNSAFE.sub("_", stem.rpartition(".")[0] or stem).strip(" ._")[:150]
    return f"{stem or 'document'}.{ending}"


def keep(
    upload: Upload, *, campaign: Campaign, payout: Payout | None = None, proof: Proof | None = None
) -> Document:
    """Keep a file for a payout or a proof; call in the transaction that records what it shows."""
    document = Document(
        lane=campaign.lane,
        campaign_id=campaign.id,
        payout_id=payout.id if payout else None,
        proof_id=proof.id if proof else None,
        stage=proof.stage if proof else None,
        name=upload.name,
        media_type=upload.media_type,
        sha256=hashlib.sha256(upload.content).hexdigest(),
        bytes=upload.content,
        at=site_now(),
    )
    document.save(force_insert=True)
    return document


def document_of(campaign: Campaign, document_id: uuid.UUID) -> Document | None:
    """One document of a campaign."""
    found: Document | None = Document.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, id=document_id
    ).first()
    return found
