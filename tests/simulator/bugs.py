"""Planted bugs, each a mistake that was made in the field: the simulator must find every one."""

from __future__ import annotations

from typing import Final

from countmein.rules.states import CampaignState, PledgeState
from countmein.rules.tipping import Verdict
from tests.simulator import campaign as before
from tests.simulator.campaign import Campaign, Pledge
from tests.simulator.money import Charge, Refund, State, Tried
from tests.simulator.provider import Card, Result
from tests.simulator.site import Site
from tests.simulator.world import Process


class NewKeyPerRetry(Site):
    """A try without an answer is made again under another key."""

    def begin(self, row: Tried) -> int | None:
        row.is_open = False
        return super().begin(row)


class CheckThenTip(Site):
    """Whoever counts looks at the verdict first, and writes the tip a moment later."""

    def decide(self) -> Process:
        c, now = self.c, self.world.now
        said = before.verdict(c, now)
        yield self._beat()
        if said is not Verdict.wait:
            to = CampaignState.tipped if said is Verdict.tip else CampaignState.lapsed
            c.history.append(to)
            c.state = to


class WebhookAppliedTwice(Site):
    """What an event says is entered in the books, each time that it comes."""

    def hear(self, number: int, reference: str) -> None:
        for charge in self.c.money.charges.values():
            if charge.id == reference and self.provider.charges[reference]:
                self.c.money.books.enter("charge", charge.id, charge.amount)
                charge.state, charge.is_open = State.done, False
        super().hear(number, reference)


class RefundedTwice(Site):
    """Each pass over a cancelled campaign gives back what was paid, whatever went back before."""

    def _release(self) -> Process:
        if self.c.state is CampaignState.cancelled:
            _refund_again(self.c, self.world.steps)
        yield from super()._release()


def _refund_again(c: Campaign, number: int) -> None:
    for charge in c.money.charges.values():
        if charge.state is State.done:
            key = (charge.id, "cancelled", 100 + number)
            c.money.refunds[key] = Refund(
                id=f"{charge.id}-{number}",
                charge=charge.id,
                pledge=charge.pledge,
                reason="cancelled",
                stage=100 + number,
                amount=charge.amount,
                due_at=charge.due_at,
            )


class LeavesAfterTheTip(Site):
    """A withdrawal looks at the pledge alone, and not at what was decided with it."""

    def withdraw(self, p: Pledge) -> None:
        if p.state in (PledgeState.active, PledgeState.accepted, PledgeState.fulfilled):
            p.state = PledgeState.withdrawn
            self.c.is_round_dirty = True


class KeepsTheMoney(Site):
    """Whoever lets everybody go forgets those who have paid."""

    def _release(self) -> Process:
        for row in self.c.money.refunds.values():
            row.is_read, row.state = True, State.done
        yield from super()._release()


class SellsTwice(Site):
    """Places are given out by what the cap is, whatever has been taken of it."""

    def _settle(self) -> Process:
        self.c.accepted.clear()
        yield from super()._settle()


class TakesAnOldAnswer(Site):
    """A worker that slept through its claim writes its answer down whatever has happened since."""

    def answered(self, charge: Charge, number: int, result: Result, card: Card | None) -> None:
        charge.is_open = True
        now, is_next = charge.attempt, charge.attempt != number
        charge.attempt = number
        super().answered(charge, number, result, card)
        charge.attempt, charge.is_open = now, charge.is_open and not is_next


BUGS: Final[dict[str, type[Site]]] = {
    "new key per retry": NewKeyPerRetry,
    "check, then tip": CheckThenTip,
    "webhook applied twice": WebhookAppliedTwice,
    "refunded twice": RefundedTwice,
    "leaves after the tip": LeavesAfterTheTip,
    "keeps the money": KeepsTheMoney,
    "sells twice": SellsTwice,
    "takes an old answer": TakesAnOldAnswer,
}
