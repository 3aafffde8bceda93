"""The next hour's forecast, and whether it can be trusted: what the last folds say."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from model import baselines
from model.evaluate import RECENT, Comparison
from model.harmless import html as escape
from model.report import words
from model.run import Run


@dataclasses.dataclass(frozen=True)
class Next:
    """The forecast of the hour after the last bar; prices in quote currency."""

    hour: str
    last: float
    p_up: float
    price: float
    lower: float
    upper: float
    sigma: float
    """Root of the forecast variance."""


def forecast(run: Run) -> Next | None:
    """As `predict` makes it from the finished run; None if too much before it is missing."""
    targets, models, row = run.targets, run.result.models, slice(len(run.bars) - 1, len(run.bars))
    har, close = targets.har[row], float(run.bars.close[-1])
    if not (np.isfinite(har).all() and math.isfinite(close) and math.isfinite(targets.scale[-1])):
        return None
    part, seasonal = run.matrix[row], run.result.baselines.lhar
    p_up = float(models["direction"].predict(part, har)[0])
    ret = models["return"].predict(part, har) * targets.scale[row]
    lv = models["volatility"].predict(part, har)
    if seasonal is not None:
        lv = baselines.blend(lv, seasonal.predict(targets.lhar[row], targets.week_hour[row]))
    low, high = run.result.calibration["model"].bounds(ret, np.exp(lv / 2), targets.week_hour[row] % 24)
    price, lower, upper = (close * float(np.exp(v[0])) for v in (ret, low, high))
    sigma = math.sqrt(float(np.exp(lv[0])) * run.result.smear["model"])
    hour = f"{run.bars.time[-1] + np.timedelta64(3600, 's')}"[:16].replace("T", " ") + " UTC"
    return Next(hour, close, p_up, price, lower, upper, sigma)


def money(value: float) -> str:
    """A price with as many digits as it needs."""
    digits = max(2, 5 - math.floor(math.log10(value))) if 0 < value < 1000 else 2
    return f"{value:,.{digits}f}"


def _lately(run: Run, target: str) -> Comparison:
    """Against the strongest baseline, on the last folds."""
    c = words.best(run, target)
    return next(x for x in run.recent.comparisons if (x.target, x.baseline) == (c.target, c.baseline))


def trust(run: Run) -> list[tuple[str, str, str]]:
    """For interval, volatility and direction: name, ``yes``, ``a little`` or ``no``, and why."""
    answers = []
    cover = run.recent.estimates["price_coverage"]
    nominal = run.settings.coverage
    holds = cover.low - 0.01 <= nominal <= cover.high + 0.01
    inside = f"{words.percent(cover.value)} of prices came inside ({words.bounds(cover)})"
    answers.append(("Interval", "yes" if holds else "no", inside))
    for name, target in (("Volatility", "volatility"), ("Direction", "direction")):
        c = _lately(run, target)
        answer = {"skill": "yes", "slight skill": "a little"}.get(c.verdict, "no")
        evidence = (
            f"{words.signed(c.skill.value, 2)} {c.measure} saved against {words.named(c)} ({words.bounds(c.skill, 2)})"
        )
        answers.append((name, answer, evidence))
    return answers


def panel(run: Run) -> str:
    """The first thing on the page."""
    outlook = forecast(run)
    if outlook is None:
        return '<p class="soft">Too much of the last week is missing to forecast the next hour from.</p>'
    nominal = words.percent(run.settings.coverage, 0)
    rows = "".join(
        f'<li><span class="chip {"skill" if answer == "yes" else "none"}">{answer}</span> <b>{name}</b> '
        f"<span>{escape(why)}</span></li>"
        for name, answer, why in trust(run)
    )
    count = min(RECENT, len(run.folds))
    return (
        f'<section class="now"><div><h2>The hour from {outlook.hour}</h2><div class="big">{money(outlook.price)}</div>'
        f'<div class="ci">{nominal} interval: {money(outlook.lower)} to {money(outlook.upper)}</div>'
        f"<p>Last price {money(outlook.last)}. A rise has a probability of {words.percent(outlook.p_up)}; the hourly "
        f"volatility is {words.percent(outlook.sigma, 2)}.</p></div>"
        f"<div><h3>To be trusted? What the last {count} folds say</h3><ul>{rows}</ul></div></section>"
    )
