"""Somebody with a browser that has cookies and no JavaScript, and what a door says to them."""

from __future__ import annotations

import html
import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a door said."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    url: str

    @property
    def body(self) -> Any:
        """The JSON in it."""
        return json.loads(self.raw)

    @property
    def text(self) -> str:
        """The page as it was sent."""
        return self.raw.decode()

    @property
    def words(self) -> str:
        """The page as it is read: no tags, no entities, single spaces."""
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


def send(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Answer:
    """Send a request; an error status is an answer like any other."""
    try:
        reply = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        return Answer(
            status=reply.status, headers=dict(reply.headers), raw=reply.read(), url=reply.url
        )


class Visitor:
    """Somebody with a browser that has cookies and no JavaScript."""

    def __init__(self, url: str) -> None:
        self._url = url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def see(self, path: str) -> Answer:
        """Open a page, by its path or by the whole link of a mail."""
        return send(self._opener, urllib.request.Request(urllib.parse.urljoin(self._url, path)))

    def submit(
        self,
        page: Answer,
        *,
        path: str | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        **fields: str,
    ) -> Answer:
        """Send the page's form back with these fields and files, and its hidden ones."""
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        form = {**dict(hidden), **fields}
        where = urllib.parse.urljoin(page.url, path or page.url)
        content, kind = _encoded(form, files or {})
        headers = {"Referer": page.url, "Content-Type": kind}
        request = urllib.request.Request(where, data=content, headers=headers)
        return send(self._opener, request)


def _encoded(form: Mapping[str, str], files: Mapping[str, tuple[str, bytes]]) -> tuple[bytes, str]:
    """What a browser sends of a form, and how it says that it is encoded."""
    if not files:
        return urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
    edge = "----a-form-of-a-test"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in form.items()
    ]
    parts += [
        f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{called}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, (called, content) in files.items()
    ]
    return b"".join([*parts, f"--{edge}--\r\n".encode()]), f"multipart/form-data; boundary={edge}"
