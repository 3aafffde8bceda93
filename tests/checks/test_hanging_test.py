"""A test that hangs is named and fails: the suite goes on without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import LONG

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = "from tests.conftest import pytest_runtest_teardown as pytest_runtest_teardown\n"
TESTS = """
import threading
import pytest

def never_ends():
    threading.Event().wait()

@pytest.fixture
def tidied_up_for_ever():
    yield
    never_ends()

def test_a():
    never_ends()

def test_b(tidied_up_for_ever):
    assert False, "on purpose"

def test_c(tidied_up_for_ever):
    pass

def test_d():
    pass
"""


@pytest.mark.parametrize("name", ["test_a", "test_b", "test_c"])
def test_it_is_ended_and_named_with_where_it_stood(name: str, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_hangs.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfaulthandler_timeout = 0.5\nfaulthandler_exit_on_timeout = true\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "1", "-k", f"{name} or test_d"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 1
    assert "in never_ends" in done.stderr
    assert f"crashed while running 'test_hangs.py::{name}'" in done.stdout
    assert "1 passed" in done.stdout or "2 passed" in done.stdout  # test_d; what hangs afterwards had passed itself
