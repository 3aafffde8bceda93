"""Line plots as SVG, with logarithmic axes: time, requests and memory over the number of resources."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 70, 150, 40, 50
FONT = 'font-family="sans-serif" font-size="12"'
COLOURS = ("#0b6e4f", "#7b42bc", "#c05621", "#2b6cb0")
Points = Sequence[tuple[float, float]]


class _Axis:
    """Maps values to pixels, by their logarithm, with ticks at 1, 2 and 5 times powers of ten."""

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        self.low, self.high = min(values) / 1.3, max(values) * 1.3
        self.first, self.last = first, last

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.first + share * (self.last - self.first)

    @property
    def ticks(self) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        candidates = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        return [tick for tick in candidates if self.low <= tick <= self.high]


def plot(title: str, across: str, up: str, series: Mapping[str, Points]) -> str:
    """The SVG of some lines. series: name to points (x, y), all above 0."""
    points = [point for line in series.values() for point in line]
    x = _Axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = _Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>',
        f'<text transform="translate(16,{HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(up)}</text>',
    ]
    for tick in y.ticks:
        at = y.at(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e2e2e2"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for value in sorted({point[0] for point in points}):
        at = x.at(value)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e2e2e2"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    for colour, (name, line) in zip(COLOURS, series.items(), strict=False):
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3" fill="{colour}"/>' for a, b in line]
        a, b = line[-1]
        out.append(f'<text x="{x.at(a) + 8:.1f}" y="{y.at(b) + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])


def write(path: Path, title: str, up: str, series: Mapping[str, Points]) -> None:
    """Write one plot over the number of resources."""
    path.write_text(plot(title, "resources", up, series))
