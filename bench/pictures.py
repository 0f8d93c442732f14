"""Small pictures of figures: bars and curves as SVG, readable on light and on dark paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

_WIDTH = 720
_LABEL = 300
_ROW = 26
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222 }
.faint { fill: #666 } .axis { stroke: #bbb }
.ours { fill: #0b7261; stroke: #0b7261 } .peer { fill: #b3541e; stroke: #b3541e }
.limit { fill: #8a8f98; stroke: #8a8f98 } .curve { fill: none; stroke-width: 2 }
.c0 { stroke: #0b7261 } .c1 { stroke: #b3541e } .c2 { stroke: #4a62b8 } .c3 { stroke: #9a3d8c }
.c4 { stroke: #8a8f98 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e6e6 } .faint { fill: #aaa } .axis { stroke: #555 }
  .ours { fill: #3fc1a8; stroke: #3fc1a8 } .peer { fill: #f0945c; stroke: #f0945c }
  .c0 { stroke: #3fc1a8 } .c1 { stroke: #f0945c } .c2 { stroke: #8fa4f3 }
  .c3 { stroke: #d987cd }
}
"""


def bars(rows: Sequence[tuple[str, float, str]], *, unit: str) -> str:
    """Bars on a logarithmic scale: label, value, and role (ours, limit or peer) of each."""
    shown = [row for row in rows if row[1] > 0]
    least = min(value for _, value, _ in shown) / 2
    span = math.log(max(value for _, value, _ in shown) / least)
    room = _WIDTH - _LABEL - 110
    parts = []
    for place, (label, value, role) in enumerate(shown):
        top = place * _ROW + 6
        length = room * math.log(value / least) / span
        parts.append(
            f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(label)}</text>'
        )
        parts.append(
            f'<rect class="{role}" x="{_LABEL}" y="{top}" width="{length:.1f}" height="18"/>'
        )
        said = f"{value:,.4g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"
        parts.append(f'<text x="{_LABEL + length + 8:.1f}" y="{top + 14}">{escape(said)}</text>')
    title = "; ".join(f"{label}: {value:,.4g} {unit}" for label, value, _ in shown)
    return _svg(parts, height=len(shown) * _ROW + 12, title=title)


def curves(lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, unit: str) -> str:
    """Curves on two logarithmic scales, named beside their last point."""
    left, right, top, bottom = 70, _WIDTH - 190, 16, 270
    xs = [x for _, points in lines for x, _ in points]
    ys = [max(y, 1e-3) for _, points in lines for _, y in points]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys) * 1.01))
    across, up = math.log(max(xs) / min(xs)) or 1, math.log(high / low)

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (right - left) * math.log(x / min(xs)) / across,
            bottom - (bottom - top) * math.log(max(y, 1e-3) / low) / up,
        )

    parts = []
    tick = float(low)
    while tick <= high * 1.01:
        _, y = place(min(xs), tick)
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="faint" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tick:g} {escape(unit)}</text>"
        )
        tick *= 10
    for x in sorted(set(xs)):
        at, _ = place(x, low)
        parts.append(
            f'<text class="faint" x="{at:.1f}" y="{bottom + 20}" text-anchor="middle">'
            f"{x:,.0f}</text>"
        )
    ends = []
    for number, (_, points) in enumerate(lines):
        found = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in found)
        parts.append(f'<polyline class="curve c{number % 5}" points="{path}"/>')
        ends.append((found[-1][1], number))
    free = 0.0
    # Names do not lie on one another: each moves down as far as it must.
    for y, number in sorted(ends):
        free = max(y + 4, free + 15)
        parts.append(f'<text x="{right + 10}" y="{free:.1f}">{escape(lines[number][0])}</text>')
        parts.append(
            f'<line class="curve c{number % 5}" x1="{right}" y1="{y:.1f}" x2="{right + 8}"'
            f' y2="{free - 4:.1f}"/>'
        )
    return _svg(parts, height=bottom + 30, title=", ".join(name for name, _ in lines))


def _svg(parts: Sequence[str], *, height: float, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}"'
        f' role="img"><title>{escape(title)}</title><style>{_STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
