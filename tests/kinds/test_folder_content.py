"""Files of a folder: what is sent is what the plan saw, and what S3 told of it isn't reckoned once more."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.config.file_checksums import sha256_of
from reconciler.core.diff import diff
from reconciler.core.errors import AwsError, Interrupted, UserError
from reconciler.engine.act import Actor
from reconciler.kinds import Folder, FolderSpec
from reconciler.kinds.s3_folder import SMALL, _at_once
from reconciler.kinds.s3_object import ObjectSpec
from tests.kinds.test_object_content import Interrupting
from tests.lab_client import LabHandle

BUCKET = "content-of-folders"


@pytest.fixture
def want(lab: LabHandle, tmp_path: Path) -> FolderSpec:
    lab.client("s3").create_bucket(Bucket=BUCKET)
    files = [tmp_path / name for name in ("a.csv", "b.csv")]
    for file in files:
        file.write_text(file.name)
    return FolderSpec(
        name=f"{BUCKET}/data/",
        files={file.name: sha256_of(file) for file in files},
        paths={file.name: str(file) for file in files},
        size=10,
    )


def written_over(file: Path) -> None:
    file.write_text("other text")


def written_over_within_a_tick(file: Path) -> None:
    """So that its size and times are as before."""
    was = file.stat()
    file.write_text("c.csv")
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


@pytest.mark.parametrize("change", [written_over, Path.unlink])
def test_a_file_that_changed_since_the_plan_is_not_sent(
    lab: LabHandle, want: FolderSpec, change: Callable[[Path], None]
) -> None:
    change(Path(want.paths["a.csv"]))
    with pytest.raises(UserError, match=r"a\.csv changed while it was being deployed"):
        Folder().create(lab.aws(), want)
    assert "data/a.csv" not in [entry["Key"] for entry in listed(lab)]


@pytest.mark.parametrize("change", [written_over, written_over_within_a_tick, Path.unlink])
def test_a_file_that_changes_as_it_is_sent_is_not_kept(
    lab: LabHandle, want: FolderSpec, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Path.read_bytes

    def changed(file: Path) -> bytes:
        if file.name == "a.csv":
            change(file)
        return content(file)

    monkeypatch.setattr(Path, "read_bytes", changed)
    with pytest.raises(UserError, match=r"a\.csv changed while it was being deployed"):
        Folder().create(lab.aws(), want)
    assert "data/a.csv" not in [entry["Key"] for entry in listed(lab)]


def test_what_was_damaged_on_its_way_is_no_change_of_the_file(
    lab: LabHandle, want: FolderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda file: content(file)[::-1])
    with pytest.raises(AwsError, match="BadDigest"):
        Folder().create(lab.aws(), want)
    assert listed(lab) == []


def test_an_interruption_ends_it_before_the_next_file(lab: LabHandle, want: FolderSpec) -> None:
    clock = Interrupting()
    clock.stopped.set()
    with pytest.raises(Interrupted):
        Folder().create(lab.aws(clock=clock), want)
    assert listed(lab) == []


@pytest.mark.parametrize("there", [False, True])
def test_what_is_sent_beside_what_is_there_is_looked_at(lab: LabHandle, want: FolderSpec, there: bool) -> None:
    """Somebody may have changed that meanwhile; a folder that is new has nothing else."""
    aws = lab.aws()
    actor = Actor(aws, {"folder": Folder()}, "x", frozenset(), threading.Event())
    if there:
        lab.client("s3").put_object(Bucket=BUCKET, Key="data/a.csv", Body=b"a.csv")
        seen = Folder().observe(aws, [want])[want.name]
        lab.client("s3").delete_object(Bucket=BUCKET, Key="data/a.csv")
    lab.zero()
    made = actor.make(want, seen if there else None)
    assert (made.spec.files, len(lab.log(op="ListObjectsV2")) > 0) == (want.files, there)
    assert [entry["Key"] for entry in listed(lab)] == ["data/a.csv", "data/b.csv"]


def listed(lab: LabHandle) -> list[dict[str, str]]:
    contents: list[dict[str, str]] = lab.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return contents


def test_what_was_sent_is_known_by_what_s3_told_of_it(
    lab: LabHandle, want: FolderSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, aws = Folder(), lab.aws()
    kind.create(aws, want)
    lab.zero()

    def read(file: Path) -> bytes:
        raise AssertionError(f"{file.name} is read")

    monkeypatch.setattr(Path, "read_bytes", read)
    assert diff(want, kind.observe(aws, [want])[want.name].spec) == ()
    assert (len(lab.log(op="ListObjectsV2")), lab.log(op="HeadObject")) == (1, [])


@pytest.mark.parametrize(
    ("sizes", "at_once"),
    [
        ([0], 64),
        ([20_000] * 5000, 64),
        ([400_000] * 5000, 15),
        ([SMALL - 1] * 10, 6),
        ([2**30] * 3, 6),
        ([10_000] * 5000 + [2**30] * 5, 64),  # few large ones don't hold up many small ones
    ],
)
def test_so_many_files_are_sent_at_the_same_time(sizes: list[int], at_once: int) -> None:
    assert _at_once([ObjectSpec(name="b/k", size=size) for size in sizes]) == at_once
