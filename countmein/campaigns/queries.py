"""What can be asked about campaigns and pledges, by whom."""

from __future__ import annotations

import re
import uuid
from typing import Any, Final

from django.conf import settings
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q

from countmein.base.clock import site_now
from countmein.campaigns.actions.count import no_tally, rule_of, tally_of
from countmein.campaigns.gates import gate_of, is_accepting
from countmein.campaigns.kinds import is_charged, price_by_kind
from countmein.campaigns.links import campaign_url
from countmein.campaigns.models import (
    Campaign,
    Crowd,
    Gate,
    Letter,
    Move,
    Pledge,
    StoryVersion,
    Tally,
    totals_of,
)
from countmein.campaigns.newcomers import newcomer_of
from countmein.campaigns.own_pledge import pledge_by_code
from countmein.campaigns.payouts import terms_of
from countmein.campaigns.plan_queries import plan_b_view
from countmein.campaigns.wording import missing_json, rule_text
from countmein.ledger import queries as books
from countmein.members import contacts
from countmein.members.models import Organiser
from countmein.payments import queries as payments
from countmein.rules import conditions
from countmein.rules.collection import expected_minor, minutes_left
from countmein.rules.states import CampaignState, PledgeState

#: As the index is built: words as they are written, of whatever language.
SIMPLE: Final = "simple"
#: More words than this are no search but a burden.
_WORDS_SOUGHT: Final = 8


def campaign_by_code(code: str) -> Campaign | None:
    """A launched campaign, for everybody; drafts are nobody else's business, but for the second
    try of a lapsed campaign, to which its members were given the link."""
    campaign = Campaign.objects.select_related("organiser").filter(code=code).first()
    if campaign is None:
        return None
    is_public = campaign.follows is not None or gate_of(campaign).state != CampaignState.draft
    return campaign if is_public else None


def campaign_for(organiser: Organiser, code: str) -> Campaign | None:
    """An organiser's own campaign, in any state."""
    return Campaign.objects.filter(organiser=organiser, code=code).first()


def campaigns_of(organiser: Organiser) -> list[dict[str, Any]]:
    """An organiser's campaigns, newest first, in any state."""
    rows = list(Campaign.objects.filter(organiser=organiser).order_by("-id")[:200])
    return _cards(rows)


def open_list(
    *, state: str | None, after: str | None, limit: int, words: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Launched campaigns, newest first, and the code to go on after; with `words`, those that have
    each of them, or its beginning, in the title or a version of the story."""
    gates = Gate.objects.all_lanes().exclude(state=CampaignState.draft)
    if state is not None:
        gates = gates.filter(state=state)
    rows = Campaign.objects.filter(id__in=gates.values("id")).order_by("-id")
    if words:
        rows = rows.filter(_says(words))
    if after is not None:
        rows = rows.filter(id__lt=Campaign.objects.filter(code=after).values("id"))
    page = list(rows[: limit + 1])
    more = page[limit - 1].code if len(page) > limit else None
    return _cards(page[:limit]), more


def public_paths(*, limit: int) -> list[str]:
    """The addresses of launched campaigns on this site, newest first."""
    gates = Gate.objects.all_lanes().exclude(state=CampaignState.draft)
    rows = Campaign.objects.filter(id__in=gates.values("id")).order_by("-id")
    return [f"/c/{code}/" for code in rows.values_list("code", flat=True)[:limit]]


def _says(words: str) -> Q:
    """Campaigns in which all words occur. No language is assumed: they come in every one."""
    found = re.findall(r"\w+", words)[:_WORDS_SOUGHT]
    if not found:
        return Q(pk__in=[])
    query = SearchQuery(" & ".join(f"{word}:*" for word in found), config=SIMPLE, search_type="raw")
    stories = StoryVersion.objects.annotate(found=SearchVector("text", config=SIMPLE))
    titles = Campaign.objects.annotate(found=SearchVector("title", config=SIMPLE))
    return Q(id__in=stories.filter(found=query).values("campaign_id")) | Q(
        id__in=titles.filter(found=query).values("id")
    )


def _cards(rows: list[Campaign]) -> list[dict[str, Any]]:
    """What a list shows of each campaign: a constant number of queries for the whole list."""
    keys = [(row.lane, row.id) for row in rows]
    gates = {gate.id: gate for gate in Gate.objects.filter(pk__in=keys)}
    tallies = {tally.id: tally for tally in Tally.objects.filter(pk__in=keys)}
    now = site_now()
    cards = []
    for row in rows:
        gate, tally = gates[row.id], tallies.get(row.id) or no_tally(row)
        cards.append(
            {
                **_terms(row),
                "launched_at": row.created_at,
                "state": gate.state,
                "accepting": is_accepting(gate, now=now),
                "tally": tally_json(row, tally),
                "missing": _missing(row, tally),
                "unlock": tally.unlock,
            }
        )
    return cards


def tally_view(campaign: Campaign) -> dict[str, Any]:
    """The tally as everybody sees it."""
    return tally_json(campaign, tally_of(campaign))


def tally_json(campaign: Campaign, tally: Tally) -> dict[str, Any]:
    """The tally's fields under their public names."""
    return {
        "people": tally.people,
        "waiting_people": tally.waiting_people,
        "waitlisted_people": tally.waitlisted_people,
        "sum": {kind: tally.sum.get(kind, 0) for kind in campaign.kinds},
        "places": tally.places,
        "as_of": tally.as_of,
    }


def _missing(campaign: Campaign, tally: Tally) -> list[dict[str, Any]]:
    gaps = conditions.gaps(rule_of(campaign), totals_of(tally))
    return [missing_json(gap, currency=campaign.currency) for gap in gaps]


def _terms(campaign: Campaign) -> dict[str, Any]:
    return {
        "code": campaign.code,
        "url": campaign_url(campaign),
        "title": campaign.title,
        "language": campaign.language,
        "kinds": campaign.kinds,
        "currency": campaign.currency or None,
        "rule": campaign.rule,
        "rule_text": rule_text(rule_of(campaign), currency=campaign.currency),
        "latch": campaign.latch,
        "deadline": campaign.deadline,
        "timezone": campaign.timezone,
    }


def public_view(campaign: Campaign) -> dict[str, Any]:
    """Everything public about one campaign: the answer of GET /api/v1/campaigns/{code}."""
    gate, tally = gate_of(campaign), tally_of(campaign)
    story = campaign.stories.order_by("-number").first()
    target = campaign.target and {
        key: value for key, value in campaign.target.items() if key != "email"
    }
    history = Move.objects.filter(lane=gate.lane, campaign_id=gate.id).order_by("at", "id")
    return {
        **_terms(campaign),
        "story": story.text if story else "",
        "story_version": story.number if story else 0,
        "state": gate.state,
        "accepting": is_accepting(gate, now=site_now()),
        "confirm": campaign.confirm,
        "minimum": campaign.minimum,
        "cap": campaign.cap,
        "shortfall": campaign.shortfall,
        "target": target,
        "places": campaign.places,
        "unit_price_minor": campaign.unit_price_minor,
        "starts_at": campaign.starts_at,
        "ends_at": campaign.ends_at,
        "venue": campaign.venue or None,
        "hours": campaign.hours or None,
        "reveal": campaign.reveal,
        "payout": payout_view(campaign),
        "transfer_days": campaign.transfer_days,
        "tally": tally_json(campaign, tally),
        "missing": _missing(campaign, tally),
        "unlock": tally.unlock,
        "curve": tally.curve,
        **money_view(campaign, tally),
        **plan_b_view(campaign, gate),
        "topup_until": gate.topup_until,
        "tipped_at": gate.tipped_at,
        "settled_at": gate.settled_at,
        "history": [{"at": move.at, "state": move.state} for move in history],
    }


def payout_view(campaign: Campaign) -> dict[str, Any] | None:
    """How a campaign that takes money pays out, whether its organiser said so or not."""
    if not campaign.takes_money:
        return None
    return terms_of(campaign).model_dump(mode="python")


def money_view(campaign: Campaign, tally: Tally) -> dict[str, Any]:
    """Collecting, failing, collected, refunded and disputed, per charged kind, minor units.

    Never mixed, but for awaited: what of collecting members are to transfer. All of one instant,
    so with what was dropped they add up to what was accepted. Collected is what was
    charged less what was refunded and what is disputed: the provider takes disputed money away at
    once. It comes back if the dispute is won, and stays under `disputed` if it is lost, for it was
    not us who gave it back.

    Before the tip also what may be expected to come in of what is pledged, for some cards fail;
    while cards are charged, how many minutes that takes at the provider's allowance.
    """
    charged = [kind for kind in campaign.kinds if is_charged([kind])]
    seen = payments.standing(lane=campaign.lane, campaign_id=campaign.id)
    return {
        "collecting": {kind: seen.collecting[kind] for kind in charged},
        "awaited": {kind: seen.awaited[kind] for kind in charged},
        "collected": {
            kind: seen.paid[kind] - seen.refunded[kind] - seen.disputed[kind] for kind in charged
        },
        "refunded": {kind: seen.refunded[kind] for kind in charged},
        "disputed": {kind: seen.disputed[kind] for kind in charged},
        "failing": {kind: seen.failing[kind] for kind in charged},
        "expected_minor": _expected_minor(campaign, tally) if charged else None,
        "charging_minutes": minutes_left(seen.untried, per_second=settings.CHARGES_PER_SECOND)
        if seen.untried
        else None,
    }


def _expected_minor(campaign: Campaign, tally: Tally) -> int:
    """What may be expected of what is pledged, by how the site's own charges have fared."""
    seen = payments.outcomes()
    # A draft may lack its price; nobody has pledged then.
    pledged = sum(price_by_kind(campaign, {k: n for k, n in tally.sum.items() if n}).values())
    return expected_minor(pledged, charged=seen.charged, paid=seen.paid)


def letters_view(campaign: Campaign) -> list[Letter]:
    """The letters to the target, in order."""
    rows = Letter.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return list(rows.order_by("number"))


def pledges_listing(
    campaign: Campaign, *, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """The organiser's list of pledges: names of those who chose to be named, never addresses."""
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("id")
    if after is not None:
        start = pledge_by_code(after)
        rows = rows.filter(id__gt=start.id) if start else rows.none()
    page = list(rows[: limit + 1])
    more = page[limit - 1].code if len(page) > limit else None
    page = page[:limit]
    inside = set(
        Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id, is_in=True).values_list(
            "id", flat=True
        )
    )
    names = names_of(page) if is_revealed(campaign) else {}
    return [
        {
            "code": row.code,
            "kind": row.kind,
            "amount": row.amount,
            "place": row.place or None,
            "state": row.state,
            "counted": row.state in (PledgeState.accepted, PledgeState.fulfilled)
            or (row.state == PledgeState.active and row.crowd_id in inside),
            "at": row.at,
            "name": names.get(row.id),
        }
        for row in page
    ], more


def is_revealed(campaign: Campaign) -> bool:
    """Whether names may be shown that their owners let be shown: where it is dangerous to be the
    first, nobody sees any before the tip, not even the organiser."""
    return campaign.reveal != "on_tip" or gate_of(campaign).tipped_at is not None


def names_of(rows: list[Pledge]) -> dict[uuid.UUID, str]:
    """The names of those among these pledges who chose to be named, by pledge."""
    keys = {row.id: (row.person_lane, row.contact_id) for row in rows if row.public_name}
    names = contacts.names(keys.values())
    # Who has just come is not among the members yet.
    for row in rows:
        if row.id in keys and (newcomer := newcomer_of(row)) is not None:
            names[keys[row.id]] = newcomer.name
    return {id: names[key] for id, key in keys.items() if names.get(key)}


def public_people(campaign: Campaign, *, limit: int = 50) -> list[str]:
    """The latest names of those who are in and chose to be named; none before the tip where the
    campaign reveals on tip."""
    if not is_revealed(campaign):
        return []
    inside = Crowd.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, is_in=True
    ).values_list("id", flat=True)
    rows = list(
        Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, public_name=True)
        .filter(
            Q(state__in=[PledgeState.accepted, PledgeState.fulfilled])
            | Q(state=PledgeState.active, crowd_id__in=list(inside))
        )
        .order_by("-id")[:limit]
    )
    names = names_of(rows)
    return [names[row.id] for row in rows if row.id in names]


def ledger_view(campaign: Campaign, *, after: str | None, limit: int) -> dict[str, Any]:
    """The campaign's public books: balances of all accounts, and a page of entries."""
    start = uuid.UUID(after) if after else None
    entries, more = books.entries(
        lane=campaign.lane, campaign_id=campaign.id, after=start, limit=limit
    )
    balances = books.balances(lane=campaign.lane, campaign_id=campaign.id)
    return {
        "accounts": [
            {"account": account, "currency": currency, "balance_minor": balance}
            for (account, currency), balance in sorted(balances.items())
        ],
        "entries": entries,
        "next": str(more) if more else None,
    }
