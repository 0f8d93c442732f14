"""Whether the certificate of the site's own address is good, and for how long."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

#: Renewing may take a person; two weeks leave time for one who is on holiday.
AHEAD: Final = timedelta(days=14)
_TIMEOUT_SECONDS: Final = 5.0


def certificate_fault(
    url: str, *, now: datetime, context: ssl.SSLContext | None = None
) -> str | None:
    """Say what is wrong with the certificate that visitors of `url` are shown, if anything.

    Asks the address itself, from outside of every cache of ours: what counts is what the proxy in
    front really shows. An address that is not https has none, and nothing to complain about. One
    that does not answer at all is somebody else's alarm.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    place = (parts.hostname, parts.port or 443)
    context = context or ssl.create_default_context()
    try:
        with (
            socket.create_connection(place, timeout=_TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as shown,
        ):
            certificate = shown.getpeercert() or {}
    except ssl.SSLCertVerificationError as refused:
        return f"Browsers refuse the certificate of {url}: {refused.verify_message}."
    except OSError:
        return None
    ends_at = datetime.fromtimestamp(
        ssl.cert_time_to_seconds(str(certificate.get("notAfter", ""))), UTC
    )
    if ends_at - now > AHEAD:
        return None
    return f"The certificate of {url} ends at {ends_at:%Y-%m-%d %H:%M} UTC; renew it."
