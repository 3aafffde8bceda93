"""The plots of a run. Each takes the run and a width, so that it can be drawn for a wide and a narrow screen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from model.bars import Array
from model.report import alone, folds, slices
from model.report.shap import importance
from model.report.svg import Format, Plot, span, telling_apart, ticks
from model.report.times import day, day_ticks, forecast_hours, last_rows, month
from model.run import Run

WIDE, NARROW, HALF = 1000, 342, 480
Figure = Callable[["Run", int], str]
Group = tuple[float, float, float, int]
"""Mean forecast, mean outcome, its standard error, and size of a group of hours."""


def price(run: Run, width: int) -> str:
    """The last test days: the price, the interval forecast for it an hour before, and what fell outside."""
    wide = width > NARROW
    rows = last_rows(run, 24 * (10 if wide else 4))
    f, close, x = run.result.forecasts, run.bars.close[rows], forecast_hours(run, rows)
    after, low, high, base_low, base_high = (
        close * np.exp(v[rows]) for v in (run.targets.ret, f.lower, f.upper, f.base_lower, f.base_upper)
    )
    y = span(low, high, after, base_low, base_high)
    plot = Plot(width, 340 if wide else 280, (x[0], x[-1]), y, left=58)
    marks = ticks(*y, 6)
    plot.y_axis(marks, telling_apart(marks))
    exact = telling_apart(marks, extra=2)
    plot.x_axis(day_ticks(x, 10 if wide else 4), day)
    plot.band(x, low, high, "band")
    plot.line(x, base_low, "edge")
    plot.line(x, base_high, "edge")
    plot.line(x, after, "actual")
    for at, value, bottom, top in zip(x, after, low, high, strict=True):
        if not bottom <= value <= top:
            tip = f"{day(at)} {at % 24:02.0f}:00 UTC: {exact(value)} outside {exact(bottom)} to {exact(top)}"
            plot.dot(at, value, "miss", tip, 3.2)
    return plot.svg("Price of the last test days with the interval that was forecast an hour before")


def volatility(run: Run, width: int) -> str:
    """Hourly volatility of the last test days: what came, the forecast, and the seasonal HAR's."""
    wide = width > NARROW
    rows = last_rows(run, 24 * (10 if wide else 4))
    f, x = run.result.forecasts, forecast_hours(run, rows)
    actual, model, har = (100 * np.exp(v[rows] / 2) for v in (run.targets.lv, f.lv, f.lv_lhar))
    top = float(np.nanpercentile(actual, 99.5)) * 1.1
    plot = Plot(width, 300 if wide else 240, (x[0], x[-1]), (0, top))
    plot.y_axis(ticks(0, top, 4), lambda v: f"{v:g} %")
    plot.x_axis(day_ticks(x, 10 if wide else 4), day)
    plot.line(x, np.minimum(actual, top), "thin")
    plot.line(x, har, "other")
    plot.line(x, model, "model")
    return plot.svg("Hourly volatility that came, as forecast by the model and by the seasonal HAR")


def groups(score: Array, outcome: Array, count: int) -> list[Group]:
    """`count` groups of equal size by score."""
    order = np.argsort(score, kind="stable")
    result = []
    for part in np.array_split(order, count):
        if len(part) > 1:
            error = float(outcome[part].std(ddof=1) / math.sqrt(len(part)))
            result.append((float(score[part].mean()), float(outcome[part].mean()), error, len(part)))
    return result


def direction_calibration(run: Run, width: int) -> str:
    """How often the price rose, by the probability that was given to it."""
    f, up = run.result.forecasts, run.targets.up
    good = np.isfinite(f.p_up) & np.isfinite(up)
    points = groups(f.p_up[good], up[good], 10)
    label = "Share of hours that rose, by forecast probability"
    return _calibration(width, points, None, lambda v: f"{v * 100:.3g} %", label)


def volatility_calibration(run: Run, width: int) -> str:
    """Volatility that came, by the forecast; both as geometric means, on a logarithmic scale."""
    f, lv = run.result.forecasts, run.targets.lv
    good = np.isfinite(f.lv) & np.isfinite(lv)
    points = groups(f.lv[good], lv[good], 15)
    marks = [2 * math.log(v / 100) for v in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)]
    label = "Mean log variance that came, by forecast"
    return _calibration(width, points, marks, lambda v: f"{100 * math.exp(v / 2):.2g} %", label)


def _calibration(width: int, points: list[Group], marks: Sequence[float] | None, form: Format, label: str) -> str:
    mid = np.array([g[1] for g in points])
    bars = 1.96 * np.array([g[2] for g in points])
    extent = span([g[0] for g in points], mid - bars, mid + bars)
    plot = Plot(width, 300, extent, extent, left=52)
    labels = ticks(*extent, 5) if marks is None else [m for m in marks if extent[0] <= m <= extent[1]]
    plot.y_axis(labels, form)
    plot.x_axis(labels, form)
    corners = [f"{plot.px(v):.1f} {plot.py(v):.1f}" for v in extent]
    plot.raw(f'<path class="ref" d="M{corners[0]}L{corners[1]}"/>')
    for x, y, error, size in points:
        plot.whisker(x, y - 1.96 * error, y + 1.96 * error, "whisk")
        plot.dot(x, y, "dot", f"forecast {form(x)}, came {form(y)} ({size:,} hours)")
    return plot.svg(label)


def walk(run: Run, width: int) -> str:
    """What each fold trained and tested on."""
    rows = len(run.folds)
    plot = Plot(width, 24 * rows + 36, (0, len(run.bars)), (rows, 0), left=46, top=4)
    for k, fold in enumerate(run.folds):
        test = fold.test_stop - fold.test_start
        plot.rect(0, fold.train_stop, k + 0.2, k + 0.8, "bar2", f"trained on {fold.train_stop:,} hours")
        plot.rect(fold.test_start, fold.test_stop, k + 0.2, k + 0.8, "bar", f"tested on {test:,} hours")
        plot.text(plot.left - 8, plot.py(k + 0.5) + 4, f"fold {k + 1}", "t", "end")
    first = forecast_hours(run, np.array([0]))[0]
    places = np.linspace(0, len(run.bars), 6 if width > NARROW else 3)
    plot.x_axis([float(v) for v in places], lambda v: month(first + v))
    return plot.svg("Training and test periods of each fold")


PLOTS: dict[str, Figure] = {
    "price": price,
    "volatility": volatility,
    "direction_calibration": direction_calibration,
    "volatility_calibration": volatility_calibration,
    "auc_by_fold": folds.auc,
    "volatility_by_fold": folds.volatility,
    "return_by_fold": folds.returns,
    "coverage_by_fold": folds.coverage,
    "coverage_by_hour": slices.coverage_by_hour,
    "coverage_by_regime": slices.coverage_by_regime,
    "error_by_hour": slices.error_by_hour,
    "error_by_regime": slices.error_by_regime,
    "volatility_by_month": slices.volatility_by_month,
    "direction_by_month": slices.direction_by_month,
    "importance_direction": lambda run, width: importance(run, width, "direction"),
    "importance_volatility": lambda run, width: importance(run, width, "volatility"),
    "walk_forward": walk,
}
BROAD = ("price", "volatility", "walk_forward")


def standalone(run: Run) -> dict[str, bytes]:
    """Every plot as an SVG file that opens by itself; file names to contents."""
    plots = {name: draw(run, WIDE if name in BROAD else 640) for name, draw in PLOTS.items()}
    return {
        f"plots/{name}.svg": alone.wrap(svg, alone.WORDS[name]).encode()
        for name, svg in plots.items()
        if svg.startswith("<svg")
    }
