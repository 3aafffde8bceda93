"""The model card: what the model is, what it may be used for, how well it does, in Markdown."""

from __future__ import annotations

from model.harmless import code
from model.report import words
from model.run import Run

MODEL = (
    "Three XGBoost models (`direction.ubj`, `return.ubj`, `volatility.ubj`), each a forecast of the hour that follows",
    "the last bar: the probability of a rise (trees on top of half the log-odds of a logistic regression), the log",
    "return in units of the week's hourly volatility, and the log Garman-Klass variance (trees on top of a HAR",
    "regression; a quarter of the forecast is that of a seasonal HAR with leverage, jumps and volume, which is in the",
    "manifest). The variance is smeared: the exponential times the mean of the exponentials of past errors. What trees",
    "start from is kept in the file as the attribute `start`. How fast past hours lose weight in training is the",
    "parameter `half_life` in the manifest. The price interval is the return forecast plus conformal quantiles times",
    "the forecast volatility, with a factor for each hour of the day and each regime of volatility.",
)
USE = (
    "For sizing risk over the next hour, and as a worked example of an honest evaluation. Not for trading on the",
    "direction or the return: no cost of trading is counted, and what skill there is in direction may vanish, as skill",
    "that others can see does. It knows only this market's past bars: no news, no order book, no other markets.",
)


def card(run: Run) -> bytes:
    """The model card of a run."""
    settings = run.settings
    tested = f"Walk-forward, {len(run.folds)} folds, {run.overall.hours:,} hours, embargo of {settings.embargo} hours."
    auc, cover = run.overall.estimates["direction_auc"], run.overall.estimates["price_coverage"]
    inside = f"{words.percent(settings.coverage, 0)} interval: {words.percent(cover.value, 2)} of prices inside"
    lines = [
        "# Model card: forecasts of the next hour",
        "",
        words.lead(run),
        "",
        "## The model",
        "",
        *MODEL,
        "",
        f"- Data: {code(words.source(run))}, {run.data.rows:,} rows, {run.data.span[0]} to {run.data.span[1]}",
        f"- SHA-256 of the data: `{run.data.sha256}`",
        f"- Run: {_named(settings.run_id)}; code: {_named(settings.code_version)}; seed {settings.seed}",
        f"- Features: {len(run.features)}, listed with formulas in `manifest.json`"
        + ("" if run.data.earlier else " and `report.html`"),
        "",
        "## How well it does",
        "",
        f"{tested} 95 % intervals by block bootstrap, p by the Diebold-Mariano test.",
        "",
        "| target | against | measure | saved | 95 % | p | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for comparison in run.overall.comparisons:
        lines.append(
            f"| {comparison.target} | {comparison.baseline} | {comparison.measure} | "
            f"{words.signed(comparison.skill.value, 2)} | "
            f"{words.percent(comparison.skill.low, 2)} to {words.percent(comparison.skill.high, 2)} | "
            f"{words.p_value(comparison.test.p_value)} | {comparison.verdict} |"
        )
    lines += [
        "",
        f"Direction AUC {auc.value:.4f} (95 %: {auc.low:.4f} to {auc.high:.4f}); {inside} ({words.bounds(cover, 2)}).",
        "",
        words.trend(run),
        "",
        words.levels(run),
        "",
        "## What it is for, and what it isn't",
        "",
        *USE,
        "",
        "## Data that was mended or left out",
        "",
        *([f"- {line}" for line in words.repairs(run)] or ["Nothing."]),
        "",
    ]
    return "\n".join(lines).encode()


def _named(text: str) -> str:
    return code(text) if text else "not named"
