"""The sandbox's outbox: every mail, voucher and letter that would have left the house."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_replace, csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

#: The sandbox's pile holds everything the demo sends; the page shows the latest of it.
_SHOWN: Final = 100
_TIMEOUT_SECONDS: Final = 3
#: Shown as pictures; anything else of an attachment is handed over as a file.
_PICTURES: Final = ("image/png", "image/jpeg", "image/gif")


@never_cache
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """List the mails, the newest first, all of them or those to one address."""
    to = request.GET.get("to", "").strip()
    page = _page(to, before=request.GET.get("before", ""))
    context = {
        "to": to,
        "mails": page,
        "before": page[-1]["id"] if len(page) == _SHOWN else None,
    }
    return render(request, "public/outbox.html", context)


@never_cache
@require_safe
@csp_update({"frame-src": [SELF]})  # type: ignore[arg-type]  # it knows no view with arguments
def message(request: HttpRequest, number: int) -> HttpResponse:
    """Show one mail as its reader would see it, and as text."""
    return render(request, "public/outbox_message.html", {"mail": _mail(number)})


@never_cache
@require_safe
@xframe_options_sameorigin
@csp_replace(  # type: ignore[arg-type]
    {
        "default-src": [NONE],
        "style-src": [UNSAFE_INLINE],
        "frame-ancestors": [SELF],
        "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
    }
)
def html(request: HttpRequest, number: int) -> HttpResponse:
    """Return a mail's HTML for the frame on its page, where it can run and load nothing.

    Its links open beside it, as they do from a mailbox: no page of ours lets itself be framed.
    """
    return HttpResponse(_mail(number)["html"].replace("<head>", '<head><base target="_blank">', 1))


@never_cache
@require_safe
def attachment(request: HttpRequest, number: int, index: int) -> HttpResponse:
    """Return one attachment of a mail."""
    attached = _mail(number)["attachments"]
    if index >= len(attached):
        raise Http404
    kind = attached[index]["type"].partition(";")[0].strip()
    content = base64.b64decode(attached[index]["bytes_b64"])
    if kind in _PICTURES:
        return HttpResponse(content, content_type=kind)
    answer = HttpResponse(content, content_type="application/octet-stream")
    name = "".join(c for c in attached[index]["name"] if c.isalnum() or c in "-_.") or "file"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _page(to: str, *, before: str) -> list[dict[str, Any]]:
    newest = int(before) - 1 if before.isascii() and before.isdigit() and before != "0" else None
    asked = {"limit": "1000", **({"to": to} if to else {})}
    if not to:
        # Ids count upwards from 1 without gaps, so the latest page starts a page before the end.
        newest = _asked("/count")["count"] if newest is None else newest
        asked = {"limit": str(_SHOWN), "after": str(max(newest - _SHOWN, 0))}
    items = _asked(f"/messages?{urlencode(asked)}")["items"]
    wanted = [item for item in items if newest is None or item["id"] <= newest]
    return [_read(item) for item in reversed(wanted[-_SHOWN:])]


def _mail(number: int) -> dict[str, Any]:
    mail = _read(_asked(f"/messages/{number}"))
    for index, attached in enumerate(mail["attachments"]):
        attached["index"] = index
        attached["is_picture"] = attached["type"].partition(";")[0].strip() in _PICTURES
    return mail


def _read(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "at": datetime.fromisoformat(item["at"])}


def _asked(path: str) -> Any:
    """Ask the sandbox's mail service. Raises Http404 where there is none, or no such mail."""
    if not (settings.SANDBOX and settings.OUTBOX_URL):
        raise Http404
    try:
        with urllib.request.urlopen(
            settings.OUTBOX_URL.rstrip("/") + path, timeout=_TIMEOUT_SECONDS
        ) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as fault:
        raise Http404 from fault
