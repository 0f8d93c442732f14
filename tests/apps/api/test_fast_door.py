"""Which requests the fast door takes; all others go through Django to the same verb."""

from __future__ import annotations

from typing import Any

import pytest

from countmein.intake.pledging import code_of

PLAIN = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]


def scope(*more: tuple[bytes, bytes], **said: Any) -> dict[str, Any]:
    return {
        "method": "POST",
        "path": "/api/v1/campaigns/abc/pledges",
        "query_string": b"",
        "client": ("192.0.2.1", 5000),
        "headers": [*PLAIN, *more],
        **said,
    }


def test_a_plain_pledge_is_taken() -> None:
    assert "abc" == code_of(scope((b"idempotency-key", b"k")))


@pytest.mark.parametrize(
    "other",
    [
        scope((b"authorization", b"Bearer x")),
        scope((b"cookie", b"a=b")),
        scope((b"expect", b"100-continue")),
        scope((b"idempotency-key", b"k"), (b"idempotency-key", b"l")),
        scope((b"content-type", b"text/plain")),
        scope((b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"192.0.2.2")),
        scope((b"accept-language", b"de"), (b"accept-language", b"fr")),
        scope(query_string=b"a=1"),
        scope(method="GET"),
        scope(path="/api/v1/campaigns/ABC/pledges"),
        scope(path="/api/v1/campaigns/abc/pledges/"),
    ],
)
def test_whatever_looks_unusual_goes_through_django(other: dict[str, Any]) -> None:
    assert code_of(other) is None


def test_a_site_on_https_takes_only_what_came_by_it(settings: Any) -> None:
    """Whether it did only a trusted proxy can say; Django sends all others on."""
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = ("127.0.0.1",)
    secure = (b"x-forwarded-proto", b"https")
    assert code_of(scope()) is None
    assert code_of(scope(secure)) is None
    assert code_of(scope(client=("127.0.0.1", 5000))) is None
    assert "abc" == code_of(scope(secure, client=("127.0.0.1", 5000)))
