"""Files that somebody else has put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.core.files import read_file


def test_a_file_and_a_link_to_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345678")
    (tmp_path / "b").symlink_to("a")
    assert read_file(tmp_path / "a") == read_file(tmp_path / "b", 8) == b"12345678"
    with pytest.raises(OSError, match="it has more than"):
        read_file(tmp_path / "a", 7)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_what_has_no_end_is_not_read(tmp_path: Path, kind: str) -> None:
    at = tmp_path / "here"
    if kind == "device":
        at.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(at)
    else:
        at.mkdir()
    with pytest.raises(OSError, match="it is not a regular file"):
        read_file(at)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing")
