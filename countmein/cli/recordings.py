"""The recordings that come with the project, and the campaigns they are replayed as."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from countmein.cli.series import Series

_CHECKOUT = Path(__file__).resolve().parents[2]
_SAMPLES = Path(__file__).resolve().parent / "samples"
#: The whole series lie beside the checkout on some machines; the samples come along everywhere.
_SHARED = _CHECKOUT.parent / "shared" / "data"

_MADE_UP = "Replayed from the record, every {every}. member; all names and amounts are made up."


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recorded campaign was about."""

    title: str
    story: str
    #: The recorded goal: minor units of money, or people.
    goal: int
    source: str


RECORDINGS = {
    "grim-dawn": Recording(
        title="Grim Dawn: help us finish the game",
        story="A small team asks its players for $280,000 to finish an action role-playing game."
        " In May 2012 they got $537,515 from 12,457 people.",
        goal=280_000_00,
        source="kickstarter_pledge_series",
    ),
    "wasteland-2": Recording(
        title="Wasteland 2: the sequel nobody would publish",
        story="Every publisher had said no. In 2012 61,290 people said yes.",
        goal=900_000_00,
        source="kickstarter_pledge_series",
    ),
    "larry": Recording(
        title="Make Leisure Suit Larry come again",
        story="A game of 1987, made anew by its author. 14,081 people paid for it in 2012.",
        goal=500_000_00,
        source="kickstarter_pledge_series",
    ),
    "carmageddon": Recording(
        title="Carmageddon: Reincarnation",
        story="The makers bought their own game back and asked for $400,000.",
        goal=400_000_00,
        source="kickstarter_pledge_series",
    ),
    "locus": Recording(
        title="Locus: the third game",
        story="A small campaign of 2012: 508 people and $24,197, with a goal of $9,500.",
        goal=9_500_00,
        source="kickstarter_pledge_series",
    ),
    "eu_ref_131215": Recording(
        title="A second referendum on the European Union",
        story="The petition to the UK Parliament that grew fastest of all: up to 152,040 signatures"
        " an hour in June 2016, and 75,169 struck off at once when the count was cleaned. Here the"
        " letter goes out at four million.",
        goal=4_000_000,
        source="petition_series",
    ),
}


def recorded_file(name: str) -> Path:
    """The series of that name: whole where the data lie beside the checkout, else the sample."""
    whole = _SHARED / RECORDINGS[name].source / f"{name}.csv"
    return whole if whole.exists() else _SAMPLES / f"{name}.csv"


def terms(series: Series, *, every: int, now: datetime) -> dict[str, Any]:
    """The terms under which every N-th member of a series can be replayed.

    An unknown recording tips at three fifths of where it ended.
    """
    known = RECORDINGS.get(series.name)
    goal = known.goal if known else max(1, series.samples[-1].amount * 3 // 5)
    made_up = _MADE_UP.format(every=every)
    said: dict[str, Any] = {
        "title": known.title if known else series.name,
        "story": f"{known.story}\n\n{made_up}" if known else made_up,
        "kinds": [series.kind],
        "rule": {"sum": {"kind": series.kind, "at_least": -(-goal // every)}},
        "deadline": (now + timedelta(days=30)).isoformat(),
        "confirm": "none",
    }
    if series.currency:
        return {**said, "currency": series.currency}
    target = {
        "name": "The Petitions Committee",
        "ask": "Debate this petition in Parliament",
        "email": "committee@example.org",
    }
    return {**said, "target": target, "rule": {"people": -(-goal // every)}}
