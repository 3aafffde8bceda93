"""Synthetic data, and one small training run that several tests look at."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from model import data, sample, settings, train
from model.bars import Bars
from model.data import Data
from model.params import DEFAULTS
from model.reading import Reading
from model.run import Run
from tests.model.lines import Load

QUICK = {t: dataclasses.replace(params, max_rounds=60, patience=15, eta=0.1) for t, params in DEFAULTS.items()}


def quick(**given: object) -> settings.Settings:
    """Settings for a run of a few seconds."""
    return dataclasses.replace(settings.Settings(data="", threads=2, params=QUICK), **given)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def sample_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.csv"
    sample.write(path, rows=3000, seed=11)
    return path


@pytest.fixture(scope="session")
def bars(sample_csv: Path) -> Bars:
    return data.load(sample_csv).bars


@pytest.fixture(scope="session")
def finished(sample_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A finished training run and its output folder; not to be changed by a test."""
    out = tmp_path_factory.mktemp("run") / "out"
    run = train.train(quick(data=str(sample_csv), output=str(out), run_id="r-1", code_version="abc"))
    return run, out


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Reads a file of these lines."""

    def read(lines: list[str], end: str = "\n", now: dt.datetime | None = None, **how: object) -> Data:
        path = tmp_path / "bars.csv"
        path.write_text("\n".join(lines) + end)
        return data.load(path, Reading(**how), now)  # type: ignore[arg-type]

    return read
