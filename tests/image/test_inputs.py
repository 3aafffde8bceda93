from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.errors import PlanDrift, UserError
from reconciler.image.inputs import changed_inputs, read_inputs, snapshot
from reconciler.image.manifest import record_annotation
from tests.image.conftest import copy


def touch(folder: Path) -> None:
    os.utime(folder / "app/__main__.py", (1, 1))


def group_writable(folder: Path) -> None:
    (folder / "app/__main__.py").chmod(0o664)


def ignored_file(folder: Path) -> None:
    (folder / "notes.txt").write_text("changed")


def empty_folder(folder: Path) -> None:
    (folder / "app/empty").mkdir()


def bytecode(folder: Path) -> None:
    (folder / "app/__pycache__").mkdir()
    (folder / "app/__pycache__/x.pyc").write_bytes(b"x")


@pytest.mark.parametrize("change", [touch, group_writable, ignored_file, empty_folder, bytecode])
def test_what_does_not_go_in_does_not_count(context: Path, change: Callable[[Path], None]) -> None:
    before = read_inputs(context)
    change(context)
    assert read_inputs(context).hash == before.hash


def edit(folder: Path) -> None:
    (folder / "app/__main__.py").write_text("print('other')\n")


def executable(folder: Path) -> None:
    (folder / "app/__main__.py").chmod(0o755)


def new_file(folder: Path) -> None:
    (folder / "app/new.py").write_text("")


def link(folder: Path) -> None:
    (folder / "app/link").symlink_to("__main__.py")


def dockerfile(folder: Path) -> None:
    (folder / "Dockerfile").write_text((folder / "Dockerfile").read_text() + "USER 1000\n")


def let_in(folder: Path) -> None:
    (folder / ".dockerignore").write_text("**/__pycache__\n")


CHANGES = [
    (edit, ("~ app/__main__.py",)),
    (executable, ("~ app/__main__.py",)),
    (new_file, ("+ app/new.py",)),
    (link, ("+ app/link",)),
    (dockerfile, ("~ Dockerfile",)),
    (let_in, ("+ notes.txt",)),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_goes_in_counts_and_is_named(context: Path, change: Callable[[Path], None], said: tuple[str, ...]) -> None:
    before = read_inputs(context)
    change(context)
    after = read_inputs(context)
    assert after.hash != before.hash
    assert changed_inputs(before.record, after.record) == said


def test_arguments_target_and_platform_count(context: Path) -> None:
    text = "ARG BASE=python:3.13\nFROM $BASE AS one\nFROM one AS two\n"
    (context / "Dockerfile").write_text(text)
    plain = read_inputs(context)
    hashes = {
        plain.hash,
        read_inputs(context, build_args={"BASE": "python:3.12"}).hash,
        read_inputs(context, target="one").hash,
        read_inputs(context, platform="linux/arm64").hash,
    }
    assert len(hashes) == 4
    other = read_inputs(context, build_args={"BASE": "python:3.12"})
    assert set(changed_inputs(plain.record, other.record)) == {
        "- (base python:3.13)",
        "+ (base python:3.12)",
        "+ (build argument BASE)",
    }


def test_value_of_a_build_argument_is_not_in_the_record(context: Path) -> None:
    record = read_inputs(context, build_args={"KEY": "hunter2"}).record
    assert "hunter2" not in str(record)


def test_same_in_another_place(context: Path, tmp_path: Path) -> None:
    other = copy(context, tmp_path / "elsewhere")
    assert read_inputs(other).hash == read_inputs(context).hash


def test_own_ignore_file_of_a_dockerfile_wins(context: Path) -> None:
    (context / "Dockerfile.dockerignore").write_text("app\n")
    assert [entry.path for entry in read_inputs(context).entries] == ["Dockerfile", "notes.txt"]


@pytest.mark.parametrize("dockerfile", ["docker/Dockerfile", "./docker/../docker/Dockerfile"])
def test_only_the_ignore_files_of_this_build_stay_out(context: Path, dockerfile: str) -> None:
    ignore_files = {"app/.dockerignore", "app/seed.dockerignore", "Other.dockerignore", "docker/.dockerignore"}
    (context / "docker").mkdir()
    (context / "docker/Dockerfile").write_text("FROM scratch\n")
    for name in (*ignore_files, ".dockerignore", "docker/Dockerfile.dockerignore"):
        (context / name).write_text("")
    paths = {entry.path for entry in read_inputs(context, dockerfile).entries}
    assert {path for path in paths if path.endswith(".dockerignore")} == ignore_files


def test_without_ignore_file_git_and_environments_stay_out(context: Path) -> None:
    (context / ".dockerignore").unlink()
    for folder in (".git", ".venv", "app/__pycache__", "results"):
        (context / folder).mkdir()
        (context / folder / "x").write_text("x")
    paths = [entry.path for entry in read_inputs(context, leave_out=("results",)).entries]
    assert paths == ["Dockerfile", "app/__main__.py", "notes.txt"]


def test_snapshot_is_what_was_hashed(context: Path, tmp_path: Path) -> None:
    link(context)
    executable(context)
    inputs = read_inputs(context)
    snapshot(inputs, tmp_path / "copy")
    copied = tmp_path / "copy/app"
    assert sorted(path.name for path in copied.iterdir()) == ["__main__.py", "link"]
    assert (copied / "link").readlink() == Path("__main__.py")
    assert (copied / "__main__.py").stat().st_mode & 0o777 == 0o755
    assert (copied / "__main__.py").read_text() == "print('hello')\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("where", ["a file", "a folder"])
def test_a_full_disk_is_no_change_of_an_input(
    number: int, where: str, context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        if path == tmp_path / ("copy/app" if where == "a folder" else "copy/app/__main__.py"):
            raise OSError(number, os.strerror(number))

    inputs, writes = read_inputs(context), {"a file": "chmod", "a folder": "mkdir"}
    (tmp_path / "copy" / "app").mkdir(parents=True)
    monkeypatch.setattr(Path, writes[where], full)
    with pytest.raises(UserError, match="no room for the image's files") as refused:
        snapshot(inputs, tmp_path / "copy")
    assert f"{tmp_path / 'copy'}: {os.strerror(number)}" in str(refused.value)


def test_change_under_way_is_noticed(context: Path, tmp_path: Path) -> None:
    inputs = read_inputs(context)
    edit(context)
    with pytest.raises(PlanDrift, match=r"changed .*__main__\.py"):
        snapshot(inputs, tmp_path / "copy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no FROM"),
        ("RUN true\nFROM a", "Dockerfile:1: RUN before the first FROM"),
        ("FROM $NOTHING", "Dockerfile:1: FROM"),
        ("FROM a b", "Dockerfile:1: FROM a b"),
    ],
)
def test_bad_dockerfile(context: Path, text: str, message: str) -> None:
    (context / "Dockerfile").write_text(text)
    with pytest.raises(UserError, match=message):
        read_inputs(context)


def test_missing_files(context: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"image\.context"):
        read_inputs(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"image\.dockerfile"):
        read_inputs(context, "Other")
    with pytest.raises(UserError, match="no stage 'x'"):
        read_inputs(context, target="x")


def test_names_that_are_no_text_go_in(context: Path, tmp_path: Path) -> None:
    before = read_inputs(context)
    (context / "app" / os.fsdecode(b"caf\xe9")).write_text("1")
    with (context / "Dockerfile").open("ab") as file:
        file.write(b"# na\xefve\nCOPY app/caf\xe9 .\n")
    (context / "app/link").symlink_to(os.fsdecode(b"caf\xe9"))
    after = read_inputs(context)
    said = changed_inputs(before.record, after.record)
    assert said == ("~ Dockerfile", "+ app/caf\\xe9", "+ app/link")
    assert record_annotation(after.record)
    snapshot(after, tmp_path / "copy")
    assert (tmp_path / "copy/app" / os.fsdecode(b"caf\xe9")).read_text() == "1"


def test_another_name_that_is_no_text_counts(context: Path) -> None:
    hashes = set()
    for name in (b"caf\xe9", b"caf\xe8", b"caf\\xe9"):
        (context / "app" / os.fsdecode(name)).write_text("1")
        hashes.add(read_inputs(context).hash)
        (context / "app" / os.fsdecode(name)).unlink()
    assert len(hashes) == 3


def test_line_ends_of_a_dockerfile_count(context: Path) -> None:
    before = read_inputs(context)
    (context / "Dockerfile").write_bytes((context / "Dockerfile").read_bytes().replace(b"\n", b"\r\n"))
    after = read_inputs(context)
    assert after.hash != before.hash
    assert after.parsed.bases(None) == before.parsed.bases(None)


def test_the_commands_own_output_is_no_input(context: Path) -> None:
    before = read_inputs(context).hash
    code = f"from reconciler.image.inputs import *; print(read_inputs(Path({str(context)!r})).hash, flush=True)"
    for redirected in (" > apply.log", " > apply.log 2>&1", " 2> err.log >> apply.log"):
        subprocess.run(["sh", "-c", f'"$0" -c "$1"{redirected}', sys.executable, code], cwd=context, check=True)
        assert (context / "apply.log").read_text().split()[-1] == before, redirected
        for name in ("apply.log", "err.log"):
            (context / name).unlink(missing_ok=True)


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore", "Dockerfile"])
@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_a_file_of_a_checkout_that_has_no_end_is_refused(context: Path, name: str, kind: str) -> None:
    file = context / name
    file.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="can't be read: it is not a regular file"):
        read_inputs(context)
