"""Requests that pledge: the full contract body, each from a mailbox and with a key of its own."""

from __future__ import annotations

import json
from typing import Any

from bench.load import NUMBER, Kind, post
from bench.site import Campaign, Site

#: What `Site.lost` finds a pledge's row by; `#` is its number.
KEY = "bench-#"


def pledge_kinds(code: str, *, port: int, conditions: bool = False) -> list[Kind]:
    """Signatures from two places, every second one with its name shown.

    `conditions`: each waits for 1, 2 or 5 others, as most people who have a condition choose.
    """
    kinds = []
    for turn, wanted in enumerate((1, 2, 5) if conditions else (None, None)):
        body: dict[str, Any] = {
            "kind": "signature",
            "amount": 1,
            "member": {"email": f"member.{NUMBER}@example.org", "name": f"Member {NUMBER}"},
            "place": ("Leeds", "York")[turn % 2],
            "public_name": turn % 2 == 0,
        }
        if wanted is not None:
            body["condition"] = {"people": wanted}
        request = post(
            f"/api/v1/campaigns/{code}/pledges",
            json.dumps(body),
            port=port,
            headers=f"Idempotency-Key: {KEY.replace('#', NUMBER)}\r\n",
        )
        kinds.append(Kind(name=f"pledge {turn}", request=request))
    return kinds


def one_pledge(site: Site, campaign: Campaign, **said: Any) -> None:
    """Pledge once through the door, as somebody whom a crowd can be copied from."""
    body = {
        "kind": "signature",
        "amount": 1,
        "member": {"email": "ben@example.org", "name": "Ben"},
        "public_name": False,
        **said,
    }
    path = f"/api/v1/campaigns/{campaign.code}/pledges"
    reply = site.door.ask("POST", path, body, headers={"Idempotency-Key": "ben"})
    if reply.status != 201:
        raise RuntimeError(f"the first pledge was answered {reply.status}: {reply.body}")
