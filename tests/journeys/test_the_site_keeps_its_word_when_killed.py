"""Sixty cards are being charged when a part dies: every one is charged once, and all are told."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live import Live, Story, launch, running

pytestmark = pytest.mark.slow

CROWD = 60
#: Slow enough that a death falls into the middle of the settle.
CHARGES_PER_SECOND = 20


@pytest.fixture(scope="module")
def paced() -> Iterator[Live]:
    """A site that charges at the pace of a real provider."""
    with running(CHARGES_PER_SECOND=str(CHARGES_PER_SECOND)) as site:
        yield site


@pytest.fixture(scope="module")
def token(paced: Live) -> str:
    """Ana's token on that site."""
    return paced.token("ana@example.org", "Ana")


def crowd(site: Live, token: str) -> Story:
    """Sixty people pledge 10 euros each; the last of them tips it."""
    story = launch(
        site,
        token,
        title="Sixty chairs",
        kinds=["money"],
        currency="EUR",
        rule={"people": CROWD},
    )

    def pay(number: int) -> None:
        story.join(f"p{number}", kind="money", amount=1000, payment_method="pm_card_visa")

    with ThreadPoolExecutor(4) as people:
        list(people.map(pay, range(CROWD)))
    return story


def in_the_middle(story: Story) -> None:
    """Wait until some cards are charged; not all of them are."""
    story.live.until(lambda: story.charged(), 60)
    assert 0 < len(story.charged()) < CROWD


def all_once(story: Story) -> None:
    """Everybody was charged once and nobody told twice, and the campaign tipped once."""
    seen = story.until("settled", seconds=60)
    story.live.rest()
    assert [1000] * CROWD == story.charged()
    assert {"money": CROWD * 1000} == seen["collected"]
    assert ["open", "tipped", "settling", "settled"] == [step["state"] for step in seen["history"]]
    # What a dead sender had claimed is sent by another when the claim is two minutes old. The one
    # message on the wire when it died may have arrived: that one is never sent again.
    story.live.until(lambda: CROWD - 1 <= sum(told(story)), 60)
    assert 1 == max(told(story))


def told(story: Story) -> list[int]:
    """How many mails each of them got."""
    return [len(story.live.mails(story.address(f"p{number}"))) for number in range(CROWD)]


@pytest.mark.parametrize("part", ["work", "serve-web", "postgres"])
def test_a_part_killed_in_the_middle_of_a_settle(paced: Live, token: str, part: str) -> None:
    """Killed without a word, it comes back, and what it was doing is done once."""
    story = crowd(paced, token)
    in_the_middle(story)
    dead = paced.part(part)
    os.kill(dead, signal.SIGKILL)
    paced.until(lambda: paced.is_ready() and paced.part(part) not in (0, dead), 30)
    all_once(story)


def test_a_site_stopped_in_the_middle_of_a_settle(paced: Live, token: str) -> None:
    """It stops within ten seconds; started again it has kept all, and goes on."""
    story = crowd(paced, token)
    in_the_middle(story)
    assert 10 > paced.stop()
    paced.start()
    assert CROWD == story.view()["tally"]["people"]
    all_once(story)
    assert "The site keeps its word." in paced.countmein("self-check")
