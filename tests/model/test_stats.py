"""Scores and their intervals, against other implementations and known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model import evaluate, linear, stats
from model.conformal import quantiles


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_the_share_of_pairs_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 60).astype(float)
    score = np.round(rng.standard_normal(60) + 0.5 * y, 1)  # with ties
    pairs = [(a > b) + 0.5 * (a == b) for a in score[y == 1] for b in score[y == 0]]
    assert stats.auc(y, score, seed).value == pytest.approx(np.mean(pairs))


def test_auc_of_one_class_is_no_number() -> None:
    assert np.isnan(stats.auc(np.ones(5), np.arange(5.0), 0).value)


def test_intervals_cover_as_often_as_they_say() -> None:
    hits = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal(1500)
        series = np.convolve(noise, np.ones(6) / 6, "same")  # dependent, mean zero
        e = stats.mean(series, seed)
        hits += e.low <= 0 <= e.high
    assert 0.86 <= hits / 120 <= 0.99


def test_auc_interval_covers_half_for_a_score_that_knows_nothing() -> None:
    hits = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        e = stats.auc(rng.integers(0, 2, 800).astype(float), rng.standard_normal(800), seed)
        hits += e.low <= 0.5 <= e.high
    assert hits >= 25


def test_bootstrap_repeats_with_its_seed() -> None:
    values = np.random.default_rng(0).standard_normal(500)
    assert stats.mean(values, 3) == stats.mean(values, 3)
    assert stats.mean(values, 3) != stats.mean(values, 4)


def test_diebold_mariano_against_a_t_test_on_independent_losses() -> None:
    from scipy import stats as reference

    rng = np.random.default_rng(1)
    a, b = rng.exponential(1.0, 4000), rng.exponential(1.04, 4000)
    found = stats.diebold_mariano(a, b, lags=0)
    expected = reference.ttest_1samp(b - a, 0)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-3)
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.005)


def test_diebold_mariano_allows_for_dependence() -> None:
    rng = np.random.default_rng(2)
    steps = np.convolve(rng.standard_normal(3000), np.ones(12), "same") + 1.0
    naive, robust = (stats.diebold_mariano(np.zeros(3000), steps, lags) for lags in (0, 24))
    assert 0 < robust.statistic < naive.statistic / 2


def test_least_squares_and_logistic_against_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    rng = np.random.default_rng(3)
    x = rng.standard_normal((800, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + rng.standard_normal(800)
    mine = linear.least_squares(x, y).predict(x)
    assert mine == pytest.approx(sklearn.LinearRegression().fit(np.clip(x, -4, 4), y).predict(x), abs=1e-3)
    up = (y > 0).astype(float)
    z = (x - x.mean(0)) / x.std(0)
    theirs = sklearn.LogisticRegression(C=1 / 50, tol=1e-10).fit(z, up).predict_proba(z)[:, 1]
    assert linear.sigmoid(linear.logistic(x, up, penalty=50).predict(x)) == pytest.approx(theirs, abs=1e-4)


def test_a_score_without_any_hours_is_none_in_json() -> None:
    nothing = np.full(50, np.nan)
    found = evaluate.Scores(0, {}, [evaluate._compare("return", "zero", "squared error", nothing, nothing, 1)])
    raw = json.loads(json.dumps(found.to_json(), allow_nan=False))
    (only,) = raw["comparisons"]
    assert (only["model_loss"], only["skill"]["value"], only["verdict"]) == (None, None, "no skill")
    assert evaluate.flat(found) == {}


def test_conformal_quantiles_cover_and_use_known_scores_only() -> None:
    rng = np.random.default_rng(4)
    scores = rng.standard_t(4, 6000)
    low, high = quantiles(scores, 0.9, window=1000)
    tested = slice(1200, None)
    inside = (scores[tested] >= low[tested]) & (scores[tested] <= high[tested])
    assert abs(inside.mean() - 0.9) < 0.015
    changed = scores.copy()
    changed[3000:] = 99.0
    other = quantiles(changed, 0.9, window=1000)
    assert np.array_equal(low[:3001], other[0][:3001], equal_nan=True)
