"""tests/same_names.py: processes that name the tests differently fail, also where the share leaves that test out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab_client import ROOT

TESTS = """\
import pytest

@pytest.mark.parametrize("name", [%s])
def test_it(name): ...

def test_other(): ...
"""
LEAVES_OUT = """\
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.name == "test_other"]
"""


@pytest.mark.parametrize(
    ("parameter", "code"), [("' '.join({str(n) for n in range(12)})", 1), ("' '.join(map(str, range(12)))", 0)]
)
def test_names_that_differ_fail(tmp_path: Path, parameter: str, code: int) -> None:
    (tmp_path / "conftest.py").write_text(f'pytest_plugins = ["tests.same_names"]\n{LEAVES_OUT}')
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # else this project's
    (tmp_path / "test_named.py").write_text(TESTS % parameter)
    words = [sys.executable, "-m", "pytest", "-n2", "-p", "no:cacheprovider"]
    ended = subprocess.run(
        words, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert ("name or order the tests differently" in ended.stdout) is bool(code)
