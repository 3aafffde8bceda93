"""Scores and their intervals, against other implementations and known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from model import conformal, evaluate, linear, smearing, stats
from model.conformal import quantiles
from model.report import data_checks, slices
from model.split import Fold


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
        e = stats.quotient(series, np.ones(len(series)), seed)
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
    assert stats.quotient(values, np.ones(len(values)), 3) == stats.quotient(values, np.ones(len(values)), 3)
    assert stats.quotient(values, np.ones(len(values)), 3) != stats.quotient(values, np.ones(len(values)), 4)


def test_diebold_mariano_against_a_t_test_on_independent_losses() -> None:
    from scipy import stats as reference

    rng = np.random.default_rng(1)
    a, b = rng.exponential(1.0, 4000), rng.exponential(1.04, 4000)
    test = stats.diebold_mariano(a, b, lags=0)
    expected = reference.ttest_1samp(b - a, 0)
    assert test.statistic == pytest.approx(expected.statistic, rel=1e-3)
    assert test.p_value == pytest.approx(expected.pvalue, abs=0.005)


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
    scores = evaluate.Scores(
        0, {}, [evaluate._compare(evaluate.Losses("return", "zero", "squared error", nothing, nothing), 1)]
    )
    raw = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    (only,) = raw["comparisons"]
    assert (only["model_loss"], only["skill"]["value"], only["verdict"]) == (None, None, "no skill")
    assert evaluate.flat(scores) == {}


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


def test_seasonal_least_squares_is_that_with_a_column_for_each_season() -> None:
    rng = np.random.default_rng(6)
    x, season = rng.standard_normal((900, 5)), rng.integers(0, 23, 900)
    x[:, 3] += np.sin(season)  # goes with the season, as volume does
    y = x @ [0.6, -0.2, 0.0, 1.0, 0.3] + np.cos(season) + 0.3 * rng.standard_normal(900)
    fit = linear.seasonal(x, season, y, seasons=24)
    design = np.hstack([np.clip((x - x.mean(0)) / x.std(0), -4, 4), np.eye(24)[season]])
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    assert fit.predict(x, season) == pytest.approx(design @ weights, abs=1e-6)
    assert fit.slopes.weights == pytest.approx(weights[:5], abs=1e-6)
    never = fit.offsets[23]  # no row was of this season
    assert never == pytest.approx(fit.offsets[:23].mean())
    again = linear.Seasonal.from_json(json.loads(json.dumps(fit.to_json())))
    assert np.array_equal(again.predict(x, season), fit.predict(x, season))


def test_weighted_logistic_regression_against_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    rng = np.random.default_rng(7)
    x, weight = rng.standard_normal((600, 3)), rng.uniform(0.2, 1.8, 600)
    up = (x[:, 0] + rng.standard_normal(600) > 0).astype(float)
    mine = linear.logistic(x, up, penalty=5, weight=weight)
    z = np.clip((x - x.mean(0)) / x.std(0), -4, 4)
    theirs = sklearn.LogisticRegression(C=1 / 5, tol=1e-10).fit(z, up, sample_weight=weight)
    assert linear.sigmoid(mine.predict(x)) == pytest.approx(theirs.predict_proba(z)[:, 1], abs=1e-4)
    p = linear.sigmoid(mine.predict(x))  # and the gradient of the penalised likelihood is zero
    assert np.abs(z.T @ (weight * (p - up)) + 5 * mine.weights).max() < 1e-5


def test_smearing_gives_the_mean_of_a_lognormal_variance_and_knows_no_later_error() -> None:
    rng = np.random.default_rng(8)
    forecast = rng.normal(-9, 1, 30_000)
    lv = forecast + 0.8 * rng.standard_normal(30_000)
    forecast[:5000] = np.nan
    folds = [Fold(0, 9000, 10_000, 20_000), Fold(1, 19_000, 20_000, 30_000)]
    made, last = smearing.by_fold(lv, forecast, folds)
    assert last == pytest.approx(np.exp(0.8**2 / 2), rel=0.05)
    assert np.exp(lv[10_000:]).sum() / made[10_000:].sum() == pytest.approx(1, abs=0.07)
    assert np.isnan(made[:10_000]).all()
    expected = np.exp(lv - forecast)[10_000 - smearing.WINDOW : 10_000].mean()  # the last errors before the fold
    assert made[15_000] == pytest.approx(np.exp(forecast[15_000]) * expected)
    later = lv.copy()
    later[10_000:] += 3
    assert np.array_equal(smearing.by_fold(later, forecast, folds)[0][:20_000], made[:20_000], equal_nan=True)
    assert smearing.factor(np.full(5, np.nan)) == 1.0


def test_the_mean_has_the_least_qlike() -> None:
    rng = np.random.default_rng(9)
    lv = 0.7 * rng.standard_normal(100_000)
    mean = float(np.exp(lv).mean())
    losses = [evaluate.qlike(lv, np.full(len(lv), mean * x)).mean() for x in (0.8, 0.95, 1.0, 1.05, 1.25)]
    assert int(np.argmin(losses)) == 2
    ratio = np.exp(lv) / mean
    assert losses[2] == pytest.approx(float((ratio - np.log(ratio) - 1).mean()))


def test_intervals_cover_every_hour_and_regime_alike_where_the_forecast_misjudges_some() -> None:
    rng = np.random.default_rng(10)
    n = 40_000
    hour = np.arange(n) % 24
    sigma = np.exp(0.8 * np.repeat(rng.standard_normal(n // 200), 200))
    true = sigma**1.15 * np.where(hour == 14, 1.4, np.where(hour < 6, 0.8, 1.0))
    ret = 0.01 * true * rng.standard_t(5, n)
    low, high, last = conformal.intervals(np.zeros(n), 0.01 * sigma, ret, hour, 0.9)
    inside = ((ret >= low) & (ret <= high)).astype(float)
    tested = slice(8000, None)
    plain_low, plain_high = quantiles(ret / (0.01 * sigma), 0.9)
    plain = ((ret >= plain_low * 0.01 * sigma) & (ret <= plain_high * 0.01 * sigma)).astype(float)
    level = conformal.regimes(0.01 * sigma)

    def worst(hit: np.ndarray, group: np.ndarray) -> float:
        return max(abs(float(hit[tested][group[tested] == g].mean()) - 0.9) for g in np.unique(group[tested]))

    assert worst(inside, hour) < 0.02 < worst(plain, hour)
    assert worst(inside, level) < 0.02
    # what a finished model uses is what the next row of the walk would have had
    bounds = last.bounds(np.zeros(1), np.array([0.01]), np.array([14]))
    more = conformal.intervals(
        np.zeros(n + 1), np.append(0.01 * sigma, 0.01), np.append(ret, np.nan), np.append(hour, 14), 0.9
    )
    assert bounds[0][0] == pytest.approx(more[0][-1], rel=0.03)
    assert bounds[1][0] == pytest.approx(more[1][-1], rel=0.03)


def test_factors_of_the_interval_use_known_scores_only() -> None:
    rng = np.random.default_rng(11)
    n = 4000
    sigma, ret, hour = np.exp(rng.standard_normal(n)), rng.standard_normal(n), np.arange(n) % 24
    ret[rng.random(n) < 0.05] = np.nan
    before = conformal.intervals(np.zeros(n), sigma, ret, hour, 0.9)
    changed, other = ret.copy(), sigma.copy()
    changed[3000:], other[3001:] = 99.0, 5.0
    after = conformal.intervals(np.zeros(n), other, changed, hour, 0.9)
    assert np.array_equal(before[0][:3001], after[0][:3001], equal_nan=True)
    assert np.array_equal(before[1][:3001], after[1][:3001], equal_nan=True)


def test_ratio_agrees_with_the_bootstrap_and_with_the_formula_of_a_mean() -> None:
    rng = np.random.default_rng(14)
    loss, other = rng.exponential(1.0, 6000), rng.exponential(1.2, 6000)
    quick, slow = stats.ratio(other - loss, other, block=72), stats.skill(loss, other, 1)
    assert quick.value == pytest.approx(slow.value)
    assert quick.low == pytest.approx(slow.low, abs=0.006)
    assert quick.high == pytest.approx(slow.high, abs=0.006)
    of_mean = stats.ratio(loss, np.ones(6000), block=1)
    assert of_mean.high - of_mean.value == pytest.approx(1.96 * loss.std() / np.sqrt(6000))
    dependent = np.repeat(rng.standard_normal(1000), 6)
    wide, naive = (stats.ratio(dependent, np.ones(6000), block) for block in (72, 1))
    assert 2 < (wide.high - wide.low) / (naive.high - naive.low) < 3  # the root of 6
    assert np.isnan(stats.ratio(np.empty(0), np.empty(0)).value)


def test_break_even_cost_of_a_known_edge() -> None:
    rng = np.random.default_rng(12)
    up = rng.random(20_000) < 0.5
    ret = np.where(up, 0.001, -0.001)
    right = rng.random(20_000) < 0.6
    p_up = np.where(up == right, 0.6, 0.4)
    # an hour earns 0.2 x 0.1 % on average; the side turns in half of the hours, for two units each
    cost = slices.break_even(ret, p_up, 1)
    assert cost.value == pytest.approx(0.0002, rel=0.1)
    assert cost.low < 0.0002 < cost.high
    held = slices.break_even(np.array([0.01, np.nan, 0.01, -0.01]), np.array([0.6, 0.1, 0.6, 0.4]), 1)
    assert held.value == pytest.approx((0.01 + 0.01 + 0.01) / (1 + 0 + 2))


def test_stability_index_against_its_formula() -> None:
    rng = np.random.default_rng(13)
    before, after = rng.standard_normal(50_000), rng.standard_normal(50_000) + 0.5
    edges = np.quantile(before, np.arange(0.1, 1, 0.1))
    shares_before, shares_after = (np.histogram(v, [-np.inf, *edges, np.inf])[0] / len(v) for v in (before, after))
    assert data_checks.stability(before, after) == pytest.approx(
        ((shares_after - shares_before) * np.log(shares_after / shares_before)).sum(), rel=1e-6
    )
    assert data_checks.stability(before, rng.standard_normal(50_000)) < 0.002
    assert np.isnan(data_checks.stability(before, np.full(5, np.nan)))
    assert data_checks.stability(np.ones(100), np.ones(100)) == 0
    slow = np.repeat(rng.standard_normal(60), data_checks.LATE)  # each stretch is another level: that is usual here
    assert data_checks.usually(slow) > 1 > 0.1 > data_checks.usually(rng.standard_normal(60 * data_checks.LATE))
