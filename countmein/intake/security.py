"""What Django's middleware says of every answer, for those that the intake gives itself.

`tests/apps/api/test_two_doors.py` holds the two together.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from django.conf import settings

Headers = list[tuple[bytes, bytes]]

#: An answer that is no page loads nothing, and nobody frames it.
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"


@cache
def security_headers(policy: str = NOTHING) -> Headers:
    """The headers, with this content security policy."""
    headers: Headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"content-security-policy", policy.encode()),
        (b"referrer-policy", b"same-origin"),
    ]
    if settings.SECURE_HSTS_SECONDS:
        value = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        headers.append((b"strict-transport-security", value.encode()))
    return headers
