"""A bucket is deleted with all that is in it: unfinished uploads, versions, delete markers."""

from __future__ import annotations

import pytest

from reconciler.core.errors import Interrupted
from reconciler.kinds import Bucket, BucketSpec
from tests.kinds.test_object_content import Interrupting
from tests.lab_client import LabHandle


def test_unfinished_uploads_and_old_versions_go_first(lab: LabHandle) -> None:
    aws, s3, bucket = lab.aws(), lab.client("s3"), BucketSpec(name="to-be-emptied", versioning=True)
    kind = Bucket()
    kind.create(aws, bucket)
    s3.create_multipart_upload(Bucket=bucket.name, Key="unfinished")
    for body in (b"old", b"new"):
        s3.put_object(Bucket=bucket.name, Key="file", Body=body)
    s3.delete_object(Bucket=bucket.name, Key="file")
    seen = kind.observe(aws, [bucket])[bucket.name]
    kind.delete(aws, seen)
    assert len(lab.log("s3", "AbortMultipartUpload")) == 1
    assert kind.observe(aws, [bucket]) == {}


def test_an_interruption_ends_it_before_the_next_page(lab: LabHandle) -> None:
    """A bucket may have a million versions."""
    clock, s3, bucket = Interrupting(), lab.client("s3"), BucketSpec(name="not-to-be-emptied", versioning=True)
    aws, kind = lab.aws(clock=clock), Bucket()
    kind.create(aws, bucket)
    s3.put_object(Bucket=bucket.name, Key="file", Body=b"1")
    seen = kind.observe(aws, [bucket])[bucket.name]
    clock.stopped.set()
    with pytest.raises(Interrupted):
        kind.delete(aws, seen)
    assert s3.get_object(Bucket=bucket.name, Key="file")["Body"].read() == b"1"
