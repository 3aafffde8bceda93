"""The bench's own AWS starts in anybody's shell, counts without its log being read, and says how it ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bench.lab import Lab
from reconciler.local.seal import KEEP
from tests.waiting import until


def test_a_lab_of_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEEP, raising=False)  # which only this project's tests set
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Lab(tmp_path / "lab", module="bench.plain_lab") as lab:
        assert lab.operations() == {}
        assert lab.launches() == []
        pid = lab.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: "signal 9" in lab.ended(), "its end")
        with pytest.raises(RuntimeError, match="ended by signal 9") as told:
            lab.zero()
        assert str(lab.log_file) in str(told.value)


def test_a_lab_of_ours_needs_no_seal_of_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEEP, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Lab(tmp_path / "lab") as lab:
        assert lab.url.startswith("http://127.0.0.1:")
        assert lab.requests == 0
