"""What people read: self-contained, complete, and true to the numbers."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from model import predict, report, stats
from model.report import alone, data_checks, now, slices, words
from model.report.svg import telling_apart, ticks
from model.run import Run

VOID = {"meta", "br", "path", "circle", "rect"}


class Checker(HTMLParser):
    """Collects what a page would load, and checks that its tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "data")]
        if tag in ("script", "link", "iframe", "img"):
            self.loads.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_loads_nothing_and_is_well_formed(finished: tuple[Run, Path]) -> None:
    _, out = finished
    html = (out / "report.html").read_text()
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert checker.loads == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", html)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html).lower().replace("finance", "")
    assert len(html) < 400_000


def test_the_page_says_the_verdicts_and_the_numbers(finished: tuple[Run, Path]) -> None:
    run, out = finished
    html = (out / "report.html").read_text()
    for comparison in run.overall.comparisons:
        assert words.signed(comparison.skill.value, 2 if abs(comparison.skill.value) < 0.02 else 1) in html
    for card in words.cards(run):
        assert card.headline in html
    for feature in run.features:
        assert f"<code>{feature.name}</code>" in html
    assert run.data.sha256 in html
    assert "r-1" in html
    assert "prefers-color-scheme:dark" in html
    assert str(run.settings.data) not in html  # no path of the machine that it was made on


def test_every_plot_opens_by_itself(finished: tuple[Run, Path]) -> None:
    run, out = finished
    drawn = report.standalone(run)
    assert len(drawn) >= 9
    for name, content in drawn.items():
        assert (out / name).read_bytes() == content
        root = ET.fromstring(content)
        assert root.attrib["aria-label"]
        for element in root.iter():
            for value in element.attrib.values():
                assert "nan" not in value
                assert "inf" not in value


def test_every_plot_by_itself_has_a_title_axes_and_a_legend(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    for name, content in report.standalone(run).items():
        words_ = alone.WORDS[Path(name).stem]
        said = [element.text for element in ET.fromstring(content).iter() if element.tag.endswith("text")]
        for text in (words_.title, words_.x, words_.y, *(text for _, _, text in words_.legend)):
            assert text, name
            assert text in said, name


def test_the_next_hour_is_what_predict_says(finished: tuple[Run, Path], sample_csv: Path) -> None:
    run, out = finished
    made, told = now.forecast(run), predict.forecast(str(out), str(sample_csv))
    assert made is not None
    assert made.hour == told["hour"][:16].replace("T", " ") + " UTC"
    assert made.p_up == pytest.approx(told["direction"]["probability_up"], abs=1e-4)
    assert made.sigma == pytest.approx(told["volatility"]["hourly"], abs=1e-5)
    for value, key in ((made.price, "forecast"), (made.lower, "lower"), (made.upper, "upper")):
        assert value == pytest.approx(told["price"][key], abs=0.01)
        assert f"{value:,.2f}" in (out / "report.html").read_text()


def test_trust_is_what_the_last_folds_say(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    sure, luck = stats.DieboldMariano(4.0, 0.001), stats.DieboldMariano(0.5, 0.6)
    saved = {"volatility": stats.Estimate(0.05, 0.03, 0.07), "direction": stats.Estimate(0.002, 0.001, 0.003)}
    told = [dataclasses.replace(c, skill=saved.get(c.target, c.skill), test=sure) for c in run.recent.comparisons]
    none = [dataclasses.replace(c, test=luck) for c in told]
    with_skill = dataclasses.replace(run, recent=dataclasses.replace(run.recent, comparisons=told))
    assert {name: answer for name, answer, _ in now.trust(with_skill)} == {
        "Interval": "yes", "Volatility": "yes", "Direction": "a little"
    }  # fmt: skip
    without = dataclasses.replace(run, recent=dataclasses.replace(run.recent, comparisons=none))
    assert {name: answer for name, answer, _ in now.trust(without)} == {
        "Interval": "yes", "Volatility": "no", "Direction": "no"
    }  # fmt: skip
    assert f"last 2 folds: {none[0].verdict}".encode() in report.page(without) or len(run.folds) <= 2
    narrow = dataclasses.replace(run.recent.estimates["price_coverage"], value=0.8, low=0.78, high=0.82)
    estimates = run.recent.estimates | {"price_coverage": narrow}
    bad = dataclasses.replace(run, recent=dataclasses.replace(run.recent, estimates=estimates))
    assert now.trust(bad)[0][:2] == ("Interval", "no")


def test_gaps_moves_and_opens_are_found(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    close, opened = run.bars.close.copy(), run.bars.open.copy()
    close[100:107], close[500:502] = np.nan, np.nan
    opened[801] = close[800] * 1.07
    ret = run.targets.ret.copy()
    ret[1200] = -0.4
    bars = dataclasses.replace(run.bars, close=close, open=opened)
    other = dataclasses.replace(
        run, data=dataclasses.replace(run.data, bars=bars), targets=dataclasses.replace(run.targets, ret=ret)
    )
    assert [hours for _, hours in data_checks.gaps(other)] == [7, 2]
    assert data_checks.moves(other)[0][1] == -0.4
    assert data_checks.opens(other)[1] == pytest.approx(0.07)


def test_skill_by_month_is_that_of_three_months(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    f, lv = run.result.forecasts, run.targets.lv
    loss, other = (lv - f.lv) ** 2, (lv - f.lv_har) ** 2
    x, y = slices.by_month(run, loss, other)
    month = (run.bars.time + np.timedelta64(3600, "s")).astype("datetime64[M]")
    good = np.isfinite(loss) & np.isfinite(other)
    last = np.unique(month[good])[-1]
    rows = good & (month > last - 3)
    assert len(x) == len(np.unique(month[good])) - 2
    assert y[-1] == pytest.approx(1 - loss[rows].sum() / other[rows].sum())


def test_the_model_card(finished: tuple[Run, Path]) -> None:
    run, out = finished
    card = (out / "model-card.md").read_text()
    assert words.lead(run) in card
    assert card.count("| volatility |") == 5
    assert "## What it is for, and what it isn't" in card


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-3.0, 7.0, [-2, 0, 2, 4, 6]),
        (49_900, 50_420, [50_000, 50_200, 50_400]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    marks = ticks(low, high)
    assert marks[: len(expected)] == pytest.approx(expected)
    assert all(low <= t <= high for t in marks)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (85_500, 91_000, ["86,000", "88,000", "90,000"]),
        (1.08, 1.11, ["1.08", "1.09", "1.10", "1.11"]),
        (1.0, 1.01, ["1.0000", "1.0025", "1.0050", "1.0075", "1.0100"]),
        (3.21e-8, 3.36e-8, ["3.25e-08", "3.30e-08", "3.35e-08"]),
        (1e-12, 3e-12, ["1.0e-12", "1.5e-12", "2.0e-12", "2.5e-12", "3.0e-12"]),
    ],
)
def test_prices_of_any_size_are_told_apart_on_the_axis(low: float, high: float, expected: list[str]) -> None:
    values = ticks(low, high, 4)
    labels = [telling_apart(values)(value) for value in values]
    assert labels == expected
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (123456.0, "1.235\u2009\u00d7\u200910⁵"),
        (2.5e-5, "2.500\u2009\u00d7\u200910⁻⁵"),
        (float("nan"), "\u2013"),
    ],
)
def test_numbers_for_reading(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "p", "verdict"), [(0.1, 0.001, "skill"), (0.001, 0.001, "slight skill"), (0.1, 0.4, "no skill"),
                                (-0.1, 0.001, "worse"), (float("nan"), float("nan"), "no skill")]
)  # fmt: skip
def test_every_verdict_can_be_told(finished: tuple[Run, Path], value: float, p: float, verdict: str) -> None:
    run, _ = finished
    skill = stats.Estimate(value, value - abs(value) / 2, value + abs(value) / 2)
    told = [dataclasses.replace(c, skill=skill, test=stats.DieboldMariano(1.0, p)) for c in run.overall.comparisons]
    other = dataclasses.replace(run, overall=dataclasses.replace(run.overall, comparisons=told))
    assert {c.verdict for c in told} == {verdict}
    assert f">{verdict}<".encode() in report.page(other)
    assert verdict in report.card(other).decode()


def test_a_run_without_skill_is_told_as_one(finished: tuple[Run, Path]) -> None:
    run, _ = finished
    none = [dataclasses.replace(c, test=dataclasses.replace(c.test, p_value=0.6)) for c in run.overall.comparisons]
    honest = dataclasses.replace(run, overall=dataclasses.replace(run.overall, comparisons=none))
    assert (
        "can't be told from its strongest baseline in direction, return, volatility and price interval"
        in words.lead(honest)
    )
    assert b">skill<" not in report.page(honest)
    assert np.isfinite(len(report.card(honest)))
