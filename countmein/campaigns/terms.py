"""Whether a campaign's terms make sense: all of it is judged here, for every door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from countmein.base.problems import Fault
from countmein.campaigns.bodies import CampaignBody
from countmein.campaigns.transfers import TRANSFER_CURRENCY
from countmein.payments.bank.account import own_account
from countmein.rules import conditions
from countmein.rules.payout import WHOLE_BP
from countmein.rules.states import Kind
from countmein.rules.tipping import can_hold

__all__ = ["Fault", "TermsRefused", "require_launchable", "require_terms", "rule_of"]

MAX_YEARS_AHEAD: Final = 5
#: Kinds that end in a charge: they need a currency.
CHARGED_KINDS: Final = frozenset({Kind.money, Kind.purchase})
#: Units a purchase can be capped at, so that units times price fit 64 bits.
_MAX_UNITS: Final = 10**9


class TermsRefused(Exception):
    """The campaign cannot be had on these terms."""

    def __init__(self, errors: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.path}: {fault.detail}" for fault in errors))
        self.errors = errors


def require_terms(body: CampaignBody, *, now: datetime) -> None:
    """Refuse terms that contradict themselves.

    Raises TermsRefused with every fault found.
    """
    faults = (
        *_rule_faults(body),
        *_deadline_faults(body.deadline, now=now),
        *_money_faults(body),
        *_transfer_faults(body),
        *_per_kind_faults(body),
        *_period_faults(body),
        *_plan_b_faults(body),
        *_payout_faults(body),
    )
    if faults:
        raise TermsRefused(faults)


def require_launchable(body: CampaignBody, *, now: datetime) -> None:
    """Refuse to launch what could not be kept. Raises TermsRefused with every fault found."""
    try:
        require_terms(body, now=now)
        faults: tuple[Fault, ...] = ()
    except TermsRefused as refused:
        faults = refused.errors
    faults += tuple(_missing_for_kinds(body))
    if not faults and not _can_hold(body):
        detail = "the rule cannot hold within the cap"
        faults = (Fault(path="rule", reason="beyond_cap", detail=detail),)
    if faults:
        raise TermsRefused(faults)


def _rule_faults(body: CampaignBody) -> Iterator[Fault]:
    try:
        rule_of(body)
    except conditions.ConditionRefused as refused:
        yield Fault(path=refused.path, reason=refused.reason, detail=refused.detail)


def rule_of(body: CampaignBody) -> conditions.Condition:
    """Read the rule against the campaign's own kinds and places. Raises ConditionRefused."""
    return conditions.parse(
        body.rule,
        path="rule",
        kinds=frozenset(body.kinds),
        places=frozenset(body.places),
        pledges_allowed=False,
    )


def _deadline_faults(deadline: datetime, *, now: datetime) -> Iterator[Fault]:
    if deadline <= now:
        yield Fault(path="deadline", reason="in_the_past", detail="the deadline lies ahead")
    elif deadline > _years_after(now):
        yield Fault(path="deadline", reason="too_far", detail="at most five years ahead")


def _years_after(now: datetime) -> datetime:
    is_leap_day = (now.month, now.day) == (2, 29)
    return now.replace(year=now.year + MAX_YEARS_AHEAD, day=28 if is_leap_day else now.day)


def _money_faults(body: CampaignBody) -> Iterator[Fault]:
    if body.currency is None and CHARGED_KINDS & set(body.kinds):
        yield Fault(path="currency", reason="missing", detail="money needs a currency")


def _transfer_faults(body: CampaignBody) -> Iterator[Fault]:
    """Transfers are in euros, to the site's own account, for what is paid at all."""
    if body.transfer_days is None:
        return
    is_paid = bool(CHARGED_KINDS & set(body.kinds))
    if not is_paid or body.currency != TRANSFER_CURRENCY or own_account() is None:
        detail = "only with euros, for money or a purchase, on a site with a bank account"
        yield Fault(path="transfer_days", reason="transfers_not_offered", detail=detail)


def _per_kind_faults(body: CampaignBody) -> Iterator[Fault]:
    for field in ("minimum", "cap"):
        for kind in getattr(body, field):
            if kind not in body.kinds:
                detail = "the campaign does not take this kind"
                yield Fault(path=f"{field}.{kind}", reason="unknown_kind", detail=detail)
    for kind, most in body.cap.items():
        if most < body.minimum.get(kind, 1):
            detail = "not even the smallest pledge fits"
            yield Fault(path=f"cap.{kind}", reason="out_of_range", detail=detail)
    if body.cap.get(Kind.purchase, 0) > _MAX_UNITS:
        detail = "at most a thousand million units"
        yield Fault(path="cap.purchase", reason="out_of_range", detail=detail)


def _period_faults(body: CampaignBody) -> Iterator[Fault]:
    if body.timezone not in _timezones():
        detail = "a time zone such as Europe/London"
        yield Fault(path="timezone", reason="unknown_timezone", detail=detail)
    if body.starts_at and body.ends_at and body.ends_at <= body.starts_at:
        yield Fault(path="ends_at", reason="out_of_order", detail="it ends after it starts")


def _plan_b_faults(body: CampaignBody) -> Iterator[Fault]:
    if body.plan_b is None:
        return
    if not CHARGED_KINDS & set(body.kinds):
        detail = "without money there is nothing to share out"
        yield Fault(path="plan_b", reason="unknown_kind", detail=detail)
    for index, plan in enumerate(body.plan_b.plans):
        path = f"plan_b.plans[{index}].rule"
        try:
            if plan.rule is not None:
                plan_rule_of(body, plan.rule, path=path)
        except conditions.ConditionRefused as refused:
            yield Fault(path=refused.path, reason=refused.reason, detail=refused.detail)


def plan_rule_of(body: CampaignBody, rule: object, *, path: str) -> conditions.Condition:
    """Read the rule of a plan: it is asked of people, places, and what is left of their money.

    Whatever they paid it for is money now. Raises ConditionRefused.
    """
    return conditions.parse(
        rule,
        path=path,
        kinds=frozenset({Kind.money}),
        places=frozenset(body.places),
        pledges_allowed=False,
    )


def _payout_faults(body: CampaignBody) -> Iterator[Fault]:
    if body.payout is None:
        return
    said = body.payout
    if not CHARGED_KINDS & set(body.kinds):
        detail = "only money that is charged is paid out"
        yield Fault(path="payout", reason="unknown_kind", detail=detail)
    if sum(said.stages_bp) != WHOLE_BP:
        detail = "the stages add up to 10,000 basis points"
        yield Fault(path="payout.stages_bp", reason="out_of_range", detail=detail)
    if len(said.stages_bp) > 1 and said.proof_by is None:
        detail = "more than one stage needs a day by which the proof is there"
        yield Fault(path="payout.proof_by", reason="missing", detail=detail)
    if said.proof_by is not None and said.proof_by <= body.deadline:
        detail = "the proof comes after the deadline"
        yield Fault(path="payout.proof_by", reason="out_of_order", detail=detail)
    elif said.proof_by is not None and said.proof_by > _years_after(body.deadline):
        detail = "at most five years after the deadline"
        yield Fault(path="payout.proof_by", reason="too_far", detail=detail)


@cache
def _timezones() -> frozenset[str]:
    """Listed once, because listing them walks a directory."""
    return frozenset(available_timezones())


def _missing_for_kinds(body: CampaignBody) -> Iterator[Fault]:
    needs: dict[Kind, dict[str, object]] = {
        Kind.purchase: {
            "unit_price_minor": body.unit_price_minor,
            "cap.purchase": body.cap.get(Kind.purchase),
        },
        Kind.presence: {"starts_at": body.starts_at, "venue": body.venue.strip() or None},
        Kind.call: {"target.phone": body.target.phone if body.target else None},
        Kind.hours: {"starts_at": body.starts_at, "ends_at": body.ends_at},
    }
    missing = {
        path: kind
        for kind in body.kinds
        for path, value in needs.get(kind, {}).items()
        if value is None
    }
    for path, kind in missing.items():
        yield Fault(path=path, reason="missing", detail=f"a campaign of {kind} needs it")


def _can_hold(body: CampaignBody) -> bool:
    return can_hold(
        rule_of(body),
        kinds=frozenset(body.kinds),
        cap={str(kind): most for kind, most in body.cap.items()},
        minimum={str(kind): least for kind, least in body.minimum.items()},
        places=frozenset(body.places),
    )
