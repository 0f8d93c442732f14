"""The words for what a pledge is and where a campaign or a pledge stands, and the moves allowed."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Kind(StrEnum):
    """What can be pledged; the unit of an amount depends on it.

    Money counts minor units, a purchase units, hours minutes; the others are 1 each.
    """

    money = "money"
    purchase = "purchase"
    signature = "signature"
    presence = "presence"
    call = "call"
    hours = "hours"


class Latch(StrEnum):
    """When the rule is judged: the first time it holds, or once, at the deadline."""

    on_tip = "on_tip"
    at_deadline = "at_deadline"


class Shortfall(StrEnum):
    """What happens if the money really collected no longer holds the rule."""

    release = "release"
    proceed = "proceed"
    topup = "topup"


class Confirm(StrEnum):
    """How a member shows that a mailbox is theirs."""

    email = "email"
    none = "none"


class CampaignState(StrEnum):
    """Where a campaign stands."""

    draft = "draft"
    open = "open"
    tipped = "tipped"
    settling = "settling"
    settled = "settled"
    topup = "topup"
    lapsed = "lapsed"
    released = "released"
    cancelled = "cancelled"
    executing = "executing"
    failed = "failed"
    reallocating = "reallocating"
    done = "done"


class PledgeState(StrEnum):
    """Where a pledge stands. Counted, waiting and wait-listed are derived, not states."""

    unconfirmed = "unconfirmed"
    unsecured = "unsecured"
    active = "active"
    accepted = "accepted"
    fulfilled = "fulfilled"
    refunded = "refunded"
    withdrawn = "withdrawn"
    held = "held"
    released = "released"
    dropped = "dropped"


_C = CampaignState
_P = PledgeState

# An organiser can cancel for as long as the promise can still be kept, that is, wherever `done`
# can be reached. A lapsed campaign is past that: its members are being released already.
CAMPAIGN_MOVES: Mapping[CampaignState, frozenset[CampaignState]] = MappingProxyType(
    {
        _C.draft: frozenset({_C.open, _C.cancelled}),
        _C.open: frozenset({_C.tipped, _C.lapsed, _C.cancelled}),
        _C.tipped: frozenset({_C.settling, _C.cancelled}),
        _C.settling: frozenset({_C.settled, _C.topup, _C.released, _C.cancelled}),
        _C.topup: frozenset({_C.settling, _C.cancelled}),
        _C.settled: frozenset({_C.executing, _C.cancelled}),
        _C.executing: frozenset({_C.done, _C.failed, _C.cancelled}),
        _C.failed: frozenset({_C.reallocating, _C.cancelled}),
        _C.reallocating: frozenset({_C.settled, _C.cancelled}),
        _C.lapsed: frozenset({_C.released}),
        _C.cancelled: frozenset({_C.released}),
        _C.released: frozenset(),
        _C.done: frozenset(),
    }
)

#: In these, what is in is accepted and kept.
KEEPING = frozenset({_C.settling, _C.topup, _C.settled})
#: In these, it is carried out or was; nobody new is taken, and who paid has paid.
CARRIED = frozenset({_C.executing, _C.failed, _C.reallocating, _C.done})
#: In these, whoever is in still is; everywhere else everybody has been let go, or nobody came yet.
COUNTED = frozenset({_C.open, _C.tipped, *KEEPING, *CARRIED})

# A confirmed pledge of money whose mandate is still under way is unsecured, hence the one move
# between the two states in which a pledge does not count yet.
PLEDGE_MOVES: Mapping[PledgeState, frozenset[PledgeState]] = MappingProxyType(
    {
        _P.unconfirmed: frozenset({_P.unsecured, _P.active, _P.withdrawn, _P.released}),
        _P.unsecured: frozenset({_P.active, _P.withdrawn, _P.released}),
        _P.active: frozenset({_P.accepted, _P.withdrawn, _P.held, _P.released}),
        _P.held: frozenset({_P.active, _P.released}),
        _P.accepted: frozenset({_P.fulfilled, _P.dropped, _P.released}),
        _P.fulfilled: frozenset({_P.refunded}),
        _P.refunded: frozenset(),
        _P.withdrawn: frozenset(),
        _P.released: frozenset(),
        _P.dropped: frozenset(),
    }
)
