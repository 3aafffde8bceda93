"""Scores of forecasts that lie on workers: each adds up its own hours by blocks, and only these sums come back.

Values are those of `model.evaluate`. Their intervals draw whole blocks of hours (`stats.BLOCK`) that begin at fixed
places, where one process draws blocks that begin anywhere.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model import evaluate, stats
from model.bars import Array
from model.evaluate import Comparison, Scores
from model.forecasts import Forecasts
from model.parts.forecasts import Forecast
from model.parts.pieces import Hours
from model.stats import Estimate

BINS = 2**16
"""Into which probabilities fall for the AUC: two that share a bin count as equal."""
FINE = 1e-3
"""Log-odds up to which bins have the same width; beyond they grow in proportion, since forecasts are near a half."""
LAGS = 168
"""The most rows before a piece that its first windows reach back to."""


@dataclasses.dataclass
class Sums:
    """What some hours of one fold add up to."""

    hours: int
    blocks: npt.NDArray[np.int64]
    """Numbers of the blocks, in order."""
    values: Array
    """What `_columns` gives for each block."""
    ranks: npt.NDArray[np.int64]
    """How often each bin had a fall and a rise, for each AUC, shape (AUCs, 2, BINS)."""


@dataclasses.dataclass(frozen=True)
class Placing:
    """For each AUC and bin the share of falls below it, and of rises above it; both of shape (AUCs, BINS)."""

    below: Array
    above: Array
    auc: Array


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Folds that are scored together."""

    folds: tuple[int, ...]
    placing: Placing
    lags: tuple[int, ...]
    """Autocovariances that count, for each comparison."""
    last: int
    """Number of the last piece that has some of them."""


# What workers do.


def _columns(kind: str, a: Array, b: Array) -> list[Array]:
    if kind == "r2":
        return [(a - b) ** 2, a**2, a, np.ones(len(a))]
    return [a, b]


def _width(kind: str) -> int:
    return {"r2": 4, "ratio": 2, "auc": 0}[kind]


def _bins(p: Array) -> npt.NDArray[np.int64]:
    p = np.clip(p, 1e-15, 1 - 1e-15)
    place = np.arcsinh(np.log(p / (1 - p)) / FINE) / np.arcsinh(35 / FINE)
    return np.asarray(np.clip((place + 1) / 2 * BINS, 0, BINS - 1).astype(np.int64))


def sums(piece: Hours, forecasts: Forecasts, coverage: float) -> dict[int, Sums]:
    """What the tested hours of a piece add up to, by fold."""
    by_fold = {}
    for fold in np.unique(forecasts.fold[~np.isnan(forecasts.fold)]).astype(int).tolist():
        rows = np.flatnonzero(forecasts.fold == fold).astype(np.int64)
        columns, ranks = [], []
        for measured in evaluate.measured(piece.bars, piece.targets, forecasts, rows):
            if measured.kind == "auc":
                place, rise = _bins(measured.b[measured.good]), measured.a[measured.good] > 0.5
                ranks.append([np.bincount(place[rise == up], minlength=BINS) for up in (False, True)])
            else:
                columns += [
                    np.where(measured.good, values, 0.0) for values in _columns(measured.kind, measured.a, measured.b)
                ]
        for loss in evaluate.losses(piece.bars, piece.targets, forecasts, rows, coverage):
            columns += [np.where(loss.good, values, 0.0) for values in (loss.model, loss.other, np.ones(len(rows)))]
        by_fold[fold] = Sums(len(rows), *_by_block(piece, rows, columns), np.array(ranks))
    return by_fold


def _by_block(piece: Hours, rows: npt.NDArray[np.int64], columns: Sequence[Array]) -> tuple[Any, Array]:
    """Numbers of the blocks that rows are in, and the sums of the columns in each."""
    blocks, first = np.unique((piece.start + rows) // stats.BLOCK, return_index=True)
    if not len(rows):
        return blocks, np.zeros((0, len(columns)))
    return blocks, np.stack([np.add.reduceat(values, first) for values in columns], axis=1)


Edge = tuple[Array, Array]
"""Fold and difference of losses (one column a comparison) of the last tested hours, in order."""


def differences(piece: Hours, forecasts: Forecasts, coverage: float) -> Edge:
    """By how much each baseline's loss is above the model's in the tested hours; NaN where it isn't known."""
    rows = np.flatnonzero(~np.isnan(forecasts.fold)).astype(np.int64)
    losses = evaluate.losses(piece.bars, piece.targets, forecasts, rows, coverage)
    return forecasts.fold[rows], np.column_stack([np.where(x.good, x.other - x.model, np.nan) for x in losses])


def edge(before: Edge | None, losses: Edge) -> Edge:
    """What the windows of the next piece reach back to."""
    folds, savings = (np.concatenate([old, new]) for old, new in zip(before, losses, strict=True)) if before else losses
    return folds[-2 * LAGS :].copy(), savings[-2 * LAGS :].copy()


def second(
    piece: Hours, forecasts: Forecasts, edges: Edge, before: Edge | None, stretches: Sequence[Stretch], number: int
) -> list[tuple[Any, Array, Array]]:
    """For each stretch: blocks, their sums for each AUC, and the sums of the windows for each comparison."""
    by_stretch = []
    for stretch in stretches:
        rows = np.flatnonzero(np.isin(forecasts.fold, stretch.folds)).astype(np.int64)
        columns: list[Array] = []
        for k, m in enumerate(
            m for m in evaluate.measured(piece.bars, piece.targets, forecasts, rows) if m.kind == "auc"
        ):
            place, rise = _bins(np.where(m.good, m.b, 0.0)), np.where(m.good, m.a > 0.5, False)
            fall, auc = m.good & ~rise, stretch.placing.auc[k]
            columns += [rise * (stretch.placing.below[k][place] - auc), rise.astype(float)]
            columns += [fall * (stretch.placing.above[k][place] - auc), fall.astype(float)]
        by_stretch.append((*_by_block(piece, rows, columns), _windows(edges, before, stretch, number == stretch.last)))
    return by_stretch


def _windows(edges: Edge, before: Edge | None, stretch: Stretch, is_last: bool) -> Array:
    """For each comparison: sums of the squares of the windows, of windows by their lengths, and of these squared."""
    inside = edges[1][np.isin(edges[0], stretch.folds)]
    earlier = before[1][np.isin(before[0], stretch.folds)] if before else inside[:0]
    squares = []
    for k, lags in enumerate(stretch.lags):
        d, past = inside[:, k], earlier[:, k]
        d, past = d[np.isfinite(d)], past[np.isfinite(past)][-lags:] if lags else past[:0]
        w = stats.window_sums(d, lags, past, is_last)
        c = stats.window_sums(np.ones(len(d)), lags, np.ones(len(past)), is_last)
        squares.append([w @ w, w @ c, c @ c])
    return np.asarray(squares, dtype=np.float64)


# What the process that trains does.


@dataclasses.dataclass(frozen=True)
class Names:
    """What is scored, in order."""

    measured: list[tuple[str, str]]
    """Name and kind; see `evaluate.Measured`."""
    losses: list[tuple[str, str, str]]
    """Target, baseline and measure; see `evaluate.Losses`."""

    @classmethod
    def of(cls, piece: Hours, forecasts: Forecasts, coverage: float) -> Names:
        """As every piece has them."""
        none = np.empty(0, dtype=np.int64)
        measured = evaluate.measured(piece.bars, piece.targets, forecasts, none)
        losses = evaluate.losses(piece.bars, piece.targets, forecasts, none, coverage)
        return cls([(m.name, m.kind) for m in measured], [(x.target, x.baseline, x.measure) for x in losses])


def score(
    forecast: Forecast, names: Names, folds: int, coverage: float, seed: int
) -> tuple[Scores, list[Scores], Scores]:
    """The scores of the whole test, of each fold, and of the last `evaluate.RECENT` folds together."""
    pieces, over = forecast.pieces, forecast.over
    piece_sums = pieces.gather([pieces.submit(k, sums, pieces.hours[k], forecast.by_piece[k], coverage) for k in over])
    by_fold = {fold: [of_piece[fold] for of_piece in piece_sums if fold in of_piece] for fold in range(folds)}
    fold_groups = [tuple(range(folds)), *((fold,) for fold in range(folds)), tuple(range(folds))[-evaluate.RECENT :]]
    merged = [_merged(names, [part for fold in chosen for part in by_fold[fold]]) for chosen in fold_groups]
    stretches = [
        Stretch(
            chosen,
            _placing(total.ranks),
            tuple(stats.lags_for(int(count)) for count in total.values[:, _first_loss(names) + 2 :: 3].sum(axis=0)),
            max((k for k, of_piece in zip(over, piece_sums, strict=True) if set(of_piece) & set(chosen)), default=-1),
        )
        for chosen, total in zip(fold_groups, merged, strict=True)
    ]
    overall, *of_folds, recent = (
        _scores(names, total, stretch, _added(added_up), seed)
        for total, stretch, added_up in zip(merged, stretches, _second(forecast, stretches, coverage), strict=True)
    )
    return overall, of_folds, recent


def _second(forecast: Forecast, stretches: Sequence[Stretch], coverage: float) -> list[list[Any]]:
    """What `second` gives, for each stretch and piece."""
    pieces, before, futures = forecast.pieces, None, []
    (sent,) = pieces.client.scatter([list(stretches)], broadcast=True, hash=False)
    for k in forecast.over:
        different = pieces.submit(k, differences, pieces.hours[k], forecast.by_piece[k], coverage)
        futures.append(pieces.submit(k, second, pieces.hours[k], forecast.by_piece[k], different, before, sent, k))
        before = pieces.submit(k, edge, before, different)
    return [list(of) for of in zip(*pieces.gather(futures), strict=True)]


def _first_loss(names: Names) -> int:
    """The column of `Sums.values` at which the losses begin, three a comparison."""
    return sum(_width(kind) for _, kind in names.measured)


def _merged(names: Names, parts: Sequence[Sums]) -> Sums:
    if not parts:  # a fold whose every hour is missing
        aucs = sum(kind == "auc" for _, kind in names.measured)
        width = _first_loss(names) + 3 * len(names.losses)
        return Sums(0, np.empty(0, np.int64), np.zeros((0, width)), np.zeros((aucs, 2, BINS), np.int64))
    blocks, values = _together([(part.blocks, part.values) for part in parts])
    return Sums(sum(part.hours for part in parts), blocks, values, np.sum([part.ranks for part in parts], axis=0))


def _together(parts: Sequence[tuple[Any, Array]]) -> tuple[Any, Array]:
    """Sums by block, a block that several parts have added up."""
    blocks, place = np.unique(np.concatenate([blocks for blocks, _ in parts]), return_inverse=True)
    values = np.concatenate([values for _, values in parts])
    total = np.zeros((len(blocks), values.shape[1]))
    np.add.at(total, place, values)
    return blocks, total


def _added(parts: Sequence[tuple[Any, Array, Array]]) -> tuple[Array, Array]:
    """Sums for each AUC by block, and those of the windows."""
    _, ranks = _together([(blocks, values) for blocks, values, _ in parts])
    return ranks, np.sum([windows for _, _, windows in parts], axis=0)


def _placing(ranks: npt.NDArray[np.int64]) -> Placing:
    fall, rise = ranks[:, 0].astype(np.float64), ranks[:, 1].astype(np.float64)
    with np.errstate(all="ignore"):
        below = (np.cumsum(fall, axis=1) - fall / 2) / fall.sum(axis=1, keepdims=True)
        above = 1 - (np.cumsum(rise, axis=1) - rise / 2) / rise.sum(axis=1, keepdims=True)
        return Placing(below, above, (rise * below).sum(axis=1) / rise.sum(axis=1))


def _scores(names: Names, total: Sums, stretch: Stretch, added_up: tuple[Array, Array], seed: int) -> Scores:
    ranks, windows = added_up
    estimates: dict[str, Estimate] = {}
    column = auc = 0
    for name, kind in names.measured:
        if kind == "auc":
            value = float(stretch.placing.auc[auc])
            blocks = ranks[:, 4 * auc : 4 * auc + 4]
            estimates[name] = stats.of_sums(blocks, _moved(value), seed, 1)
            auc += 1
        else:
            blocks = total.values[:, column : column + _width(kind)]
            estimates[name] = stats.of_sums(blocks, _share if kind == "ratio" else _r2(blocks), seed, 1)
            column += _width(kind)
    comparisons = []
    for k, loss in enumerate(names.losses):
        blocks = total.values[:, column + 3 * k : column + 3 * k + 3]
        comparisons.append(_comparison(loss, blocks, windows[k], stretch.lags[k], seed))
    return Scores(total.hours, estimates, comparisons)


def _share(s: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(s[..., 0] / s[..., 1])


def _moved(auc: float) -> Callable[[Array], Array]:
    """The AUC of a resample, from what its rises and its falls add to it; they add nothing to that of all rows."""
    return lambda s: auc + _share(s[..., :2]) + _share(s[..., 2:])


def _r2(blocks: Array) -> Callable[[Array], Array]:
    """One less the squared error's share of that of the mean of all."""
    _, _, total, count = blocks.sum(axis=0)
    mean = total / count if count else math.nan
    return lambda s: 1 - s[..., 0] / (s[..., 1] - 2 * mean * s[..., 2] + mean**2 * s[..., 3])


def _comparison(loss_name: tuple[str, str, str], blocks: Array, windows: Array, lags: int, seed: int) -> Comparison:
    loss, baseline_loss, count = blocks.sum(axis=0)
    if not count:
        return Comparison.unknown(*loss_name)
    skill = stats.of_sums(blocks[:, :2], lambda s: 1 - _share(s), seed, 1)
    mean = float(baseline_loss - loss) / count
    squares = windows[0] - 2 * mean * windows[1] + mean**2 * windows[2]
    test = stats.of_windows(mean, float(squares), int(count), lags)
    return Comparison(*loss_name, float(loss / count), float(baseline_loss / count), skill, test)
