"""Filling the demo's world: what is there already stays, what is missing is added."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from countmein.cli.door import Door
from countmein.cli.people import ORGANISERS, address_of, name_of
from countmein.cli.replay import launch
from countmein.cli.seeds import Group, Seed

if TYPE_CHECKING:
    from countmein.campaigns.models import Campaign

_BATCH = 250


def plant(seed: Seed, *, door: Door, now: datetime) -> "Campaign":
    """Launch the campaign of a seed and let its crowd pledge, as far as that is not done yet."""
    campaign = found_or_launched(_terms(seed, now=now), organiser=seed.organiser, door=door)
    if not is_filled(campaign, people=sum(group.count for group in seed.crowd)):
        _fill(campaign, seed)
    return campaign


def found_or_launched(terms: Mapping[str, Any], *, organiser: str, door: Door) -> "Campaign":
    """The organiser's campaign of that title, launched now if an earlier demo has not."""
    from countmein.campaigns.gates import gate_of
    from countmein.campaigns.models import Campaign

    address, _name, language = ORGANISERS[organiser]
    for found in Campaign.objects.filter(organiser__email=address, title=terms["title"]):
        # A draft was left by a demo that was killed; its deadline may be over, so it stays one.
        if gate_of(found).state != "draft":
            return found
    return Campaign.objects.get(code=launch(door, dict(terms), language=language))


def is_filled(campaign: "Campaign", *, people: int) -> bool:
    """Whether so many members have pledged, whatever became of them."""
    from countmein.campaigns.models import Pledge

    made = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return made.count() >= people


def _terms(seed: Seed, *, now: datetime) -> dict[str, Any]:
    distances = {**seed.times, "deadline": seed.deadline}
    instants = {name: (now + distance).isoformat() for name, distance in distances.items()}
    return {**seed.terms, **instants, "confirm": "none"}


def _fill(campaign: "Campaign", seed: Seed) -> None:
    """Pledge for everybody; keys are the same each time, so nobody pledges twice."""
    from countmein.campaigns.actions.pledge import Answer, pledge
    from countmein.campaigns.bodies import PledgeBody
    from countmein.campaigns.pledge_terms import PledgeRequest

    language = ORGANISERS[seed.organiser][2]
    codes: dict[int, str] = {}
    number = 0
    for batch in _batches(seed.crowd):
        requests = []
        for place, group in batch:
            said = _body(seed, group, number=number, place=place, codes=codes)
            requests.append(
                PledgeRequest(
                    body=PledgeBody.model_validate(said),
                    key=f"seed-{seed.name}-{number}",
                    language=language,
                )
            )
            number += 1
        for offset, answer in enumerate(pledge(campaign=campaign, requests=requests)):
            # A campaign of an earlier, interrupted demo may have closed meanwhile.
            if isinstance(answer, Answer):
                codes[number - len(requests) + offset] = answer.body["code"]


def _batches(crowd: tuple[Group, ...]) -> Iterator[list[tuple[int, Group]]]:
    """Members in order, many at once; who names a friend comes in a later batch than the friend."""
    batch: list[tuple[int, Group]] = []
    for group in crowd:
        if batch and group.friend is not None:
            yield batch
            batch = []
        for place in range(group.count):
            batch.append((place, group))
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _body(
    seed: Seed, group: Group, *, number: int, place: int, codes: Mapping[int, str]
) -> dict[str, Any]:
    conditions = [] if group.condition is None else [group.condition]
    if group.friend is not None and group.friend in codes:
        conditions.append({"pledge": codes[group.friend]})
    said: dict[str, Any] = {
        "kind": group.kind,
        "amount": group.amounts[place % len(group.amounts)],
        "member": {"email": address_of(seed.name, number), "name": name_of(number)},
        "public_name": number % 3 == 0,
        "more": list(group.more),
    }
    if conditions:
        said["condition"] = conditions[0] if len(conditions) == 1 else {"all": conditions}
    if group.places:
        said["place"] = group.places[place % len(group.places)]
    if group.method:
        said["payment_method"] = group.method
    return said
