"""Pledges a second that are acknowledged on one hot campaign, beside what the database can do at
most and what plain Django does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import locking
from bench.figures import Asked, Findings
from bench.inserts import Inserts
from bench.load import Job, Report, run
from bench.pledges import KEY, pledge_kinds
from bench.site import Campaign, Site, running

CONNECTIONS = 64
#: How long we wait for the tally at most; the goal is 2 s.
_PATIENCE_SECONDS = 60.0
_TALLY_SECONDS = 2.0
_TIP_SECONDS = 4.0
_TIPPED_AFTER = """
    SELECT extract(epoch FROM g.tipped_at - (
        SELECT at FROM campaigns_pledge WHERE lane = %s AND campaign_id = %s
        ORDER BY at, id OFFSET %s LIMIT 1))::float8
    FROM campaigns_gate g WHERE g.lane = %s AND g.id = %s"""

#: Whether the ratio to the locking view is a condition of the bench, not only a figure.
REQUIRES_RATIO = False
RATIO_AT_LEAST = 20.0


def measure(asked: Asked) -> Findings:
    """Alternating rounds of everything, on one site."""
    found = Findings()
    with running() as site, locking.running(site.dsn) as (peer_pid, peer_port):
        plain, conditional = site.launch(), site.launch(title="Everybody, if others are")
        hot = _Hot(site, found, asked.seconds)
        hot.warm_up(plain)
        hot.warm_up(conditional)
        inserts = Inserts(site.dsn, plain)
        _peer(site, found, 1.0, (peer_pid, peer_port), is_noted=False)
        for _ in range(asked.rounds):
            hot.round(plain, "unconditional")
            hot.round(conditional, "conditional")
            hot.tip()
            _peer(site, found, asked.seconds, (peer_pid, peer_port))
            _limits(inserts, found, asked.seconds / 2)
        hot.verify()
        _verify_peer(site, found)
        found.require(not (faults := site.self_check()), ", ".join(faults))
    _ratios(found)
    return found


class _Hot:
    """The site under load, and what it acknowledged."""

    def __init__(self, site: Site, found: Findings, seconds: float) -> None:
        self._site, self._found, self._seconds = site, found, seconds
        self._file: Path = site.home / "acknowledged"
        self._next = 1
        self._rate = 0.0
        self._acknowledged: dict[str, int] = {}
        self._unanswered: dict[str, int] = {}
        self._campaigns: dict[str, Campaign] = {}
        self._refused: dict[str, int] = {}
        self._lost = 0

    def warm_up(self, campaign: Campaign) -> None:
        """The first requests find cold code; they are not measured, but must be rows too."""
        self._load(campaign, conditions=True, seconds=min(1.0, self._seconds))
        self._counted(campaign)
        self._look_for_lost(campaign)

    def round(self, campaign: Campaign, name: str) -> None:
        """One round on one campaign."""
        found, before = self._found, self._site.processor_seconds()
        report = self._load(campaign, conditions=name == "conditional", seconds=self._seconds)
        after = self._site.processor_seconds()
        counted = self._counted(campaign)
        self._look_for_lost(campaign)
        taken = max(1, _of(report, 201))
        self._rate = taken / report.seconds
        goal: dict[str, Any] = {"at_least": 10_000} if name == "unconditional" else {}
        found.add(f"{name} pledges", taken / report.seconds, "1/s", **goal)
        answers = report.kinds.values()
        found.add(f"{name} p50", max(kind.p50_ms for kind in answers), "ms")
        found.add(f"{name} p99", max(kind.p99_ms for kind in answers), "ms", at_most=25)
        found.add(f"{name} longest", max(kind.max_ms for kind in answers), "ms")
        used = {part: (after[part] - before[part]) / taken * 1e6 for part in after}
        own = used["web"] + used["database"]
        found.add(f"{name} CPU, app and database", own, "µs each", at_most=100)
        for part, label in (("web", "app"), ("database", "database"), ("worker", "worker")):
            found.add(f"{name} CPU, {label}", used[part], "µs each")
        client = report.processor_seconds / max(1, report.sent) * 1e6
        found.add(f"{name} CPU, load generator", client, "µs each")
        found.add(f"{name} tally exact after", counted, "s", at_most=_TALLY_SECONDS)

    def tip(self) -> None:
        """How long after the pledge that made the rule true a campaign tips, in the flood."""
        seconds = min(_TIP_SECONDS, self._seconds)
        wanted = max(10, int(self._rate * seconds / 2))
        campaign = self._site.launch(title="Half of them are enough", rule={"people": wanted})
        self._load(campaign, conditions=False, seconds=seconds)
        asked = (campaign.lane, campaign.id)
        waited = self._site.until(
            lambda: self._site.ask(_TIPPED_AFTER, *asked, wanted - 1, *asked) is not None,
            seconds=_PATIENCE_SECONDS,
        )
        self._found.require(waited < _PATIENCE_SECONDS, "a campaign whose rule holds did not tip")
        self._look_for_lost(campaign)
        after = self._site.ask(_TIPPED_AFTER, *asked, wanted - 1, *asked)
        self._found.add("tips after the pledge that was missing", after, "s", at_most=2)

    def _load(self, campaign: Campaign, *, conditions: bool, seconds: float) -> Report:
        job = Job(
            host="127.0.0.1",
            port=self._site.port,
            kinds=pledge_kinds(campaign.code, port=self._site.port, conditions=conditions),
            connections=CONNECTIONS,
            seconds=seconds,
            first=self._next,
            acknowledged=str(self._file),
        )
        report = run(job)
        # Numbers that were given out and never sent stay unused.
        self._next += report.sent + CONNECTIONS
        self._note(campaign, report)
        return report

    def _note(self, campaign: Campaign, report: Report) -> None:
        code = campaign.code
        self._campaigns[code] = campaign
        self._acknowledged[code] = self._acknowledged.get(code, 0) + _of(report, 201)
        unanswered = sum(kind.unanswered for kind in report.kinds.values())
        self._unanswered[code] = self._unanswered.get(code, 0) + unanswered
        for kind in report.kinds.values():
            for status, count in kind.statuses.items():
                if status != "201":
                    self._refused[status] = self._refused.get(status, 0) + count

    def _look_for_lost(self, campaign: Campaign) -> None:
        self._lost += self._site.lost(campaign, self._file, key=KEY)

    def _counted(self, campaign: Campaign) -> float:
        """How long after the last answer the tally counts at least everybody acknowledged."""
        wanted = self._acknowledged[campaign.code]
        return self._site.until(
            lambda: _tally(self._site, campaign) >= wanted, seconds=_PATIENCE_SECONDS, pause=0.02
        )

    def verify(self) -> None:
        """Every acknowledged pledge is a row, no refused one is, and the tally counts each row."""
        found, site = self._found, self._site
        for code, campaign in self._campaigns.items():
            rows = site.ask(
                "SELECT count(*) FROM campaigns_pledge WHERE lane = %s AND campaign_id = %s",
                campaign.lane,
                campaign.id,
            )
            taken, open_ = self._acknowledged[code], self._unanswered[code]
            found.require(taken <= rows <= taken + open_, f"{taken} taken, {rows} rows")
            is_exact = site.until(
                lambda c=campaign, n=rows: _tally(site, c) == n, seconds=_PATIENCE_SECONDS
            )
            found.require(is_exact < _PATIENCE_SECONDS, "the tally never was the number of rows")
        found.require(not self._lost, f"{self._lost} acknowledged pledges have no row")
        found.facts["acknowledged"] = sum(self._acknowledged.values())
        found.facts["acknowledged and lost"] = self._lost
        found.facts["unanswered"] = sum(self._unanswered.values())
        found.facts["other answers"] = self._refused


def _peer(
    site: Site, found: Findings, seconds: float, peer: tuple[int, int], *, is_noted: bool = True
) -> None:
    pid, port = peer
    before = site.processor_seconds(pid)
    if is_noted:
        _PEER_NEXT[0] += 10**6
    report = run(
        Job(
            host="127.0.0.1",
            port=port,
            kinds=pledge_kinds("peer", port=port, conditions=True),
            connections=CONNECTIONS,
            seconds=seconds,
            first=_PEER_NEXT[0],
        )
    )
    after = site.processor_seconds(pid)
    taken = max(1, _of(report, 201))
    found.facts["acknowledged by the peer"] = found.facts.get("acknowledged by the peer", 0) + _of(
        report, 201
    )
    if not is_noted:
        return
    found.add("locking Django view, pledges", taken / report.seconds, "1/s", role="peer")
    p99 = max(kind.p99_ms for kind in report.kinds.values())
    found.add("locking Django view, p99", p99, "ms", role="peer")
    used = sum(after[part] - before[part] for part in ("peer", "database")) / taken * 1e6
    found.add("locking Django view, CPU", used, "µs each", role="peer")


_PEER_NEXT = [1]


def _limits(inserts: Inserts, found: Findings, seconds: float) -> None:
    for batch, connections, name in (
        (500, 2, "500 rows a commit, 2 connections"),
        (1, 32, "1 row a commit, 32 connections"),
    ):
        rate = inserts.per_second(batch=batch, connections=connections, seconds=seconds)
        found.add(f"raw inserts, {name}", rate, "1/s", role="limit")


def _verify_peer(site: Site, found: Findings) -> None:
    with site.database() as connection:
        peer = locking.counted(connection)
    taken = found.facts["acknowledged by the peer"]
    found.require(peer["counter"] == peer["rows"] >= taken, f"the peer miscounted: {peer}, {taken}")


def _ratios(found: Findings) -> None:
    ours = found.middle("unconditional pledges")
    ratio = ours / found.middle("locking Django view, pledges")
    found.add("times the locking Django view", ratio, "×", at_least=30)
    limit = ours / found.middle("raw inserts, 500 rows a commit, 2 connections")
    found.add("share of raw batched inserts", limit * 100, "%")
    if REQUIRES_RATIO:
        found.require(ratio >= RATIO_AT_LEAST, f"only {ratio:.1f} times the locking view")


def _of(report: Report, status: int) -> int:
    return sum(kind.of(status) for kind in report.kinds.values())


def _tally(site: Site, campaign: Campaign) -> int:
    counted = site.ask(
        "SELECT people + waiting_people FROM campaigns_tally WHERE lane = %s AND id = %s",
        campaign.lane,
        campaign.id,
    )
    return int(counted or 0)
