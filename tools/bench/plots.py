"""Line plots with logarithmic axes as SVG, without a library: small files for light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT = 640, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 48
_LEGEND, _EACH = 180, 136
"""The x position of the legend, and the width of each entry."""

_COLOURS = ("#2563eb", "#dc2626", "#059669", "#b45309", "#7c3aed")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#334155}.grid{stroke:#94a3b8;stroke-opacity:.35}"
    "@media(prefers-color-scheme:dark){text{fill:#cbd5e1}}"
)


def plot(title: str, across: str, up: str, lines: Mapping[str, Points]) -> str:
    """SVG text. ``lines`` are points (x, y), all above 0, by name; ``across`` and ``up`` name the axes."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    place_x, place_y = _scale(xs, _LEFT, _WIDTH - _RIGHT), _scale(ys, _HEIGHT - _BOTTOM, _TOP)
    drawn = [_text(_LEFT, 18, title, "start"), _text((_WIDTH + _LEFT) / 2, _HEIGHT - 8, across)]
    drawn.append(f'<g transform="rotate(-90 14 {_HEIGHT / 2:g})">{_text(14, _HEIGHT / 2, up)}</g>')
    for x in _ticks(xs):
        drawn += (_line(place_x(x), _TOP, place_x(x), _HEIGHT - _BOTTOM), _text(place_x(x), _HEIGHT - 30, _short(x)))
    for y in _ticks(ys):
        drawn += (
            _line(_LEFT, place_y(y), _WIDTH - _RIGHT, place_y(y)),
            _text(_LEFT - 6, place_y(y) + 4, _short(y), "end"),
        )
    for number, (name, points) in enumerate(lines.items()):
        colour, places = _COLOURS[number % len(_COLOURS)], [(place_x(x), place_y(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>')
        drawn += (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        place = _LEFT + _LEGEND + _EACH * number
        drawn.append(f'<rect x="{place}" y="12" width="12" height="3" fill="{colour}"/>')
        drawn.append(_text(place + 18, 18, name, "start"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
    return "\n".join([head, f"<title>{_plain(title)}</title><style>{_STYLE}</style>", *drawn, "</svg>", ""])


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    low, high = _bounds(values)

    def place(value: float) -> float:
        return start + (end - start) * (math.log10(value) - low) / (high - low)

    return place


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """log10 of the smallest and the largest value, with a margin at both ends."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.06 * (high - low), 0.05)
    return low - room, high + room


def _ticks(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 times each power of ten, or only the powers if that would be too many."""
    low, high = _bounds(values)
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    made = [step * 10.0**power for power in powers for step in steps]
    return [value for value in made if low <= math.log10(value) <= high]


def _short(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_plain(text)}</text>'


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
