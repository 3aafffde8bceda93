"""Drift of a function: what others did to it is seen, said as what it is, and put right by one apply.

Its own account of a few resources, since the guide's deployment has no schedule.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from reconciler.core.plan import Action
from reconciler.core.spec import OWNER_TAG, Address
from reconciler.kinds import lambda_function as bundle
from tests.drift.changes import trust
from tests.faults.small import Small
from tests.faults.test_function import NAME, ROLE, small
from tests.kinds.samples_events import a_zip
from tests.lab_client import ACCOUNT, REGION, LabHandle

FUNCTION = Address("function", NAME)
CALL = "lambda:InvokeFunction"
THEIR_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:theirs"


def api(name: str, **params: Any) -> Callable[[LabHandle], Any]:
    return lambda lab: getattr(lab.client("lambda"), name)(FunctionName=NAME, **params)


def configured(**params: Any) -> Callable[[LabHandle], Any]:
    return api("update_function_configuration", **params)


def allowed(sid: str, principal: str, **params: Any) -> Callable[[LabHandle], Any]:
    return api("add_permission", StatementId=sid, Principal=principal, Action=CALL, **params)


def other_role(lab: LabHandle) -> None:
    document = trust({"Service": "lambda.amazonaws.com"})
    role = lab.client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=document)["Role"]
    configured(Role=role["Arn"])(lab)


def layer(lab: LabHandle) -> None:
    made = lab.client("lambda").publish_layer_version(LayerName="theirs", Content={"ZipFile": a_zip()})
    configured(Layers=[made["LayerVersionArn"]])(lab)


def source(lab: LabHandle) -> None:
    lab.client("sqs").create_queue(QueueName="source")
    api("create_event_source_mapping", EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:source")(lab)


def destinations(key: str, *qualifier: str) -> Callable[[LabHandle], Any]:
    there = {key: {"Destination": THEIR_QUEUE}}
    named = {"Qualifier": qualifier[0]} if qualifier else {}
    return api("put_function_event_invoke_config", DestinationConfig=there, **named)


def alias(then: Callable[[LabHandle], Any]) -> Callable[[LabHandle], Any]:
    """Something about an alias of the newest code."""

    def do(lab: LabHandle) -> None:
        api("create_alias", Name="live", FunctionVersion="$LATEST")(lab)
        then(lab)

    return do


def version(lab: LabHandle) -> None:
    number = lab.client("lambda").publish_version(FunctionName=NAME)["Version"]
    allowed("all", "*", Qualifier=number)(lab)


def statements(lab: LabHandle) -> list[Any]:
    policy = json.loads(lab.client("lambda").get_policy(FunctionName=NAME)["Policy"])
    return list(policy["Statement"])


def not_called(lab: LabHandle) -> None:
    """Nobody may call it any more."""
    for statement in statements(lab):
        lab.client("lambda").remove_permission(FunctionName=NAME, StatementId=statement["Sid"])


def taken_over(lab: LabHandle) -> None:
    """Another statement under the id of one of ours."""
    sid = statements(lab)[0]["Sid"]
    lab.client("lambda").remove_permission(FunctionName=NAME, StatementId=sid)
    allowed(sid, "*")(lab)


def tags(method: str, **params: Any) -> Callable[[LabHandle], Any]:
    def do(lab: LabHandle) -> None:
        arn = lab.client("lambda").get_function(FunctionName=NAME)["Configuration"]["FunctionArn"]
        getattr(lab.client("lambda"), method)(Resource=arn, **params)

    return do


class Drift(NamedTuple):
    """path: of the change that the plan has to show; empty for what has to be made again."""

    path: str
    do: Callable[[LabHandle], Any]
    widens: bool = False


DRIFTS = {
    "everybody may call it": Drift("invokers", allowed("all", "*"), widens=True),
    "another account may call it": Drift("invokers", allowed("them", "arn:aws:iam::210987654321:root"), widens=True),
    "S3 may call it": Drift("invokers", allowed("s3", "s3.amazonaws.com", SourceArn="arn:aws:s3:::b"), widens=True),
    "a statement of ours is another": Drift("invokers", taken_over, widens=True),
    "nobody may call it": Drift("invokers", not_called),
    "other code": Drift("code", api("update_function_code", ZipFile=a_zip())),
    "another handler": Drift("handler", configured(Handler="other.handle")),
    "another runtime": Drift("runtime", configured(Runtime="python3.9")),
    "another role": Drift("role", other_role, widens=True),
    "a source of events": Drift("attached", source, widens=True),
    "results go elsewhere": Drift("attached", destinations("OnSuccess"), widens=True),
    "failures go elsewhere": Drift("attached", destinations("OnFailure"), widens=True),
    "an alias's results go elsewhere": Drift(
        "attached", alias(lambda lab: destinations("OnFailure", "live")(lab)), True
    ),
    "an address for everybody": Drift("attached", api("create_function_url_config", AuthType="NONE"), widens=True),
    "an address for this account": Drift(
        "attached", api("create_function_url_config", AuthType="AWS_IAM"), widens=True
    ),
    "a published version": Drift("attached", api("publish_version"), widens=True),
    "everybody may call a version": Drift("attached", version, widens=True),
    "an alias": Drift("attached", api("create_alias", Name="live", FunctionVersion="$LATEST"), widens=True),
    "everybody may call an alias": Drift("attached", alias(allowed("all", "*", Qualifier="live")), widens=True),
    "an alias's address": Drift(
        "attached", alias(api("create_function_url_config", Qualifier="live", AuthType="NONE")), widens=True
    ),
    "failures go to another queue": Drift(
        "dead_letters", configured(DeadLetterConfig={"TargetArn": THEIR_QUEUE}), widens=True
    ),
    "a layer": Drift("layers", layer, widens=True),
    "a longer timeout": Drift("timeout", configured(Timeout=900)),
    "more memory": Drift("memory", configured(MemorySize=10240)),
    "another environment": Drift("environment", configured(Environment={"Variables": {"DEPLOY": "x", "MORE": "y"}})),
    "a secret in its environment": Drift(
        "environment.DB_PASSWORD", configured(Environment={"Variables": {"DEPLOY": "demo", "DB_PASSWORD": "hunter2"}})
    ),
    "no dead letters": Drift("dead_letters", configured(DeadLetterConfig={"TargetArn": ""})),
    "its log is elsewhere": Drift("other", configured(LoggingConfig={"LogFormat": "Text", "LogGroup": "/else"})),
    "in a VPC": Drift("other", configured(VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]})),
    "it may never run": Drift("other", api("put_function_concurrency", ReservedConcurrentExecutions=1)),
    "ownership tag gone": Drift(f"tags.{OWNER_TAG}", tags("untag_resource", TagKeys=[OWNER_TAG])),
    "a tag more": Drift("tags.more", tags("tag_resource", Tags={"more": "x"})),
    "deleted": Drift("", api("delete_function")),
}


@pytest.fixture(scope="module")
def world(lab_session: LabHandle) -> Small:
    """The function, which each repair leaves as it was."""
    lab_session.reset()
    made = small(lab_session)
    assert made.apply().ok
    return made


@pytest.mark.share(4)
@pytest.mark.parametrize("drift", DRIFTS.values(), ids=[name.replace(" ", "-") for name in DRIFTS])
def test_drift(drift: Drift, world: Small) -> None:
    lab, expected = world.lab, statements(world.lab)
    drift.do(lab)
    (step,) = [step for step in world.plan().steps if step.action is not Action.NONE]
    assert step.address == FUNCTION
    if drift.path:
        assert step.action is Action.UPDATE
        shown = [change for change in step.changes if change.path.startswith(drift.path)]
        assert shown
        assert len(shown) == len(step.changes)
        assert any(change.widens for change in shown) is drift.widens
        assert "hunter2" not in repr(step.changes)
    else:
        assert step.action is Action.CREATE
    assert world.apply().ok
    assert {step.action for step in world.plan().steps} == {Action.NONE}
    assert sorted(statements(lab), key=str) == sorted(expected, key=str)
    live = lab.client("lambda").get_function(FunctionName=NAME)["Configuration"]
    assert (live["CodeSha256"], live["Timeout"]) == (bundle.code_sha256(), 60)
    assert live["Role"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"


def test_what_aws_fills_in_is_no_drift(world: Small) -> None:
    empty: dict[str, Any] = {"SubnetIds": [], "SecurityGroupIds": []}
    configured(
        VpcConfig=empty, Layers=[], KMSKeyArn="", TracingConfig={"Mode": "PassThrough"}, EphemeralStorage={"Size": 512},
        FileSystemConfigs=[], SnapStart={"ApplyOn": "None"},
    )(world.lab)  # fmt: skip
    assert {step.action for step in world.plan().steps} == {Action.NONE}
