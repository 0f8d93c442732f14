"""The JSON side: what was taken, and the planting of faults."""

import functools
import json
from typing import Any
from urllib.parse import parse_qsl

from sandbox.book import Writer
from sandbox.loopback import Answer, Request, as_json
from sandbox.mail.book import count, listed, one
from sandbox.mail.faults import Faults


class Outbox:
    """Answers the few questions one can ask a pile of mail."""

    def __init__(self, *, book: Writer, faults: Faults) -> None:
        self._book = book
        self._faults = faults

    async def answer(self, request: Request) -> Answer:
        """Answer a request of any kind."""
        try:
            return await self._route(request)
        except ValueError as error:
            return as_json({"error": str(error)}, status=400)

    async def _route(self, request: Request) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["messages"]:
                return as_json({"items": await self._book.run(_page(request.query))})
            case "GET", ["messages", id]:
                found = await self._book.run(functools.partial(one, id=int(id)))
                if found is not None:
                    return as_json(found)
            case "GET", ["count"]:
                return as_json({"count": await self._book.run(count)})
            case "POST", ["_control"]:
                self._faults.plant(json.loads(request.body))
                return as_json({"ok": True})
        return as_json({"error": "not found"}, status=404)


def _page(query: bytes) -> Any:
    asked = dict(parse_qsl(query.decode()))
    return functools.partial(
        listed,
        to=asked.get("to"),
        after=int(asked.get("after", 0)),
        limit=min(int(asked.get("limit", 100)), 1000),
    )
