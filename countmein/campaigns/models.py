"""The promise: campaigns, their gate, the pledges, and what the count derives from them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.contrib.postgres.search import SearchVector
from django.db import models

from countmein.base.ids import named_uuid, uuid7
from countmein.base.lanes import LaneModel
from countmein.campaigns.ballot_models import Ballot, BallotKind, BallotPaper
from countmein.campaigns.moderation_models import ModeratedPledge, Moderation, Verdict
from countmein.campaigns.payout_models import HandOver, HandOverOffer, Proof, Unproven
from countmein.campaigns.plan_b_models import Failure, PlanShare
from countmein.members.models import ERASED
from countmein.rules.canonical import lane_of
from countmein.rules.conditions import Aggregates
from countmein.rules.states import CampaignState, Confirm, Latch, PledgeState, Shortfall

# All that the app `campaigns` keeps is found here, as Django expects.
__all__ = [
    "JOINED_STATES",
    "LIVE_STATES",
    "Ballot",
    "BallotKind",
    "BallotPaper",
    "Campaign",
    "Change",
    "Crowd",
    "CrowdTotal",
    "Failure",
    "Gate",
    "HandOver",
    "HandOverOffer",
    "Letter",
    "ModeratedPledge",
    "Moderation",
    "Move",
    "PlanShare",
    "Pledge",
    "Proof",
    "Report",
    "StoryVersion",
    "Tally",
    "Ticket",
    "Uncounted",
    "Unproven",
    "Verdict",
    "crowd_id",
    "person_lane",
    "totals_of",
]

#: Pledges in these states keep their mailbox: a second one must wait until they end.
LIVE_STATES = ("unsecured", "active", "held", "accepted", "fulfilled")
#: Pledges in these states are in the tally, whether or not their condition holds yet.
JOINED_STATES = ("active", "accepted", "fulfilled")


def _choices(enum: type[CampaignState] | type[PledgeState]) -> list[tuple[str, str]]:
    return [(state.value, state.value) for state in enum]


class Campaign(models.Model):
    """What an organiser launches; read often, written a few times in its life."""

    distribution = "reference"
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=32, unique=True)
    organiser = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False
    )
    title = models.CharField(max_length=200)
    language = models.CharField(max_length=12, default="en-gb")
    kinds = models.JSONField()
    currency = models.CharField(max_length=3, blank=True)
    rule = models.JSONField()
    latch = models.CharField(max_length=12, default=Latch.on_tip)
    deadline = models.DateTimeField()
    timezone = models.CharField(max_length=64, default="UTC")
    confirm = models.CharField(max_length=8, default=Confirm.email)
    minimum = models.JSONField(default=dict)
    cap = models.JSONField(default=dict)
    shortfall = models.CharField(max_length=8, default=Shortfall.release)
    target = models.JSONField(null=True)
    places = models.JSONField(default=list)
    unit_price_minor = models.BigIntegerField(null=True)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    venue = models.CharField(max_length=300, blank=True)
    hours = models.CharField(max_length=200, blank=True)
    reveal = models.CharField(max_length=8, default="always")
    #: What is done instead if it cannot be carried out; how it is paid out (`bodies`).
    plan_b = models.JSONField(null=True)
    payout = models.JSONField(null=True)
    #: The site's share of what is settled, in basis points, as it stood at the launch.
    commission_bp = models.IntegerField(default=0)
    #: How many days after being accepted a bank transfer may take; None: cards only.
    transfer_days = models.SmallIntegerField(null=True)
    #: The lapsed campaign that this one tries again, with what was within reach then.
    follows = models.UUIDField(null=True, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The search for words in titles.
            GinIndex(SearchVector("title", config="simple"), name="campaign_words")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def lane(self) -> int:
        """The lane of everything this campaign's crowd does."""
        return lane_of(self.id.bytes)

    @property
    def takes_money(self) -> bool:
        """Whether a pledge may have to be secured by a card before it counts."""
        return bool({"money", "purchase"} & set(self.kinds))


class StoryVersion(models.Model):
    """The story as it stood from an instant on; nothing is ever overwritten."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="stories")
    number = models.IntegerField()
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="one_story_per_number")
        ]
        indexes = [
            # The search for words in stories.
            GinIndex(SearchVector("text", config="simple"), name="story_words")
        ]


class Gate(LaneModel):
    """The hot state of one campaign; its id is the campaign's.

    Pledgers hold it FOR SHARE, whoever decides holds it FOR UPDATE. Every change of the crowd is
    stamped with the round it found here; closing a round is therefore a clean cut: all rows of it
    are committed, and none can be added.
    """

    distribution = "campaign"
    state = models.CharField(max_length=12, default=CampaignState.draft)
    latch = models.CharField(max_length=12)
    deadline = models.DateTimeField()
    round = models.BigIntegerField(default=1)
    tipped_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    #: When the round for what is missing ends; a campaign has one at most.
    topup_until = models.DateTimeField(null=True)
    #: When those were asked anew whose card will have expired before it can be charged.
    reminded_at = models.DateTimeField(null=True)
    #: What has been accepted by kind, so that the cap is judged without a sum over the crowd.
    accepted = models.JSONField(default=dict)
    #: When the last sweep of acceptance found nobody more to accept, at this round.
    accepted_round = models.BigIntegerField(default=0)
    #: When a batch of charges was not what had been accepted; no charge is written while it is set.
    charging_stopped_at = models.DateTimeField(null=True)
    #: Since when it is carried out: from then on nobody new is taken.
    executing_at = models.DateTimeField(null=True)
    #: When the choices of a failed execution are closed and the plans are cleared.
    reallocate_at = models.DateTimeField(null=True)
    #: The day on which an unproven rest goes back; None where nothing is left to prove.
    proof_by = models.DateTimeField(null=True)
    #: Set when everybody still outside has been let go after the deadline.
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in CampaignState]),
                name="gate_state_is_known",
            )
        ]
        indexes = [
            # The sweep for deadlines and unfinished campaigns.
            models.Index(
                fields=["deadline"], condition=models.Q(closed_at=None), name="gate_open_work"
            ),
            # The sweep for stages whose day has come.
            models.Index(
                fields=["proof_by"],
                condition=models.Q(proof_by__isnull=False),
                name="gate_to_prove",
            ),
        ]


class Move(LaneModel):
    """One step in a campaign's history; a campaign tips, settles or lapses at most once."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    state = models.CharField(max_length=12)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "state"],
                condition=models.Q(
                    state__in=["open", "tipped", "topup", "lapsed", "cancelled", "released"]
                ),
                name="one_move_of_a_kind",
            )
        ]
        # What the public log has not read yet.
        indexes = [models.Index(fields=["id"], name="move_by_time")]


class Crowd(LaneModel):
    """All parts with the same condition: they are in or out together. Id: hash of both."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    condition = models.JSONField(null=True)
    is_core = models.BooleanField(default=False)
    is_in = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["lane", "campaign_id"], name="crowd_by_campaign")]


class CrowdTotal(LaneModel):
    """What a crowd adds of one kind in one place, as of the tally's round; written by the count."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    crowd_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    place = models.CharField(max_length=100, blank=True)
    people = models.BigIntegerField()
    amount = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["lane", "campaign_id"], name="crowd_total_by_campaign")]


class Tally(LaneModel):
    """The public count of one campaign, its id; derived by the count and rebuildable from rows."""

    distribution = "campaign"
    round = models.BigIntegerField(default=0)
    as_of = models.DateTimeField()
    #: When it was counted by the machine's clock: a hot campaign is counted once a second.
    counted_at = models.DateTimeField(null=True)
    #: The round of the unlock distance and the waiting list, which are looked at without haste.
    outlook_round = models.BigIntegerField(default=0)
    people = models.BigIntegerField(default=0)
    waiting_people = models.BigIntegerField(default=0)
    waitlisted_people = models.BigIntegerField(default=0)
    sum = models.JSONField(default=dict)
    places = models.JSONField(default=dict)
    unlock = models.JSONField(null=True)
    #: So many more people, so many whom they bring in: one pair for each step of the curve.
    curve = models.JSONField(default=list)


class Pledge(LaneModel):
    """What a member promised; written by the verbs in `campaigns.actions`."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    code = models.CharField(max_length=32)
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=_choices(PledgeState))
    answered_state = models.CharField(max_length=12)
    round = models.BigIntegerField()
    kind = models.CharField(max_length=10)
    amount = models.BigIntegerField()
    place = models.CharField(max_length=100, blank=True)
    crowd_id = models.UUIDField()
    #: Further parts: [{"kind", "amount", "crowd_id"}]; most pledges have none.
    more = models.JSONField(default=list)
    #: The number of the letter that carries the signature, once it does.
    letter = models.IntegerField(null=True)
    #: What was accepted by kind, once it was.
    accepted = models.JSONField(default=dict)
    #: In, but without a place under the cap when the door was shut.
    was_waitlisted = models.BooleanField(default=False)
    mailbox = models.CharField(max_length=64)
    contact_id = models.UUIDField()
    #: Who pledged, as typed and sealed, until it is written down among the members
    #: (`newcomers.py`, `actions.enrol`).
    newcomer = models.JSONField(null=True)
    public_name = models.BooleanField(default=False)
    payment_method = models.CharField(max_length=255, blank=True)
    #: What its member wants if it cannot be carried out: refund, follow, or a plan by its number.
    fallback = models.CharField(max_length=8, default="refund")
    at = models.DateTimeField()
    #: The member's own last act; the deadline looks at this.
    acted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "key"], name="one_pledge_per_key"
            ),
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "mailbox"],
                condition=models.Q(state__in=LIVE_STATES),
                name="one_live_pledge_per_mailbox",
            ),
            models.UniqueConstraint(fields=["lane", "code"], name="one_pledge_per_code"),
        ]
        indexes = [
            # Accepting and releasing walk the pledges of one state in order of arrival.
            models.Index(fields=["lane", "campaign_id", "state", "id"], name="pledge_by_state"),
            # What the public log has not read yet.
            models.Index(fields=["lane", "campaign_id", "round", "id"], name="pledge_by_round"),
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(newcomer__isnull=False),
                name="pledge_of_newcomer",
            ),
            # All pledges of one mailbox, in whatever lane: for export and erasure. A hash is a
            # third of the size, and half the work at each pledge, of a sorted one.
            HashIndex(fields=["mailbox"], name="pledge_by_mailbox"),
            # Whose member was erased while the door was open.
            models.Index(
                fields=["lane", "campaign_id"],
                condition=models.Q(contact_id=ERASED),
                name="pledge_of_erased",
            ),
        ]

    @property
    def person_lane(self) -> int:
        """The lane of the member who pledged."""
        return person_lane(self.mailbox)


def totals_of(tally: Tally) -> Aggregates:
    """What a tally says is in."""
    return Aggregates(
        people=tally.people, sums=tally.sum, people_in=tally.places, pledges=frozenset()
    )


def person_lane(mailbox: str) -> int:
    """The lane of a person, from the keyed digest of the mailbox."""
    return lane_of(bytes.fromhex(mailbox))


class Change(LaneModel):
    """One signed change of a crowd, stamped with the gate's round; append-only, read by the count.

    A pledge that becomes active adds its parts, one that leaves adds their negatives, one that is
    accepted moves from its crowd to the core. Nothing else changes a tally. Pledges that come in
    one commit share their rows.
    """

    distribution = "campaign"
    campaign_id = models.UUIDField()
    round = models.BigIntegerField()
    crowd_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    place = models.CharField(max_length=100, blank=True)
    people = models.IntegerField()
    amount = models.BigIntegerField()

    class Meta:
        indexes = [
            # What is new since the tally's round.
            models.Index(fields=["lane", "campaign_id", "round"], name="change_by_round")
        ]


class Uncounted(LaneModel):
    """A round of a campaign in which something has changed that is not in its tally yet."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    round = models.BigIntegerField()


class Ticket(LaneModel):
    """A code that a pledge earns when it is kept: a voucher, or a check-in code."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    code = models.CharField(max_length=32)
    units = models.BigIntegerField(default=1)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "pledge_id", "kind"], name="one_ticket_a_kind"),
            models.UniqueConstraint(fields=["lane", "code"], name="one_ticket_per_code"),
        ]


class Letter(LaneModel):
    """A digest of signatures handed to the target; one row before it is sent."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    number = models.IntegerField()
    signatures = models.IntegerField()
    delivery_lane = models.IntegerField(null=True)
    written_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lane", "campaign_id", "number"], name="one_letter_per_number"
            )
        ]


class Report(LaneModel):
    """What a member says came of it: how the call went, how many minutes were worked."""

    distribution = "campaign"
    campaign_id = models.UUIDField()
    pledge_id = models.UUIDField()
    kind = models.CharField(max_length=10)
    answer = models.CharField(max_length=32)
    minutes = models.BigIntegerField(null=True)
    note = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lane", "pledge_id", "kind"], name="one_report_a_kind")
        ]


def crowd_id(campaign_id: uuid.UUID, canonical_condition: str) -> uuid.UUID:
    """The id of the crowd with this condition ("null" for none, "core" for the accepted)."""
    return named_uuid("crowd", str(campaign_id), canonical_condition)
