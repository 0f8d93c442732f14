"""One seed, one run; many seeds, the ones that fail; and what a failing one really needs."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.simulator.bugs import BUGS
from tests.simulator.crowd import Crowd
from tests.simulator.options import DAY, HOUR, TROUBLES, Options, drawn, terms_of
from tests.simulator.promises import Broken, Promises
from tests.simulator.site import Site
from tests.simulator.world import World

#: The faults go on for so long after the deadline, then everything must settle.
_FAULTS_LAST = 12 * DAY
_CALM_LASTS = 24 * HOUR
#: More steps than any run takes: beyond, it goes round in circles.
_STEPS = 40_000


@dataclass(frozen=True, slots=True)
class Run:
    """What a run came to; `failure` is what was broken, empty if nothing was."""

    options: Options
    end: str
    steps: int
    failure: str = ""
    trace: tuple[str, ...] = ()


def run(options: Options, *, bug: str = "", is_traced: bool = False) -> Run:
    """Simulate one campaign from its launch to its end."""
    world = World(options)
    world.trace = [] if is_traced else None
    site = BUGS[bug](world, terms_of(options)) if bug else Site(world, terms_of(options))
    failure = ""
    try:
        _live(world, site)
    except Broken as broken:
        failure = str(broken)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        failure = f"{type(error).__name__} in {where.name}: {error}"
    return Run(options, str(site.c.state), world.steps, failure, tuple(world.trace or ()))


def _live(world: World, site: Site) -> None:
    promises = Promises(site, Crowd(world, site))
    site.wake()
    ends = world.options.days * DAY + _FAULTS_LAST
    while (at := world.next_at()) is not None and at < ends:
        _step(world, promises)
    world.is_calm = True
    site.wake()
    worked = 0
    while (at := world.next_at()) is not None:
        # Only work counts: what waits for a day that the law gives is not late.
        worked += 0 if site.is_at_rest() else at - world.t
        if worked > _CALM_LASTS:
            raise Broken("everything_settles: not within 24 hours without faults")
        _step(world, promises)
    promises.at_rest()


def _step(world: World, promises: Promises) -> None:
    world.step()
    promises.look()
    if world.steps > _STEPS:
        raise Broken("everything_settles: it goes round in circles")


def failing(seeds: Iterable[int], *, bug: str = "") -> list[Run]:
    """The runs of these seeds that break a promise."""
    runs = (run(drawn(seed), bug=bug) for seed in seeds)
    return [each for each in runs if each.failure]


def minimal(options: Options, *, bug: str = "") -> Options:
    """The same failing run with everything taken away that it does not need to fail."""
    for name in TROUBLES:
        less = options.without(name)
        if less != options and run(less, bug=bug).failure:
            options = less
    while options.members > 1:
        fewer = replace(options, members=options.members - 1)
        if not run(fewer, bug=bug).failure:
            break
        options = fewer
    return options
