"""Scores of the out-of-sample forecasts against every baseline, overall and per fold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model import stats
from model.bars import Array, Bars
from model.forecasts import Forecasts
from model.stats import Estimate
from model.targets import Targets

SEASONAL = "seasonal HAR"
"""HAR with an intercept for each hour of the week, leverage, jumps and volume."""
RECENT = 2
"""Folds at the end that are also scored on their own: what holds now."""
SLIGHT = 0.005
"""A saving below this share, however sure, is called slight."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One target against one baseline on one stretch of hours."""

    target: str
    baseline: str
    measure: str
    """What `model_loss` and `baseline_loss` are means of."""
    model_loss: float
    baseline_loss: float
    skill: Estimate
    """Share of the baseline's loss that the model saves."""
    test: stats.DieboldMariano

    @classmethod
    def unknown(cls, target: str, baseline: str, measure: str) -> Comparison:
        """Where no loss is known."""
        nothing, test = Estimate(math.nan, math.nan, math.nan), stats.DieboldMariano(math.nan, math.nan)
        return cls(target, baseline, measure, math.nan, math.nan, nothing, test)

    @property
    def verdict(self) -> str:
        """``skill``, ``slight skill``, ``no skill`` or ``worse``, at 95 % in both the interval and the test."""
        sure = math.isfinite(self.test.p_value) and self.test.p_value < 0.05
        if sure and self.skill.low > 0:
            return "skill" if self.skill.value >= SLIGHT else "slight skill"
        return "worse" if sure and self.skill.high < 0 else "no skill"

    def to_json(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "target": self.target,
            "baseline": self.baseline,
            "measure": self.measure,
            "model_loss": self.model_loss if math.isfinite(self.model_loss) else None,
            "baseline_loss": self.baseline_loss if math.isfinite(self.baseline_loss) else None,
            "skill": self.skill.to_json(),
            "diebold_mariano": self.test.to_json(),
            "verdict": self.verdict,
        }


@dataclasses.dataclass(frozen=True)
class Scores:
    """All scores of a stretch of hours (the whole test, or one fold)."""

    hours: int
    estimates: dict[str, Estimate]
    comparisons: list[Comparison]

    def to_json(self) -> dict[str, Any]:
        """For metrics.json."""
        return {
            "hours": self.hours,
            "estimates": {k: v.to_json() for k, v in self.estimates.items()},
            "comparisons": [c.to_json() for c in self.comparisons],
        }


def known(*values: Array) -> npt.NDArray[np.bool_]:
    """The rows in which all values are known."""
    return np.asarray(np.all([np.isfinite(array) for array in values], axis=0))


def log_loss(up: Array, p: Array) -> Array:
    """-ln of the probability given to what happened: `up` 1 or 0. NaN where `up` or `p` is missing."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.asarray(np.where(np.isnan(up), np.nan, -np.where(up > 0.5, np.log(p), np.log(1 - p))))


def interval_score(ret: Array, lower: Array, upper: Array, coverage: float) -> Array:
    """Winkler's score: the width, plus 2/alpha times the distance of what fell outside. Lower is better."""
    alpha = 1 - coverage
    return (upper - lower) + 2 / alpha * (np.maximum(lower - ret, 0) + np.maximum(ret - upper, 0))


def qlike(lv: Array, variance: Array) -> Array:
    """QLIKE of a forecast of the variance, which a forecast of its mean minimises: exp(d) - d - 1, d = lv - ln."""
    with np.errstate(all="ignore"):
        d = lv - np.log(variance)
    return np.asarray(np.exp(d) - d - 1)


def _compare(of: Losses, seed: int) -> Comparison:
    loss, baseline_loss = of.model[of.good], of.other[of.good]
    if not len(loss):
        return Comparison.unknown(of.target, of.baseline, of.measure)
    return Comparison(
        of.target,
        of.baseline,
        of.measure,
        float(loss.mean()),
        float(baseline_loss.mean()),
        stats.skill(loss, baseline_loss, seed),
        stats.diebold_mariano(loss, baseline_loss),
    )


def score(
    bars: Bars, targets: Targets, forecasts: Forecasts, rows: npt.NDArray[np.int64], coverage: float, seed: int
) -> Scores:
    """Score the forecasts of `rows` (row numbers, in order)."""
    return Scores(
        len(rows),
        {m.name: m.estimate(seed) for m in measured(bars, targets, forecasts, rows)},
        [_compare(loss, seed) for loss in losses(bars, targets, forecasts, rows, coverage)],
    )


@dataclasses.dataclass(frozen=True)
class Measured:
    """Two values of each row that an estimate is made of; a row in which one is missing doesn't count."""

    name: str
    kind: str
    """``ratio`` of the sums of `a` and `b`, ``auc`` of the scores `b` of the labels `a`, ``r2`` of forecasts `b`."""
    a: Array
    b: Array

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """The rows that count."""
        return known(self.a, self.b)

    def estimate(self, seed: int) -> Estimate:
        """The estimate, with its interval."""
        a, b = self.a[self.good], self.b[self.good]
        if self.kind == "auc":
            return stats.auc(a, b, seed)
        if self.kind == "ratio":
            return stats.quotient(a, b, seed)
        if not len(a):
            return Estimate(math.nan, math.nan, math.nan)
        return stats.skill((a - b) ** 2, (a - a.mean()) ** 2, seed)


def measured(bars: Bars, targets: Targets, forecasts: Forecasts, rows: npt.NDArray[np.int64]) -> Iterator[Measured]:
    """What the estimates of `rows` are made of, one after another."""
    up, ret, lv = targets.up[rows], targets.ret[rows], targets.lv[rows]
    for name, probability in (
        ("direction_auc", forecasts.p_up[rows]),
        ("direction_auc_logistic", forecasts.p_logistic[rows]),
    ):
        yield Measured(name, "auc", up, probability)
    ones = np.ones(len(rows))
    for name, probability in (
        ("direction_accuracy", forecasts.p_up[rows]),
        ("direction_base_rate_accuracy", forecasts.p_base[rows]),
    ):
        yield Measured(name, "ratio", np.where(known(up, probability), (probability > 0.5) == (up > 0.5), np.nan), ones)
    yield Measured("volatility_variance_ratio", "ratio", np.exp(lv), forecasts.var[rows])
    for name, low, high in (
        ("price", forecasts.lower[rows], forecasts.upper[rows]),
        ("price_baseline", forecasts.base_lower[rows], forecasts.base_upper[rows]),
    ):
        good = known(ret, low, high)
        yield Measured(f"{name}_coverage", "ratio", np.where(good, (ret >= low) & (ret <= high), np.nan), ones)
        yield Measured(f"{name}_width", "ratio", np.where(good, np.exp(high) - np.exp(low), np.nan), ones)
    close = bars.close[rows]
    after = close * np.exp(ret)
    yield Measured("price_r2_of_levels", "r2", after, close * np.exp(forecasts.ret[rows]))
    yield Measured("price_r2_of_persistence", "r2", after, close)


@dataclasses.dataclass(frozen=True)
class Losses:
    """The loss of each row, the model's and a baseline's; NaN where it isn't known."""

    target: str
    baseline: str
    measure: str
    model: Array
    other: Array

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """The rows that count."""
        return known(self.model, self.other)


def losses(
    bars: Bars, targets: Targets, forecasts: Forecasts, rows: npt.NDArray[np.int64], coverage: float
) -> Iterator[Losses]:
    """The losses of `rows` beside those of every baseline, one after another."""
    up, ret, lv, close = targets.up[rows], targets.ret[rows], targets.lv[rows], bars.close[rows]
    after, point = close * np.exp(ret), close * np.exp(forecasts.ret[rows])

    def beside(target: str, measure: str, model: Array, baseline_losses: Mapping[str, Array]) -> Iterator[Losses]:
        return (
            Losses(target, baseline, measure, model, baseline_loss)
            for baseline, baseline_loss in baseline_losses.items()
        )

    def square(forecast: Array) -> Array:
        return np.asarray((lv - forecast) ** 2)

    def winkler(lower: Array, upper: Array) -> Array:
        return interval_score(ret, lower[rows], upper[rows], coverage)

    simple = {
        "base rate": log_loss(up, forecasts.p_base[rows]),
        "logistic regression": log_loss(up, forecasts.p_logistic[rows]),
    }
    yield from beside("direction", "log loss", log_loss(up, forecasts.p_up[rows]), simple)
    yield from beside("return", "squared error", (ret - forecasts.ret[rows]) ** 2, {"zero": ret**2})
    baseline_losses = {
        "HAR": forecasts.lv_har[rows],
        SEASONAL: forecasts.lv_lhar[rows],
        "persistence": targets.lv_now[rows],
    }
    yield from beside(
        "volatility", "squared error", square(forecasts.lv[rows]), {k: square(v) for k, v in baseline_losses.items()}
    )
    variances = {"HAR (QLIKE)": forecasts.var_har[rows], f"{SEASONAL} (QLIKE)": forecasts.var_lhar[rows]}
    yield from beside(
        "volatility", "QLIKE", qlike(lv, forecasts.var[rows]), {k: qlike(lv, v) for k, v in variances.items()}
    )
    yield from beside("price", "squared error", (after - point) ** 2, {"persistence": (after - close) ** 2})
    yield from beside(
        "price interval",
        "interval score",
        winkler(forecasts.lower, forecasts.upper),
        {
            "empirical interval": winkler(forecasts.base_lower, forecasts.base_upper),
            "conformal on HAR": winkler(forecasts.har_lower, forecasts.har_upper),
            f"conformal on {SEASONAL}": winkler(forecasts.lhar_lower, forecasts.lhar_upper),
        },
    )


def strongest(comparisons: Sequence[Comparison], target: str) -> Comparison:
    """The one with the best of the target's baselines, by its main measure (the first one's)."""
    of = [c for c in comparisons if c.target == target]
    same = [c for c in of if c.measure == of[0].measure]
    return min(same, key=lambda c: c.baseline_loss if math.isfinite(c.baseline_loss) else math.inf)


def flat(scores: Scores) -> dict[str, float]:
    """One number a name, for the run record: estimates, and ``<target>_skill_vs_<baseline>``."""
    numbers = {name: e.value for name, e in scores.estimates.items()}
    for c in scores.comparisons:
        key = f"{c.target}_skill_vs_{c.baseline}".replace(" ", "_").replace("(", "").replace(")", "").lower()
        numbers[key] = c.skill.value
    return {name: round(value, 6) for name, value in numbers.items() if math.isfinite(value)}
