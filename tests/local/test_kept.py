"""What outlives the embedded AWS: buckets with every version, and logs, whatever way its process ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends

from reconciler import local
from reconciler.cli.main import main
from reconciler.local.kept import Kept
from reconciler.local.lifecycle import _kept
from reconciler.local.seal import FILES, KEEP, Unsealed, open_seal
from tests.local.test_lifecycle import alive
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until

ACCOUNT, REGION = "210987654321", "eu-central-1"
KEYS = ["data/a.csv", "../../outside", "a\nb", "größe €", "runs/1/run.json", "empty", "a//b", "x" * 1024]


@pytest.fixture(autouse=True)
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    monkeypatch.setenv(KEEP, "1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    open_seal(tmp_path)
    empty()
    yield
    empty()


def empty() -> None:
    s3_backends[ACCOUNT]["aws"].reset()
    logs_backends[ACCOUNT][REGION].reset()


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
                (one.version_id, one.last_modified, getattr(one, "value", None), getattr(one, "response_dict", None))
                for one in versions
            ]
    for group in logs.groups.values():
        seen[group.name] = (group.retention_in_days, group.creation_time, logs.list_tags_for_resource(group.arn))
        for stream in group.streams.values():
            described = {k: v for k, v in stream.to_describe_dict().items() if k != "uploadSequenceToken"}
            seen[f"{group.name} {stream.log_stream_name}"] = (described, [e.to_response_dict() for e in stream.events])
    return seen


def fill() -> None:
    s3, logs = s3_backends[ACCOUNT]["aws"], logs_backends[ACCOUNT][REGION]
    for bucket in ("versioned", "plain"):
        s3.create_bucket(bucket, REGION)
        s3.put_bucket_tagging(bucket, {"reconciler:deploy": "prices", "ü": ""})
    s3.put_bucket_versioning("versioned", "Enabled")
    for number, key in enumerate(KEYS * 2):
        for bucket in ("versioned", "plain"):
            put(bucket, key, b"" if key == "empty" else bytes([number]) * 9)
    s3.delete_object("versioned", KEYS[0])
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
    kept.forget()
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


def nested(path: Path) -> None:
    path.write_bytes(b"[" * 100_000 + b"\n0\n")


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "no JSON": lambda path: path.write_bytes(b"\x80\x04]\n0\n"),
    "nested": nested,
    "no object": lambda path: path.write_bytes(b"[1]\n0\n"),
    "other kind": lambda path: path.write_bytes(b'{"kind": "role", "at": "2026"}\n0\n'),
    "little": lambda path: path.write_bytes(b'{"kind": "object", "at": "2026"}\n0\n'),
    "no bucket": lambda path: path.write_bytes(path.read_bytes().replace(b'"bucket": "plain"', b'"bucket": "other"')),
    "other types": lambda path: path.write_bytes(path.read_bytes().replace(b'"name": "b"', b'"name": [1]')),
    "no time": lambda path: path.write_bytes(path.read_bytes().replace(b'"at": "2', b'"at": "x')),
    "a link": linked,
    "a folder": folder,
    "no number": lambda path: path.rename(path.with_name("1x")),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_broken_is_left_out_and_the_rest_is_there(
    broken: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    s3_backends[ACCOUNT]["aws"].create_bucket("plain", REGION)
    for key in "abc":
        put("plain", key, b"body of " + key.encode())
    Kept(tmp_path).save(ACCOUNT)
    (path,) = (path for path in (tmp_path / "kept").glob(FILES) if b"body of b" in path.read_bytes())
    BROKEN[broken](path)
    empty()
    again = Kept(tmp_path)
    again.load(ACCOUNT)
    assert [name for name in everything() if "/" in name] == ["plain/a", "plain/c"]
    assert "is left out: " in capfd.readouterr().out
    put("plain", "d", b"")
    again.save(ACCOUNT)


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
        found = second.client("s3").get_object(Bucket="kept", Key="k")
        assert (found["Body"].read(), found["Metadata"]) == (b"v", {"a": "b"})
        second.client("s3").put_object(Bucket="kept", Key="later", Body=b"v")
        assert main(["local", "stop"]) == 0
        kept_words = "stopped; runs, results, data and logs are kept: `local reset` forgets them\n"
        assert capfd.readouterr().out == kept_words
        third = EmbeddedAws(local.ensure_running(home, said.append))
        assert [one["Key"] for one in third.client("s3").list_objects_v2(Bucket="kept")["Contents"]] == ["k", "later"]
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
    with pytest.raises(local.LocalError, match="wasn't written by you on this machine") as refused:
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
