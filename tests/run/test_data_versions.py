"""Which versions of a run's data are taken, and what of its variables names them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.aws import calls
from reconciler.aws.calls import Aws, SystemClock
from reconciler.core.errors import Unreachable, UserError
from reconciler.run import data_versions
from reconciler.run.data_versions import OldData, Version, _versions_at, copy, moved, moved_text, old_data
from tests.local_fixtures import unique
from tests.run.conftest import Lane
from tests.run.samples import run as a_run

RUN = "20260101-000000-0123abcd"
TO = f"runs/{RUN}/input/output/"
FILE, FOLDER = "data/prices.csv", "data/parts/"


def old(key: str, *, moved: bool = True) -> OldData:
    return OldData(key, (Version(key, "v", 1, newest=False),), moved)


@pytest.mark.parametrize(
    ("text", "wanted", "names"),
    [
        (FILE, TO + FILE, FILE),
        (f"s3://bucket/{FILE}", f"s3://bucket/{TO}{FILE}", FILE),
        (f"--data={FILE}", f"--data={TO}{FILE}", FILE),
        (f"--data=s3://bucket/{FILE}", f"--data=s3://bucket/{TO}{FILE}", FILE),
        (FOLDER, TO + FOLDER, FOLDER),
        ("data/parts", f"{TO}data/parts", FOLDER),
        ("data/parts/year=2025/a b.csv", f"{TO}data/parts/year=2025/a b.csv", FOLDER),
        ("s3://bucket/data/parts/", f"s3://bucket/{TO}data/parts/", FOLDER),
        (f"s3://another/{FILE}", f"s3://another/{FILE}", ""),
        (f"{FILE}.bak", f"{FILE}.bak", ""),
        (f"x{FILE}", f"x{FILE}", ""),
        ("data/partsother", "data/partsother", ""),
        ("data/same.csv", "data/same.csv", ""),
        ("data/", "data/", ""),
        ("", "", ""),
        ("=", "=", ""),
        ("a\nb", "a\nb", ""),
    ],
)
def test_what_names_the_data(text: str, wanted: str, names: str) -> None:
    data = [old(FILE), old(FOLDER), old("data/same.csv", moved=False)]
    assert moved_text(text, "bucket", RUN, data) == (wanted, names)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"S3_BUCKET": "theirs", "S3_KEY": "a/1", "S3_PREFIX": "a/"},
         {"S3_BUCKET": "bucket", "S3_KEY": f"{TO}theirs/a/1", "S3_PREFIX": f"{TO}theirs/a/"}),
        ({"S3_BUCKET": "bucket", "S3_KEY": "a/1"}, {}),
        ({"S3_BUCKET": "theirs", "S3_KEY": "b/1"}, {}),
        ({"S3_BUCKET": "whole", "S3_KEY": "b/1", "S3_PREFIX": ""},
         {"S3_BUCKET": "bucket", "S3_KEY": f"{TO}whole/b/1", "S3_PREFIX": f"{TO}whole/"}),
        ({"RATES": "s3://theirs/a/"}, {"RATES": f"s3://bucket/{TO}theirs/a/"}),
        ({"RATES": "s3://theirs/other/", "KEY": "a/1"}, {}),
    ],
)  # fmt: skip
def test_data_of_another_bucket_is_named_in_the_deploys(values: dict[str, str], wanted: dict[str, str]) -> None:
    theirs = [OldData(uri, (), moved=True, bucket=uri.split("/")[2]) for uri in ("s3://theirs/a/", "s3://whole/")]
    assert moved(values, "bucket", RUN, theirs)[0] == values | wanted


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def listed(key: str, second: int, version: str) -> dict[str, Any]:
    return {"Key": key, "LastModified": at(second), "VersionId": version}


@pytest.mark.parametrize(
    ("versions", "markers", "moment", "wanted"),
    [
        ([("a", 1, "1")], [], 1, {"a": "1"}),
        ([("a", 2, "1")], [], 1, {}),
        ([("a", 3, "2"), ("a", 1, "1")], [], 2, {"a": "1"}),
        ([("a", 3, "2"), ("a", 1, "1")], [], 3, {"a": "2"}),
        ([("a", 1, "2"), ("a", 1, "1")], [], 1, {"a": "2"}),  # within a second the newest is listed first
        ([("a", 1, "1")], [("a", 2, "m")], 2, {}),
        ([("a", 1, "1")], [("a", 2, "m")], 1, {"a": "1"}),
        ([("a", 3, "2"), ("a", 1, "1")], [("a", 2, "m")], 3, {"a": "2"}),
        ([("b", 1, "1"), ("a", 2, "1")], [], 2, {"a": "1", "b": "1"}),
    ],
)
def test_what_was_there_then(
    versions: list[tuple[str, int, str]], markers: list[tuple[str, int, str]], moment: int, wanted: dict[str, str]
) -> None:
    then = _versions_at([listed(*row) for row in versions], [listed(*row) for row in markers], at(moment))
    assert {key: version["VersionId"] for key, version in then.items()} == wanted


def test_a_page_is_asked_for_with_the_marks_of_the_one_before_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that ends behind the last version of a key names none to go on from, and another's would be wrong."""
    names = (("KeyMarker", "NextKeyMarker"), ("VersionIdMarker", "NextVersionIdMarker"))
    marks = [{"NextKeyMarker": "a", "NextVersionIdMarker": "1"}, {"NextKeyMarker": "b"}, {"NextKeyMarker": "b"}]
    asked: list[dict[str, str]] = []

    def call(service: str, operation: str, /, **params: str) -> dict[str, str]:
        asked.append(params)
        return marks[len(asked) - 1]

    monkeypatch.setattr(calls, "paging", lambda client, operation: names)
    aws: Any = SimpleNamespace(call=call, _clients=SimpleNamespace(get=lambda service, operation: None))
    with pytest.raises(Unreachable, match="its next page is itself"):
        list(Aws.answers(aws, "s3", "ListObjectVersions", Bucket="b"))
    assert asked == [
        {"Bucket": "b"}, {"Bucket": "b", "KeyMarker": "a", "VersionIdMarker": "1"}, {"Bucket": "b", "KeyMarker": "b"},
    ]  # fmt: skip


class Pages:
    """A bucket with one version and one delete marker on each of very many pages."""

    pages, find_all = Aws.pages, Aws.find_all

    def __init__(self, key: str, second: int) -> None:
        self.key, self.second, self.asked = key, second, 0

    def answers(self, service: str, operation: str, /, **params: Any) -> Iterator[dict[str, Any]]:
        for number in range(99):
            self.asked += 1
            key = self.key.format(number)
            version = listed(key, self.second, str(number)) | {"Size": 1, "IsLatest": True, "ETag": '"e"'}
            yield {"Versions": [version], "DeleteMarkers": [listed(f"{key}x", 1, "m")]}

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": {}}}

    def each(self, read: Any, items: Any) -> list[Any]:
        return [read(item) for item in items]

    region, clock = "us-east-1", SystemClock()


@pytest.mark.parametrize(
    ("uri", "key", "second", "asked", "why"),
    [
        ("s3://theirs/a/", "a/{}", 1, 6, "s3://theirs/a/ had more than 5 files at the launch"),
        ("s3://theirs/a/", "a/{}", 9, 11, "s3://theirs/a/ has more than 20 versions"),
        ("s3://theirs/a/", "a/1", 1, 11, "s3://theirs/a/ has more than 20 versions"),
        ("a/", "a/{}", 1, 6, "a/ had more than 5 files at the launch"),
        ("s3://theirs/a", "a", 1, 1, "s3://theirs/a (no versions are there whose ETags are those of then)"),
    ],
)
def test_a_place_of_any_size_is_listed_once_and_to_a_limit(
    uri: str, key: str, second: int, asked: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_versions, "FILES", 5)
    monkeypatch.setattr(data_versions, "VERSIONS", 20)
    aws: Any = Pages(key, second)
    run = a_run(created=5.0, attempts=[], inputs={"data": {uri: "another"}})
    with pytest.raises(UserError) as refused:
        old_data(aws, "bucket", "prices", run, [])
    assert (why in str(refused.value), aws.asked) == (True, asked)
    assert "data.bucket.versioning" not in refused.value.hint


def test_what_is_too_large_for_one_call_is_copied_in_parts(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded_aws, s3, bucket = lane.embedded, lane.client("s3"), unique("versions")
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = b"1" * (5 * 2**20) + b"end"
    version = s3.put_object(Bucket=bucket, Key=FILE, Body=first)["VersionId"]
    s3.put_object(Bucket=bucket, Key=FILE, Body=b"another")
    monkeypatch.setattr(data_versions, "WHOLE", 1)
    monkeypatch.setattr(data_versions, "PIECE", 5 * 2**20)
    moved_file = OldData(FILE, (Version(FILE, version, len(first), newest=False),), moved=True)
    with Aws("us-east-1", session=embedded_aws.session, endpoint_url=embedded_aws.endpoint_url) as aws:
        copy(aws, bucket, RUN, [moved_file, OldData("gone", (Version("gone", "", 1, newest=True),), moved=False)])
        assert s3.get_object(Bucket=bucket, Key=TO + FILE)["Body"].read() == first
        # One that fails leaves no part behind.
        missing = OldData(FILE, (Version("none.csv", version, 1, newest=False),), moved=True)
        with pytest.raises(Exception, match=r"none\.csv|NoSuchKey|NoSuchVersion|not exist"):
            copy(aws, bucket, RUN, [missing])
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
