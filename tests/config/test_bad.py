"""Every bad file of the tables gives exactly its message, and every problem has its place and its fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.config import ConfigErrors, load
from reconciler.core.errors import UserError
from reconciler.core.secret import looks_secret
from tests.config.cases import Case, cases, message

CASES = cases()


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.table}: {c.name}")
def test_message(case: Case, tmp_path: Path) -> None:
    assert case.error, "a case without a message: python -m tests.config.cases"
    assert message(case, tmp_path) == case.error


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.table}: {c.name}")
def test_place_and_fix(case: Case, tmp_path: Path) -> None:
    message(case, tmp_path)
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path / "deploy.yaml", environ=case.environ, git_sha=lambda: None)
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before
    assert isinstance(caught.value, UserError)
    assert caught.value.exit_code == 2
    lines = case.text.split("\n")
    for error in caught.value.errors:
        assert error.message
        assert error.fix
        whole_file = "the file is" in error.message
        assert whole_file or (1 <= error.line <= len(lines) and error.column >= 1)
        assert "\n" not in error.message + error.fix
    for name, value in case.environ.items():
        if looks_secret(name):
            assert value not in str(caught.value)
            assert value not in repr(caught.value.errors)
