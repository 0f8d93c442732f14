"""A recorded series becomes single members who add up to the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countmein.cli.recordings import RECORDINGS, recorded_file
from countmein.cli.series import (
    Sample,
    Series,
    SeriesRefused,
    Step,
    every_nth,
    plan,
    read_series,
)


@st.composite
def recordings(draw: st.DrawFn) -> Series:
    """Any crowd that comes and goes, in jumps, with at least a dollar each."""
    samples, people = [], 0
    for at in range(draw(st.integers(1, 12))):
        people = draw(st.integers(0, people + 40))
        dollars = sum(draw(st.lists(st.integers(1, 900), min_size=people, max_size=people)))
        samples.append(Sample(at=float(at), people=people, amount=dollars * 100))
    return Series(name="drawn", kind="money", currency="USD", samples=tuple(samples))


def walked(steps: Sequence[Step]) -> list[tuple[float, dict[int, int]]]:
    """Who is in with how much after each step."""
    live: dict[int, int] = {}
    seen = []
    for step in steps:
        for number in step.leaving:
            del live[number]
        live |= {joining.number: joining.amount for joining in step.joining}
        seen.append((step.at, dict(live)))
    return seen


@given(series=recordings(), every=st.integers(1, 9))
def test_members_add_up_to_the_record_within_one_unit(series: Series, every: int) -> None:
    """At every step people and amounts are recorded / N; nobody pledges nothing."""
    samples = {sample.at: sample for sample in series.samples}
    seen = walked(plan(series, every=every))
    for at, live in seen:
        assert abs(samples[at].people / every - len(live)) < 1
        assert abs(samples[at].amount / every - sum(live.values())) < 1
        assert min(live.values(), default=1) >= 1
    last = series.samples[-1]
    people = len(seen[-1][1]) if seen else 0
    amount = sum(seen[-1][1].values()) if seen else 0
    assert (-(-last.people // every), last.amount // every) == (people, amount)


@given(series=recordings())
def test_a_plan_is_the_same_each_time(series: Series) -> None:
    """An interrupted replay can be walked again under the same keys."""
    assert plan(series, every=2) == plan(series, every=2)


def test_a_fall_of_the_record_is_somebody_who_leaves() -> None:
    """The recorded purge of 75,169 signatures is in the plan, to the last of every N-th member."""
    series = read_series(recorded_file("eu_ref_131215"))
    steps = plan(series, every=100)
    purge = max(steps, key=lambda step: len(step.leaving))
    assert len(purge.leaving) in (751, 752)


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_every_recording_can_be_scaled_to_a_demo(name: str) -> None:
    """At most 3,000 people at a time, ending where the record ends."""
    if not recorded_file(name).exists():
        pytest.skip("only the samples come with the project")
    series = read_series(recorded_file(name))
    every = every_nth(series, most_people=3000)
    seen = walked(plan(series, every=every))
    assert max(len(live) for _at, live in seen) <= 3000
    last = series.samples[-1]
    assert abs(last.amount / every - sum(seen[-1][1].values())) < 1


def test_the_samples_end_where_the_record_ends() -> None:
    """The samples that come with the project are short, and true."""
    here = Path(recordings_module_file()).parent / "samples"
    grim_dawn = read_series(here / "grim-dawn.csv").samples[-1]
    assert (12_457, 537_515_00) == (grim_dawn.people, grim_dawn.amount)
    assert 4_095_690 == read_series(here / "eu_ref_131215.csv").samples[-1].people


def recordings_module_file() -> str:
    """Where the samples lie."""
    from countmein.cli import recordings as module

    return str(module.__file__)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "unix_time,backers,pledged_usd\n1,x,3\n"])
def test_a_file_that_is_no_series_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    """Empty, unknown columns, no numbers."""
    file = tmp_path / "wrong.csv"
    file.write_text(text)
    with pytest.raises(SeriesRefused, match=r"wrong\.csv"):
        read_series(file)
