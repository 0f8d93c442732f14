"""Twenty reads to one pledge on a hot campaign, and fifty quiet ones that must not feel it."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Sequence

from bench.figures import Asked, Findings
from bench.load import Job, Kind, Report, begin, get, run
from bench.pledges import KEY, pledge_kinds
from bench.site import Campaign, Site, running

_CONNECTIONS = 64
_QUIET = 50
#: Of all quiet campaigns together: a reader or a pledge each second, at each of them.
_QUIET_RATE = 50.0
_READS = 20


def measure(asked: Asked) -> Findings:
    """Rounds of quiet alone, quiet beside hot, and a static file; `size` is the quiet campaigns."""
    found, quiet_count = Findings(), asked.size_or(_QUIET)
    with running() as site:
        hot = site.launch(title="The hot one")
        quiet = [site.launch(title=f"A quiet one, {n}") for n in range(quiet_count)]
        load = _Mixed(site, found, hot, quiet, asked.seconds)
        load.warm_up()
        for _ in range(asked.rounds):
            load.idle()
            load.hot_beside()
            load.static()
        load.verify()
        found.require(not (faults := site.self_check()), ", ".join(faults))
    idle, hot_p99 = found.middle("quiet p99, idle"), found.middle("quiet p99, beside the hot one")
    found.add("quiet p99, hot to idle", hot_p99 / idle, "×", at_most=2)
    share = found.middle("reads") / found.middle("static file") * 100
    found.add("share of the static file's rate", share, "%")
    return found


class _Mixed:
    """One site with a hot campaign and quiet ones."""

    def __init__(
        self,
        site: Site,
        found: Findings,
        hot: Campaign,
        quiet: Sequence[Campaign],
        seconds: float,
    ) -> None:
        self._site, self._found, self._seconds = site, found, seconds
        self._hot, self._quiet = hot, quiet
        self._next = 1
        self._taken = self._unanswered = 0
        page = urllib.request.urlopen(f"{site.url}/c/{hot.code}/").read().decode()
        style = re.search(r'href="(/static/[^"]+\.css)"', page)
        assert style is not None
        self._style = style[1]

    def warm_up(self) -> None:
        """The first requests find cold code; they are not measured, but must be rows too."""
        self._note(self.quiet_beside()())

    def idle(self) -> None:
        """The quiet campaigns alone."""
        report = self.quiet_beside()()
        self._note(report)
        self._found.add("quiet p99, idle", _p99(report), "ms")

    def hot_beside(self) -> None:
        """The same, while the hot one is read and pledged to as fast as it goes."""
        before = self._site.processor_seconds()
        await_quiet = self.quiet_beside()
        report = run(self._job(self._hot_kinds(), connections=_CONNECTIONS))
        quiet = await_quiet()
        used = self._site.processor_seconds() - before
        self._note(quiet)
        self._note(report)
        pledges = [kind for name, kind in report.kinds.items() if name.startswith("pledge")]
        taken = sum(kind.of(201) for kind in pledges)
        found, reads = self._found, report.kinds["read"]
        found.add("reads", reads.of(200) / report.seconds, "1/s", at_least=3_000)
        found.add("pledges", taken / report.seconds, "1/s")
        found.add("reads p99", reads.p99_ms, "ms")
        found.add("pledges p99", max(kind.p99_ms for kind in pledges), "ms")
        found.add("quiet p99, beside the hot one", _p99(quiet), "ms")
        each = max(1, sum(kind.answered for kind in report.kinds.values()))
        for part in ("web", "database"):
            found.add(f"CPU, {part}", used[part] / each * 1e6, "µs each")
        others = {
            f"{name}: {status}": count
            for name, kind in report.kinds.items()
            for status, count in kind.statuses.items()
            if status not in ("200", "201")
        }
        found.facts["other answers"] = found.facts.get("other answers", {}) | others

    def static(self) -> None:
        """A style sheet, as the same server gives it."""
        kind = Kind(name="static", request=get(self._style, port=self._site.port))
        report = run(self._job([kind], connections=_CONNECTIONS))
        rate = report.kinds["static"].of(200) / report.seconds
        self._found.add("static file", rate, "1/s", role="limit")

    def quiet_beside(self) -> Callable[[], Report]:
        """Begin the quiet load; call what is returned to await it."""
        port, kinds = self._site.port, []
        for campaign in self._quiet:
            kinds.append(Kind(name="read", request=get(f"/c/{campaign.code}/", port=port)))
            kinds.append(pledge_kinds(campaign.code, port=port)[0])
        return begin(self._job(kinds, connections=8, rate=_QUIET_RATE))

    def verify(self) -> None:
        """As many pledges are rows as were acknowledged."""
        found, taken = self._found, self._taken
        rows = self._site.ask(
            "SELECT count(*) FROM campaigns_pledge WHERE key LIKE %s", f"{KEY[:-1]}%"
        )
        most = taken + self._unanswered
        found.require(taken <= rows <= most, f"{taken} pledges acknowledged, {rows} rows")
        found.facts["acknowledged"] = taken

    def _hot_kinds(self) -> list[Kind]:
        port, code = self._site.port, self._hot.code
        read = Kind(name="read", request=get(f"/c/{code}/", port=port), share=_READS)
        return [read, pledge_kinds(code, port=port)[0]]

    def _job(self, kinds: Sequence[Kind], *, connections: int, rate: float = 0.0) -> Job:
        first, self._next = self._next, self._next + 10**6
        return Job(
            host="127.0.0.1",
            port=self._site.port,
            kinds=kinds,
            connections=connections,
            seconds=self._seconds,
            rate=rate,
            first=first,
        )

    def _note(self, report: Report) -> None:
        for name, kind in report.kinds.items():
            if name.startswith("pledge"):
                self._taken += kind.of(201)
                self._unanswered += kind.unanswered


def _p99(report: Report) -> float:
    return max(kind.p99_ms for kind in report.kinds.values())
