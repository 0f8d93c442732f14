"""`countmein replay`: a recorded campaign once more, member by member, through the public door."""

import argparse
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countmein.cli.crowd import Walk
from countmein.cli.door import Door, DoorShut
from countmein.cli.recordings import terms
from countmein.cli.series import (
    Sample,
    Series,
    SeriesRefused,
    every_nth,
    plan,
    read_series,
    replayed,
    scaled,
)
from countmein.cli.site import SiteRefused, enter_django, home, is_running

ORGANISER = ("ana@example.org", "Ana")
_COUNT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a replay: what was recorded, what every N-th member adds up to, what is in."""

    series: Series
    every: int
    recorded: Sample
    planned: tuple[int, int]
    counted: tuple[int, int]
    walk: Walk
    seconds: float

    @property
    def is_exact(self) -> bool:
        """Whether the tally shows what every N-th member adds up to."""
        return self.planned == self.counted and not self.walk.refused


def run(arguments: Sequence[str]) -> int:
    """Replay a file and print what was recorded beside what was counted; 1 if they differ."""
    chosen = _parsed(arguments)
    try:
        series = read_series(chosen.file)
    except SeriesRefused as refused:
        raise SiteRefused(str(refused)) from refused
    door = open_door(*ORGANISER)
    every = chosen.every or every_nth(series, most_people=chosen.people)
    code = chosen.campaign or launch(door, terms_now(series, every=every))
    _require_open(door, code, kind=series.kind)
    print(f"{series.name}: every {every}. member, into {code}", file=sys.stderr)
    try:
        before = counted(door, code, series.kind)
        outcome = replay(door, code, series, every=every, speed=chosen.speed, before=before)
    except DoorShut as shut:
        raise SiteRefused(str(shut)) from shut
    print(told(outcome))
    return 0 if outcome.is_exact else 1


def replay(
    door: Door,
    code: str,
    series: Series,
    *,
    every: int,
    speed: float | None = None,
    before: tuple[int, int] = (0, 0),
) -> Outcome:
    """Send every N-th member through the door, and wait until all are counted.

    `before` are the people and the amount that others had brought to the campaign.
    """
    began = time.monotonic()
    steps = plan(series, every=every)
    # Without the token: members have none, and a token's writes are limited.
    walk = Walk(door=door.without_token(), campaign=code, series=series, every=every)
    walk.go(steps, speed=speed)
    people, amount = replayed(steps)
    planned = (before[0] + people, before[1] + amount)
    return Outcome(
        series=series,
        every=every,
        recorded=series.samples[-1],
        planned=planned,
        counted=_await_count(door, code, series.kind, planned=planned),
        walk=walk,
        seconds=time.monotonic() - began,
    )


def told(outcome: Outcome) -> str:
    """What was recorded beside what was counted, as a small table."""
    last = next(scaled([outcome.recorded], every=outcome.every))
    is_money = outcome.series.kind == "money"
    rows = [
        ("", "recorded", f"every {outcome.every}.", "counted"),
        (
            "people",
            f"{outcome.recorded.people:,}",
            f"{last.people:,}",
            f"{outcome.counted[0]:,}",
        ),
    ]
    if is_money:
        recorded, scaled_to, found = (
            f"{minor / 100:,.2f}"
            for minor in (outcome.recorded.amount, last.amount, outcome.counted[1])
        )
        rows.append((outcome.series.currency, recorded, scaled_to, found))
    walk = outcome.walk
    lines = [f"{label:<8}{a:>16}{b:>16}{c:>16}" for label, a, b, c in rows]
    lines.append(
        f"{walk.joined:,} joined and {walk.left:,} withdrew in {outcome.seconds:.1f} s;"
        f" {walk.door.repeats} requests were repeated."
    )
    if walk.latched:
        lines.append(f"{walk.latched} could not withdraw: the campaign had tipped with them in it.")
    lines += [f"{count} were refused: {reason}" for reason, count in walk.refused.items()]
    return "\n".join(lines)


def open_door(email: str, name: str) -> Door:
    """The door of the running site of this home, with an organiser's token.

    Raises SiteRefused if it does not run.
    """
    if not is_running(home()):
        raise SiteRefused("The site does not run; start it with `countmein up`.")
    enter_django(home())
    from django.conf import settings

    from countmein.members.actions import token_for

    return Door(settings.SITE_URL, token=token_for(email=email, name=name))


def terms_now(series: Series, *, every: int) -> dict[str, Any]:
    """The terms for a series, counted from the site's time."""
    from countmein.base.clock import site_now

    return terms(series, every=every, now=site_now())


def launch(door: Door, said: dict[str, Any], *, language: str = "en-gb") -> str:
    """Draft and launch a campaign through the API, and return its code. Raises SiteRefused."""
    # A new key each time: the same campaign may be launched twice on purpose.
    key = secrets.token_hex(8)
    keyed = {"Accept-Language": language, "Idempotency-Key": key}
    reply = door.ask("POST", "/api/v1/campaigns", said, headers=keyed)
    if reply.status == 201:
        code, keyed = str(reply.body["code"]), {"Idempotency-Key": f"{key}-launch"}
        reply = door.ask("POST", f"/api/v1/campaigns/{code}/launch", headers=keyed)
        if reply.status == 200:
            return code
    raise SiteRefused(f"{said['title']!r} was refused: {reply.status} {reply.body}")


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="countmein replay")
    parser.add_argument("file", type=Path, metavar="FILE", help="a recorded series (CSV)")
    parser.add_argument("--campaign", metavar="CODE", help="an open one; else one is launched")
    parser.add_argument("--speed", type=float, metavar="X", help="X times as fast as recorded")
    parser.add_argument("--people", type=int, default=3000, help="at most so many at a time")
    parser.add_argument("--every", type=int, metavar="N", help="every N-th member")
    chosen = parser.parse_args(arguments)
    if chosen.people < 1 or (chosen.every or 1) < 1 or (chosen.speed or 1) <= 0:
        parser.error("--people and --every are at least 1, --speed is above 0")
    return chosen


def _require_open(door: Door, code: str, *, kind: str) -> None:
    reply = door.ask("GET", f"/api/v1/campaigns/{code}")
    if reply.status != 200:
        raise SiteRefused(f"There is no campaign {code}.")
    if kind not in reply.body["kinds"] or reply.body["confirm"] != "none":
        raise SiteRefused(f"Campaign {code} must take {kind} and ask for no confirmation by mail.")


def counted(door: Door, code: str, kind: str) -> tuple[int, int]:
    """People and amount of a kind in a campaign's tally."""
    tally = door.get(f"/api/v1/campaigns/{code}")["tally"]
    return tally["people"], tally["sum"][kind]


def _await_count(door: Door, code: str, kind: str, *, planned: tuple[int, int]) -> tuple[int, int]:
    deadline = time.monotonic() + _COUNT_SECONDS
    while (found := counted(door, code, kind)) != planned and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
