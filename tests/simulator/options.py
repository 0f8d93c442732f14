"""What one run is made of; all of it is drawn from its seed, or given by hand."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

from countmein.rules.conditions import All, AnyOf, Condition, People, PledgeIn, Some, Sum, normal
from countmein.rules.states import Latch, Shortfall

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One run: the campaign, its crowd, and how often, in percent, what goes wrong.

    `rush`: everybody comes, changes their mind and leaves within the same few seconds. What is
    settled is paid out, executed and may fail; poor cards are refused.
    `lost`: a call does not arrive, or its answer does not; `late`: it arrives after its caller
    has given up; `kept_error`: the provider keeps a 500 under its key, done or not; `busy`: it
    asks for patience; `doubled`: a webhook comes up to four times; `lost_hooks`: or never;
    `crash`: a worker dies at a step; `frozen`: it sleeps through its claim and wakes up again.
    """

    seed: int
    members: int = 5
    days: int = 4
    goal: int = 3
    at_deadline: int = 0
    shortfall: str = "release"
    cap: int = 0
    conditions: int = 40
    petitioners: int = 30
    leave: int = 15
    change: int = 15
    poor: int = 25
    cancel: int = 0
    pays_out: int = 0
    executes: int = 0
    fails: int = 0
    rush: int = 0
    lost: int = 8
    late: int = 5
    kept_error: int = 4
    busy: int = 3
    doubled: int = 30
    lost_hooks: int = 15
    crash: int = 3
    frozen: int = 2

    def without(self, name: str) -> Options:
        """The same run with one cause of trouble taken away."""
        return replace(self, **{name: 0})


#: What can be taken away from a failing run to find out what it needs.
TROUBLES: Final = (
    "frozen",
    "crash",
    "lost_hooks",
    "doubled",
    "busy",
    "kept_error",
    "late",
    "lost",
    "fails",
    "executes",
    "pays_out",
    "cancel",
    "change",
    "leave",
    "poor",
    "conditions",
    "petitioners",
    "cap",
    "at_deadline",
    "rush",
)
_CURRENCIES: Final = ("EUR", "JPY", "KWD")


def drawn(seed: int) -> Options:
    """The options that belong to a seed."""
    draw = random.Random(seed)
    members = draw.choice((1, 2, 3, 4, 5, 6, 7, 9, 12))
    calm = draw.random() < 0.1
    troubles = {
        name: 0 if calm else draw.choice(levels)
        for name, levels in {
            "lost": (0, 5, 20),
            "late": (0, 5, 15),
            "kept_error": (0, 3, 10),
            "busy": (0, 3, 10),
            "doubled": (0, 30, 80),
            "lost_hooks": (0, 15, 100),
            "crash": (0, 2, 8),
            "frozen": (0, 2, 6),
        }.items()
    }
    return Options(
        seed=seed,
        members=members,
        days=draw.choice((1, 3, 9)),
        goal=draw.randint(1, max(2, members * 3 // 4)),
        at_deadline=draw.choice((0, 0, 1)),
        shortfall=draw.choice(("release", "topup", "proceed")),
        cap=draw.choice((0, 0, 900, 2000)),
        conditions=draw.choice((0, 40, 80)),
        petitioners=draw.choice((0, 0, 30, 60)),
        leave=draw.choice((0, 10, 30)),
        change=draw.choice((0, 10, 30)),
        poor=draw.choice((0, 20, 60)),
        cancel=draw.choice((0, 0, 0, 100)),
        pays_out=draw.choice((0, 100)),
        executes=draw.choice((0, 100)),
        fails=draw.choice((0, 100)),
        rush=draw.choice((0, 1, 1)),
        **troubles,
    )


def said(options: Options) -> dict[str, Any]:
    """The options as they are printed and kept in seeds.json: only what is not the default."""
    default = Options(seed=-1)
    return {
        name: value
        for name, value in asdict(options).items()
        if name == "seed" or value != getattr(default, name)
    }


def read(kept: dict[str, Any]) -> Options:
    """The options that were kept; a word of an older simulator is refused by name."""
    unknown = kept.keys() - {field.name for field in fields(Options)}
    assert not unknown, f"seeds.json has options that are no more: {unknown}"
    return Options(**kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the organiser launches."""

    code: str
    currency: str
    rule: Condition
    latch: Latch
    shortfall: Shortfall
    cap: dict[str, int]
    deadline: int
    kinds: frozenset[str] = frozenset({"money", "signature"})


def terms_of(options: Options) -> Terms:
    """The campaign of a run."""
    draw = random.Random(options.seed * 7 + 1)
    rule: Condition = People(n=options.goal)
    if draw.random() < 0.3 and options.petitioners < 60:
        rule = All(of=(rule, Sum(kind="money", at_least=200 * options.goal)))
    return Terms(
        code=f"sim{options.seed}",
        currency=draw.choice(_CURRENCIES),
        rule=rule,
        latch=Latch.at_deadline if options.at_deadline else Latch.on_tip,
        shortfall=Shortfall(options.shortfall),
        cap={"money": options.cap} if options.cap else {},
        deadline=options.days * DAY,
    )


def wish(draw: random.Random, *, others: int) -> Condition:
    """What a member asks for, at times of particular others."""
    most = others + 2
    atom = _atom(draw, most)
    roll = draw.random()
    if roll < 0.7:
        return normal(atom)
    second = _atom(draw, most)
    if roll < 0.8:
        return normal(All(of=(atom, second)))
    if roll < 0.9:
        return normal(AnyOf(of=(atom, second)))
    return normal(Some(of=(atom, second, _atom(draw, most)), at_least=2))


def _atom(draw: random.Random, most: int) -> Condition:
    roll = draw.random()
    if roll < 0.6:
        return People(n=draw.randint(1, most))
    if roll < 0.85:
        return Sum(kind="money", at_least=100 * draw.randint(1, 3 * most))
    return PledgeIn(code=f"p{draw.randrange(most)}")
