"""No forecast may know the future: over every feature, and over the whole training program."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from model import features, targets
from model.bars import Array, Bars
from model.features.registry import Feature, build
from model.features.series import Series

FEATURES = features.select(has_flow=True)


@pytest.fixture(scope="module")
def full(bars: Bars) -> Bars:
    """Bars in the full format, with a gap."""
    rng = np.random.default_rng(5)
    share = rng.uniform(0.3, 0.7, len(bars))
    made = dataclasses.replace(bars, flow={"trades": np.round(bars.volume * 20), "taker_base": bars.volume * share})

    def with_gap(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        if values.dtype.kind == "f":
            values[900:905] = np.nan
        return values

    return made.map(with_gap)


def scrambled_after(bars: Bars, row: int, seed: int) -> Bars:
    """The same bars up to `row`, and other plausible ones after it, some of them missing."""
    rng = np.random.default_rng(seed)
    factor = np.exp(np.cumsum(rng.normal(0, 0.05, len(bars))))
    gone = rng.random(len(bars)) < 0.1

    def other(values: Array) -> Array:
        if values.dtype.kind != "f":
            return values
        changed = np.where(gone, np.nan, values * factor)
        return np.where(np.arange(len(values)) <= row, values, changed)

    return bars.map(other)


def leaks(bars: Bars, chosen: list[Feature], rows: list[int]) -> set[str]:
    """Names of features whose value at a row, or before it, changes when only later rows change or are cut off."""
    leaking: set[str] = set()
    whole = build(bars, chosen)
    for row in rows:
        until = whole[: row + 1]
        for other in (build(scrambled_after(bars, row, row), chosen), build(bars.slice(0, row + 1), chosen)):
            same = (until == other[: row + 1]) | (np.isnan(until) & np.isnan(other[: row + 1]))
            leaking |= {chosen[column].name for column in np.flatnonzero(~same.all(axis=0))}
    return leaking


ROWS = [30, 200, 750, 899, 902, 905, 1500, 2200, 2998]


def test_no_feature_sees_a_later_row(full: Bars) -> None:
    assert leaks(full, FEATURES, ROWS) == set()


@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_every_feature_is_documented_and_says_something(full: Bars, feature: Feature) -> None:
    values = build(full, [feature])[:, 0]
    assert len(feature.formula) > 3
    assert np.isfinite(values).mean() > 0.7
    assert np.nanstd(values) > 0
    # and it reacts to its own past, so the test above isn't passed by constants
    if feature.group != "calendar":
        assert not np.array_equal(values, build(scrambled_after(full, 1000, 3), [feature])[:, 0], equal_nan=True)


def test_chunks_give_the_same_features(full: Bars) -> None:
    whole, parts = build(full, FEATURES), build(full, FEATURES, chunk=1500)
    assert np.array_equal(np.isnan(whole), np.isnan(parts))
    assert np.allclose(whole, parts, rtol=1e-4, atol=1e-5, equal_nan=True)
    assert leaks_in_chunks(full) == set()


def leaks_in_chunks(bars: Bars) -> set[str]:
    """As `leaks`, with chunks so short that a cut falls into a later one."""
    row = 2200
    until = build(bars, FEATURES, chunk=1500)[: row + 1]
    other = build(scrambled_after(bars, row, 1), FEATURES, chunk=1500)[: row + 1]
    same = (until == other) | (np.isnan(until) & np.isnan(other))
    return {FEATURES[column].name for column in np.flatnonzero(~same.all(axis=0))}


def _cheat(name: str, compute: object) -> Feature:
    return Feature(name, "a cheat", "cheat", compute)  # type: ignore[arg-type]


CHEATS = [
    _cheat("shifted the wrong way", lambda x: np.append(x.ret[1:], np.nan)),
    _cheat("centred mean", lambda x: np.convolve(np.nan_to_num(x.ret), np.ones(3) / 3, "same")),
    _cheat("scaled by the whole series", lambda x: (x.log_close - np.nanmean(x.log_close)) / np.nanstd(x.log_close)),
    _cheat("filled backwards", lambda x: pd.Series(x.ret).bfill().to_numpy()),
    _cheat("later high", lambda x: np.append(x.bars.high[1:], np.nan) / x.bars.close),
    _cheat("rank in the whole series", lambda x: np.argsort(np.argsort(x.bars.volume)).astype(float)),
]


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda f: f.name)
def test_a_cheating_feature_is_caught(full: Bars, cheat: Feature) -> None:
    assert leaks(full, [*FEATURES[:3], cheat], ROWS) == {cheat.name}


def test_regressors_of_the_seasonal_har_look_back_and_are_the_same_in_chunks(full: Bars) -> None:
    whole, parts = targets.lhar(full), targets.lhar(full, chunk=1500)
    assert np.array_equal(np.isnan(whole), np.isnan(parts))
    assert np.allclose(whole, parts, rtol=1e-4, atol=1e-5, equal_nan=True)
    assert np.isfinite(whole).all(axis=1).mean() > 0.6
    ret = np.diff(np.log(full.close))[2700:2724]  # of the rows 2701 to 2724
    before = np.diff(np.log(full.close))[2699:2723]
    jump = np.log(max((ret**2).mean() / (np.pi / 2 * np.abs(ret * before)).mean(), 1))
    assert whole[2724, targets.LHAR.index("jump_24")] == pytest.approx(jump, rel=1e-4)
    scale = targets.make(full).scale
    fall = np.minimum(ret, 0) / scale[2701:2725]
    assert whole[2724, targets.LHAR.index("fall_24")] == pytest.approx(fall.mean(), rel=1e-4)
    assert targets.week_hours(full)[0] == (full.time[0] + np.timedelta64(1, "h")).item().hour + 24 * (
        (full.time[0] + np.timedelta64(1, "h")).item().weekday()
    )


def test_labels_are_the_next_hour_and_baselines_are_not(full: Bars) -> None:
    made = targets.make(full)
    t = 1000
    assert made.ret[t] == pytest.approx(np.log(full.close[t + 1] / full.close[t]))
    assert made.up[t] == float(full.close[t + 1] > full.close[t])
    assert made.lv[t] == Series(full).lv[t + 1]
    assert np.isnan(made.ret[-1])
    assert np.isnan(made.lv[-1])
    other = targets.make(scrambled_after(full, t, 1))
    for name in ("scale", "lv_now", "har", "lhar", "week_hour"):
        assert np.array_equal(getattr(made, name)[: t + 1], getattr(other, name)[: t + 1], equal_nan=True), name
    for name in ("up", "ret", "lv"):
        assert np.array_equal(getattr(made, name)[:t], getattr(other, name)[:t], equal_nan=True), name
