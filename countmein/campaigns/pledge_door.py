"""What every door does with a pledge: read it, ask it to be taken, say why it was not."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from pydantic import ValidationError

from countmein.base import strict_json
from countmein.base.group_commit import Full, GroupCommit
from countmein.base.http import Peer
from countmein.base.limits import Limit
from countmein.base.problems import Problem, Refused, too_many, unavailable
from countmein.campaigns.actions.pledge import Answer, pledge
from countmein.campaigns.bodies import PLEDGE_LIMIT_BYTES, PledgeBody
from countmein.campaigns.faults import faults_of, invalid, refusal
from countmein.campaigns.models import Campaign
from countmein.campaigns.pledge_terms import PledgeRequest
from countmein.campaigns.queries import campaign_by_code
from countmein.rules.pledging import PledgeRefused

_log = logging.getLogger(__name__)

#: Two hundred honest people behind one address must get in; twenty times that is a flood.
_BY_ADDRESS: Final = Limit(count=20 * 250, window_seconds=300)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
#: So many may wait for their commit; at the pace of a surge that is less than a second's worth.
_ROOM: Final = 5_000
#: Campaigns whose batches are committed side by side; each has a database connection.
_LANES: Final = 4
#: A connection that has rested so long is looked at before it is used.
_RESTED_SECONDS: Final = 1.0
#: The terms of a launched campaign do not change; what does, the gate says.
_KNOWN_SECONDS: Final = 2.0
_KNOWN_AT_MOST: Final = 1_000


def take(campaign: Campaign, request: PledgeRequest) -> Answer:
    """Have a pledge taken together with those that come at the same time.

    Raises PledgeRefused, `group_commit.Full`, and what the database raises.
    """
    return _together.wait(campaign.code, (campaign, request))


def ask(campaign: Campaign, request: PledgeRequest) -> asyncio.Future[Answer]:
    """The same for a caller in an event loop."""
    return _together.ask(campaign.code, (campaign, request))


_Asked = tuple[Campaign, PledgeRequest]


def _commit(_code: str, asked: Sequence[_Asked]) -> Sequence[Answer | Exception]:
    """One commit for all; if one of them breaks it, each for itself."""
    _look_at_connection()
    campaign, requests = asked[0][0], [request for _campaign, request in asked]
    try:
        return pledge(campaign=campaign, requests=requests)
    except (OperationalError, InterfaceError):
        # Nobody knows whether it was committed; the same keys, sent again, will tell.
        raise
    except Exception as error:
        if len(asked) == 1:
            return [error]
        return [_commit(_code, [one])[0] for one in asked]


def _look_at_connection() -> None:
    """Threads that serve no page have nobody who replaces a connection that broke."""
    now = time.monotonic()
    if connection.errors_occurred or now - getattr(connection, "used_at", now) > _RESTED_SECONDS:
        close_old_connections()
    connection.used_at = now  # type: ignore[attr-defined]


_together: Final[GroupCommit[str, _Asked, Answer]] = GroupCommit(
    _commit, room=_ROOM, lanes=_LANES, name="pledge"
)


def body_of(raw: bytes, *, content_type: str) -> PledgeBody:
    """Read a pledge that was sent as JSON. Raises Refused, naming every fault."""
    said = strict_json.read(raw, content_type=content_type, limit_bytes=PLEDGE_LIMIT_BYTES)
    try:
        return PledgeBody.model_validate(said)
    except ValidationError as error:
        raise Refused(invalid(faults_of(error))) from error


def require_calm(sender: Peer) -> None:
    """Refuse a flood of pledges from one address; this machine itself may, in the sandbox."""
    if settings.SANDBOX and sender.is_direct_loopback:
        return
    if wait := _BY_ADDRESS.take(sender.address):
        raise Refused(too_many(wait))


def require_key(key: str | None) -> str:
    """The idempotency key. Raises Refused where there is none."""
    if not key:
        detail = "Send an Idempotency-Key, so that a repeat is no second pledge."
        raise Refused(Problem(status=422, reason="key_missing", detail=detail))
    return checked_key(key)


def checked_key(key: str) -> str:
    """Raises Refused for a key that no client should send."""
    if not _KEY.fullmatch(key):
        detail = "An Idempotency-Key is 1 to 200 visible ASCII characters."
        raise Refused(Problem(status=400, reason="key_invalid", detail=detail))
    return key


def problem_of(error: Exception) -> Problem:
    """What a program is told instead of an answer; a fault of ours is logged and says nothing."""
    match error:
        case Refused(problem=problem):
            return problem
        case PledgeRefused():
            return refusal(error)
        case Full():
            return unavailable()
        case OperationalError() | InterfaceError():
            _log.warning("the database did not answer", exc_info=error)
            return unavailable()
        case _:
            _log.error("a request failed", exc_info=error)
            return Problem(status=500, reason="fault", detail="This is our fault; it is logged.")


class _Known:
    """Launched campaigns that were asked for lately; None of the others is remembered."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, Campaign]] = {}
        #: Where callers in an event loop look up; one after the other, so most find it there.
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="campaign")

    def get(self, code: str) -> Campaign | None:
        """A campaign seen lately; None: look it up."""
        until, campaign = self._seen.get(code, (0.0, None))
        return campaign if until > time.monotonic() else None

    def look_up(self, code: str) -> Campaign | None:
        """The launched campaign with this code; asks the database, and may block.

        Who waited while another one looked finds what that one found.
        """
        if (seen := self.get(code)) is not None:
            return seen
        _look_at_connection()
        campaign = campaign_by_code(code)
        if campaign is not None:
            if len(self._seen) >= _KNOWN_AT_MOST:
                self._seen.clear()
            self._seen[code] = (time.monotonic() + _KNOWN_SECONDS, campaign)
        return campaign


KNOWN: Final = _Known()
