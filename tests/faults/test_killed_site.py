"""R1, R10, R23 and R44: any process of a busy site is killed, and no acknowledged pledge is lost.

Counted by people outside: what they noted down, the provider's book, the mails that arrived.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from countmein.base import embedded
from tests.faults.auditor import audited
from tests.faults.masses import IS_FULL, size
from tests.faults.pledgers import Note, Pledgers, kept, lost, ten_euros
from tests.faults.rig import PARTS, below, dsn_of, kill, signalled
from tests.live import Live, Story, launch, running

pytestmark = pytest.mark.slow

KILLS = size(20, 200)
#: Pledges acknowledged between two kills.
BETWEEN = size(100, 500)
CLIENTS = size(8, 32)
#: The longest time without an acknowledgement, on a machine that has nothing else to do.
SILENCE_SECONDS = 15.0


@pytest.fixture(scope="module")
def busy() -> Iterator[Live]:
    """A site of its own, for it is killed; the control, which leaves it dead, comes last."""
    with running() as site:
        yield site


@pytest.fixture
def note(tmp_path: Path) -> Iterator[Note]:
    """What the people outside note down."""
    told = Note(tmp_path / "acknowledged")
    yield told
    told.close()


def _petition(site: Live, token: str) -> Story:
    return launch(site, token, title="Everybody signs", rule={"people": 10**9})


def _fund(site: Live, token: str) -> Story:
    """One that tips at once: everybody after the first is charged as they come."""
    terms = {"kinds": ["money"], "currency": "EUR", "rule": {"people": 1}}
    return launch(site, token, title="Everybody pays", **terms)


def test_no_acknowledged_pledge_is_lost_whatever_is_killed(busy: Live, note: Note) -> None:
    """People sign and pay while the parts die at random moments, and all goes on by itself."""
    token, draw = busy.token("ana@example.org", "Ana"), random.Random(1)
    petition, fund = _petition(busy, token), _fund(busy, token)
    # Each part once, then as chance has it; the system starts a dead site again.
    order = [*PARTS, *draw.choices(PARTS, k=KILLS - len(PARTS))]
    silences: list[float] = []
    with (
        audited(dsn_of(busy)),
        Pledgers(busy.url, petition.code, note, clients=CLIENTS) as signers,
        Pledgers(busy.url, fund.code, note, body=ten_euros, prefix="p", clients=2) as payers,
    ):
        note.until_more(BETWEEN)
        for part in order:
            began = time.monotonic()
            kill(busy, part)
            note.until_more(1)
            silences.append(time.monotonic() - began)
            note.until_more(BETWEEN)
    assert [] == [*signers.strange, *payers.strange]
    assert set() == lost(note, dsn_of(busy))
    assert KILLS * BETWEEN <= len(note.codes())
    busy.until(busy.is_ready)
    busy.rest()
    _is_what_was_promised(busy, petition, fund)
    print(f"{len(note)} acknowledged, {KILLS} kills, at most {max(silences):.1f} s to the next")
    assert not IS_FULL or max(silences) <= SILENCE_SECONDS


def _is_what_was_promised(site: Live, petition: Story, fund: Story) -> None:
    """Recounted from the rows at rest: the tallies, the provider's book, the mails."""
    rows = kept(dsn_of(site))
    signed = sum(key.startswith("m") for key in rows)
    paid = sum(key.startswith("p") for key in rows)
    # What a dead worker had claimed is taken up again when its lease has run out.
    site.until(lambda: petition.view()["tally"]["people"] == signed, 60)
    site.until(lambda: {"fulfilled": paid} == _states(site, fund), 120)
    assert paid == fund.view()["tally"]["people"]
    assert [1000] * paid == fund.charged()
    assert {"money": 1000 * paid} == fund.view()["collected"]
    assert 1 == max(_letters(site).values())
    site.self_check()


def _states(site: Live, story: Story) -> dict[str, int]:
    """How many pledges of a campaign are in which state."""
    with psycopg.connect(dsn_of(site)) as connection:
        found = connection.execute(
            "SELECT p.state, count(*) FROM campaigns_pledge p JOIN campaigns_campaign c"
            " ON c.id = p.campaign_id WHERE c.code = %s GROUP BY 1",
            [story.code],
        )
        return dict(found.fetchall())


def _letters(site: Live) -> Counter[tuple[str, str]]:
    """How often each letter reached each of those who paid."""
    mails = site.mails_about("Everybody pays")
    return Counter((str(mail["to"]), mail["subject"]) for mail in mails)


def test_a_site_that_does_not_wait_for_its_disk_loses_what_it_acknowledged(
    busy: Live, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the same kill after somebody has turned synchronous_commit off.

    The database of such a site is refused at the next start, so we look into it without asking.
    """
    petition = _petition(busy, busy.token("ana@example.org", "Ana"))
    _no_longer_wait(dsn_of(busy))
    with Pledgers(busy.url, petition.code, note, prefix="c"):
        note.until_more(300)
        assert busy.process is not None
        signalled(below(busy.process.pid), signal.SIGKILL)
        busy.process.wait()
        busy.process = None
    with pytest.raises(embedded.EmbeddedRefused, match="synchronous_commit is off"):
        embedded.start(busy.home, log=print)
    monkeypatch.setattr(embedded, "require_durable", lambda _dsn: None)
    database = embedded.start(busy.home, log=print)
    try:
        assert lost(note, database.dsn)
    finally:
        database.stop()


def _no_longer_wait(dsn: str) -> None:
    """Let commits return before they are on the disk, in every session from now on."""
    as_superuser = dsn.replace("//countmein@/countmein", "//postgres@/postgres")
    with psycopg.connect(as_superuser, autocommit=True) as connection:
        for statement in (
            "ALTER ROLE countmein SET synchronous_commit = off",
            # It would otherwise save most of them five times a second.
            "ALTER SYSTEM SET wal_writer_delay = '10s'",
            "SELECT pg_reload_conf()",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'countmein'",
        ):
            connection.execute(statement)
