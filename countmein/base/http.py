"""Who is really asking: the peer's address, believed only from proxies that we trust."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

#: By this a view says that everybody without a session is answered alike, so that the intake may
#: share the answer; the intake takes it off before anything leaves the process.
SHARED_HEADER: Final = "X-Countmein-Shared"
#: By this the form's door says that it is full; the intake answers with what the visitor sent.
FULL_HEADER: Final = "X-Countmein-Full"

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: One household or server gets a whole /64, so limits count that, not the single address.
_IPV6_PREFIX = 64
_REMEMBERED_AT_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whom limits count; `is_direct_loopback`: on this very machine, through no proxy."""

    address: str
    is_direct_loopback: bool


def peer(*, remote: str, forwarded_for: str, trusted: tuple[str, ...]) -> Peer:
    """Say who sent the request.

    `remote` is the other end of the connection, `forwarded_for` the header X-Forwarded-For.
    The header is read from its end: each proxy appended whom it saw, and the first address that
    is no trusted proxy is the sender; whatever stands before it the sender may have made up.
    """
    # What somebody else says of others is not read, and long lists are not remembered.
    said = forwarded_for if is_trusted(remote, trusted) else ""
    ask = _peer if len(said) <= _REMEMBERED_AT_MOST else _peer.__wrapped__
    return ask(remote, said, trusted)


@lru_cache(maxsize=10_000)
def _peer(remote: str, forwarded_for: str, trusted: tuple[str, ...]) -> Peer:
    networks = _networks(trusted)
    direct = _address(remote)
    if direct is None:
        # A local socket has no address.
        return Peer(address="local", is_direct_loopback=True)
    hops = [_address(hop) for hop in forwarded_for.split(",")] if forwarded_for else []
    sender = direct
    while hops and _is_in(sender, networks):
        hop = hops.pop()
        if hop is None:
            break
        sender = hop
    return Peer(
        address=_counted(sender), is_direct_loopback=sender is direct and sender.is_loopback
    )


@lru_cache(maxsize=10_000)
def is_trusted(remote: str, trusted: tuple[str, ...]) -> bool:
    """Whether the other end of the connection is a proxy that we trust."""
    address = _address(remote)
    return address is not None and _is_in(address, _networks(trusted))


@lru_cache(maxsize=10)
def _networks(
    names: tuple[str, ...],
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(name.strip(), strict=False) for name in names]


def _address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(
    address: _Address, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    return any(address in network for network in networks)


def _counted(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)
