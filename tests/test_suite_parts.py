"""CI runs `make check` in parts: together they are all of it, and each test is in one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from tests.suite.__main__ import PARTS, ROOT, Phase, phases

NUMBERS = range(1, len(PARTS) + 1)


def files(phase: Phase) -> set[Path]:
    """The test files that a phase collects."""
    words = iter(phase.pytest)
    within, left_out = list[Path](), list[Path]()
    for word in words:
        if word == "--ignore":
            left_out.append(ROOT / next(words))
        elif word.startswith("tests/"):
            within.append(ROOT / word)
    found = {
        file for path in within or [ROOT / "tests"] for file in ([path] if path.is_file() else path.rglob("test_*.py"))
    }
    return {file for file in found if not any(file.is_relative_to(path) for path in left_out)}


def test_each_file_is_in_one_part() -> None:
    times = Counter(
        file for part in NUMBERS for phase in phases(check=True, part=part) if phase.pytest for file in files(phase)
    )
    whole = Counter(file for phase in phases(check=True) if phase.pytest for file in files(phase))
    assert times == whole
    assert {*whole} == {*(ROOT / "tests").rglob("test_*.py")}


def test_each_phase_is_in_one_part() -> None:
    names = Counter(phase.name for part in NUMBERS for phase in phases(check=True, part=part)[:-1])
    assert names == Counter(phase.name for phase in phases(check=True)[:-1])


def test_ci_runs_each_part() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]
    assert job["strategy"]["matrix"]["part"] == [*NUMBERS]
    (step,) = (step for step in job["steps"] if "make" in step.get("run", ""))
    assert (step["run"], step["env"]) == ('make check SUITE_ARGS="--part $PART"', {"PART": "${{ matrix.part }}"})
