"""A small plot: scales, axes and marks as SVG text. Colours are CSS classes, so that a page sets them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from model.bars import Array
from model.harmless import html as escape

Format = Callable[[float], str]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, about `count` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    digits = 12 - math.floor(math.log10(step))
    return [round(i * step, digits) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def telling_apart(values: Sequence[float], extra: int = 0) -> Format:
    """A form of numbers with the digits that tell the neighbours among `values` apart, and so many more."""
    largest = max((abs(value) for value in values), default=0.0)
    apart = min((b - a for a, b in itertools.pairwise(values)), default=largest)
    if not largest or apart <= 0:
        return lambda v: f"{v:,.4g}"
    places = -math.floor(math.log10(apart) + 1e-9)
    places += extra + (round(apart * 10.0**places, 6) % 1 > 0)
    if largest < 1e-3:
        digits = max(0, places + math.floor(math.log10(largest)))
        return lambda v: f"{v:.{digits}e}"
    return lambda v: f"{v:,.{max(0, places)}f}"


def span(*values: Array | Sequence[float], pad: float = 0.05) -> tuple[float, float]:
    """Lowest and highest of all values with some room; NaN is left out."""
    parts = [np.asarray(v, float) for v in values]
    together = np.concatenate([p[np.isfinite(p)] for p in parts]) if parts else np.array([])
    if not len(together):
        return 0.0, 1.0
    low, high = float(together.min()), float(together.max())
    room = (high - low) * pad or abs(high) * pad or 1.0
    return low - room, high + room


class Plot:
    """An SVG drawing with linear scales.

    Args:
        width, height: in pixels, axes included.
        x, y: lowest and highest data value.
        left, right, top, bottom: margins in pixels.
    """

    def __init__(
        self,
        width: int,
        height: int,
        x: tuple[float, float],
        y: tuple[float, float],
        left: int = 46,
        right: int = 14,
        top: int = 14,
        bottom: int = 28,
    ) -> None:
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = left, width - right, top, height - bottom
        self._x, self._y = x, y
        self._parts: list[str] = []

    def px(self, value: float) -> float:
        """Data x to pixels."""
        low, high = self._x
        return self.left + (value - low) / (high - low or 1) * (self.right - self.left)

    def py(self, value: float) -> float:
        """Data y to pixels."""
        low, high = self._y
        return self.bottom - (value - low) / (high - low or 1) * (self.bottom - self.top)

    def raw(self, part: str) -> None:
        """Add SVG as it is."""
        self._parts.append(part)

    def line(self, xs: Array, ys: Array, cls: str) -> None:
        """A line, broken where a value is missing."""
        path, pen = [], False
        for x, y in zip(xs, ys, strict=True):
            if not math.isfinite(y):
                pen = False
                continue
            path.append(f"{'L' if pen else 'M'}{self.px(float(x)):.1f} {self.py(float(y)):.1f}")
            pen = True
        self.raw(f'<path class="{cls}" d="{"".join(path)}"/>')

    def band(self, xs: Array, low: Array, high: Array, cls: str) -> None:
        """A filled area between two lines; rows with a missing bound are left out."""
        good = np.isfinite(low) & np.isfinite(high)
        points = [(self.px(float(x)), self.py(float(y))) for x, y in zip(xs[good], high[good], strict=True)]
        points += [(self.px(float(x)), self.py(float(y))) for x, y in zip(xs[good][::-1], low[good][::-1], strict=True)]
        if points:
            self.raw(f'<path class="{cls}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}Z"/>')

    def dot(self, x: float, y: float, cls: str, title: str = "", radius: float = 4) -> None:
        """A dot with a tooltip."""
        if math.isfinite(x) and math.isfinite(y):
            tip = f"<title>{escape(title)}</title>" if title else ""
            center = f'cx="{self.px(x):.1f}" cy="{self.py(y):.1f}"'
            self.raw(f'<circle class="{cls}" {center} r="{radius}">{tip}</circle>')

    def whisker(self, x: float, low: float, high: float, cls: str) -> None:
        """A vertical error bar with caps."""
        if math.isfinite(low) and math.isfinite(high):
            at, top, bottom = self.px(x), self.py(high), self.py(low)
            caps = "".join(f"M{at - 4:.1f} {y:.1f}h8" for y in (top, bottom))
            self.raw(f'<path class="{cls}" d="M{at:.1f} {top:.1f}V{bottom:.1f}{caps}"/>')

    def rect(self, x0: float, x1: float, y0: float, y1: float, cls: str, title: str = "") -> None:
        """A rectangle in data coordinates."""
        left, right = sorted((self.px(x0), self.px(x1)))
        top, bottom = sorted((self.py(y0), self.py(y1)))
        tip = f"<title>{escape(title)}</title>" if title else ""
        size = f'width="{max(right - left, 0.5):.1f}" height="{max(bottom - top, 0.5):.1f}"'
        self.raw(f'<rect class="{cls}" x="{left:.1f}" y="{top:.1f}" {size} rx="2">{tip}</rect>')

    def text(self, x: float, y: float, words: str, cls: str = "t", anchor: str = "start") -> None:
        """Text at a place in pixels."""
        self.raw(f'<text class="{cls}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>')

    def y_axis(self, values: Sequence[float], form: Format) -> None:
        """Grid lines and labels on the left."""
        for value in values:
            at = self.py(value)
            self.raw(f'<path class="grid" d="M{self.left} {at:.1f}H{self.right}"/>')
            self.text(self.left - 7, at + 4, form(value), "t num", "end")

    def x_axis(self, values: Sequence[float], form: Format) -> None:
        """Labels below; the outermost stay inside the drawing."""
        for value in values:
            at = self.px(value)
            anchor = "start" if at < self.left + 14 else "end" if at > self.right - 14 else "middle"
            self.text(at, self.bottom + 18, form(value), "t num", anchor)

    def level(self, value: float) -> None:
        """A horizontal reference line."""
        at = self.py(value)
        self.raw(f'<path class="ref" d="M{self.left} {at:.1f}H{self.right}"/>')

    def svg(self, label: str) -> str:
        """The finished drawing; `label` says in words what it shows."""
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        body = "".join(self._parts)
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label)}">{body}</svg>'
