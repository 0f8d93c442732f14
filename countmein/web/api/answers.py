"""What the API says: the shape of every success, published as it is sent."""

from __future__ import annotations

from datetime import date

from countmein.rules.states import (
    CampaignState,
    Confirm,
    Kind,
    Latch,
    PledgeState,
    Shortfall,
)
from countmein.web.api.answer import Answer, At, ConditionOut, RuleOut
from countmein.web.api.plan_b_answers import Ballot, Failure, PlanB, Share


class Tally(Answer):
    """The public count. `sum` has a key for each kind the campaign takes."""

    people: int
    waiting_people: int
    waitlisted_people: int
    sum: dict[Kind, int]
    places: dict[str, int]
    as_of: At


class MissingSum(Answer):
    """How much of one kind is missing."""

    kind: Kind
    missing: int


class MissingInPlace(Answer):
    """How many people are missing in one place."""

    place: str
    missing: int


class MissingPlaces(Answer):
    """How many places with so many people are missing."""

    people: int
    missing: int


class MissingPeople(Answer):
    """People are missing."""

    text: str
    people: int


class MissingAmount(Answer):
    """An amount is missing."""

    text: str
    sum: MissingSum


class MissingPeopleIn(Answer):
    """People of one place are missing."""

    text: str
    people_in: MissingInPlace


class MissingPlacesWith(Answer):
    """Places are missing."""

    text: str
    places: MissingPlaces


class MissingPledge(Answer):
    """One pledge is missing."""

    text: str
    pledge: str


#: An atom that does not hold yet, and what it lacks.
Missing = MissingPeople | MissingAmount | MissingPeopleIn | MissingPlacesWith | MissingPledge


class Unlock(Answer):
    """The smallest number of further people that brings waiting ones in, and how many."""

    more_people: int
    brings_people: int


class Move(Answer):
    """One step of a campaign's history."""

    at: At
    state: CampaignState


class PayoutTerms(Answer):
    """How what was collected is paid out: in stages, of which all but the first need a proof."""

    stages_bp: list[int]
    proof_by: At | None
    holdback_bp: int
    refund_days: int


class Target(Answer):
    """Who must answer; the address is for the campaign's own letters."""

    name: str = ""
    ask: str = ""
    phone: str | None = None
    script: str = ""


class ListedCampaign(Answer):
    """A campaign in the list."""

    code: str
    url: str
    title: str
    language: str
    kinds: list[Kind]
    currency: str | None
    rule: RuleOut
    rule_text: str
    latch: Latch
    deadline: At
    timezone: str
    state: CampaignState
    accepting: bool
    tally: Tally
    missing: list[Missing]
    unlock: Unlock | None


class Campaign(ListedCampaign):
    """A campaign as everybody sees it."""

    story: str
    story_version: int
    confirm: Confirm
    minimum: dict[Kind, int]
    cap: dict[Kind, int]
    shortfall: Shortfall
    target: Target | None
    places: list[str]
    unit_price_minor: int | None
    starts_at: At | None
    ends_at: At | None
    venue: str | None
    hours: str | None
    reveal: str
    payout: PayoutTerms | None
    #: How many days after being asked a bank transfer may take; null where there are only cards.
    transfer_days: int | None
    collecting: dict[Kind, int]
    #: What of `collecting` members are to transfer.
    awaited: dict[Kind, int]
    #: Charged less refunded less disputed.
    collected: dict[Kind, int]
    refunded: dict[Kind, int]
    #: What the provider has taken back for a dispute that is open or lost.
    disputed: dict[Kind, int]
    failing: dict[Kind, int]
    expected_minor: int | None
    charging_minutes: int | None
    plan_b: PlanB | None
    failures: list[Failure]
    ballots: list[Ballot]
    topup_until: At | None
    tipped_at: At | None
    settled_at: At | None
    history: list[Move]


class CampaignList(Answer):
    """A page of campaigns."""

    items: list[ListedCampaign]
    next: str | None


class NewPledge(Answer):
    """What a pledger is told at once; `receipt` is the private key to the pledge."""

    code: str
    state: PledgeState
    counted: bool | None
    waiting_for: list[Missing] | None
    receipt: str
    manage_url: str
    secure_url: str | None


class Part(Answer):
    """A further part of a pledge."""

    kind: Kind
    amount: int
    condition: ConditionOut | None
    condition_text: str | None


class Card(Answer):
    """What the provider shows of a card."""

    brand: str
    last4: str
    expires_on: date | None


class Transfer(Answer):
    """What a member is asked to transfer, to whom, until when, and what it is recognised by.

    `amount_minor` is what is still missing, beside a part that has arrived.
    """

    name: str
    iban: str
    bic: str
    amount_minor: int
    arrived_minor: int
    currency: str
    reference: str
    last_day: At
    url: str


class Payment(Answer):
    """How a pledge is paid: what was allowed, what was charged or transferred, what comes next.

    `secure_url` leads to the provider's page as long as a card can be given; `transfer` is there
    while a bank transfer is awaited.
    """

    method: str
    transfer: Transfer | None

    mandate: str | None
    mandate_text: str | None
    card: Card | None
    secure_url: str | None
    charge: str | None
    amount_minor: int | None
    is_failing: bool
    next_try_at: At | None
    last_day: At | None
    refunded_minor: int


class Ticket(Answer):
    """What a kept pledge earned: a voucher or a check-in code."""

    kind: str
    code: str
    units: int


class Report(Answer):
    """What the member said came of it."""

    kind: str
    answer: str
    minutes: int | None
    note: str


class Pledge(Answer):
    """A pledge as its own member sees it."""

    code: str
    campaign: str
    state: PledgeState
    kind: Kind
    amount: int
    place: str | None
    condition: ConditionOut | None
    condition_text: str | None
    more: list[Part]
    accepted: dict[Kind, int] | None
    public_name: bool
    counted: bool
    waitlisted: bool
    waiting_for: list[Missing]
    at: At
    payment: Payment | None
    tickets: list[Ticket]
    reports: list[Report]
    #: What is done with one's money if it cannot be carried out: refund, follow, or a plan.
    fallback: str | int
    may_choose: bool
    shares: list[Share]
    may_change: bool
    may_withdraw: bool


class ListedPledge(Answer):
    """A pledge as its campaign's organiser sees it: a name only where the member chose so."""

    code: str
    kind: Kind
    amount: int
    place: str | None
    state: PledgeState
    counted: bool
    at: At
    name: str | None


class PledgeList(Answer):
    """A page of pledges."""

    items: list[ListedPledge]
    next: str | None


class Account(Answer):
    """What one account holds."""

    account: str
    currency: str
    balance_minor: int


class Posting(Answer):
    """One side of a transfer."""

    account: str
    amount_minor: int
    currency: str


class Entry(Answer):
    """One transfer, as its two postings."""

    id: str
    at: At
    kind: str
    postings: list[Posting]


class Ledger(Answer):
    """The books of one campaign: no names, every transfer as its two postings."""

    accounts: list[Account]
    entries: list[Entry]
    next: str | None


class PledgeProof(Answer):
    """What shows that a pledge is in the public log; it opens nothing and may be shown."""

    pledge: str
    salt: str
    entry: str
    path: list[str]
    checkpoint: str
    key: str


class Check(Answer):
    """One thing that was checked."""

    name: str
    ok: bool
    detail: str


class StandingAlarm(Answer):
    """Something that is wrong with the site itself at this moment."""

    name: str
    detail: str
    raised_at: At


class SelfCheck(Answer):
    """Whether the site keeps its word; alarms are about the machine and change nothing of that."""

    ok: bool
    checks: list[Check]
    alarms: list[StandingAlarm]
