"""Checksums that are kept: what is trusted, what is read again, and what a hostile or broken store can do."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.config import file_checksums
from reconciler.config.file_checksums import LARGE, as_stored, keep, recall, sha256_of, told

OLD = 1_700_000_000_000_000_000  # nanoseconds since the epoch
CONTENT = b"a" * LARGE


@pytest.fixture(autouse=True)
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read; the clock of this machine is an hour ahead, so that no file is young."""
    paths: list[str] = []
    read, now = file_checksums._read, time.time_ns

    def counted(path: Path) -> Any:
        paths.append(path.name)
        return read(path)

    monkeypatch.setattr(file_checksums, "_read", counted)
    monkeypatch.setattr(file_checksums, "_cache", {})
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)
    return paths


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_checksums, "_cache", {})


def made(folder: Path, name: str = "data.bin", content: bytes = CONTENT) -> Path:
    file = folder / name
    file.write_bytes(content)
    os.utime(file, ns=(OLD, OLD))
    return file


def rewritten(file: Path) -> None:
    """Other bytes, the same size, and the time of before."""
    file.write_bytes(b"b" * LARGE)
    os.utime(file, ns=(OLD, OLD))


def replaced(file: Path) -> None:
    other = made(file.parent, "other", b"b" * LARGE)
    other.replace(file)


def kept_file(base: Path) -> Path:
    return base / ".reconciler" / "checksums" / "x.json"


def test_what_did_not_change_is_not_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path)
    first = (sha256_of(file), as_stored(file))
    assert first == (hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest())
    keep(tmp_path, "x", [file])
    another_process(monkeypatch)
    recall(tmp_path, "x")
    assert ((sha256_of(file), as_stored(file)), reads) == (first, ["data.bin"])
    file_checksums.forget([file])
    assert ((sha256_of(file), as_stored(file)), reads) == (first, ["data.bin", "data.bin"])


@pytest.mark.parametrize("change", [rewritten, replaced, lambda file: file.write_bytes(CONTENT + b"b")])
def test_what_changed_is_read_again(
    tmp_path: Path, reads: list[str], change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path)
    sha256_of(file)
    keep(tmp_path, "x", [file])
    another_process(monkeypatch)
    change(file)
    recall(tmp_path, "x")
    assert sha256_of(file) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(reads) == 2


def test_what_was_young_when_it_was_read_is_read_again(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second write within the same tick of the file system's clock would leave every time as it was."""
    file = tmp_path / "data.bin"
    file.write_bytes(CONTENT)
    changed = file.stat().st_ctime_ns
    for age, times in ((0, 2), (file_checksums.TICK, 2), (file_checksums.TICK + 1, 1)):
        another_process(monkeypatch)
        reads.clear()
        monkeypatch.setattr(time, "time_ns", lambda age=age: changed + age)
        sha256_of(file)
        keep(tmp_path, "x", [file])
        another_process(monkeypatch)
        recall(tmp_path, "x")
        sha256_of(file)
        assert (age, len(reads)) == (age, times)


def test_what_is_read_fast_is_not_kept(tmp_path: Path) -> None:
    file = made(tmp_path, content=b"a" * (LARGE - 1))
    sha256_of(file)
    keep(tmp_path, "x", [file])
    assert not (tmp_path / ".reconciler").exists()


def test_what_is_kept_belongs_to_no_commit(tmp_path: Path) -> None:
    file = made(tmp_path)
    sha256_of(file)
    keep(tmp_path, "x", [file])
    folder = kept_file(tmp_path).parent
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "x.json"]
    assert (folder / ".gitignore").read_text() == "*\n"


FORGED = [
    b"", b"{", b"[]", b"null", b'{"version": 1}', b'{"version": 2, "files": {}}', b'{"version": 1, "files": []}',
    b'{"version": 1, "files": {"data.bin": null}}', b'{"version": 1, "files": {"data.bin": [1, 2, 3, 4, "a", "b"]}}',
    b'{"version": 1, "files": {"data.bin": [1, 2, 3, 4]}}',
    b'{"version": 1, "files": {"a\\u0000b": [1, 2, 3, 4, 5, 6]}}',
    b'{"version": 1, "files": ' + b"[" * 100_000, b"\xff\xfe", b'{"version": 1e999}',
]  # fmt: skip


@pytest.mark.parametrize("content", FORGED, ids=range(len(FORGED)))
def test_what_can_not_be_read_costs_reading_again(tmp_path: Path, reads: list[str], content: bytes) -> None:
    file, kept = made(tmp_path), kept_file(tmp_path)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(content)
    recall(tmp_path, "x")
    assert sha256_of(file) == hashlib.sha256(CONTENT).hexdigest()
    assert reads == ["data.bin"]
    keep(tmp_path, "x", [file])
    assert list(json.loads(kept.read_text())["files"]) == [str(file)]


@pytest.mark.parametrize("link", [".reconciler", ".reconciler/checksums", ".reconciler/checksums/x.json"])
def test_a_link_leads_nowhere(tmp_path: Path, link: str) -> None:
    base, elsewhere = tmp_path / "base", tmp_path / "elsewhere"
    file = made(base_of(base))
    elsewhere.mkdir()
    target = elsewhere / "precious" if link.endswith(".json") else elsewhere
    if link.endswith(".json"):
        target.write_text("precious")
    (base / link).parent.mkdir(parents=True, exist_ok=True)
    (base / link).symlink_to(target)
    sha256_of(file)
    keep(base, "x", [file])
    recall(base, "x")
    assert [path.read_text() for path in elsewhere.rglob("*") if path.is_file()] in ([], ["precious"])


def base_of(base: Path) -> Path:
    base.mkdir()
    return base


def test_a_pipe_is_waited_for_by_nobody(tmp_path: Path, reads: list[str]) -> None:
    file, kept = made(tmp_path), kept_file(tmp_path)
    kept.parent.mkdir(parents=True)
    os.mkfifo(kept)
    recall(tmp_path, "x")
    sha256_of(file)
    keep(tmp_path, "x", [file])
    assert reads == ["data.bin"]


def test_a_folder_that_can_not_be_written_stops_nothing(tmp_path: Path) -> None:
    file = made(tmp_path)
    (tmp_path / ".reconciler").write_text("a file")
    sha256_of(file)
    keep(tmp_path, "x", [file])
    recall(tmp_path, "x")
    assert (tmp_path / ".reconciler").read_text() == "a file"


def test_files_are_read_once_by_all_processors(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_checksums, "MUCH", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    files = [made(tmp_path, f"{number}.bin", bytes([number]) * 1000) for number in range(7)]
    file_checksums.read_all(files)
    assert sorted(reads) == [file.name for file in files]
    assert [sha256_of(file) for file in files] == [hashlib.sha256(f.read_bytes()).hexdigest() for f in files]
    assert len(reads) == 7
    with pytest.raises(FileNotFoundError, match="gone"):
        file_checksums.read_all([*files, *(tmp_path / f"{name} is gone" for name in "ab")])


@pytest.mark.parametrize("more", [-1, 0, 1, file_checksums.PART - 1, file_checksums.PART])
def test_what_goes_up_in_parts_has_the_checksum_of_the_parts(tmp_path: Path, more: int) -> None:
    part = file_checksums.PART
    content = hashlib.sha256(b"seed").digest() * (part // 32) + bytes(max(more, 0))
    content = content[: part + more]
    file = made(tmp_path, content=content)
    digests = [hashlib.sha256(content[at : at + part]).digest() for at in range(0, len(content), part)]
    in_parts = (hashlib.sha256(b"".join(digests)).hexdigest(), tuple(digests))
    assert sha256_of(file) == hashlib.sha256(content).hexdigest()
    expected = in_parts if more >= 0 else (hashlib.md5(content).hexdigest(), ())
    assert (as_stored(file), file_checksums.part_digests(file)) == expected


def test_the_md5_of_a_small_file_is_read_when_it_is_asked_for_or_told_by_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    content = Path.read_bytes

    def noted(file: Path) -> bytes:
        read.append(file)
        return content(file)

    monkeypatch.setattr(Path, "read_bytes", noted)
    first, second = (made(tmp_path, name, b"small") for name in ("first", "second"))
    assert sha256_of(first) == sha256_of(second) == hashlib.sha256(b"small").hexdigest()
    assert told(second, sha256_of(second), "as S3 says")
    assert not told(second, sha256_of(first)[::-1], "of another content")
    assert read == []
    assert [as_stored(first), as_stored(first), as_stored(second)] == [hashlib.md5(b"small").hexdigest()] * 2 + [
        "as S3 says"
    ]
    assert read == [first]


def test_the_md5_of_a_small_file_that_changed_is_not_its_sha256s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what S3 said of the earlier content is forgotten."""
    file = made(tmp_path, content=b"small")
    content = Path.read_bytes
    sha256_of(file)

    def replaced_meanwhile(file: Path) -> bytes:
        file.write_bytes(b"other")
        return content(file)

    monkeypatch.setattr(Path, "read_bytes", replaced_meanwhile)
    assert as_stored(file) == ""
    monkeypatch.setattr(Path, "read_bytes", content)
    assert not told(file, hashlib.sha256(b"small").hexdigest(), "of the earlier content")
    assert as_stored(file) == hashlib.md5(b"other").hexdigest()
