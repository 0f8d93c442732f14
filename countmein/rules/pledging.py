"""Who may pledge, what, until when; who may change a pledge or leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from countmein.rules.conditions import MAX_NUMBER
from countmein.rules.states import KEEPING, CampaignState, Kind, Latch, PledgeState

# One person signs, comes or calls once.
COUNTED_ONCE: Final = frozenset({Kind.signature, Kind.presence, Kind.call})

_DOOR_OPEN_AFTER_TIP: Final = frozenset(
    {CampaignState.tipped, CampaignState.settling, CampaignState.settled}
)
_NOT_COUNTED_YET: Final = frozenset({PledgeState.unconfirmed, PledgeState.unsecured})
_STANDING: Final = frozenset(
    {
        PledgeState.unconfirmed,
        PledgeState.unsecured,
        PledgeState.active,
        PledgeState.held,
        PledgeState.accepted,
        PledgeState.fulfilled,
    }
)
_CAN_STILL_FAIL: Final = frozenset(
    {CampaignState.open, CampaignState.tipped, CampaignState.failed, CampaignState.executing}
    | KEEPING
)
_LATCHED: Final = frozenset({PledgeState.accepted, PledgeState.fulfilled})


class Reason(StrEnum):
    """The stable words for why a pledge, a change or a withdrawal is refused."""

    campaign_closed = "campaign_closed"
    key_missing = "key_missing"
    key_reused = "key_reused"
    already_pledged = "already_pledged"
    kind_not_offered = "kind_not_offered"
    kind_repeated = "kind_repeated"
    amount_invalid = "amount_invalid"
    below_minimum = "below_minimum"
    address_invalid = "address_invalid"
    place_unknown = "place_unknown"
    condition_invalid = "condition_invalid"
    payment_method_not_needed = "payment_method_not_needed"
    transfers_not_offered = "transfers_not_offered"
    latched = "latched"
    pledge_held = "pledge_held"
    pledge_closed = "pledge_closed"
    fallback_unknown = "fallback_unknown"
    choice_closed = "choice_closed"


class PledgeRefused(Exception):
    """A refusal the member is told about; `path` names the field at fault, if one is."""

    def __init__(self, reason: Reason, *, path: str | None = None, detail: str = "") -> None:
        super().__init__(reason if path is None else f"{path}: {reason}")
        self.reason = reason
        self.path = path
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One part as the member wrote it; the amount is in the kind's own unit."""

    kind: str
    amount: int


def is_accepting(
    *,
    state: CampaignState,
    latch: Latch,
    deadline: datetime,
    now: datetime,
    topup_until: datetime | None = None,
) -> bool:
    """Whether a new pledge is taken: before the deadline, and after a tip only with on_tip.

    A round for what is missing opens the door once more, until it ends.
    """
    if state is CampaignState.topup:
        return topup_until is not None and now < topup_until
    is_door_open = state is CampaignState.open or (
        latch is Latch.on_tip and state in _DOOR_OPEN_AFTER_TIP
    )
    return is_door_open and now < deadline


def check_place(place: str | None, *, places: frozenset[str]) -> None:
    """Raises PledgeRefused unless the place is one of the campaign's, or none is given."""
    if place is not None and place not in places:
        raise PledgeRefused(Reason.place_unknown, path="place")


def check_amounts(
    parts: Sequence[Offered], *, kinds: frozenset[str], minimum: Mapping[str, int]
) -> None:
    """Raises PledgeRefused, naming the field, unless every part is one the campaign takes.

    Whichever parts come in, what is accepted of a kind must reach that kind's minimum. The first
    part comes in whenever a further one does, so it carries the minimum of its own kind; a part
    of another kind can be the only one of its kind and carries it itself.
    """
    totals: dict[str, int] = {}
    for index, part in enumerate(parts):
        path = "" if index == 0 else f"more[{index - 1}]."
        if part.kind not in kinds:
            raise PledgeRefused(Reason.kind_not_offered, path=f"{path}kind")
        _check_amount(part, path=f"{path}amount")
        total = totals[part.kind] = totals.get(part.kind, 0) + part.amount
        if part.kind in COUNTED_ONCE and total > 1:
            raise PledgeRefused(Reason.kind_repeated, path=f"{path}kind")
        if total > MAX_NUMBER:
            raise PledgeRefused(Reason.amount_invalid, path=f"{path}amount", detail="too much")
        carries_minimum = index == 0 or part.kind != parts[0].kind
        if carries_minimum and part.amount < minimum.get(part.kind, 1):
            raise PledgeRefused(Reason.below_minimum, path=f"{path}amount")


def _check_amount(part: Offered, *, path: str) -> None:
    amount = part.amount
    if isinstance(amount, bool) or not isinstance(amount, int) or not 1 <= amount <= MAX_NUMBER:
        raise PledgeRefused(Reason.amount_invalid, path=path)
    if part.kind in COUNTED_ONCE and amount != 1:
        raise PledgeRefused(Reason.amount_invalid, path=path, detail="this kind counts 1")


def may_withdraw(
    *,
    pledge_state: PledgeState,
    campaign_state: CampaignState,
    counted: bool,
    accept_pending: bool,
    deadline: datetime,
    now: datetime,
) -> None:
    """Raises PledgeRefused unless the member is free to leave.

    `counted`: the pledge is in the largest self-consistent set. `accept_pending`: acceptance of
    what is in is still running. Between the deadline and the verdict nobody leaves, because the
    verdict is given as of the deadline.
    """
    if pledge_state in _NOT_COUNTED_YET:
        return
    if pledge_state in _LATCHED:
        raise PledgeRefused(Reason.latched)
    if pledge_state is PledgeState.held:
        raise PledgeRefused(Reason.pledge_held)
    if pledge_state is not PledgeState.active:
        raise PledgeRefused(Reason.pledge_closed)
    is_being_judged = campaign_state is CampaignState.open and now >= deadline
    is_being_accepted = campaign_state is not CampaignState.open and counted and accept_pending
    if is_being_judged or is_being_accepted:
        raise PledgeRefused(Reason.latched)


def may_change(
    *,
    pledge_state: PledgeState,
    campaign_state: CampaignState,
    latch: Latch,
    counted: bool,
    accept_pending: bool,
    deadline: datetime,
    now: datetime,
    topup_until: datetime | None = None,
) -> None:
    """Raises PledgeRefused unless amount and condition can still be changed.

    A change is a withdrawal and a new pledge in one, so both must be possible.
    """
    may_withdraw(
        pledge_state=pledge_state,
        campaign_state=campaign_state,
        counted=counted,
        accept_pending=accept_pending,
        deadline=deadline,
        now=now,
    )
    if not is_accepting(
        state=campaign_state, latch=latch, deadline=deadline, now=now, topup_until=topup_until
    ):
        raise PledgeRefused(Reason.campaign_closed)


def may_give_card(*, pledge_state: PledgeState, needs_card: bool, is_charging: bool) -> None:
    """Raises PledgeRefused unless a card, or another one, can be given for this pledge.

    `needs_card`: a part of it is paid. `is_charging`: its charge has been refused and is not
    given up yet.
    """
    if not needs_card:
        raise PledgeRefused(Reason.payment_method_not_needed, path="payment_method")
    if pledge_state in _NOT_COUNTED_YET or pledge_state is PledgeState.active:
        return
    if pledge_state is PledgeState.accepted and is_charging:
        return
    if pledge_state in _LATCHED:
        raise PledgeRefused(Reason.latched)
    raise PledgeRefused(Reason.pledge_closed)


def check_fallback(choice: str | int, *, plans: int) -> None:
    """Raises PledgeRefused unless this can be chosen for the case that it cannot be carried out.

    A refund can always be; the majority only where there are plans, a plan only if it is there.
    """
    if choice == "refund" or (choice == "follow" and plans) or choice in range(1, plans + 1):
        return
    detail = f"refund, follow, or a plan from 1 to {plans}" if plans else "there is no plan B"
    raise PledgeRefused(Reason.fallback_unknown, path="fallback", detail=detail)


def may_choose(
    *,
    pledge_state: PledgeState,
    campaign_state: CampaignState,
    decide_until: datetime | None,
    now: datetime,
) -> None:
    """Raises PledgeRefused unless the choice of what becomes of one's money can still change.

    It can until the choices of a failure are closed, at `decide_until` (None: it has not failed),
    and again for the next time: nothing else hangs on it.
    """
    if pledge_state not in _STANDING:
        raise PledgeRefused(Reason.pledge_closed)
    is_over = decide_until is not None and now >= decide_until
    if campaign_state not in _CAN_STILL_FAIL or (
        campaign_state is CampaignState.failed and is_over
    ):
        raise PledgeRefused(Reason.choice_closed, path="fallback")
