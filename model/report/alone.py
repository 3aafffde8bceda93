"""Plots as files of their own: the drawing with a title, names of its axes and a legend around it."""

from __future__ import annotations

import dataclasses
import re

from model.harmless import html as escape
from model.report.style import plot_css

TOP, BOTTOM = 66, 26
_SIZE = re.compile(r'viewBox="0 0 (\d+) (\d+)"')


@dataclasses.dataclass(frozen=True)
class Words:
    """What stands around a plot."""

    title: str
    x: str = ""
    y: str = ""
    legend: tuple[tuple[str, str, str], ...] = ()
    """Kind (``line``, ``area``, ``dot``), CSS class and text of each mark."""


MODEL, WHISKER = ("dot", "dot", "model, with its 95 % interval"), "test fold, by its first month"
WORDS = {
    "price": Words(
        "Price and the interval forecast an hour before",
        "day (UTC)",
        "price",
        (
            ("line", "actual", "price that came"),
            ("area", "band", "interval"),
            ("line", "edge", "interval from past returns"),
            ("dot", "miss", "outside"),
        ),
    ),
    "volatility": Words(
        "Hourly volatility: forecast and what came",
        "day (UTC)",
        "volatility of the hour, % of the price",
        (("line", "thin", "came"), ("line", "model", "model"), ("line", "other", "seasonal HAR")),
    ),
    "direction_calibration": Words(
        "Direction: can the probabilities be believed?",
        "forecast probability of a rise",
        "share of hours that rose",
        (("dot", "dot", "tenth of the hours, with 95 % interval"), ("line", "ref", "right")),
    ),
    "volatility_calibration": Words(
        "Volatility: can the forecasts be believed?",
        "forecast volatility (logarithmic)",
        "volatility that came (geometric mean)",
        (("dot", "dot", "fifteenth of the hours, with 95 % interval"), ("line", "ref", "right")),
    ),
    "auc_by_fold": Words(
        "Direction by fold", WHISKER, "area under the ROC curve", (MODEL, ("dot", "dot2", "logistic regression"))
    ),
    "volatility_by_fold": Words(
        "Volatility by fold", WHISKER, "squared error saved against the seasonal HAR", (MODEL,)
    ),
    "return_by_fold": Words("Return by fold", WHISKER, "squared error saved against zero", (MODEL,)),
    "coverage_by_fold": Words("Interval by fold", WHISKER, "share of prices inside", (MODEL,)),
    "coverage_by_hour": Words("Interval by hour", "hour of the day (UTC)", "share of prices inside", (MODEL,)),
    "coverage_by_regime": Words(
        "Interval by regime", "fifth of the forecast volatility", "share of prices inside", (MODEL,)
    ),
    "error_by_hour": Words(
        "Volatility by hour", "hour of the day (UTC)", "squared error saved against the seasonal HAR", (MODEL,)
    ),
    "error_by_regime": Words(
        "Volatility by regime",
        "fifth of the forecast volatility",
        "squared error saved against the seasonal HAR",
        (MODEL,),
    ),
    "volatility_by_month": Words(
        "Volatility by month",
        "month",
        "squared error saved against the seasonal HAR",
        (("line", "model", "three months rolling"),),
    ),
    "direction_by_month": Words(
        "Direction by month",
        "month",
        "log loss saved against the base rate",
        (("line", "model", "three months rolling"),),
    ),
    "importance_direction": Words(
        "What direction rests on",
        "mean absolute SHAP value, log-odds",
        "feature",
        (("area", "bar", "last test hours"),),
    ),
    "importance_volatility": Words(
        "What volatility rests on, beyond HAR",
        "mean absolute SHAP value, log variance",
        "feature",
        (("area", "bar", "last test hours"),),
    ),
    "walk_forward": Words(
        "Training and test periods", "month", "fold", (("area", "bar2", "trained on"), ("area", "bar", "tested on"))
    ),
}


def _mark(kind: str, cls: str, x: float, y: float) -> str:
    if kind == "line":
        return f'<path class="{cls}" d="M{x} {y}h22"/>'
    if kind == "area":
        return f'<rect class="{cls}" x="{x}" y="{y - 6}" width="22" height="12" rx="2"/>'
    return f'<circle class="{cls}" cx="{x + 11}" cy="{y}" r="4"/>'


def wrap(svg: str, words: Words) -> str:
    """The drawing in a larger one, with everything that a reader needs who sees nothing else."""
    match = _SIZE.search(svg)
    if match is None:
        return svg
    width, height = int(match[1]), int(match[2])
    parts = [f'<text x="14" y="24" class="ink" style="font-size:16px;font-weight:650">{escape(words.title)}</text>']
    x = 14.0
    for kind, cls, text in words.legend:
        parts.append(f'{_mark(kind, cls, x, 42)}<text x="{x + 28}" y="46">{escape(text)}</text>')
        x += 44 + 6.6 * len(text)
    parts.append(f'<text x="14" y="{TOP - 2}" style="font-style:italic">{escape(words.y)}</text>')
    below = f'x="{width / 2:.0f}" y="{TOP + height + 14}" text-anchor="middle" style="font-style:italic"'
    parts.append(f"<text {below}>{escape(words.x)}</text>")
    tall = TOP + height + BOTTOM
    inner = svg.replace("<svg ", f'<svg y="{TOP}" ', 1)
    label = f"{words.title}: {words.y} by {words.x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {tall}" width="{width}" height="{tall}" '
        f'role="img" aria-label="{escape(label)}"><title>{escape(label)}</title><style>{plot_css()}</style>'
        f"{''.join(parts)}{inner}</svg>"
    )
