"""An object and a folder go with all their versions, a thousand at a time, and nothing beside them goes."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.errors import Interrupted
from reconciler.core.spec import Observed
from reconciler.kinds import Folder, FolderSpec, Object, ObjectSpec
from tests.kinds.test_object_content import Interrupting
from tests.lab_client import LabHandle

BUCKET = "content-with-versions"
OBJECT = ObjectSpec(name=f"{BUCKET}/data/a.csv", sha256="", size=0)
FOLDER = FolderSpec(name=f"{BUCKET}/data/", files={"a.csv": ""}, paths={"a.csv": ""}, size=0)
BOTH = pytest.mark.parametrize(("kind", "spec"), [(Object(), OBJECT), (Folder(), FOLDER)], ids=["object", "folder"])


def versions(lab: LabHandle, count: int) -> Any:
    """A client of S3, where data/a.csv has so many versions and a marker; beside it is somebody else's."""
    s3 = lab.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number in range(count):
        s3.put_object(Bucket=BUCKET, Key="data/a.csv", Body=b"%d" % number)
    s3.delete_object(Bucket=BUCKET, Key="data/a.csv")
    s3.put_object(Bucket=BUCKET, Key="data/a.csv.old", Body=b"another's")
    return s3


# A thousand take long, and what else is of their kind is tried with three.
@pytest.mark.parametrize(("count", "calls"), [(3, 1), pytest.param(1000, 2, marks=pytest.mark.long)])
@BOTH
def test_all_versions_are_deleted_and_nothing_else(
    lab: LabHandle, kind: Any, spec: Any, count: int, calls: int
) -> None:
    s3 = versions(lab, count)
    kind.delete(lab.aws(), Observed(spec))
    left = s3.list_object_versions(Bucket=BUCKET)
    assert [version["Key"] for version in left["Versions"]] == ["data/a.csv.old"]
    assert "DeleteMarkers" not in left
    assert len(lab.log("s3", "DeleteObjects")) == calls
    kind.delete(lab.aws(), Observed(spec))


@BOTH
def test_an_interruption_ends_it_before_the_next_thousand(lab: LabHandle, kind: Any, spec: Any) -> None:
    s3, clock = versions(lab, 1), Interrupting()
    clock.stopped.set()
    with pytest.raises(Interrupted):
        kind.delete(lab.aws(clock=clock), Observed(spec))
    assert len(s3.list_object_versions(Bucket=BUCKET)["Versions"]) == 2


@BOTH
def test_a_bucket_that_is_gone_has_none(lab: LabHandle, kind: Any, spec: Any) -> None:
    kind.delete(lab.aws(), Observed(spec))
