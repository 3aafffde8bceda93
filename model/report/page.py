"""The report: one HTML file with everything in it, for a browser without a network."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from model.evaluate import RECENT
from model.harmless import html as escape
from model.report import data_checks, now, slices, words
from model.report.parts import area, baselines, cards, details, dot, figure, line, pair, table
from model.report.style import page_css
from model.run import Run
from model.stats import Estimate

BAND = (
    "The band is made at the start of each hour. It is narrow where the volatility forecast is low and wide where it "
    "is high; the dashed one, from past returns alone, keeps its width."
)
SAVED = (
    "Saved is the share of the baseline's loss that the model saves, with a block bootstrap interval; p is from a "
    "two-sided Diebold-Mariano test. Skill means that both agree at 95 %; slight skill is a saving below half a per "
    "cent."
)
DIRECTION = (
    "Share of hours that rose, by tenth of the forecast probability, with 95 % intervals. On the diagonal, the "
    "probabilities can be believed."
)


def _top(run: Run) -> str:
    settings = run.settings
    parts = [
        words.source(run),
        f"run {settings.run_id}" if settings.run_id else "",
        f"code {settings.code_version}" if settings.code_version else "",
    ]
    meta = " · ".join(escape(part) for part in parts if part)
    lead = f'<p class="lead">{escape(words.lead(run))}</p>'
    return f'<h1>Forecasts of the next hour</h1><p class="meta">{meta}</p>{now.panel(run)}{lead}{cards(run)}'


def _price(run: Run) -> str:
    nominal = words.percent(run.settings.coverage, 0)
    key = (
        line("actual", "price that came"),
        area("band", f"{nominal} interval, forecast an hour before"),
        line("edge", "interval from past returns"),
        dot("miss", "outside"),
    )
    plot = figure(run, "price", "The last test days", BAND, key)
    return f"<h2>The price with its interval</h2><p>{escape(words.levels(run))}</p>{plot}"


def _volatility(run: Run) -> str:
    key = (line("thin", "came"), line("model", "model"), line("other", "seasonal HAR"))
    caption = "Square root of the Garman-Klass variance of each hour, in per cent of the price."
    plot = figure(run, "volatility", "Hourly volatility, the last test days", caption, key)
    return f"<h2>Volatility against what came</h2>{plot}"


def _folds(run: Run) -> str:
    key = (dot("dot", "model, with 95 % interval"), dot("dot2", "logistic regression"))
    nominal = words.percent(run.settings.coverage, 0)
    text = f"{words.trend(run)} Each fold is trained on all that came before it, and tested on what follows."
    first = pair(
        figure(run, "auc_by_fold", "Direction: AUC", key=key, half=True),
        figure(
            run,
            "volatility_by_fold",
            "Volatility: saved against the seasonal HAR",
            key=key[:1],
            half=True,
        ),
    )
    second = pair(
        figure(run, "return_by_fold", "Return: squared error saved against zero", half=True),
        figure(run, "coverage_by_fold", f"Interval: coverage, nominal {nominal}", half=True),
    )
    return f"<h2>Skill by fold</h2><p>{escape(text.strip())}</p>{first}{second}"


def _slices(run: Run) -> str:
    whole = slices.break_even(run.targets.ret[_tested(run)], run.result.forecasts.p_up[_tested(run)], run.settings.seed)
    late = _tested(run)[run.result.forecasts.fold[_tested(run)] >= len(run.folds) - RECENT]
    recent = slices.break_even(run.targets.ret[late], run.result.forecasts.p_up[late], run.settings.seed)
    cost = (
        f"Holding the side that direction calls for each hour would earn nothing if a unit of turnover cost "
        f"{_points(whole)}; in the last {RECENT} folds {_points(recent)}. What an exchange takes is usually more."
    )
    first = pair(
        figure(run, "coverage_by_hour", "Interval: coverage by hour (UTC)", half=True),
        figure(run, "coverage_by_regime", "Interval: coverage by forecast volatility", half=True),
    )
    second = pair(
        figure(run, "error_by_hour", "Volatility: saved by hour (UTC)", half=True),
        figure(run, "error_by_regime", "Volatility: saved by forecast volatility", half=True),
    )
    third = pair(
        figure(run, "volatility_by_month", "Volatility: saved, three months rolling", half=True),
        figure(run, "direction_by_month", "Direction: log loss saved, three months rolling", half=True),
    )
    text = "Against the seasonal HAR; direction against the base rate. With 95 % intervals."
    return f"<h2>When it holds</h2><p>{text}</p>{first}{second}{third}<p>{escape(cost)}</p>"


def _tested(run: Run) -> npt.NDArray[np.int64]:
    return np.flatnonzero(~np.isnan(run.result.forecasts.fold)).astype(np.int64)


def _points(estimate: Estimate) -> str:
    """Basis points with their interval."""
    if not math.isfinite(estimate.value):
        return "\u2013"
    low, value, high = (f"{v * 1e4:.2f}".replace("-", "\u2212") for v in (estimate.low, estimate.value, estimate.high))
    return f"{value} basis points (95 %: {low} to {high})"


def _minus(value: float) -> str:
    """Two digits with a true sign."""
    return f"{value:+.2f}".replace("-", "\u2212")


def _data(run: Run) -> str:
    moves = [
        f'<tr><td>{hour}</td><td class="n">{words.signed(np.expm1(ret))}</td><td class="n">{times:.1f}</td></tr>'
        for hour, ret, times in data_checks.moves(run)
    ]
    drift = [
        f'<tr><td><code>{escape(name)}</code></td><td class="n">{index:.2f}</td><td class="n">{usual:.2f}</td>'
        f'<td class="n">{_minus(shift)}</td></tr>'
        for name, index, usual, shift in data_checks.drift(run)
    ]
    middle, most, when = data_checks.opens(run)
    gaps = "; ".join(f"{hours} from {hour}" for hour, hours in data_checks.gaps(run)) or "none"
    text = (
        f"Open is {words.percent(middle, 3)} from the Close before it in the median, {words.percent(most, 2)} at most "
        f"({when}). Longest gaps, in hours: {gaps}."
    )
    drifted = (
        f"The last {data_checks.LATE} hours against all before. A population stability index above "
        f"{data_checks.DRIFTED} is called another distribution, but slow features have that in any month: the usual "
        "one is the median of all such stretches. Most unusual first; the shift of the mean is in standard deviations."
    )
    return (
        f"<h2>The data, and how it has drifted</h2><p>{escape(text)}</p>"
        f"{table(('Largest moves (UTC)', '#Return', '#Times the volatility'), moves)}<p>{escape(drifted)}</p>"
        f"{table(('Feature', '#Stability index', '#Usual', '#Shift'), drift)}"
    )


def _calibration(run: Run) -> str:
    volatility = "Volatility that came (geometric mean), by fifteenth of the forecast; logarithmic scales."
    figures = pair(
        figure(run, "direction_calibration", "Direction", DIRECTION, half=True),
        figure(run, "volatility_calibration", "Volatility", volatility, half=True),
    )
    return f"<h2>Calibration</h2>{figures}"


def _importance(run: Run) -> str:
    odds = "Mean absolute SHAP value, in log-odds, over the last test hours."
    beyond = "Mean absolute SHAP value, in log variance: what the trees (three quarters of the forecast) add to HAR."
    figures = pair(
        figure(run, "importance_direction", "Direction", odds, half=True),
        figure(run, "importance_volatility", "Volatility, beyond HAR", beyond, half=True),
    )
    return f"<h2>What the forecasts rest on</h2>{figures}"


def _method(run: Run) -> str:
    settings = run.settings
    first, last = run.bars.time[run.folds[0].test_start], run.bars.time[run.folds[-1].test_stop - 1]
    text = (
        f"Walk-forward over {run.overall.hours:,} hours from {first}Z to {last}Z: {len(run.folds)} folds, refitted, "
        f"an embargo of {settings.embargo} hours before each. Boosting stops early on the tail of the training period. "
        "The defaults of the hyperparameters were chosen on data before the first test fold."
    )
    key = (area("bar2", "trained on"), area("bar", "tested on"))
    plot = figure(run, "walk_forward", "Folds", key=key)
    return f"<h2>How it was tested</h2><p>{escape(text)}</p>{plot}"


def page(run: Run) -> bytes:
    """The finished report."""
    body = (
        _top(run),
        _price(run),
        _volatility(run),
        f"<h2>Against every baseline</h2><p>{escape(SAVED)}</p>{baselines(run)}",
        _folds(run),
        _slices(run),
        _calibration(run),
        _importance(run),
        _method(run),
        _data(run),
        details(run),
        "<footer>A forecast of prices is no advice to trade. Costs of trading are not counted here.</footer>",
    )
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Forecasts of the next hour</title>'
        f"<style>{page_css()}</style>"
    )
    html = f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(body)}</main></body></html>\n'
    return html.encode()
