# ruff: noqa: E501  (tables of cases read best in whole lines)
"""Answers that aren't whole, and failures of AWS under any code: tried again or looked into, never a bug of ours."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.answer import answer_of
from reconciler.aws.calls import ONCE
from reconciler.aws.errors import THROTTLING, Fault, classify
from reconciler.aws.foreign import whole
from reconciler.core.errors import Unreachable
from tests.faults.world import World, differs
from tests.lab_client import LabHandle, SkippingClock

# One read of each protocol, and of each service of a plan.
READS: dict[str, dict[str, Any]] = {
    "sts GetCallerIdentity": {}, "ec2 DescribeVpcs": {}, "iam ListRoles": {}, "ecs DescribeClusters": {},
    "ssm GetParametersByPath": {"Path": "/x"}, "logs DescribeLogGroups": {}, "ecr DescribeRepositories": {},
    "s3 ListBuckets": {}, "scheduler ListSchedules": {}, "sqs ListQueues": {}, "sns ListTopics": {},
    "events ListRules": {}, "lambda ListFunctions": {},
}  # fmt: skip


def rule(call: str, **more: Any) -> dict[str, Any]:
    service, op = call.split()
    return {"service": service, "op": op, **more}


@pytest.mark.parametrize("claims", [True, False])
@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_a_read_is_tried_again(lab: LabHandle, keep: float, claims: bool) -> None:
    for call, params in READS.items():
        aws = lab.aws()
        before = aws.call(*call.split(), **params)
        lab.rules(rule(f"{call.split()[0]} *", do="cut", keep=keep, claims=claims, times=2))
        lab.zero()
        after = aws.call(*call.split(), **params)
        assert len(lab.log()) == 3, call
        assert before.keys() == after.keys()


def test_a_whole_deploy_goes_through(lab: LabHandle, tmp_path: Path) -> None:
    """The first two answers of every operation are cut, half of them under the length of the whole."""
    world = World(lab, tmp_path)
    for keep in (0.5, 0):
        lab.rules()
        lab.zero()
        world.destroy()
        world.apply()
        ops = sorted({(row["service"], row["op"]) for row in lab.log()})
        assert len(ops) > 50
        world.destroy()
        lab.rules(*(
            rule(f"{service} {op}", do="cut", keep=keep, claims=number % 2 == 0, times=2)
            for number, (service, op) in enumerate(ops)
        ))  # fmt: skip
        outcome = world.apply()
        assert outcome.ok, outcome.failed
        assert differs(world.plan()) == []


def test_the_content_of_an_object(lab: LabHandle, tmp_path: Path) -> None:
    body, s3 = b"x" * 100_000, lab.client("s3")
    there: dict[str, Any] = {"Bucket": "the-bucket", "Key": "k"}
    s3.create_bucket(Bucket="the-bucket")
    s3.put_object(**there, Body=body)
    for claims in (True, False):  # a length of its own is that of another object: a reader of records sees that
        lab.rules(rule("s3 GetObject", do="cut", keep=0.5, claims=claims))
        content = lab.aws().call("s3", "GetObject", **there)["Body"].read()
        assert len(content) == (100_000 if claims else 50_000)
    lab.rules(rule("s3 HeadObject", do="cut", without="Content-Length", times=2))
    assert lab.aws().call("s3", "HeadObject", **there)["ContentLength"] == len(body)
    lab.rules(
        rule("s3 HeadObject", do="cut", without="Content-Length"), rule("s3 GetObject", do="cut", keep=0.5, claims=True)
    )
    lab.aws().transfer("download_file", **there, Filename=str(tmp_path / "k"))
    assert (tmp_path / "k").read_bytes() == body
    lab.rules(rule("s3 GetObject", do="cut", keep=0.5, claims=True, times=-1))
    with pytest.raises(Unreachable, match="a broken answer"):
        lab.aws().transfer("download_file", **there, Filename=str(tmp_path / "k"))


@pytest.mark.parametrize(
    ("protocol", "status", "body", "members", "payload", "expected"),
    [
        ("json", 200, b'{"a": 1}', {"a": {}}, "", True), ("json", 200, b'{"a": ', {"a": {}}, "", False),
        ("json", 200, b"", {"a": {}}, "", False), ("json", 200, b" \n", {"a": {}}, "", False), ("json", 200, b"", {}, "", True),
        ("json", 400, b"", {"a": {}}, "", False), ("rest-xml", 304, b"", {"a": {}}, "", True), ("json", 400, b'{"__type": "Acc', {"a": {}}, "", False),
        ("json", 403, b"go away", {"a": {}}, "", True), ("json", 200, b"go away", {"a": {}}, "", False),
        ("rest-json", 200, b"\x00\x01", {"a": {}}, "blob", True), ("rest-json", 200, b"", {"a": {}}, "blob", True),
        ("rest-json", 200, b"", {"a": {"location": "header"}}, "", True), ("rest-json", 200, b"", {"a": {}}, "structure", False),
        ("rest-xml", 200, b"", {"a": {}}, "", False), ("rest-xml", 200, b"<a", {"a": {}}, "", True),  # botocore says it
        ("query", 200, b"", {"a": {}}, "", False), ("query", 404, b"", {"a": {}}, "", False),
    ],
)  # fmt: skip
def test_whole(
    protocol: str, status: int, body: bytes, members: dict[str, dict[str, str]], payload: str, expected: bool
) -> None:
    class Shape:
        def __init__(self, kind: str = "", serialization: dict[str, str] | None = None, members: Any = None) -> None:
            self.type_name, self.serialization, self.members = kind, serialization or {}, members

    parts = {name: Shape(payload or "string", serialization) for name, serialization in members.items()}
    output = Shape("structure", {"payload": "a"} if payload else {}, parts)
    assert whole(protocol, status, {}, body, output) is expected
    assert whole(protocol, 200, {}, b"", None)
    assert whole(protocol, 400, {"x-amzn-errortype": "AccessDenied"}, b"", output) is (protocol == "rest-json")


# The codes of issue reports, and some that no table has, with statuses that say enough.
CODES = ("InternalException", "InternalServerException", "Unavailable", "NoSuchEntity", "AccessDenied", "ValidationError",
         "LimitExceeded", "ResourceNotFoundException", "Whatever", "")  # fmt: skip


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 529, 599])
@pytest.mark.parametrize("code", CODES)
def test_a_failure_of_awss_is_one_under_any_code(code: str, status: int) -> None:
    for service in ("iam", "ecs", "events", "scheduler", "ec2", "logs"):
        failure = classify(service, "GetThing", code, "x", fresh=True, status=status)
        assert (failure.fault, failure.budget) == (Fault.BROKEN, 30.0)
        assert classify(service, "GetThing", code, "x", status=429).fault in (
            Fault.THROTTLED,
            *KNOWN.get((service, code), ()),
        )


KNOWN = {("iam", "NoSuchEntity"): (Fault.GONE,), ("events", "ResourceNotFoundException"): (Fault.GONE,),
         ("scheduler", "ResourceNotFoundException"): (Fault.GONE,), ("ecs", "ResourceNotFoundException"): (Fault.GONE,),
         ("logs", "ResourceNotFoundException"): (Fault.GONE,)}  # fmt: skip


@pytest.mark.parametrize("code", sorted(THROTTLING))
@pytest.mark.parametrize("status", [0, 400, 429, 503])
def test_a_throttle_is_one_under_any_status(code: str, status: int) -> None:
    assert classify("sns", "Publish", code, "Rate exceeded", status=status).fault is Fault.THROTTLED


@pytest.mark.parametrize(("status", "times"), [(500, 2), (503, 2), (599, 2), (429, 2)])
def test_it_is_tried_again_unless_it_makes_something(lab: LabHandle, status: int, times: int) -> None:
    for call in ("iam ListRoles", "sns ListTopics", "events ListRules", "scheduler ListSchedules", "ec2 DescribeVpcs"):
        lab.zero()
        lab.rules(rule(f"{call.split()[0]} *", do="error", code="Odd", status=status, times=times))
        lab.aws().call(*call.split())
        assert len(lab.log()) == times + 1
    assert "CreateQueue".startswith(ONCE)
    lab.zero()
    lab.rules(rule("sqs CreateQueue", do="error", code="Odd", status=status, times=times))
    if status == 429:  # refused, so not made
        lab.aws().call("sqs", "CreateQueue", QueueName="q")
    else:
        with pytest.raises(Unreachable):
            lab.aws().call("sqs", "CreateQueue", QueueName="q")
        assert len(lab.log()) == 1


def test_what_an_emulator_doesnt_have_isnt_asked_for_half_a_minute(lab: LabHandle) -> None:
    lab.rules(rule("iam ListRoles", do="error", code="NotImplemented", status=501, times=-1))
    clock = SkippingClock()
    with pytest.raises(Unreachable):
        lab.aws(clock=clock).call("iam", "ListRoles")
    assert clock.skipped < 10


@pytest.mark.parametrize("path", [["Name"], ["Target", "Arn"], ["Tags", 0, "Value"]])
def test_what_is_missing_in_an_answer_is_said(path: list[Any]) -> None:
    answer: Any = answer_of("scheduler", "GetSchedule", {"Target": {}, "Tags": [{"Key": "a"}]})
    assert answer.get("Name") is None
    with pytest.raises(Unreachable, match=f"scheduler:GetSchedule failed: a broken answer: it has no {path[-1]}"):
        reduce(lambda inside, part: inside[part], path, answer)


@pytest.mark.parametrize("body", ['{"clusters": 5}', '{"clusters": [{"statistics": 7}]}', '{"clusters": "x"}'])
def test_what_cant_be_read_is_tried_again(lab: LabHandle, body: str) -> None:
    lab.rules(
        {
            "service": "ecs",
            "op": "DescribeClusters",
            "do": "answer",
            "type": "application/json",
            "body": body,
            "times": 2,
        }
    )
    assert lab.aws().call("ecs", "DescribeClusters")["clusters"] == []
