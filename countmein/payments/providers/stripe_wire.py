"""The wire under Stripe's SDK: connections kept by urllib3 alone.

Half of the processor time of a charge was what `requests` does around it: it looks for a proxy, a
password file and a bundle of certificates before every call.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.request import getproxies

import stripe
import urllib3

#: As many connections as there are calls side by side.
_CONNECTIONS: Final = 8


class Wire(stripe.HTTPClient):
    """Makes a call once and tells what was answered; it repeats nothing."""

    name = "urllib3"

    def __init__(self, *, timeout_seconds: float) -> None:
        super().__init__()
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            retries=False,
            timeout=timeout_seconds,
            ca_certs=stripe.ca_bundle_path,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Make one call. Raises stripe.APIConnectionError: then nobody knows what became of it."""
        try:
            answer = self._pool.request(
                method.upper(), url, headers=headers, body=post_data or None, redirect=False
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(error) from error
        return answer.data.decode(errors="replace"), answer.status, answer.headers

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()


def _no_answer(error: Exception) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(f"no answer: {error!r}")  # type: ignore[no-untyped-call]


def wire(*, timeout_seconds: float) -> stripe.HTTPClient:
    """Our own wire; where the machine reaches the world by a proxy, the one that knows proxies."""
    if getproxies():
        return stripe.RequestsClient(timeout=timeout_seconds)
    return Wire(timeout_seconds=timeout_seconds)
