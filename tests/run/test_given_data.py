"""Runs over data that is in S3 already: launched when it changed, repeated with what it was, and no wider than that."""

from __future__ import annotations

from typing import Any

import pytest

from tests.run.conftest import Lane, records
from tests.run.test_like import READS, ok, refused, said

OTHER = "their-datasets"
PEEKS = """\
import os, boto3, botocore
s3 = boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL"))
bucket = os.environ["S3_BUCKET"]
for name, call in (
    ("beside", lambda: s3.get_object(Bucket=bucket, Key="prices-old/a.csv")),
    ("list", lambda: s3.list_objects_v2(Bucket=bucket, Prefix="prices-old/")),
    ("write", lambda: s3.put_object(Bucket=bucket, Key="prices/new.csv", Body=b"x")),
):
    try:
        call()
    except botocore.exceptions.ClientError as error:
        print(name, error.response["Error"]["Code"])
"""


@pytest.fixture
def s3(lane: Lane) -> Any:
    client = lane.client("s3")
    if OTHER not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=OTHER)
        client.put_bucket_versioning(Bucket=OTHER, VersioningConfiguration={"Status": "Enabled"})
    for version in client.list_object_versions(Bucket=OTHER).get("Versions", []):
        client.delete_object(Bucket=OTHER, Key=version["Key"], VersionId=version["VersionId"])
    for key, text in (("prices/a b+c.csv", "1"), ("prices/sub/d.csv", "2"), ("prices-old/a.csv", "old")):
        client.put_object(Bucket=OTHER, Key=key, Body=text.encode())
    return client


def use(lane: Lane, source: str, data: str = f"s3://{OTHER}/prices") -> None:
    lane.program(source)
    lane.write("deploy.yaml", (lane.folder / "deploy.yaml").read_text().replace("data: prices.csv", f"data: {data}"))


def test_a_run_follows_the_data(lane: Lane, s3: Any) -> None:
    use(lane, READS.replace("{n}", "1"))
    then = ["data a b+c.csv 1", "data d.csv 2"]
    assert said(ok(lane, "apply"))[1:] == then
    first = records(lane)[0]["id"]
    assert "with the same inputs succeeded" in ok(lane, "apply")
    s3.put_object(Bucket=OTHER, Key="prices-old/a.csv", Body=b"another")  # beside it
    assert "with the same inputs succeeded" in ok(lane, "apply")
    s3.put_object(Bucket=OTHER, Key="prices/sub/d.csv", Body=b"3")
    s3.put_object(Bucket=OTHER, Key="prices/sub/e.csv", Body=b"4")
    assert said(ok(lane, "apply"))[1:] == ["data a b+c.csv 1", "data d.csv 3", "data e.csv 4"]
    assert said(ok(lane, "apply", "--like", first))[1:] == then, "the versions of then"
    again = records(lane)[0]
    assert again["like"] == first
    for version in s3.list_object_versions(Bucket=OTHER, Prefix="prices/sub/d.csv")["Versions"]:
        if not version["IsLatest"]:
            s3.delete_object(Bucket=OTHER, Key=version["Key"], VersionId=version["VersionId"])
    refused(lane, f"the data of run {first} is gone: s3://{OTHER}/prices/", "--like", first)


def test_one_object_of_then(lane: Lane, s3: Any) -> None:
    use(lane, READS.replace("{n}", "2"), f"s3://{OTHER}/prices/a b+c.csv")
    assert said(ok(lane, "apply"))[1:] == ["data a b+c.csv 1"]
    first = records(lane)[0]["id"]
    assert said(ok(lane, "apply", "--like", first))[1:] == ["data a b+c.csv 1"], "as it is"
    s3.put_object(Bucket=OTHER, Key="prices/a b+c.csv", Body=b"9")
    assert said(ok(lane, "apply", "--like", first))[1:] == ["data a b+c.csv 1"]
    assert said(ok(lane, "apply"))[1:] == ["data a b+c.csv 9"]


def test_the_program_may_read_nothing_beside_it_and_write_nothing(lane: Lane, s3: Any) -> None:
    use(lane, PEEKS)
    assert said(ok(lane, "apply")) == ["beside AccessDenied", "list AccessDenied", "write AccessDenied"]
