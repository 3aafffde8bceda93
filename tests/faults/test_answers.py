"""What answers in AWS's place without being a page (for those see test_foreign.py) isn't taken for its word either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.answer import answered_at
from reconciler.aws.foreign import speaks
from reconciler.core.errors import Denied, Unreachable
from tests.faults.world import World, differs
from tests.lab_client import LabHandle

pytestmark = pytest.mark.any_request

PAGES = {
    "text": ("text/plain", "access denied"),
    "list": ("application/json", "[]"),
    "json": ("application/json", "{}"),
}
READS: dict[str, dict[str, Any]] = {
    "iam GetRole": {"RoleName": "x"}, "s3 GetBucketTagging": {"Bucket": "b"}, "ec2 DescribeVpcs": {},
    "ecs DescribeClusters": {}, "ssm GetParametersByPath": {"Path": "/x"}, "logs DescribeLogGroups": {},
}  # fmt: skip
WRITES: dict[str, dict[str, Any]] = {
    "iam CreateRole": {"RoleName": "x", "AssumeRolePolicyDocument": "{}"}, "s3 CreateBucket": {"Bucket": "b"},
    "logs CreateLogGroup": {"logGroupName": "x"},
}  # fmt: skip


def foreign(call: str, status: int, page: str, times: int = -1) -> dict[str, Any]:
    (service, op), (kind, body) = call.split(), PAGES[page]
    return {"service": service, "op": op, "do": "answer", "status": status, "type": kind, "body": body,
            "foreign": True, "times": times}  # fmt: skip


@pytest.mark.parametrize("page", ["text", "list"])
@pytest.mark.parametrize("status", [200, 403, 404, 407])
def test_it_is_no_answer(lab: LabHandle, status: int, page: str) -> None:
    """Neither nothing, nor "not there", nor "denied"; what reads is repeated, what makes something isn't."""
    for call, params in {**READS, **WRITES}.items():
        service, op = call.split()
        lab.rules(foreign(call, status, page))
        lab.zero()
        with pytest.raises(Unreachable, match="not AWS's answer") as caught:
            lab.aws().call(service, op, **params)
        assert "HTTPS_PROXY" in caught.value.hint
        assert len(lab.log()) == 1 if call in WRITES else len(lab.log()) > 2


def test_for_a_moment_it_does_no_harm(lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    calls = ("s3 HeadBucket", "iam GetRole", "ecs RegisterTaskDefinition", "s3 PutObject", "logs CreateLogGroup")
    lab.rules(*(foreign(call, 502, page, times=1) for call in calls for page in PAGES))
    assert world.apply().ok
    assert [row["op"] for row in lab.log() if row["fault"]] != []
    assert differs(world.plan()) == []


@pytest.mark.parametrize(
    ("operation", "params", "key"),
    [
        ("DescribeTasks", {"tasks": ["0123"]}, "tasks"), ("DescribeClusters", {"clusters": ["c"]}, "clusters"),
        ("DescribeServices", {"services": ["s"]}, "services"),
        ("DescribeCapacityProviders", {"capacityProviders": ["p"]}, "capacityProviders"),
    ],
)  # fmt: skip
def test_what_ecs_could_not_describe_is_not_gone(
    lab: LabHandle, operation: str, params: dict[str, Any], key: str
) -> None:
    """A task that is taken for forgotten is launched again."""
    for reason, known in (("MISSING", True), ("ACCESS_DENIED", False), ("", False)):
        body = json.dumps({key: [], "failures": [{"arn": "arn:x", "reason": reason}]})
        lab.rules({"service": "ecs", "op": operation, "do": "answer", "status": 200, "body": body,
                   "type": "application/x-amz-json-1.1", "times": -1})  # fmt: skip
        if known:
            assert lab.aws().find("ecs", operation, **params)
        else:
            with pytest.raises(Unreachable, match="arn:x"):
                lab.aws().find("ecs", operation, **params)


def test_an_answer_of_awss_with_the_same_status_is_believed(lab: LabHandle) -> None:
    lab.rules({"service": "ecs", "op": "DescribeClusters", "do": "error", "code": "AccessDeniedException", "times": -1})
    with pytest.raises(Denied):
        lab.aws().call("ecs", "DescribeClusters")


@pytest.mark.parametrize(
    ("protocol", "status", "named", "headers", "body", "awss"),
    [
        ("json", 200, True, {}, b"", True),
        ("json", 200, True, {}, b"{}", True),
        ("json", 200, False, {}, b"", False),
        ("json", 200, False, {}, b'{"clusters": []}', True),
        ("json", 400, False, {}, b'{"__type": "AccessDeniedException"}', True),
        ("rest-json", 400, False, {"x-amzn-errortype": "ConflictException"}, b"{}", True),
        ("json", 403, False, {}, b'{"message": "Forbidden"}', False),
        ("json", 403, True, {}, b'{"message": "Forbidden"}', True),
        ("json", 503, False, {}, b'{"message": "busy"}', True),  # tried again, whoever said it
        ("json", 503, False, {}, b"busy", True),
        ("json", 503, False, {}, b"", True),
        ("json", 503, True, {}, b"[]", False),
        ("json", 200, False, {}, b"busy", False),
        ("query", 200, False, {}, b" <GetRoleResponse/>", True),
        ("query", 403, False, {}, b"denied", False),
        ("query", 403, True, {}, b"denied", True),
        ("ec2", 503, False, {}, b"busy", True),
        ("rest-xml", 404, False, {}, b"", True),  # to a HEAD: nothing tells it from AWS's
    ],
)
def test_what_has_the_form(
    protocol: str, status: int, named: bool, headers: dict[str, str], body: bytes, awss: bool
) -> None:
    assert speaks(protocol, status, headers, body, has_id=named) is awss


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("Mon, 30 Nov 2026 19:00:00 GMT", 1796065200.0),
        ("", None),
        ("yesterday", None),
        ("Mon, 99 Nov 2026 19:00:00 GMT", None),
        ("Mon, 30 Nov 2026 19:00:00 +9999999", None),
    ],
)
def test_a_date_that_is_none_says_nothing(date: str, at: float | None) -> None:
    """A proxy may write anything."""
    assert answered_at({"ResponseMetadata": {"HTTPHeaders": {"date": date}}}) == at
