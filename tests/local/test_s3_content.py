"""The embedded S3 keeps content on disk: uploaded, put together, copied and read, it is never in memory as a whole."""

from __future__ import annotations

import base64
import errno
import hashlib
import http.client
import json
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from moto.core.common_models import BaseModel
from moto.s3.exceptions import MissingKey

from reconciler import local
from reconciler.local import s3_content
from reconciler.local.seal import KEEP, OBJECTS, PASSING
from tests.local.test_lifecycle import alive
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until

SIZE, BLOCK = 200 * 2**20, 2**20
MOST = 30 * 2**20  # bytes of growth, whatever the parts in flight have
CONFIG = TransferConfig(max_concurrency=2, multipart_chunksize=8 * 2**20)
BUCKET = "content"
TAGS = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
SMALL, LARGE = b"s" * 100, b"l" * 100_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an embedded AWS that keeps what it has."""
    folder = tmp_path_factory.mktemp("content") / "home"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RECONCILER_LOCAL_ENGINE", "process")
        patched.setenv("XDG_STATE_HOME", str(folder.parent / "state"))
        patched.setenv(KEEP, "1")
        yield folder
        local.stop(folder)


@pytest.fixture
def aws(home: Path) -> EmbeddedAws:
    embedded = EmbeddedAws(local.ensure_running(home))
    embedded.client("s3").create_bucket(Bucket=BUCKET)  # of us-east-1: again is no fault
    return embedded


def objects(home: Path) -> list[Path]:
    return sorted((home / OBJECTS).iterdir())


class Memory:
    """The most memory of a process, files' pages included, in bytes, while it is watched."""

    def __init__(self, pid: int) -> None:
        self._status, self._stop = Path(f"/proc/{pid}/status"), threading.Event()
        self.first = self.most = self._now()
        self._thread = threading.Thread(target=self._watch)

    def _now(self) -> int:
        line = next(row for row in self._status.read_text().splitlines() if row.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, self._now())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def received(s3: Any, key: str, **more: Any) -> str:
    digest = hashlib.sha256()
    for block in s3.get_object(Bucket=BUCKET, Key=key, **more)["Body"].iter_chunks(BLOCK):
        digest.update(block)
    return digest.hexdigest()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much memory a process has")
def test_what_is_large_is_never_in_memory(aws: EmbeddedAws, home: Path, tmp_path: Path) -> None:
    file, wanted, s3 = tmp_path / "data.bin", hashlib.sha256(), aws.client("s3")
    with file.open("wb") as out:
        for number in range(SIZE // BLOCK):
            block = number.to_bytes(4, "big") * (BLOCK // 4)
            out.write(block)
            wanted.update(block)
    with Memory(aws.running.pid) as memory:
        s3.upload_file(str(file), BUCKET, "one", Config=CONFIG)
        source = {"Bucket": BUCKET, "Key": "one"}
        copied = s3.copy_object(Bucket=BUCKET, Key="two", CopySource=source, ChecksumAlgorithm="SHA256")
        read, ranged = received(s3, "two"), received(s3, "one", Range="bytes=0-")
        part = s3.get_object(Bucket=BUCKET, Key="one", Range=f"bytes={SIZE - 4}-")["Body"].read()
        listed = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert (read, ranged) == (wanted.hexdigest(),) * 2
    assert part == (SIZE // BLOCK - 1).to_bytes(4, "big")
    assert base64.b64decode(copied["CopyObjectResult"]["ChecksumSHA256"]) == wanted.digest()
    assert [(version["Key"], version["Size"], version["IsLatest"]) for version in listed] == [
        ("one", SIZE, True),
        ("two", SIZE, True),
    ]
    assert [path.stat().st_size for path in objects(home)] == [SIZE, SIZE], "the parts are gone"
    assert {path.stat().st_mode & 0o777 for path in (home / OBJECTS, *objects(home))} == {0o700, 0o600}
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "one"}, {"Key": "two"}]})
    assert objects(home) == []
    assert memory.most - memory.first < MOST


def test_an_upload_whose_chunks_are_unsigned_is_what_stands_in_them(aws: EmbeddedAws, home: Path) -> None:
    """As the AWS CLI's CRT client sends it, without TLS too."""
    s3, path = aws.client("s3"), f"/{BUCKET}/chunked"
    for parts in ([b"a"], [SMALL, LARGE], [LARGE, b"", LARGE], [b"0\r\n"]):
        content = b"".join(parts)
        assert aws_chunked(aws, path, [one for one in parts if one])[0] == 200
        found = s3.get_object(Bucket=BUCKET, Key="chunked")
        assert (found["Body"].read(), found["ETag"]) == (content, f'"{hashlib.md5(content).hexdigest()}"')
    for parts, cut in (([LARGE], -3), ([LARGE], -30), ([LARGE], 50_000)):
        status, _ = aws_chunked(aws, path, parts, cut=cut)
        assert status == 400 if cut != -3 else 200, "its trailer is none of the content"
    assert aws_chunked(aws, path, [LARGE], spoiled=True)[0] == 400
    assert aws_chunked(aws, f"{path}?tagging", [TAGS])[0] == 200
    assert s3.get_object_tagging(Bucket=BUCKET, Key="chunked")["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_object(Bucket=BUCKET, Key="chunked")
    assert objects(home) == []


def aws_chunked(
    aws: EmbeddedAws, path: str, parts: list[bytes], *, cut: int | None = None, spoiled: bool = False
) -> tuple[int, bytes]:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\nx-amz-checksum-crc32:AA==\r\n\r\n"
    body = (body.replace(b"\r\n0\r\n", b"x\r\n0\r\n") if spoiled else body)[:cut]
    headers = {
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Encoding": "aws-chunked",
        "X-Amz-Decoded-Content-Length": str(sum(map(len, parts))), "X-Amz-Trailer": "x-amz-checksum-crc32",
    }  # fmt: skip
    keys = aws.running.keys
    request = AWSRequest("PUT", aws.endpoint_url + path, headers=headers, data=b"")
    signer = S3SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "s3", "us-east-1")
    signer.payload = lambda request: headers["X-Amz-Content-SHA256"]
    signer.add_auth(request)
    connection = http.client.HTTPConnection(aws.endpoint_url.removeprefix("http://"), timeout=20)
    try:
        connection.request("PUT", path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("refuses", [errno.EXDEV, errno.EINVAL, None])
def test_a_part_is_copied_by_the_system_or_here(
    refuses: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems can't, and say so late."""
    real = os.copy_file_range

    def copy(source: int, target: int, size: int) -> int:
        if refuses:
            real(source, target, 1000)
            raise OSError(refuses, "no")
        return real(source, target, min(size, 30_000))

    monkeypatch.setattr(os, "copy_file_range", copy)
    monkeypatch.setattr(s3_content.Content, "folder", tmp_path)
    parts = [s3_content._written([one]) for one in (b"a" * 70_000, LARGE)]
    checksum = s3_content._Checksum("SHA256", "COMPOSITE")

    def fill(file: Any) -> list[Any]:
        for part in (*parts, s3_content.Content(SMALL)):
            s3_content._append(file, part, checksum)
        return [part.piece for part in (*parts, s3_content.Content(SMALL))]

    whole = s3_content._new(fill)
    digests = b"".join(hashlib.sha256(one).digest() for one in (b"a" * 70_000, LARGE, SMALL))
    assert whole.whole() == b"a" * 70_000 + LARGE + SMALL
    assert checksum.build() == ("COMPOSITE", base64.b64encode(hashlib.sha256(digests).digest()).decode(), 3)


CHANGES: dict[str, tuple[Callable[[bytes], bytes], bool]] = {
    "the same": (lambda data: data, True),
    "another byte": (lambda data: b"b" + data[1:], False),
    "longer": (lambda data: data + b"x", False),
    "shorter": (lambda data: data[:-1], False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_put_together_is_known_again_by_its_parts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, is_there = CHANGES[name]
    monkeypatch.setattr(s3_content.Content, "folder", tmp_path)
    monkeypatch.setattr(s3_content.Content, "kept", {})
    pieces = [(len(one), hashlib.sha256(one).hexdigest()) for one in (LARGE, SMALL)]

    def fill(file: Any) -> list[tuple[int, str]]:
        file.write(LARGE + SMALL)
        return pieces

    whole = s3_content._new(fill)
    assert whole.path is not None
    description = json.loads(json.dumps(whole.description))
    whole.path.write_bytes(change(whole.whole()))
    if is_there:
        assert s3_content.recalled(description).whole() == LARGE + SMALL
    else:
        with pytest.raises(ValueError, match="another"):
            s3_content.recalled(description)


def test_parts_copied_from_ranges_make_a_whole_and_an_upload_that_is_given_up_leaves_nothing(
    aws: EmbeddedAws, home: Path
) -> None:
    s3, begin, end = aws.client("s3"), b"a" * 5 * 2**20, b"b" * 5000
    place, parts = {"Bucket": BUCKET, "Key": "joined"}, []
    s3.put_object(Bucket=BUCKET, Key="source", Body=end + begin)
    upload = {**place, "UploadId": s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]}
    for number, span in enumerate((f"5000-{4999 + len(begin)}", "0-4999"), 1):
        answer = s3.upload_part_copy(
            **upload,
            PartNumber=number,
            CopySource={"Bucket": BUCKET, "Key": "source"},
            CopySourceRange=f"bytes={span}",
        )
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": "x"}]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    head = s3.get_object(**place, ChecksumMode="ENABLED")
    digests = b"".join(hashlib.md5(data, usedforsecurity=False).digest() for data in (begin, end))
    assert head["Body"].read() == begin + end
    assert head["ETag"] == f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-2"'
    assert head["ChecksumType"] == "COMPOSITE"
    given_up = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    s3.upload_part(**given_up, PartNumber=1, Body=LARGE)
    assert len(objects(home)) == 3
    s3.abort_multipart_upload(**given_up)
    assert len(objects(home)) == 2
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "joined"}, {"Key": "source"}]})
    assert objects(home) == []


def test_a_full_disk_is_said_and_nothing_is_half_there(aws: EmbeddedAws, home: Path) -> None:
    s3 = aws.client("s3")
    before = resource.prlimit(aws.running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(aws.running.pid, resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(ClientError, match="InsufficientStorage") as refused:
            s3.put_object(Bucket=BUCKET, Key="k", Body=LARGE)
        assert f"{home / OBJECTS}. Make room there." in str(refused.value)
        until(lambda: objects(home) == [], "the end of what was received, which goes once that is answered")
        with pytest.raises(ClientError, match="InsufficientStorage") as refused:  # too large even to be received
            s3.put_object(Bucket=BUCKET, Key="k", Body=bytes(17 * 2**20))
        assert "Make room there." in str(refused.value)
    finally:
        resource.prlimit(aws.running.pid, resource.RLIMIT_FSIZE, before)
    s3.put_object(Bucket=BUCKET, Key="k", Body=LARGE)
    assert s3.get_object(Bucket=BUCKET, Key="k")["Body"].read() == LARGE
    s3.delete_object(Bucket=BUCKET, Key="k")


class Upload:
    """An upload in parts of 5 MiB, all of which are there."""

    def __init__(self, s3: Any, key: str, count: int) -> None:
        self._s3, place, self.parts = s3, {"Bucket": BUCKET, "Key": key}, list[dict[str, Any]]()
        self.place = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
        for number in range(1, count + 1):
            part = s3.upload_part(**self.place, PartNumber=number, Body=bytes([number]) * 5 * 2**20)
            self.parts.append({"PartNumber": number, "ETag": part["ETag"]})

    def complete(self, count: int) -> str:
        answer = self._s3.complete_multipart_upload(**self.place, MultipartUpload={"Parts": self.parts[:count]})
        return str(answer["ETag"])


def test_an_upload_is_completed_once_however_often_that_is_asked_for(aws: EmbeddedAws, home: Path) -> None:
    upload = Upload(aws.client("s3"), "often", 5)
    with ThreadPoolExecutor(4) as pool:
        tags = {*pool.map(upload.complete, [4] * 4)}
    assert [tag.endswith('-4"') for tag in tags] == [True]
    assert [path.stat().st_size for path in objects(home)] == [4 * 5 * 2**20], "nor is there the part that it hasn't"
    assert {upload.complete(4)} == tags, "as when the first answer was lost"
    aws.client("s3").delete_object(Bucket=BUCKET, Key="often")
    with pytest.raises(ClientError, match="NoSuchUpload"):
        upload.complete(4)
    assert objects(home) == []


def test_an_upload_that_found_no_room_leaves_no_half_of_it(aws: EmbeddedAws, home: Path) -> None:
    s3 = aws.client("s3")
    upload, before = Upload(s3, "no-room", 3), resource.prlimit(aws.running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(aws.running.pid, resource.RLIMIT_FSIZE, (8 * 2**20, before[1]))
    try:
        with pytest.raises(ClientError, match="InsufficientStorage"):
            upload.complete(3)
    finally:
        resource.prlimit(aws.running.pid, resource.RLIMIT_FSIZE, before)
    assert {path.stat().st_size for path in objects(home)} == {5 * 2**20}, "parts alone"
    with pytest.raises(ClientError, match="InvalidPart"):
        upload.complete(3)
    s3.abort_multipart_upload(**upload.place)
    assert objects(home) == []


@pytest.mark.parametrize("is_made", [False, True])
def test_what_was_put_together_goes_unless_an_object_has_it(is_made: bool, tmp_path: Path) -> None:
    """As when the bucket is deleted meanwhile."""
    whole = s3_content.Content(path=tmp_path / "whole", size=1)
    (tmp_path / "whole").write_bytes(b"x")
    keys = {"key": [SimpleNamespace(_value_buffer=whole)]} if is_made else {}
    bucket = SimpleNamespace(keys=SimpleNamespace(getlist=keys.get))

    def fails() -> None:
        raise KeyError("bucket")

    with pytest.raises(KeyError, match="bucket"):
        s3_content._completed(SimpleNamespace(whole=whole, key_name="key"), bucket, fails)
    assert (tmp_path / "whole").exists() is is_made


def test_what_is_replaced_or_deleted_while_it_is_asked_for(tmp_path: Path) -> None:
    def version(name: str, *, closed: bool = False) -> Any:
        content = s3_content.Content(path=tmp_path / name, size=3)
        content.closed = closed
        return SimpleNamespace(name="key", tag=name, _value_buffer=content)

    def asked(*contents: Any) -> Any:
        answers = iter([(content, False) for content in contents])
        return s3_content._unread(lambda: next(answers))[0]

    (tmp_path / "new").write_bytes(b"new")
    replaced, new, lost = version("old", closed=True), version("new"), version("lost")
    read = asked(replaced, replaced, new)
    assert (read.tag, b"".join(read.value)) == ("new", b"new")
    read.value.close()
    with pytest.raises(StopIteration):  # what `find` raises where it is deleted
        asked(replaced)
    with pytest.raises(MissingKey):  # something else has removed the file
        asked(lost, new)


def versions(s3: Any, bucket: str) -> list[tuple[str, bytes | None, bool]]:
    """(version ID, content, whether it is the latest) of each version of the key, the newest first; None: a marker."""
    page = s3.list_object_versions(Bucket=bucket)
    entries = [(entry, True) for entry in page.get("Versions", [])] + [
        (entry, False) for entry in page.get("DeleteMarkers", [])
    ]
    listed = []
    for entry, is_object in sorted(entries, key=lambda pair: not pair[0]["IsLatest"]):
        place = {"Bucket": bucket, "Key": "key", "VersionId": entry["VersionId"]}
        body = s3.get_object(**place)["Body"].read() if is_object else None
        assert body is None or s3.head_object(**place)["ContentLength"] == len(body)
        listed.append((entry["VersionId"], body, entry["IsLatest"]))
    return listed


def test_where_versioning_is_suspended_only_the_null_version_is_replaced_or_deleted(
    aws: EmbeddedAws, home: Path
) -> None:
    s3, bucket, before = aws.client("s3"), "suspended", {*objects(home)}
    place = {"Bucket": bucket, "Key": "key"}
    first, second, third, fourth = (letter * 5_000 for letter in (b"1", b"2", b"3", b"4"))

    def versioning(status: str) -> None:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    s3.create_bucket(Bucket=bucket)
    s3.put_object(**place, Body=first)
    versioning("Enabled")
    old = s3.put_object(**place, Body=second)["VersionId"]
    versioning("Suspended")
    assert versions(s3, bucket) == [(old, second, True), ("null", first, False)]
    s3.put_object(**place, Body=third)
    assert versions(s3, bucket) == [("null", third, True), (old, second, False)]
    s3.copy_object(**place, CopySource={**place, "VersionId": old})
    assert versions(s3, bucket) == [("null", second, True), (old, second, False)]
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=fourth)["ETag"]}
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    assert versions(s3, bucket) == [("null", fourth, True), (old, second, False)]

    for _ in range(2):  # the second marker replaces the first
        gone = s3.delete_object(**place)
        assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
        assert versions(s3, bucket) == [("null", None, True), (old, second, False)]
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(**place)
    s3.delete_object(**place, VersionId="null")
    assert versions(s3, bucket) == [(old, second, True)]
    (deleted,) = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "key"}]})["Deleted"]
    assert deleted["DeleteMarkerVersionId"] == "null"
    s3.put_object(**place, Body=third)
    s3.delete_object(**place, VersionId="another")
    assert versions(s3, bucket) == [("null", third, True), (old, second, False)]
    versioning("Enabled")
    s3.delete_object(**place)
    versioning("Suspended")
    assert [body for _, body, _ in versions(s3, bucket)][:1] == [None]
    assert len(versions(s3, bucket)) == 3
    for version, _, _ in versions(s3, bucket):
        s3.delete_object(**place, VersionId=version)
    assert versions(s3, bucket) == []
    until(lambda: {*objects(home)} <= before, "the end of the replaced ones' files, once a record is written")
    s3.delete_object(**place)
    assert versions(s3, bucket) == [("null", None, True)], "a marker, though nothing was there"
    s3.delete_object(**place, VersionId="null")
    s3.delete_bucket(Bucket=bucket)


def test_where_no_versions_were_ever_kept_a_delete_of_another_version_deletes_nothing(aws: EmbeddedAws) -> None:
    s3, place = aws.client("s3"), {"Bucket": "unversioned", "Key": "key"}
    s3.create_bucket(Bucket="unversioned")
    s3.put_object(**place, Body=SMALL)
    s3.delete_object(**place, VersionId="another")
    assert versions(s3, "unversioned") == [("null", SMALL, True)]
    s3.delete_object(**place, VersionId="null")
    assert versions(s3, "unversioned") == []
    s3.delete_bucket(Bucket="unversioned")


def test_a_model_may_be_a_dict_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BaseModel, "__new__", BaseModel.__new__)
    s3_content._what_is_deleted_is_forgotten()

    class Both(BaseModel, dict[str, int]):
        pass

    assert Both(a=1) == {"a": 1}


def test_it_outlives_the_process_and_what_nobody_needs_is_removed(home: Path, aws: EmbeddedAws) -> None:
    s3 = aws.client("s3")
    for key, body in (("small", SMALL), ("large", LARGE), ("changed", LARGE)):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    local.stop(home)
    (home / OBJECTS / "orphaned").write_bytes(b"of a process that was killed")
    (home / OBJECTS / "folder").mkdir()
    before = {path: path.stat().st_ino for path in objects(home)}
    again = EmbeddedAws(local.ensure_running(home)).client("s3")
    again.list_buckets()  # by then it has loaded
    (home / OBJECTS / "folder").rmdir()
    assert [again.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in ("small", "large")] == [SMALL, LARGE]
    assert {path: path.stat().st_ino for path in objects(home)} == {
        path: number for path, number in before.items() if path.name not in ("orphaned", "folder")
    }
    again.put_object(Bucket=BUCKET, Key="changed", Body=LARGE * 2)
    until(lambda: sorted(path.stat().st_size for path in objects(home)) == [100_000, 200_000], "the end of the old one")
    again.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    again.put_object(Bucket=BUCKET, Key="changed", Body=LARGE * 3)
    assert len(objects(home)) == 3, "the version before is still there"
    local.reset(home)
    assert objects(home) == []


def test_without_keeping_it_goes_with_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_LOCAL_ENGINE", "process")
    monkeypatch.setenv(KEEP, "0")
    home = tmp_path / "home"
    (home / OBJECTS).mkdir(parents=True)
    (home / OBJECTS / "of_before").write_bytes(LARGE)
    try:
        running = local.ensure_running(home)
        s3 = EmbeddedAws(running).client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="k", Body=LARGE)
        assert [path.stat().st_size for path in (home / PASSING).iterdir()] == [len(LARGE)]
        os.kill(running.pid, signal.SIGKILL)
        until(lambda: not alive(running.pid), "its end")
        assert EmbeddedAws(local.ensure_running(home)).client("s3").list_buckets()["Buckets"] == []
        assert list((home / PASSING).iterdir()) == []
    finally:
        local.stop(home)
    assert not (home / PASSING).exists()
    assert [path.name for path in objects(home)] == ["of_before"]
    local.reset(home)
    assert not (home / OBJECTS).exists()
