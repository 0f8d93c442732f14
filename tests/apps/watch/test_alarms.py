"""Alarms: each fault is planted and found, each is a row and a letter once."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client

from countmein.base import backup
from countmein.base.clock import real_now
from countmein.base.ids import uuid7
from countmein.base.metrics import REQUESTS
from countmein.base.models import Heartbeat
from countmein.cli import main
from countmein.ledger.models import Transfer
from countmein.members.models import Organiser
from countmein.outreach.actions import MAILS, park_open
from countmein.outreach.models import Delivery
from countmein.watch import alarms, inspections, looks, rounds
from countmein.watch.certificate import certificate_fault
from countmein.watch.counted import DESK_ACTS
from countmein.watch.models import Alarm, AlarmName, Inspection
from countmein.watch.reports import Reporter
from countmein.watch.rounds import Look, Rounds
from tests.conftest import Launch, Site

TLS = Path(__file__).parents[2] / "vectors" / "tls"


def letters() -> list[str]:
    """The subjects of what was written to owners, whether or not it has been sent."""
    rows = Delivery.objects.all_lanes().filter(topic="alarm").order_by("queued_at")
    return [row.said["subject"] for row in rows]


def test_an_alarm_is_one_row_and_one_letter_until_it_is_over(olga: Organiser) -> None:
    for _look in range(3):
        alarms.settle(AlarmName.DISK, "Nothing left.")
    (alarm,) = alarms.standing()
    assert ["Alarm at Countmein: The disk is nearly full"] == letters()
    alarms.settle(AlarmName.DISK, None)
    assert [] == alarms.standing()
    alarm.refresh_from_db()
    assert alarm.cleared_at is not None


def test_what_comes_and_goes_is_written_about_once_an_hour(olga: Organiser) -> None:
    for _time in range(5):
        alarms.settle(AlarmName.DISK, "Nothing left.")
        alarms.settle(AlarmName.DISK, None)
    assert (5, 1) == (Alarm.objects.count(), len(letters()))
    Alarm.objects.update(told_at=real_now() - timedelta(minutes=61))
    alarms.settle(AlarmName.DISK, "Nothing left.")
    assert 2 == len(letters())


def test_what_still_stands_is_written_about_again_the_next_day(olga: Organiser) -> None:
    alarms.settle(AlarmName.DISK, "Nothing left.")
    for hours, written in ((2, 1), (25, 2)):
        Alarm.objects.update(told_at=real_now() - timedelta(hours=hours))
        alarms.settle(AlarmName.DISK, "Nothing left.")
        assert written == len(letters())


def test_every_owner_is_written_to_and_an_alarm_before_there_is_one_waits(
    db: None,
) -> None:
    alarms.settle(AlarmName.DISK, "Nothing left.")
    assert [] == letters()
    for who in ("olga", "otto"):
        Organiser.objects.create_user(email=f"{who}@example.org", is_owner=True)
    alarms.settle(AlarmName.DISK, "Nothing left.")
    assert 2 == len(letters())


def raise_at_once(settle: Callable[[], Any], *, times: int = 6) -> None:
    """Have as many threads see the same thing at the same moment."""
    barrier = threading.Barrier(times)

    def look() -> None:
        barrier.wait(timeout=30)
        try:
            settle()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_who_see_it_at_once_raise_one_alarm_and_write_one_letter(
    transactional_db: None, olga: Organiser
) -> None:
    for name in (AlarmName.WORKER, AlarmName.DISK, AlarmName.LEDGER):
        raise_at_once(lambda name=name: alarms.settle(name, "Seen."))  # type: ignore[misc]
    assert (3, 3) == (Alarm.objects.count(), len(letters()))


def test_looking_before_writing_is_not_enough(transactional_db: None, olga: Organiser) -> None:
    """The negative control: who looks first and writes then, without the lock, writes too often."""
    alarm = Alarm.objects.create(name=AlarmName.DISK, detail="Seen.", raised_at=real_now())
    everybody_looked = threading.Barrier(4)

    def naive() -> None:
        is_new = not Delivery.objects.all_lanes().filter(topic="alarm").exists()
        everybody_looked.wait(timeout=30)
        if is_new:
            mine = Alarm.objects.get(id=alarm.id)
            mine.letters = int.from_bytes(uuid7().bytes[-2:]) % 30_000
            alarms.post([alarms._to(olga, mine, alarms._letter(mine))])

    raise_at_once(naive, times=4)
    assert len(letters()) > 1


def found(look: Callable[[], looks.Findings | None], name: AlarmName) -> str:
    """What a look says is wrong; it must say so."""
    detail = (look() or {})[name]
    assert detail is not None
    return detail


def test_a_burst_of_failures_is_found(db: None) -> None:
    """Few are not a burst, and many of very many are not either."""
    reporter = Reporter(part="web")
    REQUESTS.add("pages", "campaign", "200", by=30)
    REQUESTS.add("pages", "campaign", "500", by=19)
    reporter.report()
    assert {AlarmName.SERVER_ERRORS: None} == looks.server_errors()
    REQUESTS.add("pages", "campaign", "502")
    reporter.report()
    assert "20 of 50" in found(looks.server_errors, AlarmName.SERVER_ERRORS)
    REQUESTS.add("pages", "campaign", "200", by=951)
    reporter.report()
    assert {AlarmName.SERVER_ERRORS: None} == looks.server_errors()


def test_a_surge_of_acts_at_the_desk_is_found(db: None) -> None:
    reporter = Reporter(part="web")
    DESK_ACTS.add(by=59)
    reporter.report()
    assert {AlarmName.DESK_ACTS: None} == looks.desk_acts()
    DESK_ACTS.add()
    reporter.report()
    assert "60 acts" in found(looks.desk_acts, AlarmName.DESK_ACTS)


def test_a_storm_of_refused_mails_is_found(db: None) -> None:
    reporter = Reporter(part="worker")
    MAILS.add("sent", by=100)
    MAILS.add("refused", by=19)
    reporter.report()
    assert {AlarmName.MAILS_REFUSED: None} == looks.mails_refused()
    MAILS.add("refused")
    reporter.report()
    assert "20 of 120" in found(looks.mails_refused, AlarmName.MAILS_REFUSED)


def test_a_ledger_break_is_found(transactional_db: None, olga: Organiser) -> None:
    """A charge in the books that nobody made, planted between two inspections."""
    assert {AlarmName.LEDGER: None} == inspections.inspect_ledger()
    Inspection.objects.update(at=real_now() + timedelta(hours=1))
    assert inspections.inspect_ledger() is None, "half a minute has not passed"
    Transfer.objects.create(
        lane=1,
        campaign_id=uuid7(),
        entry_id=uuid7(),
        kind="charge",
        source_ref=uuid7(),
        at=real_now(),
        source="card",
        destination="backers",
        amount_minor=700,
        currency="EUR",
    )
    for seconds in (31, 6):
        assert [] == alarms.standing(), "it is looked at twice"
        Inspection.objects.update(at=real_now() - timedelta(seconds=seconds))
        Rounds(looks=rounds.INSPECTIONS[:1]).make()
    (alarm,) = alarms.standing()
    assert "ledger_matches_charges" in alarm.detail
    assert not Inspection.objects.get(name="ledger").ok


def test_the_books_are_inspected_less_often_where_that_takes_long(transactional_db: None) -> None:
    inspections.inspect_ledger()
    past = real_now() - timedelta(seconds=31)
    Inspection.objects.update(at=past, took_seconds=10)
    assert inspections.inspect_ledger() is None


def test_a_count_that_drifted_is_found_at_night_and_its_end_soon_after(
    site: Site, launch: Launch, join: Any
) -> None:
    campaign = launch()
    join(campaign, "ben")
    site.work()
    found = inspections.inspect_all_now()
    assert found[AlarmName.COUNT] is None
    Inspection.objects.update(at=real_now() + timedelta(hours=1))
    assert inspections.inspect_all() is None, "it is not night again"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_crowdtotal SET people = people + 1")
        Inspection.objects.update(at=real_now() - timedelta(hours=25))
        planted = inspections.inspect_all()
        assert planted is not None
        assert "tally_is_sum_of_changes" in (planted[AlarmName.COUNT] or "")
        assert inspections.inspect_all() is None, "ten minutes have not passed"
        cursor.execute("UPDATE campaigns_crowdtotal SET people = people - 1")
    Inspection.objects.update(at=real_now() - timedelta(minutes=11))
    mended = inspections.inspect_all()
    assert mended is not None and mended[AlarmName.COUNT] is None


def test_a_silent_worker_is_found_and_the_letter_goes_without_it(
    site: Site, olga: Organiser
) -> None:
    """A web process looks; no worker ever does anything in this test."""
    watch = Rounds(looks=[Look(look=looks.worker, is_sent_here=True, every_seconds=0)])
    # Ahead, so that no slow machine makes a silence of it.
    ahead = real_now() + timedelta(hours=1)
    Heartbeat.objects.update_or_create(part="worker", defaults={"at": ahead})
    watch.make()
    assert [] == alarms.standing()
    Heartbeat.objects.update(at=real_now() - timedelta(seconds=31))
    before = len(site.mails(olga.email))
    watch.make()
    watch.make()
    assert ["Alarm at Countmein: The worker is silent"] == [
        mail["subject"] for mail in site.mails(olga.email)[before:]
    ]
    Heartbeat.objects.update(at=ahead)
    watch.make()
    assert [] == alarms.standing()


def test_a_worker_that_never_spoke_is_silent_too(db: None) -> None:
    assert "ever" in found(looks.worker, AlarmName.WORKER)


@contextmanager
def shown(certificate: str) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A server that shows a certificate, and what somebody has who believes its issuer."""
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(TLS / certificate)
    theirs = ssl.create_default_context(cafile=str(TLS / certificate))
    import socket

    with socket.create_server(("localhost", 0)) as listening:

        def greet() -> None:
            wire, _ = listening.accept()
            try:
                ours.wrap_socket(wire, server_side=True).close()
            except (ssl.SSLError, OSError):
                wire.close()

        thread = threading.Thread(target=greet)
        thread.start()
        yield f"https://localhost:{listening.getsockname()[1]}", theirs
        thread.join(timeout=30)


@pytest.mark.parametrize(
    ("days", "is_near"), [(365, False), (15, False), (13, True), (1, True)], ids=str
)
def test_a_certificate_is_found_two_weeks_before_its_end(days: int, is_near: bool) -> None:
    ends_at = datetime(2120, 1, 1, tzinfo=UTC)
    with shown("until_2120.pem") as (url, context):
        fault = certificate_fault(url, now=ends_at - timedelta(days=days), context=context)
    assert is_near == (fault is not None), fault


def test_a_certificate_that_has_ended_is_found() -> None:
    with shown("ended_2021.pem") as (url, context):
        fault = certificate_fault(url, now=datetime.now(UTC), context=context)
    assert fault is not None and "expired" in fault


def test_a_certificate_that_nobody_believes_is_found() -> None:
    with shown("until_2120.pem") as (url, _context):
        fault = certificate_fault(url, now=datetime.now(UTC))
    assert fault is not None and "refuse" in fault


def test_a_site_without_https_or_that_is_away_has_no_certificate_to_look_at() -> None:
    now = datetime.now(UTC)
    assert certificate_fault("http://127.0.0.1:8000", now=now) is None
    assert certificate_fault("https://localhost:1", now=now) is None


GIB = 1024**3


@pytest.mark.parametrize(
    ("total", "free", "is_full"),
    [
        (10 * GIB, 0.9 * GIB, True),
        (10 * GIB, 1.1 * GIB, False),
        (100 * GIB, 4.9 * GIB, True),
        (100 * GIB, 5.1 * GIB, False),
        (9000 * GIB, 19 * GIB, True),
        (9000 * GIB, 21 * GIB, False),
    ],
)
def test_a_disk_is_nearly_full_by_its_size(total: int, free: float, is_full: bool) -> None:
    assert is_full == looks.is_nearly_full(total_bytes=total, free_bytes=int(free))


def test_a_nearly_full_disk_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COUNTMEIN_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.disk_usage", lambda _place: (100 * GIB, 96 * GIB, 4 * GIB))
    assert "4.0 GiB are left" in found(looks.disk, AlarmName.DISK)


def test_an_old_backup_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, db: None) -> None:
    """None at all for a while, then one of the night, then that one grows old."""
    assert {AlarmName.BACKUP: None} == looks.backups(), "a site that keeps none"
    monkeypatch.setenv("COUNTMEIN_BACKUP_DIR", str(tmp_path))
    backup.begin(tmp_path, at=real_now())
    assert {AlarmName.BACKUP: None} == looks.backups()
    (tmp_path / "began").write_text(str(real_now() - timedelta(hours=27)))
    assert "27 hours old" in found(looks.backups, AlarmName.BACKUP)
    base = tmp_path / "cluster-1" / "base-1"
    base.mkdir(parents=True)
    for hours, is_old in ((1, False), (30, True)):
        at = (real_now() - timedelta(hours=hours)).isoformat()
        (base / "base.json").write_text(
            f'{{"began_at": "{at}", "finished_at": "{at}", "version": "18.6",'
            ' "first_segment": "000000010000000000000002"}'
        )
        assert is_old == (looks.backups()[AlarmName.BACKUP] is not None)


def test_one_look_that_fails_leaves_the_others_be(db: None) -> None:
    def broken() -> looks.Findings:
        raise RuntimeError("planted")

    def seen() -> looks.Findings:
        return {AlarmName.DISK: "Nothing left."}

    alarms.settle(AlarmName.LEDGER, "stands")
    Rounds(looks=[Look(look=broken), Look(look=seen)]).make()
    assert {"ledger", "disk"} == {alarm.name for alarm in alarms.standing()}


def test_the_desk_shows_what_stands_and_what_is_over(olga: Organiser) -> None:
    browser = Client()
    browser.force_login(olga)
    assert "All is well" in browser.get("/desk/").content.decode()
    alarms.settle(AlarmName.DISK, "Only <4> GiB.")
    alarms.settle(AlarmName.BACKUP, "Old.")
    alarms.settle(AlarmName.BACKUP, None)
    page = browser.get("/desk/").content.decode()
    assert "Only &lt;4&gt; GiB." in page
    assert "The backup is too old" in page
    assert "All is well" not in page


def test_what_waited_in_a_restored_site_is_never_sent(site: Site, olga: Organiser) -> None:
    """Nobody can know whether it went after the instant that was restored."""
    alarm = alarms.settle(AlarmName.DISK, "Nothing left.")
    assert alarm is not None
    before = len(site.mails(olga.email))
    assert (1, 0) == (park_open(), park_open())
    alarms.hand_over(alarm)
    site.work()
    assert before == len(site.mails(olga.email))
    assert ["unknown"] == [row.state for row in Delivery.objects.all_lanes()]


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that `up` started: there is no other site to enter."""
    monkeypatch.setenv("COUNTMEIN_RUN_DIR", "/nowhere")


def test_the_command_lists_what_stands(
    inside: None, olga: Organiser, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (0, "") == (main(["alarms"]), capsys.readouterr().out)
    alarms.settle(AlarmName.DISK, "Nothing left.")
    assert 1 == main(["alarms"])
    assert "disk           Nothing left." in capsys.readouterr().out


def test_a_drill_writes_to_the_owners_once_an_hour(
    inside: None, olga: Organiser, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["alarms", "--drill"])
    assert 1 == main(["alarms", "--drill"])
    assert ["Alarm at Countmein: A drill"] == letters()
    assert [] == alarms.standing()


def test_the_self_check_shows_what_stands_and_judges_the_word_alone(
    inside: None, site: Site, olga: Organiser, capsys: pytest.CaptureFixture[str]
) -> None:
    alarms.settle(AlarmName.DISK, "Nothing left.")
    assert 0 == main(["self-check"])
    assert "alarm   disk" in capsys.readouterr().out
    assert 0 == main(["self-check", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert [("disk", "Nothing left.")] == [(a["name"], a["detail"]) for a in said["alarms"]]
