"""`local` about the embedded AWS of a deploy.yaml, and of no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import main

KEPT = Path(".reconciler/local/kept/000000001")


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a deploy.yaml, and one in it with another; both have runs in an embedded AWS. Returns the outer."""
    monkeypatch.delenv("RECONCILER_LOCAL_HOME", raising=False)
    for folder in (tmp_path, tmp_path / "inner"):
        (folder / KEPT).parent.mkdir(parents=True)
        (folder / KEPT).write_text("a run")
        (folder / "deploy.yaml").write_text("name: tiny\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("action", ["status", "env", "stop", "reset"])
def test_a_folder_is_refused_as_by_apply(action: str, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["local", action, "inner"]) == 2
    assert "inner: this is a folder\n    name the file in it: inner/deploy.yaml" in capsys.readouterr().err
    assert (two / KEPT).read_text() == "a run"


@pytest.mark.parametrize("file", ["missing.yaml", "nowhere/deploy.yaml"])
def test_reset_needs_the_file(file: str, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["local", "reset", file]) == 2
    assert f"{file}: there is no such file" in capsys.readouterr().err
    assert (two / KEPT).read_text() == "a run"


def test_reset_of_a_file_empties_the_folder_beside_it(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["local", "reset", "inner/deploy.yaml"]) == 0
    assert not (two / "inner" / KEPT).exists()
    assert (two / KEPT).read_text() == "a run"


def test_a_folder_that_is_named_needs_no_file(
    two: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(two / "inner/.reconciler/local"))
    assert main(["local", "reset", "missing.yaml"]) == 0
    assert not (two / "inner" / KEPT).exists()
