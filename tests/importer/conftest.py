"""The guide's deployment: made once for tests that only read it, or anew for those that change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.project import Project, use
from tests.engine.project import project as project
from tests.importer import guide
from tests.lab_client import LabHandle


def _make(lab: LabHandle) -> LabHandle:
    lab.reset()
    guide.make(lab.client)
    return lab


@pytest.fixture(scope="module")
def made(lab_session: LabHandle) -> LabHandle:
    """The guide's deployment for all tests of a module, none of which changes it."""
    return _make(lab_session)


@pytest.fixture
def read_only(made: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder with the data and no deploy.yaml."""
    (tmp_path / "btc.csv").write_bytes(guide.DATA)
    return use(made, tmp_path, monkeypatch)


@pytest.fixture
def by_hand(lab_session: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The same, made for this test alone."""
    (tmp_path / "btc.csv").write_bytes(guide.DATA)
    return use(_make(lab_session), tmp_path, monkeypatch)
