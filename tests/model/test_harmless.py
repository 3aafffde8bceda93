"""Names that attack: of the data, the run, the code; in the model card, the page, the log."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import harmless, report
from model.run import Run
from tests.lab_client import ROOT
from tests.runner import commands, effects, is_command

EVIL = "`@octocat` [x](http://evil.example) <script>alert(1)</script> ##[error]\x1b[2J\u202e\n::error::x\r|.csv"


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text(text: str) -> None:
    shown = harmless.line(text)
    assert effects(shown.encode()) == []
    assert "\n" not in shown
    assert not is_command(shown)
    assert not re.search("[<>]", harmless.html(text))
    assert effects(harmless.html(text).encode()) == []
    span = re.fullmatch(r"(`+)(.*)\1", harmless.code(text))
    assert span
    assert span[1] not in re.findall("`+", span[2])
    assert json.loads(harmless.dumps(text)) == text
    assert not is_command(harmless.dumps(text))


@pytest.mark.parametrize("text", ["plain", "a\tb", "日本語 👩\u200d🔬 e\u0301", "std::vector", "## x", "12:00:01 read"])
def test_what_is_harmless_stays(text: str) -> None:
    assert harmless.line(text) == text


def test_the_card_and_the_page(finished: tuple[Run, Path]) -> None:
    run = finished[0]
    evil = dataclasses.replace(
        run, settings=dataclasses.replace(run.settings, data=f"s3://b/{EVIL}", run_id=EVIL, code_version=EVIL)
    )
    card = report.card(evil).decode()
    assert effects(card.encode()) == []
    assert not [line for line in card.splitlines() if line.startswith("::")]
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", card)
    assert not re.search(r"@\w|\]\(|://|<\w", outside)
    page = report.page(evil).decode()
    assert "<script" not in page
    assert effects(page.encode()) == []


@pytest.mark.parametrize("form", ["json", "plain"])
def test_the_log(form: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "model"], cwd=tmp_path, capture_output=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LOG_FORMAT": form, "GITHUB_ACTIONS": "true",
             "DATA_PATH": "##[error]x/\x1b[2J\n::error::y.csv", "OUTPUT_URI": str(tmp_path / "out")},
    )  # fmt: skip
    assert done.returncode == 2
    assert commands(done.stderr) == []
    assert effects(done.stderr) == []
