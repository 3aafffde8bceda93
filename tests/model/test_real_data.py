"""The figures that are claimed, on real data: BTC_DATA=/path/to/hourly.csv (2021-04 to 2025-12, or more)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from model import limits, train
from model.settings import Settings

DATA = os.environ.get("BTC_DATA", "")


@pytest.mark.long
@pytest.mark.skipif(not DATA, reason="real data isn't in the project: set BTC_DATA to an hourly BTC file")
def test_the_claims_hold_on_real_data(tmp_path: Path) -> None:
    run = train.train(Settings(data=DATA, output=str(tmp_path), threads=limits.threads(os.environ)))
    e = run.overall.estimates
    by = {(c.target, c.baseline): c for c in run.overall.comparisons}
    assert len(run.folds) >= 5
    assert e["direction_auc"].value >= 0.545
    assert e["direction_auc"].low > 0.5
    assert by["direction", "base rate"].verdict == "skill"
    assert by["volatility", "HAR"].skill.value >= 0.15
    assert by["volatility", "HAR"].verdict == "skill"
    assert by["volatility", "persistence"].verdict == "skill"
    assert by["volatility", "seasonal HAR"].skill.value >= 0.04
    assert by["volatility", "seasonal HAR"].verdict == "skill"
    assert by["volatility", "seasonal HAR (QLIKE)"].verdict == "skill"
    assert abs(e["volatility_variance_ratio"].value - 1) <= 0.1
    assert abs(e["price_coverage"].value - run.settings.coverage) <= 0.01
    assert by["price interval", "empirical interval"].verdict == "skill"
    assert by["price interval", "conformal on HAR"].verdict == "skill"
    f, ret = run.result.forecasts, run.targets.ret
    rows = np.flatnonzero(np.isfinite(f.lower) & np.isfinite(ret))
    inside = ((ret >= f.lower) & (ret <= f.upper))[rows]
    hour = run.targets.week_hour[rows] % 24
    regime = np.searchsorted(np.quantile(f.lv[rows], [0.2, 0.4, 0.6, 0.8]), f.lv[rows])
    for group in (*(hour == h for h in range(24)), *(regime == k for k in range(5))):
        assert abs(float(inside[group].mean()) - run.settings.coverage) <= 0.02
    assert by["return", "zero"].skill.value < 0.01  # whoever finds more has a leak
    assert by["price", "persistence"].skill.value < 0.01
