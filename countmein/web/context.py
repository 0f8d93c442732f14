"""What every page knows: the site's name, whether it is a sandbox, and its languages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """Return the words that the frame around every page needs."""
    return {
        "site_name": settings.SITE_NAME,
        "is_sandbox": settings.SANDBOX,
        "languages": settings.LANGUAGES if len(settings.LANGUAGES) > 1 else [],
        "language_return": request.get_full_path(),
    }
