"""What many tests begin with, made once: an account and a project's folder, to which each test goes back.

@pytest.fixture(scope="module")
def start(kept_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Start:
    return Start(kept_lab, tmp_path_factory.mktemp("start"), make)

@pytest.fixture
def applied(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return start.again(tmp_path, monkeypatch)
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.project import Project, first_files, use
from tests.lab_client import LabHandle


@pytest.fixture(scope="session")
def kept_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHandle]:
    """A lab of its own, since one that goes back delivers no events: see tests/lab_kept.py."""
    with contextlib.closing(LabHandle(tmp_path_factory.mktemp("kept") / "home")) as lab:
        yield lab


class Start:
    """An account and a folder as `make` leaves them."""

    def __init__(self, lab: LabHandle, folder: Path, make: Callable[[Project], object]) -> None:
        self._lab, self._folder = lab, folder
        lab.reset()
        with pytest.MonkeyPatch.context() as patch:
            project = use(lab, folder, patch)
            first_files(project)
            make(project)
        lab.keep()

    def again(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
        """The account as it was, and a copy of the folder."""
        self._lab.back()
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        return use(self._lab, folder, monkeypatch)
