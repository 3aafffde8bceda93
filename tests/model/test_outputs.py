"""The place of the output: seen to be writable before the work, and what stands there after a stop."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model import cli, linear, predict, stopping, sweep
from model.errors import InputError
from model.settings import Settings
from model.store import Output


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, as pytest's own aren't."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def not_root() -> Iterator[None]:
    """As a user whom permissions bind."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("inner", ["", "plots"])
def test_a_folder_that_cannot_be_written_is_said_at_once(open_folder: Path, inner: str) -> None:
    out = open_folder / "out"
    (out / "plots").mkdir(parents=True)
    (out / "manifest.json").write_text("{}")
    for path in (out, out / "plots"):
        path.chmod(0o777)
    (out / inner).chmod(0o555)
    with not_root(), pytest.raises(InputError, match=r"can't write to OUTPUT_URI .*: Permission denied"):
        Output(str(out)).begin()
    assert (out / "manifest.json").exists()  # what was there is still complete
    assert [p.name for p in out.rglob(".model-*")] == []


def test_a_sweep_sees_it_before_it_trains(open_folder: Path, sample_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> float:
        raise AssertionError("a candidate was trained")

    monkeypatch.setattr(sweep.Trial, "loss", never)
    (open_folder / "taken").write_text("")
    settings = Settings(data=str(sample_csv), output=str(open_folder / "taken"))
    with pytest.raises(InputError, match="can't write to OUTPUT_URI"):
        sweep.sweep(settings, ["direction"], None, 2)


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("x")
    Output(str(tmp_path)).begin()
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize("written", [0, 1, 2, 3])
def test_a_stop_says_what_is_there(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*_: object) -> None:
        if written:
            out = Output(str(tmp_path / "o"))
            out.begin()
            if written > 1:
                out.write("direction.ubj", b"x")
            if written > 2:
                out.finish(b"{}")
        raise stopping.Stopped

    monkeypatch.setattr(cli, "_run", work)
    monkeypatch.setattr(Output, "latest", None)
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert cli.main([]) == 143
    note = json.loads(capsys.readouterr().err.splitlines()[-1])["note"]
    begun = f"{tmp_path}/o is not complete, it has no valid manifest.json; "
    wanted = [
        "nothing had been written or removed",
        begun + "no file of this run; others are of an earlier run",
        begun + "files of this run: direction.ubj; others are of an earlier run",
        f"{tmp_path}/o is complete: all 2 files and the manifest were written",
    ]
    assert note == wanted[written]


PRICES = {50_000.12345: 50_000.12, 1.2345678912: 1.234568, 0.00001234567891: 0.00001234568, 1.5e-8: 1.5e-8}


@pytest.mark.parametrize("price", PRICES)
def test_small_prices_keep_their_digits(price: float) -> None:
    assert predict._price(price) == pytest.approx(PRICES[price], rel=1e-9)


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_inputs_that_never_change_fit_their_mean(rows: int) -> None:
    inputs, labels = np.full((rows, 3), 7.0), np.linspace(0, 1, rows)
    fitted = linear.least_squares(inputs, labels)
    assert np.isfinite(fitted.weights).all()
    assert fitted.intercept == pytest.approx(labels.mean() if rows else 0)
    assert np.isfinite(linear.logistic(inputs, (labels > 0.5).astype(float)).weights).all()
