"""Whether an object holds a file: by S3's checksum, our own, or an ETag that is an MD5; else it isn't known."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from reconciler.aws.calls import Aws
from reconciler.aws.clients import TRANSFER, UPLOAD, new_session
from reconciler.config.file_checksums import PART, part_digests, sha256_of
from reconciler.core.diff import diff
from reconciler.core.errors import AwsError, Interrupted, UserError
from reconciler.core.spec import OWNER_TAG
from reconciler.kinds import Object, ObjectSpec, s3_object
from tests.lab_client import LabHandle, SkippingClock

BUCKET = "content-of-objects"


@pytest.fixture
def want(lab: LabHandle, tmp_path: Path) -> ObjectSpec:
    lab.client("s3").create_bucket(Bucket=BUCKET)
    file = tmp_path / "data.bin"
    # Two parts and a bit, which no MD5 and no SHA-256 of S3's covers as a whole.
    file.write_bytes(hashlib.sha256(b"seed").digest() * ((2 * PART + 1000) // 32))
    return spec_of(file)


def spec_of(file: Path) -> ObjectSpec:
    return ObjectSpec(
        name=f"{BUCKET}/data.bin",
        sha256=sha256_of(file),
        size=file.stat().st_size,
        file=str(file),
        tags={OWNER_TAG: "x"},
    )


def test_a_big_file_goes_in_parts_and_is_no_difference(lab: LabHandle, want: ObjectSpec) -> None:
    sent: list[int] = []
    kind, aws = Object(progress=lambda name, bytes_sent, size: sent.append(bytes_sent)), lab.aws()
    kind.create(aws, want)
    assert sum(sent) == want.size
    assert lab.client("s3").head_object(Bucket=BUCKET, Key="data.bin")["ETag"].endswith('-3"')
    assert diff(want, kind.observe(aws, [want])[want.name].spec) == ()


def test_parts_that_this_process_has_not_read_go_as_well(
    lab: LabHandle, want: ObjectSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_object, "part_digests", lambda file: ())
    kind, aws = Object(), lab.aws()
    kind.create(aws, want)
    assert diff(want, kind.observe(aws, [want])[want.name].spec) == ()


def test_a_part_that_is_not_what_was_read_is_refused(
    lab: LabHandle, want: ObjectSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = part_digests(want.file)
    assert len(digests) == 3
    monkeypatch.setattr(s3_object, "part_digests", lambda file: (*digests[:2], digests[0]))
    with pytest.raises(AwsError, match="BadDigest"):
        Object().create(lab.aws(), want)
    s3 = lab.client("s3")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)


def part_of_an_upload(aws: Aws, content: dict[str, Any]) -> None:
    part = {"UploadId": "u", "PartNumber": 1, "ChecksumAlgorithm": "SHA256"}
    aws.client(TRANSFER).upload_part(**part, **content)


def whole(aws: Aws, content: dict[str, Any]) -> None:
    aws.put_object(**content)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("send", "client"), [(part_of_an_upload, TRANSFER), (whole, UPLOAD)])
def test_what_has_a_known_checksum_is_not_hashed_for_its_signature(
    scheme: str, send: Callable[[Aws, dict[str, Any]], None], client: str
) -> None:
    sent: list[dict[str, str]] = []

    def answer(request: Any, **others: Any) -> AWSResponse:
        sent.append({name: _text(value) for name, value in request.headers.items()})
        return AWSResponse(request.url, 200, {}, SimpleNamespace(stream=lambda: [b""]))

    with Aws("eu-west-1", session=new_session("a", "b"), endpoint_url=f"{scheme}://127.0.0.1:1") as aws:
        aws.client(client).meta.events.register("before-send.s3", answer)
        digest = base64.b64encode(hashlib.sha256(b"another").digest()).decode()
        send(aws, {"Bucket": BUCKET, "Key": "k", "Body": b"x", "ChecksumSHA256": digest})
    (headers,) = sent
    assert (headers["X-Amz-Content-SHA256"], headers["x-amz-checksum-sha256"]) == ("UNSIGNED-PAYLOAD", digest)
    assert ";x-amz-checksum-sha256;" in headers["Authorization"]
    assert "Expect" not in headers or client == TRANSFER, "a short content goes at once"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def test_the_same_size_with_other_content_is_a_difference(lab: LabHandle, want: ObjectSpec) -> None:
    kind, aws = Object(), lab.aws()
    kind.create(aws, want)
    lab.client("s3").put_object(Bucket=BUCKET, Key="data.bin", Body=b"x" * want.size)
    changed = {change.path for change in diff(want, kind.observe(aws, [want])[want.name].spec)}
    assert "sha256" in changed


@pytest.mark.parametrize("checksum", [True, False], ids=["with a checksum", "by its ETag"])
def test_what_somebody_else_uploaded_is_recognised(lab: LabHandle, tmp_path: Path, checksum: bool) -> None:
    lab.client("s3").create_bucket(Bucket=BUCKET)
    file = tmp_path / "small.bin"
    file.write_bytes(b"content")
    digest = base64.b64encode(hashlib.sha256(b"content").digest()).decode()
    extra = {"ChecksumSHA256": digest} if checksum else {}
    lab.client("s3").put_object(Bucket=BUCKET, Key="data.bin", Body=b"content", **extra)
    want = spec_of(file)
    seen = Object().observe(lab.aws(), [want])[want.name].spec
    assert seen.sha256 == want.sha256
    assert seen.tags == {}


@pytest.mark.parametrize("size", [1000, PART + 1000], ids=["in one piece", "in parts"])
@pytest.mark.parametrize("told", [True, False], ids=["with a checksum", "without"])
def test_what_is_written_over_is_seen_though_its_metadata_says_it_is_ours(
    lab: LabHandle, tmp_path: Path, size: int, told: bool
) -> None:
    from boto3.s3.transfer import TransferConfig

    s3 = lab.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    file, other = tmp_path / "data.bin", tmp_path / "other.bin"
    file.write_bytes(b"a" * size)
    other.write_bytes(b"b" * size)
    want = spec_of(file)
    Object().create(lab.aws(), want)
    extra = {"Metadata": want.metadata, **({"ChecksumAlgorithm": "SHA256"} if told else {})}
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.upload_file(str(other), BUCKET, "data.bin", ExtraArgs=extra, Config=config)
    assert "sha256" in {change.path for change in diff(want, Object().observe(lab.aws(), [want])[want.name].spec)}


def made_shorter(file: Path) -> None:
    os.truncate(file, 1000)


def written_to(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"!")


def replaced(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(b"x" * file.stat().st_size)
    other.replace(file)


@pytest.mark.parametrize("change", [made_shorter, written_to, replaced, Path.unlink])
def test_a_file_that_changes_while_it_is_uploaded_is_told_and_not_taken_for_what_was_planned(
    lab: LabHandle, want: ObjectSpec, change: Callable[[Path], None]
) -> None:
    # Each part has been asked for by then, and not been read.
    aws, file, done = lab.aws(), Path(want.file), threading.Event()

    def under_way(**seen: object) -> None:
        if not done.is_set():
            done.set()
            change(file)

    aws.client("s3-transfer").meta.events.register("before-call.s3.UploadPart", under_way)
    with pytest.raises(UserError, match="changed while it was being deployed"):
        Object().create(aws, want)
    assert done.is_set()
    observed = Object().observe(lab.aws(), [ObjectSpec(name=want.name)]).get(want.name)
    assert observed is None


class Interrupting(SkippingClock):
    """A clock by which nobody waits any more once `stopped` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted."""
        if self.stopped.is_set():
            raise Interrupted("interrupted")
        super().sleep(seconds)


@pytest.mark.parametrize("parts", [0.5, 3], ids=["in one", "in parts"])
def test_an_interrupted_upload_leaves_nothing(lab: LabHandle, tmp_path: Path, parts: float) -> None:
    lab.client("s3").create_bucket(Bucket=BUCKET)
    file = tmp_path / "data.bin"
    file.write_bytes(b"x" * int(parts * PART))
    clock = Interrupting()
    kind = Object(progress=lambda name, sent, size: clock.stopped.set())
    with pytest.raises(Interrupted):
        kind.create(lab.aws(clock=clock), spec_of(file))
    assert "Contents" not in lab.client("s3").list_objects_v2(Bucket=BUCKET)
    assert "Uploads" not in lab.client("s3").list_multipart_uploads(Bucket=BUCKET)
