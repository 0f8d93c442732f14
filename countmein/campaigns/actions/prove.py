"""To prove: the organiser shows what was done, the backers judge it, and the next stage is paid."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.campaigns.actions.pay_out import judge_anew
from countmein.campaigns.actions.refund import paid_charges, slices
from countmein.campaigns.actions.tell import tell_voters
from countmein.campaigns.actions.vote import close_ballot, open_ballot
from countmein.campaigns.documents import Upload, keep
from countmein.campaigns.gates import hold
from countmein.campaigns.models import (
    Ballot,
    BallotKind,
    BallotPaper,
    Campaign,
    Gate,
    Proof,
    Unproven,
)
from countmein.campaigns.payout_letters import tell_of_proof
from countmein.campaigns.payouts import (
    PAYING,
    approved_stages,
    ballot_number,
    funds_of,
    has_failed,
    terms_of,
)
from countmein.payments.actions.refunding import want_refunds
from countmein.payments.left import left_of
from countmein.payments.models import Charge
from countmein.rules.failure import Donor, milestone_passes, settle
from countmein.rules.money import hamilton
from countmein.rules.payout import end_unproven as law_of_the_end
from countmein.rules.states import CampaignState

#: How long the backers have to look at a proof.
VOTE_LASTS = timedelta(days=7)
OPTIONS = ("yes", "no")


class ProofRefused(Exception):
    """No proof can be handed in now; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def next_stage(campaign: Campaign, gate: Gate) -> int | None:
    """The stage that a proof is wanted for, from 2 on; None if there is nothing to prove."""
    if gate.proof_by is None or has_failed(campaign):
        return None
    stage = approved_stages(campaign) + 1
    return stage if stage <= len(terms_of(campaign).stages_bp) else None


def hand_in(*, campaign: Campaign, words: str, documents: Sequence[Upload]) -> Ballot:
    """Show what was done and ask the backers, once at a time; each hears of it.

    A proof that was not accepted may be handed in again, until the day that was set.
    Raises ProofRefused.
    """
    with transaction.atomic():
        gate = hold(campaign)
        stage = next_stage(campaign, gate)
        if CampaignState(gate.state) not in PAYING:
            raise ProofRefused("not_settled")
        if stage is None or gate.proof_by is None:
            raise ProofRefused("nothing_to_prove")
        if site_now() >= gate.proof_by:
            raise ProofRefused("too_late")
        if open_milestones(campaign).exists():
            raise ProofRefused("being_voted_on")
        proofs = Proof.objects.filter(lane=campaign.lane, campaign_id=campaign.id, stage=stage)
        number = proofs.count() + 1
        ballot = open_ballot(
            campaign,
            kind=BallotKind.MILESTONE,
            number=ballot_number(stage=stage, number=number),
            options=OPTIONS,
            quorum_bp=0,
            lasts=VOTE_LASTS,
            stakes=stakes(campaign),
        )
        proof = Proof(
            lane=campaign.lane,
            campaign_id=campaign.id,
            stage=stage,
            number=number,
            words=words,
            at=site_now(),
            ballot_id=ballot.id,
        )
        proof.save(force_insert=True)
        for document in documents:
            keep(document, campaign=campaign, proof=proof)
        tell_voters(campaign, ballot, topic=f"milestone_{ballot.number}")
    return ballot


def open_milestones(campaign: Campaign) -> Any:
    """The ballots on proofs that are not closed yet."""
    return Ballot.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        kind=BallotKind.MILESTONE,
        closed_at=None,
    )


def stakes(campaign: Campaign) -> Iterator[tuple[uuid.UUID, int]]:
    """What each member still has in: paid, and neither given back nor disputed."""
    for charges in slices(paid_charges(campaign)):
        left = left_of(charges, is_disputed_gone=True)
        for charge in charges:
            yield charge.pledge_id, left[charge.id].total()


def close_milestone(campaign: Campaign, ballot: Ballot) -> None:
    """Count the votes on a proof, and release the next stage if it is accepted.

    Call in the transaction that holds the gate and the ballot.
    """
    votes: dict[str, set[str]] = {"yes": set(), "no": set(), "": set()}
    papers = BallotPaper.objects.filter(lane=ballot.lane, ballot_id=ballot.id)
    for pledge_id, choice in papers.values_list("pledge_id", "choice").iterator():
        votes[choice].add(str(pledge_id))
    has_passed = milestone_passes(
        eligible=frozenset().union(*votes.values()),
        yes=frozenset(votes["yes"]),
        no=frozenset(votes["no"]),
    )
    close_ballot(ballot, outcome="yes" if has_passed else "no")
    if has_passed:
        judge_anew(campaign)
        if approved_stages(campaign) >= len(terms_of(campaign).stages_bp):
            Gate.objects.filter(lane=campaign.lane, id=campaign.id).update(proof_by=None)
    topic = "accepted" if has_passed else "refused"
    tell_of_proof(campaign, topic, once=f"proof:{ballot.id}")


@job(name="campaigns.prove", queue="settling")
def prove(campaign_id: str) -> None:
    """Give the rest back if no proof came in time."""
    end_unproven(Campaign.objects.get(id=uuid.UUID(campaign_id)))


def to_prove() -> list[Any]:
    """The campaigns without a proof on the day that was set for it, once no vote is open."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT g.id FROM campaigns_gate g WHERE g.proof_by <= %s AND g.state = ANY(%s)
               AND NOT EXISTS (SELECT FROM campaigns_move m WHERE m.lane = g.lane
                   AND m.campaign_id = g.id AND m.state = 'failed')
               AND NOT EXISTS (SELECT FROM campaigns_ballot b WHERE b.lane = g.lane
                   AND b.campaign_id = g.id AND b.kind = 'milestone' AND b.closed_at IS NULL)""",
            [site_now(), [state.value for state in PAYING]],
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


def end_unproven(campaign: Campaign) -> None:
    """Give back what no accepted proof released, in proportion to what each has in; once.

    It is one decision with the gate held, so nothing of it can be done by half; the refunds are
    then made slice by slice, and each member is told of theirs.
    """
    with transaction.atomic():
        gate = hold(campaign)
        now = site_now()
        is_due = gate.proof_by is not None and gate.proof_by <= now
        if not is_due or CampaignState(gate.state) not in PAYING:
            return
        if open_milestones(campaign).exists() or has_failed(campaign):
            return
        funds = funds_of(campaign, gate, now=now)
        end = law_of_the_end(funds, commission_bp=campaign.commission_bp)
        Unproven(
            lane=campaign.lane,
            campaign_id=campaign.id,
            stage=funds.approved_stages + 1,
            kept_minor=end.kept_minor,
            spent_minor=end.spent_minor,
            at=now,
        ).save(force_insert=True)
        Gate.objects.filter(lane=gate.lane, id=gate.id).update(proof_by=None)
        _give_back(campaign, kept_minor=end.kept_minor, spent_minor=end.spent_minor)
        tell_of_proof(campaign, "unproven", once=f"unproven:{campaign.id}")


def _give_back(campaign: Campaign, *, kept_minor: int, spent_minor: int) -> None:
    left: dict[uuid.UUID, Counter[str]] = {}
    for charges in slices(paid_charges(campaign)):
        left |= left_of(charges, is_disputed_gone=True)
    whole = sum(parts.total() for parts in left.values())
    gone = min(kept_minor + spent_minor, whole)
    settlement = settle(
        donors=[Donor(id=str(id), collected_minor=parts.total()) for id, parts in left.items()],
        plans=[],
        spent_minor=gone - min(kept_minor, gone),
        kept_minor=min(kept_minor, gone),
        seed=campaign.code,
    )
    owed = {id: settlement.shares[str(id)].refund_minor for id in left}
    for charges in slices(paid_charges(campaign)):
        want_refunds(
            charges=charges,
            reason="no_proof",
            parts=lambda charge: _share(left[charge.id], owed[charge.id], charge),
        )


def _share(left: Counter[str], owed_minor: int, charge: Charge) -> dict[str, int]:
    """A refund by kind of pledge, in proportion to what is left of each."""
    if owed_minor == 0:
        return {}
    return hamilton(dict(left), total=owed_minor, seed=str(charge.id))


def proof_day(campaign: Campaign) -> datetime | None:
    """The day by which all stages are to be proven; None for a campaign of one stage."""
    terms = terms_of(campaign)
    return terms.proof_by if len(terms.stages_bp) > 1 else None
