"""The public log: static files that anybody may keep, how to check them, and one's own proof."""

from __future__ import annotations

import json
from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from countmein.campaigns.models import Campaign
from countmein.log import keys, queries
from countmein.outreach.letters import qr_png
from countmein.rules import verify
from countmein.rules.log import TILE_WIDTH, LogRefused, tile_index
from countmein.web.public.mine import asked_for

#: A tile of the published tree never changes: a wider one has another address.
_FOR_EVER = "public, max-age=31536000, immutable"
#: A checkpoint is as old as the pause between two of them, at most.
_SHORT = "public, max-age=5"


def _plain(
    text: str | bytes, *, kind: str = "text/plain; charset=utf-8", keep: str
) -> HttpResponse:
    answer = HttpResponse(text, content_type=kind)
    answer["Cache-Control"] = keep
    answer["Access-Control-Allow-Origin"] = "*"
    return answer


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Tell what the log is and how to check it."""
    newest = queries.checkpoint()
    return render(request, "public/log.html", {"key": keys.verifier_key(), "newest": newest})


@require_safe
def checkpoint(request: HttpRequest) -> HttpResponse:
    """The newest signed size and root."""
    newest = queries.checkpoint()
    if newest is None:
        raise Http404
    return _plain(newest.note, keep=_SHORT)


@require_safe
def key(request: HttpRequest) -> HttpResponse:
    """The log's public key, in one line."""
    return _plain(f"{keys.verifier_key()}\n", keep=_SHORT)


@require_safe
def tile(request: HttpRequest, level: int, place: str) -> HttpResponse:
    """The hashes of one tile (C2SP tlog-tiles)."""
    index, width = _tile_named(place)
    found = queries.signed_tile(level, index, width) if level < 64 else None
    return _tile(found)


@require_safe
def entries(request: HttpRequest, place: str) -> HttpResponse:
    """The entries of one tile, each after its length."""
    index, width = _tile_named(place)
    return _tile(queries.signed_bundle(index, width))


def _tile(found: bytes | None) -> HttpResponse:
    if found is None:
        raise Http404
    return _plain(found, kind="application/octet-stream", keep=_FOR_EVER)


def _tile_named(place: str) -> tuple[int, int]:
    """Index and width in `x001/234` or `x001/234.p/17`."""
    path, partial, width = place.partition(".p/")
    if partial and not (width.isascii() and width.isdecimal() and 0 < int(width) < TILE_WIDTH):
        raise Http404
    if partial and str(int(width)) != width:
        raise Http404
    try:
        return tile_index(path), int(width) if partial else TILE_WIDTH
    except LogRefused as refusal:
        raise Http404 from refusal


@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """The whole log in one file, for `verify.py`."""
    answer = StreamingHttpResponse(queries.export(), content_type="application/x-ndjson")
    answer["Content-Disposition"] = 'attachment; filename="export.jsonl"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def verifier(request: HttpRequest) -> HttpResponse:
    """The program that checks the log, in one file."""
    text = Path(verify.__file__).read_text("utf-8")
    return _plain(text, kind="text/x-python; charset=utf-8", keep=_SHORT)


@never_cache
@require_safe
def proof(request: HttpRequest, code: str) -> HttpResponse:
    """Show the proof that one's own pledge is in the log."""
    row = asked_for(request, code)
    context = {
        "campaign": Campaign.objects.get(id=row.campaign_id),
        "code": row.code,
        "receipt": request.GET.get("receipt", ""),
        "proof": _proof_text(request, code),
    }
    return render(request, "public/proof.html", context)


@never_cache
@require_safe
def proof_picture(request: HttpRequest, code: str) -> HttpResponse:
    """The same proof as a QR picture."""
    text = _proof_text(request, code)
    if not text:
        raise Http404
    return HttpResponse(qr_png(text, level="l"), content_type="image/png")


def _proof_text(request: HttpRequest, code: str) -> str:
    row = asked_for(request, code)
    found = queries.proof(lane=row.lane, pledge_id=row.id, code=row.code)
    return json.dumps(found, separators=(",", ":")) if found else ""
