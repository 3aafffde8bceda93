"""Plots of skill by fold, with error bars."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model.evaluate import SEASONAL
from model.report.svg import Format, Plot, span, ticks
from model.report.times import forecast_hours, month
from model.run import Run
from model.stats import Estimate

Value = Callable[[int], tuple[Estimate, float | None]]
"""From a fold's number to its score and, if there is one, a rival's."""


def _plot(run: Run, width: int, of: Value, form: Format, level: float, words: str, label: str) -> str:
    values = [of(k) for k in range(len(run.folds))]
    rivals = [rival for _, rival in values if rival is not None]
    y = span([level], rivals, *([e.low, e.high, e.value] for e, _ in values), pad=0.1)
    plot = Plot(width, 250, (-0.6, len(values) - 0.4), y, right=66)
    plot.y_axis(ticks(*y, 4), form)
    for k, (estimate, rival) in enumerate(values):
        begin = month(float(forecast_hours(run, np.array([run.folds[k].test_start]))[0]))
        tip = f"fold {k + 1} from {begin}: {form(estimate.value)} ({form(estimate.low)} to {form(estimate.high)})"
        plot.whisker(k, estimate.low, estimate.high, "whisk")
        plot.dot(k, estimate.value, "dot", tip, 4.5)
        if rival is not None:
            plot.dot(k + 0.22, rival, "dot2", f"logistic regression: {form(rival)}", 3.6)
        room = (plot.right - plot.left) / len(values)
        plot.text(plot.px(k), plot.bottom + 18, begin if room > 44 else str(k + 1), "t num", "middle")
    at = plot.py(level)
    plot.raw(f'<path class="ref" d="M{plot.left} {at:.1f}H{plot.right}"/>')
    plot.text(plot.right + 5, at + 4, words)
    return plot.svg(label)


def _percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def _skill(run: Run, target: str, baseline: str) -> Value:
    def of(fold: int) -> tuple[Estimate, None]:
        skills = (c.skill for c in run.by_fold[fold].comparisons if (c.target, c.baseline) == (target, baseline))
        return next(skills), None

    return of


def auc(run: Run, width: int) -> str:
    """AUC of each fold with its interval; logistic regression beside it."""

    def of(fold: int) -> tuple[Estimate, float]:
        estimates = run.by_fold[fold].estimates
        return estimates["direction_auc"], estimates["direction_auc_logistic"].value

    return _plot(run, width, of, lambda v: f"{v:.3f}", 0.5, "a coin", "Direction AUC by fold with 95 % intervals")


def volatility(run: Run, width: int) -> str:
    """Squared error saved against the seasonal HAR, by fold."""
    label = "Squared error of volatility saved against the seasonal HAR, by fold"
    return _plot(run, width, _skill(run, "volatility", SEASONAL), _percent, 0.0, "baseline", label)


def returns(run: Run, width: int) -> str:
    """Squared error of returns saved against zero, by fold."""
    label = "Squared error of returns saved against zero, by fold"
    return _plot(run, width, _skill(run, "return", "zero"), _percent, 0.0, "zero", label)


def coverage(run: Run, width: int) -> str:
    """Share of prices inside the interval, by fold."""

    def of(fold: int) -> tuple[Estimate, None]:
        return run.by_fold[fold].estimates["price_coverage"], None

    label = "Coverage of the price interval by fold"
    return _plot(run, width, of, _percent, run.settings.coverage, "nominal", label)
