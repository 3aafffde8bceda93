"""Coverage and error by hour of the day and by regime, skill by month, and what an edge has to cost to vanish."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model import evaluate, stats
from model.bars import Array
from model.report.svg import Format, Plot, span, ticks
from model.report.times import month
from model.run import Run
from model.stats import Estimate

REGIMES = ("calmest", "calm", "middle", "wild", "wildest")
"""Fifths of the hours by forecast volatility."""
MONTHS = 3
"""Calendar months that a point of the skill by month is over."""
Groups = npt.NDArray[np.int64]


def hours(run: Run) -> tuple[Groups, list[str]]:
    """The hour of the day of each row's forecast."""
    return (run.targets.week_hour % 24).astype(np.int64), [f"{h:02d}" for h in range(24)]


def regimes(run: Run) -> tuple[Groups, list[str]]:
    """Which fifth of the tested hours each is in by forecast volatility; -1 for hours that weren't tested."""
    lv = run.result.forecasts.lv
    good = np.isfinite(lv)
    fifths = np.full(len(lv), -1, dtype=np.int64)
    if good.any():
        fifths[good] = np.searchsorted(np.quantile(lv[good], [0.2, 0.4, 0.6, 0.8]), lv[good])
    return fifths, list(REGIMES)


def _block(count: int) -> int:
    """Rows of a group that may depend on each other: those of 72 hours, of which an hour of the day has 3."""
    return stats.BLOCK // 24 if count == 24 else stats.BLOCK


def covered(run: Run, group: Groups, count: int) -> list[Estimate]:
    """Share of prices inside the interval in each of `count` groups."""
    f, ret = run.result.forecasts, run.targets.ret
    good = np.isfinite(f.lower) & np.isfinite(f.upper) & np.isfinite(ret)
    inside = ((ret >= f.lower) & (ret <= f.upper)).astype(np.float64)
    hits = (inside[good & (group == k)] for k in range(count))
    return [stats.ratio(hit, np.ones(len(hit)), _block(count)) for hit in hits]


def saved(run: Run, group: Groups, count: int) -> list[Estimate]:
    """Squared error of the log variance that is saved against the seasonal HAR, in each group."""
    f, lv = run.result.forecasts, run.targets.lv
    loss, baseline_loss = (lv - f.lv) ** 2, (lv - f.lv_lhar) ** 2
    good = np.isfinite(loss) & np.isfinite(baseline_loss)
    groups = (good & (group == k) for k in range(count))
    return [stats.ratio((baseline_loss - loss)[rows], baseline_loss[rows], _block(count)) for rows in groups]


def _percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def _plot(values: list[Estimate], names: list[str], width: int, level: float, words: str, label: str) -> str:
    y = span([level], *([e.low, e.high, e.value] for e in values), pad=0.1)
    plot = Plot(width, 250, (-0.6, len(values) - 0.4), y, right=66)
    plot.y_axis(ticks(*y, 4), _percent)
    step = 1 if (plot.right - plot.left) / len(values) > 44 or len(values) < 6 else 3
    for k, (e, name) in enumerate(zip(values, names, strict=True)):
        plot.whisker(k, e.low, e.high, "whisk")
        plot.dot(k, e.value, "dot", f"{name}: {_percent(e.value)} ({_percent(e.low)} to {_percent(e.high)})", 4)
        if k % step == 0:
            plot.text(plot.px(k), plot.bottom + 18, name, "t num", "middle")
    plot.level(level)
    plot.text(plot.right + 5, plot.py(level) + 4, words)
    return plot.svg(label)


def coverage_by_hour(run: Run, width: int) -> str:
    """Coverage of the interval by hour of the day, with 95 % intervals."""
    group, names = hours(run)
    values = covered(run, group, len(names))
    return _plot(
        values, names, width, run.settings.coverage, "nominal", "Coverage of the interval by hour of the day (UTC)"
    )


def coverage_by_regime(run: Run, width: int) -> str:
    """Coverage of the interval by fifth of the forecast volatility."""
    group, names = regimes(run)
    values = covered(run, group, len(names))
    return _plot(
        values, names, width, run.settings.coverage, "nominal", "Coverage of the interval by forecast volatility"
    )


def error_by_hour(run: Run, width: int) -> str:
    """Volatility: squared error saved by hour of the day."""
    group, names = hours(run)
    label = "Squared error of volatility saved by hour of the day (UTC)"
    return _plot(saved(run, group, len(names)), names, width, 0.0, "baseline", label)


def error_by_regime(run: Run, width: int) -> str:
    """Volatility: squared error saved by fifth of the forecast."""
    group, names = regimes(run)
    label = "Squared error of volatility saved by forecast volatility"
    return _plot(saved(run, group, len(names)), names, width, 0.0, "baseline", label)


def by_month(run: Run, loss: Array, baseline_loss: Array) -> tuple[Array, Array]:
    """Share of the baseline's loss that is saved in each calendar month and the `MONTHS` - 1 before it.

    Returns:
        The months' middles as hours since 1970, and the shares; a month without `MONTHS` - 1 before it has none.
    """
    good = np.isfinite(loss) & np.isfinite(baseline_loss)
    coming = run.bars.time[good] + np.timedelta64(3600, "s")
    number = coming.astype("datetime64[M]").astype(np.int64)
    if not len(number):
        return np.empty(0), np.empty(0)
    first, count = int(number.min()), int(number.max() - number.min()) + 1
    sums = [np.bincount(number - first, part[good], count) for part in (loss, baseline_loss)]
    rolled = [np.convolve(part, np.ones(MONTHS), "valid") for part in sums]
    with np.errstate(all="ignore"):
        share = 1 - rolled[0] / rolled[1]
    months = (first + np.arange(MONTHS - 1, count)).astype("datetime64[M]")
    return months.astype("datetime64[h]").astype(np.float64) + 360, np.asarray(share)


def _months(run: Run, width: int, loss: Array, baseline_loss: Array, label: str) -> str:
    x, y = by_month(run, loss, baseline_loss)
    if len(x) < 2:
        return f'<p class="soft">Skill by month needs a test of more than {MONTHS} months.</p>'
    bounds = span([0.0], y, pad=0.1)
    plot = Plot(width, 250, (x[0], x[-1]), bounds, right=66)
    form: Format = _percent
    plot.y_axis(ticks(*bounds, 4), form)
    marks = x[:: max(1, len(x) // (6 if width > 500 else 3))]
    plot.x_axis([float(v) for v in marks], month)
    plot.level(0.0)
    plot.text(plot.right + 5, plot.py(0.0) + 4, "baseline")
    plot.line(x, y, "model")
    for at, value in zip(x, y, strict=True):
        plot.dot(float(at), float(value), "dot", f"{MONTHS} months to {month(float(at))}: {form(value)}", 3)
    return plot.svg(label)


def volatility_by_month(run: Run, width: int) -> str:
    """Volatility: squared error saved against the seasonal HAR, three months rolling."""
    f, lv = run.result.forecasts, run.targets.lv
    label = f"Squared error of volatility saved, {MONTHS} months rolling"
    return _months(run, width, (lv - f.lv) ** 2, (lv - f.lv_lhar) ** 2, label)


def direction_by_month(run: Run, width: int) -> str:
    """Direction: log loss saved against the base rate, three months rolling."""
    f, up = run.result.forecasts, run.targets.up
    label = f"Log loss of direction saved against the base rate, {MONTHS} months rolling"
    return _months(run, width, evaluate.log_loss(up, f.p_up), evaluate.log_loss(up, f.p_base), label)


def break_even(ret: Array, p_up: Array, seed: int) -> Estimate:
    """What a unit of turnover may cost before holding the called side for an hour gains nothing.

    The position is 1 or -1 by the side of `p_up`; turning it round is two units. Rows in order, NaN left out.

    Returns:
        The sum of the gains over that of the turnover, as a share of the price.
    """
    good = np.isfinite(ret) & np.isfinite(p_up)
    position = np.where(p_up[good] > 0.5, 1.0, -1.0)
    turnover = np.abs(np.diff(position, prepend=0.0))
    return stats.quotient(position * ret[good], turnover, seed)
