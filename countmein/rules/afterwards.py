"""Money that comes back after a failure was settled: whose it is, to the cent.

A supplier gives back a payment, a dispute is won, the commission on what was refunded comes back.
Each of them belongs to those who bore what is not gone after all. Source: docs/rules/plan_b.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from countmein.rules.money import MoneyRefused, hamilton, stage_next

_WHOLE_BP = 10_000
#: Stands for all who were in when it was settled, beside those whose money came in later.
_REST = ""


def goes_back(*, spare_minor: int, standing_minor: int, commission_bp: int) -> int:
    """The most that can go back, so that nothing is held when its commission has come back, too.

    `spare_minor` is held for nobody while the commission is its share of `standing_minor`, which
    is what was collected and has not gone back. Negative: more is owed than is held.
    """
    if not 0 <= commission_bp <= _WHOLE_BP or standing_minor < 0:
        raise MoneyRefused("a commission is a share of a sum")
    low, high = 0, max(standing_minor if spare_minor > 0 else 0, 0)
    now = standing_minor * commission_bp // _WHOLE_BP
    while low < high:
        middle = (low + high + 1) // 2
        back = now - (standing_minor - middle) * commission_bp // _WHOLE_BP
        if middle - back <= spare_minor:
            low = middle
        else:
            high = middle - 1
    return low


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What goes back to one of them; and of that, by how much they bear less than before.

    Whose own money came in later bears their part of what is gone like everybody: less than 0.
    """

    back_minor: int
    relieved_minor: int


def share_late(
    *,
    total_minor: int,
    own_minor: Mapping[str, int],
    borne_minor: Mapping[str, int],
    whole_minor: int,
    seed: str,
    relieved_minor: Mapping[str, int] | None = None,
) -> dict[str, Late]:
    """Share out what has come back since it was settled.

    `own_minor` is each one's own money that was not there then (a dispute that was won);
    `borne_minor` is what each bears, of `whole_minor` that all had in. The own money bears its
    part of what is still gone; the rest goes back in proportion to what was borne, and its odd
    units to whoever is furthest behind, given what came back earlier of what each bore
    (`relieved_minor`). No more than all of both goes back.
    """
    if min((total_minor, whole_minor, *own_minor.values(), *borne_minor.values())) < 0:
        raise MoneyRefused("nothing negative is shared out")
    own = {id: amount for id, amount in own_minor.items() if amount}
    borne = {id: amount for id, amount in borne_minor.items() if amount}
    came, gone = sum(own.values()), sum(borne.values())
    total_minor = min(total_minor, came + gone)
    # What is gone for good, once what came back to all is taken off it.
    still_gone = gone - max(0, total_minor - came)
    parts = hamilton(
        {**own, _REST: whole_minor}, total=min(still_gone, came + whole_minor), seed=seed
    )
    theirs = {id: amount - min(amount, parts[id]) for id, amount in own.items()}
    theirs = hamilton(theirs, total=min(total_minor, sum(theirs.values())), seed=seed)
    rest = total_minor - sum(theirs.values())
    relieved = stage_next(borne, paid=relieved_minor or {}, total=min(rest, gone), seed=seed)
    late = {}
    for id in sorted(own.keys() | borne.keys()):
        back = theirs.get(id, 0) + relieved.get(id, 0)
        late[id] = Late(back_minor=back, relieved_minor=back - own.get(id, 0))
    return late
