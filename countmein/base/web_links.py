"""Addresses that somebody typed, and that a page may link to."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_web_link(text: str) -> bool:
    """Whether it leads where it seems to: no script, and no name before the host."""
    try:
        parts = urlsplit(text)
        is_plain = bool(parts.hostname) and "@" not in parts.netloc and " " not in text
    except ValueError:
        return False
    return is_plain and parts.scheme == "https"
