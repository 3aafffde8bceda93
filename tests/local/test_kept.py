"""What outlives the embedded AWS: buckets with every version, and logs, whatever way its process ended."""

from __future__ import annotations

import hashlib
import itertools
import os
import resource
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from moto.logs.models import logs_backends
from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends
from moto.s3.responses import S3Response
from moto.s3.utils import _VersionedKeyStore

from reconciler import local
from reconciler.cli.main import main
from reconciler.local import kept, s3_content, s3_versions
from reconciler.local.kept import Kept
from reconciler.local.lifecycle import _kept
from reconciler.local.seal import FILES, KEEP, OBJECTS, Unsealed, open_seal, read_seal
from tests.local.test_lifecycle import alive
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until

ACCOUNT, REGION = "210987654321", "eu-central-1"
KEYS = ["data/a.csv", "../../outside", "a\nb", "größe €", "runs/1/run.json", "empty", "a//b", "x" * 1024]


@pytest.fixture(autouse=True)
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    monkeypatch.setenv(KEEP, "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setattr(FakeKey, "value", FakeKey.value)  # what is put there is for this test only
    s3_content.objects_are_on_disk()
    for owner, name in ((_VersionedKeyStore, "setlist"), (S3Backend, "delete_object"), (S3Response, "head_object"),
                        (FakeBucket, "is_versioned")):  # fmt: skip
        monkeypatch.setattr(owner, name, getattr(owner, name))
    s3_versions.a_version_replaces_only_its_own_id()
    monkeypatch.setattr(s3_content.Content, "folder", s3_content.Content.folder)
    s3_content.use(tmp_path / OBJECTS)
    open_seal(tmp_path)
    empty()
    yield
    empty()


def empty() -> None:
    s3_backends[ACCOUNT]["aws"].reset()
    logs_backends[ACCOUNT][REGION].reset()


def ended() -> None:
    """As when the process was killed: no file is removed."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(s3_content.Content, "close", lambda content: None)
        empty()


def put(bucket: str, key: str, body: bytes, **more: Any) -> Any:
    return s3_backends[ACCOUNT]["aws"].put_object(bucket, key, body, **more)


def everything() -> dict[str, object]:
    """All that can be asked of the buckets and logs, as plain values."""
    s3, logs = s3_backends[ACCOUNT]["aws"], logs_backends[ACCOUNT][REGION]
    seen: dict[str, object] = {}
    for bucket in s3.buckets.values():
        seen[bucket.name] = (
            bucket.region_name, bucket.versioning_status, bucket.creation_date, s3.get_bucket_tagging(bucket.name),
        )  # fmt: skip
        for name, versions in dict.items(bucket.keys):
            seen[f"{bucket.name}/{name}"] = [
                (
                    version.version_id,
                    version.last_modified,
                    getattr(version, "value", None),
                    getattr(version, "response_dict", None),
                )
                for version in versions
            ]
    for group in logs.groups.values():
        seen[group.name] = (group.retention_in_days, group.creation_time, logs.list_tags_for_resource(group.arn))
        for stream in group.streams.values():
            described = {k: v for k, v in stream.to_describe_dict().items() if k != "uploadSequenceToken"}
            seen[f"{group.name} {stream.log_stream_name}"] = (described, [e.to_response_dict() for e in stream.events])
    return seen


def fill() -> None:
    s3, logs = s3_backends[ACCOUNT]["aws"], logs_backends[ACCOUNT][REGION]
    for bucket in ("versioned", "suspended", "plain"):
        s3.create_bucket(bucket, REGION)
        s3.put_bucket_tagging(bucket, {"reconciler:deploy": "prices", "ü": ""})
    s3.put_bucket_versioning("versioned", "Enabled")
    s3.put_bucket_versioning("suspended", "Enabled")
    for number, key in enumerate(KEYS * 2):
        if number == len(KEYS):
            s3.put_bucket_versioning("suspended", "Suspended")
        for bucket in ("versioned", "suspended", "plain"):
            put(bucket, key, b"" if key == "empty" else bytes([number]) * 9)
    for bucket in ("versioned", "suspended"):
        s3.delete_object(bucket, KEYS[0])
    assert [version.version_id == "null" for version in s3.buckets["suspended"].keys.getlist(KEYS[0])] == [False, True]
    tagged = put("versioned", "tagged", b"\x00\xff\n", encryption="aws:kms", kms_key_id="k", storage="STANDARD_IA")
    tagged.set_metadata({"Content-Type": "text/csv", "x-amz-meta-a": "b"})
    s3.tagger.tag_resource(tagged.arn, [{"Key": "a", "Value": "b"}])
    logs.create_log_group("/ecs/prices", {"a": "b"})
    logs.put_retention_policy("/ecs/prices", "30")
    for stream in ("main/main/1", "main/main/2"):
        logs.create_log_stream("/ecs/prices", stream)
    logs.put_log_events(
        "/ecs/prices", "main/main/1", [{"timestamp": int(time.time() * 1000), "message": "größe  \t |"}]
    )


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    fill()
    before, kept = everything(), Kept(tmp_path)
    kept.save(ACCOUNT, last=True)
    empty()
    again = Kept(tmp_path)
    again.load(ACCOUNT)
    assert everything() == before
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob(FILES)}
    again.save(ACCOUNT, last=True)
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob(FILES)
    } == files  # nothing is written anew
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_what_is_deleted_or_changed_is_gone(tmp_path: Path) -> None:
    s3, kept = s3_backends[ACCOUNT]["aws"], Kept(tmp_path)
    s3.create_bucket("plain", REGION)
    secret = put("plain", "secret", b"xyzzy")
    put("plain", "changed", b"old")
    kept.save(ACCOUNT)
    s3.delete_object("plain", "secret", version_id=secret.version_id)
    put("plain", "changed", b"new")
    kept.save(ACCOUNT)
    texts = b"".join(path.read_bytes() for path in (tmp_path / "kept").glob(FILES))
    assert (b"xyzzy" in texts, b"old" in texts, b"new" in texts) == (False, False, True)
    kept.forget(ACCOUNT)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["seal"]


def test_a_log_that_grows_is_written_when_it_has_settled(tmp_path: Path) -> None:
    logs, kept = logs_backends[ACCOUNT][REGION], Kept(tmp_path)
    logs.create_log_group("g", {})
    logs.create_log_stream("g", "s")
    logs.put_log_events("g", "s", [{"timestamp": int(time.time() * 1000), "message": "a line"}])
    kept.save(ACCOUNT)
    assert not any(b"a line" in path.read_bytes() for path in (tmp_path / "kept").glob(FILES))
    kept.save(ACCOUNT, last=True)
    assert any(b"a line" in path.read_bytes() for path in (tmp_path / "kept").glob(FILES))


def test_what_is_written_over_stays_until_the_new_has_a_record_and_what_is_deleted_goes_at_once(tmp_path: Path) -> None:
    s3, keeps = s3_backends[ACCOUNT]["aws"], Kept(tmp_path)
    s3.create_bucket("plain", REGION)
    put("plain", "replaced", b"1" * 10_000)
    put("plain", "deleted", b"2" * 20_000)
    keeps.save(ACCOUNT)
    before = everything()
    put("plain", "replaced", b"3" * 30_000)
    put("plain", "replaced", b"4" * 40_000)  # of two that no record names the newer is there
    s3.delete_object("plain", "deleted")
    assert sizes(tmp_path) == [10_000, 40_000]
    ended()
    again = Kept(tmp_path)
    again.load(ACCOUNT)
    assert everything() == {name: content for name, content in before.items() if name != "plain/deleted"}
    assert sizes(tmp_path) == [10_000]
    put("plain", "replaced", b"5" * 50_000)
    again.save(ACCOUNT)
    assert sizes(tmp_path) == [50_000]
    (tmp_path / OBJECTS / "of_before").write_bytes(b"6")
    empty()
    again.forget(ACCOUNT)
    assert sizes(tmp_path) == []


def test_where_versioning_is_suspended_the_old_or_the_new_null_version_is_there_and_each_other_one(
    tmp_path: Path,
) -> None:
    s3, keeps = s3_backends[ACCOUNT]["aws"], Kept(tmp_path)
    s3.create_bucket("suspended", REGION)
    s3.put_bucket_versioning("suspended", "Enabled")
    for key in ("replaced", "deleted"):
        put("suspended", key, b"1" * 10_000)
    s3.put_bucket_versioning("suspended", "Suspended")
    put("suspended", "replaced", b"2" * 20_000)
    put("suspended", "deleted", b"3" * 30_000)
    keeps.save(ACCOUNT)
    before = everything()
    for name in ("first", "second"):  # what the process that ends has done, and what the next does for good
        put("suspended", "replaced", b"4" * 40_000)
        s3.delete_object("suspended", "deleted")
        assert sizes(tmp_path) == [10_000, 10_000, 20_000, 30_000, 40_000], name
        if name == "first":
            ended()
            keeps = Kept(tmp_path)
            keeps.load(ACCOUNT)
            assert everything() == before
    after = everything()
    keeps.save(ACCOUNT)
    assert sizes(tmp_path) == [10_000, 10_000, 40_000]
    ended()
    Kept(tmp_path).load(ACCOUNT)
    assert everything() == after


def test_of_two_writes_at_once_both_versions_stay() -> None:
    s3 = s3_backends[ACCOUNT]["aws"]
    s3.create_bucket("versioned", REGION)
    s3.put_bucket_versioning("versioned", "Enabled")
    put("versioned", "key", b"1")
    keys: Any = s3.buckets["versioned"].keys

    class Meanwhile(_VersionedKeyStore):
        """The other write comes once the first has read which versions are there."""

        def getlist(self, key: str, default: Any = None) -> Any:
            versions = list(super().getlist(key, default))
            self.__class__ = _VersionedKeyStore  # type: ignore[assignment]
            put("versioned", "key", b"2")
            return versions

    keys.__class__ = Meanwhile
    put("versioned", "key", b"3")
    assert [version.value for version in keys.getlist("key")] == [b"1", b"2", b"3"]


def sizes(home: Path) -> list[int]:
    return sorted(path.stat().st_size for path in (home / OBJECTS).iterdir())


def test_no_record_names_what_is_written_over_while_it_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeps, line = Kept(tmp_path), kept._line
    s3_backends[ACCOUNT]["aws"].create_bucket("plain", REGION)
    put("plain", "replaced", b"1" * 10_000)
    keeps.save(ACCOUNT)
    put("plain", "replaced", b"2" * 20_000)

    def in_between(head: Any) -> str:
        put("plain", "replaced", b"3" * 30_000)
        return line(head)

    with monkeypatch.context() as patched:
        patched.setattr(kept, "_line", in_between)
        keeps.save(ACCOUNT)
    assert sizes(tmp_path) == [10_000, 30_000], "what the record of before names is there"
    keeps.save(ACCOUNT)
    assert sizes(tmp_path) == [30_000]


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def sealed(head: bytes, body: bytes = b"body of b") -> Callable[[Path], object]:
    """Write a file as the embedded AWS would, with this in it."""

    def write(path: Path) -> None:
        stamp = read_seal(path.parent.parent).stamp(path.name, head, body)
        path.write_bytes(b"%s\n%d\n%s\n%s" % (head, len(body), stamp.encode(), body))

    return write


def with_head(old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda path: sealed(path.read_bytes().split(b"\n", 1)[0].replace(old, new))(path)


def planted(path: Path) -> None:
    """Another file of the same thing, which something else has written."""
    path.with_name("999999999").write_bytes(path.read_bytes())
    path.unlink()


def without_stamp(path: Path) -> None:
    head, size, _, body = path.read_bytes().split(b"\n", 3)
    path.write_bytes(b"\n".join((head, size, body)))


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "another body": lambda path: path.write_bytes(path.read_bytes().replace(b"body of b", b"BODY of b")),
    "another head": lambda path: path.write_bytes(path.read_bytes().replace(b'"metadata"', b'"x": 1, "metadata"')),
    "another name": planted,
    "no stamp": without_stamp,
    "no JSON": sealed(b"\x80\x04]"),
    "nested": sealed(b"[" * 100_000),
    "no object": sealed(b"[1]"),
    "other kind": sealed(b'{"kind": "role", "at": "2026"}'),
    "little": sealed(b'{"kind": "object", "at": "2026"}'),
    "no bucket": with_head(b'"bucket": "plain"', b'"bucket": "other"'),
    "other types": with_head(b'"name": "b"', b'"name": [1]'),
    "no time": with_head(b'"at": "2', b'"at": "x'),
    "a link": linked,
    "a folder": folder,
    "no number": lambda path: path.rename(path.with_name("1x")),
    "a longer number": lambda path: path.rename(path.with_name("9" * 250)),
}


def names(home: Path) -> set[str]:
    return {path.name for path in (home / "kept").glob(FILES)}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_left_out_and_stays_and_the_rest_is_there(
    broken: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    s3_backends[ACCOUNT]["aws"].create_bucket("plain", REGION)
    for key in "abc":
        put("plain", key, b"body of " + key.encode())
    Kept(tmp_path).save(ACCOUNT)
    (path,) = (path for path in (tmp_path / "kept").glob(FILES) if b"body of b" in path.read_bytes())
    BROKEN[broken](path)
    before = names(tmp_path)
    empty()
    again = Kept(tmp_path)
    again.load(ACCOUNT)
    assert [name for name in everything() if "/" in name] == ["plain/a", "plain/c"]
    assert "is left out: " in capfd.readouterr().out
    put("plain", "d", b"")
    again.save(ACCOUNT)
    assert (len(before), before - names(tmp_path), len(names(tmp_path))) == (4, set(), 5)


def test_a_log_that_goes_on_keeps_its_file_and_is_written_from_time_to_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs, keeps = logs_backends[ACCOUNT][REGION], Kept(tmp_path)
    logs.create_log_group("g", {})
    logs.create_log_stream("g", "s")

    def texts() -> bytes:
        return b"".join(path.read_bytes() for path in (tmp_path / "kept").glob(FILES))

    def line(text: str) -> None:
        logs.put_log_events("g", "s", [{"timestamp": int(time.time() * 1000), "message": text}])

    line("first")
    keeps.save(ACCOUNT, last=True)
    line("second")
    keeps.save(ACCOUNT)
    assert (b"first" in texts(), b"second" in texts()) == (True, False), "it grows, and what was kept stays"
    monkeypatch.setattr(kept, "WAITS", 0)
    keeps.save(ACCOUNT)
    assert (b"first" in texts(), b"second" in texts(), len(names(tmp_path))) == (True, True, 2)


def test_what_is_deleted_while_it_is_written_keeps_nothing_else_from_it(tmp_path: Path) -> None:
    s3_backends[ACCOUNT]["aws"].create_bucket("plain", REGION)
    for key in "abc":
        put("plain", key, b"body of " + key.encode())
    gone = s3_backends[ACCOUNT]["aws"].buckets["plain"].keys["b"]
    gone.dispose()  # as moto does when it is deleted or overwritten
    keeps = Kept(tmp_path)
    keeps.save(ACCOUNT)
    texts = b"".join(path.read_bytes() for path in (tmp_path / "kept").glob(FILES))
    assert [key for key in "abc" if f"body of {key}".encode() in texts] == ["a", "c"]
    put("plain", "b", b"body of b")
    keeps.save(ACCOUNT)
    assert len(names(tmp_path)) == 4


def test_after_a_full_disk_nothing_is_doubled_or_half_there(tmp_path: Path) -> None:
    s3_backends[ACCOUNT]["aws"].create_bucket("versioned", REGION)
    s3_backends[ACCOUNT]["aws"].put_bucket_versioning("versioned", "Enabled")
    for key in "az":
        put("versioned", key, b"x")
    logs = logs_backends[ACCOUNT][REGION]
    logs.create_log_group("g", {})
    logs.create_log_stream("g", "large")
    logs.put_log_events("g", "large", [{"timestamp": int(time.time() * 1000), "message": "x" * 100_000}])
    before, keeps, limits = everything(), Kept(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        for _ in range(3):
            keeps.save(ACCOUNT, last=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (len(names(tmp_path)), [name for name in names(tmp_path) if name.endswith(".part")]) == (4, [])
    keeps.save(ACCOUNT, last=True)
    assert len(names(tmp_path)) == 5
    empty()
    Kept(tmp_path).load(ACCOUNT)
    assert everything() == before


def test_of_two_files_of_one_thing_the_newer_counts(tmp_path: Path) -> None:
    """As the process left them that ended after it wrote the new one."""
    fill()
    Kept(tmp_path).save(ACCOUNT, last=True)
    older = {path.name: path.read_bytes() for path in (tmp_path / "kept").glob(FILES)}
    s3, logs = s3_backends[ACCOUNT]["aws"], logs_backends[ACCOUNT][REGION]
    s3.put_bucket_tagging("plain", {"changed": "1"})
    put("plain", KEYS[0], b"new")
    tagged: Any = s3.get_object("versioned", "tagged")
    s3.tagger.tag_resource(tagged.arn, [{"Key": "a", "Value": "changed"}])
    logs.put_retention_policy("/ecs/prices", "7")
    logs.put_log_events("/ecs/prices", "main/main/1", [{"timestamp": int(time.time() * 1000), "message": "2"}])
    again = Kept(tmp_path)
    again._files, again._last = {}, len(older)  # all is written anew, and nothing removed
    again.save(ACCOUNT, last=True)
    assert len(names(tmp_path)) == 2 * len(older)
    before = everything()
    empty()
    Kept(tmp_path).load(ACCOUNT)
    assert everything() == before
    assert len(names(tmp_path)) == len(older)


def test_one_content_at_a_time_is_read(tmp_path: Path) -> None:
    s3_backends[ACCOUNT]["aws"].create_bucket("plain", REGION)
    for number in range(6):
        put("plain", str(number), b"x" * 2**21)
    Kept(tmp_path).save(ACCOUNT)
    ended()
    tracemalloc.start()
    try:
        Kept(tmp_path).load(ACCOUNT)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - now < 4 * 2**21


def changed(path: Path) -> None:
    path.write_bytes(b"y" * path.stat().st_size)


def copied(path: Path) -> None:
    """As with the folder, to another disk."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


# What becomes of the object's file, and what of the object: (is there, its file in `kept` is).
CONTENTS: dict[str, tuple[Callable[[Path], object], bool, bool]] = {
    "as it was": (lambda path: None, True, True),
    "copied": (copied, True, True),
    "changed": (changed, False, True),
    "cut": (lambda path: os.truncate(path, 9999), False, True),
    "longer": (lambda path: path.write_bytes(path.read_bytes() + b"x"), False, True),
    "a link": (linked, False, True),
    "a folder": (folder, False, True),
    "gone": (Path.unlink, False, False),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_content_in_a_file_of_its_own_is_what_it_was_or_left_out(case: str, tmp_path: Path) -> None:
    change, there, stays = CONTENTS[case]
    s3_backends[ACCOUNT]["aws"].create_bucket("plain", REGION)
    put("plain", "large", b"x" * 10_000, checksum_value="abc").set_metadata({"x-amz-meta-a": "b"})
    put("plain", "small", b"x")
    before, keeps = everything(), Kept(tmp_path)
    keeps.save(ACCOUNT)
    ended()
    (path,) = (tmp_path / OBJECTS).iterdir()
    change(path)
    again = Kept(tmp_path)
    again.load(ACCOUNT)
    assert everything() == (
        before if there else {name: content for name, content in before.items() if name != "plain/large"}
    )
    again.save(ACCOUNT)
    assert len(names(tmp_path)) == (3 if stays else 2)
    assert [entry.name for entry in (tmp_path / OBJECTS).iterdir()] == ([path.name] if stays else [])


def test_what_has_not_changed_is_neither_read_nor_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what is written to `kept` what is in a file of its own. A disk has another number at times."""
    s3, read, starts = s3_backends[ACCOUNT]["aws"], list[str](), itertools.count()
    digest, head, stat = hashlib.file_digest, kept._line, os.fstat

    def hashed(file: Any, name: Any) -> Any:
        read.append("content")
        return digest(file, name)

    def line(record: Any) -> str:
        read.append(record["name"])
        return head(record)

    def elsewhere(handle: int) -> SimpleNamespace:
        status = stat(handle)
        return SimpleNamespace(**{
            name: getattr(status, name) for name in dir(status) if name.startswith("st_")
        } | {"st_dev": next(starts)})  # fmt: skip

    monkeypatch.setattr(hashlib, "file_digest", hashed)
    monkeypatch.setattr(os, "fstat", elsewhere)
    monkeypatch.setattr(kept, "_line", line)
    s3.create_bucket("plain", REGION)
    put("plain", "large", b"x" * 10_000)
    keeps = Kept(tmp_path)
    keeps.save(ACCOUNT)
    assert read == ["plain", "large"], "what was written is known from then"
    assert all(path.stat().st_size < 2000 for path in (tmp_path / "kept").glob(FILES))
    keeps.save(ACCOUNT)
    ended()
    again = Kept(tmp_path)
    again.load(ACCOUNT)
    for _ in range(2):
        again.save(ACCOUNT)
    assert read[2:] == ["plain", "large"] * 2, "heads alone: at the start, and once to know them"
    large: Any = s3.get_object("plain", "large")
    s3.tagger.tag_resource(large.arn, [{"Key": "a", "Value": "b"}])
    again.save(ACCOUNT)
    assert read[6:] == ["large"], "another tag, the content as it was"


def test_it_survives_the_end_of_the_process_but_no_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    home = tmp_path / "home"
    monkeypatch.setenv("RECONCILER_LOCAL_HOME", str(home))
    said: list[str] = []
    try:
        first = EmbeddedAws(local.ensure_running(home, said.append))
        first.client("s3").create_bucket(Bucket="kept")
        first.client("s3").put_object(Bucket="kept", Key="k", Body=b"v", Metadata={"a": "b"})
        until(lambda: len(list((home / "kept").glob(FILES))) == 2, "the files")
        os.kill(first.running.pid, signal.SIGKILL)  # as at the end of the battery
        until(lambda: not alive(first.running.pid), "its end")
        second = EmbeddedAws(local.ensure_running(home, said.append))
        stored = second.client("s3").get_object(Bucket="kept", Key="k")
        assert (stored["Body"].read(), stored["Metadata"]) == (b"v", {"a": "b"})
        second.client("s3").put_object(Bucket="kept", Key="later", Body=b"v")
        assert main(["local", "stop"]) == 0
        kept_words = "stopped; runs, results, data and logs are kept: `local reset` deletes them\n"
        assert capfd.readouterr().out == kept_words
        third = EmbeddedAws(local.ensure_running(home, said.append))
        assert [entry["Key"] for entry in third.client("s3").list_objects_v2(Bucket="kept")["Contents"]] == [
            "k",
            "later",
        ]
        assert main(["local", "reset"]) == 0
        assert third.client("s3").list_buckets()["Buckets"] == []
        local.stop(home)
        assert not local.keeps(home)
        assert [" with the runs, results, data and logs of before" in text for text in said] == [False, True, True]
    finally:
        local.stop(home)


def test_it_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEP, "0")
    fill()
    kept = Kept(tmp_path)
    kept.save(ACCOUNT, last=True)
    kept.load(ACCOUNT)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["seal"]
    assert not local.keeps(tmp_path)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "no seal": lambda folder: (folder / "seal").unlink(),
    "an empty seal": lambda folder: (folder / "seal").write_text(""),
    "another's seal": lambda folder: (folder / "seal").write_text(f"{'0' * 32} {'0' * 64}"),
    "no text": lambda folder: (folder / "seal").write_bytes(b"\xff"),
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_what_came_with_a_checkout_is_refused(foreign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_seal(tmp_path)
    FOREIGN[foreign](tmp_path / "kept")
    (tmp_path / "kept" / "000000001").write_text("a run that nobody has run")
    with pytest.raises(local.LocalError, match="weren't written by you on this machine") as refused:
        local.ensure_running(tmp_path)
    assert f"rm -r {tmp_path / 'kept'}" in str(refused.value)
    assert local.stop(tmp_path) is False  # of which nothing is believed


def test_another_user_or_machine_has_another_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill()
    Kept(tmp_path).save(ACCOUNT)
    open_seal(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    with pytest.raises(Unsealed):
        open_seal(tmp_path)
    assert (tmp_path / "other" / "reconciler" / "local-key").stat().st_mode & 0o777 == 0o600


def test_without_a_place_for_the_secret_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert _kept(tmp_path) == {KEEP: "0"}
