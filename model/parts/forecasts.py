"""Forecasts of pieces: made where the rows are, and then, hour after hour, their intervals."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from model import baselines, boost, conformal, linear, smearing
from model.bars import Array
from model.boost import Fitted
from model.conformal import Calibration, Walked
from model.forecasts import Forecasts
from model.linear import Linear, Seasonal
from model.parts.pieces import Hours, Pieces
from model.rows import Features, Rows
from model.split import rows_between

MODEL, HAR, SEASONAL = NAMES = ("model", "har", "lhar")


@dataclasses.dataclass(frozen=True)
class Segment:
    """Some hours that are forecast by the same models: a test fold, or the tail of the first training period."""

    start: int
    stop: int
    fold: int | None
    """None: the tail, which only calibrates."""
    boosters: dict[str, Fitted]
    har: Linear
    seasonal: Seasonal
    logistic: Linear | None = None
    base_rate: float = np.nan


@dataclasses.dataclass(frozen=True)
class Draft:
    """The forecasts of a piece, for all of its hours, before there are intervals."""

    forecasts: Forecasts
    ret: Array
    """With those of the tail, as the next two."""
    logs: dict[str, Array]
    """Forecasts of the log variance, by name."""


# What workers do.


def draft(piece: Hours, matrix: Features, segments: Sequence[Segment]) -> Draft:
    """Forecast the hours of a piece that lie in one of the segments."""
    outcomes, size = piece.targets, len(piece)
    forecasts, usable = Forecasts.empty(size), np.asarray(np.isfinite(outcomes.har).all(axis=1))
    raw = Draft(forecasts, np.full(size, np.nan), {name: np.full(size, np.nan) for name in NAMES})
    for segment in segments:
        low, high = piece.within(segment.start, segment.stop)
        if low == high:
            continue
        for target, fitted in segment.boosters.items():
            # Of the tail only those hours calibrate that early stopping looked at.
            good = usable if segment.fold is not None else boost.usable(target, matrix, outcomes)
            rows = rows_between(low, high, good)
            values = fitted.predict_rows(Rows(matrix, rows, fitted.columns), outcomes.har[rows])
            if target == "direction":
                forecasts.p_up[rows], forecasts.fold[rows] = values, segment.fold
            else:
                into = raw.ret if target == "return" else raw.logs[MODEL]
                into[rows] = values * outcomes.scale[rows] if target == "return" else values
        span = slice(low, high)
        _linear(raw, segment, matrix, piece, span, usable[span])
    raw.logs[MODEL][:] = baselines.blend(raw.logs[MODEL], raw.logs[SEASONAL])
    tested = ~np.isnan(forecasts.fold)
    for into, values in ((forecasts.ret, raw.ret), (forecasts.lv, raw.logs[MODEL]), (forecasts.lv_har, raw.logs[HAR])):
        into[tested] = values[tested]
    forecasts.lv_lhar[tested] = raw.logs[SEASONAL][tested]
    return raw


def _linear(raw: Draft, segment: Segment, matrix: Features, piece: Hours, span: slice, usable: Any) -> None:
    """The baselines' forecasts of the rows `span`."""
    forecasts, t = raw.forecasts, piece.targets
    raw.logs[HAR][span] = np.where(usable, segment.har.predict(t.har[span]), np.nan)
    raw.logs[SEASONAL][span] = np.where(usable, segment.seasonal.predict(t.lhar[span], t.week_hour[span]), np.nan)
    if segment.logistic is not None:
        columns = segment.boosters["direction"].columns
        forecasts.p_base[span] = segment.base_rate
        rows = Rows(matrix, np.arange(span.start, span.stop), columns)
        forecasts.p_logistic[span] = linear.sigmoid(segment.logistic.predict(rows))


def errors(raw: Draft, piece: Hours, until: int) -> dict[str, Array]:
    """The last errors before an hour that `smearing` takes, by name."""
    _, stop = piece.within(0, until)
    last = {}
    for name, forecast in raw.logs.items():
        off = piece.targets.lv[:stop] - forecast[:stop]
        last[name] = off[np.isfinite(off)][-smearing.WINDOW :]
    return last


Bounds = tuple[Array, Array, Walked]
"""Lower and upper bound of each row of a piece, and where the intervals stand after it."""


def bounds(before: Bounds | None, raw: Draft, piece: Hours, name: str, coverage: float) -> Bounds:
    """The intervals of a piece around forecasts, after those of the piece before."""
    outcomes = piece.targets
    center = raw.ret if name == MODEL else np.zeros(len(piece))
    walked = before[2] if before else None
    return conformal.walk_on(
        walked, center, np.exp(raw.logs[name] / 2), outcomes.ret, outcomes.week_hour % 24, coverage
    )


def from_past_returns(before: Bounds | None, piece: Hours, coverage: float) -> Bounds:
    """The interval of a piece from past returns alone, which has no factors."""
    scores = before[2].scores if before else np.empty(0)
    whole = np.concatenate([scores, piece.targets.ret])
    low, high = (quantile[len(scores) :] for quantile in conformal.quantiles(whole, coverage))
    empty, last = np.empty(0), (float(low[-1]), float(high[-1]))
    return low, high, Walked(whole[-conformal.WINDOW - 1 :], empty, empty, last, empty, empty)


def calibration(interval: Bounds) -> Calibration:
    """What the interval of the next hour takes."""
    return interval[2].calibration()


def finished(raw: Draft, smear: dict[str, dict[int, float]], intervals: Sequence[Bounds]) -> Forecasts:
    """The forecasts with variances and intervals. intervals: those of `NAMES` and of past returns, in order."""
    old = raw.forecasts
    tested, changed = ~np.isnan(old.fold), {}
    for name, into, log in ((MODEL, "var", old.lv), (HAR, "var_har", old.lv_har), (SEASONAL, "var_lhar", old.lv_lhar)):
        factors = np.full(len(log), np.nan)
        for fold, factor in smear[name].items():
            factors[old.fold == fold] = factor
        changed[into] = np.exp(log) * factors
    for before, (low, high, _) in zip(("", "har_", "lhar_", "base_"), intervals, strict=True):
        changed |= {f"{before}lower": np.where(tested, low, np.nan), f"{before}upper": np.where(tested, high, np.nan)}
    return dataclasses.replace(old, **changed)


# What the process that trains does.


class Forecast:
    """The finished forecasts of all pieces that have some, on their workers."""

    def __init__(self, pieces: Pieces, segments: Sequence[Segment], coverage: float) -> None:
        """Have the workers forecast, and follow the intervals from piece to piece.

        Args:
            pieces: the data.
            segments: the tail of the first training period, then the test folds, in order.
            coverage: nominal, of the intervals.
        """
        self.pieces, self._first = pieces, segments[0].start
        (sent,) = pieces.client.scatter([list(segments)], broadcast=True, hash=False)
        self.over = pieces.over(self._first, len(pieces))
        drafts = {k: pieces.submit(k, draft, pieces.hours[k], pieces.matrix[k], sent) for k in self.over}
        folds = [(segment.fold, segment.start) for segment in segments if segment.fold is not None]
        before = {fold: self._smear(drafts, start) for fold, start in folds}
        self.smear = self._smear(drafts, len(pieces))
        factors = {name: {fold: by_name[name] for fold, by_name in before.items()} for name in NAMES}
        chains = [self._chain(drafts, name, coverage) for name in NAMES]
        every = [*chains, self._past_returns(coverage)]
        self.by_piece = {
            k: pieces.submit(k, finished, drafts[k], factors, [chain[k] for chain in every]) for k in self.over
        }
        last = [pieces.submit(self.over[-1], calibration, chain[self.over[-1]]) for chain in chains]
        self.calibration: dict[str, Calibration] = dict(zip(NAMES, pieces.gather(last), strict=True))

    def _chain(self, drafts: dict[int, Any], name: str, coverage: float) -> dict[int, Any]:
        chain: dict[int, Any] = {}
        for k in self.over:
            arguments = (chain.get(k - 1), drafts[k], self.pieces.hours[k], name, coverage)
            chain[k] = self.pieces.submit(k, bounds, *arguments)
        return chain

    def _past_returns(self, coverage: float) -> dict[int, Any]:
        chain: dict[int, Any] = {}
        for k in self.pieces.over(self._first - conformal.WINDOW - 1, len(self.pieces)):
            chain[k] = self.pieces.submit(k, from_past_returns, chain.get(k - 1), self.pieces.hours[k], coverage)
        return chain

    def _smear(self, drafts: dict[int, Any], until: int) -> dict[str, float]:
        """By what the exponential of a log variance from hour `until` on is multiplied, by name."""
        last = {name: np.empty(0) for name in NAMES}
        for k in reversed(self.pieces.over(self._first, until)):
            (earlier,) = self.pieces.gather([self.pieces.submit(k, errors, drafts[k], self.pieces.hours[k], until)])
            last = {name: np.concatenate([earlier[name], last[name]]) for name in NAMES}
            if all(len(values) >= smearing.WINDOW for values in last.values()):
                break
        return {name: smearing.factor(values) for name, values in last.items()}
