"""What people read: self-contained, complete, and true to the numbers."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from model import report, train
from model.report import words
from model.report.svg import ticks

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


def test_the_page_loads_nothing_and_is_well_formed(finished: tuple[train.Run, Path]) -> None:
    _, out = finished
    html = (out / "report.html").read_text()
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert checker.loads == []
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", html)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", html).lower().replace("finance", "")
    assert len(html) < 400_000


def test_the_page_says_the_verdicts_and_the_numbers(finished: tuple[train.Run, Path]) -> None:
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


def test_every_plot_opens_by_itself(finished: tuple[train.Run, Path]) -> None:
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


def test_the_model_card(finished: tuple[train.Run, Path]) -> None:
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
    found = ticks(low, high)
    assert found[: len(expected)] == pytest.approx(expected)
    assert all(low <= t <= high for t in found)


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
def test_every_verdict_can_be_told(finished: tuple[train.Run, Path], value: float, p: float, verdict: str) -> None:
    import dataclasses

    from model.stats import DieboldMariano, Estimate

    run, _ = finished
    skill = Estimate(value, value - abs(value) / 2, value + abs(value) / 2)
    told = [dataclasses.replace(c, skill=skill, test=DieboldMariano(1.0, p)) for c in run.overall.comparisons]
    other = dataclasses.replace(run, overall=dataclasses.replace(run.overall, comparisons=told))
    assert {c.verdict for c in told} == {verdict}
    assert f">{verdict}<".encode() in report.page(other)
    assert verdict in report.card(other).decode()


def test_a_run_without_skill_is_told_as_one(finished: tuple[train.Run, Path]) -> None:
    import dataclasses

    run, _ = finished
    none = [dataclasses.replace(c, test=dataclasses.replace(c.test, p_value=0.6)) for c in run.overall.comparisons]
    honest = dataclasses.replace(run, overall=dataclasses.replace(run.overall, comparisons=none))
    assert (
        "can't be told from its strongest baseline in direction, return, volatility and price interval"
        in words.lead(honest)
    )
    assert b">skill<" not in report.page(honest)
    assert np.isfinite(len(report.card(honest)))
