"""The live suite's newer part, run against the embedded AWS: by itself, since it takes as long as the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.__main__ import FILES
from tests.live.account import MODE

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_all_that_there_is() -> None:
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert {*FILES} == {name for name in here if not name.startswith("test_rehearsal")}


@pytest.mark.long
@pytest.mark.skipif(bool(MODE), reason="this is it")
def test_it_runs_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.live", "--rehearsal", *FILES[2:]],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "nothing, but inactive revisions" in done.stdout
