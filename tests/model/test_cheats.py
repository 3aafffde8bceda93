"""The whole program may not know the future: forecasts don't change when what comes after them does.

The same test is run on the real program, which passes, and on programs that cheat, which fail it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from model import boost, conformal, features, smearing, split, targets, walkforward
from model.bars import Array, Bars
from model.features.registry import Feature
from model.forecasts import Forecasts
from model.rows import Features
from tests.model.conftest import quick
from tests.model.test_leak import scrambled_after

Rows = npt.NDArray[np.int64]
Usable = npt.NDArray[np.bool_]
SETTINGS = quick(folds=2, first_train=0.6)
T = 2300
"""The hour after which everything changes; it lies inside the first test fold."""


def forecasts(bars: Bars, extra: Feature | None = None) -> Forecasts:
    chosen = [*features.select(False), *([extra] if extra else [])]
    matrix, labels = features.build(bars, chosen), targets.make(bars)
    folds = split.walk_forward(len(bars), SETTINGS.folds, SETTINGS.first_train, SETTINGS.embargo)
    assert folds[0].test_start < T < folds[0].test_stop
    return walkforward.run(bars, chosen, matrix, labels, folds, SETTINGS, lambda *_: None).forecasts


def knows_the_future(bars: Bars, program: Callable[[Bars], Forecasts]) -> set[str]:
    """Names of the forecasts up to T that change when only hours after T do."""
    original, scrambled = program(bars), program(scrambled_after(bars, T, seed=4))
    changed = set()
    for field in dataclasses.fields(Forecasts):
        left, right = getattr(original, field.name)[: T + 1], getattr(scrambled, field.name)[: T + 1]
        assert np.isfinite(left).any(), field.name
        if not np.array_equal(left, right, equal_nan=True):
            changed.add(field.name)
    return changed


def test_the_program_does_not_know_the_future(bars: Bars) -> None:
    assert knows_the_future(bars, forecasts) == set()


def without_tail(monkeypatch: pytest.MonkeyPatch, stop: Callable[[int, int], int] = min) -> None:
    """Leave out the first fold's calibration, which a cheat's rows would break, and perhaps train further."""
    honest = boost.fit

    def fit(
        target: str, matrix: Features, columns: Rows, labels: targets.Targets, end: int, *rest: Any, **_: Any
    ) -> tuple[boost.Fitted, Array | None]:
        return honest(target, matrix, columns, labels, stop(end, len(matrix)), *rest)

    monkeypatch.setattr(boost, "fit", fit)


@pytest.mark.long
def test_leaving_out_the_calibration_of_the_first_fold_is_no_cheat(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tail(monkeypatch)
    assert knows_the_future(bars, forecasts) == set()


def test_a_shuffled_split_is_caught(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    def shuffled(start: int, stop: int, usable: Usable) -> Rows:
        everywhere = np.random.default_rng(start).permutation(len(usable))[: stop - start]
        return np.asarray(everywhere[usable[everywhere]])

    without_tail(monkeypatch)
    monkeypatch.setattr(split, "rows_between", shuffled)
    assert {"p_up", "ret", "lv"} <= knows_the_future(bars, forecasts)


@pytest.mark.long
def test_training_on_the_test_is_caught(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    without_tail(monkeypatch, stop=lambda _, rows: rows)
    assert {"p_up", "lv"} <= knows_the_future(bars, forecasts)


@pytest.mark.long
def test_early_stopping_on_the_test_is_caught(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = split.rows_between

    def late_is_test(start: int, stop: int, usable: Usable) -> Rows:
        return honest(stop, min(stop + 600, len(usable)), usable) if start > 0 else honest(start, stop, usable)

    without_tail(monkeypatch)
    monkeypatch.setattr(split, "rows_between", late_is_test)
    assert {"p_up", "ret", "lv"} & knows_the_future(bars, forecasts)


def test_a_feature_shifted_the_wrong_way_is_caught(bars: Bars) -> None:
    cheat = Feature("next", "r[t+1]", "cheat", lambda x: np.append(x.ret[1:], np.nan))
    assert "p_up" in knows_the_future(bars, lambda b: forecasts(b, cheat))


@pytest.mark.long
def test_scaling_by_the_whole_series_is_caught(bars: Bars) -> None:
    cheat = Feature("z", "whole", "cheat", lambda x: (x.log_close - np.nanmean(x.log_close)) / np.nanstd(x.log_close))
    assert knows_the_future(bars, lambda b: forecasts(b, cheat))


@pytest.mark.long
def test_a_baseline_that_is_fitted_on_the_test_is_caught(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = split.rows_between
    everything = "model.baselines.rows_between"
    monkeypatch.setattr(everything, lambda a, b, usable: honest(a, len(usable) if a == 0 else b, usable))
    assert {"lv_har", "lv_lhar", "p_logistic"} <= knows_the_future(bars, forecasts)


def test_calibration_that_uses_the_coming_score_is_caught(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = conformal.quantiles

    def early(scores: Array, coverage: float) -> tuple[Array, Array]:
        return honest(np.append(scores[1:], np.nan), coverage)

    monkeypatch.setattr(conformal, "quantiles", early)
    assert {"lower", "upper"} & knows_the_future(bars, forecasts)


@pytest.mark.long
def test_factors_of_the_interval_that_know_the_coming_day_are_caught(
    bars: Bars, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = conformal.track

    def early(scores: Array, *rest: Any) -> tuple[Array, Array, Array]:
        return honest(np.append(scores[24:], np.full(24, np.nan)), *rest)

    monkeypatch.setattr(conformal, "track", early)
    assert {"lower", "upper"} & knows_the_future(bars, forecasts)


@pytest.mark.long
def test_smearing_by_the_errors_of_the_whole_test_is_caught(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(lv: Array, forecast: Array, folds: Any) -> tuple[Array, float]:
        factor = smearing.factor(lv - forecast)
        return np.exp(forecast) * factor, factor

    monkeypatch.setattr(smearing, "by_fold", whole)
    assert {"var", "var_har", "var_lhar"} <= knows_the_future(bars, forecasts)


def test_luck_is_not_called_skill() -> None:
    """On pure noise the verdict is no skill: forecasts that know nothing win in few of many series."""
    from model import stats

    wins = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        y, guess = rng.standard_normal(3000), 0.05 * rng.standard_normal(3000)
        test = stats.diebold_mariano((y - guess) ** 2, y**2)
        wins += test.p_value < 0.05 and stats.skill((y - guess) ** 2, y**2, seed).low > 0
    assert wins <= 3
