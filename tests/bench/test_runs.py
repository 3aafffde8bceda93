"""The bench of many runs, at a size that takes no time: what it measures, and that its lab starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import runs
from bench.lab import Lab
from bench.targets import OURS
from reconciler.local.seal import KEEP


def test_its_lab_starts_outside_of_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the variable isn't set that tells the embedded AWS to keep nothing."""
    monkeypatch.delenv(KEEP)
    with Lab(tmp_path / "lab") as lab:
        assert lab.requests == 0


@pytest.mark.long
def test_each_command_is_measured_with_the_records_of_the_bench(tmp_path: Path) -> None:
    """Each asks for the account first. A hundred thousand runs add a request of `best` for each segment."""
    by_case = runs.measured(tmp_path / "runs", 30, 0.0, 1, lambda text: None)
    requests = {name.rpartition(", ")[0]: by[OURS][0].requests for name, by in by_case.items()}
    assert {name: requests[name] for name in runs.COMMANDS} == {
        "runs": 5, "runs best": 5, "look-up of a fingerprint": 2, "charts of CI": 5,
    }  # fmt: skip
