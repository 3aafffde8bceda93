"""An hour whose outcome isn't known counts in no metric."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from model import compare, evaluate, parquet
from model.bars import Array, Bars
from model.evaluate import Scores
from model.forecasts import Forecasts
from model.targets import LHAR, Targets

N = 400


def made(rng: np.random.Generator) -> tuple[Bars, Targets, Forecasts]:
    """Outcomes and forecasts that have something to do with each other."""
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, N)))
    time = np.datetime64("2024-01-01T00:00:00") + np.arange(N).astype("timedelta64[h]").astype("timedelta64[s]")
    bars = Bars(time, close, close * 1.01, close * 0.99, close, np.ones(N))
    ret = rng.normal(0, 0.01, N)
    lv = rng.normal(-9, 1, N)
    none, hours = np.zeros((N, len(LHAR)), np.float32), np.zeros(N, np.int16)
    up, now = (ret > 0).astype(float), lv + rng.normal(0, 1, N)
    targets = Targets(up, ret, lv, np.full(N, 0.01), now, np.zeros((N, 3)), none, hours)
    f = Forecasts.empty(N)
    f.fold[:] = 0
    f.p_up, f.p_logistic = np.clip(0.5 + ret * 10 + rng.normal(0, 0.1, N), 0.05, 0.95), rng.uniform(0.3, 0.7, N)
    f.p_base[:] = 0.52
    f.ret, f.lv, f.lv_har = ret * 0.1, lv + rng.normal(0, 0.5, N), lv + rng.normal(0, 0.9, N)
    f.lv_lhar = lv + rng.normal(0, 0.7, N)
    f.var, f.var_har, f.var_lhar = (np.exp(x) for x in (f.lv, f.lv_har, f.lv_lhar))
    f.har_lower, f.har_upper, f.lhar_lower, f.lhar_upper = (np.full(N, x) for x in (-0.018, 0.018, -0.017, 0.017))
    f.lower, f.upper, f.base_lower, f.base_upper = (np.full(N, x) for x in (-0.015, 0.016, -0.02, 0.02))
    return bars, targets, f


def scored(bars: Bars, targets: Targets, f: Forecasts) -> Scores:
    return evaluate.score(bars, targets, f, np.arange(len(bars)), 0.9, 3)


def without(rows: npt.NDArray[np.bool_], bars: Bars, targets: Targets, f: Forecasts) -> tuple[Bars, Targets, Forecasts]:
    """The same without some rows altogether."""
    keep = ~rows

    def cut(record: object) -> dict[str, Any]:
        return {x.name: getattr(record, x.name)[keep] for x in dataclasses.fields(record)}  # type: ignore[arg-type]

    return bars.map(lambda values: values[keep]), Targets(**cut(targets)), Forecasts(**cut(f))


@pytest.mark.share(3)
@pytest.mark.parametrize(
    "missing",
    [
        *("up", "ret", "lv", "p_up", "p_logistic", "p_base", "lv_har", "lv_lhar", "var", "var_har", "var_lhar"),
        *("upper", "base_lower", "har_lower", "lhar_upper"),
    ],
)
def test_every_metric_is_that_of_the_hours_with_an_outcome(missing: str) -> None:
    rng = np.random.default_rng(5)
    bars, targets, f = made(rng)
    gone = rng.uniform(size=N) < 0.3
    values = getattr(targets if hasattr(targets, missing) else f, missing).copy()
    values[gone] = np.nan
    if hasattr(targets, missing):
        scores = scored(bars, dataclasses.replace(targets, **{missing: values}), f)
    else:
        scores = scored(bars, targets, dataclasses.replace(f, **{missing: values}))
    whole, cut = scored(bars, targets, f), scored(*without(gone, bars, targets, f))
    left_out = 0
    for name, estimate in scores.estimates.items():
        assert estimate in (whole.estimates[name], cut.estimates[name]), name
        left_out += estimate == cut.estimates[name]
    for mine, all_rows, kept in zip(scores.comparisons, whole.comparisons, cut.comparisons, strict=True):
        name = f"{mine.target} against {mine.baseline}"
        assert mine.skill in (all_rows.skill, kept.skill), name
        assert mine.model_loss in (all_rows.model_loss, kept.model_loss), name
        left_out += mine.skill == kept.skill
    assert left_out  # the missing one matters to some metric


USES = {
    "up": {"direction against base rate", "direction against logistic regression"},
    "ret": {
        "return against zero",
        "price against persistence",
        "price interval against empirical interval",
        "price interval against conformal on HAR",
        "price interval against conformal on seasonal HAR",
    },
    "lv": {
        "volatility against HAR",
        "volatility against seasonal HAR",
        "volatility against persistence",
        "volatility against HAR (QLIKE)",
        "volatility against seasonal HAR (QLIKE)",
    },
}


@pytest.mark.parametrize("missing", USES)
def test_no_outcome_at_all_is_no_number(missing: str) -> None:
    bars, targets, f = made(np.random.default_rng(6))
    scores = scored(bars, dataclasses.replace(targets, **{missing: np.full(N, np.nan)}), f)
    nothing = {f"{c.target} against {c.baseline}" for c in scores.comparisons if np.isnan(c.model_loss)}
    assert nothing == USES[missing]
    assert {c.verdict for c in scores.comparisons if np.isnan(c.model_loss)} == {"no skill"}


def written(folder: Path, p_up: Array, up: Array) -> str:
    folder.mkdir()
    rng = np.random.default_rng(9)
    rows = pd.DataFrame(
        {
            "hour": pd.date_range("2024-01-01", periods=N, freq="h").astype("datetime64[us]"),
            "close": np.full(N, 100.0),
            "up": up,
            "p_up": p_up,
            **{name: rng.normal(size=N) for name in ("ret", "ret_forecast", "lv", "lv_forecast")},
            **dict.fromkeys(("variance_forecast", "lower_price", "upper_price"), np.full(N, 1.0)),
        }
    )
    raw = parquet.encode(rows)
    (folder / "predictions.parquet").write_bytes(raw)
    files = {"predictions.parquet": hashlib.sha256(raw).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"complete": True, "files": files}))
    (folder / "metrics.json").write_text(json.dumps({"metrics": {}}))
    return str(folder)


def test_compare_leaves_hours_without_an_outcome_out(tmp_path: Path) -> None:
    """B leans to falls in the hours without an outcome, and is the same in all others."""
    rng = np.random.default_rng(8)
    up = (rng.uniform(size=N) < 0.5).astype(float)
    up[rng.uniform(size=N) < 0.4] = np.nan
    p = rng.uniform(0.4, 0.6, N)
    lean = np.where(np.isnan(up), 0.05, p)
    paired = compare.compare(written(tmp_path / "a", p, up), written(tmp_path / "b", lean, up))["paired"]["direction"]
    assert paired["b_saves"]["value"] == 0
    assert paired["better"] == "neither"
