"""`data: s3://BUCKET/PREFIX`: what is in S3 already is read where it is, is part of the fingerprint, and is never
written.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.aws.calls import SystemClock
from reconciler.core.errors import Denied
from reconciler.core.given_data import Place
from reconciler.lower.given_data import _told, read_place
from tests.engine.project import Project
from tests.faults.case import error

OTHER = "their-datasets"


@pytest.fixture
def s3(project: Project) -> Any:
    """A bucket that isn't the deploy's, with two folders whose names begin alike."""
    project.change("data: prices.csv", f"data: s3://{OTHER}/prices")
    client = project.lab.client("s3")
    client.create_bucket(Bucket=OTHER)
    for key, text in (("prices/", ""), ("prices/2025/b.csv", "bb"), ("prices/a.csv", "a"), ("prices-old/a.csv", "old")):
        client.put_object(Bucket=OTHER, Key=key, Body=text.encode())
    return client


def environment(project: Project) -> dict[str, str]:
    task = project.lab.client("ecs").describe_task_definition(taskDefinition="tiny")["taskDefinition"]
    variables = {variable["name"]: variable["value"] for variable in task["containerDefinitions"][0]["environment"]}
    return {name: value for name, value in variables.items() if "S3" in name}


def statements(project: Project) -> list[Any]:
    policy = project.lab.client("iam").get_policy_version(
        PolicyArn="arn:aws:iam::123456789012:policy/tiny-task-policy", VersionId="v1"
    )["PolicyVersion"]["Document"]
    return [statement for statement in policy["Statement"] if OTHER in json.dumps(statement)]


def test_the_task_is_told_where_it_is_and_may_read_it_alone(project: Project, s3: Any) -> None:
    shown = project.ok("plan").out
    assert f"data: s3://{OTHER}/prices/: 2 objects, 3 bytes, the newest of " in shown
    project.ok("apply")
    assert environment(project) == {
        "USE_S3": "true", "S3_BUCKET": OTHER, "S3_KEY": "prices/2025/b.csv", "S3_PREFIX": "prices/",
    }  # fmt: skip
    read, listed = sorted(statements(project), key=lambda statement: str(statement["Action"]))
    assert (read["Action"], read["Resource"]) == (
        "s3:GetObject", [f"arn:aws:s3:::{OTHER}/prices", f"arn:aws:s3:::{OTHER}/prices/*"]
    )  # fmt: skip
    assert (listed["Action"], listed["Resource"]) == ("s3:ListBucket", f"arn:aws:s3:::{OTHER}")
    assert listed["Condition"] == {"StringLike": {"s3:prefix": ["prices", "prices/*"]}}
    assert project.todo() == {}


class Answers:
    """S3 with one object in an archive. told: of it beside, where that is asked for; region: the bucket's."""

    region = "us-east-1"

    def __init__(self, told: dict[str, Any], region: str) -> None:
        self.told, self.headers, self.clock = told, {"x-amz-bucket-region": region}, SystemClock()

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        s3_object = {"Key": "prices/a.csv", "Size": 1, "ETag": '"e"', "StorageClass": "GLACIER"}
        s3_object |= {"LastModified": datetime.now(UTC)} | (self.told if "OptionalObjectAttributes" in params else {})
        return {"ResponseMetadata": {"HTTPHeaders": self.headers}, "Contents": [s3_object]}


RESTORED = {"RestoreStatus": {"IsRestoreInProgress": False, "RestoreExpiryDate": datetime.now(UTC)}}
RESTORING = {"RestoreStatus": {"IsRestoreInProgress": True}}


@pytest.mark.parametrize("path", ["prices/a.csv", "prices/", "prices"])
@pytest.mark.parametrize(
    ("told", "region", "why"),
    [
        (RESTORED, "us-east-1", ""),
        (RESTORING, "us-east-1", "is in an archive"),
        ({}, "us-east-1", "is in an archive"),
        (RESTORED, "eu-west-1", f"the bucket {OTHER} is in eu-west-1"),
    ],
)
def test_one_object_is_judged_as_a_folder_is(path: str, told: dict[str, Any], region: str, why: str) -> None:
    aws: Any = Answers(told, region)
    data = read_place(aws, Place(OTHER, path))
    assert (why in data.trouble, bool(data.trouble), data.objects) == (True, bool(why), 0 if why else 1)


class Refuses:
    """S3 in China, which lets nobody list."""

    region, partition = "cn-north-1", "aws-cn"

    def call(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        raise Denied(service, operation, "AccessDenied", "no")


def test_rights_are_told_in_the_partition_of_the_deploy() -> None:
    aws: Any = Refuses()
    fix = _told(aws, Place(OTHER, "prices")).fix
    bucket = f"arn:aws-cn:s3:::{OTHER}"
    assert f"s3:ListBucket on {bucket} to" in fix
    assert f"s3:GetObject on {bucket}/prices and {bucket}/prices/*;" in fix


def whole(s3: Any) -> list[Any]:
    """All that the other bucket has, with what is said of it."""
    listed = s3.list_object_versions(Bucket=OTHER)
    tags = [s3.get_object_tagging(Bucket=OTHER, Key=version["Key"])["TagSet"] for version in listed["Versions"]]
    versions = [(version["Key"], version["VersionId"], version["LastModified"]) for version in listed["Versions"]]
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=OTHER)
    return [versions, listed.get("DeleteMarkers"), tags, s3.get_bucket_versioning(Bucket=OTHER).get("Status")]


def test_nothing_of_it_is_written_tagged_or_deleted(project: Project, s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=OTHER, VersioningConfiguration={"Status": "Enabled"})
    before = whole(s3)
    project.ok("apply")
    project.ok("apply", "--prune", "--delete-data")
    project.ok("destroy", "--yes", "--delete-data")
    assert whole(s3) == before


def test_verify_reads_it_as_the_program_would(project: Project, s3: Any) -> None:
    project.ok("apply", "--skip-image")

    def said() -> str:
        return " ".join(project.run("verify").out.split())

    assert f"OK s3://{OTHER}/prices/: 2 objects, 3 bytes" in said()
    project.lab.rules(error("s3", "GetObject", "AccessDenied", times=-1, status=403))
    assert f"NG s3://{OTHER}/prices/: prices/2025/b.csv may not be read: AccessDenied" in said()
    project.lab.rules(error("s3", "GetObject", "NoSuchKey", times=-1, status=404))
    assert "prices/2025/b.csv is gone since it was listed" in said()
    project.lab.rules()
    assert f"OK s3://{OTHER}/prices/: 2 objects, 3 bytes" in said()
    s3.delete_objects(Bucket=OTHER, Delete={"Objects": [{"Key": "prices/a.csv"}, {"Key": "prices/2025/b.csv"}]})
    assert f"NG s3://{OTHER}/prices/: nothing is there" in said()


def test_what_is_found_is_in_the_plans_json(project: Project, s3: Any) -> None:
    data = project.ok("plan", "--json").json["data"]
    assert [{k: place[k] for k in ("place", "objects", "bytes")} for place in data] == [
        {"place": f"s3://{OTHER}/prices/", "objects": 2, "bytes": 3}
    ]
    assert project.ok("status", "--json").json["plan"]["data"] == data
    assert "data" not in project.ok("destroy", "--yes", "--json").json["plan"]


def test_it_comes_back_in_an_import(project: Project, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.ok("apply")
    monkeypatch.setenv("API_TOKEN", "hunter2")
    project.ok("import", "--prefix", "tiny", "--out", "imported.yaml")
    text = (project.folder / "imported.yaml").read_text()
    assert f"s3://{OTHER}/prices/" in text
    assert "name: tiny-data-123456789012" in text
    assert project.ok("plan", "imported.yaml", "--json").json["summary"]["update"] == 0


def test_an_object_is_told_from_a_folder_of_its_name(project: Project, s3: Any) -> None:
    s3.put_object(Bucket=OTHER, Key="prices", Body=b"one")
    project.ok("apply")
    assert environment(project) == {"USE_S3": "true", "S3_BUCKET": OTHER, "S3_KEY": "prices"}
    project.change(f"s3://{OTHER}/prices", f"s3://{OTHER}/prices/")
    project.ok("apply")
    assert environment(project)["S3_PREFIX"] == "prices/"
    project.change(f"s3://{OTHER}/prices/", f"s3://{OTHER}")
    project.ok("apply")
    assert (environment(project)["S3_PREFIX"], environment(project)["S3_KEY"]) == ("", "prices")


def test_a_list_may_have_both(project: Project, s3: Any) -> None:
    """The variables say where the first is; what is uploaded is where it always is."""
    project.change(f"data: s3://{OTHER}/prices", f"data: [prices.csv, s3://{OTHER}/prices/a.csv]")
    project.ok("apply")
    mine = "tiny-data-123456789012"
    assert environment(project) == {"USE_S3": "true", "S3_BUCKET": mine, "S3_KEY": "data/prices.csv"}
    project.change(f"data: [prices.csv, s3://{OTHER}/prices/a.csv]", f"data: [s3://{OTHER}/prices/a.csv, prices.csv]")
    project.ok("apply")
    assert environment(project) == {"USE_S3": "true", "S3_BUCKET": OTHER, "S3_KEY": "prices/a.csv"}
    assert s3.head_object(Bucket=mine, Key="data/prices.csv")["ContentLength"] > 0


MISSING = (
    ("s3://no-such-bucket-anywhere/x", "there is no bucket no-such-bucket-anywhere", "make it"),
    (f"s3://{OTHER}/empty/", "nothing is there", "put the data there"),
    (f"s3://{OTHER}/pric", "nothing is there", "put the data there"),
    ("s3://tiny-data-123456789012/x", "the deploy's own bucket", "a bucket of its own"),
)


@pytest.mark.parametrize(("uri", "why", "fix"), MISSING)
def test_what_cannot_be_used_is_said_before_anything_is_made(
    project: Project, s3: Any, uri: str, why: str, fix: str
) -> None:
    project.change(f"s3://{OTHER}/prices", uri)
    project.lab.zero()
    for command in ("plan", "apply"):
        ended = project.run(command)
        told = " ".join(ended.err.split())
        assert ended.code == 2
        assert uri in told, told
        assert why in told, told
        assert fix in told, told
    assert not [call for call in project.lab.log() if call["op"].startswith(("Create", "Put", "Register"))]
    project.ok("status")
    project.ok("destroy", "--yes")


def refused(code: str, status: int, region: str = "") -> dict[str, Any]:
    headers = {"x-amz-bucket-region": region} if region else {}
    return error("s3", "ListObjectsV2", code, times=-1, status=status) | {"headers": headers}


def test_a_bucket_that_is_elsewhere_or_refuses(project: Project, s3: Any) -> None:
    for rule, why in (
        (refused("AccessDenied", 403), f"allow s3:ListBucket on arn:aws:s3:::{OTHER}"),
        (refused("PermanentRedirect", 301, "eu-west-1"), f"the bucket {OTHER} is in eu-west-1"),
    ):
        project.lab.rules(rule)
        ended = project.run("plan")
        assert ended.code == 2, ended.err
        assert why in " ".join(ended.err.split())
        project.lab.rules()
