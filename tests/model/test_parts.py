"""Training on data in parts: as one process that holds all rows, with workers that are stood in for by this process.

`tests/model/test_beyond.py` has real ones.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import datetime as dt
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fastparquet
import numpy as np
import pandas as pd
import pytest

from model import (
    batch,
    boost,
    conformal,
    data,
    features,
    later,
    linear,
    log,
    outputs,
    predict,
    settings,
    split,
    stats,
    store,
    sweep,
    targets,
    train,
)
from model.bars import Bars
from model.cluster import Blocks
from model.engine import InMemory, Part
from model.errors import InputError
from model.forecasts import Forecasts
from model.parts import files, pieces, scores
from model.parts import train as of_parts
from model.parts.files import File
from model.parts.fits import OfTarget, PeriodInPieces, Variances
from model.parts.pieces import Pieces, Summary
from model.reading import AS_IT_IS, Reading
from model.rows import Rows
from model.run import Run
from model.targets import Targets
from tests.model.conftest import QUICK, quick

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CUTS = (0, 700, 1090, 1095, 2000, 2970)
"""Where the parts begin: one is shorter than what features look back on, one has five hours."""


class Here:
    """Stands in for a cluster: what it is asked for, this process does at once. `client` is it, too."""

    place = "this process"
    workers: tuple[str, ...] = ("one", "two")

    def __init__(self, address: str = "", workers: int = 0) -> None:
        self.client = self

    def submit(self, function: Callable[..., Any], *given: Any, **_: object) -> Any:
        return function(*given)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        return list(futures)

    def scatter(self, values: Sequence[Any], **_: object) -> list[Any]:
        return list(values)

    def train_on(
        self, wanted: dict[str, Any], parts: Sequence[Callable[[], Blocks]], rounds: int, patience: int | None
    ) -> Any:
        return InMemory().train(wanted, [_part(blocks()) for blocks in parts], rounds, patience)

    def close(self) -> None:
        pass


def _part(blocks: Blocks) -> Part:
    for pairs in blocks.values():
        assert all(values.shape == shape for values, shape in pairs)
    arrays = {name: np.concatenate([values for values, _ in pairs]) for name, pairs in blocks.items() if pairs}
    rows = Rows(arrays["data"], np.arange(len(arrays["data"])), np.arange(arrays["data"].shape[1]))
    return Part(rows, arrays["label"], arrays.get("weight"), arrays.get("base_margin"))


def frame(path: Path) -> pd.DataFrame:
    rows = pd.read_csv(path)
    rows["Open time"] = pd.to_datetime(rows["Open time"])
    return rows


def write(rows: pd.DataFrame, folder: Path, cuts: Sequence[int] = CUTS) -> Path:
    folder.mkdir()
    for number, (start, stop) in enumerate(itertools.pairwise(cuts)):
        fastparquet.write(str(folder / f"{number}.parquet"), rows[start:stop].reset_index(drop=True))
    return folder


@pytest.fixture(scope="module")
def whole(sample_csv: Path) -> pd.DataFrame:
    """Hours of which the last ten of a part are missing, and some within another."""
    rows = frame(sample_csv)
    return rows.drop(rows.index[[*range(1090, 1100), *range(1500, 1520)]])


@pytest.fixture(scope="module")
def folder(whole: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(whole, tmp_path_factory.mktemp("parts") / "parts")


@pytest.fixture(scope="module")
def bars(folder: Path) -> Bars:
    """All hours, as one process reads them."""
    return data.load_uri(str(folder), AS_IT_IS, NOW).bars


@pytest.fixture(scope="module")
def made(folder: Path) -> Pieces:
    return Pieces(Here(), files.listed(str(folder)), AS_IT_IS, NOW)  # type: ignore[arg-type]  # stands in for a cluster


def test_features_and_outcomes_are_those_of_all_hours_together(made: Pieces, bars: Bars) -> None:
    assert len(made.parts) == len(CUTS) - 1
    assert (len(made), made.gaps) == (len(bars), [0, 0, 10, 0, 0])
    expected, together = features.build(bars, features.select(False)), np.concatenate(made.matrix)
    np.testing.assert_allclose(together, expected, rtol=1e-4, atol=1e-4)
    labels = targets.make(bars)
    for field in dataclasses.fields(Targets):
        values = np.concatenate([getattr(piece.targets, field.name) for piece in made.hours])
        np.testing.assert_allclose(values, getattr(labels, field.name), rtol=1e-6, atol=1e-8, err_msg=field.name)


def piece_of(path: Path) -> data.Data:
    return pieces.mended([data.read(path, AS_IT_IS)], path.name, AS_IT_IS, NOW, data.Whole(has_volume=True))


@pytest.mark.parametrize("lacking", ["before", "after"])
def test_a_piece_alone_has_other_features_at_its_edges(lacking: str, made: Pieces, folder: Path) -> None:
    loaded = piece_of(folder / "4.parquet")
    if lacking == "before":
        alone = pieces.matrix(loaded, 0, False, None)
        assert not np.isclose(alone[:720], made.matrix[4][:720], equal_nan=True).all()
        assert alone[720:] == pytest.approx(made.matrix[4][720:], rel=1e-4, abs=1e-4, nan_ok=True)
    else:
        loaded = piece_of(folder / "0.parquet")
        alone_t = pieces.hours(0, loaded, 0, False, None, None).targets
        assert np.isnan(alone_t.ret[-1])
        assert np.isfinite(made.hours[0].targets.ret[-1])
        assert np.array_equal(alone_t.ret[:-1], made.hours[0].targets.ret[:-1], equal_nan=True)


def test_linear_fits_add_up(made: Pieces, bars: Bars) -> None:
    chosen = features.select(False)
    matrix, labels = features.build(bars, chosen), targets.make(bars)
    columns, stop = features.columns_for("direction", chosen), 2500
    rows = split.rows_between(0, stop, boost.usable("direction", matrix, labels))
    weight = boost.weights(rows, stop, 1000.0)
    alone = linear.logistic(Rows(matrix, rows, columns), labels.up[rows], weight=weight)
    many = OfTarget(made, "direction", columns).stretch(0, stop, 1000.0)
    assert len(many) == len(rows)
    assert many.mean_label == pytest.approx(labels.up[rows].mean())
    together = linear.logistic_of(many)
    assert together.weights == pytest.approx(alone.weights, abs=1e-5)
    known = split.rows_between(0, stop, np.isfinite(labels.lv) & np.isfinite(labels.har).all(axis=1))
    har, seasonal = Variances(made).fit(stop)
    assert har.weights == pytest.approx(linear.least_squares(labels.har[known], labels.lv[known]).weights, rel=1e-6)
    whole_season = linear.seasonal(labels.lhar[known], labels.week_hour[known], labels.lv[known])
    assert seasonal.offsets == pytest.approx(whole_season.offsets, abs=1e-5)


@pytest.mark.parametrize("step", [1, 7, 500, 2500])
def test_intervals_go_on_from_piece_to_piece(step: int) -> None:
    rng, size = np.random.default_rng(3), {1: 300, 7: 900}.get(step, 6000)
    center, sigma = 0.001 * rng.normal(size=size), np.exp(rng.normal(size=size) / 4)
    ret, hour = sigma * rng.standard_t(4, size=size), np.arange(size) % 24
    for values in (center, sigma):
        values[: size // 3] = np.nan
    ret[rng.random(size) < 0.01] = np.nan
    lower, upper, last = conformal.intervals(center, sigma, ret, hour, 0.9)
    before, low, high = None, [], []
    for start in range(0, size, step):
        span = slice(start, start + step)
        a, b, before = conformal.walk_on(before, center[span], sigma[span], ret[span], hour[span], 0.9)
        low.append(a)
        high.append(b)
    assert np.array_equal(np.concatenate(low), lower, equal_nan=True)
    assert np.array_equal(np.concatenate(high), upper, equal_nan=True)
    assert before is not None
    assert json.dumps(before.calibration().to_json()) == json.dumps(last.to_json())


@pytest.mark.parametrize("lags", [0, 1, 5, 12])
@pytest.mark.parametrize("cuts", [(), (1,), (3, 4, 40), (30,), (0, 50)])
def test_windows_are_those_of_the_whole_series(lags: int, cuts: tuple[int, ...]) -> None:
    d = np.random.default_rng(1).normal(size=50)
    ends = [*cuts, len(d)]
    sums, start = [], 0
    for number, stop in enumerate(ends):
        before = d[max(0, start - lags) : start]
        sums.append(stats.window_sums(d[start:stop], lags, before, number == len(ends) - 1))
        start = stop
    assert np.concatenate(sums) == pytest.approx(stats.window_sums(d, lags, d[:0], is_last=True))


@pytest.fixture(scope="module")
def both(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Path]:
    """A run on the parts by one process that holds all, and one in parts; and where their outputs are."""
    out = tmp_path_factory.mktemp("both")
    params = {target: dataclasses.replace(p, max_rounds=20, patience=20) for target, p in QUICK.items()}

    def given(name: str, **more: Any) -> settings.Settings:
        return quick(data=str(folder), output=str(out / name), folds=3, params=params, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of_parts, "OnCluster", Here)
        return train.train(given("one"), NOW), train.train(given("parts", scheduler="here"), NOW), out


def test_a_run_in_parts_comes_out_as_that_of_one_process(both: tuple[Run, Run, Path]) -> None:
    alone, parts, out = both
    assert parts.result.rounds == alone.result.rounds
    for field in dataclasses.fields(Forecasts):
        expected, actual = (getattr(run.result.forecasts, field.name) for run in (alone, parts))
        assert actual == pytest.approx(expected, rel=1e-3, abs=1e-5, nan_ok=True), field.name
    assert {p.relative_to(out / "one") for p in (out / "one").rglob("*.*")} == {
        p.relative_to(out / "parts") for p in (out / "parts").rglob("*.*")
    }
    manifests = [json.loads((out / name / store.MANIFEST).read_text()) for name in ("one", "parts")]
    assert manifests[0]["data"] == manifests[1]["data"]
    assert manifests[0].keys() == manifests[1].keys()
    assert (manifests[0]["verdicts"], manifests[0]["rounds"]) == (manifests[1]["verdicts"], manifests[1]["rounds"])
    for name, smear in manifests[0]["volatility"]["smear"].items():
        assert manifests[1]["volatility"]["smear"][name] == pytest.approx(smear, rel=1e-4)
    folds = [json.loads((out / name / "metrics.json").read_text())["folds"] for name in ("one", "parts")]
    for a, b in zip(*folds, strict=True):
        assert [a[k] for k in ("fold", "train_until", "test_from", "test_until", "hours")] == [
            b[k] for k in ("fold", "train_until", "test_from", "test_until", "hours")
        ]


def test_scores_in_parts_are_those_of_all_hours_together(both: tuple[Run, Run, Path]) -> None:
    """Values and tests are the same; intervals are of other resamples."""
    _, run, _ = both
    overall, by_fold, recent = train.scored(run.bars, run.targets, run.result.forecasts, run.settings)
    for expected, actual in zip([overall, *by_fold, recent], [run.overall, *run.by_fold, run.recent], strict=True):
        assert actual.hours == expected.hours
        assert list(actual.estimates) == list(expected.estimates)
        for name, estimate in expected.estimates.items():
            near = 1e-4 if "auc" in name else 1e-9  # probabilities that share a bin count as equal
            assert actual.estimates[name].value == pytest.approx(estimate.value, rel=near), name
            width = estimate.high - estimate.low
            assert actual.estimates[name].low == pytest.approx(estimate.low, abs=0.4 * width), name
            assert actual.estimates[name].high == pytest.approx(estimate.high, abs=0.4 * width), name
        for wanted, scored in zip(expected.comparisons, actual.comparisons, strict=True):
            assert (scored.target, scored.baseline, scored.measure) == (wanted.target, wanted.baseline, wanted.measure)
            assert (scored.model_loss, scored.baseline_loss) == pytest.approx((wanted.model_loss, wanted.baseline_loss))
            assert scored.test.statistic == pytest.approx(wanted.test.statistic, rel=1e-6, abs=1e-9)


def test_later_parts_change_nothing_before(
    both: tuple[Run, Run, Path], whole: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every price of the last part is another; what was forecast before its first hour was known, is the same."""
    _, run, _ = both
    changed, first = whole.copy(), int(run.data.hours - 1000)
    factor = np.exp(0.01 * np.sin(np.arange(1000) * 0.3))
    for name in ("Open", "High", "Low", "Close"):
        changed.loc[changed.index[-1000:], name] *= factor
    last = len(changed)
    parts = write(changed, tmp_path / "changed", (0, 700, 1090, 1095, last - 1000, last))
    monkeypatch.setattr(of_parts, "OnCluster", Here)
    other = train.train(dataclasses.replace(run.settings, data=str(parts), output=str(tmp_path / "out")), NOW)
    early = [fold for fold in run.folds if fold.test_start < first]
    assert early
    for name in ("p_up", "ret", "lv", "lower", "upper", "har_lower", "base_upper", "var", "p_logistic"):
        old, new = (getattr(made.result.forecasts, name)[:first] for made in (run, other))
        assert new == pytest.approx(old, rel=1e-6, abs=1e-9, nan_ok=True), name
        assert np.isfinite(old).any()
    late = np.nan_to_num(run.result.forecasts.lv[first:]) != np.nan_to_num(other.result.forecasts.lv[first:])
    assert late.any()


class Elsewhere(Here):
    """Workers with a disk of their own."""

    def submit(self, function: Callable[..., Any], *given: Any, **_: object) -> Any:
        Path("worker").mkdir(exist_ok=True)
        with contextlib.chdir("worker"):
            return function(*given)


def test_more_hours_than_are_held_are_all_written(
    both: tuple[Run, Run, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a folder that has the files of an earlier run, and others, which stay."""
    _, run, out = both
    earlier, others = ("report.html", "plots/saved.svg", "predictions/00099.parquet"), {"plots/own.svg", "own.html"}
    for name in (*earlier, *others):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("of before")
    (tmp_path / "out" / store.MANIFEST).write_text(json.dumps({"files": dict.fromkeys(earlier, "")}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(of_parts, "OnCluster", Elsewhere)
    monkeypatch.setattr(of_parts, "LATEST", 800)
    short = train.train(dataclasses.replace(run.settings, output="out"), NOW)
    left = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert (
        left - {"manifest.json"} - others == json.loads((tmp_path / "out" / store.MANIFEST).read_text())["files"].keys()
    )
    assert others <= left
    assert "report.html" not in (tmp_path / "out/model-card.md").read_text()
    assert (len(short.bars), short.data.hours, short.data.span) == (800, run.data.hours, run.data.span)
    assert short.overall == run.overall
    forecast = [pd.read_parquet(path) for path in sorted((tmp_path / "out/predictions").glob("*.parquet"))]
    every = pd.read_parquet(out / "parts/predictions.parquet")
    pd.testing.assert_frame_equal(pd.concat(forecast, ignore_index=True), every)
    latest = pd.read_parquet(tmp_path / "out/predictions.parquet")
    pd.testing.assert_frame_equal(latest, every[every["hour"] > short.bars.time[0]].reset_index(drop=True))
    manifest = json.loads((tmp_path / "out" / store.MANIFEST).read_text())
    names = {f"predictions/{path.name}" for path in (tmp_path / "out/predictions").iterdir()}
    assert set(manifest["files"]) >= names
    assert "report.html" not in manifest["files"]
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics == json.loads((out / "parts/metrics.json").read_text())


def part(name: str, first: int, last: int, opens: float = 100.0, closes: float = 100.0, missing: int = 0) -> Summary:
    start = np.datetime64("2024-01-01T00", "s")
    first_hour, last_hour = start + first * pieces.HOUR, start + last * pieces.HOUR
    rows, repairs = last - first + 1, {"missing_hours": missing}
    counts = {"hours": rows, "following": rows - 1, "flat": 0}
    return Summary(name, first_hour, last_hour, rows, repairs, opens, closes, counts, {}, 90.0, 110.0)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([part("a", 0, 299)], [0]),
        ([part("a", 0, 149), part("b", 150, 299)], [0, 0]),
        ([part("a", 0, 149), part("b", 153, 299)], [0, 3]),
        ([part("a", 0, 149), part("b", 149, 299)], "b begins at 2024-01-07T05:00:00Z, and a ends at .*may not overlap"),
        ([part("a", 0, 299), part("b", 10, 20)], "may not overlap"),
        ([part("a", 0, 149), part("b", 150, 299, opens=210)], "b: its first Open is 210 after a Close of 100 in a"),
        ([part("a", 0, 149, closes=210), part("b", 150, 299)], "the unit changes there"),
        ([part("a", 0, 149), part("b", 153, 299, opens=210)], [0, 3]),  # after a gap prices may be further apart
        ([part("a", 0, 149), part("b", 153, 299, opens=510)], "these are two series"),
        ([part("a", 0, 149), part("b", 260, 399)], "110 of 400 hours are missing"),
        ([part("a", 0, 199, missing=30), part("b", 251, 399, missing=10)], "91 of 400 hours are missing"),
        ([part("a", 0, 50), part("b", 51, 100)], "the parts have 101 usable hours: at least 200 are needed"),
    ],
)
def test_parts_follow_each_other(parts: list[Summary], expected: list[int] | str) -> None:
    if isinstance(expected, list):
        gaps = pieces.gaps(parts)
        pieces.check(parts, gaps)
        assert gaps == expected
    else:
        with pytest.raises(InputError, match=expected):
            pieces.check(parts, pieces.gaps(parts))


def in_parts(folder: Path, workers: int = 2, now: dt.datetime = NOW) -> Pieces:
    cluster = Here()
    cluster.workers = ("one",) * workers
    return Pieces(cluster, files.listed(str(folder)), AS_IT_IS, now)  # type: ignore[arg-type]  # stands in for a cluster


@pytest.fixture(scope="module")
def unordered(whole: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files whose names aren't in the order of their times: 10 comes before 2, and the newest first."""
    folder = write(whole, tmp_path_factory.mktemp("unordered") / "parts", (0, *range(300, 2900, 200), 2970))
    (folder / "13.parquet").rename(folder / "-newest.parquet")
    return folder


@pytest.mark.parametrize("workers", [1, 8])
def test_files_come_in_any_order(workers: int, unordered: Path, bars: Bars) -> None:
    in_pieces, alone = in_parts(unordered, workers), data.load_uri(str(unordered), AS_IT_IS, NOW)
    assert len(in_pieces.parts) == {1: 5, 8: 14}[workers]
    for loaded in (pieces.joined([piece.bars for piece in in_pieces.hours]), alone.bars):
        assert np.array_equal(loaded.time, bars.time)
        assert np.array_equal(loaded.close, bars.close, equal_nan=True)
    assert (in_pieces.sha256, alone.repairs["unordered"]) == (alone.sha256, 0)


def test_hours_that_contradict_each_other_are_named_with_their_files(whole: pd.DataFrame, tmp_path: Path) -> None:
    """Two files of one name, with an hour in common."""
    other = whole[1000:].copy()
    other.iloc[0, other.columns.get_loc("Open")] *= 1.0001
    for year, rows in ((2023, whole[:1001]), (2024, other)):
        (tmp_path / f"year={year}").mkdir()
        fastparquet.write(str(tmp_path / f"year={year}/part-0.parquet"), rows.reset_index(drop=True))
    lines = r"lines 1 of year=2024/part-0\.parquet and 1001 of year=2023/part-0\.parquet: two different bars"
    with pytest.raises(InputError, match=lines):
        data.load_uri(str(tmp_path), AS_IT_IS, NOW)


def test_what_is_wrong_is_named_with_its_file(whole: pd.DataFrame, tmp_path: Path) -> None:
    broken = whole.copy()
    broken.loc[broken.index[1500], "Low"] = -1.0
    folder = write(broken, tmp_path / "broken", (0, 1000, 1400, 1600, 2970))
    (folder / "2.parquet").rename(folder / "bad.parquet")
    line = r"line 101 of bad\.parquet: a price is zero or negative: open [\d.]+, .*low -1,"
    for read in (lambda: data.load_uri(str(folder), AS_IT_IS, NOW), lambda: in_parts(folder, 1)):
        with pytest.raises(InputError, match=line):
            read()


PRICES = ["Open", "High", "Low", "Close"]


def odd(kind: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of which those from 500 to 600 are odd: too odd to be alone, and few enough among all."""
    span = slice(500, 599)
    if kind == "hours":
        return rows.drop(range(510, 560))
    if kind == "every second hour":
        return rows.drop(range(501, 599, 2))
    if kind == "prices":
        rows.loc[510:560, "Close"] = np.nan
    if kind == "volumes":
        rows.loc[span, "Volume"] = np.nan
    if kind == "no trade":
        rows.loc[span, PRICES] = rows["Close"][499]
        rows.loc[span, "Volume"] = 0.0
    if kind == "one price":
        rows.loc[span, PRICES] = rows["Close"][499]
    if kind == "jumps":
        rows.loc[[510, 530, 550, 570], PRICES] *= 1.02
    if kind == "ticks":
        rows["TickVol"] = 7.0
        rows.loc[span, "Volume"] = 0.0
    if kind == "flow":
        rows = rows.assign(**{"Number of trades": 5, "Taker buy base asset volume": rows["Volume"] / 2})
        rows.loc[510:560, "Number of trades"] = np.nan
        rows.loc[span, "Taker buy base asset volume"] = 0.0
    return rows


@pytest.mark.parametrize(
    "kind",
    ["hours", "every second hour", "prices", "volumes", "no trade", "one price", "jumps", "ticks", "flow"],
)
def test_limits_are_of_all_hours_together(kind: str, whole: pd.DataFrame, tmp_path: Path) -> None:
    """Also where the newest part is a single hour that isn't over."""
    rows = odd(kind, whole.reset_index(drop=True).astype({"Volume": float}))
    cuts = [0, *np.searchsorted(rows.index, (500, 600, 2919)).tolist(), len(rows)]
    folder = write(rows[:2920], tmp_path / "parts", [*cuts[:-1], cuts[-2] + 1])
    now = rows["Open time"][2919].tz_localize(dt.UTC).to_pydatetime() + dt.timedelta(minutes=30)
    alone, in_pieces = data.load_uri(str(folder), AS_IT_IS, now), in_parts(folder, 8, now)
    assert len(in_pieces.summaries) == 4
    told, bars = in_pieces.data(alone.bars), pieces.joined([piece.bars for piece in in_pieces.hours])
    # What is noticed isn't looked for across the edges of parts.
    noticed = {name: told.repairs[name] for name in ("volume_steps", "jumps")}
    assert (told.rows, told.sha256, told.repairs) == (alone.rows, alone.sha256, alone.repairs | noticed)
    assert bars.flow.keys() == alone.bars.flow.keys()
    for values, expected in zip(pieces._columns(bars), pieces._columns(alone.bars), strict=True):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["Volume"], "rows lack a volume: too many"),
        (["Close"], "rows lack a price: too many"),
        (PRICES, "High is Low in .* of .* rows"),
    ],
)
def test_too_much_of_all_hours_is_refused(
    changed: list[str], expected: str, whole: pd.DataFrame, tmp_path: Path
) -> None:
    rows = whole.reset_index(drop=True)
    for name in changed:
        rows.loc[: int(len(rows) * 0.6), name] = rows["Close"] if changed == PRICES else np.nan
    with pytest.raises(InputError, match=expected):
        in_parts(write(rows, tmp_path / "parts", (0, 1500, 2920)))
    with pytest.raises(InputError):
        data.load_uri(str(tmp_path / "parts"), AS_IT_IS, NOW)


def test_order_flow_that_a_part_lacks_is_told(
    whole: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = whole.assign(**{"Number of trades": 5, "Taker buy base asset volume": whole["Volume"] / 2})
    folder = write(full, tmp_path / "parts", (0, 1000, 2970))
    log.configure({"LOG_FORMAT": "plain"})
    assert in_parts(folder).has_flow
    assert capsys.readouterr().err == ""
    fastparquet.write(str(folder / "0.parquet"), whole[:1000].reset_index(drop=True))
    assert not in_parts(folder).has_flow
    told = " ".join(capsys.readouterr().err.split())
    assert "order flow isn't used: too many hours lack it without=0.parquet" in told
    few = write(full, tmp_path / "few", (0, 300, 2970))
    fastparquet.write(str(few / "0.parquet"), whole[:300].reset_index(drop=True))
    in_pieces, alone = in_parts(few), data.load_uri(str(few), AS_IT_IS, NOW).bars
    assert in_pieces.has_flow
    for name, values in pieces.joined([piece.bars for piece in in_pieces.hours]).flow.items():
        np.testing.assert_array_equal(values, alone.flow[name])


def test_a_fold_without_tested_hours_has_no_scores(both: tuple[Run, Run, Path]) -> None:
    """As where the exchange stood still for all of it."""
    run, _, _ = both
    hours, f, s = pieces.Hours(0, run.bars, run.targets), copy.deepcopy(run.result.forecasts), run.settings
    f.fold[f.fold == 1] = np.nan
    made: Any = SimpleNamespace(pieces=Here(), over=[0], by_piece=[f])
    made.pieces.hours = [hours]
    made.pieces.submit = lambda _, function, *given: function(*given)
    names = scores.Names.of(hours, f, s.coverage)
    overall, by_fold, _ = scores.score(made, names, 3, s.coverage, s.seed)
    expected = train.scored(run.bars, run.targets, f, s)[1][1]
    assert (by_fold[1].hours, overall.hours) == (0, by_fold[0].hours + by_fold[2].hours)
    assert outputs.to_bytes(by_fold[1].to_json()) == outputs.to_bytes(expected.to_json())


def test_a_tail_without_hours_stops_at_once_as_in_one_process(whole: pd.DataFrame, tmp_path: Path) -> None:
    in_pieces = in_parts(write(whole.drop(whole.index[1650:2100]), tmp_path / "parts", (0, 900, 2520)))
    chosen, p = features.select(False), dataclasses.replace(QUICK["return"], max_rounds=5, patience=2)
    columns, bars = features.columns_for("return", chosen), pieces.joined([piece.bars for piece in in_pieces.hours])
    matrix, labels = features.build(bars, chosen), targets.make(bars)
    rows = OfTarget(in_pieces, "return", columns)
    assert not len(rows.stretch(split.tail(2000, 24)[1], 2000))
    early = PeriodInPieces(rows, 2000, 24, p, 7).early()
    expected = boost._Period("return", matrix, columns, labels, 2000, 24, p, 7, InMemory()).early()
    assert (early.rounds, expected.rounds) == (1, 1)
    assert early.predict(matrix, labels.har) == pytest.approx(expected.predict(matrix, labels.har), rel=1e-5)


def test_every_command_reads_data_in_parts(
    finished: tuple[Run, Path], sample_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = str(sample_csv), str(write(frame(sample_csv), tmp_path / "parts", (0, 1500, 3000)))
    model = str(finished[1])
    assert predict.forecast(model, folder)["price"] == predict.forecast(model, file)["price"]
    pd.testing.assert_frame_equal(batch.table(model, folder), batch.table(model, file))
    pd.testing.assert_frame_equal(later.outcomes(model, folder), later.outcomes(model, file))
    with pytest.raises(InputError, match="parts has 0 hours after"):
        later.check(model, folder, history_uri=folder)
    monkeypatch.setattr(sweep.Trial, "loss", lambda *_: 1.0)
    results = [
        sweep.sweep(quick(data=uri, output=str(tmp_path / "out")), ["direction"], {"eta": [0.1]}, 1)
        for uri in (folder, file)
    ]
    assert results[0] | {"data_sha256": ""} == results[1] | {"data_sha256": ""}


MB = 2**20


@pytest.mark.parametrize(
    ("sizes", "workers", "expected"),
    [
        ([MB], 4, [1]),
        ([9 * MB, 9 * MB], 1, [1, 1]),
        ([MB] * 80, 2, [8] * 10),  # 8 MB each
        ([MB] * 16, 2, [2] * 8),  # four pieces a worker
        ([MB] * 8, 2, [1] * 8),
        ([3 * MB, 3 * MB, 3 * MB] * 20, 1, [2] * 30),
        ([0] * 5, 1, [5]),
    ],
)
def test_small_files_are_read_together(sizes: list[int], workers: int, expected: list[int]) -> None:
    groups = files.grouped([File(f"{number:03}", size, "") for number, size in enumerate(sizes)], workers)
    assert [len(group) for group in groups] == expected
    assert [file.uri for group in groups for file in group] == [f"{number:03}" for number in range(len(sizes))]


def test_which_files_of_a_folder_count(tmp_path: Path) -> None:
    names = ("b.parquet", "a.parquet", "_SUCCESS", "_metadata.parquet", ".c.parquet", "d.csv", "year=2024/c.parquet")
    hidden = ("_delta_log/1.checkpoint.parquet", "_temporary/0/a.parquet", "year=2024/.ipynb_checkpoints/a.parquet")
    for name in (*names, *hidden, "spark.parquet/part-0.parquet", "blob"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "data/z.parquet").symlink_to("blob")
    (tmp_path / "data/.#b.parquet").symlink_to("an editor's lock")
    (tmp_path / "data/again").symlink_to(".")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/y.parquet").write_bytes(b"x")
    (tmp_path / "data/linked").symlink_to("../elsewhere")
    listed = files.listed(str(tmp_path / "data"))
    expected = ["a.parquet", "b.parquet", "linked/y.parquet", "spark.parquet/part-0.parquet", "year=2024/c.parquet"]
    assert [file.name for file in listed] == [*expected, "z.parquet"]
    before = files.fingerprint(listed)
    (tmp_path / "data/a.parquet").write_bytes(b"xy")
    assert files.fingerprint(files.listed(str(tmp_path / "data"))) != before
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"no \.parquet files in .*none"):
        files.listed(str(tmp_path / "none"))
    (tmp_path / "none/a.parquet").symlink_to("gone")
    with pytest.raises(InputError, match=r"a\.parquet is a link that leads nowhere"):
        files.listed(str(tmp_path / "none"))


def test_files_below_a_prefix_in_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ("d/h-1.parquet", "d/h-_log/1.parquet", "d/h-2/1.parquet", "d/h-2/_SUCCESS", "d/h-2/.x/1.parquet")
    page = {"Contents": [{"Key": key, "Size": 1, "ETag": key} for key in keys]}
    paginator = SimpleNamespace(paginate=lambda **_: [page])
    monkeypatch.setattr(store, "client", lambda _: SimpleNamespace(get_paginator=lambda _: paginator))
    assert [file.name for file in files.listed("s3://b/d/h-*")] == [
        "h-1.parquet", "h-2/1.parquet", "h-_log/1.parquet"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"S3_PREFIX": "data/hours/"}, "s3://b/data/hours/"),
        ({"S3_PREFIX": "data/hours-"}, "s3://b/data/hours-*"),
        ({"S3_KEY": "data/hours/"}, "s3://b/data/hours/"),
        ({"S3_KEY": "data/hours/0.parquet", "S3_PREFIX": "data/hours/"}, "s3://b/data/hours/"),  # as a deploy sets them
        ({"S3_KEY": "data/hours/0.csv", "S3_PREFIX": "data/hours/"}, "s3://b/data/hours/0.csv"),  # the first file
        ({"S3_KEY": "data/hours/_SUCCESS", "S3_PREFIX": "data/hours/"}, "s3://b/data/hours/"),  # as Spark leaves it
        ({"S3_KEY": "data/hours/._SUCCESS.crc", "S3_PREFIX": "data/hours/"}, "s3://b/data/hours/"),
        ({"S3_KEY": "data/hours/_delta_log/0.json", "S3_PREFIX": "data/hours/"}, "s3://b/data/hours/"),
        ({"S3_KEY": "_raw/hours/0.csv", "S3_PREFIX": "_raw/hours/"}, "s3://b/_raw/hours/0.csv"),
        ({}, "USE_S3 is true, but S3_KEY is not set"),
    ],
)
def test_a_prefix_is_the_data(env: dict[str, str], expected: str) -> None:
    given = {"USE_S3": "true", "S3_BUCKET": "b", **env}
    if expected.startswith("s3:"):
        assert settings.data_uri(given) == expected
        assert files.is_folder(expected) is not expected.endswith(".csv")
    else:
        with pytest.raises(InputError, match=expected):
            settings.data_uri(given)


def test_a_part_that_cannot_be_used_is_named(whole: pd.DataFrame, tmp_path: Path) -> None:
    broken = whole.copy()
    broken.loc[broken.index[1500], "Low"] = -1.0
    folder = write(broken, tmp_path / "broken")
    with pytest.raises(InputError, match=r"3\.parquet: line .*zero or negative"):
        Pieces(Here(), files.listed(str(folder)), Reading(), NOW)  # type: ignore[arg-type]  # stands in for a cluster


def test_boosters_that_are_kept_arent_trained_again(
    both: tuple[Run, Run, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run, _ = both
    monkeypatch.setattr(of_parts, "OnCluster", Here)
    few = {target: dataclasses.replace(p, max_rounds=3, patience=3) for target, p in run.settings.params.items()}
    wanted = dataclasses.replace(run.settings, folds=2, params=few, checkpoint=str(tmp_path / "kept"))
    first = train.train(dataclasses.replace(wanted, output=str(tmp_path / "first")), NOW)
    monkeypatch.setattr(Here, "train_on", None)
    again = train.train(dataclasses.replace(wanted, output=str(tmp_path / "again")), NOW)
    assert (first.result.restored, again.result.restored) == (0, 9)
    for name in ("metrics.json", "predictions.parquet", "volatility.ubj"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
